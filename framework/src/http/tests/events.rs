use super::*;

const ASK: &str = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";

async fn listen(program: &Running) -> Client {
    let mut client = program.connect().await;
    client.write(ASK).await;
    let head = client.until("\r\n\r\n").await.to_lowercase();
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    for header in
        ["content-type: text/event-stream", "cache-control: no-cache", "access-control-allow-origin: *"]
    {
        assert!(head.contains(header), "{head}");
    }
    client
}

#[tokio::test]
async fn every_batch_is_an_event() {
    let program = Setup { store: store(&["meter", "s0"]), ..Setup::default() }.start().await;
    let mut client = listen(&program).await;
    publish(&program.store, "meter", meter());
    let event = client.until("\n\n").await;
    assert!(event.contains("data:{\"meter\":{\"timestampUTC\":\"2020-"), "{event}");
    assert!(event.contains("\"value\":4457.15312345"), "{event}");
    assert!(event.contains("\"Käse\"}}\nid:1\n\n"), "{event}");
    publish(&program.store, "s0", meter());
    let event = client.until("\n\n").await;
    assert!(event.contains("data:{\"s0\":{") && event.contains("id:2\n\n"), "{event}");
}

#[tokio::test]
async fn a_silent_stream_sends_comments() {
    let limits = Limits { keep_alive: Duration::from_millis(20), ..Limits::default() };
    let program = Setup { limits, ..Setup::default() }.start().await;
    let mut client = listen(&program).await;
    client.until("\r\n:\n\n\r\n").await;
    publish(&program.store, "meter", meter());
    client.until("data:{").await;
}

#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed_and_goes_on() {
    let program = Setup::default().start().await;
    let mut client = listen(&program).await;
    // The server cannot run meanwhile: this runtime has one thread.
    (0..300).for_each(|_| publish(&program.store, "meter", meter()));
    let events = client.until("id:301\n").await;
    assert!(events.contains("event:lagged\ndata:{\"missed\": 44}\n\n"), "{}", &events[..200]);
    assert!(events.contains("id:46\n") && !events.contains("id:45\n"));
}

#[tokio::test]
async fn streams_are_bounded_and_a_closed_one_makes_room() {
    let limits = Limits { streams: 2, keep_alive: Duration::from_millis(20), ..Limits::default() };
    let program = Setup { limits, ..Setup::default() }.start().await;
    let first = listen(&program).await;
    let _second = listen(&program).await;
    let refused = program.get("/events").await;
    assert_eq!(refused.error(), (503, "too_many_streams".to_owned()));
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    assert_eq!(program.get("/data").await.status, 200);
    drop(first);
    soon("a free stream", async {
        while program.ask("HEAD", "/events", "").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn head_tells_the_type_and_keeps_no_stream() {
    let limits = Limits { streams: 1, ..Limits::default() };
    let program = Setup { limits, ..Setup::default() }.start().await;
    for _ in 0..3 {
        let head = program.ask("HEAD", "/events", "").await;
        assert_eq!((head.status, &*head.body), (200, ""));
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
    }
}

#[tokio::test]
async fn a_client_with_many_streams_shuts_nobody_out() {
    let limits = Limits { keep_alive: Duration::from_millis(20), ..Limits::default() };
    let program = Setup { limits, ..Setup::default() }.start().await;
    let from = async |address: &str| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        let mut client = Client(soon("a connection", socket.connect(program.address)).await.unwrap());
        client.write(ASK).await;
        let head = client.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        client
    };
    // The first one of all is the oldest.
    let mut page = from("127.0.0.9").await;
    let mut hoarded = Vec::new();
    for client in 1..=6 {
        for _ in 0..40 {
            hoarded.push(from(&format!("127.0.0.{client}")).await);
        }
    }
    // Another page of a client that hoards, and that of another one; the first one is still open.
    let mut pages = [from("127.0.0.1").await, from("127.0.0.10").await];
    publish(&program.store, "meter", meter());
    for page in pages.iter_mut().chain([&mut page]) {
        page.until("data:{").await;
    }
}
