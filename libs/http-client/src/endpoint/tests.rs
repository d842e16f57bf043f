//! Against a server that behaves, and servers that do not.

use test_servers::http::{Reply, Server};

use super::*;
use crate::Keys;

fn keys(url: String) -> Keys {
    Keys { url, ..Keys::default() }
}

fn post(path: &str, body: &str) -> Message {
    Message { path: path.into(), body: body.into(), ..Message::default() }
}

async fn error(url: String) -> PublishError {
    let endpoint = keys(url).endpoint_within("Bearer", Duration::from_millis(300)).unwrap();
    let asked = tokio::time::timeout(LIMIT / 2, endpoint.send(post("/write", "x")));
    asked.await.expect("it takes longer than it may").unwrap_err()
}

#[tokio::test]
async fn a_message_arrives_as_it_is_meant() {
    let server = Server::start(|_| Reply::WithHeaders(429, "Retry-After: 7\r\n", "slow down".into()));
    let keys = Keys {
        username: Some("anna".into()),
        password: Some("geheim".to_owned().into()),
        ..keys(server.url())
    };
    let endpoint = keys.endpoint("Bearer").unwrap();
    let headers = vec![("Content-Type".to_owned(), "text/plain".to_owned())];
    let message = Message { method: Method::Put, headers, ..post("/a?b=c", "hällo") };
    let answer = endpoint.send(message).await.unwrap();
    assert_eq!((answer.status, answer.retry_after), (429, Some(Duration::from_secs(7))));
    assert_eq!(answer.body, "slow down");
    let asked = server.asked().pop().unwrap();
    assert_eq!((&*asked.method, &*asked.path, &*asked.body), ("PUT", "/a?b=c", "hällo"));
    assert_eq!(asked.header("content-type"), Some("text/plain"));
    assert_eq!(asked.header("authorization"), Some("Basic YW5uYTpnZWhlaW0="));
    assert_eq!(asked.header("content-encoding"), None);
    assert!(asked.header("user-agent").unwrap().starts_with("smartmeter/"));
}

#[tokio::test]
async fn a_token_is_shown_and_a_body_compressed() {
    let server = Server::start(|_| 204.into());
    let keys = Keys { token: Some("geheim".to_owned().into()), gzip: true, ..keys(server.url()) };
    let endpoint = keys.endpoint("Token").unwrap();
    let body = "a line that repeats\n".repeat(1000);
    endpoint.send(post("/write", &body)).await.unwrap().check().unwrap();
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.header("authorization"), Some("Token geheim"));
    assert_eq!(asked.body, body);
    assert!(asked.header("content-length").unwrap().parse::<usize>().unwrap() < body.len() / 20);
}

#[tokio::test]
async fn a_connection_is_kept() {
    let server = Server::start(|_| 204.into());
    let endpoint = keys(server.url()).endpoint("Bearer").unwrap();
    for _ in 0..5 {
        endpoint.send(post("/write", "x")).await.unwrap();
    }
    assert_eq!((server.asked().len(), server.connections()), (5, 1));
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
        assert_eq!(keys(url.into()).endpoint("Bearer").unwrap().url(path), joined);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(|_| 204.into());
    let location = format!("Location: {}/\r\n", elsewhere.url());
    let location: &'static str = location.leak();
    let server = Server::start(move |_| Reply::WithHeaders(307, location, String::new()));
    let endpoint = keys(server.url()).endpoint("Bearer").unwrap();
    let error = endpoint.send(post("/write", "x")).await.unwrap().check().unwrap_err();
    assert!(error.to_string().contains("it wants another URL"), "{error}");
    assert!(matches!(error, PublishError::Misconfigured { .. }));
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn who_does_not_answer_is_not_there() {
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
        (cutting.url(), "peer disconnected"),
        (half.url(), "peer disconnected"),
        (babbling.url(), "protocol"),
        (closed, "connection refused"),
    ] {
        let error = error(format!("{url}/hook?key=geheim")).await;
        assert!(matches!(error, PublishError::Unavailable { retry_after: None, .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("no answer from `{url}`")) && text.contains(reason), "{text}");
        assert!(!text.contains("geheim") && !text.contains("os error"), "{text}");
    }
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_said_so() {
    // RFC 6761, section 6.4: never a host.
    let error = error("http://nas.invalid:8086".into()).await;
    assert!(matches!(error, PublishError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("http://nas.invalid:8086"), "{error}");
}

#[tokio::test]
async fn a_long_answer_is_read_to_a_bound() {
    let server = Server::start(|_| Reply::Status(400, "x".repeat(1_000_000)));
    let endpoint = keys(server.url()).endpoint("Bearer").unwrap();
    let answer = endpoint.send(post("/write", "x")).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (400, 64 * 1024));
}

#[tokio::test]
async fn a_plain_server_is_no_https_server() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let error = error(url).await;
    assert!(error.to_string().contains("speaks no TLS"), "{error}");
}

#[test]
fn the_end_does_not_wait_for_an_answer() {
    let server = Server::start(|_| Reply::Never);
    let endpoint = keys(server.url()).endpoint("Bearer").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = std::time::Instant::now();
    runtime.block_on(async {
        let mut request = std::pin::pin!(endpoint.send(post("/write", "x")));
        // Until the server has it, and so a thread waits for the answer.
        while server.asked().is_empty() {
            let _ = tokio::time::timeout(Duration::from_millis(1), &mut request).await;
        }
    });
    runtime.shutdown_background();
    assert!(begun.elapsed() < LIMIT, "the request was waited for");
}
