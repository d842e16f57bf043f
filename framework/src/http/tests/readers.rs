//! Who may read, and the login of browsers.

use super::*;

const READ: &str = "read_token = \"r3ader\"\ntoken = \"s3cret\"\nallow_get_commands = true\n";
const HTML: &str = "Accept: text/html,*/*;q=0.8\r\n";
/// Every route that reads.
const ROUTES: [&str; 10] = [
    "/data",
    "/DATA",
    "/data/meter",
    "/readings",
    "/cmds",
    "/metrics",
    "/events",
    "/series",
    "/history/meter/IMPORT",
    "/nope",
];

/// A setup with tokens, whose sessions are in a folder of its own.
fn with_tokens(more: &str) -> (Setup, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("state_dir = {:?}\n{READ}{more}", folder.path());
    (Setup { config: config.leak(), ..Setup::default() }, folder)
}

async fn ask(setup: &Setup, peer: &str, request: &str, headers: &str) -> Answer {
    let host = if headers.starts_with("Host:") { "" } else { "Host: localhost\r\n" };
    setup.ask_from(peer, &format!("{request} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n")).await
}

async fn log_in(setup: &Setup, peer: &str, token: &str, headers: &str) -> Answer {
    let body = format!("token={token}");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let head = format!("{headers}{form}Content-Length: {}\r\n\r\n{body}", body.len());
    let host = if headers.starts_with("Host:") { "" } else { "Host: localhost\r\n" };
    setup.ask_from(peer, &format!("POST /login HTTP/1.1\r\n{host}Connection: close\r\n{head}")).await
}

/// The header that sends back the cookie of an answer.
fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    format!("Cookie: {}\r\n", set.split(';').next().unwrap())
}

#[tokio::test]
async fn a_read_token_is_needed_for_every_read_from_another_machine_only() {
    let (setup, _folder) = with_tokens("trusted_proxies = [\"127.0.0.1\"]");
    for (peer, headers, is_open) in [
        ("192.168.1.9", "", false),
        ("fe80::1", "", false),
        ("192.168.1.9", "Authorization: Bearer r3ader\r\n", true),
        ("192.168.1.9", "Authorization: bearer s3cret\r\n", true),
        ("192.168.1.9", "Authorization: Bearer r3ade\r\n", false),
        ("192.168.1.9", "Authorization: Bearer \r\n", false),
        ("192.168.1.9", "Authorization: Basic cjNhZGVy\r\n", false),
        ("192.168.1.9", "Cookie: smartmeter-8080=r3ader\r\n", false),
        ("192.168.1.9", "X-Forwarded-For: 127.0.0.1\r\n", false),
        // This machine, and what a proxy forwards to it.
        ("127.0.0.1", "", true),
        ("::ffff:127.0.0.1", "", true),
        ("127.0.0.1", "X-Forwarded-For: 192.168.1.9\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 127.0.0.1\r\n", true),
        ("::1", "X-Forwarded-For: 127.0.0.1\r\n", false),
        ("127.0.0.1", "Authorization: Bearer wrong\r\n", false),
    ] {
        for path in ROUTES {
            // An event stream would not end.
            if path == "/events" && is_open {
                continue;
            }
            let answer = ask(&setup, peer, &format!("GET {path}"), headers).await;
            assert_eq!(answer.status != 401, is_open, "{peer} {path} {headers}: {}", answer.body);
            if !is_open {
                assert_eq!(answer.error().1, "unauthorized");
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
                assert!(!answer.body.contains("r3ader") && !answer.body.contains("IMPORT"));
            }
        }
        let page = ask(&setup, peer, "GET /", headers).await;
        assert_eq!(page.status, if is_open { 200 } else { 401 }, "{peer} {headers}");
        assert_eq!(ask(&setup, peer, "GET /page/style.css", headers).await.status, 200, "{peer} {headers}");
    }
    let open = Setup { config: "token = \"s3cret\"", ..Setup::default() };
    assert_eq!(ask(&open, "192.168.1.9", "GET /data", "").await.status, 200, "nobody asked for it");
}

