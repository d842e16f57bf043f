//! The first start without an editor, against the real program: the search for a meter, further sources and
//! publishers, names and roles, and the files that the page writes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use simulator::{
    Household, PushingMeter, Timing,
    dlms::{DlmsMeter, Framing},
};

use super::{
    household::{TOKEN, telegram_of},
    now::{digits, nothing_amiss},
    proxy::Proxy,
};
use crate::{
    Test,
    browser::{Browser, ENTER, TAB},
    program::*,
};

pub const TESTS: &[Test] = &[
    ("a_meter_is_found_and_saved_and_its_first_value_is_live_without_a_reload_of_the_page", find),
    ("an_encrypted_meter_is_found_and_live_once_its_key_was_entered", encrypted),
    ("a_search_that_finds_nothing_says_what_to_do_and_can_be_stopped", stopped),
    ("the_setup_works_with_the_keyboard_on_a_phone_in_german", keyboard),
    ("from_elsewhere_the_setup_needs_the_token_which_a_qr_code_brings", elsewhere),
    ("a_label_in_any_script_is_shown_and_is_never_markup", labels),
    ("a_role_decides_what_is_shown_where", roles),
    ("a_mistake_is_shown_with_its_reason_and_nothing_is_saved", mistakes),
];

fn meter(number: &'static str, power: f64) -> PushingMeter {
    let telegram = move || seven_e_one(telegram_of(number, power, 1.0).into_bytes());
    PushingMeter::start(simulator::Pty::open().unwrap(), Timing::default(), telegram).unwrap()
}

pub fn drop_in(folder: &Path, file: &str) -> PathBuf {
    folder.join("state/config.d").join(file)
}

pub fn open(browser: &Browser, program: &Program) {
    browser.goto("about:blank");
    browser.goto(&program.url("/#setup"));
    browser.await_shown("finder");
}

/// Types a port into the folded field, and searches there.
fn search(browser: &Browser, port: &Path) {
    if !browser.shows("find-port") {
        browser.click("finder summary");
    }
    browser.enter("find-port", port.to_str().unwrap());
    browser.click("find");
}

fn find() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "");
    let meter = meter("1EBZ0100000042", 458.9);
    let browser = Browser::open("en-US");
    browser.goto(&program.url("/"));
    browser.script("window.sameDocument = true;", &[]);
    browser.click("first-add");
    browser.await_shown("finder");
    search(&browser, meter.port());
    browser.await_shown("find-found");
    let found = browser.text("find-found");
    for wanted in ["Meter found", "eBZ", "EBZ5DD32R06ETA_107", "IEC 62056-21", "9600 baud", "458.9\u{a0}W"] {
        assert!(found.contains(wanted), "{wanted} is not in {found}");
    }
    assert!(!browser.shows("find-toml"), "the section is not folded");
    browser.click("find-section summary");
    assert!(browser.text("find-toml").contains("[sources.smartmeter_d0]"), "{}", browser.text("find-toml"));
    browser.enter("find-label-smartmeter_d0", "House");
    browser.click("find-save-smartmeter_d0");
    browser.until("live", || digits(&browser.text("hero-power")) == "459");
    assert_eq!(browser.script("return window.sameDocument;", &[]), true, "the page was loaded again");
    let file = drop_in(folder.path(), "10-smartmeter_d0.toml");
    assert!(fs::read_to_string(&file).unwrap().contains("label = \"House\""));
    assert_eq!(browser.attribute("hero", "aria-label").as_deref(), Some("House"));

    open(&browser, &program);
    browser.click("file-10-smartmeter_d0.toml summary");
    browser.click("remove-10-smartmeter_d0.toml");
    browser.click("remove-cancel");
    assert!(file.exists());
    browser.click("remove-10-smartmeter_d0.toml");
    browser.click("remove-confirm");
    browser.until("removed", || !file.exists() && browser.count("[data-test^=file-]") == 0);
    browser.click("nav-now");
    browser.await_shown("first-start");
    nothing_amiss(&browser, &program.url("/"));
}

