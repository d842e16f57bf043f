use std::sync::Arc;

use super::*;
use crate::{
    Costs, Tariffs,
    journal::{
        SECOND,
        testing::{Household, at, named},
    },
};

const QUARTER: i64 = 900 * SECOND;

/// Numbers in thousandths just before each quarter-hour: `amounts` are what is counted in each.
fn counted(from: i64, start: i64, amounts: impl IntoIterator<Item = i64>) -> Vec<crate::journal::Sample> {
    let mut number = start;
    let mut time = from - SECOND;
    let mut samples = vec![crate::journal::testing::sample(time, number)];
    for amount in amounts {
        (time, number) = (time + QUARTER, number + amount);
        samples.push(crate::journal::testing::sample(time, number));
    }
    samples
}

/// The tariffs of a configuration with sources `grid`, `market`, `heat_pump` and `gas`.
fn tariffs(text: &str) -> Arc<Tariffs> {
    let sources =
        ["grid", "market", "heat_pump", "gas"].map(|name| format!("[sources.{name}]\nplugin = \"greedy\"\n"));
    let text = format!("{}{text}", sources.concat());
    Config::parse("config.toml", &text, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}")).tariffs
}

/// A server with a journal and tariffs.
struct Served {
    program: Running,
    costs: Arc<Costs>,
    _folder: tempfile::TempDir,
}

impl Served {
    async fn start(fill: impl FnOnce(&mut Household), tariffs: Arc<Tariffs>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let mut household = Household::at(&path);
        fill(&mut household);
        let setup = Setup { journal: household.open(&path), ..Setup::default() };
        let api = setup.api();
        let costs = api.costs();
        costs.replace(tariffs);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let served = tokio::spawn(serve(listener, api, stop.clone()));
        Self { program: Running { store: setup.store, address, stop, served }, costs, _folder: folder }
    }

    /// Returns a column of an answer as text, so that every digit counts.
    async fn column(&self, path: &str, name: &str) -> String {
        let answer = self.program.get(path).await;
        let start =
            answer.body.find(&format!("\"{name}\":[")).unwrap_or_else(|| panic!("{name}: {}", answer.body));
        let column = &answer.body[start + name.len() + 3..];
        column[..=column.find(']').unwrap()].to_owned()
    }
}

/// 0.25 kWh each quarter-hour from 1 to 4 November 2026.
fn steady(household: &mut Household) {
    let samples = counted(at("2026-11-01T00:00:00Z"), 1_000_000, std::iter::repeat_n(250, 4 * 96));
    household.store(&named("grid", "IMPORT", "kWh"), "1.8.0", &samples, &[]);
}

const TWO: &str = r#"
[[tariffs]]
name = "old"
source = "grid"
from = "2026-01-01"
vat = 19
work_price = 0.3000
base_price_per_month = 12.00
feed_in_price = 0.0803
instalment_per_month = 80

[[tariffs]]
name = "new"
source = "grid"
from = 2026-11-03
vat = 19
work_price = 0.2500
windows = [{ name = "HT", price = 0.3200, hours = "06:00-22:00" }]
"#;

#[tokio::test]
async fn costs_are_right_over_a_change_of_the_tariff_and_recomputed_when_a_price_is_corrected() {
    let served = Served::start(steady, tariffs(TWO)).await;
    let path = "/history/grid/IMPORT?from=2026-11-01&to=2026-11-05&per=day&cost=true";
    // 24 kWh · 0.30 = 7.2; 16 kWh · 0.32 + 8 kWh · 0.25 = 7.12.
    assert_eq!(served.column(path, "cost").await, "[7.2,7.2,7.12,7.12]");
    assert_eq!(served.column(path, "cost_gap").await, "[false,false,false,false]");
    let month = "/history/grid/IMPORT?from=2026-11-01&to=2026-11-05&per=month&cost=true";
    assert_eq!(served.column(month, "cost").await, "[28.64]");
    let hours = "/history/grid/IMPORT?from=2026-11-03T05:00&to=2026-11-03T07:00&per=hour&cost=true";
    assert_eq!(served.column(hours, "cost").await, "[0.25,0.32]");
    served.costs.replace(tariffs(&TWO.replace("work_price = 0.3000", "work_price = 0.2999")));
    assert_eq!(served.column(path, "cost").await, "[7.1976,7.1976,7.12,7.12]");
    let csv = served.program.get(&format!("{month}&format=csv")).await.body;
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines[0], "start,end,amount,gap,swap,partial,cost,cost_gap");
    assert!(lines[1].ends_with(",96,false,false,true,28.6352,false"), "{csv}");
    assert_eq!(served.program.get(path).await.json()["currency"], "EUR");
}

