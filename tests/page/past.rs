//! History of a house with photovoltaics: tiles, stacked bars, comparisons, and everything that can be charted.

use std::fmt::Write as _;

use jiff::{ToSpan as _, Zoned};
use serde_json::json;

use super::{
    addresses::days_ago,
    history::{drawn, number, range, table},
    household::{CONSUMER, Household, METER, Plan},
    now::{digits, nothing_amiss},
    pv_house::{self, Counter, Row},
};
use crate::{Test, browser::Browser};

pub const TESTS: &[Test] = &[
    ("tiles_say_amounts_and_their_change_from_the_period_before", tiles),
    ("bars_stack_what_was_used_and_where_it_came_from", stacked),
    ("the_year_before_is_compared_by_the_same_weekdays", aligned),
    ("phases_voltages_tariffs_and_temperatures_are_charted", chosen),
    ("power_is_drawn_up_to_a_week_and_months_while_there_are_few_years", ranges),
    ("the_last_hour_is_the_last_sixty_minutes", minutes),
    ("thirty_consumers_keep_a_readable_legend", thirty),
    ("kilowatt_hours_and_money_are_switched_on_tiles_bars_and_tables", money),
];

fn open(household: &Household, address: &str) -> Browser {
    let browser = Browser::open("en-US");
    household.show(&browser, address);
    drawn(&browser);
    browser
}

/// Whether a rounded text shows this amount.
fn shows(text: &str, wanted: f64) -> bool {
    is_within(text, [wanted; 2])
}

/// Whether a rounded text shows an amount within these bounds.
fn is_within(text: &str, [least, most]: [f64; 2]) -> bool {
    let (shown, rounding) = (number(text.trim_start_matches('≈')), 0.15 + most.abs() * 0.006);
    (least - rounding..=most + rounding).contains(&shown)
}

fn next_month(month: &Zoned) -> Zoned {
    month.checked_add(1.month()).unwrap()
}

/// Consumption of the house: what was drawn and made, less what was fed in.
fn used(rows: &[Row], from: &Zoned, to: &Zoned) -> f64 {
    let of = |counter| pv_house::amount(rows, counter, from, to);
    of(Counter::Import) + of(Counter::Pv) - of(Counter::Export)
}

fn tiles() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let rows = pv_house::rows(pv_house::end());
    let month = days_ago(75).first_of_month().unwrap();
    let (end, before) = (next_month(&month), month.checked_sub(1.month()).unwrap());
    let browser = open(&household, &format!("#history/month/{}", month.strftime("%Y-%m")));
    let amounts = |counter| {
        [(&month, &end), (&before, &month)].map(|(from, to)| pv_house::amount(&rows, counter, from, to))
    };
    let house = [used(&rows, &month, &end), used(&rows, &before, &month)];
    for (tile, [amount, earlier]) in [
        ("import", amounts(Counter::Import)),
        ("export", amounts(Counter::Export)),
        ("produced", amounts(Counter::Pv)),
        ("consumption", house),
    ] {
        let value = browser.text(&format!("tile-{tile} strong"));
        assert!(shows(&value, amount) && value.ends_with("kWh"), "{tile}: {value} in place of {amount}");
        let change = (amount / earlier - 1.0) * 100.0;
        let said = browser.text(&format!("tile-{tile} small"));
        let words = if change < 0.0 { "less than the month before" } else { "more than the month before" };
        assert!(said.contains(words), "{tile}: {said} in place of {change} %");
        assert!(
            (number(said.split('%').next().unwrap()) - change.abs()).abs() <= 0.6,
            "{tile}: {said}, {change}"
        );
    }
    let share = 100.0 * (1.0 - amounts(Counter::Import)[0] / house[0]);
    let shown = number(&browser.text("tile-sufficiency strong"));
    assert!((shown - share).abs() <= 0.6, "{shown} in place of {share}");
    let consumers = browser.text("totals .used");
    let pump = pv_house::amount(&rows, Counter::HeatPump, &month, &end);
    let said = consumers.split(", ").find(|part| part.starts_with("S0 meter") || part.contains("eat pump"));
    assert!(said.is_some_and(|said| shows(said.trim_start_matches("S0"), pump)), "{consumers}: {pump}");
    nothing_amiss(&browser, &household.url());
}

