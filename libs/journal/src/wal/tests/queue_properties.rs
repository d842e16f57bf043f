//! Whatever happens, each publisher gets each batch at least once, in order, and few of them twice.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::{
    Journal, Keeper, Queue, Queued,
    tests::whole::{Clock, SECOND, tails},
    wal::tests::queue::{number, open},
};

const PUBLISHERS: [&str; 2] = ["near", "far"];

#[derive(Debug, Clone)]
enum Step {
    /// So many batches, a second apart.
    Record(usize),
    Pass(i64),
    Commit,
    Fold,
    /// A publisher reads at most this many.
    Read(usize, usize),
    /// It acknowledges this many of those that it read.
    Done(usize, usize),
    /// It begins again.
    Again(usize),
    /// The program ends in order, is killed, or the power goes.
    Stop,
    Kill,
    PowerCut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1usize..8).prop_map(Step::Record),
        1 => (1i64..20).prop_map(Step::Pass),
        1 => Just(Step::Commit),
        2 => Just(Step::Fold),
        5 => (0usize..2, 1usize..12).prop_map(|(who, most)| Step::Read(who, most)),
        5 => (0usize..2, 1usize..12).prop_map(|(who, count)| Step::Done(who, count)),
        1 => (0usize..2).prop_map(Step::Again),
        1 => Just(Step::Stop),
        1 => Just(Step::Kill),
        1 => Just(Step::PowerCut),
    ]
}

/// Batches that a publisher must get.
#[derive(Debug, Default)]
struct Model {
    /// Not done.
    left: Vec<i64>,
    /// Number of them that it has read.
    read: usize,
    /// Times of its acknowledgements of batches that may come twice after a power cut, in microseconds since boot.
    done: BTreeMap<i64, i64>,
}

struct Program {
    journal: Journal,
    keeper: Keeper,
    queues: Vec<Queue>,
    taken: Vec<Vec<Queued>>,
}

impl Program {
    fn start(clock: &Clock, folder: &std::path::Path) -> Self {
        let (journal, keeper) = open(clock, folder, &PUBLISHERS);
        let queues = PUBLISHERS.iter().map(|name| journal.queue(name)).collect();
        Self { journal, keeper, queues, taken: vec![Vec::new(), Vec::new()] }
    }
}

fn check(steps: &[Step]) -> Result<(), TestCaseError> {
    // Where syncs are quick, if there is such a place.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let clock = Clock::new();
    let mut program = Program::start(&clock, dir.path());
    let mut models = [Model::default(), Model::default()];
    let (mut last, mut committed) = (0, 0);
    let now = || clock.boottime.load(std::sync::atomic::Ordering::Relaxed);
    for step in steps {
        let end = matches!(step, Step::Stop | Step::Kill | Step::PowerCut);
        match *step {
            Step::Record(count) => {
                for _ in 0..count {
                    last += 1;
                    clock.record(&program.journal, &last.to_string());
                    models.iter_mut().for_each(|model| model.left.push(last));
                }
            }
            Step::Pass(seconds) => clock.pass(seconds * SECOND),
            Step::Commit | Step::Stop => {
                program.keeper.sync();
                models.iter_mut().for_each(|model| model.done.clear());
                committed = last;
            }
            Step::Fold => program.keeper.checkpoint(),
            Step::Read(who, most) => {
                let (model, batches) = (&mut models[who], program.queues[who].read(most).unwrap());
                let numbers: Vec<_> = batches.iter().map(number).collect();
                let expected: Vec<_> = model.left.iter().copied().skip(model.read).take(most).collect();
                prop_assert_eq!(numbers, expected);
                model.read += batches.len();
                program.taken[who].extend(batches);
                prop_assert_eq!(program.queues[who].backlog(), model.left.len() as u64);
            }
            Step::Done(who, count) => {
                let (model, taken) = (&mut models[who], &mut program.taken[who]);
                let count = count.min(taken.len());
                if let Some(batch) = taken.drain(..count).next_back() {
                    program.queues[who].done(batch.end);
                }
                model.done.extend(model.left.drain(..count).map(|number| (number, now())));
                model.read -= count;
            }
            Step::Again(who) => {
                program.queues[who] = program.journal.queue(PUBLISHERS[who]);
                program.taken[who].clear();
                models[who].read = 0;
            }
            Step::PowerCut => program.journal.0.as_ref().unwrap().wal.log().cut_power(),
            Step::Kill => {}
        }
        if !end {
            continue;
        }
        drop(program);
        program = Program::start(&clock, dir.path());
        for (who, model) in models.iter_mut().enumerate() {
            let mut queue = program.journal.queue(PUBLISHERS[who]);
            let found: Vec<_> = queue.read(usize::MAX).unwrap().iter().map(number).collect();
            prop_assert!(found.is_sorted_by(|a, b| a < b), "{:?}", found);
            let twice = found.iter().filter(|number| !model.left.contains(number));
            let done = twice.map(|number| model.done.get(number)).collect::<Option<Vec<_>>>();
            prop_assert!(done.is_some(), "done before the last commit, and there again: {:?}", found);
            if matches!(step, Step::PowerCut) {
                let safe = model.left.iter().filter(|number| **number <= committed);
                prop_assert!(safe.clone().all(|number| found.contains(number)), "{:?} {:?}", found, model);
            } else {
                prop_assert!(found.ends_with(&model.left), "{:?} {:?}", found, model);
                let newest = model.done.values().max().copied().unwrap_or(0);
                let recent = |at: &&i64| newest - **at < 5 * SECOND;
                prop_assert!(done.unwrap_or_default().iter().all(recent), "{:?} {:?}", found, model);
            }
            model.done.retain(|number, _| !found.contains(number));
            (model.left, model.read) = (found, 0);
        }
    }
    for (who, model) in models.iter().enumerate() {
        program.queues[who] = program.journal.queue(PUBLISHERS[who]);
        let queue = &mut program.queues[who];
        let batches = queue.read(usize::MAX).unwrap();
        prop_assert_eq!(&batches.iter().map(number).collect::<Vec<_>>(), &model.left);
        batches.iter().for_each(|batch| queue.done(batch.end));
        prop_assert_eq!(queue.backlog(), 0);
    }
    program.keeper.checkpoint();
    for queue in &mut program.queues {
        prop_assert!(queue.read(1).unwrap().is_empty());
    }
    prop_assert_eq!(tails(dir.path()), 1);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn each_batch_comes_at_least_once_and_in_order(steps in prop::collection::vec(step(), 1..60)) {
        check(&steps)?;
    }
}
