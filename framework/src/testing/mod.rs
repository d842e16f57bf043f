//! Contract checks and fixtures for the tests of plugins.
//!
//! | function | what it does |
//! |---|---|
//! | [`check`], [`check_publisher`], [`check_endpoint`] | the contract of all plugins: registration, sample, keys, commands |
//! | [`source`], [`publisher`], [`endpoint`] | builds what a configuration configures |
//! | [`first_batch`] | opens a device and reads it once |
//! | `run` | runs sources on a paused clock: batches, `/health`, log |
//! | [`call`] | calls a command with arguments as a client writes them |
//! | `http` | a real HTTP server that answers as the test wants, for plugins that poll one |
//!
//! `run` and `http` need the feature `testing`, which no program has:
//!
//! ```toml
//! [dev-dependencies]
//! framework = { workspace = true, features = ["testing"] }
//! ```

mod contract;
mod program;
#[cfg(feature = "testing")]
mod real_time;
#[cfg(feature = "testing")]
mod run;
mod section;
#[cfg(test)]
mod tests;
#[cfg(feature = "testing")]
mod thread;

pub use self::{
    contract::{check, check_endpoint, check_publisher},
    program::{
        connect_inputs, endpoint_context, program_of, publisher_context, publisher_context_stale_after,
        relabel_source, source_has_nothing_new, table_keys, update_source,
    },
    section::{call, endpoint, first_batch, publisher, source},
};
#[cfg(feature = "testing")]
pub use self::{
    real_time::http,
    run::{Outcome, Run, run},
};
/// HTTP server that answers as a test wants, and records its requests.
#[cfg(feature = "testing")]
pub use test_servers::http;
