//! What the program says, on standard error.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;

/// Starts logging. `SMARTMETER_LOG` chooses the level (`error`, `warn`, `info`, `debug`), `info` by default.
pub(crate) fn start() {
    let level = std::env::var("SMARTMETER_LOG")
        .ok()
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::INFO);
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    // systemd's journal has times of its own, and colours are for people.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        log.without_time().with_ansi(false).init();
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).init();
    }
    // The supervisor says which source it was; the default would print a raw line as well.
    std::panic::set_hook(Box::new(|panic| tracing::debug!("{panic}")));
}
