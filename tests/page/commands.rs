//! Commands on the page: from this machine and from others, with a token and without.

use std::path::Path;

use super::{
    household::{CONSUMER, Household, METER, Plan, TOKEN},
    now::nothing_amiss,
    proxy::from_elsewhere,
};
use crate::{Test, browser::Browser};

pub const TESTS: &[Test] = &[
    ("a_command_is_confirmed_and_done", from_here),
    ("a_command_from_elsewhere_needs_the_token", with_token),
    ("without_a_configured_token_the_page_explains_the_refusal", refused),
    ("each_argument_has_the_field_of_its_kind_with_its_limits", fields),
    ("everything_a_meter_sends_is_in_its_table", readings),
];

fn form(command: &str) -> String {
    format!("{CONSUMER}.{command}")
}

fn count(household: &Household) -> f64 {
    household.program().get(&format!("/data/{CONSUMER}")).1["count"].as_f64().unwrap()
}

/// Fills in the form that sets the count and submits it, up to the question for confirmation.
fn set_count(browser: &Browser, value: &str) {
    browser.enter(&format!("arg-{}-value", form("set_s0")), value);
    browser.click(&format!("run-{}", form("set_s0")));
    browser.await_shown("dialog");
}

fn from_here() {
    let household = Household::start(&Plan::default());
    let browser = household.open("en-US");
    browser.click("nav-sources");
    set_count(&browser, "13756.57");
    let text = browser.text("dialog-text");
    assert!(text.contains("13,756.57") && text.contains("kWh"), "{text}");
    let before = count(&household);
    browser.click("cancel");
    browser.until("no question", || !browser.shows("dialog"));
    assert_eq!(count(&household), before);

    set_count(&browser, "13756.57");
    assert!(!browser.shows("token"));
    browser.click("confirm");
    browser.await_shown("toast");
    assert_eq!(browser.attribute("toast", "data-kind").as_deref(), Some("good"));
    household.program().until("/data", "set", |data| data[CONSUMER]["count"] == 13756.57);

    browser.click(&format!("run-{}", form("reset_s0")));
    browser.await_shown("dialog");
    // The message has the count from before the reset, so that nobody loses it by mistake.
    let text = browser.text("dialog-text");
    assert!(text.contains("13,756.57"), "{text}");
    browser.click("confirm");
    household.program().until("/data", "reset", |data| data[CONSUMER]["pulses"] == 0);
    nothing_amiss(&browser, &household.url());
}

fn with_token() {
    let household = Household::start(&Plan { server: &format!("token = \"{TOKEN}\"\n"), ..Plan::default() });
    let browser = Browser::open("en-US");
    browser.goto(&format!("http://127.0.0.1:{}/#sources", from_elsewhere(&household)));
    set_count(&browser, "2.5");
    if !browser.shows("token") {
        browser.click("confirm");
        browser.await_shown("token");
    }
    browser.enter("token", "no-such-token");
    browser.click("confirm");
    // The page asks for the token again, and nothing was done.
    browser.until("the refusal", || browser.text("dialog").to_lowercase().contains("wrong"));
    browser.await_shown("token");
    assert_ne!(count(&household), 2.5);
    browser.enter("token", TOKEN);
    browser.click("confirm");
    browser.await_shown("toast");
    browser.until("done", || browser.attribute("toast", "data-kind").as_deref() == Some("good"));
    household.program().until("/data", "set", |data| data[CONSUMER]["count"] == 2.5);
    // The token is kept in this tab only.
    let kept = "return [sessionStorage.getItem('token'), JSON.stringify(localStorage), document.cookie, location.href];";
    let kept = browser.script(kept, &[]);
    assert_eq!(kept[0], TOKEN);
    for other in 1..4 {
        assert!(!kept[other].as_str().unwrap().contains(TOKEN), "{kept}");
    }
    let page = browser.script("return document.body.innerHTML;", &[]);
    assert!(!page.as_str().unwrap().contains(TOKEN));
    set_count(&browser, "7.25");
    assert!(!browser.shows("token"));
    browser.click("confirm");
    household.program().until("/data", "set", |data| data[CONSUMER]["count"] == 7.25);
    // The browser itself logs the 401; the page logs nothing.
    let page: Vec<_> = browser.console().into_iter().filter(|entry| entry["source"] != "network").collect();
    assert!(page.is_empty(), "{page:#?}");
}

fn refused() {
    let household = Household::start(&Plan::default());
    let browser = Browser::open("en-US");
    browser.goto(&format!("http://127.0.0.1:{}/#sources", from_elsewhere(&household)));
    let before = count(&household);
    set_count(&browser, "2.5");
    browser.click("confirm");
    let text = || format!("{} {}", browser.text("dialog"), browser.text("toast"));
    // The page says it in its own words, by the cause that the program names.
    browser.until("the reason", || text().contains("until a token is set"));
    assert_eq!(count(&household), before);
    // A refusal for another reason that speaks of a token is none of these.
    let body = "return fetch('cmd', {method: 'POST', headers: {'Content-Type': 'application/json', Prefer: 'cause'}, \
                body: '{\"name\": \"set_s0\"}'}).then((answer) => answer.json());";
    assert_eq!(browser.script(body, &[])["error"]["cause"], "no_token");
    let other = |more: &[_]| {
        let headers = [&[("Origin", "http://token.example")], more].concat();
        household.program().post_with("/cmd", "{}", &headers)
    };
    let (status, json) = other(&[("Prefer", "cause")]);
    assert_eq!((status, &json["error"]["cause"]), (403, &"foreign_page".into()), "{json}");
    // Who does not ask for it gets the bytes of the contract.
    assert_eq!(other(&[]).1["error"].as_object().unwrap().len(), 2);
}

