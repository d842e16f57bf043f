//! Build without TLS: a configuration that wants it is a mistake.

use tokio::net::TcpStream;

use crate::{ConfigError, TlsFiles};

/// Certificate in use, of which there is none here.
pub(crate) struct Tls(TlsFiles);

/// Returns the mistake.
pub(crate) fn check(_: &TlsFiles) -> Result<Option<String>, ConfigError> {
    let hint = "use the whole program, or a reverse proxy";
    Err(ConfigError::key("tls_cert", "this build of smartmeter has no TLS").hint(hint))
}

impl Tls {
    pub(crate) fn new(files: TlsFiles) -> Self {
        Self(files)
    }

    pub(crate) fn files(&self) -> &TlsFiles {
        &self.0
    }

    pub(crate) fn look_again(&self) {}

    pub(crate) async fn accept(&self, _: TcpStream) -> Option<TcpStream> {
        None
    }
}
