//! Signals that end a command.

use std::{process, thread};

use tokio::signal::unix::{SignalKind, signal};

/// Runs `cleanup` before Ctrl+C, or another signal, ends the process: from the return of this function on.
pub(crate) fn before_end(cleanup: impl FnOnce() + Send + 'static) {
    // Without the thread, a signal ends the process at once, as always.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let context = runtime.enter();
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hang_up), Ok(mut quit)] = kinds.map(signal) else {
        return;
    };
    drop(context);
    let _ = thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let number = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => 2,
                _ = terminate.recv() => 15,
                _ = hang_up.recv() => 1,
                _ = quit.recv() => 3,
            }
        });
        cleanup();
        // As a shell reports a process that a signal has ended.
        process::exit(128 + number);
    });
}
