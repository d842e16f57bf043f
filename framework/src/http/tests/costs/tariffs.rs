//! `/tariffs`.

use super::*;

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
    let windows = serde_json::json!([{"price": 0.32, "name": "HT", "hours": ["06:00-22:00"]}]);
    assert_eq!(list["tariffs"][1]["windows"], windows);
    assert!(list["tariffs"][1].get("to").is_none());
    served.costs.replace(Arc::default());
    let list = served.program.get("/tariffs").await.body;
    assert_eq!(list, r#"{"tariffs":[],"currency":"EUR"}"#);
}

#[tokio::test]
async fn windows_without_a_name_are_told_by_their_times_in_tariffs_and_bills() {
    let text = "[[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\nwork_price = 0.25\n\
                windows = [{ price = 0.32, days = [\"Mon-Fri\", \"holiday\"], hours = [\"17:00-21:00\"], months = [\"Oct-Mar\"] }]\n\
                holidays = \"DE\"\nbase_price_per_day = 0.4\n\
                feed_in_registers = { T1 = 0.08, T2 = 0.07 }\n\
                [[tariffs.levies]]\nname = \"fee\"\nper_kwh = 0.05\nwindows = [{ price = 0.01, hours = \"22:00-06:00\" }]\n";
    let served = Served::start(steady, tariffs(text)).await;
    let list = served.program.get("/tariffs").await.json();
    let tariff = &list["tariffs"][0];
    assert_eq!(tariff["work"], "0.25, Mon-Fri,holiday 17:00-21:00 Oct-Mar 0.32 EUR/kWh");
    let times =
        serde_json::json!({"days": ["Mon-Fri", "holiday"], "hours": ["17:00-21:00"], "months": ["Oct-Mar"]});
    let mut priced = times.clone();
    priced["price"] = 0.32.into();
    assert_eq!(tariff["windows"], serde_json::json!([priced]));
    let levy = serde_json::json!([{"name": "fee", "price": 0.05, "per": "kWh",
                                   "windows": [{"price": 0.01, "hours": ["22:00-06:00"]}]}]);
    assert_eq!((&tariff["levies"], &tariff["base_per_day"]), (&levy, &0.4.into()));
    assert_eq!(
        (&tariff["feed_in"], &tariff["feed_in_prices"]),
        (&().into(), &"T1 0.08, T2 0.07 EUR/kWh".into())
    );
    // Monday, 2 November.
    let bill = served.program.get("/bill?from=2026-11-02&to=2026-11-02").await.json();
    let of = |kind: &str, n: usize| {
        let items = bill["items"].as_array().unwrap().iter();
        items.filter(|item| item["kind"] == kind).nth(n).unwrap().clone()
    };
    let high = of("work", 0);
    assert_eq!(
        (&high["text"], &high["window"]),
        (&"grid Mon-Fri,holiday 17:00-21:00 Oct-Mar".into(), &times)
    );
    assert_eq!((&of("work", 1)["text"], of("work", 1).get("window")), (&"grid".into(), None));
    assert_eq!(of("levy", 0)["text"], "fee 22:00-06:00");
    assert_eq!((&of("base", 0)["amount"], &of("base", 0)["unit"]), (&1.into(), &"day".into()));
    assert_eq!(bill["energy"][0]["window"], times);
}
