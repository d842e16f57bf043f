//! Newest batch and status of each source.
//!
//! Each section has one writer, its supervisor, and any number of readers. Readers see immutable [`Snapshot`]s. A
//! source holds no lock while it works: a blocked source cannot block them.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
#[cfg(feature = "testing")]
use tokio::sync::mpsc;
use tokio::sync::{broadcast, watch};

pub use crate::status::State;
pub(crate) use crate::status::WorkerStatus;
use crate::{
    AcquireError, Batch, Counter, FaultCode, Reading, Stats, Text, Timestamp, labels::Labels, latest::Latest,
    roles::Counted, scheduler::Progress,
};

/// Batches that a reader of events may be behind before it misses some.
const EVENT_BACKLOG: usize = 256;

/// Reason for slowing a source down.
pub(crate) const BRAKED: &str = "`acquire` returns without a pause, so the source is slowed down to 100 answers a second: its plugin must wait for \
     the device";
/// The same for a source with batches.
pub(crate) const BRAKED_BATCHES: &str = "`acquire` returns without a pause, so the source is slowed down to 100 answers a second: its plugin must wait for \
     the device, or `interval` thin the batches";
/// Time for which `/health` reports it.
const BRAKED_FOR: Duration = Duration::from_secs(60);

/// Sections of all sources, shared by supervisors, HTTP, publishers and endpoints.
#[derive(Debug)]
pub struct Store {
    /// Those of the sources that run, in the order of the configuration. Readers copy the pointer; a reload replaces it.
    sections: Latest<[Arc<Section>]>,
    /// Number of the last batch.
    numbers: AtomicU64,
    /// Number of batches that readers can see.
    version: AtomicU64,
    events: broadcast::Sender<Arc<Snapshot>>,
    /// Number of replacements of the sections, for those who show which sources there are.
    replacements: watch::Sender<u64>,
    /// Gets every batch, however late it is read: the other end is a test.
    #[cfg(feature = "testing")]
    recorder: OnceLock<mpsc::UnboundedSender<Arc<Snapshot>>>,
}

/// Place of one source in the store.
#[derive(Debug)]
pub struct Section {
    /// Name of the source.
    pub name: Text,
    /// Its plugin.
    pub plugin: &'static str,
    /// Time without a batch after which it counts as stale.
    pub stale_after: Duration,
    /// Its status.
    pub health: Health,
    /// What a person has said about it, which a reload replaces.
    labels: Latest<Labels>,
    latest: Latest<Snapshot>,
    /// What its batches count, beside the number of readings of the one of which that was found out; 0 = never.
    counted: AtomicU64,
    began: Instant,
    /// Microseconds from `began` to the last time that the device had nothing new; 0 = never.
    confirmed: AtomicU64,
    /// Wakes the sources that read this one, if there are any.
    readers: OnceLock<watch::Sender<()>>,
    /// Sources without which its batch is stale.
    needed: OnceLock<Box<[Arc<Section>]>>,
    /// The same to the last time that the source was slowed down.
    braked: AtomicU64,
    /// There were batches among the answers for which it was.
    braked_batches: AtomicBool,
    /// The newest answer was a fault.
    fails: AtomicBool,
    /// The newest answer was that the configuration does not fit it.
    misfit: AtomicBool,
}

/// A batch in the store. It never changes.
#[derive(Debug)]
pub struct Snapshot {
    /// Name of its source.
    pub section: Text,
    /// The source's plugin.
    pub plugin: &'static str,
    /// Its number among all batches, larger than that of every earlier one of its source.
    pub number: u64,
    /// The readings.
    pub batch: Batch,
    arrived: Instant,
    members: OnceLock<Bytes>,
}

impl Snapshot {
    /// Returns the members of its object in `/data`, without braces; encoded once, for all readers.
    pub fn members(&self) -> &Bytes {
        self.members.get_or_init(|| {
            let mut object = Vec::with_capacity(self.batch.readings.len() * 80 + 64);
            // Writing into memory cannot fail.
            let _ = serde_json::to_writer(&mut object, &self.batch);
            let end = object.len().saturating_sub(1);
            Bytes::from(object).slice(1.min(end)..end)
        })
    }
}

/// The newest batch of a source, as a reader sees it now.
#[derive(Debug, Clone)]
pub struct View {
    /// The batch.
    pub snapshot: Arc<Snapshot>,
    /// True if the device has been silent for `stale_after`.
    pub stale: bool,
    /// Time at which it turns stale unless a batch arrives.
    pub stale_from: Instant,
}

impl View {
    /// Appends the source's JSON object.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        out.extend_from_slice(self.snapshot.members());
        if self.stale {
            out.extend_from_slice(b",\"stale\":true");
        }
        out.push(b'}');
    }
}

