//! The command line.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::{
    backup, config_file::ConfigFile, decode, demo, failure::Failure, health, log, output::output, probe,
    publish, record, reload, run, setup, token, transfer,
};

const CHECK_EXAMPLES: &str = "\
Examples:
  smartmeter check
  sudo smartmeter check --config /etc/smartmeter/config.toml && sudo systemctl reload smartmeter";
const HEALTH_EXAMPLES: &str = "\
Examples:
  smartmeter health
  smartmeter health --alive || sudo systemctl restart smartmeter";
const PUBLISH_EXAMPLES: &str = "\
Examples:
  smartmeter publish home
  smartmeter publish home --from 2024-01-01
  sudo smartmeter publish home --from -7d --to now --config /etc/smartmeter/config.toml";
const SETUP_EXAMPLES: &str = "\
Examples:
  smartmeter setup
  smartmeter setup /dev/ttyUSB0 tcp://192.168.1.5:2000
  ssh -t pi@meterpi smartmeter setup";
const TOKEN_EXAMPLES: &str = "\
Examples:
  sudo smartmeter token --listen   make the token, and let the LAN reach the program
  sudo smartmeter token            show it again
  sudo smartmeter token --new      replace it: devices that use it must log in again";

const BACKUP_EXAMPLES: &str = "\
Examples:
  sudo smartmeter backup /mnt/nas/home.tar.gz
  ssh pi@meterpi sudo smartmeter backup - > home.tar.gz
  tar -tzvf home.tar.gz        list what is in it";
const RESTORE_EXAMPLES: &str = "\
Examples:
  sudo systemctl stop smartmeter && sudo smartmeter restore home.tar.gz && sudo systemctl start smartmeter
  sudo smartmeter restore --merge --rename old_meter=smartmeter_d0 home.tar.gz
  tar -xzOf home.tar.gz config.toml        print the main configuration of the backup";

/// Reads the energy meters of a household and serves them as JSON.
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
    /// Run on a simulated household: no hardware and no file needed
    #[arg(long, conflicts_with_all = ["config", "serial_port", "s0_pin"])]
    demo: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Check the configuration, and report every mistake
    ///
    /// Reads `config.toml` and its drop-ins, and opens no device. The exit status is 0 if the program can start with them,
    /// else 2, and every mistake is printed with its file, line and column.
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(ConfigFile),
    /// Ask the running program for its health: status 0 if everything works
    ///
    /// The exit status is 0 if all sources, publishers and endpoints work, and 1 if one does not, or if no program
    /// answers; the reasons are printed. The program is looked for at the address in its configuration.
    #[command(after_long_help = HEALTH_EXAMPLES)]
    Health(health::Health),
    /// Have the running program reload its configuration: status 0 if it did
    ///
    /// Prints what has changed. If the configuration has mistakes, they are printed, the exit status is 1, and the program
    /// goes on as before. Only root and the user that runs the program can ask for it.
    Reload(ConfigFile),
    /// Have the running program send history again: status 0 if all of it has arrived
    ///
    /// For publishers of history, such as `homeassistant`. By themselves they send what the remote server lacks; this sends
    /// every hour from a moment on, whatever the server has. Hours that are there are replaced. Ctrl+C cancels the rest. Only
    /// root and the user that runs the program can ask for it.
    #[command(after_long_help = PUBLISH_EXAMPLES)]
    Publish(publish::Publish),
    /// List the plugins of this program
    Plugins,
    /// Print a plugin's commented configuration
    Sample {
        /// Its name, as `plugins` lists it
        plugin: String,
    },
    /// Decode recorded bytes of a meter to JSON, one line for each telegram
    Decode(decode::Decode),
    /// Find the meters at serial ports, and print their configuration
    Probe {
        /// Serial ports, or `tcp://host:port` [default: all that there are]
        ports: Vec<transport::Port>,
        /// Search the bus behind a level converter for its meters, by secondary and primary address
        #[arg(long)]
        mbus: bool,
        /// Add the configuration to this file
        #[arg(long, value_name = "FILE")]
        write: Option<PathBuf>,
    },
    /// Set the running program up in a dialogue: meters, pulses, MQTT, InfluxDB, labels
    ///
    /// It asks the program that runs on this machine, which saves each answer into a file of its own in the folder
    /// `config.d` of its state folder, and applies it at once. `config.toml` is never written.
    #[command(after_long_help = SETUP_EXAMPLES)]
    Setup {
        /// Ports to look for meters at: serial ports, or `tcp://host:port` [default: all serial ports]
        ports: Vec<transport::Port>,
    },
    /// Show the token with which other machines may change something, and its QR code; make it if there is none
    ///
    /// A phone that scans the code opens the page with the token. Without it, other machines can only read. It is kept in
    /// `90-token.toml` in the folder `config.d` of the state folder.
    #[command(after_long_help = TOKEN_EXAMPLES)]
    Token(token::Token),
    /// Record the bytes of a meter, to decode them, to replay them or to show them to others
    Record(record::Record),
    /// Print the recordings of the journal as CSV or JSON lines; the program may be running
    Export(transfer::Export),
    /// Import into the journal what `export` printed; the program must be stopped
    Import(transfer::Import),
    /// Back up history, counts and drop-ins into one file; the program may be running
    ///
    /// The file is a gzipped tar: the journal at one moment, also what publishers have not delivered yet, the counts and other
    /// files of the state folder with its drop-ins, and `config.toml` to look at. It has secrets, and only its owner can read
    /// it.
    #[command(after_long_help = BACKUP_EXAMPLES)]
    Backup(backup::Backup),
    /// Replace history, counts and drop-ins by those of a backup; the program must be stopped
    ///
    /// The backup is checked completely before anything is changed. What was there is moved into a folder
    /// `before-restore-<time>`. `config.toml` is never written. With `--merge` nothing is replaced: the history of the backup
    /// joins the one that is here.
    #[command(after_long_help = RESTORE_EXAMPLES)]
    Restore(backup::Restore),
}

