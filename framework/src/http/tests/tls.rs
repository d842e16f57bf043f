//! HTTPS with certificates that the tests make.

use std::{fs, path::Path};

use rcgen::{CertifiedKey, KeyPair};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName},
    },
};

use super::*;

/// Writes a certificate for this machine and its key, and returns the certificate.
fn write(folder: &Path) -> CertificateDer<'static> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    cert.der().clone()
}

fn config(folder: &Path) -> &'static str {
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name));
    format!("state_dir = {folder:?}\ntls_cert = {cert:?}\ntls_key = {key:?}\nread_token = \"r3ader\"").leak()
}

/// Asks over TLS as a client that knows this certificate only; `None` if the handshake fails.
async fn ask_over_tls(program: &Running, known: &CertificateDer<'static>, request: &str) -> Option<Answer> {
    let mut roots = RootCertStore::empty();
    roots.add(known.clone()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = TlsConnector::from(Arc::new(client.with_root_certificates(roots).with_no_client_auth()));
    let stream = TcpStream::connect(program.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = soon("a handshake", client.connect(name, stream)).await.ok()?;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon("an answer", stream.read_to_end(&mut answer)).await.unwrap();
    Some(Answer::parse(&answer))
}

const GET: &str = "GET /data HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn https_answers_with_the_certificate_and_renewed_files_need_no_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(folder.path());
    let setup = Setup { config: config(folder.path()), ..Setup::default() };
    let api = setup.api();
    let access = api.access();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let served = tokio::spawn(serve(listener, api, stop.clone()));
    let program = Running { store: Arc::clone(&setup.store), address, stop, served };

    let answer = ask_over_tls(&program, &first, GET).await.expect("a handshake");
    assert_eq!(answer.status, 200);
    let body = "token=r3ader";
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = ask_over_tls(&program, &first, &request).await.unwrap();
    assert!(answer.header("set-cookie").unwrap().ends_with("; Secure"), "{answer:?}");

    // A renewal has replaced the certificate only: the earlier pair stays in use.
    let key = fs::read(folder.path().join("key.pem")).unwrap();
    let second = write(folder.path());
    let new_key = fs::read(folder.path().join("key.pem")).unwrap();
    fs::write(folder.path().join("key.pem"), key).unwrap();
    let server = || Config::parse("config.toml", &format!("[server]\n{}", config(folder.path())), &[]);
    assert!(server().is_err(), "the key does not fit");
    access.tls().unwrap().look_again();
    assert!(ask_over_tls(&program, &first, GET).await.is_some());
    fs::write(folder.path().join("key.pem"), new_key).unwrap();
    access.apply(&server().unwrap().server);
    assert_eq!(ask_over_tls(&program, &second, GET).await.map(|answer| answer.status), Some(200));
    assert!(ask_over_tls(&program, &first, GET).await.is_none());
    // This machine's own programs.
    assert_eq!(program.get("/data").await.status, 200);
}

#[tokio::test]
async fn a_renewed_certificate_is_noticed_within_a_minute_without_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(folder.path());
    let program = Setup { config: config(folder.path()), ..Setup::default() }.start().await;
    assert!(ask_over_tls(&program, &first, GET).await.is_some());
    let second = write(folder.path());
    assert!(ask_over_tls(&program, &first, GET).await.is_some(), "the files are not looked at each time");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    assert_eq!(ask_over_tls(&program, &second, GET).await.map(|answer| answer.status), Some(200));
}

