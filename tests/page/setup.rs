//! The first start without an editor, against the real program: the search for a meter, further sources and
//! publishers, names and roles, and the files that the page writes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use simulator::{PushingMeter, Timing};

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
    ("a_search_that_finds_nothing_says_what_to_do_and_can_be_stopped", stopped),
    ("the_setup_works_with_the_keyboard_on_a_phone_in_german", keyboard),
    ("from_elsewhere_the_setup_needs_the_token_which_a_qr_code_brings", elsewhere),
    ("a_label_in_any_script_is_shown_and_is_never_markup", labels),
    ("a_role_decides_what_is_shown_where", roles),
    ("a_mistake_is_shown_with_its_reason_and_nothing_is_saved", mistakes),
    ("the_form_for_an_s0_meter_writes_the_chosen_line_and_the_pulses", pulses),
    ("the_form_for_influxdb_sends_what_version_2_documents", influx_2),
];

pub const INFLUX_TESTS: &[Test] =
    &[("the_connection_to_a_real_influxdb_is_tested_before_it_is_saved", influx_1)];

pub const BROKER_TESTS: &[Test] = &[("the_connection_to_a_real_broker_is_tested_before_it_is_saved", broker)];

fn meter(number: &'static str, power: f64) -> PushingMeter {
    let telegram = move || seven_e_one(telegram_of(number, power, 1.0).into_bytes());
    PushingMeter::start(simulator::Pty::open().unwrap(), Timing::default(), telegram).unwrap()
}

fn drop_in(folder: &Path, file: &str) -> PathBuf {
    folder.join("state/config.d").join(file)
}

fn open(browser: &Browser, program: &Program) {
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

fn broker() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    let made = std::process::Command::new("mosquitto_passwd")
        .arg("-c")
        .arg("-b")
        .arg(&users)
        .args(["me", "right"])
        .status();
    assert!(made.unwrap().success());
    let port = test_servers::free_port();
    let more = format!("allow_anonymous false\npassword_file {}\n", users.display());
    let broker_folder = tempfile::tempdir().unwrap();
    let _broker = test_servers::mosquitto(broker_folder.path(), port, &more);
    let program = Program::with_config(folder.path(), "");
    let browser = Browser::open("en-US");
    open(&browser, &program);
    browser.click("mqtt-open");
    for (field, text) in
        [("host", "127.0.0.1"), ("port", &port.to_string()), ("username", "me"), ("password", "wrong")]
    {
        browser.enter(&format!("mqtt-{field}"), text);
    }
    browser.click("mqtt-test");
    browser.await_shown("mqtt-failure");
    assert!(browser.text("mqtt-failure").contains("login"), "{}", browser.text("mqtt-failure"));
    browser.enter("mqtt-password", "right");
    browser.click("mqtt-test");
    browser.until("the answer", || browser.text("mqtt-answer").starts_with("It works"));
    browser.click("mqtt-save");
    let file = drop_in(folder.path(), "40-mqtt.toml");
    browser.until("saved", || file.exists());
    browser.await_shown("file-40-mqtt.toml");
    browser.click("file-40-mqtt.toml summary");
    // The page never shows a secret again.
    assert!(
        !browser.text("file-40-mqtt.toml").contains("right")
            && browser.text("file-40-mqtt.toml").contains("****")
    );
    program.until("/health", "started", |health| health["publishers"]["mqtt"].is_object());
}

/// Chooses a value of a list.
fn choose(browser: &Browser, at: &str, value: &str) {
    let script = "const list = document.querySelector(`[data-test=${arguments[0]}]`); list.value = arguments[1]; \
                  list.dispatchEvent(new Event('change', { bubbles: true })); return list.value;";
    assert_eq!(browser.script(script, &[at.into(), value.into()]), value);
}