/// Returns the command line's grammar, for manual pages and shell completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    framework::log_panics();
    let cli = Cli::parse();
    let misplaced = cli.command.is_some() && (cli.run.demo || cli.run.file.has_keys());
    let result = match cli.command {
        Some(_) if misplaced => Err(Failure::usage(
            "these options are for a run of the program: before a command, only `--config` is possible\n",
        )),
        None if cli.run.demo => demo::run(&cli.run.file),
        None => cli.run.file.files().map_err(Failure::from).and_then(run::run_files),
        Some(Command::Check(file)) => check(&file),
        Some(Command::Health(health)) => health::run(&health),
        Some(Command::Reload(file)) => reload::run(&file),
        Some(Command::Publish(publish)) => publish::run(&publish),
        Some(Command::Plugins) => plugins(),
        Some(Command::Sample { plugin }) => sample(&plugin),
        Some(Command::Decode(decode)) => decode::run(&decode),
        Some(Command::Probe { ports, mbus: true, write }) => probe::run_mbus(&ports, write.as_deref()),
        Some(Command::Probe { ports, write, .. }) => probe::run(ports, write.as_deref()),
        Some(Command::Setup { ports }) => setup::dialogue(&cli.run.file, &ports),
        Some(Command::Token(token)) => token::run(&cli.run.file, &token),
        Some(Command::Record(record)) => record::run(&record),
        Some(Command::Export(export)) => transfer::export(&export),
        Some(Command::Import(import)) => transfer::import(&import),
        Some(Command::Backup(backup)) => backup::backup(&backup),
        Some(Command::Restore(restore)) => backup::restore(&restore),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log::write_error(&failure.to_string());
            failure.status()
        }
    }
}

fn check(file: &ConfigFile) -> Result<(), Failure> {
    let files = file.files()?;
    let config = files.load()?;
    let name = files.path().map_or_else(
        || files.name(),
        |path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string(),
    );
    let mut out = output();
    let (scheme, listen) = (config.server.scheme(), config.server.listen);
    writeln!(out, "{name}: configuration OK; serves {scheme}://{listen}/data")?;
    for file in config.files.iter().skip(1) {
        writeln!(out, "  and {file}")?;
    }
    for source in &config.sources {
        let device = match (&source.device, &source.program) {
            (Some(device), _) => device.clone(),
            (None, Some(program)) => format!("program {program}"),
            (None, None) => "no device".to_owned(),
        };
        writeln!(out, "  {}: plugin {}, {device}", source.name, source.plugin.kind)?;
    }
    for publisher in &config.publishers {
        writeln!(out, "  {}: publisher {}", publisher.name, publisher.plugin.kind)?;
    }
    for endpoint in &config.endpoints {
        let (kind, listen) = (endpoint.plugin.kind, endpoint.endpoint.listen());
        writeln!(out, "  {}: endpoint {kind}, {listen}", endpoint.name)?;
    }
    for warning in config.warnings.iter().chain(&config.backup_warnings()) {
        writeln!(out, "warning: {warning}")?;
    }
    if config.sources.is_empty() {
        writeln!(
            out,
            "hint: no source is configured yet; `smartmeter setup` finds meters, and so does the page at {scheme}://{listen}/"
        )?;
    }
    Ok(())
}

fn plugins() -> Result<(), Failure> {
    let mut out = output();
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
    Ok(output().write_all(plugin.sample.as_bytes())?)
}