#[tokio::test]
async fn an_answer_without_costs_is_as_before_and_costs_need_periods() {
    let served = Served::start(steady, tariffs(TWO)).await;
    let path = "/history/grid/IMPORT?from=2026-11-01&to=2026-11-02&per=day";
    let answer = served.program.get(path).await.json();
    assert!(answer.get("cost").is_none() && answer.get("currency").is_none(), "{answer}");
    let answer = served.program.get("/history/grid/IMPORT?cost=true").await;
    assert_eq!(answer.error(), (400, "bad_request".to_owned()));
}

#[tokio::test]
async fn a_period_without_a_price_has_no_cost_and_says_so() {
    let only_new = TWO.split("[[tariffs]]").nth(2).map(|new| format!("[[tariffs]]{new}")).unwrap();
    let served = Served::start(steady, tariffs(&only_new)).await;
    let path = "/history/grid/IMPORT?from=2026-11-01&to=2026-11-05&per=day&cost=true";
    assert_eq!(served.column(path, "cost").await, "[null,null,7.12,7.12]");
    assert_eq!(served.column(path, "cost_gap").await, "[true,true,false,false]");
    let month = path.replace("per=day", "per=month");
    assert_eq!(served.column(&month, "cost").await, "[14.24]");
    assert_eq!(served.column(&month, "cost_gap").await, "[true]", "a part of it has no price");
}