fn pulses() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "");
    let browser = Browser::open("en-US");
    browser.goto(&program.url("/"));
    browser.await_shown("first-add");
    // A machine for tests has no lines: the page gets some, all else is real.
    browser.script(
        "const real = window.fetch;
         window.fetch = async (path, options) => {
           const answer = await real(path, options);
           if (path !== 'setup') return answer;
           const body = await answer.json();
           body.gpio = [
             { chip: '/dev/gpiochip0', line: 4, name: 'GPIO4', used_by: 'w1' },
             { chip: '/dev/gpiochip0', line: 17, name: 'GPIO17', used_by: null },
           ];
           return new Response(JSON.stringify(body), { headers: { 'Content-Type': 'application/json' } });
         };",
        &[],
    );
    browser.click("first-add");
    browser.await_shown("finder");
    browser.click("s0-open");
    let shown = browser.text("s0-at");
    assert!(shown.contains("GPIO17") && shown.contains("w1"), "{shown}");
    choose(&browser, "s0-at", "[\"/dev/gpiochip0\",17]");
    browser.enter("s0-label", "Heat pump");
    choose(&browser, "s0-role", "consumer");
    browser.enter("s0-pulses", "0");
    browser.click("s0-save");
    assert_eq!(browser.attribute("s0-pulses", "aria-invalid").as_deref(), Some("true"));
    browser.enter("s0-pulses", "2000");
    browser.click("s0-save");
    let health =
        program.until("/health?code=200", "the source", |health| health["sources"]["heat_pump"].is_object());
    let source = &health["sources"]["heat_pump"];
    assert_eq!((&source["label"], &source["role"]), (&json!("Heat pump"), &json!("consumer")));
    let text = fs::read_to_string(drop_in(folder.path(), "20-heat_pump.toml")).unwrap();
    for key in ["plugin = \"s0\"", "chip = \"/dev/gpiochip0\"", "line = 17", "pulses_per_kwh = 2000"] {
        assert!(text.contains(key), "{key} is not in {text}");
    }
}

fn influx_1() {
    let folder = tempfile::tempdir().unwrap();
    let (database, port) = (tempfile::tempdir().unwrap(), test_servers::free_port());
    let _influxd = test_servers::influxd(database.path(), port, false);
    ureq::post(format!("http://127.0.0.1:{port}/query?q=CREATE%20DATABASE%20house")).send_empty().unwrap();
    let program = Program::with_config(folder.path(), "");
    let browser = Browser::open("en-US");
    open(&browser, &program);
    browser.click("influx-open");
    choose(&browser, "influx-version", "v1");
    browser.await_shown("influx-database");
    assert!(!browser.shows("influx-bucket"), "that is for version 2");
    for (field, text) in [("host", "127.0.0.1"), ("port", &port.to_string()), ("database", "nowhere")] {
        browser.enter(&format!("influx-{field}"), text);
    }
    browser.click("influx-test");
    browser.await_shown("influx-failure");
    assert!(browser.text("influx-failure").contains("database"), "{}", browser.text("influx-failure"));
    browser.enter("influx-database", "house");
    browser.click("influx-test");
    browser.until("the answer", || browser.text("influx-answer").starts_with("It works"));
    browser.click("influx-save");
    program.until("/health?code=200", "started", |health| health["publishers"]["influx"].is_object());
    let text = fs::read_to_string(drop_in(folder.path(), "40-influx.toml")).unwrap();
    assert!(text.contains("version = \"v1\"") && text.contains("database = \"house\""), "{text}");
    assert!(!text.contains("bucket"), "{text}");
}

fn influx_2() {
    let folder = tempfile::tempdir().unwrap();
    let server = test_servers::http::Server::start(|request| match request.header("authorization") {
        Some("Token right") => 204.into(),
        _ => test_servers::http::Reply::Status(401, r#"{"code":"unauthorized"}"#.to_owned()),
    });
    let port = server.url().rsplit_once(':').unwrap().1.trim_end_matches('/').to_owned();
    let program = Program::with_config(folder.path(), "");
    let browser = Browser::open("en-US");
    open(&browser, &program);
    browser.click("influx-open");
    choose(&browser, "influx-version", "v2");
    for (field, text) in
        [("host", "127.0.0.1"), ("port", &*port), ("org", "home"), ("bucket", "meters"), ("token", "wrong")]
    {
        browser.enter(&format!("influx-{field}"), text);
    }
    browser.click("influx-test");
    browser.await_shown("influx-failure");
    browser.enter("influx-token", "right");
    browser.click("influx-test");
    browser.until("the answer", || browser.text("influx-answer").starts_with("It works"));
    let asked = server.received().pop().unwrap();
    assert_eq!(asked.path, "/api/v2/write?precision=ns&org=home&bucket=meters");
    browser.click("influx-save");
    let file = drop_in(folder.path(), "40-influx.toml");
    browser.until("saved", || file.exists());
    assert!(fs::read_to_string(&file).unwrap().contains("token = \"right\""));
    browser.await_shown("file-40-influx.toml");
    browser.click("file-40-influx.toml summary");
    assert!(!browser.text("file-40-influx.toml").contains("right"), "the token is shown");
}
