//! What a household is called, what it has not recorded, what is old, what else is counted, and what is taken away.

use std::fmt::Write as _;

use jiff::{Span, Timestamp, civil::Date};

use super::{
    addresses::days_ago,
    history::drawn,
    home::{plain, show, zone},
    household::{Household, METER, Plan},
    languages::overflow,
    now::{digits, nothing_amiss},
    take::saved,
    views::house,
};
use crate::{Test, browser::Browser};

pub const TESTS: &[Test] = &[
    ("names_of_any_script_and_length_are_shown_as_they_are", scripts),
    ("a_household_without_a_reading_is_explained_in_every_view", nothing_yet),
    ("readings_older_than_a_day_are_shown_as_old", old),
    ("a_heat_meter_is_one_card_with_its_temperatures", heat),
    ("the_csv_of_a_bill_has_its_lines_and_counters", bill),
    ("the_csv_of_meter_readings_has_every_register", registers),
    ("the_csv_of_what_is_worth_knowing_has_every_figure", insights),
    ("the_csv_of_the_history_has_the_balance", balance),
    ("in_money_the_change_is_that_of_the_money", change),
    ("the_tile_of_today_s_cost_names_the_month_and_the_year", cost_of_year),
];

/// Source that says its readings once.
pub fn source(name: &str, readings: &str, more: &str) -> String {
    format!(
        "[sources.{name}]\nplugin = \"exec\"\nmode = \"stream\"\nstale_after = \"1h\"\n\
         command = [\"/bin/sh\", \"-c\", '''echo '{readings}'; exec sleep 86400''']\n{more}"
    )
}

const NAMES: [&str; 6] = [
    "מונה חשמל (ראשי)",
    "مضخة الحرارة 2",
    "เครื่องซักผ้า",
    "洗衣機",
    "Дом «Южный»",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk links",
];