#[tokio::test]
async fn a_spot_price_may_be_negative_and_its_missing_quarter_hours_are_said() {
    let text = "[[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\nprices = \"net\"\nvat = 19\n\
                spot = { source = \"market\", reading = \"price\", factor = 1.05, surcharge = 0.0150 }\n";
    let fill = |household: &mut Household| {
        steady(household);
        // 12:00 to 12:15: 81.50 €/MWh. 12:15: -50 €/MWh. 12:30: none. 12:45: 0.
        let noon = at("2026-11-02T12:00:00Z");
        let prices = [(0, 81_500), (1, -50_000), (3, 0)];
        let prices = prices.map(|(quarter, price)| {
            crate::journal::testing::sample(noon + quarter * QUARTER + 5 * SECOND, price)
        });
        household.store(&named("market", "price", "EUR/MWh"), "", &prices, &[]);
    };
    let served = Served::start(fill, tariffs(text)).await;
    let path = "/history/grid/IMPORT?from=2026-11-02T11:00&to=2026-11-02T13:00&per=hour&cost=true";
    // 0.25 kWh · ((0.0815 − 0.05 + 0) · 1.05 + 3 · 0.015) · 1.19 = 0.25 · 0.078075 · 1.19.
    assert_eq!(served.column(path, "cost").await, "[null,0.023227313]");
    assert_eq!(served.column(path, "cost_gap").await, "[true,true]");
    let bill = served.program.get("/bill?source=grid&from=2026-11-02T12:00&to=2026-11-02T13:00").await.json();
    assert_eq!(bill["gaps"][0]["reason"], "no_price");
    let ms = |text: &str| at(text) / 1000;
    assert_eq!(bill["gaps"][0]["from"], ms("2026-11-02T12:30:00Z"));
    assert_eq!(bill["gaps"][0]["to"], ms("2026-11-02T12:45:00Z"));
    assert_eq!(bill["gaps"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_bill_has_its_energy_its_items_and_its_sums() {
    let served = Served::start(steady, tariffs(TWO)).await;
    let answer = served.program.get("/bill?source=grid&from=2026-11-01&to=2026-11-04").await;
    let bill = answer.json();
    let items: Vec<_> = bill["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            format!(
                "{} {} {} {}",
                item["kind"].as_str().unwrap(),
                item["text"].as_str().unwrap(),
                item["amount"],
                item["net"]
            )
        })
        .collect();
    // Gross prices: 48 · 0.30 / 1.19 = 12.1008; 12 · 2/30 / 1.19 = 0.6723; 32 · 0.32 / 1.19 = 8.6050; 16 · 0.25 / 1.19 = 3.3613.
    assert_eq!(
        items,
        [
            "work old 48 12.1",
            "base old 0.066667 0.67",
            "work new HT 32 8.61",
            "work new 16 3.36",
            "vat 19 % 24.74 4.7"
        ],
        "{bill}"
    );
    assert_eq!((&bill["net"], &bill["vat"], &bill["total"]), (&24.74.into(), &4.7.into(), &29.44.into()));
    assert_eq!(bill["energy"].as_array().map(Vec::len), Some(3));
    let first = &bill["energy"][0];
    assert_eq!(
        (&first["register"], &first["amount"], &first["unit"]),
        (&"IMPORT".into(), &48.into(), &"kWh".into())
    );
    assert_eq!(first["to"], at("2026-11-03T00:00:00Z") / 1000);
    assert_eq!(bill["gaps"].as_array().map(Vec::len), Some(0), "{bill}");
}

#[tokio::test]
async fn a_bill_can_be_checked_without_a_tariff() {
    let served = Served::start(steady, Arc::default()).await;
    let bill =
        served.program.get("/bill?source=grid&from=2026-11-01&to=2026-11-04&price=0.30&base=30").await.json();
    // 96 · 0.30 + 30 · 4/30.
    assert_eq!(bill["total"], 32.8);
    for (path, part) in [
        ("/bill", "add `[[tariffs]]`"),
        ("/bill?source=grid", "`grid` has no tariffs"),
        ("/bill?source=grid&price=cheap", "`price` is `cheap`"),
        ("/bill?source=grid&price=1&from=2026-11-03&to=2026-11-01", "`from` must be before `to`"),
        ("/bill?when=now", "unknown parameter `when`"),
        ("/forecast?source=grid", "`grid` has no tariffs"),
    ] {
        let answer = served.program.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.message().contains(part), "{path}: {}", answer.message());
    }
    assert_eq!(served.program.get("/bill?source=nobody&price=1").await.status, 404);
}

