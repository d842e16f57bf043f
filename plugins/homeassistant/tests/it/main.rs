//! The plugin beside a scripted server, for faults that a real Home Assistant does not make. `tests/real/statistics.sh`
//! has real ones.

#![allow(clippy::unwrap_used)] // a test's own files

mod script;

use std::{fs, time::Duration};

use framework::{HistoryPublisher, PublishError, testing};
use plugin_homeassistant::HomeAssistant;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{net::TcpListener, time::timeout};

use crate::script::{Script, Step, home_assistant, serve};

/// What is waited for comes far sooner.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn keeps_the_contract() {
    testing::check_publisher::<HomeAssistant>();
}

fn publisher(url: &str, more: &str) -> Box<dyn HistoryPublisher> {
    let config = format!(
        "[publishers.home]\nplugin = \"homeassistant\"\nurl = \"{url}\"\ntoken = \"secret-token\"\n{more}\n"
    );
    testing::publisher::<HomeAssistant>(&config).publisher
}

/// Returns the answer of the test of a connection to a server with this script.
async fn tested(script: Script) -> Result<String, PublishError> {
    let url = serve(script).await;
    timeout(DEADLINE, publisher(&url, "").test()).await.expect("the test of a connection ends")
}

#[tokio::test]
async fn a_login_of_an_administrator_is_told_with_the_version() {
    let found = tested(home_assistant("2026.11.0", true)).await.unwrap();
    assert!(found.contains("logged in at Home Assistant 2026.11.0"), "{found}");
}

#[tokio::test]
async fn what_is_wrong_with_the_login_is_told_with_what_to_do() {
    for (script, words) in [
        (
            vec![
                Step::say(r#"{"type":"auth_required","ha_version":"2026.11.0"}"#),
                Step::hear(),
                Step::say(r#"{"type":"auth_invalid","message":"no"}"#),
            ],
            "Long-lived access tokens",
        ),
        (home_assistant("2026.11.0", false), "`Guest`, who is not an administrator"),
        (home_assistant("2022.12.9", true), "Home Assistant 2022.12.9"),
        (home_assistant("tomorrow", true), "is too old: expected 2023.4 or newer"),
    ] {
        let error = tested(script).await.unwrap_err();
        assert!(matches!(error, PublishError::Misconfigured { .. }), "{words}: {error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!(!error.to_string().contains("secret-token"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_sends_garbage_too_much_or_nothing_more_is_an_error_and_no_hang() {
    let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(9 << 20));
    let login = |more: Vec<Step>| {
        let mut script = home_assistant("2026.11.0", true);
        script.truncate(3);
        script.extend(more);
        script
    };
    for (what, script) in [
        ("text", vec![Step::say("hello")]),
        ("another type", vec![Step::say(r#"{"type":"event"}"#)]),
        ("a number", vec![Step::say("7")]),
        ("bytes", vec![Step::Bytes(vec![0xFF; 100]), Step::say("\u{0}")]),
        ("a long message", vec![Step::say(&long)]),
        ("a broken frame", vec![Step::Raw(vec![0xFF; 40])]),
        ("the end of the connection", vec![Step::Drop]),
        ("the end after the login", login(vec![Step::hear(), Step::Drop])),
        (
            "an answer of another type",
            login(vec![Step::hear(), Step::say(r#"{"id":1,"type":"result","success":true,"result":[]}"#)]),
        ),
        (
            "answers to others for ever",
            login(vec![Step::hear(), Step::Flood(r#"{"id":99,"type":"result"}"#.into())]),
        ),
    ] {
        let error = tested(script).await.expect_err(what);
        assert!(error.to_string().len() < 600, "{what}: {error}");
    }
}

/// The clock is paused, so that it jumps to the limit while nothing arrives.
#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let error = publisher(&url, "").test().await.unwrap_err();
    assert!(error.to_string().contains("no response from"), "{error}");
}

#[tokio::test]
async fn a_status_of_http_is_told_with_what_to_do() {
    for (status, words) in [
        ("404 Not Found", "there is no Home Assistant at"),
        ("403 Forbidden", "has banned this machine"),
        ("401 Unauthorized", "homeassistant_api: true"),
        ("502 Bad Gateway", "is not ready"),
    ] {
        let error = tested(vec![Step::Http(status)]).await.unwrap_err();
        assert!(error.to_string().contains(words), "{status}: {error}");
    }
}

#[tokio::test]
async fn a_lost_connection_is_noticed_at_once() {
    let mut script = home_assistant("2026.11.0", true);
    script.push(Step::Drop);
    let mut publisher = publisher(&serve(script).await, "");
    publisher.open().await.unwrap();
    let error = timeout(DEADLINE, publisher.lost()).await.expect("the end of the connection is noticed");
    assert!(matches!(error, PublishError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn tls_trusts_the_own_authority_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &authority).unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, authority.pem()).unwrap();

    let script = || home_assistant("2026.11.0", true);
    let url = script::serve_tls(script(), certificate.der().clone(), &key).await;
    let found = publisher(&url, &format!("ca_file = \"{}\"", file.display())).test().await.unwrap();
    assert!(found.contains("logged in"), "{found}");

    let url = script::serve_tls(script(), certificate.der().clone(), &key).await;
    let error = publisher(&url, "").test().await.unwrap_err();
    assert!(error.to_string().contains("is not trusted"), "{error}");
    assert!(error.to_string().contains("`ca_file`"), "{error}");

    let plain = serve(vec![Step::Http("400 Bad Request")]).await.replace("http://", "https://");
    let error = publisher(&plain, "").test().await.unwrap_err();
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
}
