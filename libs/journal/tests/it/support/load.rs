//! Batches whose every number follows from the batch's own number, and a look whether a journal has them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use jiff::tz::TimeZone;
use journal::{Archive, ClockReading, ClockSource, Journal, Keeper, Selection, Settings};
use reading::{Batch, Decimal, Reading, Text, Timestamp};

/// The database, in a folder of its own.
const NAME: &str = "journal.db";
const SECTIONS: [&str; 3] = ["house", "heat", "sun"];
/// Microseconds since 1970 of the first batch, and from one to the next: some of a section in each minute.
const START: i64 = 1_790_000_000_123_456;
const STEP: i64 = 3_700_001;
/// Largest distance of numbers that are recorded at the same time: a batch is at most a minute old.
pub const ABREAST: u64 = 8;
/// Section whose counter is set to 0, and the number of its batches between two settings.
const COUNTER: &str = "heat";
const SET_EVERY: u64 = 20;

/// A journal that is under load.
pub struct Load {
    pub journal: Journal,
    /// Time of the clock, in microseconds since 1970.
    now: Arc<AtomicI64>,
}

impl Load {
    /// A journal in this folder, when batch number `next` is the next one. `boot`: of the machine.
    pub fn new(folder: &Path, boot: &str, next: u64, settings: impl FnOnce(&mut Settings)) -> (Self, Keeper) {
        let now = Arc::new(AtomicI64::new(time(next) - STEP));
        let clock = Arc::clone(&now);
        let clock_source = ClockSource::with(boot, move || {
            let wall = clock.load(Relaxed);
            ClockReading { boottime: wall - START + 1_000_000_000, wall, synchronized: Some(START - 1) }
        });
        let hour = Duration::from_secs(3600);
        let mut all = Settings {
            raw_retention: 24 * 365 * hour,
            zone: TimeZone::UTC,
            clock: clock_source,
            ..Settings::new(folder.join(NAME))
        };
        settings(&mut all);
        let (journal, keeper) = Journal::new(all);
        (Self { journal, now }, keeper)
    }

    /// Records a batch, and before it the setting of a counter where that has one. Batches that are recorded at the
    /// same time must not be more than [`ABREAST`] numbers apart.
    pub fn record(&self, number: u64) {
        let (section, own) = (section(number), number / SECTIONS.len() as u64);
        // Other threads may record later batches meanwhile.
        self.now.fetch_max(time(number) - STEP / 2, Relaxed);
        if let Some((before, after)) = set(number) {
            self.journal.counter_set(section, "count", "kWh", before, after);
        }
        self.now.fetch_max(time(number), Relaxed);
        let readings = values(number).into_iter().map(|(name, unit, value)| {
            let reading = Reading::number(name, value);
            if unit.is_empty() { reading } else { reading.unit(unit) }
        });
        let mut readings: Vec<_> = readings.collect();
        readings.push(Reading::text("serial", format!("no number {own}")));
        let taken_at = Timestamp::from_microsecond(time(number)).unwrap();
        self.journal.record(&Text::from(section), &Batch { taken_at, readings });
    }

    /// Asserts that nothing keeps it from recording, and nothing was damaged.
    pub fn assert_well(&self, what: &str) {
        let status = self.journal.status().unwrap();
        assert!(status.open && status.problem.is_none() && status.notice.is_none(), "{what}: {status:?}");
    }
}

fn section(number: u64) -> &'static str {
    SECTIONS[number as usize % SECTIONS.len()]
}

fn time(number: u64) -> i64 {
    START + number as i64 * STEP
}

/// Values from which and to which a counter was set just before a batch.
fn set(number: u64) -> Option<(Decimal, Decimal)> {
    let own = number / SECTIONS.len() as u64;
    let wanted = section(number) == COUNTER && own > 0 && own.is_multiple_of(SET_EVERY);
    wanted.then(|| (count(SET_EVERY), count(0)))
}

fn count(pulses: u64) -> Decimal {
    Decimal::new(pulses as i64, 3).unwrap()
}