#[tokio::test]
async fn tariffs_are_listed_and_without_any_the_list_is_empty() {
    let served = Served::start(steady, tariffs(TWO)).await;
    let list = served.program.get("/tariffs").await.json();
    assert_eq!(list["currency"], "EUR");
    let first = &list["tariffs"][0];
    assert_eq!(
        (&first["name"], &first["source"], &first["from"], &first["to"]),
        (&"old".into(), &"grid".into(), &"2026-01-01".into(), &"2026-11-03".into())
    );
    assert_eq!((&first["vat"], &first["base_per_month"]), (&19.into(), &12.into()));
    assert_eq!((&first["feed_in"], &first["instalment_per_month"]), (&0.0803.into(), &80.into()));
    assert_eq!(first["work"], "0.3000 EUR/kWh");
    assert_eq!(list["tariffs"][1]["work"], "0.2500, HT 0.3200 EUR/kWh");
    assert!(list["tariffs"][1].get("to").is_none());
    served.costs.replace(Arc::default());
    let list = served.program.get("/tariffs").await.body;
    assert_eq!(list, r#"{"tariffs":[],"currency":"EUR"}"#);
}

#[tokio::test]
async fn what_is_fed_into_the_grid_has_an_income_and_registers_have_prices_of_their_own() {
    let text = "[[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\nfeed_in_price = 0.0803\n\
                registers = { T1 = 0.3215, T2 = 0.2710 }\nsubmeters = [\"heat_pump\"]\n";
    let fill = |household: &mut Household| {
        let day = |amount| counted(at("2026-11-01T00:00:00Z"), 5_000_000, std::iter::repeat_n(amount, 96));
        for (name, code, amount) in
            [("SUM", "1.8.0", 300), ("HIGH", "1.8.1", 200), ("LOW", "1.8.2", 100), ("FED", "2.8.0", 500)]
        {
            household.store(&named("grid", name, "kWh"), code, &day(amount), &[]);
        }
    };
    let served = Served::start(fill, tariffs(text)).await;
    let cost = async |name: &str| {
        let path = format!("/history/grid/{name}?from=2026-11-01&to=2026-11-02&per=day&cost=true");
        served.column(&path, "cost").await
    };
    // 19.2 · 0.3215 = 6.1728; 9.6 · 0.2710 = 2.6016; 48 · 0.0803 = 3.8544.
    assert_eq!(cost("HIGH").await, "[6.1728]");
    assert_eq!(cost("LOW").await, "[2.6016]");
    assert_eq!(cost("SUM").await, "[8.7744]", "the registers stand for the total");
    assert_eq!(cost("FED").await, "[3.8544]");
    let bill = served.program.get("/bill?from=2026-11-01&to=2026-11-01").await.json();
    assert_eq!(bill["total"], 6.17 + 2.60 - 3.85);
}

#[tokio::test]
async fn what_is_behind_the_meter_costs_as_much_and_has_no_base_price() {
    let text = "[[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\nwork_price = 0.30\n\
                base_price_per_month = 12\nsubmeters = [\"heat_pump\"]\n";
    let fill = |household: &mut Household| {
        steady(household);
        let samples = counted(at("2026-11-01T00:00:00Z"), 7_000, std::iter::repeat_n(100, 96));
        household.store(&named("heat_pump", "ENERGY", "Wh"), "", &samples, &[]);
        let gas = counted(at("2026-11-01T00:00:00Z"), 7_000, std::iter::repeat_n(100, 96));
        household.store(&named("gas", "VOLUME", "m3"), "", &gas, &[]);
    };
    let gas =
        "[[tariffs]]\nsource = \"gas\"\nfrom = \"2026-01-01\"\nwork_price = 0.1\ngas_factor = 10.9450638\n";
    let served = Served::start(fill, tariffs(&format!("{text}{gas}"))).await;
    let path = "/history/heat_pump/ENERGY?from=2026-11-01&to=2026-11-02&per=day&cost=true";
    // 9.6 Wh · 0.30 €/kWh.
    assert_eq!(served.column(path, "cost").await, "[0.00288]");
    let bill = served.program.get("/bill?source=heat_pump&from=2026-11-01&to=2026-11-01").await.json();
    assert_eq!((&bill["total"], bill["items"].as_array().map(Vec::len)), (&0.into(), Some(1)), "{bill}");
    let shown = served.program.get("/tariffs").await.json();
    let factor = |source: &str| {
        let list = shown["tariffs"].as_array().unwrap();
        list.iter().find(|tariff| tariff["source"] == source).unwrap()["gas_factor"].clone()
    };
    assert_eq!((factor("gas"), factor("grid")), (10.945_063_8.into(), serde_json::Value::Null));
    // 9.6 m³ · 10.9450638 · 0.1 €/kWh.
    let path = "/history/gas/VOLUME?from=2026-11-01&to=2026-11-02&per=day&cost=true";
    assert_eq!(served.column(path, "cost").await, "[10.507261248]");
    let bill = served.program.get("/bill?source=gas&from=2026-11-01&to=2026-11-01").await.json();
    assert_eq!(bill["total"], 10.51, "{bill}");
}

#[tokio::test]
async fn another_meter_and_a_pause_do_no_harm_to_costs() {
    let start = at("2026-11-01T00:00:00Z");
    let fill = |household: &mut Household| {
        let mut samples = counted(start, 900_000, std::iter::repeat_n(250, 40));
        // Another meter, with a number of its own; then a pause of six hours, in which 12 kWh were counted.
        let resumed = start + 40 * QUARTER;
        samples.extend(counted(resumed, 10_000, std::iter::repeat_n(250, 8)).into_iter().skip(1));
        let later = resumed + (8 + 24) * QUARTER;
        samples.extend(counted(later, 12_000 - 250 + 12_000 + 250, std::iter::repeat_n(250, 96 - 72)));
        household.store(&named("grid", "IMPORT", "kWh"), "1.8.0", &samples, &[]);
    };
    let served = Served::start(fill, tariffs(TWO)).await;
    let path = "/history/grid/IMPORT?from=2026-11-01&to=2026-11-02&per=day&cost=true";
    let answer = served.program.get(path).await.json();
    // 10 kWh, of the other meter 2 kWh less the step to its first number, 12 kWh in the pause, 6 kWh.
    let amount = answer["amount"][0].as_f64().unwrap();
    assert_eq!(answer["swap"][0], true);
    assert!((29.0..31.0).contains(&amount), "{answer}");
    let cost = answer["cost"][0].as_f64().unwrap();
    assert!((cost - amount * 0.3).abs() < 1e-9, "{answer}");
    assert_eq!(answer["cost_gap"][0], false, "the pause ends within the day, whose cost is exact");
    let hours = path.replace("per=day", "per=hour");
    let gaps = served.column(&hours, "cost_gap").await;
    assert!(
        gaps.contains("true") && gaps.starts_with("[false"),
        "what was counted in the pause is spread evenly: {gaps}"
    );
}

#[tokio::test]
async fn a_forecast_repeats_the_newest_weeks_and_says_so() {
    let now = crate::Timestamp::now().as_second();
    let start = (now - now.rem_euclid(86_400) - 40 * 86_400) * SECOND;
    let fill = |household: &mut Household| {
        let count = usize::try_from((now * SECOND - start) / QUARTER).unwrap();
        let samples = counted(start, 1_000_000, std::iter::repeat_n(250, count));
        household.store(&named("grid", "IMPORT", "kWh"), "1.8.0", &samples, &[]);
    };
    let text = "[[tariffs]]\nsource = \"grid\"\nfrom = \"2020-01-01\"\nwork_price = 0.30\ninstalment_per_month = 75\n";
    let served = Served::start(fill, tariffs(text)).await;
    let forecast = served.program.get("/forecast").await.json();
    let today = jiff::Timestamp::from_second(now).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
    let days = f64::from(today.days_in_month());
    let expected = forecast["month"]["expected"].as_f64().unwrap();
    // 24 kWh a day; the month may have begun before the readings.
    assert!((expected - days * 24.0 * 0.30).abs() < 0.02, "{forecast}");
    assert_eq!((&forecast["unsure"], &forecast["reason"]), (&true.into(), &"no_last_year".into()));
    assert_eq!(
        (&forecast["month"]["instalment"], &forecast["year"]["instalment"]),
        (&75.into(), &900.into())
    );
    assert!(forecast["month"]["so_far"].as_f64().unwrap() <= expected, "{forecast}");
}

#[tokio::test]
async fn a_forecast_of_readings_that_lie_ahead_of_the_clock_ends_and_expects_nothing() {
    let now = crate::Timestamp::now().as_second();
    let start = (now - now.rem_euclid(86_400) + 3 * 86_400) * SECOND;
    let fill = |household: &mut Household| {
        let samples = counted(start, 1_000_000, std::iter::repeat_n(250, 96));
        household.store(&named("grid", "IMPORT", "kWh"), "1.8.0", &samples, &[]);
    };
    let text = "[[tariffs]]\nsource = \"grid\"\nfrom = \"2020-01-01\"\nwork_price = 0.30\n";
    let served = Served::start(fill, tariffs(text)).await;
    let forecast = served.program.get("/forecast").await.json();
    assert_eq!(forecast["month"]["expected"], serde_json::Value::Null, "{forecast}");
    assert_eq!((&forecast["unsure"], &forecast["reason"]), (&true.into(), &"no_readings".into()));
}

#[tokio::test]
async fn a_bill_has_the_energy_of_each_export_register_once() {
    let text =
        "[[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\nwork_price = 0.30\nfeed_in_price = 0.08\n";
    let fill = |household: &mut Household| {
        let day = |amount| counted(at("2026-11-01T00:00:00Z"), 5_000_000, std::iter::repeat_n(amount, 96));
        for (name, code, amount) in [("SUM", "1.8.0", 300), ("FED1", "2.8.1", 200), ("FED2", "2.8.2", 50)] {
            household.store(&named("grid", name, "kWh"), code, &day(amount), &[]);
        }
    };
    let served = Served::start(fill, tariffs(text)).await;
    let bill = served.program.get("/bill?from=2026-11-01&to=2026-11-01").await.json();
    let row = |register: &str| {
        let rows = bill["energy"].as_array().unwrap().iter();
        let rows: Vec<_> = rows.filter(|row| row["register"] == register).collect();
        assert_eq!(rows.len(), 1, "{bill}");
        (rows[0]["amount"].as_f64().unwrap(), rows[0]["net"].as_f64().unwrap())
    };
    assert_eq!((row("FED1"), row("FED2")), ((19.2, -1.536), (4.8, -0.384)), "{bill}");
}

#[tokio::test]
async fn a_range_far_longer_than_the_journal_is_paid_as_what_was_read() {
    let served = Served::start(steady, tariffs(TWO)).await;
    let path = "/history/grid/IMPORT?from=2024-01-01&to=2060-01-01&per=year&cost=true";
    let years = |in_2026: &str, other: &str| {
        let year = |year| if year == 2026 { in_2026 } else { other };
        format!("[{}]", (2024..2060).map(year).collect::<Vec<_>>().join(","))
    };
    assert_eq!(served.column(path, "cost").await, years("28.64", "null"));
    assert_eq!(served.column(path, "cost_gap").await, years("false", "false"));
    let bill = served.program.get("/bill?from=2026-11-01&to=2059-12-31").await.json();
    let energies = bill["energy"].as_array().unwrap().iter();
    assert_eq!(energies.map(|row| row["amount"].as_f64().unwrap()).sum::<f64>(), 96.0, "{bill}");
    let ms = |text: &str| at(text) / 1000;
    let unread = serde_json::json!([{
        "register": "IMPORT", "from": ms("2026-11-05T00:00:00Z"), "to": ms("2060-01-01T00:00:00Z"),
        "reason": "no_reading"
    }]);
    assert_eq!(bill["gaps"], unread);
}

#[tokio::test]
async fn a_bill_has_the_quarter_hour_that_has_begun() {
    let served = Served::start(steady, tariffs(TWO)).await;
    let bill = served.program.get("/bill?from=2026-11-02T00:00&to=2026-11-02T00:05").await.json();
    assert_eq!((&bill["energy"][0]["amount"], &bill["to"]), (&0.25.into(), &"2026-11-02T00:15:00Z".into()));
    // Nothing was read in the one after the last reading: it is no gap.
    let bill = served.program.get("/bill?from=2026-11-04&to=2026-11-05T00:05").await.json();
    assert_eq!((&bill["gaps"], &bill["to"]), (&serde_json::json!([]), &"2026-11-05T00:00:00Z".into()));
    let empty = served.program.get("/bill?from=2026-11-02T00:05&to=2026-11-02T00:05").await;
    assert_eq!(empty.status, 400);
}

#[tokio::test]
async fn several_totals_of_what_was_fed_in_are_refused_as_those_of_what_was_drawn() {
    let fill = |household: &mut Household| {
        steady(household);
        for name in ["FED", "FED_TOO"] {
            let day = counted(at("2026-11-01T00:00:00Z"), 5_000_000, std::iter::repeat_n(100, 96));
            household.store(&named("grid", name, "kWh"), "2.8.0", &day, &[]);
        }
    };
    let served = Served::start(fill, tariffs(TWO)).await;
    let answer = served.program.get("/bill?from=2026-11-01&to=2026-11-02").await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.message().ends_with("paid for: `FED`, `FED_TOO`"), "{}", answer.message());
}

