//! TLS settings, and explanations of TLS faults.

use std::{error::Error, fs, io, path::Path, sync::Arc};

use framework::ConfigError;
use rumqttc::tokio_rustls::rustls::{
    self, AlertDescription, CertificateError, ClientConfig, OtherError, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// Returns TLS settings that trust the authorities in `ca_file`, or else those of the system, and that present the
/// certificate, if one is given with its key.
///
/// # Errors
/// Returns every mistake.
pub(crate) fn client(
    ca_file: Option<&Path>,
    certificate: Option<&Path>,
    key: Option<&Path>,
) -> Result<Arc<ClientConfig>, ConfigError> {
    let roots = ca_file.map_or_else(system_authorities, authorities);
    let alone = match (certificate, key) {
        (Some(_), None) => Some(("client_cert", "client_key")),
        (None, Some(_)) => Some(("client_key", "client_cert")),
        _ => None,
    };
    let alone = alone.map(|(key, other)| ConfigError::key(key, format!("`{key}` needs its `{other}`")));
    let chain = certificate.map(|path| certificates("client_cert", path)).transpose();
    let key = key.map(private_key).transpose();
    let wrong = [roots.as_ref().err(), alone.as_ref(), chain.as_ref().err(), key.as_ref().err()];
    ConfigError::all(wrong.into_iter().flatten().cloned())?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::section(format!("could not set up TLS: {error}")))?
        .with_root_certificates(roots?);
    let (Some(chain), Some(key)) = (chain?, key?) else { return Ok(Arc::new(builder.with_no_client_auth())) };
    builder.with_client_auth_cert(chain, key).map(Arc::new).map_err(|error| {
        let message = format!("`client_cert` and `client_key` cannot be used together: {error}");
        ConfigError::key("client_key", message)
    })
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ConfigError> {
    PrivateKeyDer::from_pem_slice(&read("client_key", path)?).map_err(|error| {
        let message = format!("`{}` contains no private key in PEM format: {error}", path.display());
        ConfigError::key("client_key", message)
    })
}

fn authorities(path: &Path) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca_file", path)? {
        roots.add(certificate).map_err(|error| {
            let message = format!("`{}` contains a certificate that cannot be used: {error}", path.display());
            ConfigError::key("ca_file", message)
        })?;
    }
    Ok(roots)
}

fn system_authorities() -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    // Some systems have a broken certificate among a hundred good ones.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(ConfigError::key(
            "url",
            "`mqtts://` needs the certificates of authorities, and this system has none",
        )
        .hint("install the package `ca-certificates`, or name the broker's authority in `ca_file`"));
    }
    Ok(roots)
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let pem = read(key, path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().unwrap_or_default();
    if found.is_empty() {
        return Err(ConfigError::key(
            key,
            format!("`{}` contains no certificate in PEM format", path.display()),
        ));
    }
    Ok(found)
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    fs::read(path)
        .map_err(|error| ConfigError::key(key, format!("could not read `{}`: {error}", path.display())))
}

/// Explains a TLS fault that stays until a person does something about it.
pub(crate) fn explain(error: &(dyn Error + 'static), host: &str) -> Option<String> {
    use AlertDescription as Alert;
    Some(match find(error)? {
        // The signature is bad if a trusted authority has the same name as the right one.
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => {
            "its certificate is not signed by a trusted authority: name its authority in `ca_file`".to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!("its certificate is for another name than `{host}`: write the name in the certificate in `url`"),
        rustls::Error::InvalidCertificate(
            reason @ (CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }),
        ) => format!("its certificate is expired or not valid yet, or the clock of this machine is wrong: {reason}"),
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner)))
            if matches!(inner.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) =>
        {
            "its certificate is that of an authority, as made by `openssl req -x509`: make a server certificate, with \
             `-addext basicConstraints=critical,CA:FALSE`"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(reason) => format!("its certificate cannot be used: {reason}"),
        rustls::Error::AlertReceived(Alert::CertificateRequired) => {
            "it requires a client certificate: set `client_cert` and `client_key`".to_owned()
        }
        rustls::Error::AlertReceived(
            alert @ (Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied),
        ) => format!("it rejected the client certificate (`client_cert`): {alert:?}"),
        rustls::Error::InvalidMessage(_) => {
            "it does not speak TLS on that port: write `mqtt://`, or the port of its TLS listener".to_owned()
        }
        _ => return None,
    })
}

/// Finds rustls's own error, which others wrap in theirs.
fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    // The source of an `io::Error` is not the error that it wraps, but that error's source.
    let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match inside {
        Some(inside) => find(inside),
        None => find(error.source()?),
    }
}
