//! Commands: set the count, or reset it to zero.

use std::sync::Arc;

use framework::{ArgKind, ArgSpec, Args, Command, CommandError, CommandSpec, async_trait};
use serde_json::Value as Json;
use tokio::task::spawn_blocking;

use crate::total::Total;

/// `set_s0` sets the count to the meter's own reading.
pub(crate) struct SetS0 {
    pub(crate) total: Arc<Total>,
}

/// `reset_s0` sets the count to 0.
pub(crate) struct ResetS0 {
    pub(crate) total: Arc<Total>,
}

#[async_trait]
impl Command for SetS0 {
    fn spec(&self) -> &CommandSpec {
        &CommandSpec {
            name: "set_s0",
            aliases: &["setValue", "s0Interface.setValue"],
            about: "sets the count to what the meter shows",
            args: &[ArgSpec {
                name: "value",
                about: "energy in kWh, 0 to 1000000000",
                kind: ArgKind::Number,
            }],
        }
    }

    async fn run(&self, args: Args) -> Result<Json, CommandError> {
        let kwh = args.number("value")?;
        let pulses = self.total.rate().pulses(kwh).ok_or_else(|| {
            CommandError::BadArgument(format!("argument `value` is {kwh}, expected kWh from 0 to 1000000000"))
        })?;
        set(&self.total, pulses).await
    }
}

#[async_trait]
impl Command for ResetS0 {
    fn spec(&self) -> &CommandSpec {
        &CommandSpec { name: "reset_s0", aliases: &[], about: "sets the count to 0", args: &[] }
    }

    async fn run(&self, _: Args) -> Result<Json, CommandError> {
        set(&self.total, 0).await
    }
}

async fn set(total: &Arc<Total>, pulses: u64) -> Result<Json, CommandError> {
    let total = Arc::clone(total);
    match spawn_blocking(move || total.set(pulses)).await {
        Ok(Ok(())) => Ok(Json::Bool(true)),
        Ok(Err(reason)) => Err(CommandError::Failed(reason)),
        Err(error) => Err(CommandError::Failed(error.to_string())),
    }
}
