//! Costs in the real binary: a meter, tariffs, a corrected price, and the costs as readings.

use std::{fs, fs::OpenOptions, io::Write as _, path::Path};

use crate::program::*;

/// Source whose batches are the lines of a file.
fn meter(folder: &Path) -> String {
    let lines = folder.join("grid");
    OpenOptions::new().create(true).append(true).open(&lines).unwrap();
    let command = format!("[\"tail\", \"-n\", \"1\", \"-f\", \"{}\"]", lines.display());
    format!("[sources.grid]\nplugin = \"exec\"\nmode = \"stream\"\ncommand = {command}\n")
}

fn send_reading(folder: &Path, energy: &str) {
    let line = format!("{{\"energy\": {{\"value\": {energy}, \"unit\": \"kWh\", \"kind\": \"counter\"}}}}\n");
    OpenOptions::new().append(true).open(folder.join("grid")).unwrap().write_all(line.as_bytes()).unwrap();
}

const COST: &str = "[sources.cost]\nplugin = \"cost\"\ninterval = \"1s\"\n";

fn tariff(price: &str) -> String {
    format!("[[tariffs]]\nsource = \"grid\"\nfrom = 2020-01-01\nwork_price = {price}\n")
}

#[test]
fn costs_are_readings_that_follow_a_corrected_price_and_a_drop_in_may_hold_tariffs() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("{}{COST}{}", meter(folder.path()), tariff("0.3"));
    send_reading(folder.path(), "100.0");
    let program = Program::with_config(folder.path(), &config);
    program.until("/data", "the meter", |data| data["grid"]["energy"].as_f64() == Some(100.0));
    send_reading(folder.path(), "100.1");
    // A midnight between the readings would leave a part of it to yesterday: the month has both but on the first.
    let cost = |data: &serde_json::Value| data["cost"]["cost_month"].as_f64();
    program.until("/data", "the cost", |data| cost(data) == Some(0.03));
    let data = program.get("/data").1;
    assert_eq!(data["cost"]["price"].as_f64(), Some(0.3), "{data}");
    let readings = program.get("/readings").1;
    let meaning = &readings["cost"]["cost_today"];
    assert_eq!(
        (&meaning["quantity"], &meaning["kind"], &meaning["unit"]),
        (&"money".into(), &"state".into(), &"EUR".into())
    );
    assert_eq!(readings["cost"]["price"]["quantity"], "energy_price");
    assert_eq!(
        (&data["cost"]["cost_month_gap"], &readings["cost"]["cost_month_gap"]["unit"]),
        (&0.into(), &"min".into())
    );
    let history = program.get("/history/grid/energy?per=month&from=-1d&cost=true").1;
    let costs: f64 = history["cost"].as_array().unwrap().iter().filter_map(serde_json::Value::as_f64).sum();
    assert!((costs - 0.03).abs() < 1e-9, "{history}");

    // The price is corrected, and the next one is in a drop-in.
    let file = folder.path().join("config.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("work_price = 0.3\n", "work_price = 0.31\n")).unwrap();
    let drop_ins = folder.path().join("state/config.d");
    fs::create_dir_all(&drop_ins).unwrap();
    fs::write(drop_ins.join("50-next.toml"), tariff("0.5").replace("2020-01-01", "2099-01-01")).unwrap();
    program.signal(rustix::process::Signal::HUP);
    program.until("/data", "the corrected cost", |data| cost(data) == Some(0.031));
    let tariffs = program.get("/tariffs").1;
    assert_eq!(tariffs["tariffs"].as_array().map(Vec::len), Some(2), "{tariffs}");
    assert_eq!(tariffs["tariffs"][0]["to"], "2099-01-01");
}

#[test]
fn check_finds_a_wrong_tariff_and_takes_the_examples_of_its_document() {
    let folder = tempfile::tempdir().unwrap();
    let sources: String = ["grid", "heat_pump", "wallbox", "meter", "gas", "market"]
        .iter()
        .map(|name| format!("[sources.{name}]\nplugin = \"thermal\"\npath = \"/sys\"\n"))
        .collect();
    let document = fs::read_to_string(root().join("docs/tariffs.md")).unwrap();
    let mut count = 0;
    for block in document.split("```toml\n").skip(1).filter_map(|block| block.split("```").next()) {
        let own = block.contains("[sources.market]");
        let sources = if own {
            sources.replace("[sources.market]\nplugin = \"thermal\"\npath = \"/sys\"\n", "")
        } else {
            sources.clone()
        };
        let file = folder.path().join("config.toml");
        fs::write(&file, format!("{sources}{block}")).unwrap();
        let output = output(&["check", "--config", file.to_str().unwrap()]);
        assert!(output.status.success(), "{}\n{block}", String::from_utf8_lossy(&output.stderr));
        fs::write(
            &file,
            format!(
                "{sources}{}",
                block.replacen("work_price", "workprice", 1).replacen("spot =", "sport =", 1).replacen(
                    "registers =",
                    "register =",
                    1
                )
            ),
        )
        .unwrap();
        let output = self::output(&["check", "--config", file.to_str().unwrap()]);
        assert!(
            !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("did you mean"),
            "{block}"
        );
        count += 1;
    }
    assert!(count >= 6, "{count}");
}