#[tokio::test]
async fn a_sum_of_which_a_part_has_no_price_is_left_out_and_said() {
    let text = "[[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\n\
                spot = { source = \"market\", reading = \"price\" }\n";
    let fill = |household: &mut Household| {
        steady(household);
        // The price of the first quarter-hour of the month was not read.
        let start = at("2026-11-01T00:00:00Z");
        let prices: Vec<_> = (1..2 * 96)
            .map(|quarter| crate::journal::testing::sample(start + quarter * QUARTER + 5 * SECOND, 200_000))
            .collect();
        household.store(&named("market", "price", "EUR/MWh"), "", &prices, &[]);
    };
    let served = Served::start(fill, tariffs(text)).await;
    let today = |moment: &str| {
        let now = jiff::Timestamp::from_microsecond(at(moment)).unwrap();
        served.costs.today(None, now).unwrap()
    };
    let partial = today("2026-11-02T11:59:00Z");
    assert_eq!(partial.cost_today.map(|cost| cost.to_string()).as_deref(), Some("2.4"));
    assert_eq!(partial.cost_month, None, "a part of it has no price");
    assert_eq!(partial.unpriced, ["cost_month"]);
    served.costs.replace(tariffs(TWO));
    let whole = today("2026-11-02T11:59:00Z");
    assert_eq!(whole.cost_month.map(|cost| cost.to_string()).as_deref(), Some("10.8"));
    assert!(whole.unpriced.is_empty());
}

