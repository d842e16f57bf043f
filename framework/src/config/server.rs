//! `[server]`: HTTP and the state directory.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use rustix::fs::{Access, access};
use serde::Deserialize;

use super::{Secret, paths::check_state_dir};
use crate::{
    ConfigError,
    table::{Built, Table, keys_of},
};

/// `[server]`, checked.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Address of the HTTP server.
    pub listen: SocketAddr,
    /// The token that commands from other machines must carry.
    pub token: Option<Secret>,
    /// Permission for `GET /cmd` to run commands, as in raspend.
    pub allow_get_commands: bool,
    /// Origins of web pages that may send commands.
    pub command_origins: Vec<String>,
    /// Origins of web pages that may read; `*` for all.
    pub cors_origins: Vec<String>,
    /// Further names of this machine; `*` for any.
    pub allowed_hosts: Vec<String>,
    /// Proxies whose word on the client's address counts.
    pub trusted_proxies: Vec<Network>,
    /// Folder for counts that must survive a restart.
    pub state_dir: PathBuf,
    /// Folder in memory that survives the process, where the system has made one.
    pub runtime_dir: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    listen: Option<String>,
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    #[serde(default)]
    allow_get_commands: bool,
    #[serde(default)]
    command_origins: Vec<String>,
    #[serde(default)]
    cors_origins: Vec<String>,
    #[serde(default)]
    allowed_hosts: Vec<String>,
    #[serde(default)]
    trusted_proxies: Vec<String>,
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

    fn check(keys: Keys) -> Result<Self, ConfigError> {
        // This machine only: the owner decides who else may see the readings.
        let listen = listen_address(keys.listen.as_deref().unwrap_or("127.0.0.1:8080"));
        let token = Secret::given(["token", "token_file"], keys.token, keys.token_file.as_deref());
        let is_origin = |origin: &&String| origin.contains("://") && !origin.ends_with('/');
        let wrong_origins = |key, origins: &[String]| {
            let wrong = origins.iter().filter(|origin| !is_origin(origin));
            let wrong = wrong.filter(|origin| key != "cors_origins" || *origin != "*").map(|wrong| {
                ConfigError::key(key, format!("`{wrong}` is not an origin"))
                    .hint("write scheme and host, without a path: `http://panel.home`")
            });
            wrong.collect::<Vec<_>>()
        };
        let mut wrong = wrong_origins("command_origins", &keys.command_origins);
        wrong.extend(wrong_origins("cors_origins", &keys.cors_origins));
        let hosts =
            keys.allowed_hosts.iter().filter(|host| host.is_empty() || host.contains(['/', ':', ' ']));
        wrong.extend(hosts.map(|wrong| {
            ConfigError::key("allowed_hosts", format!("`{wrong}` is not a host name"))
                .hint("write the name as in a browser, without scheme and port: `meter.example.org`")
        }));
        let proxies = keys.trusted_proxies.iter().map(|proxy| proxy.parse::<Network>());
        let (proxies, wrong_proxies): (Vec<_>, Vec<_>) = proxies.partition(Result::is_ok);
        wrong.extend(wrong_proxies.into_iter().filter_map(Result::err));
        wrong.extend(keys.state_dir.as_deref().and_then(check_state_dir));
        let found = [listen.as_ref().err(), token.as_ref().err()];
        ConfigError::all(found.into_iter().flatten().cloned().chain(wrong))?;
        Ok(Self {
            listen: listen?,
            token: token?,
            allow_get_commands: keys.allow_get_commands,
            command_origins: keys.command_origins,
            cors_origins: keys.cors_origins,
            allowed_hosts: keys.allowed_hosts,
            trusted_proxies: proxies.into_iter().flatten().collect(),
            state_dir: keys.state_dir.unwrap_or_else(default_state_dir),
            runtime_dir: runtime_dir(),
        })
    }
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

impl FromStr for Network {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let network = address.parse::<IpAddr>().ok().and_then(|address| {
            let all = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(all), |bits| bits.parse().ok()).filter(|bits| *bits <= all)?;
            Some(Self { address, bits })
        });
        network.ok_or_else(|| {
            ConfigError::key("trusted_proxies", format!("`{text}` is not an address"))
                .hint("write an IP address, or a network: `127.0.0.1`, `172.18.0.0/16`")
        })
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

/// Returns `/var/lib/smartmeter` if this user may write there, else a folder of the user's own. It is created with the
/// first file in it.
pub(super) fn default_state_dir() -> PathBuf {
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
