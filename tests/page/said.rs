//! What a figure lacks is said: what its price supposes, a date, and a period before.

use serde_json::{Value as Json, json};

use super::{
    addresses::days_ago,
    history::drawn,
    home::{plain, show},
    household::{CONSUMER, Household, METER, Plan},
    now::nothing_amiss,
    take::saved,
    views::house,
    words::source,
};
use crate::{Test, browser::Browser};

pub const TESTS: &[Test] = &[
    ("a_consumer_s_cost_says_that_it_is_as_if_all_came_from_the_grid", as_from_grid),
    ("the_tile_of_today_s_costs_says_that_it_has_the_base_price", base_price),
    ("a_date_that_does_not_exist_is_said", no_date),
    ("a_comparison_with_nothing_says_so", nothing_before),
    ("a_lone_point_of_a_course_stands_upright", lone),
    ("shares_are_guesses_only_where_their_amounts_are", shares),
    ("a_saved_file_has_a_name_for_every_system", file_name),
    ("a_sum_of_money_has_the_decimals_of_its_currency", decimals),
    ("on_a_phone_a_german_reader_is_told_what_there_is_to_choose_and_to_see", plain_words),
    ("a_water_meter_is_called_water_wherever_it_is_named", water),
    ("a_source_that_reads_some_of_its_meters_does_not_say_that_nothing_is_sent", in_part),
];

fn open(household: &Household, language: &str, address: &str) -> Browser {
    let browser = Browser::open(language);
    household.show(&browser, address);
    drawn(&browser);
    browser
}

fn as_from_grid() {
    let tariff =
        |source: &str| format!("[[tariffs]]\nsource = \"{source}\"\nfrom = 2020-01-01\nwork_price = 0.32\n");
    let more = tariff(METER) + &tariff(CONSUMER);
    let household = Household::start(&Plan { pv: true, more: &more, ..Plan::default() });
    let month = days_ago(40).strftime("%Y-%m").to_string();
    let browser = open(&household, "en-GB", &format!("#history/month/{month}/{CONSUMER}"));
    let tile = plain(&browser.text("tile-import"));
    assert!(tile.contains('€') && tile.contains("as if all of it came from the grid"), "{tile}");
    let browser = open(&household, "en-GB", &format!("#history/month/{month}"));
    let tiles = plain(&browser.text("totals"));
    assert!(tiles.contains('€') && !tiles.contains("as if"), "{tiles}");
}

fn base_price() {
    let tariff = format!(
        "[[tariffs]]\nsource = \"{METER}\"\nfrom = 2020-01-01\nwork_price = 0.32\nbase_price_per_month = 12\n"
    );
    let household = Household::start(&Plan { year: true, more: &tariff, ..Plan::default() });
    let browser = household.open("en-GB");
    browser.await_shown("today-cost");
    let tile = plain(&browser.text("today-cost"));
    assert!(tile.contains("with the base price"), "{tile}");
    nothing_amiss(&browser, &household.url());
}

fn no_date() {
    let household = house();
    let browser = household.open("en-GB");
    for date in ["month/2026-13", "day/2026-02-30", "week/2026-W54"] {
        household.show(&browser, &format!("#history/{date}"));
        let wrong = date.split('/').next_back().unwrap();
        browser.until("its message", || browser.text("toast").contains(wrong));
    }
    show(&household, &browser, "#costs/2026-05-01/2026-03-01");
    assert!(browser.shows("costs-problem"));
    assert_eq!(browser.text("bill"), "", "a bill of other days than those asked for");
    show(&household, &browser, "#costs/2026-03-01/2026-05-01");
    assert!(!browser.shows("costs-problem"));
}

fn nothing_before() {
    let household = house();
    let month = days_ago(400).strftime("%Y-%m").to_string();
    for (meter, is_there) in [(format!("/{CONSUMER}"), true), (String::new(), true)] {
        let browser = open(&household, "en-GB", &format!("#history/month/{month}{meter}?compare=year"));
        let marks = plain(&browser.text("chart-energy .marks"));
        assert_eq!(marks.contains("Year before: Nothing was recorded"), is_there, "{meter}: {marks}");
    }
    let month = days_ago(20).strftime("%Y-%m").to_string();
    let browser = open(&household, "en-GB", &format!("#history/month/{month}?compare=before"));
    assert!(!browser.text("chart-energy").contains("Nothing was recorded"));
}

fn lone() {
    let household = Household::start(&Plan::default());
    let browser = household.open("en-GB");
    let body = "return import('/page/curves.js') \
                .then(({ areas }) => areas([[[50, 10]]], 80, 300, 90, 'test')[1].getAttribute('d'));";
    let path = browser.script(body, &[]);
    let path = path.as_str().unwrap();
    assert!(!path.contains('m'), "{path}");
    let corners: Vec<Vec<f64>> = path
        .trim_matches(['M', 'Z'])
        .split('L')
        .map(|point| point.split(',').map(|part| part.parse().unwrap()).collect())
        .collect();
    // Its sides go straight down.
    assert_eq!([corners[0][0], corners[1][0]], [corners[3][0], corners[2][0]], "{path}");
}