fn stacked() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let rows = pv_house::rows(pv_house::end());
    let week = days_ago(12);
    let monday = week.checked_sub(i64::from(week.weekday().to_monday_zero_offset()).days()).unwrap();
    let date = monday.date().iso_week_date();
    let browser = open(&household, &format!("#history/week/{}-W{:02}", date.year(), date.week()));
    let heads = "return Array.from(document.querySelectorAll('[data-test=chart-energy] th[scope=col]'), \
                 (head) => head.textContent);";
    let lines = table(&browser, "chart-energy");
    let heads: Vec<String> = serde_json::from_value(browser.script(heads, &[])).unwrap();
    let column = |name: &str| {
        heads.iter().position(|head| head == name).unwrap_or_else(|| panic!("{name}: {heads:?}"))
    };
    assert_eq!(lines.len(), 7);
    for (i, line) in lines.iter().enumerate() {
        let from = monday.checked_add(i64::try_from(i).unwrap().days()).unwrap();
        let to = from.checked_add(1.day()).unwrap();
        let of = |counters: &[(Counter, f64)]| {
            pv_house::bounds(&from, &to, |from, to| {
                counters
                    .iter()
                    .map(|(counter, factor)| factor * pv_house::amount(&rows, *counter, from, to))
                    .sum()
            })
        };
        let own = [(Counter::Pv, 1.0), (Counter::Export, -1.0)];
        let consumers = [(Counter::HeatPump, -1.0), (Counter::Wallbox, -1.0)];
        for (name, wanted) in [
            ("Imported", of(&[(Counter::Import, 1.0)])),
            ("Exported", of(&[(Counter::Export, 1.0)])),
            ("Own production used", of(&own)),
            ("Wallbox", of(&[(Counter::Wallbox, 1.0)])),
            ("Wäsche / Trockner", of(&[(Counter::Washer, 1.0)])),
            ("Other", of(&[&own[..], &[(Counter::Import, 1.0)], &consumers].concat())),
        ] {
            let cell = &line[column(name)];
            assert!(is_within(cell, wanted), "{name}: {cell} in place of {wanted:?}, {line:?}");
        }
    }
    // Two stacks for each day: the picture's heights add up to the house's consumption on both sides.
    let body = "const all = document.querySelectorAll('[data-test=chart-energy] svg > rect.column'); \
                const sums = {}; for (const bar of all) { if (bar.classList.contains('export')) continue; \
                const x = bar.getAttribute('x'); sums[x] = (sums[x] ?? 0) + Number(bar.getAttribute('height')); } \
                return Object.entries(sums).sort(([a], [b]) => a - b).map(([, sum]) => sum);";
    let heights: Vec<f64> = serde_json::from_value(browser.script(body, &[])).unwrap();
    assert_eq!(heights.len(), 14, "{heights:?}");
    for pair in heights.chunks(2) {
        assert!((pair[0] - pair[1]).abs() < 3.0, "{heights:?}");
    }
    nothing_amiss(&browser, &household.url());
}

fn aligned() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let rows = pv_house::rows(pv_house::end());
    let month = days_ago(50).first_of_month().unwrap();
    let address = format!("#history/month/{}/{CONSUMER}?compare=year", month.strftime("%Y-%m"));
    let browser = open(&household, &address);
    let lines = table(&browser, "chart-energy");
    assert_eq!(lines.len(), usize::try_from(month.days_in_month()).unwrap());
    let mut same = 0;
    for (i, line) in lines.iter().enumerate() {
        let day = month.checked_add(i64::try_from(i).unwrap().days()).unwrap();
        // 52 weeks: the same day of the week.
        let then = day.checked_sub(52.weeks()).unwrap();
        assert_eq!(day.weekday(), then.weekday());
        let of = |from: &Zoned| {
            let of = |from: &Zoned, to: &Zoned| pv_house::amount(&rows, Counter::HeatPump, from, to);
            pv_house::bounds(from, &from.checked_add(1.day()).unwrap(), of)
        };
        assert!(is_within(&line[1], of(&day)), "{line:?}: {:?}", of(&day));
        assert!(is_within(&line[2], of(&then)), "{line:?}: {:?} a year ago", of(&then));
        same += usize::from(is_within(&line[2], of(&then.checked_add(1.day()).unwrap())));
    }
    assert!(same < lines.len() / 2, "the days are too much alike to tell them apart");
    let sum = |from: &Zoned| {
        let to = from.checked_add(i64::from(month.days_in_month()).days()).unwrap();
        pv_house::amount(&rows, Counter::HeatPump, from, &to)
    };
    let change = (sum(&month) / sum(&month.checked_sub(52.weeks()).unwrap()) - 1.0) * 100.0;
    let said = browser.text("tile-import small");
    assert!(said.contains("52 weeks before"), "{said}");
    assert!((number(said.split('%').next().unwrap()) - change.abs()).abs() <= 0.6, "{said}: {change}");
    // The period before is another one.
    browser.click("compare");
    drawn(&browser);
    assert!(browser.text("tile-import small").contains("the month before"));
    nothing_amiss(&browser, &household.url());
}