fn encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "");
    let (mut meter, mut household) =
        (DlmsMeter::new(Framing::Hdlc).encrypted([0x42; 16], None), Household::new(1));
    let telegram = move || meter.telegram(&household.advance());
    let meter = PushingMeter::start(simulator::Pty::open().unwrap(), Timing::default(), telegram).unwrap();
    let browser = Browser::open("en-US");
    open(&browser, &program);
    search(&browser, meter.port());
    browser.await_shown("find-found");
    let found = browser.text("find-found");
    for wanted in ["Meter found", "Landis+Gyr", "Key (GUEK)", "ask your grid operator"] {
        assert!(found.contains(wanted), "{wanted} is not in {found}");
    }
    assert!(!found.contains("Authentication key"), "{found}");
    browser.enter("find-key-smartmeter_dlms", &"42".repeat(16));
    browser.click("find-save-smartmeter_dlms");
    browser.until("live", || {
        browser.count("[data-test=hero-power]") == 1 && !digits(&browser.text("hero-power")).is_empty()
    });
    let file = drop_in(folder.path(), "10-smartmeter_dlms.toml");
    assert!(fs::read_to_string(&file).unwrap().contains(&format!("key = \"{}\"", "42".repeat(16))));
    // Who looks at the file later sees a mask.
    open(&browser, &program);
    browser.click("file-10-smartmeter_dlms.toml summary");
    assert!(!browser.text("file-10-smartmeter_dlms.toml").contains("4242"), "the key is shown");
    nothing_amiss(&browser, &program.url("/"));
}

fn stopped() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "");
    let silent = line();
    let browser = Browser::open("en-US");
    open(&browser, &program);
    search(&browser, silent.path());
    browser.await_shown("find-stop");
    browser.until("progress", || browser.text("find-list").contains("listening"));
    browser.click("find-stop");
    browser.until("stopped", || browser.text("find-status").contains("stopped"));
    browser.await_shown("find");
    // The port is free again for the next search: a person asks at once.
    browser.enter("find-port", folder.path().to_str().unwrap());
    let again = || {
        browser.click("find");
        browser.until("the end", || !browser.shows("find-stop"));
        browser.text("find-list")
    };
    browser.until("the reason", || again().contains("not a serial port"));
    assert!(
        browser.text("find-advice").contains("PIN")
            && browser.text("find-advice").contains("cable downwards")
    );
}

fn keyboard() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "");
    let meter = meter("1EBZ0100000042", 458.9);
    let browser = Browser::open("de-DE");
    browser.size(360, 800);
    browser.goto(&program.url("/"));
    browser.await_shown("first-start");
    assert!(browser.text("first-find").contains("Meinen Zähler suchen"));
    let focused = || {
        browser.script("return document.activeElement.dataset.test ?? document.activeElement.localName;", &[])
    };
    let tab_to = |wanted: &str| {
        for _ in 0..60 {
            if focused() == wanted {
                return;
            }
            browser.press(TAB);
        }
        panic!("{wanted} is not reached with the Tab key");
    };
    tab_to("first-add");
    browser.press(ENTER);
    browser.await_shown("finder");
    browser.until("the heading is read first", || focused() == "setup-title");
    tab_to("summary");
    browser.press(ENTER);
    tab_to("find-port");
    browser.press(meter.port().to_str().unwrap());
    browser.press(ENTER);
    browser.await_shown("find-found");
    browser.until("the end", || !browser.shows("find-stop"));
    let text = browser.text("finder");
    for wanted in ["Zähler gefunden", "Hersteller", "Erste Messwerte", "Speichern"] {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
    assert_eq!(browser.attribute("find-status", "role").as_deref(), Some("status"));
    browser.script("for (const it of document.querySelectorAll('details')) it.open = true;", &[]);
    for scheme in ["light", "dark"] {
        browser.prefers(&[("prefers-color-scheme", scheme)]);
        assert_eq!(browser.script(include_str!("overflow.js"), &[360.into()]), json!([]), "{scheme}");
        let found = browser.script(include_str!("contrast.js"), &[]);
        assert_eq!(found["bad"], json!([]), "{scheme}: {found}");
    }
    tab_to("find-save-smartmeter_d0");
    browser.press(ENTER);
    browser.until("saved", || drop_in(folder.path(), "10-smartmeter_d0.toml").exists());
    browser.until("live", || digits(&browser.text("hero-power")) == "459");
    nothing_amiss(&browser, &program.url("/"));
}

fn elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let address = test_servers::free_port();
    let config = folder.path().join("config.toml");
    let state = folder.path().join("state");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{address}\"\nstate_dir = \"{}\"\ntoken = \"{TOKEN}\"\n",
        state.display()
    );
    fs::write(&config, text).unwrap();
    let program = Program::start(&["--config", config.to_str().unwrap()]);
    let proxy = Proxy::to(address, "X-Forwarded-For: 192.0.2.7\r\n");
    let browser = Browser::open("en-US");
    browser.goto(&format!("{}#setup", proxy.url()));
    browser.await_shown("setup-denied");
    assert!(browser.text("setup-denied").contains("smartmeter token"), "{}", browser.text("setup-denied"));
    assert!(!browser.shows("finder"));
    browser.enter("setup-token", "no-such-token");
    browser.click("setup-token-use");
    browser.await_shown("setup-token-wrong");
    browser.enter("setup-token", TOKEN);
    browser.click("setup-token-use");
    browser.await_shown("finder");
    assert!(!browser.shows("setup-denied"));
    browser.script("sessionStorage.clear();", &[]);

    // As a phone opens the address of the QR code.
    browser.goto("about:blank");
    browser.goto(&format!("{}#token={TOKEN}", proxy.url()));
    browser.await_shown("first-start");
    let kept =
        browser.script("return [sessionStorage.getItem('token'), location.href, document.cookie];", &[]);
    assert_eq!(kept[0], TOKEN);
    assert!(!kept[1].as_str().unwrap().contains(TOKEN) && kept[2] == "", "{kept}");
    browser.click("first-add");
    browser.await_shown("finder");
    drop(program);
}

