//! Runs a configuration until a signal ends it.

use std::net::{SocketAddr, TcpListener};

use framework::Config;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::{cli::Failure, log};

/// Serves and reads what `config` says, until Ctrl+C or SIGTERM. `simulated`: what to say of the devices.
pub(crate) fn run(config: Config, simulated: Option<&'static str>) -> Result<(), Failure> {
    log::start();
    let listener = listen(config.server.listen, "`[server] listen`", " or `--port`")?;
    let address = listener.local_addr()?;
    let vzlogger =
        config.vzlogger.as_ref().map(|of| listen(of.listen, "`[vzlogger] listen`", "")).transpose()?;
    let channels = vzlogger.as_ref().map(TcpListener::local_addr).transpose()?;
    let sources = config.sources.len();
    let stop = ended(move || {
        info!("smartmeter {} serves http://{address}/", env!("CARGO_PKG_VERSION"));
        if let Some(what) = simulated {
            info!("{what}");
        } else if address.ip().is_loopback() {
            info!(
                "only this machine can reach it; `listen = \"0.0.0.0:{}\"` opens it to the house",
                address.port()
            );
        }
        if let Some(channels) = channels {
            info!("clients of vzlogger are answered at http://{channels}/");
        }
        if sources == 0 {
            info!("no source is configured; `smartmeter sample d0` prints one");
        }
    });
    framework::run(config, simulated.is_some(), listener, vzlogger, stop)?;
    info!("ended");
    Ok(())
}

/// Listens at the address that `key` configures, or `option`.
fn listen(address: SocketAddr, key: &str, option: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => format!(
                "another program serves there, perhaps a second smartmeter: stop it, or choose another port with \
                 {key}{option}"
            ),
            std::io::ErrorKind::PermissionDenied => {
                "ports below 1024 belong to root: choose one above".to_owned()
            }
            _ => format!("{key} must be an address of this machine, or 0.0.0.0 for all of them"),
        };
        Failure::fault(format!("could not listen on {address}: {error}\nhint: {hint}\n"))
    })
}

/// Done at the first signal; the second one ends the process at once. `ready` is called once a signal
/// ends the program in order.
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
