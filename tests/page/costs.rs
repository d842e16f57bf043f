//! Costs on the page: bills, prices, tariffs, and what has no price.

use jiff::{Span, civil::Date};
use serde_json::json;

use super::{
    history::drawn,
    home::{hash, now, plain, ready, show, zone},
    household::{CONSUMER, Household, METER, Plan},
    now::{digits, nothing_amiss},
};
use crate::{
    Test,
    browser::{Browser, ENTER},
};

pub const TESTS: &[Test] = &[
    ("a_bill_is_that_of_the_tariff_to_the_cent", bill),
    ("a_bill_can_be_checked_with_another_price", checked_bill),
    ("without_a_tariff_the_page_says_how_to_add_one", no_tariff),
    ("costs_say_what_has_no_price", unpriced),
    ("a_tariff_is_saved_from_the_page_and_holds_at_once", saved),
    ("tariffs_of_two_meters_that_begin_on_one_day_are_both_kept_in_their_currency", saved_for_two),
    ("the_history_shows_money_as_soon_as_a_tariff_is_saved", shown_at_once),
    ("a_price_by_time_and_a_base_price_per_day_are_told_in_the_readers_language", windows),
    ("a_bill_over_a_replaced_meter_has_the_numbers_of_both", swapped),
    ("a_bill_with_another_price_says_which_tax_it_took", assumed),
    ("a_bill_up_to_now_says_the_quarters_of_an_hour_that_it_has", rounded),
    ("the_cost_of_a_month_with_a_gap_is_a_guess_that_says_why", guessed),
];

/// CSV of this year's January: 10 kWh a day.
fn january() -> (Date, String) {
    let first = Date::new(now().year(), 1, 1).unwrap();
    let start = first.to_zoned(zone()).unwrap();
    let mut text = "time,section,name,value,unit,obis\n".to_owned();
    for hour in (0..=31 * 24).step_by(6) {
        let time = start.checked_add(Span::new().hours(hour)).unwrap().timestamp();
        text += &format!("{time},{METER},POWER_IMPORT,{:.3},kWh,1.8.0\n", 1000.0 + 10.0 * hour as f64 / 24.0);
        // Without it the bill would lack what was fed in.
        text += &format!("{time},{METER},POWER_EXPORT,2713,kWh,2.8.0\n");
    }
    (first, text)
}

/// Euros in cents.
fn cents(text: &str) -> i64 {
    let sign = if text.contains(['-', '−']) { -1 } else { 1 };
    sign * digits(text).parse::<i64>().unwrap_or_else(|_| panic!("`{text}` is not an amount of money"))
}

/// What must be paid for net items in euros, each rounded to cents, with 19 % tax.
fn with_tax(net: &[f64]) -> i64 {
    let net: i64 = net.iter().map(|item| (item * 100.0).round() as i64).sum();
    net + (net as f64 * 0.19).round() as i64
}

const TARIFF: &str = "[[tariffs]]\nname = \"Basic\"\nsource = \"smartmeter_d0\"\nfrom = \"2020-01-01\"\nvat = 19\n\
                      work_price = 0.30\nbase_price_per_month = 12.00\ninstalment_per_month = 95\n";

