//! What people take away: tables for spreadsheets, pictures of charts, numbers with all their digits, and the address.

use serde_json::{Value as Json, json};

use super::{
    history::range,
    household::{Household, METER, Plan, reading},
    now::nothing_amiss,
};
use crate::{Test, browser::Browser};

pub const TESTS: &[Test] = &[
    ("a_charts_csv_has_the_figures_of_the_history_in_the_readers_locale", csv),
    ("no_name_in_a_csv_is_a_formula", formula),
    ("a_chart_becomes_a_picture_that_decodes", picture),
    ("a_rounded_number_is_copied_with_all_its_digits", copied),
    ("reasons_are_in_the_readers_language", reasons),
    ("the_setup_shows_where_a_phone_opens_the_page", reach),
];

/// Keeps the files that the page saves, in place of the browser.
fn keep_files(browser: &Browser) {
    let body = "const isThere = !!window.saved; window.saved = []; if (isThere) return; \
                const real = URL.createObjectURL; \
                URL.createObjectURL = (content) => { saved.push({ content }); return real.call(URL, content); }; \
                document.addEventListener('click', (event) => { if (!event.target.download) return; \
                saved.at(-1).name = event.target.download; event.preventDefault(); }, true); \
                HTMLAnchorElement.prototype.click = function () { saved.at(-1).name = this.download; };";
    browser.script(body, &[]);
}

/// Text of the file that the page saves after a click.
pub fn saved(browser: &Browser, button: &str) -> String {
    keep_files(browser);
    browser.click(button);
    browser.until("saved", || browser.script("return saved.length > 0 && !!saved[0].name;", &[]) == true);
    browser.script("return saved[0].content.text();", &[]).as_str().unwrap().to_owned()
}

/// Locale, separator of the cells, decimal sign, and the word for imported energy.
const LOCALES: [(&str, char, char, &str); 3] =
    [("de-DE", ';', ',', "Bezogen"), ("en-GB", ',', '.', "Imported"), ("fr-FR", ';', ',', "Soutiré")];

fn csv() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    for (locale, between, decimal, word) in LOCALES {
        household.send(&reading(458.9));
        let browser = Browser::open(locale);
        household.show(&browser, "#history");
        range(&browser, "month");
        let text = saved(&browser, "csv-energy");
        // A spreadsheet takes the text for UTF-8 only with this mark, which `text()` leaves out.
        let begin =
            "return saved[0].content.arrayBuffer().then((it) => [...new Uint8Array(it).slice(0, 3)]);";
        assert_eq!(browser.script(begin, &[]), json!([0xef, 0xbb, 0xbf]), "{locale}");
        let rows: Vec<Vec<&str>> =
            text.trim_end().split("\r\n").map(|line| line.split(between).collect()).collect();
        let column = rows[0].iter().position(|head| head.starts_with(word));
        let column = column.unwrap_or_else(|| panic!("{locale}: {:?}", rows[0]));
        assert!(
            rows[0][0].contains("(Europe/Berlin)") && rows[0][column].ends_with("(kWh)"),
            "{:?}",
            rows[0]
        );
        // Its local times are the days of the history.
        let time = |row: &[&str]| format!("{}{}", row[0].replace(' ', "T"), row[1]);
        let [first, last] = [&rows[1], &rows[rows.len() - 1]].map(|row| time(row).replace('+', "%2B"));
        let path = format!("/history/{METER}/POWER_IMPORT?per=day&from={first}&to={last}");
        let history = household.program().get(&path).1;
        let amounts: Vec<f64> =
            history["amount"].as_array().unwrap().iter().filter_map(Json::as_f64).collect();
        assert!(amounts.len() + 1 >= rows.len() - 1 && rows.len() > 1, "{path}: {history}");
        // The last day goes on.
        for (row, amount) in rows[1..rows.len() - 1].iter().zip(&amounts) {
            assert!(row[0].ends_with(" 00:00:00"), "{row:?}");
            let shown: f64 = row[column].replace(decimal, ".").parse().unwrap_or_else(|_| panic!("{row:?}"));
            assert!((shown - amount).abs() < 1e-8, "{locale}: {row:?} is {amount}");
        }
        let name = browser.script("return saved[0].name;", &[]);
        assert!(name.as_str().unwrap().ends_with(".csv"), "{name}");
        nothing_amiss(&browser, &household.url());
    }
}

fn formula() {
    let label = "=HYPERLINK(\\\"x\\\"),;+1";
    let meter = format!("label = \"{label}\"\n");
    let household = Household::start(&Plan { meter: &meter, ..Plan::default() });
    let browser = household.open("de-DE");
    browser.click("nav-sources");
    browser.await_shown("csv-readings");
    browser.until("named", || browser.text("view-sources").contains("HYPERLINK"));
    let text = saved(&browser, "csv-readings");
    // As a text: with an apostrophe, and its quotes doubled.
    assert!(text.contains(";\"'=HYPERLINK(\"\"x\"\"),;+1\";POWER_IMPORT;1.8.0;4457,12345678;kWh"), "{text}");
    assert!(!text.contains(";=") && !text.contains(";\"="), "{text}");
}

