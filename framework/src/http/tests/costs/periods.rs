//! Costs of periods: `/history?cost=true`.

use super::*;

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
        let prices = prices.map(|(quarter, price)| sample(noon + quarter * QUARTER + 5 * SECOND, price));
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

/// 0.1 kWh drawn and 0.2 kWh fed in, in each quarter-hour of two days of Berlin.
fn berlin(household: &mut Household, start: i64, quarters: usize) {
    for (name, code, amount) in [("IMPORT", "1.8.0", 100), ("EXPORT", "2.8.0", 200)] {
        let samples = counted(start, 1_000_000, std::iter::repeat_n(amount, quarters));
        household.store(&named("grid", name, "kWh"), code, &samples, &[]);
    }
}

#[tokio::test]
async fn an_hourly_price_holds_for_its_four_quarter_hours_on_days_of_92_and_100_too() {
    // The journal of tests is in UTC, where each hour of a price is an hour of every zone.
    for (start, quarters) in [("2026-03-28T23:00:00Z", 92), ("2026-10-24T22:00:00Z", 100)] {
        let start = at(start);
        let fill = |household: &mut Household| {
            berlin(household, start, quarters);
            // Each hour costs one EUR/MWh more than the one before, from 100 on.
            let prices = (0..quarters as i64 / 4)
                .map(|hour| sample(start + hour * 4 * QUARTER + SECOND, (100 + hour) * 1000));
            household.store(&named("market", "price", "EUR/MWh"), "", &prices.collect::<Vec<_>>(), &[]);
        };
        let text = "[[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\n\
                    spot = { source = \"market\", reading = \"price\", resolution = \"hour\" }\n\
                    feed_in_spot = { source = \"market\", reading = \"price\", resolution = \"hour\", factor = 0.9 }\n";
        let served = Served::start(fill, tariffs(text)).await;
        let cost = async |name: &str| {
            let range =
                format!("from={}&to={}", start / SECOND, (start + quarters as i64 * QUARTER) / SECOND);
            let path = format!("/history/grid/{name}?{range}&per=year&cost=true");
            (served.column(&path, "cost").await, served.column(&path, "cost_gap").await)
        };
        // 0.4 kWh · 0.1 EUR for each hour, and 0.4 kWh · (0 + 1 + … + 22 or 24) · 0.001 EUR.
        let (drawn, fed_in) = match quarters {
            // 23 · 0.04 + 0.4 · 253 · 0.001 = 0.92 + 0.1012.
            92 => ("[1.0212]", "[1.83816]"),
            // 25 · 0.04 + 0.4 · 300 · 0.001 = 1 + 0.12.
            _ => ("[1.12]", "[2.016]"),
        };
        assert_eq!(cost("IMPORT").await, (drawn.to_owned(), "[false]".to_owned()));
        // Twice as much at nine tenths of the price.
        assert_eq!(cost("EXPORT").await, (fed_in.to_owned(), "[false]".to_owned()));
    }
}

#[tokio::test]
async fn what_is_fed_in_may_have_a_price_for_each_register_or_time() {
    let fill = |household: &mut Household| {
        let day = |amount| counted(at("2026-11-01T00:00:00Z"), 5_000_000, std::iter::repeat_n(amount, 96));
        for (name, code, amount) in
            [("SUM", "1.8.0", 300), ("FED", "2.8.0", 500), ("FED1", "2.8.1", 200), ("FED2", "2.8.2", 300)]
        {
            household.store(&named("grid", name, "kWh"), code, &day(amount), &[]);
        }
    };
    let tariff = |feed_in: &str| {
        tariffs(&format!(
            "[[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\nwork_price = 0.3\n{feed_in}\n"
        ))
    };
    let served = Served::start(fill, tariff("feed_in_registers = { T1 = 0.08, T2 = 0.07 }")).await;
    let path = "/history/grid/FED?from=2026-11-01&to=2026-11-02&per=day&cost=true";
    // 19.2 kWh · 0.08 + 28.8 kWh · 0.07 = 1.536 + 2.016.
    assert_eq!(served.column(path, "cost").await, "[3.552]", "the registers stand for the total");
    let bill = served.program.get("/bill?from=2026-11-01&to=2026-11-01").await.json();
    // 28.8 · 0.3 = 8.64 with the tax of none, less 1.54 and 2.02.
    assert_eq!(bill["total"], 5.08, "{bill}");
    served.costs.replace(tariff(
        "feed_in_price = 0.05\nfeed_in_windows = [{ price = 0.12, hours = \"17:00-21:00\" }]",
    ));
    // 16 quarter-hours: 8 kWh · 0.12; 40 kWh · 0.05.
    assert_eq!(served.column(path, "cost").await, "[2.96]");
    assert_eq!(served.column(path, "cost_gap").await, "[false]");
}

#[tokio::test]
async fn a_price_in_another_currency_is_per_kwh_in_its_own() {
    let text = "[[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\ncurrency = \"SEK\"\n\
                spot = { source = \"market\", reading = \"price\" }\n";
    for (unit, thousandths) in [("SEK/MWh", 850_000), ("öre/kWh", 85_000), ("SEK/kWh", 850)] {
        let fill = |household: &mut Household| {
            steady(household);
            let price = sample(at("2026-11-02T12:00:05Z"), thousandths);
            household.store(&named("market", "price", unit), "", &[price], &[]);
        };
        let served = Served::start(fill, tariffs(text)).await;
        let path = "/history/grid/IMPORT?from=2026-11-02T12:00&to=2026-11-02T13:00&per=hour&cost=true";
        assert_eq!(served.column(path, "cost").await, "[0.2125]", "{unit}");
        assert_eq!(served.program.get(path).await.json()["currency"], "SEK");
    }
}
