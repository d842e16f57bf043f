//! Logins and certificates.

use std::{fs, path::Path, process::Command};

use framework::{Config, PublishError, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::{
    mosquitto::Mosquitto,
    support::{context, deliver, grid, open, record},
};

/// Returns the reason for which nothing is delivered.
async fn refusal(url: &str, keys: &str) -> String {
    let mut home = open(url, keys, &context()).await;
    let records = [record("grid", Timestamp::now(), grid(1))];
    match home.publisher.publish(&records).await.unwrap_err() {
        PublishError::Misconfigured { reason } => reason,
        other => panic!("{other:?}"),
    }
}

async fn delivers(url: &str, keys: &str) {
    let mut home = open(url, keys, &context()).await;
    deliver(&mut home, &[record("grid", Timestamp::now(), grid(1))]).await;
}

pub(crate) async fn a_wrong_password_is_reported() {
    let broker = Mosquitto::with("allow_anonymous false\npassword_file {folder}/users\n", |folder| {
        let users = folder.join("users");
        let made =
            Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&users).args(["me", "right"]).output();
        assert!(made.unwrap().status.success());
    });
    let url = broker.url();
    delivers(&url, "username = 'me'\npassword = 'right'").await;
    let file = broker.folder.path().join("password");
    fs::write(&file, "right\n").unwrap();
    delivers(&url, &format!("username = 'me'\npassword_file = '{}'", file.display())).await;
    assert_eq!(
        refusal(&url, "username = 'me'\npassword = 'wrong'").await,
        format!("{url} rejected the login of `me`: check `username` and `password`")
    );
    assert_eq!(refusal(&url, "").await, format!("{url} requires a login: set `username` and `password`"));
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Writes `<name>.pem` and `<name>.key`, signed by an authority.
fn certify(folder: &Path, name: &str, host: &str, by: &CertifiedIssuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.signed_by(&key, by).unwrap();
    fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

const TLS: &str = "allow_anonymous true\ncafile {folder}/ca.pem\ncertfile {folder}/broker.pem\nkeyfile {folder}/broker.key\n";

/// Makes the authorities `ca` and `other`, certificates of `broker` and `me` by the first, and of `stranger` by the
/// second.
fn prepare(folder: &Path) {
    let (ca, other) = (authority("ca"), authority("other"));
    fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    fs::write(folder.join("other.pem"), other.pem()).unwrap();
    certify(folder, "broker", "127.0.0.1", &ca);
    certify(folder, "me", "me", &ca);
    certify(folder, "stranger", "stranger", &other);
}

pub(crate) async fn tls_trusts_the_configured_authority() {
    let broker = Mosquitto::with(TLS, prepare);
    let url = format!("mqtts://127.0.0.1:{}", broker.port);
    let file = |name: &str| format!("ca_file = '{}/{name}'", broker.folder.path().display());
    delivers(&url, &file("ca.pem")).await;
    assert_eq!(
        refusal(&url, &file("other.pem")).await,
        format!(
            "{url}: its certificate is not signed by a trusted authority: name its authority in `ca_file`"
        )
    );
    let named = format!("mqtts://localhost:{}", broker.port);
    assert_eq!(
        refusal(&named, &file("ca.pem")).await,
        format!(
            "{named}: its certificate is for another name than `localhost`: write the name in the certificate in `url`"
        )
    );
    let open_to_tls = format!("mqtt://127.0.0.1:{}", broker.port);
    let mut home = open(&open_to_tls, "", &context()).await;
    let error = home.publisher.publish(&[record("grid", Timestamp::now(), grid(1))]).await.unwrap_err();
    assert!(error.to_string().ends_with("if that port expects TLS, write `mqtts://`"), "{error}");
    let plain = Mosquitto::start();
    let url = format!("mqtts://127.0.0.1:{}", plain.port);
    let mut home = open(&url, &file("ca.pem"), &context()).await;
    let error = home.publisher.publish(&[record("grid", Timestamp::now(), grid(1))]).await.unwrap_err();
    // Mosquitto silently closes a connection that does not begin with MQTT.
    assert!(error.to_string().ends_with("write `mqtt://`, or the port of its TLS listener"), "{error}");
}

pub(crate) async fn a_certificate_of_an_authority_is_explained() {
    let broker = Mosquitto::with(TLS, |folder| {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        for name in ["ca.pem", "broker.pem"] {
            fs::write(folder.join(name), own.pem()).unwrap();
        }
        fs::write(folder.join("broker.key"), own.key().serialize_pem()).unwrap();
    });
    let url = format!("mqtts://127.0.0.1:{}", broker.port);
    let file = format!("ca_file = '{}/ca.pem'", broker.folder.path().display());
    let reason = refusal(&url, &file).await;
    assert!(reason.contains("CA:FALSE"), "{reason}");
}

pub(crate) async fn a_client_presents_its_certificate() {
    let broker = Mosquitto::with(&format!("{TLS}require_certificate true\n"), prepare);
    let url = format!("mqtts://127.0.0.1:{}", broker.port);
    let folder = broker.folder.path().display();
    let ca = format!("ca_file = '{folder}/ca.pem'\n");
    let shown =
        |name: &str| format!("{ca}client_cert = '{folder}/{name}.pem'\nclient_key = '{folder}/{name}.key'");
    delivers(&url, &shown("me")).await;
    assert_eq!(
        refusal(&url, &ca).await,
        format!("{url}: it requires a client certificate: set `client_cert` and `client_key`")
    );
    let refused = refusal(&url, &shown("stranger")).await;
    let expected = format!("{url}: it rejected the client certificate (`client_cert`): ");
    assert!(refused.starts_with(&expected), "{refused}");
    let wrong = format!("{ca}client_cert = '{folder}/me.pem'\nclient_key = '{folder}/stranger.key'");
    let config = format!("[publishers.home]\nplugin = 'mqtt'\nurl = '{url}'\n{wrong}\n");
    let mistakes = Config::parse("config.toml", &config, &[]).err().unwrap().to_string();
    assert!(mistakes.contains("`client_cert` and `client_key` cannot be used together"), "{mistakes}");
}
