//! `/forecast`.

use super::*;

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
async fn a_forecast_over_months_without_readings_is_unsure_and_says_why() {
    let now = crate::Timestamp::now().as_second();
    let today = now - now.rem_euclid(86_400);
    let reason = async |pauses: &[(i64, i64)], until: i64| {
        // A year and two months of hourly readings, but for the days of the pauses.
        let fill = |household: &mut Household| {
            let samples = (0..430 * 24).map(|hour| (today - 430 * 86_400 + hour * 3600, hour * 1000));
            let day = |time: i64| (today - time) / 86_400;
            let is_read = |time: i64| {
                day(time) >= until && !pauses.iter().any(|(from, to)| (*to..*from).contains(&day(time)))
            };
            let samples = samples.filter(|(time, _)| is_read(*time));
            let samples: Vec<_> = samples.map(|(time, number)| sample(time * SECOND, number)).collect();
            household.store(&named("grid", "IMPORT", "kWh"), "1.8.0", &samples, &[]);
        };
        let text = "[[tariffs]]\nsource = \"grid\"\nfrom = \"2020-01-01\"\nwork_price = 0.30\n";
        let served = Served::start(fill, tariffs(text)).await;
        let forecast = served.program.get("/forecast").await.json();
        (forecast["unsure"].as_bool().unwrap(), forecast["reason"].as_str().map(str::to_owned))
    };
    let missing = (true, Some("missing_readings".to_owned()));
    assert_eq!(reason(&[], 0).await, (false, None));
    assert_eq!(reason(&[], 60).await, missing, "the meter has been silent for two months");
    assert_eq!(reason(&[(365, 335)], 0).await, missing, "a month of last year was not read");
}
