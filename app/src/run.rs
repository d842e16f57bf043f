//! Runs a configuration until a signal ends it.

use std::{
    io::{self, IsTerminal as _},
    sync::Arc,
};

use framework::{Config, ConfigFiles, Control, Service, Setup};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
};
use tracing::{info, warn};

use crate::{control, failure::Failure, log, setup::Machine};

/// Runs the configuration of these files until Ctrl+C or SIGTERM.
pub(crate) fn run_files(files: ConfigFiles) -> Result<(), Failure> {
    let config = files.load()?;
    run(config, Some(files), None)
}

/// Runs the configuration until Ctrl+C or SIGTERM, and reloads it from its `files` on SIGHUP. `simulated` is the log line about devices that are not real.
pub(crate) fn run(
    config: Config,
    files: Option<ConfigFiles>,
    simulated: Option<&'static str>,
) -> Result<(), Failure> {
    let _log = log::start();
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let listener = framework::listen(config.server.listen, "`[server] listen` or `--port`")?;
    let address = listener.local_addr()?;
    let (sources, scheme) = (config.sources.len(), config.server.scheme());
    let hung_up = Arc::new(Notify::new());
    let stop = ended(Arc::clone(&hung_up), move || {
        info!("smartmeter {} serves {scheme}://{address}/", env!("CARGO_PKG_VERSION"));
        if let Some(what) = simulated {
            info!("{what}");
        } else if address.ip().is_loopback() {
            let port = address.port();
            info!(
                "only this machine can reach it; `listen = \"0.0.0.0:{port}\"` makes it reachable from the LAN"
            );
        }
        if sources == 0 {
            info!(
                "no source is configured; {scheme}://{address}/ finds meters, and so does `smartmeter setup`"
            );
        }
    });
    let socket = control::socket(&config.server);
    let mut service = Service::new(config).listen(listener);
    if let Some(files) = files {
        let again = files.clone();
        service = service.with_loader(move || again.load());
        service = service.with_setup(Setup::new(files, Arc::new(Machine)));
    }
    let control = service.control();
    service = service.beside(control::serve(socket, control.clone()));
    service = service.beside(reload_on_hangup(control, hung_up));
    if simulated.is_some() { service.simulated() } else { service }.run(stop)?;
    info!("ended");
    Ok(())
}

/// Reloads the configuration at each SIGHUP. One that says that the terminal is gone ends the program instead, by
/// `hung_up`.
async fn reload_on_hangup(control: Control, hung_up: Arc<Notify>) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else { return };
    let in_terminal = io::stdin().is_terminal();
    while hangups.recv().await.is_some() {
        // A terminal that was closed is none any more.
        if in_terminal && !io::stdin().is_terminal() {
            return hung_up.notify_one();
        }
        // The log has the result.
        let _ = control.reload().await;
    }
}

/// Waits for the first signal; the second one ends the process at once. `ready` is called when a signal would end the
/// program in order.
async fn ended(hung_up: Arc<Notify>, ready: impl FnOnce()) {
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
            () = hung_up.notified() => {}
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