impl Store {
    /// A store with these sections, all of them empty.
    pub fn new(sections: impl IntoIterator<Item = impl Into<Arc<Section>>>) -> Arc<Self> {
        let sections = sections.into_iter().map(Into::into).collect::<Vec<_>>().into();
        let (numbers, version) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self {
            sections,
            numbers,
            version,
            events: broadcast::Sender::new(EVENT_BACKLOG),
            replacements: watch::Sender::new(0),
            #[cfg(feature = "testing")]
            recorder: OnceLock::new(),
        })
    }

    /// Sends every batch from now on to a test, which misses none.
    #[cfg(feature = "testing")]
    pub(crate) fn record(&self, recorder: mpsc::UnboundedSender<Arc<Snapshot>>) {
        let _ = self.recorder.set(recorder);
    }

    /// Returns all sections, in the order of the configuration.
    pub fn sections(&self) -> Arc<[Arc<Section>]> {
        self.sections.all()
    }

    /// Returns the section of a source.
    pub fn section(&self, name: &str) -> Option<Arc<Section>> {
        self.sections().iter().find(|section| section.name == name).cloned()
    }

    /// Replaces the sections: those of unchanged sources stay the same.
    pub(crate) fn replace(&self, sections: Vec<Arc<Section>>) {
        self.sections.set(sections.into());
        // After the sections, as after a batch.
        self.version.fetch_add(1, Ordering::AcqRel);
        self.replacements.send_modify(|count| *count += 1);
    }

    /// Returns the news that the sections were replaced, from now on.
    pub(crate) fn replacements(&self) -> watch::Receiver<u64> {
        self.replacements.subscribe()
    }

    /// Returns a number that grows with every batch of any source, and with every change of the sources.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Returns every batch from now on. A reader that is too slow gets the number of those it missed.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Snapshot>> {
        self.events.subscribe()
    }

    /// Publishes a batch. Only the section's supervisor calls this.
    pub(crate) fn publish(&self, section: &Section, batch: Batch) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let snapshot = Arc::new(Snapshot {
            section: section.name.clone(),
            plugin: section.plugin,
            number,
            batch,
            // As tokio counts it, so that time can be paused in tests.
            arrived: tokio::time::Instant::now().into_std(),
            members: OnceLock::new(),
        });
        section.health.batches.increment();
        section.health.status.success(snapshot.batch.taken_at);
        section.latest.set(Arc::clone(&snapshot));
        // After the batch, and apart from its number: a reader that sees the new version must find the batch.
        self.version.fetch_add(1, Ordering::AcqRel);
        if let Some(readers) = section.readers.get() {
            readers.send_replace(());
        }
        #[cfg(feature = "testing")]
        if let Some(recorder) = self.recorder.get() {
            let _ = recorder.send(Arc::clone(&snapshot));
        }
        if self.events.receiver_count() > 0 {
            let _ = self.events.send(snapshot);
        }
    }
}

impl Section {
    /// An empty section.
    pub fn new(name: impl Into<Text>, plugin: &'static str, stale_after: Duration, stats: Stats) -> Self {
        let health = Health { status: WorkerStatus::new(stats), ..Health::default() };
        Self {
            name: name.into(),
            plugin,
            stale_after,
            health,
            labels: Latest::default(),
            latest: Latest::default(),
            counted: AtomicU64::new(0),
            began: Instant::now(),
            confirmed: AtomicU64::new(0),
            braked: AtomicU64::new(0),
            fails: AtomicBool::new(false),
            braked_batches: AtomicBool::new(false),
            misfit: AtomicBool::new(false),
            readers: OnceLock::new(),
            needed: OnceLock::new(),
        }
    }

    /// Returns it with what a person has said about it.
    pub fn labelled(self, labels: Labels) -> Self {
        self.relabel(labels);
        self
    }

    /// Replaces what a person has said about it.
    pub(crate) fn relabel(&self, labels: Labels) {
        self.labels.set(Arc::new(labels));
    }

    /// Returns what a person has said about it and its readings.
    pub fn labels(&self) -> Arc<Labels> {
        self.labels.get().unwrap_or_default()
    }

    /// Returns what its newest batch counts; nothing if it is made of those of other sources.
    pub(crate) fn counted(&self) -> Counted {
        let Some(snapshot) = self.latest.get().filter(|_| !self.is_computed()) else {
            return Counted::Nothing;
        };
        // Looked at again only if it has other readings: that takes longer than all else of an answer.
        let readings = &snapshot.batch.readings;
        let of = (readings.len() as u64 + 1) << 8;
        let known = self.counted.load(Ordering::Relaxed);
        let known = (known & !0xFF == of).then(|| Counted::ALL.get((known & 0xFF) as usize).copied());
        known.flatten().unwrap_or_else(|| {
            let counted = Counted::of(readings.iter().map(Reading::meaning));
            self.counted.store(of | counted as u64, Ordering::Relaxed);
            counted
        })
    }