/// Chooses an option by its value.
fn choose(browser: &Browser, field: &str, value: &str) {
    let body = "const field = document.querySelector(`[data-test=\"${arguments[0]}\"]`); field.value = arguments[1]; \
                field.dispatchEvent(new Event('change')); return field.value;";
    assert_eq!(browser.script(body, &[json!(field), json!(value)]), value, "{field} has no {value}");
    drawn(browser);
}

fn chosen() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let rows = pv_house::rows(pv_house::end());
    let day = days_ago(5);
    let browser = open(&household, &format!("#history/day/{}", day.date()));
    let legend = || browser.text("chart-power .legend");
    for (choice, unit) in [("phases", "kW"), ("voltages", "V")] {
        choose(&browser, "show", choice);
        assert!(browser.shows("chart-power") && !browser.shows("chart-energy"), "{choice}");
        assert_eq!(legend().split_whitespace().collect::<Vec<_>>(), ["L1", "L2", "L3"], "{choice}");
        assert!(browser.text("chart-power h2").contains(unit), "{}", browser.text("chart-power h2"));
        for phase in ["L1", "L2", "L3"] {
            assert!(!browser.text(&format!("tile-{phase} strong")).is_empty(), "{choice} {phase}");
        }
    }
    assert!(browser.text("tile-L1 strong").contains('V'), "{}", browser.text("tile-L1"));
    choose(&browser, "show", "tariffs");
    assert!(browser.shows("chart-energy") && !browser.shows("chart-power"));
    let sums = table(&browser, "chart-energy").iter().fold([0.0, 0.0], |sums, line| {
        [0, 1].map(|i: usize| {
            sums[i] + line.get(i + 1).filter(|cell| !cell.is_empty()).map_or(0.0, |cell| number(cell))
        })
    });
    let of = |from: &Zoned, to: &Zoned| pv_house::amount(&rows, Counter::Import, from, to);
    let [least, most] = pv_house::bounds(&day, &day.checked_add(1.day()).unwrap(), of);
    let sum = sums[0] + sums[1];
    assert!((least - 0.2..=most + 0.2).contains(&sum), "{sums:?} in place of {least} to {most}");
    choose(&browser, "meter", "outside");
    assert!(browser.text("chart-power h2").contains("°C"), "{}", browser.text("chart-power h2"));
    range(&browser, "year");
    assert!(browser.shows("chart-power"), "a temperature is drawn over a year, too");
    nothing_amiss(&browser, &household.url());
}

fn ranges() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let browser = open(&household, "#history/week");
    assert!(browser.shows("chart-power"));
    for name in ["month", "year", "all"] {
        range(&browser, name);
        assert!(!browser.shows("chart-power") && browser.shows("chart-energy"), "{name}");
    }
    // Fourteen months are a bar each.
    let lines = table(&browser, "chart-energy");
    assert!((14..=16).contains(&lines.len()), "{lines:?}");
    assert!(lines.last().unwrap()[0].contains(&days_ago(0).strftime("%B %Y").to_string()), "{lines:?}");
}