fn scripts() {
    let mut more = String::new();
    for (i, name) in NAMES.iter().enumerate() {
        let readings = format!(
            "{{\"energy\":{{\"value\":7,\"unit\":\"kWh\",\"kind\":\"counter\"}},\
             \"power\":{{\"value\":{},\"unit\":\"W\"}}}}",
            100 + i
        );
        more += &source(&format!("s{i}"), &readings, &format!("label = \"{name}\"\nrole = \"consumer\"\n"));
    }
    // Labels of readings.
    more += &source(
        "box",
        "{\"in\":{\"value\":21.5,\"unit\":\"°C\"},\"out\":{\"value\":4.5,\"unit\":\"°C\"}}",
        "[sources.box.readings.in]\nlabel = \"خزانة\"\n[sources.box.readings.out]\nlabel = \"Balkon 🌞\"\n",
    );
    let household_name = "بيت الشمس – Haus 東";
    let server = format!("name = \"{household_name}\"\n");
    let household = Household::start(&Plan { server: &server, more: &more, ..Plan::default() });
    let browser = household.open("de-DE");
    browser.await_shown("consumer-s5");
    browser.await_shown("card-box/out");
    assert_eq!(browser.text("household"), household_name);
    let title = browser.script("return document.title;", &[]);
    assert!(title.as_str().unwrap().contains(household_name), "{title}");
    for (i, name) in NAMES.iter().enumerate() {
        assert_eq!(browser.text(&format!("consumer-s{i} .name")), *name);
        // A name from the right does not move its number.
        let value = || plain(&browser.text(&format!("consumer-s{i} .value")));
        browser.until("its power", || value() == format!("{} W", 100 + i));
        let sides = "const [name, value] = ['.name', '.value'].map((part) => \
                     document.querySelector(`[data-test=\"${arguments[0]}\"] ${part}`).getBoundingClientRect()); \
                     return name.left < value.left;";
        assert_eq!(browser.script(sides, &[format!("consumer-s{i}").into()]), true, "{name}");
    }
    assert_eq!([browser.text("card-box .name"), browser.text("card-box/out .name")], ["خزانة", "Balkon 🌞"]);
    let mut bad = Vec::new();
    for (width, height) in [(320, 640), (1280, 900), (1920, 1080)] {
        browser.size(width, height);
        for view in ["now", "history", "readings", "sources"] {
            browser.click(&format!("nav-{view}"));
            browser.await_shown(&format!("view-{view}"));
            let found = overflow(&browser, width);
            if !found.is_empty() {
                bad.push(format!("{view} at {width}: {found:#?}"));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    nothing_amiss(&browser, &household.url());
}

fn nothing_yet() {
    let household = Household::silent(&Plan::default());
    let browser = Browser::open("en-GB");
    household.show(&browser, "");
    browser.until("why", || browser.text("view-now").contains("Waiting for the first reading"));
    // The counter of pulses begins at 0; the meter has no register yet.
    show(&household, &browser, "#readings");
    assert!(browser.shows("registers-heat_pump") && !browser.shows(&format!("registers-{METER}")));
    for (view, said) in [("costs", "Without a tariff"), ("insights", "Nothing yet")] {
        show(&household, &browser, &format!("#{view}"));
        assert!(browser.text(&format!("view-{view}")).contains(said), "{view}");
        assert!(!browser.shows(&format!("csv-{view}")), "{view} has nothing to take away");
    }
    household.show(&browser, "#history");
    browser.until("a word", || browser.shows("history-empty") || browser.shows("chart-energy"));
    nothing_amiss(&browser, &household.url());
}

fn old() {
    let (first, last) = (days_ago(6), days_ago(3));
    let mut recorded = "time,section,name,value,unit,obis\n".to_owned();
    for quarter in 0..=3 * 96 {
        let time = first.checked_add(Span::new().minutes(15 * quarter)).unwrap().timestamp();
        let count = 1000.0 + 0.1 * quarter as f64;
        writeln!(recorded, "{time},{METER},POWER_IMPORT,{count:.3},kWh,1.8.0").unwrap();
        writeln!(recorded, "{time},{METER},CURRENT_POWER_SUM,400,W,16.7.0").unwrap();
    }
    let household = Household::silent(&Plan { recorded: &recorded, ..Plan::default() });
    let browser = Browser::open("en-GB");
    household.show(&browser, "");
    browser.until("why", || browser.text("view-now").contains("Waiting for the first reading"));
    // No old number is shown as if it were of now.
    let live = plain(&browser.text("view-now"));
    assert!(!live.contains("400 W") && !live.contains("1,028"), "{live}");
    show(&household, &browser, "#readings");
    let register = plain(&browser.text(&format!("register-{METER}-POWER_IMPORT")));
    let day = last.strftime("%-d %b").to_string();
    assert!(register.contains(&day), "{day} is not in {register}");
    household.show(&browser, &format!("#history/day/{}", days_ago(5).date()));
    drawn(&browser);
    let totals = plain(&browser.text("totals"));
    assert!(totals.contains("9.60 kWh"), "{totals}");
    // Today has nothing, and says so.
    household.show(&browser, "#history/day");
    drawn(&browser);
    for at in ["chart-power", "tile-import", "tile-consumption"] {
        assert!(!browser.shows(at), "{at}: {}", browser.text("totals"));
    }
    nothing_amiss(&browser, &household.url());
}

fn heat() {
    let readings = "{\"heat_energy\":{\"value\":12345.678,\"unit\":\"kWh\",\"kind\":\"counter\"},\
                    \"heat_volume\":{\"value\":1234.567,\"unit\":\"m³\",\"kind\":\"counter\"},\
                    \"heat_power\":{\"value\":4210,\"unit\":\"W\"},\
                    \"flow_temperature\":{\"value\":62.1,\"unit\":\"°C\"},\
                    \"return_temperature\":{\"value\":41.0,\"unit\":\"°C\"},\
                    \"volume_flow\":{\"value\":0.173,\"unit\":\"m³/h\"}}";
    let water = "{\"water\":{\"value\":345.678,\"unit\":\"m³\",\"kind\":\"counter\"},\
                 \"warm_water\":{\"value\":45.12,\"unit\":\"m³\",\"kind\":\"counter\"}}";
    let gas = "{\"gas\":{\"value\":8345.67,\"unit\":\"m³\",\"kind\":\"counter\"}}";
    let cold = "{\"cooling_energy\":{\"value\":1.234,\"unit\":\"MWh\",\"kind\":\"counter\"}}";
    let more = [("heating", readings), ("cellar", water), ("street", gas), ("chiller", cold)]
        .map(|(name, readings)| source(name, readings, ""))
        .concat();
    let household = Household::start(&Plan { more: &more, ..Plan::default() });
    let browser = household.open("de-DE");
    for card in ["heating", "cellar", "cellar/warm_water", "street", "chiller"] {
        browser.await_shown(&format!("card-{card}"));
    }
    let text = |card: &str| plain(&browser.text(&format!("card-{card}")));
    browser.until("its power", || text("heating").contains("4.210 W"));
    let all = text("heating");
    for part in
        ["12.345,678 kWh", "1.234,6 m³", "Vorlauf 62,1 °C", "Rücklauf 41,0 °C", "Durchfluss 0,17 m³/h"]
    {
        assert!(all.contains(part), "`{part}` is not in {all}");
    }
    for (card, value, picture) in [
        ("cellar", "345,68 m³", "water"),
        ("cellar/warm_water", "45,12 m³", "water"),
        ("street", "8.345,7 m³", "gas"),
        ("chiller", "1,23 MWh", "cold"),
    ] {
        assert_eq!(plain(&browser.text(&format!("card-{card} .value"))), value);
        let symbol = browser.attribute(&format!("card-{card} svg use"), "href");
        assert_eq!(symbol.as_deref(), Some(&*format!("#i-{picture}")), "{card}");
    }
    // What passes through the heat meter is no water meter, and its temperatures are no thermometers.
    assert_eq!(browser.count("[data-test^=\"card-heating\"]"), 1);
    // None of them is a consumer of electricity.
    assert_eq!(browser.count(".consumers .consumer"), 1);
    show(&household, &browser, "#readings");
    let register = |name: &str| plain(&browser.text(&format!("registers-{name}")));
    let shown = register("heating");
    assert!(shown.contains("Wärme") && shown.contains("12345,678 kWh"), "{shown}");
    assert!(register("cellar").contains("Wasser") && register("street").contains("Gas"));
    household.show(&browser, "#history/day");
    drawn(&browser);
    nothing_amiss(&browser, &household.url());
}

/// Rows of a CSV as German spreadsheets read it; each has a cell for each head.
fn rows(text: &str) -> Vec<Vec<String>> {
    let cell = |cell: &str| cell.trim_matches('"').to_owned();
    let rows: Vec<Vec<_>> =
        text.trim_end().split("\r\n").map(|line| line.split(';').map(cell).collect()).collect();
    assert!(rows.len() > 1, "{rows:?}");
    rows.iter().for_each(|row| assert_eq!(row.len(), rows[0].len(), "{row:?} of {:?}", rows[0]));
    rows
}

/// Index of the column below a head.
fn column(rows: &[Vec<String>], head: &str) -> usize {
    rows[0].iter().position(|it| it == head).unwrap_or_else(|| panic!("no `{head}` in {:?}", rows[0]))
}

/// Whether a cell has exactly this number.
fn is(cell: &str, wanted: f64) -> bool {
    cell.replace(',', ".").parse::<f64>().is_ok_and(|number| (number - wanted).abs() < 1e-8)
}

/// First and last day of the month before.
fn last_month() -> (Date, Date) {
    let last = days_ago(0).date().first_of_month().yesterday().unwrap();
    (last.first_of_month(), last)
}

fn bill() {
    let household = house();
    let browser = Browser::open("de-DE");
    let (first, last) = last_month();
    show(&household, &browser, &format!("#costs/{first}/{last}"));
    let rows = rows(&saved(&browser, "csv-costs"));
    let answer = household.program().get(&format!("/bill?source={METER}&from={first}&to={last}")).1;
    let items = answer["items"].as_array().unwrap();
    for (row, item) in rows[1..].iter().zip(items) {
        for (cell, key) in [(1, "amount"), (3, "price"), (4, "net")] {
            let is_right = item[key].as_f64().map_or(row[cell].is_empty(), |wanted| is(&row[cell], wanted));
            assert!(is_right, "{row:?}: {item}");
        }
    }
    let total = &rows[items.len() + 1];
    assert!(is(&total[4], answer["total"].as_f64().unwrap()), "{total:?}");
    for (row, counter) in rows[items.len() + 2..].iter().zip(answer["energy"].as_array().unwrap()) {
        for (cell, key) in [(5, "begin"), (6, "end")] {
            assert!(is(&row[cell], counter[key].as_f64().unwrap()), "{row:?}: {counter}");
        }
    }
    nothing_amiss(&browser, &household.url());
}

fn registers() {
    let household = house();
    let browser = Browser::open("de-DE");
    let (first, last) = last_month();
    show(&household, &browser, &format!("#readings/{first}/{last}"));
    let rows = rows(&saved(&browser, "csv-readings"));
    let answer = household.program().get(&format!("/registers?from={first}&to={last}")).1;
    let registers = answer["registers"].as_array().unwrap();
    assert_eq!(rows.len() - 1, registers.len());
    let (begin, end) = (column(&rows, "Zählerstand am Anfang"), column(&rows, "Zählerstand am Ende"));
    let is_known = |it: &&serde_json::Value| it["value"].is_number() && it["begin"]["value"].is_number();
    assert!(registers.iter().filter(is_known).count() >= 5, "{answer}");
    for register in registers.iter().filter(is_known) {
        let values = [&register["begin"]["value"], &register["value"]].map(|it| it.as_f64().unwrap());
        let is_it = |row: &Vec<String>| is(&row[begin], values[0]) && is(&row[end], values[1]);
        assert!(rows[1..].iter().any(is_it), "{register} is not in {rows:?}");
    }
    // The meter of the grid comes first.
    assert_eq!(rows[1][0], "Stromzähler", "{rows:?}");
    nothing_amiss(&browser, &household.url());
}

fn insights() {
    let household = house();
    let browser = Browser::open("de-DE");
    show(&household, &browser, "#insights");
    let rows = rows(&saved(&browser, "csv-insights"));
    let answer = household.program().get("/insights").1;
    let (value, unit) = (column(&rows, "Wert"), column(&rows, "Einheit"));
    let has = |wanted: &serde_json::Value, of: &str| {
        let wanted = wanted.as_f64().unwrap();
        rows[1..].iter().any(|row| row[unit] == of && is(&row[value], wanted))
    };
    let points = answer["heat_pump"]["points"].as_array().unwrap();
    assert!(!points.is_empty(), "{answer}");
    for point in points {
        assert!(has(&point["kwh"], "kWh") && has(&point["temperature"], "°C"), "{point}");
    }
    for peak in answer["peaks"].as_array().unwrap().iter().filter(|peak| peak["kw"].is_number()) {
        assert!(has(&peak["kw"], "kW"), "{peak}");
    }
    assert!(has(&answer["greatest_day"]["kwh"], "kWh"));
    nothing_amiss(&browser, &household.url());
}

fn balance() {
    let household = house();
    let browser = Browser::open("de-DE");
    let (first, last) = last_month();
    household.show(&browser, &format!("#history/month/{}", first.strftime("%Y-%m")));
    drawn(&browser);
    let rows = rows(&saved(&browser, "csv-energy"));
    let answer =
        household.program().get(&format!("/balance?per=day&from={first}&to={}", last.tomorrow().unwrap())).1;
    let columns = [("Verbraucht", "consumption"), ("Erzeugt", "produced"), ("Selbst genutzt", "self_used")];
    for (head, key) in columns {
        let column = column(&rows, &format!("{head} (kWh)"));
        let wanted: Vec<_> = answer[key].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect();
        assert_eq!(rows.len() - 1, wanted.len());
        for (row, wanted) in rows[1..].iter().zip(wanted) {
            assert!(is(&row[column], wanted), "{head}: {row:?} is {wanted}");
        }
    }
    nothing_amiss(&browser, &household.url());
}

fn change() {
    let (this, _) = last_month();
    let before = this.yesterday().unwrap().first_of_month();
    // The same amount each day, at twice the price.
    let mut recorded = "time,section,name,value,unit,obis\n".to_owned();
    let start = before.to_zoned(zone()).unwrap();
    for hour in (0..63 * 24).step_by(3) {
        let time = start.checked_add(Span::new().hours(hour)).unwrap().timestamp();
        if time <= Timestamp::now() {
            let count = 1000.0 + 0.4 * hour as f64;
            writeln!(recorded, "{time},{METER},POWER_IMPORT,{count:.3},kWh,1.8.0").unwrap();
        }
    }
    let tariff = |from: &str, price: &str| {
        format!("[[tariffs]]\nsource = \"{METER}\"\nfrom = \"{from}\"\nvat = 0\nwork_price = {price}\n")
    };
    let more = tariff("2020-01-01", "0.20") + &tariff(&this.to_string(), "0.40");
    let household = Household::silent(&Plan { recorded: &recorded, more: &more, ..Plan::default() });
    let browser = Browser::open("en-GB");
    // The hours of the months differ by their days, and by the ends of summer time.
    let hours = |month: Date| {
        let [from, to] =
            [month, month.last_of_month().tomorrow().unwrap()].map(|day| day.to_zoned(zone()).unwrap());
        (to.timestamp().as_second() - from.timestamp().as_second()) as f64
    };
    for (query, factor) in [("", 1.0), ("?in=money", 2.0)] {
        household.show(&browser, &format!("#history/month/{}{query}", this.strftime("%Y-%m")));
        drawn(&browser);
        let text = plain(&browser.text("totals"));
        let percent = (factor * hours(this) / hours(before) - 1.0) * 100.0;
        let direction = if percent < 0.0 { "less" } else { "more" };
        let wanted = match percent.abs() < 0.5 {
            true => "the same as the month before".to_owned(),
            false => format!("{:.0}% {direction} than the month before", percent.abs()),
        };
        assert!(text.contains(&wanted), "{query}: `{wanted}` is not in {text}");
    }
    nothing_amiss(&browser, &household.url());
}

fn cost_of_year() {
    let household = house();
    let browser = household.open("en-GB");
    browser.await_shown("today-cost small");
    let forecast = household.program().get(&format!("/forecast?source={METER}")).1;
    let more = browser.text("today-cost small");
    for (name, key) in [("this month", "month"), ("this year", "year")] {
        let so_far = forecast[key]["so_far"].as_f64().unwrap();
        let (_, rest) = more.split_once(name).unwrap_or_else(|| panic!("{name} is not in {more}"));
        let shown = digits(rest.split(", ").next().unwrap()).parse::<i64>().unwrap();
        assert!((shown - (so_far * 100.0).round() as i64).abs() <= 2, "{more}: {forecast}");
    }
    nothing_amiss(&browser, &household.url());
}
