//! `[server]`: HTTP and the state directory.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};
use serde::Deserialize;

use super::Secret;
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
        let origins = keys.command_origins.iter().filter(|origin| !is_origin(origin)).map(|wrong| {
            ConfigError::key("command_origins", format!("`{wrong}` is not an origin"))
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
            runtime_dir: runtime_dir(),
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
