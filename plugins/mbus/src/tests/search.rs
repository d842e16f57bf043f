//! Search for meters.

use std::time::Duration;

use simulator::mbus::{MbusBus, MbusMeter, water_records};

use super::line::{SimulatedLine, timing};
use crate::search::{SearchStep, search_line};

/// Meters that are found, and collisions; with the number of primary addresses that were tried.
async fn searched(meters: Vec<MbusMeter>) -> (Vec<String>, Vec<u8>, usize) {
    let mut line = SimulatedLine::new(MbusBus::new(meters));
    let (mut found, mut collisions, mut tried) = (Vec::new(), Vec::new(), 0);
    let mut report = |step| match step {
        SearchStep::Found(meter) => {
            let address = meter.header.address.map(|address| address.to_string()).unwrap_or_default();
            found.push(format!("{} {address}", meter.address));
        }
        SearchStep::Collision(address) => collisions.push(address),
        SearchStep::Primary(_) => tried += 1,
        SearchStep::Secondary(_) => {}
    };
    search_line(&mut line, timing(), &mut report).await.unwrap();
    found.sort();
    (found, collisions, tried)
}

async fn found(meters: Vec<MbusMeter>) -> (Vec<String>, Vec<u8>) {
    let (found, collisions, _) = searched(meters).await;
    (found, collisions)
}

fn meter(address: u8, id: u32, medium: u8) -> MbusMeter {
    MbusMeter::new(address, id, medium, water_records(id))
}

#[tokio::test(start_paused = true)]
async fn wildcards_find_each_meter_also_those_that_collide() {
    let mut slow = meter(9, 0x1234_0001, 7);
    slow.delay = Duration::from_millis(180);
    let meters = vec![
        meter(2, 0x1234_5678, 7),
        MbusMeter::new(2, 0x1234_5679, 7, water_records(987_654)),
        slow,
        meter(0, 0x00AB_CDEF, 4),
        // Two meters with one number.
        meter(3, 0x4444_4444, 7),
        meter(4, 0x4444_4444, 4),
    ];
    let (found, collisions) = found(meters).await;
    assert_eq!(
        found,
        [
            "0 00ABCDEF-TST-01-04",
            "2 12345678-TST-01-07",
            "2 12345679-TST-01-07",
            "3 44444444-TST-01-07",
            "4 44444444-TST-01-04",
            "9 12340001-TST-01-07",
        ]
    );
    assert_eq!(collisions, Vec::<u8>::new(), "their secondary addresses tell them apart");
}

#[tokio::test(start_paused = true)]
async fn an_empty_bus_is_searched_to_its_end() {
    assert_eq!(found(vec![]).await, (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn the_primary_addresses_are_walked_only_where_they_may_have_further_meters() {
    for (meters, expected, walked) in [
        (vec![], vec![], false),
        (vec![meter(2, 0x1234_5678, 7)], vec!["2 12345678-TST-01-07"], false),
        (
            vec![meter(2, 0x1234_5678, 7), meter(5, 0x2234_5678, 7)],
            vec!["2 12345678-TST-01-07", "5 22345678-TST-01-07"],
            true,
        ),
    ] {
        let (found, _, tried) = searched(meters).await;
        assert_eq!((found, tried > 0), (expected.iter().map(|meter| (*meter).to_owned()).collect(), walked));
    }
}
