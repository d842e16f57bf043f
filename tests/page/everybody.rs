//! Everybody's screens: a tab in the background, a tablet at the wall, large letters, own colours, paper, no connection.

use std::fs;

use serde_json::{Value as Json, json};

use super::{
    history::{drawn, range},
    household::{CONSUMER, Household, METER, Plan, reading},
    languages::overflow,
    looks::pictures,
};
use crate::{Test, browser::Browser};

pub const TESTS: &[Test] = &[
    ("title_and_icon_of_the_tab_follow_the_power", tab),
    ("without_the_program_the_page_shows_its_frame_and_no_number", offline),
    ("the_service_worker_serves_the_programs_files_and_clears_its_own_old_ones", refreshed),
    ("a_page_opened_without_the_program_keeps_to_the_files_of_one_version", one_version),
    ("a_link_that_runs_a_command_runs_it_once", once),
    ("a_kiosk_uses_all_of_1920_pixels_and_has_nothing_to_tap", kiosk),
    ("text_of_200_percent_is_neither_cut_off_nor_covered", large),
    ("in_forced_colours_bars_and_choices_are_told_apart", forced),
    ("paper_has_the_history_without_the_controls", paper),
    ("fingers_find_targets_of_44_pixels", fingers),
];

/// Icon of the tab: `import` of `page/icon-import.svg`.
fn icon(browser: &Browser) -> String {
    let href = browser.script("return document.querySelector('link[rel=icon]').href;", &[]);
    let name = href.as_str().unwrap().rsplit_once("/page/icon").unwrap().1.to_owned();
    name.trim_start_matches('-').trim_end_matches(".svg").to_owned()
}

fn title(browser: &Browser) -> String {
    browser.script("return document.title;", &[]).as_str().unwrap().replace('\u{a0}', " ")
}

fn tab() {
    let mut household = Household::start(&Plan::default());
    let browser = household.open("en-US");
    browser.until("import", || title(&browser) == "459 W from the grid · Now – smartmeter");
    assert_eq!(icon(&browser), "import");
    household.send(&reading(-1234.5));
    browser.until("export", || title(&browser) == "1,235 W to the grid · Now – smartmeter");
    assert_eq!(icon(&browser), "export");
    browser.click("nav-history");
    browser.until("the view", || title(&browser) == "1,235 W to the grid · History – smartmeter");
    household.send(&reading(0.0));
    browser.until("neither", || title(&browser).starts_with("0 W no import, no export"));
    assert_eq!(icon(&browser), "none");
    household.send(&reading(77.0));
    browser.until("import again", || icon(&browser) == "import");
    // A hidden tab hears nothing, so its number has the time that it is from.
    browser.hide(true);
    let hidden = title(&browser);
    let (time, rest) = hidden.split_once(": ").unwrap_or_else(|| panic!("{hidden}"));
    assert!(time.contains(':') && rest.starts_with("77 W · History"), "{hidden}");
    assert_eq!(icon(&browser), "none");
    household.send(&reading(88.0));
    browser.hide(false);
    browser.until("live again", || title(&browser).starts_with("88 W from the grid"));
    household.kill();
    browser.await_shown("offline");
    browser.until("no number", || title(&browser) == "History – smartmeter" && icon(&browser) == "none");
}

/// Waits until the service worker has all files and answers for the page.
pub fn await_worker(browser: &Browser) {
    let ready = "return navigator.serviceWorker.ready.then(() => !!navigator.serviceWorker.controller);";
    browser.until("installed", || browser.script(ready, &[]) == true);
}