#[tokio::test]
async fn energy_that_nobody_pays_for_is_no_gap_of_its_cost() {
    let fill = |household: &mut Household| {
        let day = counted(at("2026-11-01T00:00:00Z"), 5_000_000, std::iter::repeat_n(100, 96));
        household.store(&named("grid", "FED", "kWh"), "2.8.0", &day, &[]);
    };
    let without = TWO.replace("feed_in_price = 0.0803", "");
    let served = Served::start(fill, tariffs(&without)).await;
    let path = "/history/grid/FED?from=2026-11-01&to=2026-11-02&per=day&cost=true";
    assert_eq!(served.column(path, "cost").await, "[null]");
    assert_eq!(served.column(path, "cost_gap").await, "[false]");
    served.costs.replace(Arc::default());
    assert_eq!(served.column(path, "cost_gap").await, "[true]", "no tariff is a gap");
}

#[tokio::test]
async fn heat_in_kwh_is_not_billed_as_electricity() {
    let text = "[[tariffs]]\nsource = \"heat_pump\"\nfrom = \"2026-01-01\"\nwork_price = 0.30\n\
                [[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\nwork_price = 0.30\n";
    let fill = |household: &mut Household| {
        let day = |amount| counted(at("2026-11-01T00:00:00Z"), 5_000_000, std::iter::repeat_n(amount, 96));
        household.store(&named("heat_pump", "ENERGY", "kWh"), "", &day(100), &[]);
        household.store(&named("heat_pump", "HEAT", "kWh"), "6-0:1.0.0", &day(400), &[]);
        household.store(&named("grid", "HEAT", "kWh"), "6-0:1.0.0", &day(400), &[]);
    };
    let served = Served::start(fill, tariffs(text)).await;
    let bill = served.program.get("/bill?source=heat_pump&from=2026-11-01&to=2026-11-01").await;
    assert_eq!(bill.json()["total"], 2.88, "{}", bill.body);
    assert_eq!(served.program.get("/bill?source=grid&from=2026-11-01&to=2026-11-01").await.status, 404);
    let path = "/history/grid/HEAT?from=2026-11-01&to=2026-11-02&per=day&cost=true";
    assert_eq!(served.column(path, "cost").await, "[null]");
}
