//! Values computed from other sources, in the real binary: two meters, and what is computed from them.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
};

use serde_json::Value as Json;

use crate::program::*;

const VALUES: &str = r#"[sources.house]
plugin = "derived"
values.HOUSE = { expression = "grid.'power' + pv.power", unit = "W" }
values.TOTAL = { expression = "grid.energy + pv.energy", unit = "kWh" }
values.USED = { integrate = "house.HOUSE", unit = "kWh" }
"#;

/// Source whose batches are the lines of a file; after a restart it repeats the last one.
fn meter(name: &str, folder: &Path, keys: &str) -> String {
    let lines = folder.join(name);
    OpenOptions::new().create(true).append(true).open(&lines).unwrap();
    let command = format!("[\"tail\", \"-n\", \"1\", \"-f\", \"{}\"]", lines.display());
    format!("[sources.{name}]\nplugin = \"exec\"\nmode = \"stream\"\ncommand = {command}\n{keys}")
}

fn send_reading(folder: &Path, name: &str, power: f64, energy: f64) {
    let line = format!(
        "{{\"power\": {{\"value\": {power}, \"unit\": \"W\", \"kind\": \"gauge\"}}, \
         \"energy\": {{\"value\": {energy}, \"unit\": \"kWh\", \"kind\": \"counter\"}}}}\n"
    );
    OpenOptions::new().append(true).open(folder.join(name)).unwrap().write_all(line.as_bytes()).unwrap();
}

fn shows(house: &Json, power: f64, total: f64) -> bool {
    (house["HOUSE"].as_f64(), house["TOTAL"].as_f64()) == (Some(power), Some(total))
}

#[test]
fn values_of_two_meters_survive_a_swap_and_a_kill_and_are_in_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let (grid, pv) = (meter("grid", folder.path(), ""), meter("pv", folder.path(), ""));
    let config = format!("{VALUES}{grid}{pv}");
    send_reading(folder.path(), "grid", 1500.0, 12345.5);
    send_reading(folder.path(), "pv", 250.25, 100.0);
    let mut used = 0.0;
    {
        let program = Program::with_config(folder.path(), &config);
        let until = |what: &str, power: f64, total: f64| {
            program.until("/data/house", what, |house| shows(house, power, total))
        };
        until("the sum", 1750.25, 12445.5);
        send_reading(folder.path(), "pv", 0.5, 100.25);
        until("a change of one meter", 1500.5, 12445.75);
        // The grid's meter is swapped.
        send_reading(folder.path(), "grid", 10.0, 0.125);
        until("no step", 10.5, 12445.75);
        send_reading(folder.path(), "grid", 20.0, 0.25);
        let house = until("the new meter counts on", 20.5, 12445.875);
        used = f64::max(used, house["USED"].as_f64().unwrap());
        assert!(used > 0.0, "{house}");
        assert_eq!(program.count("house", "counter_resets"), 1);
    } // kill -9
    send_reading(folder.path(), "grid", 30.0, 0.5);
    let program = Program::with_config(folder.path(), &config);
    let house = program.until("/data/house", "after the kill", |house| shows(house, 30.5, 12446.125));
    assert!(house["USED"].as_f64().unwrap() >= used, "{house} after {used}");
    let history = program.get("/history/house/TOTAL?step=raw&from=-1h").1;
    let values: Vec<_> = history["value"].as_array().unwrap().iter().filter_map(Json::as_f64).collect();
    assert!(values.is_sorted() && values.contains(&12445.875), "{history}");
    assert_eq!(history["unit"], "kWh", "{history}");
    let hours = program.get("/history/house/TOTAL?per=hour&from=-1h").1;
    let amounts: f64 = hours["amount"].as_array().unwrap().iter().filter_map(Json::as_f64).sum();
    assert!((0.0..1.0).contains(&amounts), "the swap counts as consumption: {hours}");
}

#[test]
fn a_value_is_stale_as_soon_as_one_of_its_meters_is_and_recovers_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let grid = meter("grid", folder.path(), "stale_after = \"1h\"\n");
    let pv = meter("pv", folder.path(), "stale_after = \"1s\"\n");
    let chain = "[sources.chain]\nplugin = \"derived\"\nvalues.TWICE = { expression = \"2 * house.HOUSE\", unit = \"kW\" }\n";
    send_reading(folder.path(), "grid", 1000.0, 1.0);
    let config = format!("{chain}{VALUES}stale_after = \"1h\"\n{grid}{pv}");
    let program = Program::with_config(folder.path(), &config);
    send_reading(folder.path(), "pv", 200.0, 1.0);
    program.until("/data", "all of it", |data| data["chain"]["TWICE"].as_f64() == Some(2.4));
    let is_stale = |data: &Json| ["pv", "house", "chain"].map(|name| data[name]["stale"] == true);
    let data = program.until("/data", "stale", |data| is_stale(data) == [true; 3]);
    assert!(data["grid"]["stale"].is_null(), "{data}");
    send_reading(folder.path(), "pv", 300.0, 1.0);
    let fresh = |data: &Json| data["chain"]["TWICE"].as_f64() == Some(2.6) && is_stale(data) == [false; 3];
    program.until("/data", "fresh again", fresh);
}

#[test]
fn mistakes_between_sources_end_the_check_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let text = "[sources.a]\nplugin = \"derived\"\nvalues.V = { expression = \"b.V + 1\" }\n\
                [sources.b]\nplugin = \"derived\"\nvalues.V = { expression = \"a.V\" }\n\
                [sources.c]\nplugin = \"derived\"\nvalues.V = { expression = \"5 W + 1 kWh\" }\n\
                values.X = { expression = \"gird.power\" }\n[sources.grid]\nplugin = \"thermal\"\n";
    fs::write(&config, text).unwrap();
    let checked = output(&["check", "--config", config.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(2), "{said}");
    for expected in [
        ":3:28: these sources read each other in a circle: `a` → `b` → `a`",
        ":9:28: power (`W`) and energy (`kWh`) cannot be added",
        ":10:28: unknown source `gird`",
        "did you mean `grid`?",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}