fn offline() {
    let mut household = Household::start(&Plan::default());
    let browser = household.open("de-DE");
    browser.until("live", || browser.text("hero-power") == "459");
    await_worker(&browser);
    household.kill();
    for view in ["", "?kiosk"] {
        browser.goto("about:blank");
        browser.goto(&format!("{}{view}", household.url()));
        browser.await_shown("offline");
        assert!(browser.text("offline").contains("nicht erreichbar"), "{}", browser.text("offline"));
        // The frame is there, and nothing in it could be taken for a number.
        let text = browser.script("return document.querySelector('main').innerText;", &[]);
        assert!(!text.as_str().unwrap().contains(|c: char| c.is_ascii_digit()), "{text}");
        assert_eq!(title(&browser), "Jetzt – smartmeter");
    }
    browser.goto(&household.url());
    browser.await_shown("nav-history");
    household.start_again();
    household.send(&reading(765.4));
    browser.until("live again", || browser.text("hero-power") == "765");
    assert!(!browser.shows("offline"));
    // Only files of the page are kept.
    let kept = "return caches.keys().then((names) => Promise.all(names.map((name) => caches.open(name)))) \
                .then((all) => Promise.all(all.map((cache) => cache.keys()))) \
                .then((all) => all.flat().map(({ url }) => new URL(url).pathname));";
    let kept: Vec<String> = serde_json::from_value(browser.script(kept, &[])).unwrap();
    let is_kept = |path: &str| kept.iter().any(|kept| kept == path);
    assert!(is_kept("/") && is_kept("/page/main.js") && is_kept("/page/de/page.js"), "{kept:?}");
    let other = kept.iter().filter(|path| *path != "/" && !path.starts_with("/page/"));
    assert_eq!(other.collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(!["en", "fr", "nl"].iter().any(|tag| is_kept(&format!("/page/{tag}/page.js"))), "{kept:?}");
}

fn refreshed() {
    let household = Household::start(&Plan::default());
    let browser = Browser::open("en-US");
    browser.goto(&format!("{}data", household.url()));
    let before = "return Promise.all(['smartmeter / 0123 en', 'smartmeter /other/ 0123 en'] \
                  .map((name) => caches.open(name))).then(() => true);";
    assert_eq!(browser.script(before, &[]), true);
    household.show(&browser, "");
    await_worker(&browser);
    let names =
        || -> Vec<String> { serde_json::from_value(browser.script("return caches.keys();", &[])).unwrap() };
    browser.until("the old version gone", || !names().contains(&"smartmeter / 0123 en".to_owned()));
    assert!(names().contains(&"smartmeter /other/ 0123 en".to_owned()), "{:?}", names());
    // A wrong copy is not shown while the program answers.
    let spoil = "return caches.keys().then((names) => names.find((name) => name.startsWith('smartmeter / '))) \
                 .then((name) => caches.open(name)) \
                 .then((cache) => Promise.all(['./', 'page/main.js'].map((path) => cache.put(path, new Response('old'))))) \
                 .then(() => true);";
    assert_eq!(browser.script(spoil, &[]), true);
    household.show(&browser, "");
    household.send(&reading(321.0));
    browser.until("live", || browser.text("hero-power") == "321");
}

fn kiosk() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let browser = Browser::open("en-US");
    browser.size(1920, 1080);
    household.show(&browser, "?kiosk");
    household.pulses(1);
    browser.until("live", || browser.text("hero-power") == "459");
    browser.until("large", || {
        browser
            .script("return parseFloat(getComputedStyle(document.documentElement).fontSize);", &[])
            .as_f64()
            > Some(22.0)
    });
    browser.until("its day", || browser.shows("today-import"));
    for at in ["nav-now", "nav-history", "add"] {
        assert!(!browser.shows(at), "{at}");
    }
    let edges = "const boxes = Array.from(document.querySelectorAll('.now > *'), (e) => e.getBoundingClientRect()); \
                 return [Math.min(...boxes.map((box) => box.left)), Math.max(...boxes.map((box) => box.right)), \
                 Math.max(...boxes.map((box) => box.bottom)), boxes.length];";
    browser.settle();
    let edges = browser.script(edges, &[]);
    let edge = |i: usize| edges[i].as_f64().unwrap();
    assert!(edge(0) < 40.0 && edge(1) > 1880.0 && edge(3) >= 3.0, "{edges}");
    // Nobody scrolls a wall.
    assert!(edge(2) <= 1080.0, "{edges}");
    let figure =
        browser.script("return document.querySelector('.figure').getBoundingClientRect().height;", &[]);
    assert!(figure.as_f64() > Some(200.0), "{figure}");
    assert_eq!(overflow(&browser, 1920), Vec::<Json>::new());
    // The screen stays on; a browser without a screen may refuse, but the page has asked.
    let asks = "let asked = 0; const lock = navigator.wakeLock; if (!lock) return true; \
                const real = lock.request; lock.request = (kind) => { asked += kind === 'screen'; return real.call(lock, kind); }; \
                document.dispatchEvent(new Event('visibilitychange')); return asked === 1;";
    assert_eq!(browser.script(asks, &[]), true);
    browser.screenshot(&pictures().join("kiosk-1920.png"));
    // The usual page uses the wide screen, too.
    household.show(&browser, "");
    browser.settle();
    let width = browser.script("return document.querySelector('main').getBoundingClientRect().width;", &[]);
    assert!(width.as_f64() > Some(1600.0), "{width}");
}

