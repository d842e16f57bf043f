//! The page behind a real nginx, below a path, for a client elsewhere.

use std::{fs, path::Path, process::Command};

use test_servers::Server;

use super::{
    everybody::await_worker,
    household::{CONSUMER, Household, Plan, TOKEN, interactive, reading},
};
use crate::{Test, browser::Browser};

pub const TESTS: &[Test] = &[
    ("behind_nginx_below_a_path_the_page_asks_for_the_token_is_live_and_logs_out", plain),
    ("the_setup_works_behind_nginx_below_a_path", setup),
    ("the_token_of_a_qr_code_logs_in_and_a_wrong_one_is_tried_once", from_a_qr_code),
    ("behind_nginx_the_frame_outlasts_the_program_and_the_login_is_not_kept", frame),
    ("behind_nginx_over_tls_the_cookie_is_secure_and_commands_need_no_token", over_tls),
];

/// The file of the documents, for a program at another port and for a client at 192.168.1.9.
fn snippet(port: u16) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/nginx/smartmeter.conf");
    let text = fs::read_to_string(file).unwrap();
    let text = text.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
    text.replace("X-Forwarded-For $remote_addr", "X-Forwarded-For 192.168.1.9")
}

/// Starts nginx in front of the program, and returns the address of its site.
fn nginx(folder: &Path, household: &Household, tls: bool) -> (Server, String) {
    let port = test_servers::free_port();
    let (scheme, listen) = match tls {
        false => ("http", format!("listen 127.0.0.1:{port};")),
        true => {
            let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name).display().to_string());
            let mut openssl = Command::new("openssl");
            openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]);
            let made = openssl.args(["-keyout", &key, "-out", &cert]).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            let listen =
                format!("listen 127.0.0.1:{port} ssl; ssl_certificate {cert}; ssl_certificate_key {key};");
            ("https", listen)
        }
    };
    let shown = folder.display();
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths: String = paths.iter().map(|name| format!("{name}_temp_path {shown}/{name};\n")).collect();
    let text = format!(
        "daemon off;\nmaster_process off;\npid {shown}/nginx.pid;\nerror_log {shown}/error.log;\nevents {{}}\n\
         http {{\naccess_log off;\n{paths}server {{\n{listen}\n{}}}\n}}\n",
        snippet(household.port)
    );
    let server = test_servers::nginx(folder, port, &text);
    (server, format!("{scheme}://localhost:{port}"))
}

fn plan() -> Plan<'static> {
    let server =
        format!("token = \"{TOKEN}\"\nread_token = \"only-to-read\"\ntrusted_proxies = [\"127.0.0.1\"]\n");
    Plan { server: server.leak(), ..Plan::default() }
}

/// Logs in on the page that the browser shows, and waits for the live page.
fn log_in(browser: &Browser, token: &str) {
    browser.await_shown("login-submit");
    browser.enter("login-token", token);
    browser.click("login-submit");
}

fn plain() {
    let (folder, household) = (tempfile::tempdir().unwrap(), Household::start(&plan()));
    let (_nginx, site) = nginx(folder.path(), &household, false);
    let browser = Browser::open("en-US");
    browser.goto(&format!("{site}/meter"));
    log_in(&browser, "a guess");
    browser.until("the refusal", || browser.text("login-problem").contains("wrong"));
    log_in(&browser, "only-to-read");
    browser.until("interactive", || interactive(&browser));
    assert_eq!(browser.script("return location.href;", &[]), format!("{site}/meter/"));
    // What the address said is kept over the login.
    browser.click("nav-sources");
    browser.click("log-out");
    browser.await_shown("login-submit");
    browser.goto(&format!("{site}/meter/?kiosk#history/week"));
    log_in(&browser, "only-to-read");
    browser.until("interactive", || interactive(&browser));
    assert_eq!(browser.script("return location.href;", &[]), format!("{site}/meter/?kiosk#history/week"));
    let is_kiosk = "return document.documentElement.classList.contains('kiosk');";
    browser.until("the kiosk", || browser.script(is_kiosk, &[]) == true);
    browser.goto(&format!("{site}/meter/"));
    browser.until("interactive", || interactive(&browser));
    household.send(&reading(512.3));
    browser.until("the next reading", || browser.text("hero-power").starts_with("512"));
    // Nothing is asked for outside of the path, and no script sees the cookie.
    let outside = browser.requests().into_iter().filter(|url| url.starts_with("http"));
    let outside: Vec<_> = outside.filter(|url| !url.starts_with(&format!("{site}/meter"))).collect();
    assert_eq!(outside, Vec::<String>::new());
    assert_eq!(browser.script("return document.cookie;", &[]), "");
    // Whoever logs out is asked for the token again, also after a reload.
    browser.click("nav-sources");
    browser.click("log-out");
    browser.await_shown("login-submit");
    browser.goto(&format!("{site}/meter/"));
    browser.await_shown("login-submit");
}

