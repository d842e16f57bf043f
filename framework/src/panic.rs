//! Panics of plugins.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    future::Future,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
};

use futures_util::FutureExt as _;
use tracing::{dispatcher, error};

use crate::{Faults, one_line::one_line};

thread_local! {
    /// A panic on this thread becomes a mistake of the configuration, which is not logged.
    static IS_CHECKING: Cell<bool> = const { Cell::new(false) };
    /// File and line of the last panic of a check.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Logs every panic with its file and line, each place once a minute at most. A thread's span names its source.
pub fn log_panics() {
    let without_log = panic::take_hook();
    let faults = Mutex::new(Faults::default());
    panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
        if IS_CHECKING.get() {
            return PLACE.set(Some(place));
        }
        if !dispatcher::has_been_set() {
            return without_log(panic);
        }
        let text = panic.payload().downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.payload().downcast_ref::<String>().map(String::as_str));
        let message = text.unwrap_or("without a message");
        let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = faults.note(place.clone(), &format!("panicked at {place}: {message}")) {
            drop(faults);
            error!("{text}");
        }
    }));
}

/// Runs a check; a panic in it becomes its place and message.
///
/// # Errors
/// Returns `at src/lib.rs:12: …`.
pub(crate) fn checked<T>(check: impl FnOnce() -> T) -> Result<T, String> {
    let is_checking = IS_CHECKING.replace(true);
    let checked = catch_unwind(AssertUnwindSafe(check));
    IS_CHECKING.set(is_checking);
    checked.map_err(|panic| match PLACE.take() {
        Some(place) => format!("at {place}: {}", message(panic)),
        None => message(panic),
    })
}

/// Awaits `work`; a panic in it becomes its message.
///
/// # Errors
/// Returns the message of the panic.
// Not an `async fn`, whose future would keep `work` twice: as its argument, and while it is awaited.
pub(crate) fn caught<T>(work: impl Future<Output = T>) -> impl Future<Output = Result<T, String>> {
    // A plugin is opened again after a panic, and nothing of its state is read before.
    AssertUnwindSafe(work).catch_unwind().map(|result| result.map_err(message))
}

/// Returns the message of a panic, on one line.
pub(crate) fn message(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    // What a plugin panics with may panic once more when it is dropped.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
    text.map_or_else(|| "without a message".to_owned(), |text| one_line(&text).into_owned())
}
