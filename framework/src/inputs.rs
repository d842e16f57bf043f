//! Inputs: sources that read other sources.
//!
//! A plugin asks for its inputs while the configuration is checked, with [`SourceContext::input`]. Names are therefore
//! known before the program runs: an unknown one is refused, and so is a circle of sources that read each other. The
//! program connects each input with its section of the store before any source is read.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio::sync::watch;

use crate::{
    ConfigError, Decimal, Place, SourceContext, Store, Text, Timestamp,
    store::{Section, View},
};

/// Another source that a source reads: its newest batch, and a wake-up at each new one.
///
/// A batch of the reading source is stale as soon as one of its inputs is, but for [optional](Self::optional) ones.
#[derive(Debug, Clone)]
pub struct Input {
    source: Text,
    link: Arc<Link>,
    news: Option<watch::Receiver<()>>,
}

/// Connection of an input with the store, which is there only when the program runs.
#[derive(Debug, Default)]
struct Link {
    section: OnceLock<Arc<Section>>,
    counter_steps: OnceLock<CounterSteps>,
    is_optional: AtomicBool,
}

impl Input {
    /// Returns the name of the source that it reads.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Keeps the reading source fresh when this input turns stale: it can do without.
    #[must_use]
    pub fn optional(self) -> Self {
        self.link.is_optional.store(true, Relaxed);
        self
    }

    /// Returns the newest batch, which may be stale; `None` before the first one.
    pub fn latest(&mut self) -> Option<View> {
        // Before the batch is read: one that arrives in between wakes once more.
        if let Some(news) = self.news() {
            news.mark_unchanged();
        }
        self.link.section.get()?.view(tokio::time::Instant::now().into_std())
    }

    /// Waits for a batch that [`latest`](Self::latest) has not returned. Batches that arrive in the meantime are one
    /// wake-up: the reader sees the newest.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn changed(&mut self) {
        if let Some(news) = self.news()
            && news.changed().await.is_ok()
        {
            // The next call waits for this batch again unless `latest` takes it.
            news.mark_changed();
            return;
        }
        // Nothing ever arrives: the program is not running, or is ending.
        std::future::pending().await
    }

    /// Returns the newest steps that commands have made in a counter, in order of time. Such a step is no consumption.
    /// A batch that was taken after it shows it.
    pub fn counter_steps(&self, name: &str) -> Vec<CounterStep> {
        let steps = self.link.counter_steps.get().map(CounterSteps::all).unwrap_or_default();
        steps.into_iter().filter(|step| step.name == name).collect()
    }

    fn news(&mut self) -> Option<&mut watch::Receiver<()>> {
        if self.news.is_none() {
            let section = self.link.section.get()?;
            let mut news = section.news()?;
            if section.has_batch() {
                news.mark_changed();
            }
            self.news = Some(news);
        }
        self.news.as_mut()
    }
}

/// Step of a counter that a command has set to another number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterStep {
    /// Name of the reading.
    pub name: Text,
    /// Time of the command.
    pub at: Timestamp,
    /// Number just before.
    pub before: Decimal,
    /// Number just after.
    pub after: Decimal,
}

/// Newest steps of the counters of one source.
#[derive(Debug, Clone, Default)]
pub(crate) struct CounterSteps(Arc<Mutex<VecDeque<CounterStep>>>);

/// Most steps that are kept: a reader takes them within a moment.
const MOST_STEPS: usize = 64;

impl CounterSteps {
    pub(crate) fn note(&self, step: CounterStep) {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.len() == MOST_STEPS {
            steps.pop_front();
        }
        steps.push_back(step);
    }

    fn all(&self) -> Vec<CounterStep> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Inputs that a source has asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs(Arc<Mutex<Vec<Asked>>>);

/// An input that a source has asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) source: Text,
    /// Place of its name in the configuration.
    pub(crate) place: Place,
    link: Arc<Link>,
}

impl Asked {
    pub(crate) fn is_optional(&self) -> bool {
        self.link.is_optional.load(Relaxed)
    }
}