fn labels() {
    let folder = tempfile::tempdir().unwrap();
    let meter = meter("1EBZ0100000042", 458.9);
    let program = Program::with_config(folder.path(), &d0("smartmeter_d0", meter.port()));
    let browser = Browser::open("en-US");
    for label in
        ["家の電気 🏠", "كهرباء البيت", "<img src=x onerror=document.title=1>", "\"quoted\" \\ 'text'"]
    {
        open(&browser, &program);
        browser.enter("label-smartmeter_d0", label);
        browser.click("names-save-smartmeter_d0");
        browser.until("saved", || program.get("/health").1["sources"]["smartmeter_d0"]["label"] == label);
        browser.click("nav-sources");
        browser.until("shown", || browser.text("source-smartmeter_d0").starts_with(label));
        browser.click("nav-now");
        browser.until("named", || browser.attribute("hero", "aria-label").as_deref() == Some(label));
        assert_eq!(browser.count("main img"), 0);
    }
    // Without name and role there is no file.
    open(&browser, &program);
    browser.enter("label-smartmeter_d0", " ");
    browser.click("names-save-smartmeter_d0");
    browser.until("removed", || !drop_in(folder.path(), "60-smartmeter_d0.toml").exists());
    nothing_amiss(&browser, &program.url("/"));
}

fn roles() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (meter("1EBZ0100000042", 458.9), meter("1EBZ0100000043", 1234.0));
    let third = meter("1EBZ0100000044", 77.0);
    let keyed = |name: &str, meter: &PushingMeter, keys: &str| d0(name, meter.port()) + keys;
    let sources = keyed("attic", &first, "role = \"consumer\"\n")
        + &keyed("cellar", &second, "role = \"grid\"\nlabel = \"Whole house\"\n")
        + &keyed("secret", &third, "role = \"hidden\"\n");
    let program = Program::with_config(folder.path(), &sources);
    let browser = Browser::open("en-US");
    browser.goto(&program.url("/"));
    browser.until("the grid is large", || digits(&browser.text("hero-power")) == "1234");
    browser.await_shown("consumer-attic");
    assert_eq!(browser.attribute("hero", "aria-label").as_deref(), Some("Whole house"));
    assert!(!browser.text("view-now").to_lowercase().contains("secret"), "{}", browser.text("view-now"));
    browser.click("nav-sources");
    browser.await_shown("source-secret");
    assert!(browser.text("source-cellar").contains("Grid connection"));
    browser.click("nav-history");
    browser.await_shown("meter");
    let listed = browser.script(
        "return [...document.querySelectorAll('[data-test=meter] option')].map((it) => it.text);",
        &[],
    );
    assert_eq!(listed, json!(["Whole house", "Attic"]));
}

fn mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let meter = meter("1EBZ0100000042", 458.9);
    let program = Program::with_config(folder.path(), &d0("smartmeter_d0", meter.port()));
    let browser = Browser::open("en-US");
    open(&browser, &program);
    browser.click("mqtt-open");
    browser.click("mqtt-save");
    assert_eq!(browser.text("mqtt-host-problem"), "Please fill this in.");
    browser.enter("mqtt-host", "no host at all");
    browser.click("mqtt-save");
    // It is at the field that the line comes from.
    browser.until("the mistake", || browser.text("mqtt-host-problem").len() > 20);
    assert_eq!(browser.attribute("mqtt-host", "aria-invalid").as_deref(), Some("true"));
    // A label with a control character belongs to no field: it is in the list with its line.
    browser.script(
        "document.querySelector('[data-test=label-smartmeter_d0]').value = 'a\\u200ab\\u0007c';",
        &[],
    );
    browser.click("names-save-smartmeter_d0");
    browser.await_shown("names-failure-smartmeter_d0");
    let text = browser.text("names-failure-smartmeter_d0");
    assert!(text.contains("line 2") && text.contains("label"), "{text}");
    let written = fs::read_dir(folder.path().join("state/config.d")).map_or(0, Iterator::count);
    assert_eq!(written, 0, "a wrong configuration was written");
}
