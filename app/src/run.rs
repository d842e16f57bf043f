//! Runs a configuration until a signal ends it.

use std::sync::Arc;

use framework::{Config, ConfigFiles, Service, Setup};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::{failure::Failure, log, setup::Machine};

/// Runs the configuration of these files until Ctrl+C or SIGTERM.
pub(crate) fn run_files(files: ConfigFiles) -> Result<(), Failure> {
    let config = files.load()?;
    run(config, Some(Setup::new(files, Arc::new(Machine))), None)
}

/// Runs the configuration until Ctrl+C or SIGTERM. `simulated` is the log line about devices that are not real.
pub(crate) fn run(
    config: Config,
    setup: Option<Setup>,
    simulated: Option<&'static str>,
) -> Result<(), Failure> {
    let _log = log::start();
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let listener = framework::listen(config.server.listen, "`[server] listen` or `--port`")?;
    let address = listener.local_addr()?;
    let sources = config.sources.len();
    let stop = ended(move || {
        info!("smartmeter {} serves http://{address}/", env!("CARGO_PKG_VERSION"));
        if let Some(what) = simulated {
            info!("{what}");
        } else if address.ip().is_loopback() {
            let port = address.port();
            info!(
                "only this machine can reach it; `listen = \"0.0.0.0:{port}\"` makes it reachable from the LAN"
            );
        }
        if sources == 0 {
            info!("no source is configured; `smartmeter sample d0` prints one");
        }
    });
    let mut service = Service::new(config).listen(listener);
    if let Some(setup) = setup {
        service = service.with_setup(setup);
    }
    if simulated.is_some() { service.simulated() } else { service }.run(stop)?;
    info!("ended");
    Ok(())
}

/// Waits for the first signal; the second one ends the process at once. `ready` is called when a signal would end the
/// program in order.
async fn ended(ready: impl FnOnce()) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without signals there is no orderly end, but the readings go on.
        ready();
        return std::future::pending().await;
    };
    let mut next = async move || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    ready();
    next().await;
    info!("ending");
    tokio::spawn(async move {
        next().await;
        std::process::exit(1);
    });
}
