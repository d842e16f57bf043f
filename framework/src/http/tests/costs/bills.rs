//! `/bill`.

use super::*;

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
        (
            "/bill?source=grid&price=1000001",
            "from -1000000 to 1000000, with at most 10 digits after the point",
        ),
        ("/bill?source=grid&price=0.12345678901", "at most 10 digits after the point"),
        ("/bill?source=grid&base=12", "`base` needs `price`"),
        ("/bill?source=grid", "or ask with `price=…`"),
        ("/bill?source=grid&price=1&from=2026-11-03&to=2026-11-01", "`from` must be before `to`"),
        ("/bill?when=now", "unknown parameter `when`"),
        ("/forecast?source=grid", "`grid` has no tariffs"),
    ] {
        let answer = served.program.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.message().contains(part), "{path}: {}", answer.message());
    }
    assert_eq!(served.program.get("/bill?source=nobody&price=1").await.status, 404);
    let forecast = served.program.get("/forecast?source=grid").await.message();
    assert!(!forecast.contains("price="), "it has no such parameter: {forecast}");
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
async fn a_price_to_check_a_bill_with_has_the_tax_that_held_when_the_bill_begins_and_says_so() {
    let text = TWO.replacen("vat = 19", "vat = 16", 1);
    let served = Served::start(steady, tariffs(&text)).await;
    let checked = async |from: &str| {
        let path = format!("/bill?source=grid&from={from}&to=2026-11-04&price=0.30");
        let bill = served.program.get(&path).await.json();
        let taxes = bill["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "vat");
        let taxes: Vec<_> = taxes.map(|item| item["text"].as_str().unwrap().to_owned()).collect();
        (bill["assumed"].clone(), taxes)
    };
    let assumed = |vat: i64, name: &str, from: &str| serde_json::json!({"vat": vat, "tariff": name, "tariff_from": from});
    assert_eq!(checked("2026-11-01").await, (assumed(16, "old", "2026-01-01"), vec!["16 %".to_owned()]));
    assert_eq!(checked("2026-11-03").await, (assumed(19, "new", "2026-11-03"), vec!["19 %".to_owned()]));
    assert_eq!(
        checked("2025-11-03").await.0,
        assumed(16, "old", "2026-01-01"),
        "none held yet: the first one"
    );
    served.costs.replace(Arc::default());
    assert_eq!(checked("2026-11-01").await, (serde_json::json!({"vat": 0}), vec![]));
    served.costs.replace(tariffs(&text));
    let usual = served.program.get("/bill?from=2026-11-01&to=2026-11-04").await.json();
    assert!(usual.get("assumed").is_none(), "{usual}");
}

#[tokio::test]
async fn a_bill_of_a_few_minutes_has_whole_quarter_hours_and_says_so() {
    let served = Served::start(steady, tariffs(TWO)).await;
    let bill = async |from: &str, to: &str| {
        served.program.get(&format!("/bill?from=2026-11-02T{from}&to=2026-11-02T{to}")).await.json()
    };
    let few = bill("12:05:10Z", "12:05:40Z").await;
    assert_eq!(
        (&few["from"], &few["to"]),
        (&"2026-11-02T12:00:00Z".into(), &"2026-11-02T12:15:00Z".into()),
        "{few}"
    );
    assert_eq!(few["asked"]["from"], "2026-11-02T12:05:10Z");
    assert_eq!(few["asked"]["to"], "2026-11-02T12:05:40Z");
    assert_eq!(few["energy"][0]["amount"], 0.25);
    assert!(bill("12:00Z", "12:30Z").await.get("asked").is_none());
    let empty = served.program.get("/bill?from=2026-11-02T12:05Z&to=2026-11-02T12:01Z").await;
    let message = "`from` must be before `to`: they are 2026-11-02T12:05:00Z and 2026-11-02T12:01:00Z";
    assert_eq!((empty.status, empty.message()), (400, message.to_owned()));
}

#[tokio::test]
async fn a_bill_over_a_swap_shows_the_numbers_of_both_meters_which_add_up_to_its_amount() {
    let start = at("2026-11-01T00:00:00Z");
    let swapped = start + 40 * QUARTER;
    let fill = |household: &mut Household| {
        let mut samples = counted(start, 900_000, std::iter::repeat_n(250, 40));
        samples.extend(counted(swapped + 2 * QUARTER, 3_000, std::iter::repeat_n(250, 54)));
        household.store(&named("grid", "IMPORT", "kWh"), "1.8.0", &samples, &[]);
    };
    let served = Served::start(fill, tariffs(TWO)).await;
    let bill = served.program.get("/bill?from=2026-11-01&to=2026-11-01").await.json();
    let row = &bill["energy"][0];
    let ms = |time: i64| time / 1000;
    let time = ms(swapped + 2 * QUARTER - SECOND);
    assert_eq!(row["swaps"], serde_json::json!([{"time": time, "from": 910, "to": 3}]), "{bill}");
    let end = ms(start + 96 * QUARTER);
    let parts = serde_json::json!([
        {"from": ms(start), "to": time, "begin": 900.0, "end": 910},
        {"from": time, "to": end, "begin": 3, "end": 16.5},
    ]);
    assert_eq!((&row["parts"], &row["begin"], &row["end"]), (&parts, &900.0.into(), &16.5.into()), "{bill}");
    assert_eq!(row["amount"], 10.0 + 13.5);
    let bill = served.program.get("/bill?from=2026-11-01&to=2026-11-01T06:00").await.json();
    assert_eq!(bill["energy"][0]["swaps"], serde_json::json!([]));
    assert!(bill["energy"][0].get("parts").is_none(), "{bill}");
}

#[tokio::test]
async fn energy_of_days_to_come_is_not_called_estimated() {
    let now = crate::Timestamp::now();
    let day = now.as_second().div_euclid(86_400) * 86_400;
    let fill = |household: &mut Household| {
        let count = usize::try_from((now.as_second() - day) / 60 + 60).unwrap();
        let samples = (0..count as i64).map(|minute| sample((day - 3600 + minute * 60) * SECOND, minute));
        household.store(&named("grid", "IMPORT", "kWh"), "1.8.0", &samples.collect::<Vec<_>>(), &[]);
    };
    let served = Served::start(fill, tariffs(&TWO.replace("2026-11-03", "2099-11-03"))).await;
    let bill = served.program.get(&format!("/bill?from={day}&to={}", day + 5 * 86_400)).await.json();
    let row = &bill["energy"][0];
    assert_eq!(row["estimated"], false, "{bill}");
    // The newest number, and what was counted until then.
    let (begin, end) = (row["begin"].as_f64().unwrap(), row["end"].as_f64().unwrap());
    assert!((end - begin - row["amount"].as_f64().unwrap()).abs() < 0.0011, "{bill}");
    let future =
        served.program.get(&format!("/bill?from={}&to={}", day + 86_400, day + 2 * 86_400)).await.json();
    assert!(future["energy"].as_array().unwrap().iter().all(|row| row["estimated"] == false), "{future}");
}

#[tokio::test]
async fn a_row_without_energy_has_the_price_that_would_have_been_paid() {
    let fill = |household: &mut Household| {
        let day = counted(at("2026-11-03T00:00:00Z"), 5_000_000, (0..96).map(|n| i64::from(n < 24) * 100));
        household.store(&named("grid", "IMPORT", "kWh"), "1.8.0", &day, &[]);
    };
    let served = Served::start(fill, tariffs(&TWO.replace("vat = 19", "vat = 0"))).await;
    let bill = served.program.get("/bill?from=2026-11-03&to=2026-11-03").await.json();
    let rows = |list: &str, members: [&str; 2]| {
        let rows = bill[list].as_array().unwrap().iter();
        rows.map(|row| members.map(|member| row[member].as_f64().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(rows("energy", ["amount", "price"]), [[0.0, 0.32], [2.4, 0.25]], "{bill}");
    assert_eq!(rows("items", ["amount", "price"]), [[0.0, 0.32], [2.4, 0.25]], "{bill}");
}
