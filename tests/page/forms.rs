//! Forms of the setup that add sources and publishers, beside real servers where there is one.

use std::fs;

use serde_json::json;

use super::setup::{drop_in, open};
use crate::{Test, browser::Browser, program::*};

pub const TESTS: &[Test] = &[
    ("the_form_for_an_s0_meter_writes_the_chosen_line_and_the_pulses", pulses),
    ("the_form_for_influxdb_sends_what_version_2_documents", influx_2),
];

pub const BROKER_TESTS: &[Test] = &[("the_connection_to_a_real_broker_is_tested_before_it_is_saved", broker)];

pub const INFLUX_TESTS: &[Test] =
    &[("the_connection_to_a_real_influxdb_is_tested_before_it_is_saved", influx_1)];

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