fn frame() {
    let (folder, mut household) = (tempfile::tempdir().unwrap(), Household::start(&plan()));
    let (_nginx, site) = nginx(folder.path(), &household, false);
    let browser = Browser::open("en-US");
    browser.goto(&format!("{site}/meter/"));
    log_in(&browser, "only-to-read");
    browser.until("interactive", || interactive(&browser));
    await_worker(&browser);
    let scope = "return navigator.serviceWorker.ready.then(({ scope }) => scope);";
    assert_eq!(browser.script(scope, &[]), format!("{site}/meter/"));
    // nginx answers that it reaches no program.
    household.kill();
    browser.goto("about:blank");
    browser.goto(&format!("{site}/meter/"));
    browser.await_shown("offline");
    assert_eq!(browser.text("hero-power"), "");
    household.start_again();
    household.send(&reading(612.0));
    browser.until("live again", || browser.text("hero-power") == "612");
    // Without its session, the browser gets the form, and not the frame.
    browser.devtools("Network.clearBrowserCookies", serde_json::json!({}));
    browser.goto("about:blank");
    browser.goto(&format!("{site}/meter/"));
    log_in(&browser, "only-to-read");
    browser.until("interactive", || interactive(&browser));
}

fn setup() {
    let (folder, household) = (tempfile::tempdir().unwrap(), Household::start(&plan()));
    let (_nginx, site) = nginx(folder.path(), &household, false);
    let browser = Browser::open("en-US");
    browser.goto(&format!("{site}/meter/"));
    log_in(&browser, TOKEN);
    browser.until("interactive", || interactive(&browser));
    browser.click("nav-sources");
    browser.click("add");
    browser.await_shown("finder");
    browser.enter(&format!("label-{CONSUMER}"), "Wärmepumpe");
    browser.click(&format!("names-save-{CONSUMER}"));
    household.program().until("/health?code=200", "its label", |health| {
        health["sources"][CONSUMER]["label"] == "Wärmepumpe"
    });
    let file = format!("60-{CONSUMER}.toml");
    browser.await_shown(&format!("file-{file}"));
    browser.click(&format!("file-{file} summary"));
    browser.click(&format!("remove-{file}"));
    browser.click("remove-confirm");
    household
        .program()
        .until("/health?code=200", "no label", |health| health["sources"][CONSUMER].get("label").is_none());
    let outside = browser.requests().into_iter().filter(|url| url.starts_with("http"));
    let outside: Vec<_> = outside.filter(|url| !url.starts_with(&format!("{site}/meter"))).collect();
    assert_eq!(outside, Vec::<String>::new());
}

fn from_a_qr_code() {
    let (folder, household) = (tempfile::tempdir().unwrap(), Household::start(&plan()));
    let (_nginx, site) = nginx(folder.path(), &household, false);
    let browser = Browser::open("en-US");
    browser.goto(&format!("{site}/meter/#token=only-to-read"));
    browser.until("interactive", || interactive(&browser));
    assert_eq!(browser.script("return location.href;", &[]), format!("{site}/meter/"));
    // A wrong one is tried once, and the form stays.
    let other = Browser::open("en-US");
    other.goto(&format!("{site}/meter/#token=a-guess"));
    other.until("the refusal", || other.text("login-problem").contains("wrong"));
    assert_eq!(other.script("return sessionStorage.getItem('login-tried');", &[]), "a-guess");
    log_in(&other, "only-to-read");
    other.until("interactive", || interactive(&other));
}

fn over_tls() {
    let (folder, household) = (tempfile::tempdir().unwrap(), Household::start(&plan()));
    let (_nginx, site) = nginx(folder.path(), &household, true);
    let browser = Browser::open("de-DE");
    browser.goto(&format!("{site}/meter/"));
    browser.until("German", || browser.text("login-submit") == "Anmelden");
    log_in(&browser, TOKEN);
    browser.until("interactive", || interactive(&browser));
    let cookies = browser.devtools("Network.getCookies", serde_json::json!({}));
    let cookie = &cookies["cookies"][0];
    assert_eq!(
        (&cookie["secure"], &cookie["httpOnly"], &cookie["sameSite"], &cookie["path"]),
        (&true.into(), &true.into(), &"Strict".into(), &"/meter".into()),
        "{cookies}"
    );
    browser.click("nav-sources");
    browser.click(&format!("run-{CONSUMER}.reset_s0"));
    browser.await_shown("dialog");
    browser.click("confirm");
    household.program().until("/data", "reset", |data| data[CONSUMER]["pulses"] == 0);
}