#[tokio::test]
async fn plain_http_from_another_machine_is_led_to_https() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let setup = Setup { config: config(folder.path()), ..Setup::default() };
    let program = setup.start().await;
    // No other machine is at hand: the answer is asked for itself.
    let other = Setup { config: config(folder.path()), ..Setup::default() };
    let front = crate::http::server::front(other.api(), CancellationToken::new());
    let led = async |request: &str| {
        let (mut client, served) = tokio::io::duplex(64 * 1024);
        let progress = crate::http::connections::Progress::new();
        let talk = async {
            client.write_all(request.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            Answer::parse(&answer)
        };
        tokio::join!(talk, front.serve_unencrypted(served, "192.168.1.9".parse().unwrap(), &progress)).0
    };
    let answer = led(GET).await;
    assert_eq!((answer.status, answer.header("location")), (307, Some("https://localhost/data")));
    let foreign = led(&GET.replace("localhost", "evil.example")).await;
    assert_eq!((foreign.error(), foreign.header("location")), ((400, "https_required".to_owned()), None));
    let post =
        led("POST /cmd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!((post.status, post.header("location")), (400, None));
    assert_eq!(program.get("/data").await.status, 200, "this machine");
}

#[tokio::test]
async fn half_open_handshakes_and_garbage_cost_nobody_else_a_connection() {
    let folder = tempfile::tempdir().unwrap();
    let known = write(folder.path());
    let limits = Limits {
        connections: 4,
        hold: Duration::from_millis(100),
        head: Duration::from_secs(1),
        ..Limits::default()
    };
    let program = Setup { config: config(folder.path()), limits, ..Setup::default() }.start().await;
    let mut open = Vec::new();
    for bytes in [
        &b""[..],
        b"\x16",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x16GET / HTTP/1.1\r\n\r\n",
    ] {
        for _ in 0..4 {
            let mut client = program.connect().await;
            client.0.write_all(bytes).await.unwrap();
            open.push(client);
        }
    }
    let answer = soon("room", ask_over_tls(&program, &known, GET)).await;
    assert_eq!(answer.map(|answer| answer.status), Some(200));
    // Each ends by itself.
    for mut client in open {
        let mut rest = Vec::new();
        let _ = soon("the end", client.0.read_to_end(&mut rest)).await;
    }
}

#[test]
fn files_that_do_not_fit_are_mistakes_at_their_key() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(folder.path());
    write(other.path());
    let path = |folder: &tempfile::TempDir, name: &str| folder.path().join(name);
    let empty = path(&other, "empty.pem");
    fs::write(&empty, "").unwrap();
    for (cert, key, expected) in [
        (path(&folder, "cert.pem"), path(&other, "key.pem"), "is not that of the certificate"),
        (path(&folder, "no.pem"), path(&folder, "key.pem"), "tls_cert"),
        (path(&folder, "key.pem"), path(&folder, "key.pem"), "has no certificate in PEM"),
        (empty.clone(), path(&folder, "key.pem"), "has no certificate in PEM"),
        (path(&folder, "cert.pem"), path(&folder, "cert.pem"), "has no private key in PEM"),
        (path(&folder, "cert.pem"), empty, "has no private key in PEM"),
        (path(&folder, "cert.pem"), path(&folder, ""), "could not read"),
    ] {
        let text = format!("[server]\ntls_cert = {cert:?}\ntls_key = {key:?}\n");
        let mistakes = Config::parse("config.toml", &text, &[]).err().expect(expected).to_string();
        assert!(mistakes.contains(expected), "{mistakes}");
    }
    for (text, missing) in
        [("tls_cert = \"/c\"", "needs `tls_key`"), ("tls_key = \"/k\"", "needs `tls_cert`")]
    {
        let mistakes =
            Config::parse("config.toml", &format!("[server]\n{text}"), &[]).err().unwrap().to_string();
        assert!(mistakes.contains(missing), "{mistakes}");
    }
}

#[test]
fn a_certificate_that_has_expired_is_a_warning_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    for (year, expected) in [(2020, "has expired"), (4000, "is not valid yet")] {
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(year, 1, 1), rcgen::date_time_ymd(year + 1, 1, 1));
        fs::write(folder.path().join("cert.pem"), params.clone().self_signed(&key).unwrap().pem()).unwrap();
        fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        let text = format!("[server]\n{}", config(folder.path()));
        let warnings = Config::parse("config.toml", &text, &[]).unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.contains(expected)), "{warnings:?}");
    }
}
