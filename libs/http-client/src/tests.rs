//! Requests to a server that behaves, and to servers that do not.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use framework::PublishError;

use test_servers::http::{Reply, Server};

use crate::{ClientConfig, Method, Request, client::TIMEOUT};

fn config(url: String) -> ClientConfig {
    ClientConfig { url, ..ClientConfig::default() }
}

fn post(path: &str, body: &str) -> Request {
    Request { path: path.into(), body: body.into(), ..Request::default() }
}

async fn error(url: String) -> PublishError {
    let client = config(url).client_with_timeout("Bearer", Duration::from_millis(300)).unwrap();
    let received = tokio::time::timeout(TIMEOUT / 2, client.send(post("/write", "x")));
    received.await.expect("it takes too long").unwrap_err()
}

#[tokio::test]
async fn a_request_has_its_method_headers_and_body() {
    let server = Server::start(|_| Reply::WithHeaders(429, "Retry-After: 7\r\n", "slow down".into()));
    let config = ClientConfig {
        username: Some("anna".into()),
        password: Some("geheim".to_owned().into()),
        ..config(server.url())
    };
    let client = config.client("Bearer").unwrap();
    let headers = vec![("Content-Type".to_owned(), "text/plain".to_owned())];
    let request = Request { method: Method::Put, headers, ..post("/a?b=c", "hällo") };
    let response = client.send(request).await.unwrap();
    assert_eq!((response.status, response.retry_after), (429, Some(Duration::from_secs(7))));
    assert_eq!(response.body, "slow down");
    let received = server.received().pop().unwrap();
    assert_eq!((&*received.method, &*received.path, &*received.body), ("PUT", "/a?b=c", "hällo"));
    assert_eq!(received.header("content-type"), Some("text/plain"));
    assert_eq!(received.header("authorization"), Some("Basic YW5uYTpnZWhlaW0="));
    assert_eq!(received.header("content-encoding"), None);
    assert!(received.header("user-agent").unwrap().starts_with("smartmeter/"));
}

#[tokio::test]
async fn a_token_is_sent_and_a_body_compressed() {
    let server = Server::start(|_| 204.into());
    let config = ClientConfig { token: Some("geheim".to_owned().into()), gzip: true, ..config(server.url()) };
    let client = config.client("Token").unwrap();
    let body = "a line that repeats\n".repeat(1000);
    client.send(post("/write", &body)).await.unwrap().check().unwrap();
    let received = server.received().pop().unwrap();
    assert_eq!(received.header("authorization"), Some("Token geheim"));
    assert_eq!(received.body, body);
    assert!(received.header("content-length").unwrap().parse::<usize>().unwrap() < body.len() / 20);
}

#[tokio::test]
async fn a_connection_is_kept() {
    let server = Server::start(|_| 204.into());
    let client = config(server.url()).client("Bearer").unwrap();
    for _ in 0..5 {
        client.send(post("/write", "x")).await.unwrap();
    }
    assert_eq!((server.received().len(), server.connections()), (5, 1));
}

#[test]
fn a_path_joins_the_url() {
    for (url, path, joined) in [
        ("http://nas:8086", "/write?db=a", "http://nas:8086/write?db=a"),
        ("http://nas:8086/", "/write", "http://nas:8086/write"),
        ("http://nas/influx/", "/write", "http://nas/influx/write"),
        ("http://nas/influx?key=1", "/write?db=a", "http://nas/influx/write?db=a&key=1"),
        ("http://nas/hook/?key=1", "", "http://nas/hook/?key=1"),
        ("http://nas", "", "http://nas/"),
    ] {
        assert_eq!(config(url.into()).client("Bearer").unwrap().url(path), joined);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(|_| 204.into());
    let location = format!("Location: {}/\r\n", elsewhere.url());
    let location: &'static str = location.leak();
    let server = Server::start(move |_| Reply::WithHeaders(307, location, String::new()));
    let client = config(server.url()).client("Bearer").unwrap();
    let error = client.send(post("/write", "x")).await.unwrap().check().unwrap_err();
    assert!(error.to_string().contains("it redirects"), "{error}");
    assert!(matches!(error, PublishError::Misconfigured { .. }));
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_server_without_a_response_is_unavailable() {
    let mute = Server::start(|_| Reply::Never);
    let cutting = Server::start(|_| Reply::Raw(""));
    let half = Server::start(|_| Reply::Raw("HTTP/1.1 204 No Co"));
    let babbling = Server::start(|_| Reply::Raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for (url, reason) in [
        (mute.url(), "within 300ms"),
        (cutting.url(), "the connection was closed"),
        (half.url(), "the connection was closed"),
        (babbling.url(), "protocol"),
        (closed, "connection refused"),
    ] {
        let error = error(format!("{url}/hook?key=geheim")).await;
        assert!(matches!(error, PublishError::Unavailable { retry_after: None, .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("no response from `{url}`")) && text.contains(reason), "{text}");
        assert!(!text.contains("geheim") && !text.contains("os error"), "{text}");
    }
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_reported() {
    // RFC 6761, section 6.4: never a host.
    let error = error("http://nas.invalid:8086".into()).await;
    assert!(matches!(error, PublishError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("http://nas.invalid:8086"), "{error}");
}

#[tokio::test]
async fn a_long_response_is_cut_off() {
    let server = Server::start(|_| Reply::Status(400, "x".repeat(1_000_000)));
    let client = config(server.url()).client("Bearer").unwrap();
    let response = client.send(post("/write", "x")).await.unwrap();
    assert_eq!((response.status, response.body.len()), (400, 64 * 1024));
}

#[tokio::test]
async fn a_server_without_tls_is_reported() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let error = error(url).await;
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
}

#[test]
fn a_dropped_request_does_not_delay_the_end() {
    let server = Server::start(|_| Reply::Never);
    let client = config(server.url()).client("Bearer").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = std::time::Instant::now();
    runtime.block_on(async {
        let mut request = std::pin::pin!(client.send(post("/write", "x")));
        // Until the server has it, and so a thread waits for the response.
        while server.received().is_empty() {
            let _ = tokio::time::timeout(Duration::from_millis(1), &mut request).await;
        }
    });
    runtime.shutdown_background();
    assert!(begun.elapsed() < TIMEOUT, "the end was delayed");
}
