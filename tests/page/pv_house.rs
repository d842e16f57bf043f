//! Fixture: fourteen months of a house with photovoltaics, a heat pump, a wallbox, and more consumers.
//!
//! The rows are the same in each run but for their end, so that a test can compute what the page should show.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::{f64::consts::TAU, fmt::Write as _, sync::OnceLock};

use jiff::{Timestamp, Zoned, tz::TimeZone};

use super::household::{CONSUMER, COUNT, EXPORT, IMPORT, METER, ZONE};
use crate::program::Random;

/// The inverter.
pub const PV: &str = "pv";
pub const WALLBOX: &str = "wallbox";
/// Consumer whose name has a `/`, a blank and an `ä` in its label.
pub const WASHER: &str = "washer";
/// Thermometer.
pub const OUTSIDE: &str = "outside";

const QUARTER: i64 = 900;
/// Length of the record, of its part with a row for each quarter of an hour, and of that with phases and voltages.
const DAYS: i64 = 426;
const FINE: i64 = 16 * 86_400;
/// The other counters at the end of the record, in kWh.
const ENDS: [f64; 3] = [9876.0, 1543.0, 321.0];

/// Counters of the house at a moment, in kWh, and its powers since the row before, in watts.
#[derive(Clone, Copy)]
pub struct Row {
    pub time: i64,
    /// `import`, `export`, `heat_pump`, `pv`, `wallbox`, `washer`.
    pub counts: [f64; 6],
    pub powers: [f64; 6],
    /// Import in the second tariff: nights and weekends.
    pub night: f64,
    pub temperature: f64,
}

/// Place in [`Row::counts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    Import,
    Export,
    HeatPump,
    Pv,
    Wallbox,
    Washer,
}

/// Newest quarter of an hour that was over some minutes ago.
pub fn last_quarter() -> i64 {
    (Timestamp::now().as_second() / QUARTER - 1) * QUARTER
}

/// End of the record, the same for all tests of a process: what a test computes is what was recorded.
pub fn end() -> i64 {
    static END: OnceLock<i64> = OnceLock::new();
    *END.get_or_init(last_quarter)
}

/// All rows up to `end`, in order.
pub fn rows(end: i64) -> Vec<Row> {
    let fine = end - FINE;
    let moments = (end - DAYS * 86_400..fine).step_by(7200).chain((fine..=end).step_by(900));
    let zone = TimeZone::get(ZONE).unwrap();
    let mut random = Random(0x50_1a2);
    let mut rows: Vec<Row> = Vec::new();
    for time in moments {
        let hours = rows.last().map_or(0.0, |row| (time - row.time) as f64 / 3600.0);
        // The powers are those of the time before the row.
        let local = Timestamp::from_second(time - 450).unwrap().to_zoned(zone.clone());
        let season = (f64::from(local.day_of_year() - 15) / 365.0 * TAU).cos(); // 1 in the middle of January
        let hour = f64::from(local.hour()) + f64::from(local.minute()) / 60.0;
        let sun = ((hour - 6.0) / 12.0 * std::f64::consts::PI).sin().max(0.0) * (3400.0 - 2600.0 * season);
        let pv = sun * (0.2 + random.below(800) as f64 / 1000.0);
        let temperature = 10.0 - 10.0 * season - 4.0 * (hour / 24.0 * TAU).cos();
        let pump = if random.below(3) > 0 { (15.0 - temperature).max(0.0) * 90.0 } else { 0.0 };
        let day = local.date().day();
        let wallbox = if day % 4 == 0 && (18.0..22.0).contains(&hour) { 3700.0 } else { 0.0 };
        let washer = if day % 3 == 0 && (10.0..12.0).contains(&hour) { 600.0 } else { 0.0 };
        let evening = if (17.0..22.0).contains(&hour) { 320.0 } else { 0.0 };
        let rest = 180.0 + evening + random.below(120) as f64;
        let grid = rest + pump + wallbox + washer - pv;
        let powers = [grid.max(0.0), (-grid).max(0.0), pump, pv, wallbox, washer];
        let before = rows.last().map_or(([0.0; 6], 0.0), |row| (row.counts, row.night));
        let counts = std::array::from_fn(|i| before.0[i] + powers[i] * hours / 1000.0);
        let is_night = !(6.0..22.0).contains(&hour) || local.weekday().to_monday_zero_offset() >= 5;
        let night = before.1 + if is_night { powers[0] * hours / 1000.0 } else { 0.0 };
        rows.push(Row { time, counts, powers, night, temperature });
    }
    // The counters end at round numbers, from which the live ones go on.
    let last = *rows.last().unwrap();
    let ends = [IMPORT, EXPORT, COUNT, ENDS[0], ENDS[1], ENDS[2]];
    for row in &mut rows {
        row.counts = std::array::from_fn(|i| row.counts[i] + ends[i] - last.counts[i]);
    }
    rows
}

/// Consumption between two moments in kWh. Between two rows it is spread evenly, as the journal does it: the two agree
/// to less than 0.1 kWh.
pub fn amount(rows: &[Row], counter: Counter, from: &Zoned, to: &Zoned) -> f64 {
    let count = |moment: &Zoned| {
        let second = moment.timestamp().as_second();
        let next = rows.partition_point(|row| row.time < second);
        let value = |row: &Row| row.counts[counter as usize];
        match (next.checked_sub(1).map(|i| &rows[i]), rows.get(next)) {
            (Some(before), Some(after)) => {
                let share = (second - before.time) as f64 / (after.time - before.time) as f64;
                value(before) + share * (value(after) - value(before))
            }
            (before, after) => value(before.or(after).unwrap()),
        }
    };
    count(to) - count(from)
}

