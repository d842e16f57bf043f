use super::*;

const ASK: &str = "GET /data HTTP/1.1\r\nHost: localhost\r\n\r\n";
const SHORT: Duration = Duration::from_millis(50);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let program = Setup::default().start().await;
    let mut client = program.connect().await;
    client.write(&ASK.repeat(3)).await;
    for _ in 0..3 {
        client.until("\"Käse\"}}").await;
        client.write(ASK).await;
    }
}

#[tokio::test]
async fn slow_and_idle_clients_are_disconnected() {
    let limits = Limits { head: SHORT, linger: SHORT, ..Limits::default() };
    let program = Setup { limits, ..Setup::default() }.start().await;
    for sent in ["", "G", "GET /data HTTP/1.1\r\n", "GET /data HTTP/1.1\r\nHost: localhost\r\nX: "] {
        let mut client = program.connect().await;
        client.write(sent).await;
        assert_eq!(client.rest().await, b"", "{sent}");
    }
    let mut idle = program.connect().await;
    idle.write(ASK).await;
    assert_eq!(Answer::parse(&idle.rest().await).status, 200);
}

#[tokio::test]
async fn a_body_that_trickles_in_is_disconnected() {
    let limits = Limits { request: SHORT, ..Limits::default() };
    let program = Setup { limits, ..with_commands("").0 }.start().await;
    for length in ["Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\n{"] {
        let mut client = program.connect().await;
        client
            .write(&format!(
                "POST /cmd HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}"
            ))
            .await;
        let answer = Answer::parse(&client.rest().await);
        assert_eq!(answer.error(), (503, "timeout".to_owned()), "{length}");
    }
}

#[tokio::test]
async fn an_incomplete_or_badly_chunked_body_is_answered() {
    let program = with_commands("").0.start().await;
    for body in ["Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n{}\r\n"] {
        let mut client = program.connect().await;
        client
            .write(&format!(
                "POST /cmd HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{body}"
            ))
            .await;
        client.0.shutdown().await.unwrap();
        let answer = Answer::parse(&client.rest().await);
        assert_eq!(answer.error(), (400, "bad_request".to_owned()), "{body}");
    }
}

