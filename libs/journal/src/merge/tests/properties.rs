//! Properties that hold for the histories of any two boxes that read the same meters.

use proptest::prelude::*;

use crate::{
    db::tests::checkpoint::{Journal, SECOND, SPRING, Segment},
    merge::tests::Boxes,
};

/// Second in which the meter is swapped, and the one in which that is swapped again.
const SWAPS: [i64; 2] = [30_000, 40_100];

/// Writes what the meters show at a second: a box sees the same as the other one.
fn write(segment: &mut Segment, (second, section): (i64, u8)) {
    let section = ["d0", "s0"][usize::from(section)];
    let time = (SPRING + second) * SECOND + 137 * second;
    let before = |swap: &&i64| **swap <= second;
    let meter = SWAPS.iter().filter(before).count() as i64;
    let since = SWAPS.iter().rfind(before).copied().unwrap_or(0);
    let energy = [5_000_000, 12_000, 700_000][meter as usize] + (second - since) * 3;
    let energy = format!("{}.{:03}", energy / 1000, energy % 1000);
    let power = format!("{}.25", second * 37 % 1000 - 500);
    segment.batch(section, time, &[("e", &energy), ("p", &power)]);
}

fn readings() -> impl Strategy<Value = Vec<(i64, u8)>> {
    let seconds = prop_oneof![0i64..100_000, 40_000i64..40_400];
    prop::collection::vec((seconds, 0u8..2), 0..60)
}

fn fill(mut journal: Journal, readings: &[(i64, u8)], pruned: i64) {
    let mut sorted = readings.to_vec();
    sorted.sort_unstable();
    for some in sorted.chunks(17) {
        journal.checkpoint(|segment| some.iter().for_each(|reading| write(segment, *reading)));
    }
    journal.database.prune((SPRING + pruned) * SECOND).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn boxes_with_all_their_readings_have_the_history_of_one_that_read_everything(
        a in readings(), b in readings(),
    ) {
        let boxes = Boxes::new();
        fill(boxes.journal("a"), &a, 0);
        fill(boxes.journal("b"), &b, 0);
        let all: Vec<_> = a.into_iter().chain(b).collect();
        fill(boxes.journal("all"), &all, 0);
        let expected = boxes.journal("all").dump();
        prop_assert_eq!(boxes.merged("a", "b", "ab").0.dump(), expected.clone());
        prop_assert_eq!(boxes.merged("b", "a", "ba").0.dump(), expected);
    }

    #[test]
    fn both_orders_and_any_repetition_give_the_same_history(
        a in readings(), b in readings(), pruned: [prop::sample::Index; 2],
    ) {
        let boxes = Boxes::new();
        let [of_a, of_b] = pruned.map(|at| at.index(110_000) as i64);
        fill(boxes.journal("a"), &a, of_a);
        fill(boxes.journal("b"), &b, of_b);
        let (journal, merged) = boxes.merged("a", "b", "ab");
        let ab = journal.dump();
        drop(journal);
        prop_assert_eq!(merged.left_out, []);
        prop_assert_eq!(&boxes.merged("b", "a", "ba").0.dump(), &ab);
        for again in ["b", "a", "ba"] {
            let repeated = boxes.merge("ab", again);
            prop_assert_eq!(repeated.minutes, 0, "{}", again);
            prop_assert_eq!(&boxes.journal("ab").dump(), &ab, "{}", again);
        }
    }
}