#[tokio::test]
async fn a_monitor_without_the_token_learns_only_whether_all_is_well() {
    let (setup, _folder) = with_tokens("");
    let (of_stranger, whole) = (
        ask(&setup, "192.168.1.9", "GET /health", "").await,
        ask(&setup, "127.0.0.1", "GET /health", "").await,
    );
    let status = whole.json()["status"].clone();
    assert_eq!(of_stranger.json(), serde_json::json!({"status": status}));
    assert_eq!(of_stranger.status, whole.status);
    assert!(whole.json()["sources"].is_object());
    let wrong = ask(&setup, "192.168.1.9", "GET /health", "Authorization: Bearer wrong\r\n").await;
    assert_eq!(wrong.status, 401);
}

#[tokio::test]
async fn a_browser_logs_in_by_a_form_and_then_reads_with_its_cookie() {
    let (setup, _folder) = with_tokens("");
    let asked = ask(&setup, "192.168.1.9", "GET /", HTML).await;
    assert_eq!((asked.status, asked.header("content-type")), (401, Some("text/html; charset=utf-8")));
    assert!(asked.body.contains("action=\"login\"") && asked.body.contains("Log in"), "{}", asked.body);
    assert!(!asked.body.contains("{"), "{}", asked.body);
    assert_eq!(asked.header("cache-control"), Some("no-store"));
    let policy = asked.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self'") && policy.contains("script-src 'self';"), "{policy}");
    for (accepted, language, word) in [
        ("de-AT,en;q=0.5", "de", "Anmelden"),
        ("it,fr-CH;q=0.9,de;q=0.8", "fr", "Se connecter"),
        ("NL;q=1", "nl", "Inloggen"),
        ("frr, it", "en", "Log in"),
        ("en-GB,de;q=0.9", "en", "Log in"),
    ] {
        let form =
            ask(&setup, "192.168.1.9", "GET /login", &format!("Accept-Language: {accepted}\r\n")).await;
        let has_language = form.body.contains(&format!("<html lang=\"{language}\">"));
        assert!(form.status == 200 && has_language && form.body.contains(word), "{accepted}: {}", form.body);
        assert!(!form.body.contains(['{', '}']), "{}", form.body);
    }
    assert_eq!(ask(&setup, "192.168.1.9", "GET /", "").await.error().0, 401, "a program");

    let logged_in = log_in(&setup, "192.168.1.9", "r3ader", HTML).await;
    assert_eq!((logged_in.status, logged_in.header("location")), (303, Some("login?done")));
    let set = logged_in.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Max-Age=31536000"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains("Path") && !set.contains("Domain"), "{set}");
    let cookie = cookie(&logged_in);
    let landed = ask(&setup, "192.168.1.9", "GET /login?done", &format!("{cookie}{HTML}")).await;
    assert_eq!((landed.status, landed.header("location")), (303, Some("./")));
    let lost = ask(&setup, "192.168.1.9", "GET /login?done", HTML).await;
    assert!(lost.status == 200 && lost.body.contains("kept no cookie"), "{}", lost.body);
    for path in ["/", "/data", "/readings", "/metrics", "/cmds"] {
        assert_eq!(ask(&setup, "192.168.1.9", &format!("GET {path}"), &cookie).await.status, 200, "{path}");
    }
    let health = |headers: String| {
        let setup = &setup;
        async move { ask(setup, "192.168.1.9", "GET /health?code=200", &headers).await.json() }
    };
    assert_eq!(health(cookie.clone()).await["session"], true, "the page offers to log out");
    assert!(health(String::new()).await.get("session").is_none());
    assert!(health("Authorization: Bearer r3ader\r\n".to_owned()).await.get("session").is_none());
    // After a restart, and for another client with the same cookie, as a phone changes its address.
    assert_eq!(ask(&setup, "192.168.1.77", "GET /data", &cookie).await.status, 200);

    let out =
        ask(&setup, "192.168.1.9", "POST /logout", &format!("{cookie}{HTML}Content-Length: 0\r\n")).await;
    assert_eq!((out.status, out.header("location")), (303, Some("./")));
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(ask(&setup, "192.168.1.9", "GET /data", &cookie).await.status, 401, "the old cookie");
}

