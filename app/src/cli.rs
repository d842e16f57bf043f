//! The command line.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use framework::{Config, Diagnostics, Setting};

use crate::{decode, demo, failure::Failure, probe, record, run, transfer};

/// Reads a house's energy meters and serves them as JSON.
#[derive(Parser)]
#[command(version, arg_required_else_help = false)]
struct Cli {
    #[command(flatten)]
    run: RunArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Run on a simulated house: no hardware and no file needed
    #[arg(long, conflicts_with_all = ["config", "serial_port", "s0_pin"])]
    demo: bool,
}

#[derive(Args, Default)]
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

#[derive(Subcommand)]
enum Command {
    /// Check the configuration, and say everything that is wrong with it
    Check(ConfigFile),
    /// List the plugins that this program has
    Plugins,
    /// Print a plugin's commented configuration
    Sample {
        /// Its name, as `plugins` lists it
        plugin: String,
    },
    /// Decode recorded bytes of a meter to JSON, a line a telegram
    Decode {
        /// A file, or `-` for standard input
        file: PathBuf,
    },
    /// Find the meters at serial ports, and print their configuration
    Probe {
        /// Serial ports, or `tcp://host:port` [default: all that there are]
        ports: Vec<transport::Port>,
        /// Add the configuration to this file
        #[arg(long, value_name = "FILE")]
        write: Option<PathBuf>,
    },
    /// Record what a meter sends, to decode it, to play it again or to show it to others
    Record(record::Record),
    /// Print what the journal has, as CSV or JSON lines; the program may be running
    Export(transfer::Export),
    /// Take into the journal what `export` printed; the program must be stopped
    Import(transfer::Import),
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let misplaced = cli.command.is_some() && (cli.run.demo || cli.run.file.has_keys());
    let result = match cli.command {
        Some(_) if misplaced => Err(Failure::usage(
            "of all options only `--config` may stand before a command: write the others behind it\n",
        )),
        None if cli.run.demo => demo::run(&cli.run.file),
        None => cli.run.file.load().map_err(Failure::from).and_then(|config| run::run(config, None)),
        Some(Command::Check(file)) => check(&file),
        Some(Command::Plugins) => plugins(),
        Some(Command::Sample { plugin }) => sample(&plugin),
        Some(Command::Decode { file }) => decode::run(&file),
        Some(Command::Probe { ports, write }) => probe::run(ports, write.as_deref()),
        Some(Command::Record(record)) => record::run(&record),
        Some(Command::Export(export)) => transfer::export(&export),
        Some(Command::Import(import)) => transfer::import(&import),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = write!(io::stderr(), "{failure}");
            failure.status()
        }
    }
}

impl ConfigFile {
    /// This file, else the usual one.
    pub(crate) fn named(config: Option<PathBuf>) -> Self {
        Self { config, ..Self::default() }
    }

    /// Returns whether an option sets a key of the file.
    fn has_keys(&self) -> bool {
        self.port.is_some() || self.serial_port.is_some() || self.s0_pin.is_some() || self.state_dir.is_some()
    }

    /// Returns the options of the original program, as keys of the configuration in `file`.
    pub(crate) fn settings(&self, file: &str) -> Vec<Setting> {
        // The framework reports a file that is no TOML.
        let file: toml::Table = file.parse().unwrap_or_default();
        let mut settings = Vec::new();
        if let Some(port) = self.port {
            let server = file.get("server").and_then(|server| server.get("listen"));
            let old = server.and_then(toml::Value::as_str).unwrap_or("127.0.0.1");
            let host = old.rsplit_once(':').map_or(old, |(host, _)| host);
            settings.push(Setting::text("--port", ["server", "listen"], format!("{host}:{port}")));
        }
        let sources = file.get("sources").and_then(toml::Value::as_table);
        if let Some(path) = &self.serial_port {
            let name = source_of(sources, "d0", "smartmeter_d0");
            settings.push(Setting::text("--serialPort", ["sources", &name, "plugin"], "d0"));
            settings.push(Setting::text("--serialPort", ["sources", &name, "port"], path));
        }
        if let Some(pin) = self.s0_pin {
            let name = source_of(sources, "s0", "smartmeter_s0");
            settings.push(Setting::text("--s0Pin", ["sources", &name, "plugin"], "s0"));
            settings.extend(["port", "line"].map(|key| Setting::remove("--s0Pin", ["sources", &name, key])));
            settings.push(Setting::integer("--s0Pin", ["sources", &name, "pin"], pin.into()));
        }
        if let Some(path) = &self.state_dir {
            settings.push(Setting::text("--state-dir", ["server", "state_dir"], path.display().to_string()));
        }
        settings
    }

