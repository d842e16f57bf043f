//! The configuration file, and the options that set its keys.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;
use framework::{Config, ConfigFiles, Diagnostics, Setting};
use toml::de::DeTable;

/// The address of a program without `listen`.
const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// The drop-ins of the service, where the configuration does not say.
const DROP_INS: &str = "/var/lib/smartmeter/config.d";

/// The configuration file, and the options of the original program that set its keys.
#[derive(Args, Clone, Default)]
pub(crate) struct ConfigFile {
    /// The configuration [default: config.toml, else /etc/smartmeter/config.toml]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Serve HTTP on this port
    #[arg(long, value_name = "NUMBER")]
    port: Option<u16>,
    /// Read a D0 meter on this serial port
    #[arg(long = "serialPort", value_name = "PATH")]
    serial_port: Option<String>,
    /// Count S0 pulses on this pin (BCM number)
    #[arg(long = "s0Pin", value_name = "PIN")]
    s0_pin: Option<u8>,
    /// Keep counts here [default: /var/lib/smartmeter, else ~/.local/state/smartmeter]
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
}

impl ConfigFile {
    /// The file `config`, else the usual one.
    pub(crate) fn named(config: Option<PathBuf>) -> Self {
        Self { config, ..Self::default() }
    }

    /// Returns whether an option sets a key of the file.
    pub(crate) fn has_keys(&self) -> bool {
        self.port.is_some() || self.serial_port.is_some() || self.s0_pin.is_some() || self.state_dir.is_some()
    }

    /// Returns the options of the original program, as keys of the configuration in these files.
    pub(crate) fn settings(&self, files: &[&str]) -> Vec<Setting> {
        if !self.has_keys() {
            return Vec::new();
        }
        let mut file = toml::Table::new();
        for text in files {
            // The framework reports a file that is not TOML.
            merge(&mut file, text.parse().unwrap_or_default());
        }
        let mut settings = Vec::new();
        if let Some(port) = self.port {
            let server = file.get("server").and_then(|server| server.get("listen"));
            let old = server.and_then(toml::Value::as_str).unwrap_or("127.0.0.1");
            let host = old.rsplit_once(':').map_or(old, |(host, _)| host);
            settings.push(Setting::set("--port", &["server", "listen"], format!("{host}:{port}")));
        }
        let sources = file.get("sources").and_then(toml::Value::as_table);
        if let Some(path) = &self.serial_port {
            let name = source_of(sources, "d0", "smartmeter_d0");
            settings.push(Setting::set("--serialPort", &["sources", &name, "plugin"], "d0"));
            settings.push(Setting::set("--serialPort", &["sources", &name, "port"], path.as_str()));
        }
        if let Some(pin) = self.s0_pin {
            let name = source_of(sources, "s0", "smartmeter_s0");
            settings.push(Setting::set("--s0Pin", &["sources", &name, "plugin"], "s0"));
            settings.extend(["port", "line"].map(|key| Setting::remove("--s0Pin", &["sources", &name, key])));
            settings.push(Setting::set_number("--s0Pin", &["sources", &name, "pin"], pin.into()));
        }
        if let Some(path) = &self.state_dir {
            settings.push(Setting::set("--state-dir", &["server", "state_dir"], path.display().to_string()));
        }
        settings
    }

    /// Returns the files of the configuration, with the keys that the options set.
    pub(crate) fn files(&self) -> Result<ConfigFiles, Diagnostics> {
        let path = self.path();
        if path.is_none() && self.serial_port.is_none() && self.s0_pin.is_none() {
            return Err(Diagnostics::file(
                "config.toml",
                "there is no such file here, and no /etc/smartmeter/config.toml",
                "`smartmeter --demo` runs without one; `smartmeter sample d0 > config.toml` begins one",
            ));
        }
        let options = self.clone();
        Ok(ConfigFiles::new(path).with_settings(move |files| options.settings(files)))
    }

    /// Reads and checks the configuration.
    pub(crate) fn load(&self) -> Result<Config, Diagnostics> {
        self.files()?.load()
    }

    /// Returns the address in a configuration that has mistakes: where the program that runs probably listens.
    pub(crate) fn probable_listen(&self) -> SocketAddr {
        let port = |ip| SocketAddr::new(ip, USUAL.port());
        let read = |listen: &str| listen.parse().ok().or_else(|| listen.parse().ok().map(port));
        let mut listen = self.probable("listen", read).unwrap_or(USUAL);
        listen.set_port(self.port.unwrap_or(listen.port()));
        listen
    }

    /// Returns the state folder in a configuration that has mistakes: that of the program that runs, probably.
    pub(crate) fn probable_state_dir(&self) -> Option<PathBuf> {
        self.state_dir.clone().or_else(|| self.probable("state_dir", |folder| Some(PathBuf::from(folder))))
    }

    /// Returns the first value of a key of `[server]` that can be read.
    fn probable<T>(&self, key: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let folder = self.files().and_then(|files| files.folder()).unwrap_or_else(|_| DROP_INS.into());
        let drop_ins = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let drop_ins = drop_ins.filter(|path| path.extension().is_some_and(|end| end == "toml"));
        let texts = self.path().into_iter().chain(drop_ins).filter_map(|path| fs::read_to_string(path).ok());
        let mut values = texts.filter_map(|text| {
            let (table, _) = DeTable::parse_recoverable(&text);
            let server = table.get_ref().get("server")?.get_ref().as_table()?;
            read(server.get(key)?.get_ref().as_str()?)
        });
        values.next()
    }

    fn path(&self) -> Option<PathBuf> {
        let usual = || ["config.toml", "/etc/smartmeter/config.toml"].map(PathBuf::from);
        self.config.clone().or_else(|| usual().into_iter().find(|path| path.exists()))
    }
}

/// Adds the keys of a file to those of earlier ones.
fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(there)), toml::Value::Table(table)) => merge(there, table),
            (Some(_), _) => {}
            (None, value) => drop(into.insert(key, value)),
        }
    }
}

/// Returns the name of the only source that uses `plugin`. If there is none, or several, it is `usual`, or a name
/// beside it if another plugin has that one.
fn source_of(sources: Option<&toml::Table>, plugin: &str, usual: &str) -> String {
    let uses = |source: &toml::Value| source.get("plugin").and_then(toml::Value::as_str) == Some(plugin);
    let mut users = sources.into_iter().flatten().filter(|(_, source)| uses(source));
    match (users.next(), users.next(), sources.and_then(|sources| sources.get(usual))) {
        (Some((only, _)), None, _) => only.clone(),
        (_, _, Some(source)) if !uses(source) => format!("{usual}_{plugin}"),
        _ => usual.to_owned(),
    }
}
