use super::*;

async fn ask(config: &'static str, path: &str, headers: &str) -> Answer {
    let setup = Setup { config, ..Setup::default() };
    setup.ask_from("192.168.1.9", &format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n")).await
}

#[tokio::test]
async fn a_name_that_is_not_of_this_machine_is_misdirected() {
    const NAMED: &str = "allowed_hosts = [\"meter.example\"]";
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let own = own.trim();
    let short = own.split('.').next().unwrap();
    for (config, host, status) in [
        ("", "localhost", 200),
        ("", "LOCALHOST:8080", 200),
        ("", "192.168.1.7", 200),
        ("", "192.168.1.7:8080", 200),
        ("", "[fe80::1]:8080", 200),
        ("", own, 200),
        ("", &*own.to_uppercase(), 200),
        ("", &*format!("{short}.local:8080"), 200),
        ("", &*format!("{short}.local.:8080"), 200),
        ("", &*format!("{short}.evil.example"), 421),
        ("", "evil.example", 421),
        ("", "evil.example:8080", 421),
        ("", "192.168.1.7.evil.example", 421),
        ("", "localhost.evil.example", 421),
        ("", "x@192.168.1.7", 421),
        ("", "meter.example", 421),
        (NAMED, "meter.example", 200),
        (NAMED, "Meter.Example:80", 200),
        (NAMED, "x.meter.example", 421),
        ("allowed_hosts = [\"*\"]", "evil.example", 200),
    ] {
        for path in
            ["/data", "/data/meter", "/DATA", "/health?code=200", "/metrics", "/", "/cmds", "/readings"]
        {
            let answer = ask(config, path, &format!("Host: {host}\r\n")).await;
            assert_eq!(answer.status, status, "{config} {host} {path}");
            if status == 421 {
                assert_eq!(answer.error().1, "unknown_host");
                assert!(answer.message().contains("`allowed_hosts`"), "{}", answer.message());
            }
        }
    }
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_refused_and_an_absolute_target_counts_as_host() {
    const OWN: &str = "Host: localhost\r\n";
    const FOREIGN: &str = "Host: evil.example\r\n";
    for (target, version, headers, status) in [
        ("", "1.1", "", 400),
        ("", "1.1", "Host: localhost\r\nHost: localhost\r\n", 400),
        ("", "1.1", "Host: localhost\r\nHost: evil.example\r\n", 400),
        ("", "1.0", "Host: localhost\r\nHost: evil.example\r\n", 400),
        ("", "1.1", "Host:\r\n", 421),
        // Browsers do not speak it.
        ("", "1.0", "", 200),
        ("", "1.0", OWN, 200),
        ("", "1.0", FOREIGN, 421),
        ("http://localhost:8080", "1.1", OWN, 200),
        ("http://127.0.0.1", "1.1", FOREIGN, 200),
        ("HTTP://[::1]:8080", "1.0", "", 200),
        ("http://evil.example", "1.1", OWN, 421),
        ("http://evil.example:8080", "1.0", OWN, 421),
        ("http://evil.example", "1.0", "", 421),
        ("http://me@localhost", "1.1", OWN, 421),
        ("http://localhost", "1.1", "", 400),
    ] {
        for path in ["/data", "/data/meter", "/DATA", "/health?code=200", "/metrics", "/", "/cmds"] {
            let request = format!("GET {target}{path} HTTP/{version}\r\nConnection: close\r\n{headers}\r\n");
            let answer = Setup::default().ask_from("192.168.1.9", &request).await;
            assert_eq!(answer.status, status, "{request}");
        }
    }
}

#[tokio::test]
async fn a_command_goes_to_the_host_of_an_absolute_target() {
    for (target, version, host, status) in [
        ("http://localhost", "1.1", "Host: localhost\r\n", 200),
        ("http://localhost", "1.1", "Host: evil.example\r\n", 200),
        ("http://localhost", "1.0", "", 200),
        ("http://evil.example", "1.1", "Host: localhost\r\n", 403),
        ("", "1.0", "", 403),
    ] {
        let (setup, runs) = with_commands("");
        let body = r#"{"name":"echo","args":{"text":"x"}}"#;
        let request = format!(
            "POST {target}/cmd HTTP/{version}\r\n{host}Connection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(setup.ask_from("127.0.0.1", &request).await.status, status, "{target} {version} {host}");
        assert_eq!(runs.load(Ordering::Relaxed), usize::from(status == 200));
    }
}

#[tokio::test]
async fn an_endpoint_checks_the_host_of_every_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let routes = warp::any().map(Response::default);
    let setup = Setup { config: "allowed_hosts = [\"meter.example\"]", ..Setup::default() };
    let access = setup.api().access();
    let served = tokio::spawn(crate::http::serve_routes(listener, routes, access, stop.clone()));
    let running = Running { store: setup.store, address, stop, served };
    for (host, status) in [
        ("Host: localhost\r\n", 200),
        ("Host: meter.example\r\n", 200),
        ("Host: evil.example\r\n", 421),
        ("", 400),
    ] {
        for request in ["GET /", "GET /uuid", "POST /", "GET /cmd", "POST /cmd"] {
            let answer = running.send(format!("{request} HTTP/1.1\r\nConnection: close\r\n{host}\r\n")).await;
            assert_eq!(answer.status, status, "{request} {host}");
        }
    }
}

#[tokio::test]
async fn web_pages_of_other_hosts_read_only_where_they_are_listed() {
    const LISTED: &str = "cors_origins = [\"http://panel.home\", \"https://grafana.home:3000\"]";
    const PAGE: Option<&str> = Some("http://panel.home");
    for (config, origin, granted, varies) in [
        ("", "http://panel.home", None, false),
        (LISTED, "http://panel.home", PAGE, true),
        (LISTED, "http://evil.example", None, true),
        (LISTED, "https://panel.home", None, true),
        (LISTED, "null", None, true),
        ("cors_origins = [\"*\"]", "http://evil.example", Some("*"), false),
        ("command_origins = [\"http://panel.home\"]", "http://panel.home", None, false),
    ] {
        for path in [
            "/data",
            "/data/meter",
            "/health?code=200",
            "/metrics",
            "/cmds",
            "/series",
            "/history/x/y",
            "/nope",
        ] {
            let answer = ask(config, path, &format!("Host: localhost\r\nOrigin: {origin}\r\n")).await;
            assert_eq!(answer.header("access-control-allow-origin"), granted, "{config} {origin} {path}");
            assert_eq!(answer.header("vary"), varies.then_some("Origin"), "{config} {origin} {path}");
        }
        // What may read, may not send commands.
        let preflight = "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: http://evil.example\r\n\r\n";
        let setup = Setup { config, ..Setup::default() };
        let answer = setup.ask_from("127.0.0.1", preflight).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{config}");
    }
}
