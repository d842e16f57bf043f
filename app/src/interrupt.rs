//! Signals that end a command.

use std::{process, thread};

use tokio::signal::unix::{SignalKind, signal};

/// Runs `cleanup` before Ctrl+C, or another signal, ends the process.
pub(crate) fn before_end(cleanup: impl FnOnce() + Send + 'static) {
    // Without the thread, a signal ends the process at once, as always.
    let _ = thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        if let Some(number) = runtime.block_on(ended()) {
            cleanup();
            // As a shell reports a process that a signal has ended.
            process::exit(128 + number);
        }
    });
}

/// Waits for a signal. Returns its number.
async fn ended() -> Option<i32> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hang_up), Ok(mut quit)] = kinds.map(signal) else {
        return None;
    };
    tokio::select! {
        _ = interrupt.recv() => Some(2),
        _ = terminate.recv() => Some(15),
        _ = hang_up.recv() => Some(1),
        _ = quit.recv() => Some(3),
    }
}