/// Least and greatest value of `of` for a period that begins and ends up to a quarter of an hour earlier or later: the
/// journal knows older readings by their quarter only.
pub fn bounds(from: &Zoned, to: &Zoned, of: impl Fn(&Zoned, &Zoned) -> f64) -> [f64; 2] {
    let values = [-QUARTER, -QUARTER / 2, 0, QUARTER / 2, QUARTER].map(|shift| {
        let [from, to] =
            [from, to].map(|moment| moment.checked_add(jiff::Span::new().seconds(shift)).unwrap());
        of(&from, &to)
    });
    [values.into_iter().fold(f64::INFINITY, f64::min), values.into_iter().fold(f64::NEG_INFINITY, f64::max)]
}

/// CSV of the house, as `smartmeter import` takes it.
pub fn csv(end: i64) -> String {
    let mut text = "time,section,name,value,unit,obis\n".to_owned();
    for row in rows(end) {
        let time = Timestamp::from_second(row.time).unwrap();
        let mut add = |section: &str, name: &str, value: f64, decimals: usize, rest: &str| {
            writeln!(text, "{time},{section},{name},{value:.decimals$},{rest}").unwrap();
        };
        let [import, export, pump, pv, wallbox, washer] = row.counts;
        let net = row.powers[0] - row.powers[1];
        add(METER, "POWER_IMPORT", import, 6, "kWh,1.8.0");
        add(METER, "POWER_IMPORT_T1", import - row.night - 800.0, 6, "kWh,1.8.1");
        add(METER, "POWER_IMPORT_T2", row.night + 800.0, 6, "kWh,1.8.2");
        add(METER, "POWER_EXPORT", export, 6, "kWh,2.8.0");
        add(METER, "CURRENT_POWER_SUM", net, 1, "W,16.7.0");
        add(CONSUMER, "count", pump, 3, "kWh,");
        add(CONSUMER, "power", row.powers[2], 1, "W,");
        for (section, count, power) in
            [(PV, pv, row.powers[3]), (WALLBOX, wallbox, row.powers[4]), (WASHER, washer, row.powers[5])]
        {
            add(section, "energy", count, 6, "kWh,");
            add(section, "power", power, 1, "W,");
        }
        add(OUTSIDE, "temperature", row.temperature, 1, "°C,");
        if row.time > end - FINE {
            for (phase, share) in [(1, 0.5), (2, 0.75), (3, -0.25)] {
                let (code, volts) = (20 * phase + 16, 229.0 + net / 2000.0 + f64::from(phase));
                add(METER, &format!("CURRENT_POWER_L{phase}"), net * share, 1, &format!("W,{code}.7.0"));
                add(METER, &format!("VOLTAGE_L{phase}"), volts, 1, &format!("V,{}.7.0", code - 4));
            }
        }
    }
    text
}

/// Configuration of the sources beside the meter and the heat pump: each says its last reading once.
pub fn sources() -> String {
    let mut text = String::new();
    let described = [
        (PV, "Dach Süd", "production", ENDS[0], 0.0),
        (WALLBOX, "Wallbox", "consumer", ENDS[1], 0.0),
        (WASHER, "Wäsche / Trockner", "submeter", ENDS[2], 0.0),
    ];
    for (name, label, role, count, power) in described {
        let readings = format!(
            "{{\"energy\":{{\"value\":{count:.6},\"unit\":\"kWh\",\"kind\":\"counter\"}},\
             \"power\":{{\"value\":{power:.1},\"unit\":\"W\"}}}}"
        );
        text += &source(name, &readings, &format!("label = \"{label}\"\nrole = \"{role}\"\n"));
    }
    text + &source(OUTSIDE, "{\"temperature\":{\"value\":4.5,\"unit\":\"°C\"}}", "label = \"Außen\"\n")
}

fn source(name: &str, readings: &str, keys: &str) -> String {
    format!(
        "[sources.{name}]\nplugin = \"exec\"\nmode = \"stream\"\nstale_after = \"1h\"\n\
         command = [\"/bin/sh\", \"-c\", '''echo '{readings}'; exec sleep 86400''']\n{keys}"
    )
}

pub const TESTS: &[crate::Test] = &[("the_fixture_s_amounts_are_those_of_the_history", amounts)];

fn amounts() {
    let household =
        super::household::Household::start(&super::household::Plan { pv: true, ..Default::default() });
    let rows = rows(end());
    let zone = TimeZone::get(ZONE).unwrap();
    let now = Timestamp::from_second(end()).unwrap().to_zoned(zone);
    let from = now
        .first_of_month()
        .unwrap()
        .checked_sub(jiff::Span::new().months(3))
        .unwrap()
        .start_of_day()
        .unwrap();
    let to = from.checked_add(jiff::Span::new().months(1)).unwrap();
    let series = [
        (METER, "POWER_IMPORT", Counter::Import),
        (CONSUMER, "count", Counter::HeatPump),
        (PV, "energy", Counter::Pv),
    ];
    for (section, name, counter) in series {
        let path = format!("/history/{section}/{name}?per=month&from={}&to={}", from.date(), to.date());
        let answer = household.program().get(&path).1;
        let (shown, wanted) = (answer["amount"][0].as_f64().unwrap(), amount(&rows, counter, &from, &to));
        // The journal knows the quarters around midnight, the rows their ends.
        assert!((shown - wanted).abs() < 0.1, "{section}/{name}: {shown} in place of {wanted}");
        assert!(answer["gap"][0] == false && answer["partial"][0] == false, "{answer}");
    }
}