fn values(number: u64) -> Vec<(&'static str, &'static str, Decimal)> {
    let own = number / SECTIONS.len() as u64;
    let decimal = |mantissa: u64, scale| Decimal::new(mantissa as i64, scale).unwrap();
    // Numbers without order, the same for the same batch.
    let noise = |salt: u64| (number + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    vec![
        ("number", "", decimal(number, 0)),
        ("import", "kWh", decimal(271_412_830_185 + number * 5870, 8)),
        ("count", "kWh", count(if section(number) == COUNTER { own % SET_EVERY } else { own })),
        ("power", "W", decimal(noise(1), 2)),
        ("power_l1", "W", decimal(noise(2), (number % 4) as u8)),
        ("power_l2", "W", Decimal::new(-(noise(3) as i64), 1).unwrap()),
        ("voltage", "V", decimal(2300 + number % 50, 1)),
        ("frequency", "Hz", decimal(49_950 + number % 100, 3)),
    ]
}

/// The batches that a journal has.
#[derive(Debug, Default)]
pub struct Found {
    /// By their numbers.
    pub batches: BTreeSet<u64>,
    /// Counters that were set before the batch of this number.
    pub sets: BTreeSet<u64>,
}

impl Found {
    /// Reads the whole journal of a folder, which nobody has open. Every number must be that of its batch.
    pub fn read(folder: &Path) -> Self {
        let mut found = Self::default();
        let mut names = BTreeMap::<u64, usize>::new();
        let archive = Archive::open(&folder.join(NAME)).unwrap();
        let summary = archive.readings(&Selection::default(), |labels, at, value, set_from| {
            let what = || format!("{labels:?} {at} {value} {set_from:?}");
            if let Some(before) = set_from {
                assert_eq!((&*labels.section, &*labels.name), (COUNTER, "count"), "{}", what());
                // It was set just before the batch, perhaps after some later ones.
                let near = (at - START).div_euclid(STEP) as u64;
                let number = (near.saturating_sub(ABREAST)..=near + 1).find(|number| set(*number).is_some());
                let number = number.unwrap_or_else(|| panic!("never set: {}", what()));
                let (from, to) = set(number).unwrap();
                assert_eq!((before.to_f64(), value.to_f64()), (from.to_f64(), to.to_f64()), "{}", what());
                assert!(found.sets.insert(number), "twice: {}", what());
                return Ok(());
            }
            let number = (at - START).div_euclid(STEP) as u64;
            assert_eq!((at, &*labels.section), (time(number), section(number)), "{}", what());
            let all = values(number);
            let expected = all.iter().position(|(name, ..)| labels.name == *name);
            let expected = expected.unwrap_or_else(|| panic!("{}", what()));
            let (_, unit, number_there) = all[expected];
            assert_eq!(labels.unit, unit, "{}", what());
            assert_eq!(value.mantissa_at(8).unwrap(), number_there.mantissa_at(8).unwrap(), "{}", what());
            let seen = names.entry(number).or_default();
            assert_eq!(*seen & 1 << expected, 0, "twice: {}", what());
            *seen |= 1 << expected;
            Ok(())
        });
        let summary = summary.unwrap();
        assert!(summary.damaged == 0 && summary.gaps.is_empty(), "{summary:?}");
        for (number, seen) in names {
            assert_eq!(seen, (1 << values(number).len()) - 1, "batch {number} is not whole");
            found.batches.insert(number);
        }
        found
    }

    /// Checks the database of a checkpointed journal: whole, and every roll-up counts each reading once.
    pub fn check_database(&self, folder: &Path) {
        let database = rusqlite::Connection::open(folder.join(NAME)).unwrap();
        let one = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        let readings = (self.batches.len() * values(0).len()) as i64;
        let numbers: u64 = self.batches.iter().sum();
        for table in ["minute", "quarter", "hour", "day"] {
            let count = one(&format!("SELECT coalesce(sum(count), 0) FROM {table}"));
            assert_eq!(count, readings, "the table `{table}` counts otherwise");
            let of_numbers = format!("FROM {table} JOIN series ON series = series.id WHERE name = 'number'");
            let sum =
                one(&format!("SELECT CAST(round(coalesce(sum(mean * count), 0)) AS INTEGER) {of_numbers}"));
            assert_eq!(sum, numbers as i64, "the means of `{table}` are of other numbers");
            // It rises with each batch.
            let wrong = one(&format!("SELECT count(*) {of_numbers} AND (first <> min OR last <> max)"));
            assert_eq!(wrong, 0, "ends of `{table}` are others");
        }
        let sets = one("SELECT count(*) FROM event WHERE kind = 'set'");
        assert_eq!(sets, self.sets.len() as i64);
    }

    /// Checks that the counters' settings before these batches are there.
    pub fn check_sets(&self, batches: impl IntoIterator<Item = u64>) {
        for number in batches.into_iter().filter(|number| set(*number).is_some()) {
            assert!(self.sets.contains(&number), "the counter's setting before batch {number} is lost");
        }
    }
}
