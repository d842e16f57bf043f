//! Panics of plugins.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures_util::FutureExt as _;

/// Awaits `work`; a panic in it becomes its message.
///
/// # Errors
/// Returns the message of the panic.
// Not an `async fn`, whose future would keep `work` twice: as its argument, and while it is awaited.
pub(crate) fn caught<T>(work: impl Future<Output = T>) -> impl Future<Output = Result<T, String>> {
    // A plugin is opened again after a panic, and nothing of its state is read before.
    AssertUnwindSafe(work).catch_unwind().map(|result| result.map_err(message))
}

/// Returns the message of a panic.
pub(crate) fn message(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    // What a plugin panics with may panic once more when it is dropped.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
    text.unwrap_or_else(|| "without a message".to_owned())
}
