//! The system's clocks, and the means to make up others for tests.

use std::{fmt, sync::Arc};

use super::clock::{self, Observation};
use crate::Text;

/// Looks at the clocks.
#[derive(Clone)]
pub struct Look {
    boot: Text,
    look: Arc<dyn Fn() -> Observation + Send + Sync>,
}

impl Look {
    /// The system's.
    pub fn system() -> Self {
        Self::with(clock::boot_id(), clock::look)
    }

    /// Made up: which boot of the machine it is, and what the clocks say.
    pub fn with(boot: impl Into<Text>, look: impl Fn() -> Observation + Send + Sync + 'static) -> Self {
        Self { boot: boot.into(), look: Arc::new(look) }
    }

    /// Which boot of the machine it is; empty where the system does not tell.
    pub(super) fn boot(&self) -> &str {
        &self.boot
    }

    /// What they say now.
    pub fn now(&self) -> Observation {
        (self.look)()
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look")
    }
}
