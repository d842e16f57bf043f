//! Sources that are a closure without `async`.

use std::{
    panic::resume_unwind,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::{JoinHandle, spawn_blocking};

use super::DataAcquisition;
use crate::{AcquireError, Batch};

type Acquired = Result<Option<Batch>, AcquireError>;

/// Closure that runs on a thread for blocking work.
pub(super) struct Blocking<F> {
    /// Locked by the one call that runs.
    acquire: Arc<Mutex<F>>,
    /// The call that runs. One that outlasts its `acquire` is waited for by the next: there is never a second.
    running: Option<JoinHandle<Acquired>>,
}

impl<F> Blocking<F> {
    pub(super) fn new(acquire: F) -> Self {
        Self { acquire: Arc::new(Mutex::new(acquire)), running: None }
    }
}

#[async_trait::async_trait]
impl<F: FnMut() -> Acquired + Send + 'static> DataAcquisition for Blocking<F> {
    async fn acquire(&mut self) -> Acquired {
        let running = self.running.get_or_insert_with(|| {
            let acquire = Arc::clone(&self.acquire);
            // After a panic the plugin starts again with the same closure, as it does with the same struct.
            spawn_blocking(move || (acquire.lock().unwrap_or_else(PoisonError::into_inner))())
        });
        let ended = running.await;
        self.running = None;
        match ended {
            Ok(acquired) => acquired,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(error) => Err(AcquireError::unavailable(error)),
            },
        }
    }
}
