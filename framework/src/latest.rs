//! Newest value of one writer.

use std::sync::{Arc, PoisonError, RwLock};

/// Newest value of one writer, for any number of readers, who see it whole.
///
/// Its lock is held for the copy of a pointer only. Structures without a lock, such as `arc_swap`, visit every thread of
/// the program on each write: with 500 sources, that was half of the processor time.
#[derive(Debug)]
pub(crate) struct Latest<T: ?Sized>(RwLock<Option<Arc<T>>>);

impl<T: ?Sized> Default for Latest<T> {
    fn default() -> Self {
        Self(RwLock::new(None))
    }
}

impl<T> From<Vec<T>> for Latest<[T]> {
    fn from(all: Vec<T>) -> Self {
        Self(RwLock::new(Some(all.into())))
    }
}

impl<T> Latest<[T]> {
    /// Returns the values; none before the first.
    pub(crate) fn all(&self) -> Arc<[T]> {
        self.get().unwrap_or_default()
    }
}

impl<T: ?Sized> Latest<T> {
    /// Returns the value; `None` before the first.
    pub(crate) fn get(&self) -> Option<Arc<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, value: Arc<T>) {
        let mut latest = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let old = latest.replace(value);
        drop(latest);
        // Its memory is freed without the lock.
        drop(old);
    }
}
