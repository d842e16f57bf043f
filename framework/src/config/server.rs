//! `[server]`: HTTP and the state directory.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use rustix::fs::{Access, access};
use serde::Deserialize;

use super::{
    ConfiguredEndpoint, Secret,
    labels::{RULE, is_label},
    paths::check_state_dir,
};
use crate::{
    ConfigError, Text,
    table::{Built, Table, keys_of},
    tls,
};

/// Certificate and key of HTTPS, both in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and after it those of its issuers.
    pub cert: PathBuf,
    /// The key of the certificate.
    pub key: PathBuf,
}

/// `[server]`, checked.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Name of the household, for people.
    pub name: Option<Text>,
    /// Address of the HTTP server.
    pub listen: SocketAddr,
    /// The token that commands from other machines must carry.
    pub token: Option<Secret>,
    /// The token that readers of other machines must carry; without one, everybody may read.
    pub read_token: Option<Secret>,
    /// Permission for `GET /cmd` to run commands, as in raspend.
    pub allow_get_commands: bool,
    /// Origins of web pages that may send commands.
    pub command_origins: Vec<String>,
    /// Origins of web pages that may read; `*` for all.
    pub cors_origins: Vec<String>,
    /// Origins of web pages that may show the page in a frame.
    pub frame_origins: Vec<String>,
    /// Further names of this machine; `*` for any.
    pub allowed_hosts: Vec<String>,
    /// Proxies whose word on the client's address counts.
    pub trusted_proxies: Vec<Network>,
    /// Proxies that check who their users are: those may read and send commands.
    pub authenticating_proxies: Vec<Network>,
    /// Certificate and key of HTTPS.
    pub tls: Option<TlsFiles>,
    /// What is wrong with the certificate now, although it can be used.
    pub(super) tls_problem: Option<String>,
    /// Folder for counts that must survive a restart.
    pub state_dir: PathBuf,
    /// Folder in memory that survives the process, where the system has made one.
    pub runtime_dir: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    listen: Option<String>,
    name: Option<String>,
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    read_token: Option<Secret>,
    read_token_file: Option<PathBuf>,
    #[serde(default)]
    allow_get_commands: bool,
    #[serde(default)]
    command_origins: Vec<String>,
    #[serde(default)]
    cors_origins: Vec<String>,
    #[serde(default)]
    frame_origins: Vec<String>,
    #[serde(default)]
    allowed_hosts: Vec<String>,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    #[serde(default)]
    authenticating_proxies: Vec<String>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    state_dir: Option<PathBuf>,
}

impl ServerConfig {
    pub(super) fn read(section: &Table<'_>) -> Built<Self> {
        section.build(Self::check)
    }

    /// Returns the keys that there are.
    pub(crate) fn keys() -> &'static [&'static str] {
        keys_of::<Keys>()
    }

    /// Returns the scheme of the page's address.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Returns what is no mistake, but should be changed.
    pub(super) fn warnings(&self, endpoints: &[ConfiguredEndpoint]) -> Vec<String> {
        let listens = endpoints.iter().map(|endpoint| (&endpoint.name, endpoint.endpoint.listen()));
        let open = listens.filter(|(_, listen)| self.read_token.is_some() && !listen.ip().is_loopback());
        let open = open.map(|(name, listen)| {
            format!(
                "whoever reaches `[endpoints.{name}]` at {listen} reads without the `read_token`: its clients know no token\nhint: `listen = \"127.0.0.1:{}\"` if they run on this machine", listen.port()
            )
        });
        open.chain(self.tls_problem.clone()).collect()
    }

    fn check(keys: Keys) -> Result<Self, ConfigError> {
        // This machine only: the owner decides who else may see the readings.
        let listen = listen_address(keys.listen.as_deref().unwrap_or("127.0.0.1:8080"));
        let token = Secret::given(["token", "token_file"], keys.token, keys.token_file.as_deref());
        let read_token = Secret::given(
            ["read_token", "read_token_file"],
            keys.read_token,
            keys.read_token_file.as_deref(),
        );
        let lists = [
            ("command_origins", &keys.command_origins),
            ("cors_origins", &keys.cors_origins),
            ("frame_origins", &keys.frame_origins),
        ];
        let mut wrong: Vec<_> =
            lists.into_iter().flat_map(|(key, origins)| wrong_origins(key, origins)).collect();
        let name = keys.name.map(Text::from);
        wrong.extend(name.as_deref().filter(|name| !is_label(name)).map(|_| {
            ConfigError::key("name", format!("`name` {RULE}"))
                .hint("write a name for people: `name = \"Miller family\"`")
        }));
        let hosts =
            keys.allowed_hosts.iter().filter(|host| host.is_empty() || host.contains(['/', ':', ' ']));
        wrong.extend(hosts.map(|wrong| {
            ConfigError::key("allowed_hosts", format!("`{wrong}` is not a host name"))
                .hint("write the name as in a browser, without scheme and port: `meter.example.org`")
        }));
        let (trusted_proxies, wrong_proxies) = networks("trusted_proxies", &keys.trusted_proxies);
        wrong.extend(wrong_proxies);
        let (authenticating_proxies, wrong_proxies) =
            networks("authenticating_proxies", &keys.authenticating_proxies);
        wrong.extend(wrong_proxies);
        if authenticating_proxies.iter().any(|network| network.bits == 0) {
            wrong.push(
                ConfigError::key(
                    "authenticating_proxies",
                    "a network of all addresses would let anybody send commands",
                )
                .hint("write the address of the proxy alone: `172.30.32.2`"),
            );
        }
        let mut tls_problem = None;
        let tls = match (keys.tls_cert, keys.tls_key) {
            (Some(cert), Some(key)) => {
                let files = TlsFiles { cert, key };
                match tls::check(&files) {
                    Ok(problem) => tls_problem = problem,
                    Err(mistake) => wrong.push(mistake),
                }
                Some(files)
            }
            (None, None) => None,
            (Some(_), None) => {
                let hint = "write the file of the certificate's key: `tls_key = \"/etc/smartmeter/key.pem\"`";
                wrong.push(ConfigError::key("tls_cert", "`tls_cert` needs `tls_key`").hint(hint));
                None
            }
            (None, Some(_)) => {
                let hint = "write the file of the certificate: `tls_cert = \"/etc/smartmeter/cert.pem\"`";
                wrong.push(ConfigError::key("tls_key", "`tls_key` needs `tls_cert`").hint(hint));
                None
            }
        };
        wrong.extend(keys.state_dir.as_deref().and_then(check_state_dir));
        let found = [listen.as_ref().err(), token.as_ref().err(), read_token.as_ref().err()];
        ConfigError::all(found.into_iter().flatten().cloned().chain(wrong))?;
        Ok(Self {
            name,
            listen: listen?,
            token: token?,
            read_token: read_token?,
            allow_get_commands: keys.allow_get_commands,
            command_origins: keys.command_origins,
            cors_origins: keys.cors_origins,
            frame_origins: keys.frame_origins,
            allowed_hosts: keys.allowed_hosts,
            trusted_proxies,
            authenticating_proxies,
            tls,
            tls_problem,
            state_dir: keys.state_dir.unwrap_or_else(default_state_dir),
            runtime_dir: runtime_dir(),
        })
    }
}

