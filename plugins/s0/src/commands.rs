//! Commands: set the count, or reset it to zero.

use std::sync::Arc;

use framework::{Arg, Command, CommandError, CommandSpec, Decimal};
use tokio::task::spawn_blocking;

use crate::total::Total;

/// Sets the count to the meter's own reading.
pub(crate) fn set(total: Arc<Total>) -> impl Command {
    CommandSpec::new("set_s0", "sets the count to what the meter shows")
        .alias("setValue")
        .alias("s0Interface.setValue")
        .arg(Arg::number("value", "energy").unit("kWh").min(0).max(1_000_000_000))
        .run(async move |args| set_count(total, args.number("value")?).await)
}

/// Sets the count to 0.
pub(crate) fn reset(total: Arc<Total>) -> impl Command {
    CommandSpec::new("reset_s0", "sets the count to 0").run(async move |_| set_count(total, 0.into()).await)
}

async fn set_count(total: Arc<Total>, kwh: Decimal) -> Result<bool, CommandError> {
    let pulses = total.rate.pulses(kwh);
    let pulses = pulses.ok_or_else(|| CommandError::BadArgument(format!("{kwh} kWh cannot be counted")))?;
    let done = spawn_blocking(move || total.set(pulses)).await;
    done.map_err(|panic| panic.to_string()).flatten().map_err(CommandError::Failed)?;
    Ok(true)
}