impl Inputs {
    /// Returns all of them, in the order in which they were asked for.
    pub(crate) fn all(&self) -> Vec<Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SourceContext {
    /// Returns another source as an input. `place` is the key whose value names it.
    ///
    /// # Errors
    /// Returns an error if no source of the configuration is called so.
    pub fn input(&self, place: impl Into<Place>, source: &str) -> Result<Input, ConfigError> {
        let (place, names) = (place.into(), self.sources());
        let Some(source) = names.iter().find(|name| *name == source) else {
            return Err(ConfigError::unknown("", "source", source, names.iter().map(Text::as_str)).at(place));
        };
        let link = Arc::<Link>::default();
        let asked = Asked { source: source.clone(), place, link: Arc::clone(&link) };
        self.inputs().0.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        Ok(Input { source: source.clone(), link, news: None })
    }
}

/// Connects the inputs of each source with the sections that they read.
pub(crate) fn connect<'s>(
    sources: impl IntoIterator<Item = (&'s SourceContext, &'s Arc<Section>)> + Clone,
    store: &Arc<Store>,
) {
    let of_source = sources.clone().into_iter().map(|(cx, section)| (&*section.name, cx.counter_steps()));
    let counter_steps: BTreeMap<&str, &CounterSteps> = of_source.collect();
    let mut needs = BTreeMap::<&str, (&Arc<Section>, Vec<Arc<Section>>)>::new();
    for (cx, section) in sources {
        cx.join(store);
        let asked = cx.inputs().all();
        let mut needed = Vec::new();
        for input in &asked {
            let Some(read) = store.section(&input.source) else { continue };
            // Also a source that is never asked for a wake-up: its handle may be cloned later.
            read.wake_readers();
            let _ = input.link.section.set(Arc::clone(&read));
            if let Some(steps) = counter_steps.get(&*input.source) {
                let _ = input.link.counter_steps.set((*steps).clone());
            }
            if !input.is_optional() {
                needed.push(read);
            }
        }
        needs.insert(&section.name, (section, needed));
    }
    for (section, direct) in needs.values().filter(|(_, needed)| !needed.is_empty()) {
        // Whatever the inputs need in turn. A list of all: a walk from input to input would visit one that several
        // others need again and again.
        let mut all = BTreeMap::<&str, &Arc<Section>>::new();
        let mut next: Vec<_> = direct.iter().collect();
        while let Some(input) = next.pop() {
            if all.insert(&input.name, input).is_none() {
                next.extend(needs.get(&*input.name).into_iter().flat_map(|(_, needed)| needed));
            }
        }
        section.need(all.into_values().cloned().collect());
    }
}