    pub(crate) fn load(&self) -> Result<Config, Diagnostics> {
        match self.path() {
            Some(path) => {
                // A file that cannot be read is reported by `Config::load`.
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                Config::load(&path, &self.settings(&text))
            }
            None if self.serial_port.is_some() || self.s0_pin.is_some() => {
                Config::parse("command line", "", &self.settings(""))
            }
            None => Err(Diagnostics::file(
                "config.toml",
                "there is no such file here, and no /etc/smartmeter/config.toml",
                "`smartmeter --demo` runs without one; `smartmeter sample d0 > config.toml` begins one",
            )),
        }
    }

    fn path(&self) -> Option<PathBuf> {
        let usual = || ["config.toml", "/etc/smartmeter/config.toml"].map(PathBuf::from);
        self.config.clone().or_else(|| usual().into_iter().find(|path| path.exists()))
    }
}

/// Returns the name of the only source that uses `plugin`; `usual` where none or several do, unless another plugin has
/// that name.
fn source_of(sources: Option<&toml::Table>, plugin: &str, usual: &str) -> String {
    let uses = |source: &toml::Value| source.get("plugin").and_then(toml::Value::as_str) == Some(plugin);
    let mut users = sources.into_iter().flatten().filter(|(_, source)| uses(source));
    match (users.next(), users.next(), sources.and_then(|sources| sources.get(usual))) {
        (Some((only, _)), None, _) => only.clone(),
        (_, _, Some(source)) if !uses(source) => format!("{usual}_{plugin}"),
        _ => usual.to_owned(),
    }
}

fn check(file: &ConfigFile) -> Result<(), Failure> {
    let config = file.load()?;
    let mut out = io::stdout().lock();
    writeln!(out, "configuration OK; serves http://{}/data", config.server.listen)?;
    for source in &config.sources {
        let device = source.device.as_deref().unwrap_or("no device");
        writeln!(out, "  {}: plugin {}, {device}", source.name, source.plugin.kind)?;
    }
    for publisher in &config.publishers {
        writeln!(out, "  {}: publisher {}", publisher.name, publisher.plugin.kind)?;
    }
    for endpoint in &config.endpoints {
        let (kind, listen) = (endpoint.plugin.kind, endpoint.endpoint.listen());
        writeln!(out, "  {}: endpoint {kind}, {listen}", endpoint.name)?;
    }
    if config.sources.is_empty() {
        writeln!(out, "hint: no source is configured yet; `smartmeter sample d0` prints one")?;
    }
    Ok(())
}

fn plugins() -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for plugin in framework::plugins() {
        writeln!(out, "{:<13} {:<10} {}", plugin.kind, plugin.role, plugin.about)?;
    }
    Ok(())
}

fn sample(name: &str) -> Result<(), Failure> {
    let plugins = framework::plugins();
    let Some(plugin) = plugins.iter().find(|plugin| plugin.kind == name) else {
        let kinds: Vec<_> = plugins.iter().map(|plugin| format!("`{}`", plugin.kind)).collect();
        let list = kinds.join(", ");
        return Err(Failure::usage(format!("unknown plugin `{name}`, expected one of {list}\n")));
    };
    Ok(io::stdout().lock().write_all(plugin.sample.as_bytes())?)
}
