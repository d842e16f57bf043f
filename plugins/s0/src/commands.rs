//! Commands: set the count, or reset it to zero.

use std::sync::Arc;

use framework::{ArgKind, ArgSpec, Args, Command, CommandError, CommandSpec, Decimal, async_trait};
use serde_json::Value as Json;
use tokio::task::spawn_blocking;

use crate::total::Total;

/// Sets the count to the meter's own reading.
pub(crate) const SET: CommandSpec = CommandSpec {
    name: "set_s0",
    aliases: &["setValue", "s0Interface.setValue"],
    about: "sets the count to what the meter shows",
    args: &[ArgSpec { name: "value", about: "energy in kWh, 0 to 1000000000", kind: ArgKind::Number }],
};

/// Sets the count to 0.
pub(crate) const RESET: CommandSpec =
    CommandSpec { name: "reset_s0", aliases: &[], about: "sets the count to 0", args: &[] };

/// [`SET`] or [`RESET`].
pub(crate) struct SetCount {
    pub(crate) spec: CommandSpec,
    pub(crate) total: Arc<Total>,
}

#[async_trait]
impl Command for SetCount {
    fn spec(&self) -> &CommandSpec {
        &self.spec
    }

    async fn run(&self, args: Args) -> Result<Json, CommandError> {
        let kwh = if self.spec.args.is_empty() { Decimal::from(0) } else { args.number("value")? };
        let pulses = self.total.rate.pulses(kwh).ok_or_else(|| {
            CommandError::BadArgument(format!("argument `value` is {kwh}, expected kWh from 0 to 1000000000"))
        })?;
        let total = Arc::clone(&self.total);
        let done = spawn_blocking(move || total.set(pulses)).await;
        done.map_err(|panic| panic.to_string()).flatten().map_err(CommandError::Failed)?;
        Ok(Json::Bool(true))
    }
}
