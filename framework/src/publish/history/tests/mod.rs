//! Figures of hours, and the loop that delivers them.

mod figures;
mod runner;