/// A source without a device, whose command has every kind of argument. It writes them to a file.
fn room(file: &Path) -> String {
    let args = ["target", "minutes", "fan", "mode", "by"]
        .map(|arg| format!("$SMARTMETER_ARG_{}", arg.to_uppercase()));
    format!(
        r#"
[sources.room]
plugin = "exec"
[sources.room.commands.heat]
about = "heats"
command = ["/bin/sh", "-c", 'echo "{}" > {}']
args = [
  {{ name = "target", about = "temperature", unit = "°C", min = -5, max = 30, step = 0.5 }},
  {{ name = "minutes", kind = "integer", about = "time", unit = "min", max = 90, optional = true }},
  {{ name = "fan", kind = "bool", about = "fan", default = false }},
  {{ name = "mode", kind = "text", about = "mode", choices = ["eco", "boost"], default = "eco" }},
  {{ name = "by", kind = "text", about = "who says so", optional = true }},
]
"#,
        args.join(","),
        file.display()
    )
}

fn fields() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("args");
    let household = Household::start(&Plan { more: &room(&file), ..Plan::default() });
    let browser = household.open("de-DE");
    browser.click("nav-sources");
    let field = |arg: &str| format!("arg-room.heat-{arg}");
    browser.await_shown(&field("target"));
    let kind = |arg: &str| {
        let body = "const e = document.querySelector(`[data-test=\"${arguments[0]}\"]`); return `${e.localName} ${e.type} ${e.value}`;";
        browser.script(body, &[field(arg).into()])
    };
    for (arg, expected) in [
        ("target", "input text "),
        ("minutes", "input text "),
        ("fan", "input checkbox on"),
        ("mode", "select select-one eco"),
        ("by", "input text "),
    ] {
        assert_eq!(kind(arg), expected);
    }
    let form = browser.text("command-room.heat");
    for expected in
        ["temperature (°C)", "-5 °C bis 30 °C, in Schritten von 0,5", "höchstens 90 min, freiwillig"]
    {
        let form = form.replace('\u{a0}', " ").replace('−', "-");
        assert!(form.contains(expected), "{expected} is not in {form}");
    }
    // Each of these is told before anything is sent, in the field's own place.
    let problem = |arg: &str, text: &str| {
        browser.enter(&field(arg), text);
        browser.click("run-room.heat");
        assert!(!browser.shows("dialog"));
        browser.text(&format!("arg-room.heat-{arg}-problem")).replace('\u{a0}', " ").replace('−', "-")
    };
    for text in ["-5,5", "31", "20,3"] {
        let limits = "Bitte eine passende Zahl eingeben: -5 °C bis 30 °C, in Schritten von 0,5.";
        assert_eq!(problem("target", text), limits, "{text}");
    }
    assert!(problem("target", "warm").starts_with("Bitte eine Zahl eingeben, zum Beispiel"));
    assert!(problem("target", "").starts_with("Bitte eine Zahl eingeben, zum Beispiel"));
    assert_eq!(problem("minutes", "1,5"), "Bitte eine ganze Zahl eingeben, zum Beispiel 3.");
    assert!(!file.exists());
    browser.enter(&field("target"), "-4,5");
    browser.enter(&field("minutes"), "");
    browser.click(&field("fan"));
    browser.click(&format!("{} option[value=boost]", field("mode")));
    browser.click("run-room.heat");
    browser.await_shown("dialog");
    let question = browser.text("dialog-text").replace('\u{a0}', " ").replace('−', "-");
    assert!(question.contains("target = -4,5 °C, fan = ja, mode = boost"), "{question}");
    browser.click("confirm");
    let done = || std::fs::read_to_string(&file).unwrap_or_default();
    browser.until("done", || done().trim() == "-4.5,,true,boost,");
    browser.until("said", || browser.attribute("toast", "data-kind").as_deref() == Some("good"));
    nothing_amiss(&browser, &household.url());
}

fn readings() {
    let household = Household::start(&Plan::default());
    let browser = household.open("en-US");
    browser.click("nav-sources");
    browser.click(&format!("readings-{METER} summary"));
    let table = format!("table-{METER}");
    browser.await_shown(&table);
    let shown = browser.text(&table);
    // The table has every digit of the meter.
    for wanted in ["1.8.0", "POWER_IMPORT", "4,457.12345678", "kWh", "16.7.0", "458.9", "W", "1EBZ0100000042"]
    {
        assert!(shown.contains(wanted), "{wanted} is not in {shown}");
    }
    let rows = browser.count(&format!("[data-test=\"{table}\"] tbody tr"));
    let data = household.program().get(&format!("/data/{METER}")).1;
    assert_eq!(rows, data.as_object().unwrap().len() as u64 - 1, "{data:#}");
}
