use super::*;

const TOKEN: &str = "token = \"s3cret\"\nallow_get_commands = true";
const NO_TOKEN: &str = "allow_get_commands = true";
const PAGE: &str = "command_origins = [\"http://panel.home\"]\nallow_get_commands = true";

const BODY: &str = r#"{"name":"echo","args":{"text":"x"}}"#;

/// Answer to `peer` when it sends a command with these headers.
async fn command(config: &'static str, peer: &str, headers: &str) -> (Answer, usize) {
    let (setup, runs) = with_commands(config);
    let request = format!(
        "POST /cmd HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{BODY}",
        BODY.len()
    );
    let posted = setup.ask_from(peer, &request).await;
    let ran = runs.load(Ordering::Relaxed);
    // A link must pass the same checks.
    let request = format!("GET /cmd?name=echo&text=x HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
    let linked = setup.ask_from(peer, &request).await;
    assert_eq!(posted.status, linked.status, "{headers}");
    (posted, ran)
}

#[tokio::test]
async fn commands_need_this_machine_or_the_token() {
    const HERE: &str = "Host: localhost:8080\r\n";
    for (config, peer, headers, status) in [
        // This machine, however it is called.
        (NO_TOKEN, "127.0.0.1", HERE, 200),
        (NO_TOKEN, "127.8.9.1", HERE, 200),
        (NO_TOKEN, "::1", "Host: [::1]:8080\r\n", 200),
        (NO_TOKEN, "::ffff:127.0.0.1", "Host: 192.168.1.7\r\n", 200),
        (TOKEN, "127.0.0.1", HERE, 200),
        // Another one.
        (NO_TOKEN, "192.168.1.9", HERE, 403),
        (NO_TOKEN, "::ffff:192.168.1.9", HERE, 403),
        (NO_TOKEN, "fe80::1", HERE, 403),
        (NO_TOKEN, "192.168.1.9", "Host: localhost\r\nAuthorization: Bearer s3cret\r\n", 403),
        (TOKEN, "192.168.1.9", HERE, 401),
        (TOKEN, "192.168.1.9", "Host: meter.home\r\nAuthorization: Bearer s3cret\r\n", 200),
        (TOKEN, "192.168.1.9", "Host: meter.home\r\nAuthorization: bearer  s3cret \r\n", 200),
        (TOKEN, "192.168.1.9", "Host: meter.home\r\nAuthorization: Bearer s3cre\r\n", 401),
        (TOKEN, "192.168.1.9", "Host: meter.home\r\nAuthorization: Bearer s3cretx\r\n", 401),
        (TOKEN, "192.168.1.9", "Host: meter.home\r\nAuthorization: Bearer\r\n", 401),
        (TOKEN, "192.168.1.9", "Host: meter.home\r\nAuthorization: Basic s3cret\r\n", 401),
        (TOKEN, "192.168.1.9", "Host: meter.home\r\nAuthorization: s3cret\r\n", 401),
        // A token that is shown must be right, from wherever.
        (TOKEN, "127.0.0.1", "Host: localhost\r\nAuthorization: Bearer nope\r\n", 401),
        (NO_TOKEN, "127.0.0.1", "Host: localhost\r\nAuthorization: Bearer nope\r\n", 401),
        (TOKEN, "127.0.0.1", "Host: evil.example\r\nAuthorization: Bearer s3cret\r\n", 200),
        // A proxy on this machine that speaks for another.
        (NO_TOKEN, "127.0.0.1", "Host: localhost\r\nX-Forwarded-For: 192.168.1.9\r\n", 403),
        (TOKEN, "127.0.0.1", "Host: localhost\r\nForwarded: for=192.168.1.9\r\n", 401),
        // A browser on this machine, with a name or a page of a stranger.
        (NO_TOKEN, "127.0.0.1", "Host: evil.example:8080\r\n", 403),
        (NO_TOKEN, "127.0.0.1", "", 400),
        (NO_TOKEN, "127.0.0.1", "Host: localhost:8080\r\nOrigin: http://localhost:8080\r\n", 200),
        (NO_TOKEN, "127.0.0.1", "Host: localhost:8080\r\nOrigin: http://localhost:3000\r\n", 403),
        (NO_TOKEN, "127.0.0.1", "Host: localhost:8080\r\nOrigin: http://evil.example\r\n", 403),
        (NO_TOKEN, "127.0.0.1", "Host: localhost:8080\r\nOrigin: null\r\n", 403),
        (PAGE, "127.0.0.1", "Host: localhost:8080\r\nOrigin: http://panel.home\r\n", 200),
        (PAGE, "127.0.0.1", "Host: localhost:8080\r\nOrigin: https://panel.home\r\n", 403),
        (PAGE, "127.0.0.1", "Host: panel.home\r\nOrigin: http://panel.home\r\n", 403),
        (PAGE, "192.168.1.9", "Host: localhost:8080\r\nOrigin: http://panel.home\r\n", 403),
    ] {
        let (answer, ran) = command(config, peer, headers).await;
        assert_eq!(answer.status, status, "{config} {peer} {headers}: {}", answer.body);
        assert_eq!(ran, usize::from(status == 200), "{config} {peer} {headers}");
        match status {
            401 => {
                assert_eq!(answer.error().1, "unauthorized");
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            }
            403 => assert_eq!(answer.error().1, "forbidden"),
            _ => {}
        }
        assert!(!answer.body.contains("s3cret"));
        let page = config == PAGE && headers.contains("Origin: http://panel.home");
        assert_eq!(answer.header("access-control-allow-origin"), page.then_some("http://panel.home"));
        assert_eq!(answer.header("vary"), page.then_some("Origin"));
    }
}

#[tokio::test]
async fn an_unknown_peer_is_not_this_machine() {
    let rules = crate::http::access::Access::new(&Config::parse("config.toml", "", &[]).unwrap().server);
    let mut headers = warp::http::HeaderMap::new();
    headers.insert("host", "localhost".parse().unwrap());
    assert!(rules.check(None, &headers).is_err());
    assert!(rules.check(Some(Peer("::1".parse().unwrap())), &headers).is_ok());
}

#[tokio::test]
async fn anybody_may_read() {
    let (setup, _) = with_commands("token = \"s3cret\"");
    for path in ["/data", "/cmds", "/data/meter"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 192.168.1.7\r\nConnection: close\r\n\r\n");
        assert_eq!(setup.ask_from("192.168.1.9", &request).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn any_sign_of_a_proxy_makes_the_client_remote() {
    for sign in [
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: meter.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Server: proxy",
        "Forwarded: for=127.0.0.1",
        "X-Real-IP: 127.0.0.1",
        "Via: 1.1 proxy",
        "CF-Connecting-IP: 203.0.113.9",
        "CF-Ray: 1",
        "True-Client-IP: 203.0.113.9",
        "X-Client-IP: 203.0.113.9",
        "X-Original-Host: meter.example",
        "X-Envoy-External-Address: 203.0.113.9",
        "X-Ingress-Path: /x",
        "Tailscale-User-Login: somebody",
        "cdn-loop: cdn",
    ] {
        let headers = format!("Host: localhost\r\n{sign}\r\n");
        let (answer, ran) = command(NO_TOKEN, "127.0.0.1", &headers).await;
        assert_eq!((answer.status, ran), (403, 0), "{sign}");
        let (answer, ran) = command(TOKEN, "::1", &headers).await;
        assert_eq!((answer.status, ran), (401, 0), "{sign}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_tells_who_its_client_is() {
    const TRUSTED: &str =
        "trusted_proxies = [\"127.0.0.1\", \"::1\", \"172.18.0.0/16\"]\nallow_get_commands = true";
    for (peer, headers, status) in [
        ("127.0.0.1", "X-Forwarded-For: 127.0.0.1", 200),
        ("127.0.0.1", "X-Forwarded-For: ::ffff:127.0.0.1", 200),
        ("::1", "Forwarded: proto=http;for=\"[::1]:4711\";by=x", 200),
        ("172.18.3.4", "X-Real-IP: 127.0.0.1", 200),
        // Each proxy adds the client that it knows.
        ("127.0.0.1", "X-Forwarded-For: 127.0.0.1, 172.18.0.1", 200),
        ("127.0.0.1", "X-Forwarded-For: 127.0.0.1, 192.168.1.9", 403),
        ("127.0.0.1", "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 192.168.1.9", 403),
        ("127.0.0.1", "Forwarded: for=127.0.0.1, for=192.168.1.9", 403),
        // A header that the client wrote, beside that of the proxy.
        ("127.0.0.1", "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 192.168.1.9", 403),
        ("127.0.0.1", "Forwarded: for=127.0.0.1\r\nCF-Connecting-IP: 192.168.1.9", 403),
        // It does not say who, or not so that it is understood.
        ("127.0.0.1", "Via: 1.1 proxy", 403),
        ("127.0.0.1", "X-Forwarded-For: unknown", 403),
        ("127.0.0.1", "Forwarded: for=_hidden", 403),
        ("127.0.0.1", "Forwarded: proto=https", 403),
        ("127.0.0.1", "X-Forwarded-For:", 403),
        // Another proxy.
        ("192.168.1.2", "X-Forwarded-For: 127.0.0.1", 403),
        ("172.19.0.1", "X-Forwarded-For: 127.0.0.1", 403),
    ] {
        let (answer, _) = command(TRUSTED, peer, &format!("Host: localhost\r\n{headers}\r\n")).await;
        assert_eq!(answer.status, status, "{peer} {headers}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_link_on_a_foreign_page_runs_no_command() {
    for (config, site, status) in [
        (NO_TOKEN, "cross-site", 403),
        (TOKEN, "cross-site", 403),
        (PAGE, "cross-site", 403),
        (NO_TOKEN, "same-origin", 200),
        (NO_TOKEN, "none", 200),
    ] {
        let headers = format!("Host: localhost\r\nSec-Fetch-Site: {site}\r\n");
        let (answer, ran) = command(config, "127.0.0.1", &headers).await;
        assert_eq!((answer.status, ran), (status, usize::from(status == 200)), "{config} {site}");
    }
    let headers = "Host: localhost\r\nSec-Fetch-Site: cross-site\r\nOrigin: http://panel.home\r\n";
    assert_eq!(command(PAGE, "127.0.0.1", headers).await.0.status, 200, "a page that may");
}

#[tokio::test]
async fn guesses_of_the_token_are_limited_for_each_client() {
    let (setup, runs) = with_commands(TOKEN);
    let program = setup.start().await;
    let ask = async |from: &str, token: &str| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        let mut client = Client(soon("a connection", socket.connect(program.address)).await.unwrap());
        let length = BODY.len();
        client
            .write(&format!(
                "POST /cmd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
                 Authorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{BODY}"
            ))
            .await;
        Answer::parse(&client.rest().await)
    };
    // A second must not pass from the last guess on, so a busy machine may need several attempts.
    let refused = soon("a refusal", async {
        loop {
            for _ in 0..5 {
                assert!([401, 429].contains(&ask("127.0.0.2", "guess").await.status));
            }
            let answer = ask("127.0.0.2", "s3cret").await;
            if answer.status != 200 {
                return answer;
            }
        }
    })
    .await;
    assert_eq!(refused.error(), (429, "too_many_guesses".to_owned()), "the right token tells nothing");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&seconds));
    assert_eq!(ask("127.0.0.3", "s3cret").await.status, 200, "another client");
    assert_eq!(program.get("/data").await.status, 200);
    assert!(runs.load(Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn a_preflight_is_granted_to_allowed_pages_only() {
    let (setup, _) = with_commands(PAGE);
    for path in ["/cmd", "/"] {
        let ask = |origin| {
            format!(
                "OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\r\n"
            )
        };
        let granted = setup.ask_from("192.168.1.9", &ask("http://panel.home")).await;
        assert_eq!(granted.status, 204);
        assert_eq!(granted.header("access-control-allow-origin"), Some("http://panel.home"));
        assert_eq!(granted.header("vary"), Some("Origin"));
        assert!(granted.header("access-control-allow-methods").unwrap().contains("POST"));
        let refused = setup.ask_from("192.168.1.9", &ask("http://evil.example")).await;
        assert_eq!(refused.header("access-control-allow-origin"), None);
    }
}