/// Finds sources that read each other in a circle: `sources` has the name and the inputs of each. Returns each circle
/// from its first source back to it, with the place where that one names the next.
pub(crate) fn circles(sources: &[(Text, bool, Vec<Asked>)]) -> Vec<(Vec<Text>, Place)> {
    let asked: BTreeMap<&str, &[Asked]> =
        sources.iter().map(|(name, _, asked)| (&**name, &**asked)).collect();
    let (mut done, mut found) = (BTreeSet::new(), Vec::new());
    for (first, ..) in sources.iter().filter(|(_, _, asked)| !asked.is_empty()) {
        // The way from `first` to here: each source, and how many of its inputs were looked at. A list instead of a
        // recursion: a configuration may have a chain of any length.
        let mut way = vec![(&**first, 0)];
        while let Some((name, looked)) = way.last_mut() {
            let Some(input) = asked.get(name).and_then(|asked| asked.get(*looked)) else {
                done.insert(*name);
                way.pop();
                continue;
            };
            *looked += 1;
            let next = &*input.source;
            if let Some(start) = way.iter().position(|(name, _)| *name == next) {
                let circle =
                    way[start..].iter().map(|(name, _)| *name).chain([next]).map(Text::from).collect();
                let (first, looked) = way[start];
                found.push((circle, asked[first][looked - 1].place.clone()));
            } else if !done.contains(next) {
                way.push((next, 0));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::time::timeout;

    use super::*;
    use crate::{Batch, Context, Stats};

    /// Sources by name, with the time after which each is stale, and the names of those that it needs.
    fn program(sources: &[(&str, u64, &[&str])]) -> (Arc<Store>, Vec<Vec<Input>>) {
        let section = |&(name, stale_after, _): &(&str, u64, &[&str])| {
            Section::new(name, "test", Duration::from_secs(stale_after), Stats::default())
        };
        let store = Store::new(sources.iter().map(section));
        let names: Arc<[Text]> = sources.iter().map(|(name, ..)| Text::from(*name)).collect();
        let contexts: Vec<_> = sources
            .iter()
            .map(|(name, ..)| {
                SourceContext::new(Context::new(*name, "").with_sources(names.clone()), Duration::MAX)
            })
            .collect();
        let ask = |(cx, (_, _, needs)): (&SourceContext, &(_, _, &[&str]))| {
            let asked = needs.iter().map(|need| match need.strip_suffix('?') {
                Some(need) => cx.input("inputs", need).unwrap().optional(),
                None => cx.input("inputs", need).unwrap(),
            });
            asked.collect()
        };
        let inputs = contexts.iter().zip(sources).map(ask).collect();
        connect(contexts.iter().zip(&*store.sections()), &store);
        (store, inputs)
    }

    fn publish(store: &Store, name: &str) {
        store.publish(&store.section(name).unwrap(), Batch::now(vec![]));
    }

    #[test]
    fn a_batch_is_stale_as_soon_as_an_input_is_through_any_number_of_sources() {
        let (store, _) = program(&[
            ("grid", 10, &[]),
            ("pv", 100, &[]),
            ("sum", 1000, &["grid", "pv"]),
            ("twice", 1000, &["sum"]),
            ("spare", 1000, &["grid?", "pv"]),
            ("early", 1000, &["unread"]),
            ("unread", 1, &[]),
        ]);
        let now = Instant::now();
        for name in ["grid", "pv", "sum", "twice", "spare", "early"] {
            publish(&store, name);
        }
        let stale_at = |name: &str| {
            let section = store.section(name).unwrap();
            let at = |seconds| section.view(now + Duration::from_secs(seconds)).unwrap().stale;
            [5, 50, 500, 5000].map(at)
        };
        assert_eq!(stale_at("grid"), [false, true, true, true]);
        assert_eq!(stale_at("sum"), [false, true, true, true]);
        assert_eq!(stale_at("twice"), [false, true, true, true]);
        assert_eq!(stale_at("spare"), [false, false, true, true], "it can do without `grid`");
        assert_eq!(stale_at("early"), [false, false, false, true], "what never sent cannot have been used");
    }

    #[test]
    fn many_layers_of_sources_that_read_all_of_the_one_before_are_no_burden() {
        let names: Vec<_> = (0..100).map(|n| format!("s{n}")).collect();
        let needs: Vec<Vec<&str>> = (0..100)
            .map(|n: usize| names[..n / 2 * 2].iter().rev().take(2).map(String::as_str).collect())
            .collect();
        let sources: Vec<_> = names.iter().zip(&needs).map(|(name, needs)| (&**name, 10, &**needs)).collect();
        let (store, _) = program(&sources);
        names.iter().for_each(|name| publish(&store, name));
        // The walk from input to input takes 2^50 steps.
        assert!(store.section("s99").unwrap().view(Instant::now() + Duration::from_secs(10)).unwrap().stale);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_of_an_input_wakes_its_reader_once_whatever_arrives_meanwhile() {
        let (store, mut inputs) = program(&[("grid", 10, &[]), ("sum", 10, &["grid"])]);
        let mut grid = inputs.remove(1).remove(0);
        let wakes = async |grid: &mut Input| timeout(Duration::from_secs(3600), grid.changed()).await.is_ok();
        assert!(grid.latest().is_none() && !wakes(&mut grid).await, "nothing arrived yet");
        publish(&store, "grid");
        assert!(wakes(&mut grid).await);
        assert!(wakes(&mut grid).await, "the batch was not read");
        (0..100).for_each(|_| publish(&store, "grid"));
        assert_eq!(grid.latest().unwrap().snapshot.number, 101);
        assert!(!wakes(&mut grid).await, "it was read");
        publish(&store, "sum");
        assert!(!wakes(&mut grid).await, "another source");
        let mut late = Input { news: None, ..grid.clone() };
        assert!(wakes(&mut late).await, "a reader that begins later sees the newest batch");
        let waiting = tokio::spawn(async move { grid.changed().await });
        tokio::task::yield_now().await;
        publish(&store, "grid");
        waiting.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_input_turns_stale_by_the_clock_of_its_reader() {
        let (store, mut inputs) = program(&[("grid", 10, &[]), ("sum", 10, &["grid"])]);
        let mut grid = inputs.remove(1).remove(0);
        publish(&store, "grid");
        assert!(!grid.latest().unwrap().stale);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(grid.latest().unwrap().stale);
    }

    #[tokio::test(start_paused = true)]
    async fn an_input_of_a_program_that_does_not_run_waits_forever() {
        let cx = SourceContext::new(Context::new("sum", "").with_sources(["a".into()].into()), Duration::MAX);
        let mut input = cx.input("inputs", "a").unwrap();
        assert!(input.latest().is_none());
        assert!(timeout(Duration::from_secs(3600), input.changed()).await.is_err());
    }
}