fn bill() {
    let (first, recorded) = january();
    let household = Household::start(&Plan { recorded: &recorded, more: TARIFF, ..Plan::default() });
    let browser = Browser::open("en-GB");
    show(&household, &browser, &format!("#costs/{first}/{}", first.last_of_month()));
    browser.await_shown("bill-total");
    // 310 kWh at 30 cents and a month at 12 euros, both with tax.
    let wanted = with_tax(&[310.0 * 0.30 / 1.19, 12.0 / 1.19]);
    assert_eq!(cents(&browser.text("bill-total td")), wanted, "{}", browser.text("bill"));
    let text = plain(&browser.text("bill"));
    for part in ["Energy, Basic", "310 kWh × €0.252101", "Base price, Basic", "1 month × €10.08", "Tax, 19 %"]
    {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
    assert!(browser.text("tariffs").contains("Basic"));
    let counters = plain(&browser.text("bill-counters"));
    for counter in ["1,000 kWh → 1,310 kWh", "2,713 kWh → 2,713 kWh"] {
        assert!(counters.contains(counter), "`{counter}` is not in {counters}");
    }
    // Nothing is a guess: the month was read throughout.
    assert!(!text.contains('≈'), "{text}");
    // This month and this year are tiles, with the instalments beside them.
    let forecast = household.program().get(&format!("/forecast?source={METER}")).1;
    let so_far = forecast["year"]["so_far"].as_f64().unwrap();
    let shown = cents(&browser.text("cost-this_year strong"));
    // The meter counts on between the two.
    assert!((shown - (so_far * 100.0).round() as i64).abs() <= 2, "{shown} in place of {so_far}");
    nothing_amiss(&browser, &household.url());
}

fn checked_bill() {
    let (first, recorded) = january();
    let household = Household::start(&Plan { recorded: &recorded, more: TARIFF, ..Plan::default() });
    let browser = Browser::open("de-DE");
    let last = first.last_of_month();
    show(&household, &browser, &format!("#costs/{first}/{last}"));
    browser.click("costs-own summary");
    browser.enter("costs-price", "nichts");
    browser.press(ENTER);
    browser.await_shown("costs-problem");
    browser.enter("costs-price", "0,25");
    browser.enter("costs-base", "10");
    browser.click("costs-check");
    browser.until("its address", || hash(&browser) == format!("#costs/{first}/{last}?price=0.25&base=10"));
    let wanted = with_tax(&[310.0 * 0.25 / 1.19, 10.0 / 1.19]);
    browser.until("the other bill", || {
        let total = browser.text("bill-total td");
        !total.is_empty() && cents(&total) == wanted
    });
    // The link says it all.
    browser.script("location.reload();", &[]);
    browser.until("the same again", || {
        let total = browser.text("bill-total td");
        !total.is_empty() && cents(&total) == wanted
    });
    let price = browser.script("return document.querySelector('#costs-price').value;", &[]);
    assert_eq!(price, "0,25");
    nothing_amiss(&browser, &household.url());
}

fn no_tariff() {
    let household = Household::start(&Plan::default());
    let browser = Browser::open("en-US");
    show(&household, &browser, "#costs");
    browser.await_shown("no-tariff");
    assert!(browser.text("view-costs").contains("[[tariffs]]"));
    assert!(!browser.shows("tariffs") && !browser.shows("costs-tiles"));
    // A bill can be checked nevertheless.
    browser.click("costs-own summary");
    browser.enter("costs-price", "0.25");
    browser.press(ENTER);
    browser.await_shown("bill-total");
    household.show(&browser, "");
    browser.until("live", || digits(&browser.text("hero-power")) == "459");
    assert!(!browser.shows("today-cost"));
    nothing_amiss(&browser, &household.url());
}

fn unpriced() {
    let (first, recorded) = january();
    // The tariff begins in the middle of the month.
    let begin = first.with().day(16).build().unwrap();
    let tariff = TARIFF.replace("2020-01-01", &begin.to_string());
    let household = Household::start(&Plan { recorded: &recorded, more: &tariff, ..Plan::default() });
    let browser = Browser::open("en-GB");
    show(&household, &browser, &format!("#costs/{first}/{}", first.last_of_month()));
    browser.await_shown("bill-gap");
    let text = plain(&browser.text("bill-gap"));
    assert!(text.contains("No tariff") && text.contains("360 h"), "{text}");
    assert!(browser.text("bill-total").contains('≈'));
}

fn saved() {
    let (first, recorded) = january();
    let household = Household::start(&Plan { recorded: &recorded, ..Plan::default() });
    let browser = Browser::open("en-GB");
    show(&household, &browser, &format!("#costs/{first}/{}", first.last_of_month()));
    browser.click("costs-own summary");
    browser.enter("costs-price", "0.30");
    browser.enter("costs-base", "12");
    browser.click("costs-save");
    browser.await_shown("tariffs");
    // Without a tax rate, what a tariff says is what is paid.
    browser.until("its bill", || browser.text("bill-total td") == "€105.00");
    let tariffs = household.program().get("/tariffs").1;
    assert_eq!(tariffs["tariffs"][0]["from"], first.to_string());
    assert_eq!(tariffs["tariffs"][0]["source"], METER);
    nothing_amiss(&browser, &household.url());
}

fn saved_for_two() {
    let tariff = |source: &str| {
        format!(
            "[[tariffs]]\nsource = \"{source}\"\nfrom = \"2020-01-01\"\ncurrency = \"CHF\"\nwork_price = 0.20\n"
        )
    };
    let (first, recorded) = january();
    let more = tariff(METER) + &tariff(CONSUMER);
    let household = Household::start(&Plan { recorded: &recorded, more: &more, ..Plan::default() });
    let browser = Browser::open("en-GB");
    for (count, source) in [(3, METER), (4, CONSUMER)] {
        let address = format!("#costs/{first}/{}?source={source}", first.last_of_month());
        show(&household, &browser, &address);
        browser.until("its form", || {
            browser.script("return document.querySelector('[data-test=costs-source]').value;", &[]) == source
        });
        browser.script("document.querySelector('[data-test=costs-own]').open = true;", &[]);
        browser.enter("costs-price", "0.30");
        browser.click("costs-save");
        browser.await_shown("toast");
        let tariffs = household.program().get("/tariffs").1;
        let list = tariffs["tariffs"].as_array().unwrap();
        assert_eq!(list.len(), count, "{tariffs}");
        assert!(list.iter().all(|tariff| tariff["currency"] == "CHF"), "{tariffs}");
        browser.until("no message", || !browser.shows("toast"));
    }
    nothing_amiss(&browser, &household.url());
}

fn shown_at_once() {
    let (first, recorded) = january();
    let household = Household::start(&Plan { recorded: &recorded, ..Plan::default() });
    let browser = Browser::open("en-GB");
    let history = format!("#history/month/{}", first.strftime("%Y-%m"));
    household.show(&browser, &history);
    drawn(&browser);
    assert!(!browser.text("tile-import").contains('€'));
    let go = |to: &str| browser.script("location.hash = arguments[0];", &[json!(to)]);
    go(&format!("#costs/{first}/{}", first.last_of_month()));
    ready(&browser, "costs");
    browser.click("costs-own summary");
    browser.enter("costs-price", "0.30");
    browser.click("costs-save");
    browser.until("its bill", || browser.text("bill-total td") == "€93.00");
    go(&history);
    browser.until("money", || browser.text("tile-import").contains("€93"));
    nothing_amiss(&browser, &household.url());
}

const TIMED: &str = "[[tariffs]]\nname = \"Tag\"\nsource = \"smartmeter_d0\"\nfrom = \"2020-01-01\"\nvat = 19\n\
                     prices = \"net\"\nwork_price = 0.25\nholidays = \"DE\"\nbase_price_per_day = 0.4\n\
                     windows = [{ price = 0.32, days = [\"Mon-Fri\", \"holiday\"], hours = \"17:00-21:00\" }]\n\
                     feed_in_price = 0.05\nfeed_in_windows = [{ price = 0.12, hours = \"10:00-14:00\" }]\n\
                     [[tariffs.levies]]\nname = \"Netz\"\nper_kwh = 0.05\n\
                     windows = [{ price = 0.01, hours = \"22:00-06:00\", months = \"Oct-Mar\" },\n\
                     { name = \"Hoch\", price = 0.09, hours = \"06:00-08:00\" }]\n\
                     [[tariffs.levies]]\nname = \"Messung\"\nper_year = 20.5\n";

fn windows() {
    let (first, recorded) = january();
    let household = Household::start(&Plan { recorded: &recorded, more: TIMED, ..Plan::default() });
    let browser = Browser::open("de-DE");
    show(&household, &browser, &format!("#costs/{first}/{}", first.last_of_month()));
    browser.await_shown("bill-total");
    let bill = plain(&browser.text("bill"));
    for part in [
        "Arbeit, Tag, Mo–Fr, Feiertage, 17:00–21:00",
        "31 Tage × 0,40 €",
        "Netz, 22:00–06:00, Okt–Mär",
        "Netz Hoch",
    ] {
        assert!(bill.contains(part), "`{part}` is not in {bill}");
    }
    let tariffs = plain(&browser.text("tariffs"));
    for part in [
        "Mo–Fr, Feiertage, 17:00–21:00: 0,32 €/kWh",
        "zu allen anderen Zeiten: 0,25 €/kWh",
        "Netz: 0,05 €/kWh",
        "22:00–06:00, Okt–Mär: 0,01 €/kWh",
        "Hoch (06:00–08:00): 0,09 €/kWh",
        "Messung: 20,50 € im Jahr",
        "0,40 € am Tag",
        "zuzüglich 19 % Umsatzsteuer",
        "Einspeisung: 0,05; 10:00–14:00 0,12 €/kWh",
    ] {
        assert!(tariffs.contains(part), "`{part}` is not in {tariffs}");
    }
    for code in ["Mon-Fri", "holiday", "Oct-Mar", " day"] {
        assert!(!bill.contains(code) && !tariffs.contains(code), "`{code}`: {bill} {tariffs}");
    }
    nothing_amiss(&browser, &household.url());
}

fn swapped() {
    let first = Date::new(now().year(), 1, 1).unwrap();
    let start = first.to_zoned(zone()).unwrap();
    let mut recorded = "time,section,name,value,unit,obis\n".to_owned();
    for hour in (0..=31 * 24).step_by(6) {
        let time = start.checked_add(Span::new().hours(hour)).unwrap().timestamp();
        let value =
            if hour <= 372 { 1000.0 + 10.0 * hour as f64 / 24.0 } else { 10.0 * (hour - 372) as f64 / 24.0 };
        recorded += &format!("{time},{METER},POWER_IMPORT,{value:.3},kWh,1.8.0\n");
    }
    // A new price in the time of the second meter is no other meter.
    let newer = TARIFF.replace("2020-01-01", &first.with().day(20).build().unwrap().to_string());
    let more = TARIFF.to_owned() + &newer.replace("0.30", "0.40");
    let household = Household::start(&Plan { recorded: &recorded, more: &more, ..Plan::default() });
    let browser = Browser::open("en-GB");
    show(&household, &browser, &format!("#costs/{first}/{}", first.last_of_month()));
    browser.await_shown("bill-counters");
    let counters = plain(&browser.text("bill-counters"));
    for part in ["1,000 kWh → 1,155 kWh", "2.5 kWh → 155 kWh"] {
        assert!(counters.contains(part), "`{part}` is not in {counters}");
    }
    assert_eq!(counters.matches('→').count(), 2, "{counters}");
    let swap = plain(&browser.text("bill-swap"));
    assert!(swap.contains("1,155 kWh → 2.5 kWh"), "{swap}");
    let table = saved_csv(&browser);
    assert!(table.contains(",1000,1155,") && table.contains(",2.5,155,"), "{table}");
    nothing_amiss(&browser, &household.url());
}

fn saved_csv(browser: &Browser) -> String {
    super::take::saved(browser, "csv-costs")
}

fn assumed() {
    let (first, recorded) = january();
    let household = Household::start(&Plan { recorded: &recorded, more: TARIFF, ..Plan::default() });
    let browser = Browser::open("en-GB");
    let days = format!("#costs/{first}/{}", first.last_of_month());
    show(&household, &browser, &format!("{days}?price=0.25"));
    browser.await_shown("bill-assumed");
    let text = plain(&browser.text("bill-assumed"));
    assert!(text.contains("19 % tax") && text.contains("Basic"), "{text}");
    show(&household, &browser, &days);
    browser.await_shown("bill-total");
    assert!(!browser.shows("bill-assumed") && !browser.shows("bill-rounded"));
    nothing_amiss(&browser, &household.url());
}

fn rounded() {
    let household = Household::start(&Plan { year: true, more: TARIFF, ..Plan::default() });
    let browser = Browser::open("en-GB");
    show(&household, &browser, "#costs");
    browser.await_shown("bill-total");
    let source = format!("/bill?source={METER}&from={}&to=now", now().date().first_of_month());
    // At the start of a quarter of an hour nothing is rounded.
    browser.until("its quarters", || {
        household.program().get(&source).1["asked"].is_null() || browser.shows("bill-rounded")
    });
}

fn guessed() {
    let today = now().date();
    let first = today.first_of_month();
    let mut recorded = "time,section,name,value,unit,obis\n".to_owned();
    // The month has no price before today.
    let start = first.yesterday().unwrap().to_zoned(zone()).unwrap();
    let hours = (now().timestamp().as_second() - start.timestamp().as_second()) / 3600;
    for hour in 0..=hours {
        let time = start.checked_add(Span::new().hours(hour)).unwrap().timestamp();
        recorded += &format!("{time},{METER},POWER_IMPORT,{:.3},kWh,1.8.0\n", 1000.0 + hour as f64 / 24.0);
    }
    let begin = if today == first { today.tomorrow().unwrap() } else { today };
    let tariff = TARIFF.replace("2020-01-01", &begin.to_string());
    let household = Household::start(&Plan { recorded: &recorded, more: &tariff, ..Plan::default() });
    let browser = Browser::open("en-GB");
    show(&household, &browser, "#costs");
    browser.await_shown("cost-this_month");
    let month = plain(&browser.text("cost-this_month"));
    assert!(browser.text("cost-this_month strong").contains('≈') && month.contains("No tariff"), "{month}");
    household.show(&browser, "");
    browser.await_shown("today-cost");
    let today = plain(&browser.text("today-cost"));
    assert!(today.contains("this month ≈") && today.contains("no price"), "{today}");
}