fn large() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let browser = Browser::with_text_of("de-DE", 32);
    household.show(&browser, "");
    household.pulses(1);
    browser.until("all of it", || browser.text(&format!("consumer-{CONSUMER} .value")).ends_with('W'));
    let size = browser.script("return getComputedStyle(document.documentElement).fontSize;", &[]);
    assert_eq!(size, "32px");
    let mut bad = Vec::new();
    for (width, height) in [(360, 800), (640, 450), (1280, 900)] {
        browser.size(width, height);
        for view in ["now", "sources", "history"] {
            browser.click(&format!("nav-{view}"));
            browser.await_shown(&format!("view-{view}"));
            if view == "history" {
                drawn(&browser);
            }
            let found = [overflow(&browser, width), covered(&browser)].concat();
            if !found.is_empty() {
                bad.push(format!("{view} at {width}: {found:#?}"));
            }
            browser.screenshot(&pictures().join(format!("large-{view}-{width}.png")));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// Texts that cover each other.
pub fn covered(browser: &Browser) -> Vec<Json> {
    browser.settle();
    browser.script(include_str!("covered.js"), &[]).as_array().cloned().unwrap_or_default()
}

fn forced() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let browser = Browser::open("en-US");
    browser.prefers(&[("forced-colors", "active")]);
    household.show(&browser, "");
    browser.until("a bar", || browser.count(".phases .bar") >= 3);
    assert_eq!(browser.script("return matchMedia('(forced-colors: active)').matches;", &[]), true);
    let colour = |css: &str, of: &str| {
        let body = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]];";
        browser.script(body, &[css.into(), of.into()])
    };
    assert_ne!(colour(".phases .bar", "backgroundColor"), colour(".phases .track", "backgroundColor"));
    assert_ne!(
        colour(".tabs a[aria-current]", "backgroundColor"),
        colour(".tabs a:not([aria-current])", "backgroundColor")
    );
    assert_ne!(colour(".card", "borderTopWidth"), "0px");
    browser.click("nav-history");
    range(&browser, "month");
    assert_ne!(
        colour(".chips [aria-pressed=true]", "backgroundColor"),
        colour(".chips [aria-pressed=false]", "backgroundColor")
    );
    let shapes = "return Array.from(document.querySelectorAll('.plot rect.column, .plot path.line')) \
                  .filter((e) => e.checkVisibility()).map((e) => getComputedStyle(e)) \
                  .map(({ fill, stroke }) => (fill === 'none' ? stroke : fill)) \
                  .filter((colour) => colour === getComputedStyle(document.body).backgroundColor).length;";
    assert_eq!(browser.script(shapes, &[]), 0, "bars are as their ground");
    browser.screenshot(&pictures().join("forced-history.png"));
}

fn paper() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let browser = Browser::open("de-DE");
    browser.prefers(&[("prefers-color-scheme", "dark")]);
    household.show(&browser, "#history");
    range(&browser, "month");
    // A4, without the margins of a printer, in the pixels of CSS.
    browser.size(718, 1040);
    drawn(&browser);
    browser.script("document.querySelector('[data-test=chart-energy] details').open = true;", &[]);
    browser.devtools("Emulation.setEmulatedMedia", json!({"media": "print"}));
    for at in ["nav-now", "range-month", "prev", "toast", "compare"] {
        assert!(!browser.shows(at), "{at} is printed");
    }
    for at in ["period", "totals", "chart-energy svg", "chart-energy table"] {
        assert!(browser.shows(at), "{at} is not printed");
    }
    let colours = "const of = (css, key) => getComputedStyle(document.querySelector(css))[key]; \
                   return [of('.card', 'backgroundColor'), of('h1', 'color')];";
    assert_eq!(browser.script(colours, &[]), json!(["rgb(255, 255, 255)", "rgb(0, 0, 0)"]));
    browser.settle();
    let cut = "const box = document.querySelector('[data-test=chart-energy] .scroll'); \
               return box.scrollHeight > box.clientHeight + 1 || document.scrollingElement.scrollWidth > 718;";
    assert_eq!(browser.script(cut, &[]), false, "something is cut off");
    browser.devtools("Emulation.setEmulatedMedia", json!({"media": ""}));
    let printed = browser.devtools("Page.printToPDF", json!({"printBackground": false}));
    let pdf = crate::browser::base64(printed["data"].as_str().unwrap());
    assert!(pdf.starts_with(b"%PDF-") && pdf.len() > 10_000, "{} bytes", pdf.len());
    fs::create_dir_all(pictures()).unwrap();
    fs::write(pictures().join("history.pdf"), pdf).unwrap();
}

