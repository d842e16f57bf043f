//! Counters through swaps of meters, commands and restarts; integrals over time.

use std::fs;

use super::house::{House, counter, decimal, gauge};

const SUM: &str = "values.SUM = { expression = \"grid.E + pv.E\", unit = \"kWh\" }\n";
const ENERGY: &str = "values.E = { integrate = \"grid.P\", unit = \"Wh\", max_gap = \"10m\" }\n";

impl House {
    /// Publishes the counters after a time, and returns the sum.
    async fn sum(&mut self, seconds: i64, grid: &str, pv: &str) -> String {
        self.now += seconds;
        self.publish("grid", vec![counter("E", grid, "kWh")]);
        self.publish("pv", vec![counter("E", pv, "kWh")]);
        self.next().await.remove(0)
    }

    async fn energy(&mut self, seconds: i64, watts: &str) -> String {
        self.now += seconds;
        self.publish("grid", vec![gauge("P", watts, "W")]);
        self.next().await.remove(0)
    }

    fn count(&self, name: &str) -> u64 {
        let counters = self.source.context.stats().counters();
        counters.iter().find(|(known, _)| *known == name).unwrap().1
    }
}

#[tokio::test(start_paused = true)]
async fn a_swapped_or_reset_meter_makes_no_step_in_the_sum() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new(SUM, folder.path());
    assert_eq!(house.sum(0, "12345.5", "100").await, "SUM 12445.5 kWh");
    assert_eq!(house.sum(60, "12345.7", "100.1").await, "SUM 12445.8 kWh");
    // A new meter at the grid: what both count on is added, its beginning is not.
    assert_eq!(house.sum(3600, "0.3", "100.2").await, "SUM 12445.9 kWh");
    assert_eq!(house.sum(60, "0.4", "100.2").await, "SUM 12446.0 kWh");
    // A used one, which has counted more than any household can use in a minute.
    assert_eq!(house.sum(60, "50000", "100.2").await, "SUM 12446.0 kWh");
    assert_eq!(house.sum(60, "50000.25", "100.2").await, "SUM 12446.25 kWh");
    assert_eq!(house.count("counter_resets"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_meter_is_swapped_for_one_in_another_unit() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new(SUM, folder.path());
    assert_eq!(house.sum(0, "100", "1").await, "SUM 101 kWh");
    house.now += 60;
    house.publish("grid", vec![counter("E", "5000", "Wh")]);
    assert_eq!(house.next().await, ["SUM 101.0 kWh"]);
    house.now += 60;
    house.publish("grid", vec![counter("E", "5100", "Wh")]);
    assert_eq!(house.next().await, ["SUM 101.1 kWh"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_where_the_sum_was_whatever_happened_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new(SUM, folder.path());
    house.sum(0, "100", "1").await;
    assert_eq!(house.sum(60, "0", "1").await, "SUM 101 kWh");
    let now = house.now;
    // It is not closed: as after kill -9.
    drop(house);
    let mut house = House { now, ..House::new(SUM, folder.path()) };
    assert_eq!(house.sum(60, "0.5", "1").await, "SUM 101.5 kWh", "what was used meanwhile counts");
    let now = house.now;
    let mut house = House { now, ..House::new(SUM, folder.path()) };
    assert_eq!(house.sum(60, "0.1", "1").await, "SUM 101.5 kWh", "a meter that was swapped meanwhile");
}

#[tokio::test(start_paused = true)]
async fn the_state_of_the_end_is_on_the_memory_card_and_a_damaged_file_is_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("sources/house");
    let mut house = House::new(SUM, folder.path());
    for n in 0..5 {
        house.sum(60, &format!("{n}"), "1").await;
    }
    house.source.acquisition.close().await;
    let read = |name: &str| fs::read_to_string(state.join(name)).unwrap();
    assert_eq!(read("derived.json"), read("recent.json"));
    let now = house.now;
    for damage in ["", "{", "{\"number\": 1e300}", "\u{0}\u{0}"] {
        fs::write(state.join("recent.json"), damage).unwrap();
        let mut house = House { now, ..House::new(SUM, folder.path()) };
        assert_eq!(house.sum(60, "0.5", "1").await, "SUM 5.0 kWh", "{damage:?}");
        assert_eq!(house.source.context.stats().problem(), None, "the other file had the state");
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_of_which_every_file_is_damaged_is_a_problem_until_the_next_start_and_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("sources/house");
    fs::create_dir_all(&state).unwrap();
    for n in 1..3 {
        let files = ["derived.json", "recent.json"];
        for name in files {
            fs::write(state.join(name), format!("{{{n}")).unwrap();
        }
        let mut house = House::new(SUM, folder.path());
        for seconds in [0, 60] {
            assert_eq!(house.sum(seconds, "0.5", "1").await, "SUM 1.5 kWh");
            let problem = house.source.context.stats().problem().unwrap();
            for name in files {
                let aside = state.join(format!("{name}.damaged-{n}"));
                assert_eq!(fs::read_to_string(&aside).unwrap(), format!("{{{n}"));
                assert!(problem.contains(&format!("and is kept as {}", aside.display())), "{problem}");
            }
            assert!(problem.contains("counters and integrals begin again on 20"), "{problem}");
        }
        let mut house = House::new(SUM, folder.path());
        house.sum(120, "0.5", "1").await;
        assert_eq!(house.source.context.stats().problem(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_written_is_a_problem_and_values_go_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sources"), "a file").unwrap();
    let mut house = House::new(SUM, folder.path());
    assert_eq!(house.sum(0, "100", "1").await, "SUM 101 kWh");
    let problem = house.source.context.stats().problem().unwrap();
    assert!(problem.contains("could not write") && problem.contains("sources/house"), "{problem}");
    assert_eq!(house.sum(60, "101", "1").await, "SUM 102 kWh");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_sets_a_counter_makes_no_step_in_the_sum() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new(SUM, folder.path());
    house.sum(0, "100", "1").await;
    // A small correction, which a household could have used.
    let grid = house.meter("grid");
    grid.counter_was_set("E", "kWh", decimal("100.2"), decimal("100.5"));
    house.now = framework::Timestamp::now().as_second() + 1;
    assert_eq!(house.sum(0, "100.6", "1").await, "SUM 101.3 kWh");
    assert_eq!(house.sum(60, "100.7", "1").await, "SUM 101.4 kWh");
    assert_eq!(house.count("counter_resets"), 0);
}

#[tokio::test(start_paused = true)]
async fn power_makes_energy_and_a_gap_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new(ENERGY, folder.path());
    assert_eq!(house.energy(0, "600").await, "E 0.0 Wh");
    assert_eq!(house.energy(360, "600").await, "E 60.0 Wh");
    // Power that rises evenly.
    assert_eq!(house.energy(360, "1200").await, "E 150.0 Wh");
    // Feeding in runs backwards.
    assert_eq!(house.energy(0, "-1200").await, "E 150.0 Wh");
    assert_eq!(house.energy(36, "-1200").await, "E 138.0 Wh");
    // Eleven minutes without a reading are a gap, ten are none.
    assert_eq!(house.energy(660, "-1200").await, "E 138.0 Wh");
    assert_eq!(house.count("gaps"), 1);
    assert_eq!(house.energy(600, "-1200").await, "E -62.0 Wh");
    // A clock that is set back counts no time twice.
    assert_eq!(house.energy(-300, "-1200").await, "E -62.0 Wh");
    assert_eq!(house.energy(0, "-1200").await, "E -62.0 Wh");
    assert_eq!(house.energy(36, "-1200").await, "E -74.0 Wh");
    // A reading of another source that comes a little late.
    assert_eq!(house.energy(-18, "-1200").await, "E -74.0 Wh");
    assert_eq!(house.energy(18, "-1200").await, "E -74.0 Wh");
    let now = house.now;
    let mut house = House { now, ..House::new(ENERGY, folder.path()) };
    assert_eq!(house.energy(36, "-1200").await, "E -86.0 Wh", "the restart is no gap");
}

#[tokio::test(start_paused = true)]
async fn a_year_of_energy_is_exact() {
    let folder = tempfile::tempdir().unwrap();
    let values = "values.P = { expression = \"grid.P / 3\", unit = \"kW\" }\nvalues.E = { integrate = \"house.P\", unit = \"kWh\", max_gap = \"1d\" }\nvalues.V = { integrate = \"pv.flow\", unit = \"l\", max_gap = \"1d\" }\n";
    let mut house = House::new(values, folder.path());
    for _ in 0..=365 {
        house.publish("grid", vec![gauge("P", "0.3", "W")]);
        house.publish("pv", vec![gauge("flow", "0.1", "l/h")]);
        house.next().await;
        house.now += 86_400;
    }
    house.publish("pv", vec![gauge("flow", "0.1", "l/h")]);
    // A day more of the flow only: the power has no newer reading.
    assert_eq!(house.next().await, ["P 0.0001 kW", "E 0.876 kWh", "V 878.4 l"]);
}

#[tokio::test(start_paused = true)]
async fn a_value_of_the_same_source_is_computed_first() {
    let folder = tempfile::tempdir().unwrap();
    let values = "values.IMPORT = { expression = \"max(house.HOUSE, 0)\", unit = \"kW\" }\nvalues.HOUSE = { expression = \"grid.P - pv.P\", unit = \"W\" }\n";
    let mut house = House::new(values, folder.path());
    house.publish("grid", vec![gauge("P", "1500", "W")]);
    house.publish("pv", vec![gauge("P", "250", "W")]);
    assert_eq!(house.next().await, ["IMPORT 1.25 kW", "HOUSE 1250 W"]);
}