fn picture() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let browser = Browser::open("en-US");
    household.show(&browser, "#history");
    range(&browser, "week");
    for chart in ["energy", "power"] {
        let svg = saved(&browser, &format!("svg-{chart}"));
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{svg:.200}");
        // What a style sheet says is in it.
        assert!(!svg.contains(" class=") && !svg.contains("var(") && !svg.contains(" style="), "{svg:.2000}");
        keep_files(&browser);
        browser.click(&format!("png-{chart}"));
        browser.until("the picture", || {
            browser.script("return saved.length > 0 && !!saved[0].name;", &[]) == true
        });
        let pixels = "return createImageBitmap(saved[0].content).then((picture) => { \
                      const canvas = new OffscreenCanvas(picture.width, picture.height).getContext('2d'); \
                      canvas.drawImage(picture, 0, 0); \
                      const { data } = canvas.getImageData(0, 0, picture.width, picture.height); \
                      const colours = new Set(); \
                      for (let i = 0; i < data.length; i += 4) colours.add(data.slice(i, i + 3).join()); \
                      return [saved[0].content.type, picture.width, picture.height, colours.size]; });";
        let found = browser.script(pixels, &[]);
        let plot = browser.script(
            "return document.querySelector(`[data-test=chart-${arguments[0]}] .plot svg`).clientWidth;",
            &[chart.into()],
        );
        assert_eq!(found[0], "image/png");
        assert!(found[1].as_u64() >= plot.as_u64().map(|width| 2 * width), "{found} of {plot}");
        assert!(found[3].as_u64() > Some(8), "{chart} has {} colours", found[3]);
    }
    nothing_amiss(&browser, &household.url());
}

fn copied() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    household.send(&reading(1234.56));
    let browser = household.open("de-DE");
    browser.until("live", || browser.text("hero-power") == "1.235");
    // Selects the text of an element up to this letter, and copies it as a browser does.
    let copy = |css: &str, until: Json| {
        let body = "const element = document.querySelector(arguments[0]); const range = document.createRange(); \
                    range.selectNodeContents(element); \
                    if (arguments[1] !== null) range.setEnd(element.firstChild, arguments[1]); \
                    const selection = getSelection(); selection.removeAllRanges(); selection.addRange(range); \
                    const before = element.textContent; const clipboardData = new DataTransfer(); \
                    const event = new ClipboardEvent('copy', { clipboardData, bubbles: true, cancelable: true }); \
                    document.dispatchEvent(event); \
                    return [clipboardData.getData('text/plain'), element.textContent === before];";
        browser.script(body, &[css.into(), until])
    };
    // What nobody needs at once is loaded last.
    browser.until("exact", || copy("[data-test=hero-power]", Json::Null) == json!(["1234,56", true]));
    assert_eq!(copy("[data-test=phase-L1] .value", Json::Null), json!(["617,28 W", true]));
    // A part of it is copied as it is, by the browser.
    assert_eq!(copy("[data-test=hero-power]", json!(2)), json!(["", true]));
    browser.click("nav-history");
    range(&browser, "month");
    browser.click("chart-energy summary");
    browser.until("rows", || browser.count("[data-test=chart-energy] tbody tr") > 0);
    let row = copy("[data-test=chart-energy] tbody tr", Json::Null);
    let cells: Vec<_> = row[0].as_str().unwrap().split('\t').map(str::trim).collect();
    let amount = cells.iter().find(|cell| cell.ends_with(" kWh")).unwrap_or_else(|| panic!("{cells:?}"));
    let decimals = amount.trim_end_matches(" kWh").split(',').nth(1).unwrap_or_default().len();
    assert!(decimals > 2, "{cells:?}");
}

fn reasons() {
    let more = "[sources.cellar]\nplugin = \"d0\"\nport = \"/dev/no-such-port\"\n";
    let household = Household::silent(&Plan { more, ..Plan::default() });
    household.send(&reading(458.9));
    for (locale, words) in [
        ("de-DE", "Das Gerät ist nicht da."),
        ("en-GB", "The device is not there."),
        ("fr-FR", "L’appareil n’est pas là."),
        ("nl-NL", "Het apparaat is er niet."),
    ] {
        let browser = household.open(locale);
        browser.until("the reason", || browser.text("stale-cellar").contains(words));
        browser.click("nav-sources");
        browser.until("the reason", || browser.text("reason-cellar").starts_with(words));
        // What only the program knows is there as well, and said to be English.
        let told = browser
            .script("return document.querySelector('[data-test=reason-cellar] [lang=en]').textContent;", &[]);
        assert!(told.as_str().unwrap().contains("/dev/no-such-port"), "{told}");
    }
}

fn reach() {
    let household = Household::start(&Plan::default());
    let browser = Browser::open("en-US");
    household.show(&browser, "#setup");
    browser.await_shown("reach");
    // The household listens at a loopback address: there is nothing to scan, but something to do.
    assert!(!browser.shows("reach-qr"), "{}", browser.text("reach"));
    let text = browser.text("reach");
    assert!(
        text.contains("Only this computer can open the page") && text.contains("listen = \"0.0.0.0:"),
        "{text}"
    );
}