fn fingers() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let browser = household.open("en-US");
    let mut bad = Vec::new();
    for (width, height) in [(320, 640), (412, 900), (1024, 768)] {
        browser.size(width, height);
        for view in ["now", "history", "sources", "setup"] {
            browser.script("location.hash = arguments[0];", &[view.into()]);
            browser.await_shown(&format!("view-{view}"));
            if view == "history" {
                drawn(&browser);
            }
            if view == "setup" {
                browser.await_shown("setup-title");
            }
            browser.settle();
            let small = "return Array.from(document.querySelectorAll('a, button, select, summary, input, [role=button]')) \
                         .filter((e) => e.checkVisibility()).map((e) => [e, (e.closest('label') ?? e).getBoundingClientRect()]) \
                         .filter(([e, box]) => box.width > 0 && (box.height < 43.5 || box.width < 43.5)) \
                         .map(([e, box]) => `${e.tagName} ${e.dataset.test ?? ''} ${e.textContent.trim().slice(0, 30)}: ${box.width} x ${box.height}`);";
            let found = browser.script(small, &[]);
            if found != json!([]) {
                bad.push(format!("{view} at {width}: {found:#}"));
            }
        }
    }
    assert!(bad.is_empty(), "{METER}: {}", bad.join("\n"));
}

fn one_version() {
    let mut household = Household::start(&Plan::default());
    let browser = household.open("en-US");
    await_worker(&browser);
    household.kill();
    browser.goto("about:blank");
    browser.goto(&household.url());
    browser.await_shown("offline");
    // The kept file differs from the program's, as that of an older program would.
    let mark = "return caches.keys().then((names) => names.find((name) => name.startsWith('smartmeter / '))) \
                .then((name) => caches.open(name)).then((cache) => cache.put('page/insights.js', new Response( \
                'export const start = (view) => (view.textContent = \"kept\"); export const open = () => {};', \
                { headers: { 'Content-Type': 'text/javascript' } }))).then(() => true);";
    assert_eq!(browser.script(mark, &[]), true);
    household.start_again();
    household.send(&reading(765.4));
    browser.until("live again", || browser.text("hero-power") == "765");
    // Browsers end a worker that has nothing to do.
    browser.devtools("ServiceWorker.enable", json!({}));
    browser.devtools("ServiceWorker.stopAllWorkers", json!({}));
    browser.script("location.hash = '#insights';", &[]);
    browser.until("a view", || !browser.text("view-insights").is_empty());
    assert_eq!(browser.text("view-insights"), "kept");
    // The page of the program has the program's files.
    browser.script("location.reload();", &[]);
    let state = || browser.attribute("view-insights", "data-ready");
    browser.until("the program's file", || state().as_deref() == Some("true"));
}

fn once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs");
    let more = format!(
        "[sources.room]\nplugin = \"exec\"\n[sources.room.commands.heat]\nabout = \"heats\"\n\
         command = [\"/bin/sh\", \"-c\", 'echo run >> {}']\n",
        file.display()
    );
    let server = "allow_get_commands = true\n";
    let household = Household::start(&Plan { server, more: &more, ..Plan::default() });
    let browser = household.open("en-US");
    await_worker(&browser);
    // A link of the page: the browser asks by itself, and through the worker.
    browser.script("location.href = 'cmd?name=room.heat';", &[]);
    browser.until("its answer", || browser.script("return location.pathname;", &[]) == "/cmd");
    browser.until("it has run", || file.exists());
    household.program().get("/health");
    assert_eq!(fs::read_to_string(&file).unwrap(), "run\n");
}
