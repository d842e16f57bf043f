//! `[endpoints.<name>]`: servers for other programs and devices.

use std::net::SocketAddr;

use super::{Fingerprint, Reader, ServerConfig};
use crate::{ConfigError, Context, Endpoint, PluginInfo, Role, plugin::Build, table::Table};

/// The framework's own keys in each `[endpoints.<name>]`.
pub const ENDPOINT_KEYS: &[&str] = &["plugin", "enabled"];

/// One `[endpoints.<name>]`, built and ready to be run.
pub struct ConfiguredEndpoint {
    /// Its name.
    pub name: String,
    /// Its plugin.
    pub plugin: &'static PluginInfo,
    /// The endpoint that the plugin built.
    pub endpoint: Box<dyn Endpoint>,
    /// Its context, which holds its statistics.
    pub context: Context,
    /// Fingerprint of its section.
    pub(crate) fingerprint: Fingerprint,
}

impl<'a> Reader<'a> {
    /// Checks all endpoints, and that each has an address of its own.
    pub(super) fn endpoints(
        &self,
        endpoints: Vec<(String, Table<'a>)>,
        server: Option<&ServerConfig>,
        context: impl Fn(&str) -> Context,
    ) -> Vec<ConfiguredEndpoint> {
        let mut taken: Vec<_> =
            server.map(|server| ("[server]".to_owned(), server.listen)).into_iter().collect();
        let mut built = Vec::new();
        for (name, mut section) in endpoints {
            section.known = ENDPOINT_KEYS;
            let fingerprint = Fingerprint::of(&section.table);
            let enabled = section.take("enabled").unwrap_or(true);
            let Some(plugin) = self.plugin(&mut section, Role::Endpoint) else { continue };
            let Build::Endpoint(build) = plugin.build else { continue };
            let context = context(&name);
            let (endpoint, is_right) = build(&section, &context).known();
            let Some(endpoint) = endpoint.filter(|_| enabled) else { continue };
            let listen = endpoint.listen();
            if let Some((other, address)) = taken.iter().find(|(_, other)| clash(*other, listen)) {
                let message = format!("`{other}` listens on {address} already");
                section
                    .refuse(&ConfigError::key("listen", message).hint("choose another port, such as 8081"));
            }
            taken.push((format!("[endpoints.{name}]"), listen));
            built.extend(is_right.then_some(ConfiguredEndpoint {
                name,
                plugin,
                endpoint,
                context,
                fingerprint,
            }));
        }
        built
    }
}

/// Returns whether a program cannot listen on both. An unspecified address stands for all addresses of the machine.
pub(crate) fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let all = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (all || one.ip() == other.ip())
}
