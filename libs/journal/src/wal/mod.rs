//! Write-ahead log: what was recorded and is not checkpointed yet, or not delivered.

pub(crate) mod cursors;
mod delivery;
pub(crate) mod entry;
mod files;
pub(crate) mod frame;
mod intake;
pub(crate) mod log;
pub(crate) mod queue;
pub(crate) mod segment;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