fn minutes() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let browser = open(&household, "#history/hour");
    assert_eq!(browser.text("period"), "The last 60 minutes");
    let asked = browser.requests();
    let span = asked.iter().filter(|url| url.contains("step=1m") && url.contains("to=")).find_map(|url| {
        let moment = |key: &str| {
            let text = url.split(key).nth(1)?.split('&').next()?;
            text.replace("%3A", ":").parse::<jiff::Timestamp>().ok()
        };
        Some((moment("from=")?, moment("to=")?))
    });
    let (from, to) = span.unwrap_or_else(|| panic!("{asked:?}"));
    assert_eq!((to - from).total(jiff::Unit::Minute).unwrap(), 60.0);
    let late = (to - jiff::Timestamp::now()).total(jiff::Unit::Minute).unwrap();
    assert!((-2.0..=1.1).contains(&late), "the hour ends {late} minutes from now");
    // Where the counter was read throughout, its rise is the amount.
    let day = days_ago(3);
    household.show(&browser, &format!("#history/hour/{}T12:10", day.date()));
    drawn(&browser);
    assert!(browser.text("tile-import strong").ends_with("kWh"), "{}", browser.text("totals"));
    nothing_amiss(&browser, &household.url());
}

fn thirty() {
    const COUNT: usize = 30;
    let zone_day = days_ago(3);
    let mut recorded = "time,section,name,value,unit,obis\n".to_owned();
    let mut sources = String::new();
    for i in 0..COUNT {
        write!(
            sources,
            "[sources.consumer_{i}]\nplugin = \"exec\"\nmode = \"stream\"\nstale_after = \"1h\"\nrole = \"consumer\"\n\
             label = \"Consumer number {i}\"\ncommand = [\"/bin/sh\", \"-c\", \
             '''echo '{{\"energy\":{{\"value\":{},\"unit\":\"kWh\",\"kind\":\"counter\"}}}}'; exec sleep 86400''']\n",
            100 + i
        )
        .unwrap();
    }
    for hour in 0..48 {
        let time = zone_day.checked_add(jiff::Span::new().hours(hour)).unwrap().timestamp();
        writeln!(recorded, "{time},{METER},POWER_IMPORT,{},kWh,1.8.0", 100 + 20 * hour).unwrap();
        for i in 0..COUNT {
            let count = 10.0 + (hour * i64::try_from(i + 1).unwrap()) as f64 / 40.0;
            writeln!(recorded, "{time},consumer_{i},energy,{count},kWh,").unwrap();
        }
    }
    let household = Household::silent(&Plan {
        recorded: &recorded,
        more: &sources,
        meter: "role = \"grid\"\n",
        ..Plan::default()
    });
    household.program().until("/data", "all of them", |data| data.as_object().unwrap().len() >= COUNT);
    let browser = open(&household, &format!("#history/day/{}", zone_day.date()));
    for width in [1280, 400] {
        browser.size(width, 900);
        drawn(&browser);
        let keys: Vec<_> = browser.text("chart-energy .legend").lines().map(str::to_owned).collect();
        let keys = keys.join(" ");
        assert!(keys.contains("19 more"), "{keys}");
        let colours = "return Array.from(document.querySelectorAll('[data-test=chart-energy] .key'), \
                       (key) => getComputedStyle(key, '::before').backgroundColor);";
        let colours: Vec<String> = serde_json::from_value(browser.script(colours, &[])).unwrap();
        let different: std::collections::BTreeSet<_> = colours.iter().collect();
        assert!(different.len() == colours.len() && colours.len() >= 13, "{colours:?}");
        assert_eq!(
            super::languages::overflow(&browser, width),
            Vec::<serde_json::Value>::new(),
            "at {width}"
        );
    }
    // The table has them all.
    browser.size(1280, 900);
    table(&browser, "chart-energy");
    assert!(browser.count("[data-test=chart-energy] th[scope=col]") > u64::try_from(COUNT).unwrap());
    assert!(browser.text("totals .used").contains("Consumer number 0"), "{}", browser.text("totals"));
    nothing_amiss(&browser, &household.url());
}