#[tokio::test]
async fn a_cookie_of_the_command_token_sends_commands_and_one_of_the_read_token_does_not() {
    let (tokens, _folder) = with_tokens("");
    let (mut setup, runs) = with_commands(tokens.config);
    setup.config = tokens.config;
    let body = r#"{"name":"echo","args":{"text":"x"}}"#;
    let post = async |headers: &str| {
        let head = format!(
            "{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let request = format!("POST /cmd HTTP/1.1\r\nConnection: close\r\n{head}");
        setup.ask_from("192.168.1.9", &request).await.status
    };
    let host = "Host: meter.local:8080\r\n";
    let reader = cookie(&log_in(&setup, "192.168.1.9", "r3ader", "").await);
    let owner = cookie(&log_in(&setup, "192.168.1.9", "s3cret", "").await);
    assert_eq!(post(&format!("{host}{reader}")).await, 401);
    assert_eq!(runs.load(Ordering::Relaxed), 0);
    for (headers, status) in [
        ("", 200),
        ("Origin: http://meter.local:8080\r\n", 200),
        // The browser knows the address that a proxy has hidden.
        ("Origin: https://home.example\r\nSec-Fetch-Site: same-origin\r\n", 200),
        // Pages of strangers: another site, another port of this machine, a frame without an origin.
        ("Origin: http://evil.example\r\n", 403),
        ("Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n", 403),
        ("Origin: http://meter.local:3000\r\nSec-Fetch-Site: same-site\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Sec-Fetch-Site: same-site\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
    ] {
        assert_eq!(post(&format!("{host}{owner}{headers}")).await, status, "{headers}");
    }
    let headers = format!("{owner}Sec-Fetch-Site: same-site\r\n");
    let link = ask(&setup, "192.168.1.9", "GET /cmd?name=echo&text=x", &headers).await;
    assert_eq!(link.status, 403);
}

#[tokio::test]
async fn a_login_is_refused_to_wrong_tokens_other_pages_and_other_names() {
    let (setup, _folder) = with_tokens("");
    for (token, headers, status) in [
        ("wrong", HTML, 401),
        ("wrong", "", 401),
        ("", "", 401),
        ("r3ader", "Origin: http://evil.example\r\n", 403),
        ("r3ader", "Origin: null\r\n", 403),
        ("r3ader", "Sec-Fetch-Site: cross-site\r\n", 403),
        ("r3ader", "Host: evil.example\r\n", 421),
        (&"x".repeat(100_000), "", 413),
        ("%72%33ader", "", 200),
    ] {
        let answer = log_in(&setup, "192.168.1.9", token, headers).await;
        assert_eq!(answer.status, status, "{} {headers}: {}", token.get(..9).unwrap_or(token), answer.body);
        assert_eq!(answer.header("set-cookie").is_some(), status == 200, "{headers}");
    }
    // A session that the client has made up is not taken on.
    let fixed = format!("Cookie: smartmeter-8080={}\r\n", "a".repeat(64));
    let answer = log_in(&setup, "192.168.1.9", "r3ader", &fixed).await;
    assert!(!cookie(&answer).contains(&"a".repeat(64)));
    assert_eq!(ask(&setup, "192.168.1.9", "GET /data", &fixed).await.status, 401);
    let nothing = Setup { config: "", ..Setup::default() };
    assert_eq!(log_in(&nothing, "192.168.1.9", "", "").await.status, 403);
}

#[tokio::test]
async fn guesses_at_the_login_and_at_the_reads_count_together() {
    let (setup, _folder) = with_tokens("");
    let access = setup.api().access();
    let peer = |ip: &str| Some(Peer(ip.parse().unwrap()));
    let mut headers = warp::http::HeaderMap::new();
    headers.insert("authorization", "Bearer wrong".parse().unwrap());
    for _ in 0..3 {
        assert_eq!(access.check_reader(peer("192.168.1.9"), &headers).unwrap_err().status(), 401);
    }
    let none = warp::http::HeaderMap::new();
    for _ in 0..2 {
        assert_eq!(access.log_in(peer("192.168.1.9"), false, &none, "wrong").unwrap_err().status(), 401);
    }
    // A second must not pass from the last guess on, so the clock is not asked: one of many is refused.
    let refused = (0..20).filter(|_| {
        access.log_in(peer("192.168.1.9"), false, &none, "wrong").is_err_and(|error| error.status() == 429)
    });
    assert!(refused.count() > 0);
    assert!(access.log_in(peer("192.168.1.8"), false, &none, "r3ader").is_ok(), "another client");
}

#[tokio::test]
async fn new_rules_hold_at_once_and_end_the_sessions_of_the_old_token() {
    let (setup, _folder) = with_tokens("");
    let access = setup.api().access();
    let peer = Some(Peer("192.168.1.9".parse().unwrap()));
    let mut headers = warp::http::HeaderMap::new();
    let set = access.log_in(peer, false, &headers, "r3ader").unwrap();
    let value = set.to_str().unwrap().split(';').next().unwrap().parse().unwrap();
    headers.insert("cookie", value);
    assert!(access.check_reader(peer, &headers).is_ok());
    let apply = |text: &str| {
        access.apply(&Config::parse("config.toml", &format!("[server]\n{text}"), &[]).unwrap().server);
    };
    apply("read_token = \"r3ader\"\nframe_origins = [\"http://home.local:8123\"]");
    assert!(access.check_reader(peer, &headers).is_ok(), "the same token");
    let policy = access.page_policy();
    assert!(
        policy.to_str().unwrap().ends_with("frame-ancestors 'self' http://home.local:8123"),
        "{policy:?}"
    );
    apply("read_token = \"another\"");
    assert!(access.check_reader(peer, &headers).is_err());
    apply("");
    assert!(access.check_reader(peer, &warp::http::HeaderMap::new()).is_ok());
}

#[tokio::test]
async fn a_proxy_that_authenticates_its_users_stands_for_the_token() {
    let (tokens, _folder) =
        with_tokens("authenticating_proxies = [\"172.30.32.2\"]\ntrusted_proxies = [\"172.18.0.1\"]");
    let (mut setup, _) = with_commands(tokens.config);
    setup.config = tokens.config;
    // As Home Assistant's ingress sends it.
    let ingress = "Host: homeassistant.example:8123\r\nX-Forwarded-For: 192.168.1.9\r\nX-Ingress-Path: /api/hassio_ingress/x\r\n\
         X-Remote-User-Id: 1\r\n";
    let command = "GET /cmd?name=echo&text=x";
    for (peer, request, headers, status) in [
        ("172.30.32.2", "GET /data", ingress.to_owned(), 200),
        ("172.30.32.2", command, ingress.to_owned(), 200),
        ("172.30.32.2", command, format!("{ingress}Origin: http://homeassistant.example:8123\r\n"), 200),
        // The password that a proxy asked for is not a token.
        ("172.30.32.2", command, format!("{ingress}Authorization: Basic eDp5\r\n"), 200),
        ("172.30.32.2", command, format!("{ingress}Origin: http://evil.example\r\n"), 403),
        ("172.30.32.2", command, format!("{ingress}Sec-Fetch-Site: cross-site\r\n"), 403),
        // The proxy itself, and others that write the same headers.
        ("172.30.32.2", "GET /data", "Host: localhost\r\n".to_owned(), 401),
        ("172.30.32.3", "GET /data", ingress.replace("homeassistant.example", "localhost"), 401),
        ("172.18.0.1", "GET /data", ingress.replace("homeassistant.example", "localhost"), 401),
        ("127.0.0.1", command, ingress.to_owned(), 401),
    ] {
        let answer = ask(&setup, peer, request, &headers).await;
        assert_eq!(answer.status, status, "{peer} {request} {headers}: {}", answer.body);
    }
}

#[tokio::test]
async fn headers_of_a_proxy_count_only_from_a_trusted_one() {
    let (setup, _folder) =
        with_tokens("trusted_proxies = [\"172.18.0.1\"]\nallowed_hosts = [\"home.example\"]");
    let forwarded = "X-Forwarded-For: 192.168.1.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: home.example\r\n\
         Origin: https://home.example\r\n";
    let trusted = log_in(&setup, "172.18.0.1", "r3ader", forwarded).await;
    assert!(
        trusted.status == 200 && trusted.header("set-cookie").unwrap().ends_with("; Secure"),
        "{trusted:?}"
    );
    // From anybody else they are the client's own words.
    assert_eq!(log_in(&setup, "172.18.0.2", "r3ader", forwarded).await.status, 403);
    let other = forwarded.replace("Origin: https://home.example\r\n", "");
    let cookie = log_in(&setup, "172.18.0.2", "r3ader", &other).await;
    assert!(!cookie.header("set-cookie").unwrap().contains("Secure"), "{cookie:?}");
    // A page that made its own name point to the proxy.
    let rebound =
        "X-Forwarded-For: 192.168.1.9\r\nX-Forwarded-Host: evil.example\r\nAuthorization: Bearer r3ader\r\n";
    assert_eq!(ask(&setup, "172.18.0.1", "GET /data", rebound).await.status, 421);
}
