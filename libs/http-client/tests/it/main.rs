//! HTTPS with certificates of the tests' own, made by the `openssl` command. Without it, the tests count as ignored.

#![allow(clippy::unwrap_used, reason = "a test without the harness is not seen to be one")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use framework::PublishError;
use http_client::{ClientConfig, Request, Response};
use libtest_mimic::{Arguments, Failed, Trial};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

fn main() {
    let args = Arguments::from_args();
    let openssl = Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_ok();
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        Trial::test(format!("{name} (needs openssl)"), test).with_ignored_flag(!openssl)
    };
    let trials = vec![
        trial("a_configured_authority_is_trusted", trusted),
        trial("another_certificate_is_not_trusted", not_trusted),
        trial("a_certificate_of_an_authority_is_explained", authority),
    ];
    libtest_mimic::run(&args, trials).exit();
}

/// Makes a self-signed certificate for this host, and its key.
fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    make(folder, name, "FALSE")
}

fn make(folder: &Path, name: &str, is_authority: &str) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=nas", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", &format!("basicConstraints=critical,CA:{is_authority}")])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    (certificate, key)
}

/// Starts a server that responds with 204 to the first bytes of each connection. Returns its URL.
fn serve(certificate: &Path, key: &Path) -> String {
    let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            if stream.read(&mut [0; 4096]).is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
            }
        }
    });
    url
}

fn post(url: String, ca_file: Option<PathBuf>) -> Result<Response, PublishError> {
    let client = ClientConfig { url, ca_file, ..ClientConfig::default() }.client("Bearer").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(client.send(Request { path: "/write".into(), ..Request::default() }))
}

fn trusted() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (certificate, key) = certificate(folder.path(), "nas");
    let response = post(serve(&certificate, &key), Some(certificate))?;
    assert_eq!(response.status, 204);
    Ok(())
}

fn not_trusted() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (own, key) = certificate(folder.path(), "nas");
    let (other, _) = certificate(folder.path(), "other");
    assert_ne!(fs::read(&own)?, fs::read(&other)?);
    let url = serve(&own, &key);
    for ca_file in [None, Some(other)] {
        let error = post(url.clone(), ca_file).unwrap_err();
        assert!(matches!(error, PublishError::Misconfigured { .. }), "{error:?}");
        assert!(
            error.to_string().contains("is not trusted") && error.to_string().contains("`ca_file`"),
            "{error}"
        );
    }
    Ok(())
}

fn authority() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (certificate, key) = make(folder.path(), "nas", "TRUE");
    let error = post(serve(&certificate, &key), Some(certificate)).unwrap_err();
    assert!(matches!(error, PublishError::Misconfigured { .. }), "{error:?}");
    assert!(error.to_string().contains("CA:FALSE"), "{error}");
    Ok(())
}