    /// Returns the microseconds that `now` is after the beginning, at least one.
    fn since(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.began).as_micros();
        u64::try_from(since).unwrap_or(u64::MAX).max(1)
    }

    /// Notes that the device has nothing new: its last readings still hold. Only the section's supervisor calls this.
    pub(crate) fn confirm(&self, now: Instant) {
        self.confirmed.store(self.since(now), Ordering::Relaxed);
        self.health.status.success(Timestamp::now());
    }

    /// Notes that the source was slowed down. Only the section's supervisor calls this.
    pub(crate) fn braked(&self, now: Instant, has_batches: bool) {
        self.health.braked.increment();
        self.braked_batches.store(has_batches, Ordering::Relaxed);
        self.braked.store(self.since(now), Ordering::Relaxed);
    }

    /// Notes whether its newest answer is a fault. Only the section's supervisor calls this.
    pub(crate) fn answered(&self, fault: Option<&AcquireError>) {
        let is_misfit = matches!(fault, Some(AcquireError::Misconfigured { .. }));
        self.fails.store(fault.is_some(), Ordering::Relaxed);
        self.misfit.store(is_misfit, Ordering::Relaxed);
    }

    /// Returns what the scheduler has against the source, although it answers.
    pub(crate) fn problem(&self, now: Instant) -> Option<(FaultCode, String)> {
        if self.misfit.load(Ordering::Relaxed) {
            return self.health.status.last_error().map(|error| (error.code, error.message.clone()));
        }

        let braked = self.braked.load(Ordering::Relaxed);
        let is_recent = braked > 0 && self.since(now).saturating_sub(braked) < BRAKED_FOR.as_micros() as u64;
        let has_batches = self.braked_batches.load(Ordering::Relaxed);
        let text = if has_batches { BRAKED_BATCHES } else { BRAKED };
        is_recent.then(|| (FaultCode::TooFast, text.to_owned()))
    }

    /// Returns the newest batch at `now`; `None` before the first.
    pub fn view(&self, now: Instant) -> Option<View> {
        let snapshot = self.latest.get()?;
        let mut stale_from = self.own_stale_from(&snapshot);
        if let Some(needed) = self.needed.get() {
            let batches = needed.iter().filter_map(|input| Some(input.own_stale_from(&*input.latest.get()?)));
            stale_from = batches.fold(stale_from, Instant::min);
        }
        Some(View { snapshot, stale: now >= stale_from, stale_from })
    }

    /// Returns whether its device has been silent for `stale_after`, or one that its newest batch is made of. Without a
    /// batch, a source may have nothing new for ever, but not fail.
    pub(crate) fn is_stale(&self, now: Instant) -> bool {
        match (self.view(now), self.confirmed.load(Ordering::Relaxed)) {
            (Some(view), _) => view.stale,
            (None, confirmed) => {
                self.fails.load(Ordering::Relaxed)
                    && now >= self.began + Duration::from_micros(confirmed) + self.stale_after
            }
        }
    }
}

/// For sources that read other ones.
impl Section {
    /// Returns the time at which its newest batch turns stale if only its own device counts.
    fn own_stale_from(&self, newest: &Snapshot) -> Instant {
        let last = match self.confirmed.load(Ordering::Relaxed) {
            0 => newest.arrived,
            confirmed => newest.arrived.max(self.began + Duration::from_micros(confirmed)),
        };
        last + self.stale_after
    }

    /// Makes its batches stale as soon as one of these sections is, unless that has no batch yet: it cannot have been
    /// used. Called once, before the first batch.
    pub(crate) fn need(&self, sections: Box<[Arc<Section>]>) {
        let _ = self.needed.set(sections);
    }

    /// Returns whether its batches are made of those of other sources.
    pub(crate) fn is_computed(&self) -> bool {
        self.needed.get().is_some()
    }

    /// Wakes readers at each batch from now on.
    pub(crate) fn wake_readers(&self) {
        self.readers.get_or_init(watch::Sender::default);
    }

    /// Returns the news of its batches; `None` unless it wakes readers.
    pub(crate) fn news(&self) -> Option<watch::Receiver<()>> {
        self.readers.get().map(watch::Sender::subscribe)
    }

    pub(crate) fn has_batch(&self) -> bool {
        self.latest.get().is_some()
    }
}