/// Returns the mistakes in a list of origins.
fn wrong_origins(key: &'static str, origins: &[String]) -> Vec<ConfigError> {
    let wrong =
        origins.iter().filter(|origin| !(is_origin(origin) || key == "cors_origins" && *origin == "*"));
    let mistakes = wrong.map(|wrong| {
        ConfigError::key(key, format!("`{wrong}` is not an origin"))
            .hint("write scheme and host, without a path: `http://panel.home`")
    });
    mistakes.collect()
}

/// Returns whether a text is scheme, host and perhaps a port. It goes into a header, where other signs have a meaning.
fn is_origin(text: &str) -> bool {
    let is_name = |part: &str, others: &[char]| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(&c))
    };
    text.split_once("://").is_some_and(|(scheme, host)| {
        is_name(scheme, &['+', '-', '.']) && is_name(host, &['-', '.', '_', ':', '[', ']'])
    })
}

/// Returns the networks in a list, and its mistakes.
fn networks(key: &'static str, texts: &[String]) -> (Vec<Network>, Vec<ConfigError>) {
    let (mut networks, mut mistakes) = (Vec::new(), Vec::new());
    for text in texts {
        match text.parse() {
            Ok(network) => networks.push(network),
            Err(NotANetwork) => mistakes.push(
                ConfigError::key(key, format!("`{text}` is not an address"))
                    .hint("write an IP address, or a network: `127.0.0.1`, `172.18.0.0/16`"),
            ),
        }
    }
    (networks, mistakes)
}

/// Network, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// Leading bits that count.
    bits: u8,
}

impl Network {
    /// Returns whether an address belongs to it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            _ => return false,
        };
        differing >= u32::from(self.bits)
    }
}

/// Text that is neither an address nor a network.
#[derive(Debug)]
pub struct NotANetwork;

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let network = address.parse::<IpAddr>().ok().and_then(|address| {
            let all = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(all), |bits| bits.parse().ok()).filter(|bits| *bits <= all)?;
            Some(Self { address, bits })
        });
        network.ok_or(NotANetwork)
    }
}

/// Reads the value of a key `listen`: an IP address and a port.
///
/// # Errors
/// Returns a mistake of that key, with a hint.
pub fn listen_address(text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| {
        let hint =
            "write an IP address and a port: `127.0.0.1:8080` for this machine, `0.0.0.0:8080` for the LAN";
        ConfigError::key("listen", format!("`{text}` is not an address to listen on")).hint(hint)
    })
}

/// Returns the folder that systemd makes for `RuntimeDirectory=`: the first one, if several are configured.
fn runtime_dir() -> Option<PathBuf> {
    let folders = std::env::var_os("RUNTIME_DIRECTORY")?;
    std::env::split_paths(&folders).next().filter(|folder| folder.is_dir())
}

/// Returns the folder that systemd made for `StateDirectory=`. It has the counts, the history and the drop-ins, so no other
/// may take its place when its disk has become read-only.
fn systemds_state_dir() -> Option<PathBuf> {
    let folders = std::env::var_os("STATE_DIRECTORY")?;
    std::env::split_paths(&folders).next().filter(|folder| folder.is_dir())
}

/// Returns the folder that systemd made, else `/var/lib/smartmeter` if this user may write there, else a folder of the
/// user's own. It is created with the first file in it.
pub(super) fn default_state_dir() -> PathBuf {
    if let Some(folder) = systemds_state_dir() {
        return folder;
    }
    let writable = |path: &Path| access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    let system = Path::new("/var/lib/smartmeter");
    if writable(if system.exists() { system } else { Path::new("/var/lib") }) {
        return system.to_owned();
    }
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from);
    std::env::var_os("XDG_STATE_HOME")
        .map_or_else(|| home.join(".local/state"), PathBuf::from)
        .join("smartmeter")
}