#[tokio::test]
async fn garbage_is_answered_and_harms_nobody() {
    let program = Setup::default().start().await;
    for (garbage, status) in [
        ("\x16\x03\x01 hello\r\n\r\n".to_owned(), 400),
        ("GET\r\n\r\n".to_owned(), 400),
        ("GET /data HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("GET /da ta HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /data HTTP/1.1\r\nContent-Length: x\r\n\r\n".to_owned(), 400),
        (format!("GET /data HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000)), 431),
        (format!("GET /data HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(100)), 431),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)), 431),
    ] {
        let answer = program.send(&garbage).await;
        assert_eq!(answer.status, status, "{}", &garbage[..garbage.len().min(40)]);
    }
    assert_eq!(program.get("/data").await.status, 200);
}

#[tokio::test]
async fn a_body_where_none_belongs_does_not_hide_the_answer() {
    let program = Setup::default().start().await;
    let body = "x".repeat(4 << 20);
    for path in ["/data", "/health", "/nope"] {
        let answer = program.ask("GET", path, &format!("Content-Length: {}\r\n\r\n{body}", body.len())).await;
        assert!([200, 404].contains(&answer.status), "{path}");
    }
}

#[tokio::test]
async fn a_client_that_stops_sending_still_gets_the_answer() {
    let program = with_commands("").0.start().await;
    let body = r#"{"name":"echo","args":{"text":"x"}}"#;
    let mut client = program.connect().await;
    let length = body.len();
    client
        .write(&format!("POST / HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"))
        .await;
    client.0.shutdown().await.unwrap();
    assert_eq!(Answer::parse(&client.rest().await).status, 200);
}

#[tokio::test]
async fn connections_are_bounded_and_the_next_one_waits() {
    let limits = Limits { connections: 2, linger: SHORT, hold: HOUR, ..Limits::default() };
    let program = Setup { limits, ..Setup::default() }.start().await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut client = program.connect().await;
        client.write(ASK).await;
        client.until("}}").await;
        open.push(client);
    }
    let mut third = program.connect().await;
    third.write(ASK).await;
    let waited = tokio::time::timeout(SHORT, third.0.readable()).await;
    assert!(waited.is_err(), "answered beyond the limit");
    open.pop();
    third.until("}}").await;
}

#[tokio::test]
async fn hoarded_idle_connections_delay_others_only_briefly() {
    // The first two may idle for longer than this test waits, the others for a tenth of that.
    let limits = Limits { connections: 4, head: DEADLINE * 3 / 2, ..Limits::default() };
    let program = Setup { limits, ..Setup::default() }.start().await;
    let mut hoard = Vec::new();
    for _ in 0..4 {
        hoard.push(program.connect().await);
    }
    assert_eq!(program.get("/data").await.status, 200);
}

#[tokio::test]
async fn the_server_ends_soon_whatever_is_open() {
    // Only event streams and idle connections: none of them may use up the grace.
    let limits = Limits { grace: HOUR, linger: HOUR, ..Limits::default() };
    let mut program = Setup { limits, ..Setup::default() }.start().await;
    let mut idle = program.connect().await;
    idle.write(ASK).await;
    idle.until("}}").await;
    let _mute = program.connect().await;
    let mut stream = program.connect().await;
    stream.write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    stream.until("\r\n\r\n").await;
    program.stop.cancel();
    soon("the end", &mut program.served).await.unwrap();
    assert_eq!(stream.rest().await, b"0\r\n\r\n", "a proper end of the stream");
    assert_eq!(idle.rest().await, b"");

    // Half a request and half a body are cut off after it.
    let limits = Limits { grace: SHORT, ..Limits::default() };
    let mut program = Setup { limits, ..with_commands("").0 }.start().await;
    let mut half = program.connect().await;
    half.write("GET /data HT").await;
    let mut body = program.connect().await;
    body.write("POST /cmd HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{").await;
    // Both have been accepted once a later one is answered.
    program.get("/data").await;
    program.stop.cancel();
    soon("the end", &mut program.served).await.unwrap();
    assert!(TcpStream::connect(program.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn an_answer_that_is_not_read_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    crate::http::server::prepare(&stream, &Limits::default());
    let limit = socket2::SockRef::from(&stream).tcp_user_timeout().unwrap();
    assert_eq!(limit, Some(Duration::from_secs(30)));
}

/// Opens connections that wait for their client in every way.
async fn hoard(program: &Running, count: usize, from: &str) -> Vec<TcpStream> {
    let ways = [
        "",
        "GET /da",
        "POST /cmd HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        "GET /data HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /history/d0/E?from=2026-09-01&to=2026-11-09&step=1m HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    let mut open = Vec::new();
    for way in ways.iter().cycle().take(count) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        let mut stream = soon("a connection", socket.connect(program.address)).await.unwrap();
        // It may have been disconnected already.
        let _ = stream.write_all(way.as_bytes()).await;
        open.push(stream);
    }
    open
}

#[tokio::test]
async fn a_client_that_hoards_connections_delays_nobody_for_long() {
    // No other limit would free a connection while this test waits.
    let limits = Limits { head: HOUR, request: HOUR, linger: HOUR, unread: HOUR, ..Limits::default() };
    for from in ["127.0.0.1", "127.0.0.2"] {
        let folder = tempfile::tempdir().unwrap();
        let journal = super::history::journal(&folder);
        let program = Setup { limits, journal, ..with_commands("").0 }.start().await;
        let hoarded = hoard(&program, 300, from).await;
        for path in ["/data", "/data", "/health?code=200"] {
            assert_eq!(soon("an answer", program.get(path)).await.status, 200, "{path}");
        }
        drop(hoarded);
    }
}

#[tokio::test]
async fn others_at_the_address_of_a_client_that_hoards_get_room_soon() {
    // Longer than this test waits.
    let hold = DEADLINE * 2;
    let limits = Limits { connections: 8, hold, head: HOUR, linger: HOUR, ..Limits::default() };
    let program = Setup { limits, ..Setup::default() }.start().await;
    let hoarded = hoard(&program, 8, "127.0.0.1").await;
    assert_eq!(soon("an answer", program.get("/data")).await.status, 200);
    drop(hoarded);
}

#[tokio::test]
async fn a_newcomer_takes_the_place_of_the_client_with_most_connections() {
    let limits = Limits { connections: 8, hold: SHORT, head: HOUR, linger: HOUR, ..Limits::default() };
    let program = Setup { limits, ..Setup::default() }.start().await;
    let mut two = program.connect().await;
    two.write(ASK).await;
    two.until("}}").await;
    // Older than those of the other client, and still there after them.
    for stream in hoard(&program, 30, "127.0.0.2").await {
        drop(stream);
    }
    two.write(ASK).await;
    two.until("}}").await;
}

#[tokio::test]
async fn idle_connections_to_an_endpoint_delay_its_next_client_only_briefly() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let routes = warp::any().map(Response::default);
    let access = Setup::default().api().access();
    tokio::spawn(crate::http::serve_routes(listener, routes, access, stop.clone()));
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let mut client = Client(TcpStream::connect(address).await.unwrap());
    client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    client.until("HTTP/1.1 200 OK").await;
    stop.cancel();
}