/// Status of a source. Its supervisor writes it; anybody reads it.
#[derive(Debug, Default)]
pub struct Health {
    /// State, last success, last fault, panics.
    pub status: Arc<WorkerStatus>,
    /// Batches that were published.
    pub batches: Counter,
    /// Batches that gave way to a newer one of the same `interval`.
    pub superseded: Counter,
    /// Telegrams that could not be trusted.
    pub malformed: Counter,
    /// Number of times that the device was opened again after a fault.
    pub reopened: Counter,
    /// Pauses of a source that returned too often.
    pub braked: Counter,
    /// Readings that broke the rules of a batch, and were left out.
    pub left_out: Counter,
    /// Batches whose time was wrong.
    pub redated: Counter,
    pub(crate) progress: Progress,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decimal, Reading};

    fn section(name: &str) -> Section {
        Section::new(name, "test", Duration::from_secs(30), Stats::default())
    }

    fn store_of(name: &str, batch: Option<Batch>) -> Arc<Store> {
        let store = Store::new([section(name)]);
        batch.into_iter().for_each(|batch| store.publish(&store.sections()[0], batch));
        store
    }

    fn batch(n: i64) -> Batch {
        Batch::now(vec![Reading::number("a", Decimal::from(n)), Reading::number("b", Decimal::from(n))])
    }

    #[test]
    fn a_section_turns_stale_and_says_so() {
        let store = store_of("meter", Some(batch(1)));
        let section = store.section("meter").unwrap();
        let view = section.view(Instant::now()).unwrap();
        assert!(!view.stale);
        let later = section.view(Instant::now() + Duration::from_secs(30)).unwrap();
        assert!(later.stale);
        let mut out = Vec::new();
        later.write_to(&mut out);
        assert!(String::from_utf8(out).unwrap().ends_with(r#""a":1,"b":1,"stale":true}"#));
    }

    #[test]
    fn a_device_that_has_nothing_new_does_not_turn_stale() {
        let store = store_of("meter", Some(batch(1)));
        let section = store.section("meter").unwrap();
        let later = Instant::now() + Duration::from_secs(60);
        assert!(section.view(later).unwrap().stale);
        section.confirm(later);
        let view = section.view(later + Duration::from_secs(29)).unwrap();
        assert!(!view.stale && view.stale_from > later);
        assert!(section.view(later + Duration::from_secs(30)).unwrap().stale);
    }

    #[test]
    fn a_source_without_readings_is_well_for_ever_unless_it_fails() {
        let store = store_of("commands", None);
        let section = store.section("commands").unwrap();
        let now = Instant::now();
        section.confirm(now);
        assert!(!section.is_stale(now + Duration::from_secs(3600)));
        section.answered(Some(&AcquireError::malformed("noise")));
        assert!(!section.is_stale(now + Duration::from_secs(29)));
        assert!(section.is_stale(now + Duration::from_secs(30)));
        section.answered(None);
        assert!(!section.is_stale(now + Duration::from_secs(30)));
    }

    #[test]
    fn no_reader_ever_sees_half_a_batch_or_an_older_one() {
        let store = store_of("meter", Some(batch(0)));
        std::thread::scope(|scope| {
            scope.spawn(|| (1..20_000).for_each(|n| store.publish(&store.sections()[0], batch(n))));
            scope.spawn(|| {
                let mut last = 0;
                while last < 19_999 {
                    let version = store.version();
                    let view = store.sections()[0].view(Instant::now()).unwrap();
                    assert!(view.snapshot.number >= version, "the version was there before the batch");
                    assert_eq!(view.snapshot.batch.readings[0].value, view.snapshot.batch.readings[1].value);
                    assert!(view.snapshot.number >= last);
                    last = view.snapshot.number - 1;
                }
            });
        });
    }

    #[test]
    fn each_batch_of_any_section_has_a_number_of_its_own() {
        let store = Store::new([section("one"), section("two")]);
        let mut events = store.subscribe();
        let sections = store.sections();
        std::thread::scope(|scope| {
            for section in &*sections {
                let store = &store;
                scope.spawn(move || (0..100).for_each(|n| store.publish(section, batch(n))));
            }
        });
        let mut numbers: Vec<_> = (0..200).map(|_| events.try_recv().unwrap().number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
        assert_eq!(store.version(), 200);
    }

    #[test]
    fn a_slow_reader_is_told_what_it_missed() {
        let store = store_of("meter", None);
        let mut events = store.subscribe();
        (0..300).for_each(|n| store.publish(&store.sections()[0], batch(n)));
        assert!(matches!(events.try_recv(), Err(broadcast::error::TryRecvError::Lagged(44))));
    }
}