fn shares() {
    let household = Household::start(&Plan::default());
    let browser = household.open("en-GB");
    let body = "const gap = arguments[0]; const amount = [4, 4, 4], half = [2, 2, 2]; \
                const side = { amount, gap, partial: [], start: [0, 1, 2], end: [1, 2, 3] }; \
                const period = { kind: 'year', start: 0, end: 3, contains: () => false }; \
                const wish = { subject: { unit: 'kWh', kind: 'electricity', exports: [], first: 0 }, choice: null, period, money: false, produces: true, isMain: true }; \
                const balance = { ...side, consumption: amount, drawn: half, produced: amount, self_used: half }; \
                const answers = { wish, imports: side, exports: side, balance, consumers: [], lines: [], before: {} }; \
                return import('/page/tiles.js').then(({ tiles }) => \
                tiles(answers).filter(({ name }) => ['consumption', 'sufficiency', 'self_share'].includes(name)).map(({ value }) => value.includes('≈')));";
    for (gap, guess) in [([false, true, false], false), ([true, false, false], true)] {
        assert_eq!(browser.script(body, &[json!(gap)]), json!([guess, guess, guess]), "{gap:?}");
    }
}

fn file_name() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let browser = Browser::open("de-DE");
    show(&household, &browser, "#readings");
    saved(&browser, "csv-readings");
    let name = browser.script("return saved[0].name;", &[]);
    let name = name.as_str().unwrap();
    assert!(name.is_ascii() && name.starts_with("Zahlerst"), "{name}");
    // Letters of other scripts stay.
    let other = "return import('/page/take.js').then(({ save }) => { save('水 été.csv', new Blob(['1'])); return saved.at(-1).name; });";
    assert_eq!(browser.script(other, &[]), Json::from("水-ete.csv"));
}

fn water() {
    // A meter below the name that the program proposes; and one whose only name is what every meter of volume has.
    let readings =
        "{\"volume\":{\"value\":345.678,\"unit\":\"m³\",\"kind\":\"counter\",\"obis\":\"8-0:1.0.0\"}}";
    let gas = "{\"volume\":{\"value\":1234.5,\"unit\":\"m³\",\"kind\":\"counter\",\"obis\":\"7-0:3.0.0\"},\
                \"energy\":{\"value\":99,\"unit\":\"kWh\",\"kind\":\"counter\",\"obis\":\"1-0:1.8.0\"}}";
    let more = source("smartmeter_mbus", readings, "") + &source("cellar", gas, "");
    let household = Household::start(&Plan { more: &more, ..Plan::default() });
    let browser = household.open("de-DE");
    browser.await_shown("card-smartmeter_mbus");
    assert_eq!(browser.text("card-smartmeter_mbus .name"), "Wasser");
    browser.await_shown("card-cellar/volume");
    assert_eq!(browser.text("card-cellar/volume .name"), "Gas");
    for address in ["#now", "#sources", "#readings", "#history/day//smartmeter_mbus"] {
        household.show(&browser, address);
        browser.settle();
        let text = browser.script("return document.querySelector('main').textContent;", &[]);
        assert!(!text.as_str().unwrap().contains("Gas oder Wasser"), "{address}: {text}");
    }
}

fn in_part() {
    let household = Household::start(&Plan::default());
    let browser = household.open("de-DE");
    // As a bus of meters says it, of which one does not answer.
    let partly = "const real = window.fetch; window.fetch = async (...asked) => { const answer = await real(...asked); \
                  if (!String(asked[0]).startsWith('health')) return answer; const json = await answer.json(); \
                  Object.assign(json.sources[arguments_name], { state: 'delivering', problem: 'garden (5): no answer', \
                  problem_code: 'silent' }); return new Response(JSON.stringify(json), answer); };";
    browser.script(&partly.replace("arguments_name", &format!("'{METER}'")), &[]);
    browser.click("nav-sources");
    browser.until("the problem", || browser.text(&format!("reason-{METER}")).contains("garden (5)"));
    let reason = browser.text(&format!("reason-{METER}"));
    assert!(reason.starts_with("Ein Teil der Zähler lässt sich nicht lesen."), "{reason}");
    assert!(!browser.text("view-sources").contains("sendet"), "{}", browser.text("view-sources"));
}

fn decimals() {
    let more = format!(
        "[[tariffs]]\nsource = \"{METER}\"\nfrom = 2020-01-01\nwork_price = 0.312567\nbase_price_per_month = 8.166667\n"
    );
    let household = Household::start(&Plan { pv: true, more: &more, ..Plan::default() });
    let browser = Browser::open("de-DE");
    let month = days_ago(40).first_of_month().unwrap();
    show(&household, &browser, &format!("#costs/{}/{}", month.date(), month.last_of_month().unwrap().date()));
    browser.await_shown("bill-total");
    let text = plain(&browser.text("view-costs"));
    assert!(text.contains("1 Monat × 8,17 €") && text.contains("8,17 € im Monat"), "{text}");
    assert!(!text.contains("8,166"), "{text}");
    // A price of energy is no sum.
    assert!(text.contains("0,312567 €"), "{text}");
}

fn plain_words() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let browser = Browser::open("de-DE");
    browser.size(390, 844);
    household.show(&browser, "#history/day");
    drawn(&browser);
    let choices = plain(&browser.text("view-history .compare"));
    assert!(choices.contains("Vergleichen mit") && choices.contains("Vorjahr"), "{choices}");
    let legend = browser.text("chart-power .legend");
    assert!(legend.contains("Kleinster bis größter Wert"), "{legend}");
    // One row, and not one for each.
    let tops = "return ['meter', 'show'].map((it) => document.querySelector(`[data-test=${it}]`).getBoundingClientRect().top);";
    let tops = browser.script(tops, &[]);
    assert_eq!(tops[0], tops[1]);
    show(&household, &browser, "#readings");
    let counter = browser.text(&format!("registers-{CONSUMER}"));
    assert!(counter.contains("Impulse") && !counter.contains("Pulses"), "{counter}");
    // What is easy comes before the file.
    show(&household, &browser, "#costs");
    let hint = browser.text("no-tariff");
    assert!(hint.find("„Mit einem anderen Preis“") < hint.find("docs/tariffs.md"), "{hint}");
}
