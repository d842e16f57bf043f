//! The command line.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use framework::{Config, Diagnostics, Override};

use crate::{decode, demo, probe, record, run, transfer};

/// Something went wrong while running.
const FAULT: u8 = 1;
/// The command line or the configuration is wrong.
const USAGE: u8 = 2;

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
        None if cli.run.demo => demo::run(&cli.run.file.overrides()),
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
            let _ = write!(io::stderr(), "{}", failure.text);
            ExitCode::from(failure.status)
        }
    }
}

/// Why the program ends, and with which status.
pub(crate) struct Failure {
    status: u8,
    text: String,
}

impl Failure {
    /// Something went wrong: status 1. The text is whole lines.
    pub(crate) fn fault(text: impl Into<String>) -> Self {
        Self { status: FAULT, text: text.into() }
    }

    /// What was asked for is wrong: status 2. The text is whole lines.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { status: USAGE, text: text.into() }
    }
}

impl From<Diagnostics> for Failure {
    fn from(mistakes: Diagnostics) -> Self {
        Self::usage(mistakes.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::fault(format!("smartmeter: {error}\n"))
    }
}

impl ConfigFile {
    /// This file, else the usual one.
    pub(crate) fn named(config: Option<PathBuf>) -> Self {
        Self { config, ..Self::default() }
    }

    /// Whether an option stands in for a key of the file.
    fn has_keys(&self) -> bool {
        !self.overrides().is_empty()
    }

    /// The original program's options, as keys of the configuration.
    fn overrides(&self) -> Vec<Override> {
        let source = |option: &str, plugin, name, key, value, instead_of| Override::Source {
            option: option.to_owned(),
            plugin,
            name,
            key,
            value,
            instead_of,
        };
        let port = self.port.map(|port| Override::ListenPort { option: "--port".to_owned(), port });
        let serial_port = self.serial_port.clone();
        let serial_port =
            serial_port.map(|path| source("--serialPort", "d0", "smartmeter_d0", "port", path, &[]));
        let pin = self
            .s0_pin
            .map(|pin| source("--s0Pin", "s0", "smartmeter_s0", "pin", pin.to_string(), &["port", "line"]));
        let state_dir = self.state_dir.as_ref().map(|path| Override::Server {
            option: "--state-dir".to_owned(),
            key: "state_dir",
            value: path.display().to_string(),
        });
        [port, serial_port, pin, state_dir].into_iter().flatten().collect()
    }

    pub(crate) fn load(&self) -> Result<Config, Diagnostics> {
        let overrides = self.overrides();
        match self.path() {
            Some(path) => Config::load(&path, &overrides),
            None if self.serial_port.is_some() || self.s0_pin.is_some() => {
                Config::parse("command line", "", &overrides)
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

fn check(file: &ConfigFile) -> Result<(), Failure> {
    let config = file.load()?;
    let mut out = io::stdout().lock();
    writeln!(out, "the configuration is right: it is served on http://{}/data", config.server.listen)?;
    if let Some(vzlogger) = &config.vzlogger {
        writeln!(out, "  vzlogger's clients are answered on http://{}/", vzlogger.listen)?;
    }
    for source in &config.sources {
        let device = source.device.as_deref().unwrap_or("no device");
        writeln!(out, "  {}: plugin {}, {device}", source.name, source.plugin.kind)?;
    }
    for publisher in &config.publishers {
        writeln!(out, "  {}: publisher {}", publisher.name, publisher.plugin.kind)?;
    }
    if config.sources.is_empty() {
        writeln!(out, "hint: no source is configured yet; `smartmeter sample d0` prints one")?;
    }
    Ok(())
}

fn plugins() -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let sources = framework::source_plugins().into_iter().map(|source| (source.kind, "source", source.about));
    let publishers = framework::publishers().into_iter();
    let publishers = publishers.map(|publisher| (publisher.kind, "publisher", publisher.about));
    for (kind, what, about) in sources.chain(publishers) {
        writeln!(out, "{kind:<13} {what:<10} {about}")?;
    }
    Ok(())
}

fn sample(name: &str) -> Result<(), Failure> {
    let sources = framework::source_plugins().into_iter().map(|source| (source.kind, source.sample));
    let publishers = framework::publishers().into_iter().map(|publisher| (publisher.kind, publisher.sample));
    let all: Vec<_> = sources.chain(publishers).collect();
    let Some((_, sample)) = all.iter().find(|(kind, _)| *kind == name) else {
        let kinds: Vec<_> = all.iter().map(|(kind, _)| format!("`{kind}`")).collect();
        let list = kinds.join(", ");
        return Err(Failure::usage(format!("unknown plugin `{name}`, expected one of {list}\n")));
    };
    Ok(io::stdout().lock().write_all(sample.as_bytes())?)
}
