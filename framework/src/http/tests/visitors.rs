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
    // Only browsers can be misled, and they send a name; one of two is enough.
    assert_eq!(ask("", "/data", "").await.status, 200);
    assert_eq!(ask("", "/data", "Host: localhost\r\nHost: evil.example\r\n").await.status, 421);
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
