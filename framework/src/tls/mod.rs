//! Certificate and key of HTTPS. Renewed files are noticed without a restart.

use std::{
    fs::{self, File, Metadata},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{
    InconsistentKeys,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{info, warn};
use webpki::EndEntityCert;

use crate::{ConfigError, Faults, TlsFiles};

/// Time in which a renewed file is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Longest file that is read.
const LONGEST: u64 = 1 << 20;
/// Bytes of an answer that wait in a connection to be encrypted.
const BUFFER: usize = 16 * 1024;

/// Certificate in use.
pub(crate) struct Tls {
    files: TlsFiles,
    /// Changed by the first handshake after the files changed. Each handshake holds the lock for a moment.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the files were looked at.
    looked: Option<Instant>,
    version: Version,
    acceptor: Option<TlsAcceptor>,
    faults: Faults<()>,
}

/// What tells whether the two files have changed: device, file, time and length of each.
type Version = [Option<(u64, u64, i64, i64, u64)>; 2];

/// Checks the files, and returns a warning about a certificate that is not valid now: readings do not wait for it.
///
/// # Errors
/// Returns a mistake of `tls_cert` or `tls_key`.
pub(crate) fn check(files: &TlsFiles) -> Result<Option<String>, ConfigError> {
    let certified = load(files)?;
    let problem = certified.end_entity_cert().ok().and_then(validity);
    Ok(problem.map(|problem| {
        let shown = files.cert.display();
        format!(
            "the certificate in {shown} {problem}: browsers refuse it\nhint: renew it, and look at the clock"
        )
    }))
}

impl Tls {
    pub(crate) fn new(files: TlsFiles) -> Self {
        Self { files, state: Mutex::default() }
    }

    pub(crate) fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// Makes the next handshake look at the files.
    pub(crate) fn look_again(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).looked = None;
    }

    /// Does the handshake of a connection; `None` if it fails.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let acceptor = self.acceptor()?;
        acceptor.accept_with(stream, |connection| connection.set_buffer_limit(Some(BUFFER))).await.ok()
    }

    /// Returns the acceptor with the newest files that fit. While a renewal has replaced one of the two, the earlier
    /// ones stay in use.
    fn acceptor(&self) -> Option<TlsAcceptor> {
        // The acceptor is replaced at once, so poison means nothing.
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        if state.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return state.acceptor.clone();
        }
        state.looked = Some(Instant::now());
        let version =
            [&self.files.cert, &self.files.key].map(|path| fs::metadata(path).ok().map(|it| stamp(&it)));
        if state.acceptor.is_some() && state.version == version {
            return state.acceptor.clone();
        }
        match load(&self.files).and_then(acceptor) {
            Ok(acceptor) => {
                if state.acceptor.replace(acceptor).is_some() {
                    info!("uses the renewed certificate in {}", self.files.cert.display());
                }
                state.version = version;
            }
            Err(error) => {
                let text = format!("could not use the renewed certificate; the earlier one stays: {error}");
                if let Some(text) = state.faults.note((), &text) {
                    warn!("{text}");
                }
            }
        }
        state.acceptor.clone()
    }
}

fn stamp(found: &Metadata) -> (u64, u64, i64, i64, u64) {
    (found.dev(), found.ino(), found.mtime(), found.mtime_nsec(), found.len())
}

fn acceptor(certified: CertifiedKey) -> Result<TlsAcceptor, ConfigError> {
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| unusable(&error))?;
    let mut config =
        builder.with_no_client_auth().with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config).into())
}

fn unusable(error: &rustls::Error) -> ConfigError {
    ConfigError::key("tls_cert", format!("the certificate cannot be used: {error}"))
}

/// Reads both files.
fn load(TlsFiles { cert, key }: &TlsFiles) -> Result<CertifiedKey, ConfigError> {
    let (cert_shown, key_shown) = (cert.display(), key.display());
    let text = read("tls_cert", cert);
    let chain = text.and_then(|text| {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| {
            ConfigError::key("tls_cert", format!("`{cert_shown}` has no certificate in PEM"))
                .hint("it must begin with `-----BEGIN CERTIFICATE-----`")
        })
    });
    let text = read("tls_key", key);
    let signing = text.and_then(|text| {
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
            ConfigError::key(
                "tls_key",
                format!("`{key_shown}` has no private key in PEM, without a password"),
            )
            .hint("it must begin with `-----BEGIN PRIVATE KEY-----`")
        })?;
        ring::sign::any_supported_type(&key).map_err(|_| {
            ConfigError::key(
                "tls_key",
                format!("the key in `{key_shown}` is of a kind that is not supported"),
            )
            .hint("use RSA with at least 2048 bits, P-256, P-384 or Ed25519")
        })
    });
    ConfigError::all([chain.as_ref().err(), signing.as_ref().err()].into_iter().flatten().cloned())?;
    let certified = CertifiedKey::new(chain?, signing?);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let message =
                format!("the key in `{key_shown}` is not that of the certificate in `{cert_shown}`");
            let hint = "name the two files that were made together; the machine's own certificate is the first in its file";
            Err(ConfigError::key("tls_key", message).hint(hint))
        }
        Err(error) => Err(unusable(&error)),
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut text));
    read.map_err(|error| ConfigError::key(key, format!("could not read `{}`: {error}", path.display())))?;
    Ok(text)
}

/// Returns what is wrong with the time of a certificate. No issuer is given, so the check goes no further.
fn validity(cert: &CertificateDer<'_>) -> Option<&'static str> {
    let cert = EndEntityCert::try_from(cert).ok()?;
    let usage = webpki::KeyUsage::server_auth();
    match cert.verify_for_usage(&[], &[], &[], UnixTime::now(), usage, None, None) {
        Err(webpki::Error::CertExpired { .. }) => Some("has expired"),
        Err(webpki::Error::CertNotValidYet { .. }) => Some("is not valid yet"),
        _ => None,
    }
}
