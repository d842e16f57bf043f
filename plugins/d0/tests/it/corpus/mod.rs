//! Tests of all telegrams of the corpus beside the workspace (their licences differ), where that folder exists.

mod anonymise;
mod corruption;
mod recorded;
