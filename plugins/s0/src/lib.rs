//! S0 meters: a pulse for each fixed amount of energy (IEC 62053-31, formerly DIN 43864).
//!
//! ```text
//! cdev, raspberry ── edges ──▶ counter ─┐
//!                                       ├─ pulses ──▶ total (and its file: slots) ──▶ batch
//! serial ─────────── bytes ─────────────┘        └──▶ power ────────────────────────┘
//! ```
//!
//! `counter` and `power` do no I/O and have no clock. Source and commands share `total`.

mod cdev;
mod clock;
mod commands;
mod config;
mod counter;
mod gpio;
mod lines;
mod power;
mod raspberry;
mod rate;
mod serial;
mod slots;
mod source;
mod total;

use std::sync::Arc;

use framework::{ConfigError, Mode, Source, SourceContext, SourcePlugin};

pub use crate::{
    config::Config,
    lines::{Line, lines},
};
use crate::{source::S0Source, total::Total};

/// The plugin `s0`.
#[derive(Debug)]
pub struct S0;

impl SourcePlugin for S0 {
    const KIND: &'static str = "s0";
    const ABOUT: &'static str = "S0 pulses on a GPIO pin or a serial line";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn mode(_: &Config) -> Mode {
        Mode::Push
    }

    fn build(config: Config, cx: &SourceContext) -> Result<Source, ConfigError> {
        let settings = config.settings()?;
        let total = Arc::new(Total::new(cx, settings.rate, settings.sync_interval));
        let device = settings.device.identity();
        cx.state_unit("count", "kWh");
        cx.state_unit("power", "W");
        Ok(Source::new(S0Source::new(settings, Arc::clone(&total), cx))
            .command(commands::reset(Arc::clone(&total)))
            .command(commands::set(total))
            .exclusive(device))
    }
}

framework::register_source!(S0);
