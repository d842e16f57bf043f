//! `[server]`: the keys of the program itself.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};
use serde::Deserialize;

use super::{Secret, Section};
use crate::ConfigError;

/// `[server]`, checked.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// What a command from another machine must show.
    pub token: Option<Secret>,
    /// Whether `GET /cmd` runs commands, as raspend's did.
    pub allow_get_commands: bool,
    /// Origins of web pages that may send commands.
    pub command_origins: Vec<String>,
    /// Where counts that must survive a restart are kept.
    pub state_dir: PathBuf,
}

/// This machine only: a meter's readings are nobody's business until their owner says so.
pub(super) const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    #[serde(default = "default_listen")]
    listen: String,
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    #[serde(default)]
    allow_get_commands: bool,
    #[serde(default)]
    command_origins: Vec<String>,
    state_dir: Option<PathBuf>,
}

fn default_listen() -> String {
    DEFAULT_LISTEN.to_owned()
}

impl ServerConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let keys: Keys = section.parse()?;
        match Self::check(keys) {
            Ok(server) => Some(server),
            Err(error) => {
                section.refuse(&error);
                None
            }
        }
    }

    fn check(keys: Keys) -> Result<Self, ConfigError> {
        let listen = keys.listen.parse().map_err(|_| {
            ConfigError::key("listen", format!("`{}` is no address to listen on", keys.listen)).hint(
                "write an IP address and a port: `127.0.0.1:8080` for this machine, `0.0.0.0:8080` for the whole house",
            )
        });
        let token = Secret::given(["token", "token_file"], keys.token, keys.token_file.as_deref());
        let is_origin = |origin: &&String| origin.contains("://") && !origin.ends_with('/');
        let origins = keys.command_origins.iter().filter(|origin| !is_origin(origin)).map(|wrong| {
            ConfigError::key("command_origins", format!("`{wrong}` is no origin"))
                .hint("write scheme and host, without a path: `http://panel.home`")
        });
        let found = [listen.as_ref().err(), token.as_ref().err()];
        ConfigError::all(found.into_iter().flatten().cloned().chain(origins))?;
        Ok(Self {
            listen: listen?,
            token: token?,
            allow_get_commands: keys.allow_get_commands,
            command_origins: keys.command_origins,
            state_dir: keys.state_dir.unwrap_or_else(default_state_dir),
        })
    }
}

/// `/var/lib/smartmeter` where this user may write there, else a folder of the user's own. Whoever keeps
/// something makes the folder.
fn default_state_dir() -> PathBuf {
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
