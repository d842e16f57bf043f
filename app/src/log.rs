//! Log of the program, on standard error.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;

/// Starts logging. `SMARTMETER_LOG` chooses the level (`error`, `warn`, `info`, `debug`), `info` by default.
pub(crate) fn start() {
    let level = std::env::var("SMARTMETER_LOG")
        .ok()
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::INFO);
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    // systemd's journal adds its own times, and colours are for terminals.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        log.without_time().with_ansi(false).init();
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).init();
    }
    // The supervisor logs a panic with its source; the default hook would print a second line.
    std::panic::set_hook(Box::new(|panic| tracing::debug!("{panic}")));
}