fn money() {
    let more = format!(
        "[[tariffs]]\nsource = \"{METER}\"\nfrom = 2024-01-01\ncurrency = \"EUR\"\nwork_price = 0.32\n\
         feed_in_price = 0.08\nvat = 0\n"
    );
    let household = Household::start(&Plan { pv: true, more: &more, ..Plan::default() });
    let rows = pv_house::rows(pv_house::end());
    let week = days_ago(12);
    let monday = week.checked_sub(i64::from(week.weekday().to_monday_zero_offset()).days()).unwrap();
    let (date, end) = (monday.date().iso_week_date(), monday.checked_add(7.days()).unwrap());
    let browser = open(&household, &format!("#history/week/{}-W{:02}", date.year(), date.week()));
    let of = |counter, price: f64, from: &Zoned, to: &Zoned| {
        pv_house::bounds(from, to, |from, to| price * pv_house::amount(&rows, counter, from, to))
    };
    browser.await_shown("money");
    // Both are on the tile; the switch says which one comes first.
    let energy = browser.text("tile-import strong");
    assert!(
        energy.ends_with("kWh") && browser.text("tile-import").contains('€'),
        "{}",
        browser.text("tile-import")
    );
    browser.click("money");
    drawn(&browser);
    for (tile, counter, price) in [("import", Counter::Import, 0.32), ("export", Counter::Export, 0.08)] {
        let value = browser.text(&format!("tile-{tile} strong"));
        let wanted = of(counter, price, &monday, &end);
        assert!(value.contains('€') && is_within(&value, wanted), "{tile}: {value} in place of {wanted:?}");
    }
    let lines = table(&browser, "chart-energy");
    assert_eq!(lines.len(), 7);
    for (i, line) in lines.iter().enumerate() {
        let from = monday.checked_add(i64::try_from(i).unwrap().days()).unwrap();
        let to = from.checked_add(1.day()).unwrap();
        for (cell, counter, price) in [(1, Counter::Import, 0.32), (2, Counter::Export, 0.08)] {
            let wanted = of(counter, price, &from, &to);
            assert!(line[cell].contains('€') && is_within(&line[cell], wanted), "{line:?}: {wanted:?}");
        }
    }
    // The consumers share what was drawn by their energy, and the rest of the house pays the rest.
    let heads = "return Array.from(document.querySelectorAll('[data-test=chart-energy] thead th'), (it) => it.textContent);";
    let heads: Vec<String> = serde_json::from_value(browser.script(heads, &[])).unwrap();
    let column = |name: &str| {
        heads.iter().position(|head| head == name).unwrap_or_else(|| panic!("{name}: {heads:?}"))
    };
    for (i, line) in lines.iter().enumerate() {
        let from = monday.checked_add(i64::try_from(i).unwrap().days()).unwrap();
        let to = from.checked_add(1.day()).unwrap();
        for (name, counter) in [("Heat pump", Counter::HeatPump), ("Wallbox", Counter::Wallbox)] {
            let of = |from: &Zoned, to: &Zoned| {
                let amount = |counter| pv_house::amount(&rows, counter, from, to);
                0.32 * amount(Counter::Import) * amount(counter) / used(&rows, from, to)
            };
            let (cell, wanted) = (&line[column(name)], pv_house::bounds(&from, &to, of));
            assert!(is_within(cell, wanted), "{name}: {cell} in place of {wanted:?}");
        }
        let cents = |cell: &str| digits(cell).parse::<i64>().unwrap_or(0);
        let parts: i64 =
            ["Heat pump", "Wallbox", "Other"].iter().map(|name| cents(&line[column(name)])).sum();
        assert!((parts - cents(&line[1])).abs() <= 3, "the shares are not the whole: {line:?}");
    }
    assert!(browser.text("chart-energy .marks").contains("share"), "{}", browser.text("chart-energy .marks"));
    assert!(browser.text("chart-energy h2").contains('€'), "{}", browser.text("chart-energy h2"));
    // The address keeps it, and the switch leads back.
    browser.script("location.reload();", &[]);
    browser.until("loaded again", || {
        browser.script("return !!document.querySelector('main section');", &[]) == true
    });
    drawn(&browser);
    assert!(browser.text("tile-import strong").contains('€'));
    browser.click("money");
    drawn(&browser);
    assert_eq!(browser.text("tile-import strong"), energy);
    nothing_amiss(&browser, &household.url());
}
