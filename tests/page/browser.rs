//! Real browser: Chromium, driven by chromedriver over W3C WebDriver's HTTP
//! (<https://www.w3.org/TR/webdriver2/>) and, for what that cannot do, the DevTools protocol.
//!
//! Elements are named by their `data-test` attribute; what follows a blank is CSS below it: `"phase-L1 .value"`.

#![allow(dead_code, clippy::unwrap_used, missing_docs, unreachable_pub)] // a test fails at once when something does not work

use std::{
    cell::{Cell, RefCell},
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use test_servers::Server;

use crate::program::DEADLINE;

/// Required programs, from Debian's packages `chromium` and `chromium-driver`.
pub const NEEDED: [&str; 2] = ["chromium", "chromedriver"];

/// Key of an element's identifier in WebDriver's answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const SPACE: &str = "\u{e00d}";
pub const ESCAPE: &str = "\u{e00c}";
pub const LEFT: &str = "\u{e012}";
pub const RIGHT: &str = "\u{e014}";

/// Browser with one tab.
pub struct Browser {
    /// URL of the session at the driver.
    session: String,
    agent: ureq::Agent,
    /// Log entries so far: reading removes them from the browser.
    console: RefCell<Vec<Json>>,
    traffic: RefCell<Vec<Json>>,
    size: Cell<(u32, u32)>,
    _driver: Server,
    /// The browser's own files, which neither Chromium nor the driver removes.
    _folder: TempDir,
}

impl Browser {
    /// Opens a browser in this language, such as `"de-DE"`, on a screen of 1280 × 900.
    pub fn open(language: &str) -> Self {
        Self::with_text_of(language, 16)
    }

    /// Opens a browser whose user reads letters of this size in pixels.
    pub fn with_text_of(language: &str, size: u32) -> Self {
        let port = test_servers::free_port();
        let mut command = Command::new("chromedriver");
        let folder = tempfile::tempdir().unwrap();
        command.arg(format!("--port={port}")).env("TMPDIR", folder.path()).stderr(Stdio::null());
        let driver = Server::start(command, port, test_servers::listens);
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(3 * DEADLINE));
        let mut browser = Self {
            session: format!("http://127.0.0.1:{port}/session"),
            agent: config.build().into(),
            console: RefCell::default(),
            traffic: RefCell::default(),
            size: Cell::default(),
            _driver: driver,
            _folder: folder,
        };
        let options = json!({
            // Chromium has no sandbox for root, and a container has little shared memory.
            "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                "--enable-precise-memory-info", format!("--lang={language}")],
            "prefs": {"intl.accept_languages": language, "webkit.webprefs.default_font_size": size},
        });
        let capabilities = json!({"browserName": "chrome", "acceptInsecureCerts": true,
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}});
        let answer = browser.post("", &json!({"capabilities": {"alwaysMatch": capabilities}}));
        browser.session += &format!("/{}", answer["sessionId"].as_str().unwrap());
        browser.size(1280, 900);
        browser
    }

    /// Sends a command of WebDriver and returns its answer.
    fn post(&self, path: &str, body: &Json) -> Json {
        self.try_post(path, body).unwrap_or_else(|error| panic!("{path} {body:.200}: {error:#}"))
    }

    fn try_post(&self, path: &str, body: &Json) -> Result<Json, Json> {
        let request = self.agent.post(format!("{}{path}", self.session));
        let mut answer = request.header("Content-Type", "application/json").send(body.to_string()).unwrap();
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(1 << 28).read_to_string().unwrap();
        let mut json: Json = serde_json::from_str(&text).unwrap();
        if status.is_success() { Ok(json["value"].take()) } else { Err(json["value"]["message"].take()) }
    }

    /// Sends a command of the DevTools protocol.
    pub fn devtools(&self, command: &str, parameters: Json) -> Json {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Opens a page and waits until it is loaded.
    pub fn goto(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// Sets the size of the page in CSS pixels. A page narrower than 600 is a phone with a touch screen.
    pub fn size(&self, width: u32, height: u32) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
        self.devtools("Emulation.setTouchEmulationEnabled", json!({"enabled": width < 600}));
        self.size.set((width, height));
    }

    /// Sets the user's preferences: `[("prefers-color-scheme", "dark")]`.
    pub fn prefers(&self, features: &[(&str, &str)]) {
        let features: Vec<_> =
            features.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Sets the user's time zone.
    pub fn zone(&self, name: &str) {
        self.devtools("Emulation.setTimezoneOverride", json!({"timezoneId": name}));
    }

    /// Runs the body of a function in the page and returns its result, or that of its promise.
    pub fn script(&self, body: &str, args: &[Json]) -> Json {
        self.post("/execute/sync", &json!({"script": body, "args": args}))
    }

    /// Evaluates a JavaScript expression over an element `e`, which is `null` if there is none.
    fn of(&self, at: &str, expression: &str) -> Json {
        let body = format!("const e = document.querySelector(arguments[0]); return {expression};");
        self.script(&body, &[selector(at).into()])
    }

    /// Visible text of an element; empty if there is no such element or it is hidden.
    pub fn text(&self, at: &str) -> String {
        let text = self.of(at, "e && e.checkVisibility() ? e.innerText : ''");
        text.as_str().unwrap().trim().to_owned()
    }

    /// Whether the element is visible.
    pub fn shows(&self, at: &str) -> bool {
        self.of(at, "!!e && e.checkVisibility() && e.getClientRects().length > 0").as_bool().unwrap()
    }

    pub fn attribute(&self, at: &str, name: &str) -> Option<String> {
        self.of(at, &format!("e && e.getAttribute({})", json!(name))).as_str().map(str::to_owned)
    }

    /// Number of such elements.
    pub fn count(&self, css: &str) -> u64 {
        self.script("return document.querySelectorAll(arguments[0]).length;", &[css.into()]).as_u64().unwrap()
    }

    /// Waits until the element is visible.
    pub fn await_shown(&self, at: &str) {
        self.until(&format!("`{at}` shown"), || self.shows(at));
    }

    /// Waits until the view that the address names is complete and drawn for the size of the screen. Only then can it be
    /// measured: a resize, a navigation and a reload are done later than their commands.
    pub fn settle(&self) {
        let seen = Cell::new(Json::Null);
        let look = || {
            let before = seen.replace(self.script(include_str!("settled.js"), &[]));
            let now = seen.take();
            let is_settled = now["lacks"].is_null() && now == before;
            seen.set(now);
            is_settled
        };
        self.until_or("settled", look, || seen.take().to_string());
    }

    /// Waits until the condition holds.
    pub fn until(&self, what: &str, wanted: impl FnMut() -> bool) {
        self.until_or(what, wanted, String::new);
    }

    /// As `until`; `why` says what else may explain that the condition never holds.
    fn until_or(&self, what: &str, mut wanted: impl FnMut() -> bool, why: impl Fn() -> String) {
        let start = Instant::now();
        while !wanted() {
            if start.elapsed() > DEADLINE {
                let text = self.script("return location.href + '\\n' + document.body.innerText;", &[]);
                let text = text.as_str().unwrap_or_default();
                panic!("never {what}: {} {text}\n{:#?}", why(), self.console());
            }
            thread::sleep(Duration::from_millis(10)); // between two checks, not for timing
        }
    }

    /// Clicks on the element as a user would. It fails if something covers it.
    pub fn click(&self, at: &str) {
        let start = Instant::now();
        while let Err(error) = self.try_post(&format!("/element/{}/click", self.element(at)), &json!({})) {
            // It may still be moving, covered by a message that disappears, or just replaced by its like.
            assert!(start.elapsed() < DEADLINE, "{at}: {error}");
            thread::sleep(Duration::from_millis(20)); // between two attempts
        }
    }

    /// Replaces the text of a field by typing.
    pub fn enter(&self, at: &str, text: &str) {
        let element = self.element(at);
        self.post(&format!("/element/{element}/clear"), &json!({}));
        self.post(&format!("/element/{element}/value"), &json!({"text": text}));
    }

    /// Presses keys one after the other where the focus is.
    pub fn press(&self, keys: &str) {
        let key = |kind: &str, key: char| json!({"type": kind, "value": key.to_string()});
        let actions: Vec<_> = keys.chars().flat_map(|k| [key("keyDown", k), key("keyUp", k)]).collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.post("/actions", &json!({"actions": [keyboard]}));
    }

    /// Moves the mouse over the element, at this distance from its middle in pixels.
    pub fn hover(&self, at: &str, x: i32, y: i32) {
        self.of(at, "e.scrollIntoView({block: 'center', behavior: 'instant'})");
        let origin = json!({ELEMENT: self.element(at)});
        let pointer_move = json!({"type": "pointerMove", "duration": 0, "origin": origin, "x": x, "y": y});
        let mouse = json!({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"},
            "actions": [pointer_move]});
        self.post("/actions", &json!({"actions": [mouse]}));
    }

    /// Taps on the element with a finger, at this distance from its middle in pixels, and lifts it.
    pub fn tap(&self, at: &str, x: i32, y: i32) {
        self.of(at, "e.scrollIntoView({block: 'center', behavior: 'instant'})");
        let origin = json!({ELEMENT: self.element(at)});
        let there = json!({"type": "pointerMove", "duration": 0, "origin": origin, "x": x, "y": y});
        let [down, up] = ["pointerDown", "pointerUp"].map(|kind| json!({"type": kind, "button": 0}));
        let finger = json!({"type": "pointer", "id": "finger", "parameters": {"pointerType": "touch"},
            "actions": [there, down, up]});
        self.post("/actions", &json!({"actions": [finger]}));
    }

    /// Clicks where the mouse is.
    pub fn press_mouse(&self) {
        let [down, up] = ["pointerDown", "pointerUp"].map(|kind| json!({"type": kind, "button": 0}));
        let mouse = json!({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"},
            "actions": [down, up]});
        self.post("/actions", &json!({"actions": [mouse]}));
    }

    /// Swipes with a finger over the element, by this distance in pixels.
    pub fn swipe(&self, at: &str, x: i32, y: i32) {
        self.of(at, "e.scrollIntoView({block: 'center', behavior: 'instant'})");
        let origin = json!({ELEMENT: self.element(at)});
        let there = json!({"type": "pointerMove", "duration": 0, "origin": origin, "x": -x / 2, "y": 0});
        let [down, up] = ["pointerDown", "pointerUp"].map(|kind| json!({"type": kind, "button": 0}));
        let [half, rest] = [x / 2, x - x / 2]
            .map(|x| json!({"type": "pointerMove", "duration": 30, "origin": "pointer", "x": x, "y": y / 2}));
        let finger = json!({"type": "pointer", "id": "finger", "parameters": {"pointerType": "touch"},
            "actions": [there, down, half, rest, up]});
        self.post("/actions", &json!({"actions": [finger]}));
    }

    /// Tells the page that another tab hides it, or that it is seen again. A browser without a screen hides none.
    pub fn hide(&self, is_hidden: bool) {
        let body = "Object.defineProperty(document, 'hidden', {value: arguments[0], configurable: true}); \
                    document.dispatchEvent(new Event('visibilitychange'));";
        self.script(body, &[is_hidden.into()]);
    }

    fn element(&self, at: &str) -> String {
        self.until(&format!("`{at}` there"), || self.of(at, "!!e") == true);
        let found = self.post("/element", &json!({"using": "css selector", "value": selector(at)}));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Picture of the whole page, as on a screen that is high enough for it.
    pub fn screenshot(&self, path: &Path) {
        self.settle();
        let (width, height) = self.size.get();
        let content = self.script("return document.scrollingElement.scrollHeight;", &[]).as_u64().unwrap();
        self.size(width, height.max(content.try_into().unwrap()));
        self.settle();
        let picture = self.devtools("Page.captureScreenshot", json!({"format": "png"}));
        self.size(width, height);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, base64(picture["data"].as_str().unwrap())).unwrap();
    }

    /// Console messages so far: `level`, `source` and `message`.
    pub fn console(&self) -> Vec<Json> {
        let mut known = self.console.borrow_mut();
        known.extend(self.log("browser"));
        known.clone()
    }

    /// URLs that the browser has requested so far.
    pub fn requests(&self) -> Vec<String> {
        let mut known = self.traffic.borrow_mut();
        for entry in self.log("performance") {
            let event: Json = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            if event["message"]["method"] == "Network.requestWillBeSent" {
                known.push(event["message"]["params"]["request"]["url"].clone());
            }
        }
        known.iter().map(|url| url.as_str().unwrap().to_owned()).collect()
    }

    fn log(&self, kind: &str) -> Vec<Json> {
        let Json::Array(entries) = self.post("/se/log", &json!({"type": kind})) else { return Vec::new() };
        entries
    }

    /// Metric of the tab from `Performance.getMetrics`: `"JSHeapUsedSize"` in bytes, `"Nodes"`.
    pub fn metric(&self, name: &str) -> f64 {
        self.devtools("Performance.enable", json!({}));
        let metrics = self.devtools("Performance.getMetrics", json!({}));
        let metric = metrics["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == name);
        metric.unwrap()["value"].as_f64().unwrap()
    }

    /// Memory of the page's scripts in bytes, after garbage collection.
    pub fn heap(&self) -> f64 {
        self.devtools("HeapProfiler.collectGarbage", json!({}));
        self.metric("JSHeapUsedSize")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Without this the browser would outlive the driver.
        let _ = self.agent.delete(&self.session).call();
    }
}

pub fn selector(at: &str) -> String {
    let (hook, below) = at.split_once(' ').unwrap_or((at, ""));
    format!("[data-test=\"{hook}\"] {below}")
}

/// Decodes base64 (RFC 4648, 4).
pub fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<_> = text.bytes().take_while(|&c| c != b'=').map(digit).collect();
    let triple = |four: &[u8]| {
        let bits = four.iter().fold(0, |bits, &digit| bits << 6 | u32::from(digit)) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(triple).collect()
}
