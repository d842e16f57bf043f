//! `publish`: has a publisher of history send hours again.

use std::io::Write as _;

use clap::Args;
use framework::journal::parse_time;
use jiff::Zoned;

use crate::{
    config_file::ConfigFile,
    control::{self, Amounts, Question},
    failure::Failure,
    output::output,
    progress::{Progress, Unit},
};

/// Seconds of an hour.
const HOUR: i64 = 3600;

/// Options of `publish`.
#[derive(Args)]
pub(crate) struct Publish {
    /// Name of the publisher, as in `[publishers.<name>]`
    publisher: String,
    /// First moment: `2024-01-01`, `2026-11-23T07:30`, `-7d`, RFC 3339 [default: the first reading]
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    from: Option<String>,
    /// End, not included [default: the last complete hour]
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    to: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
}

/// Asks the running program, reports how far it is, and fails if not everything was sent.
pub(crate) fn run(publish: &Publish) -> Result<(), Failure> {
    let (from, to) = hours(publish, &Zoned::now())?;
    let question = Question::Publish(control::Publish { publisher: publish.publisher.clone(), from, to });
    let progress = Progress::new(format!("publishing to {}", publish.publisher), Unit::Count("hours"));
    let result = control::ask(&publish.file, &question, |Amounts { done, of }| progress.set(done, of))?;
    progress.finish();
    Ok(output().write_all(result.as_bytes())?)
}

/// Returns the seconds since 1970 at which the first hour begins and the last ends: those in which the moments lie.
fn hours(publish: &Publish, now: &Zoned) -> Result<(i64, i64), Failure> {
    let second = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => parse_time(text, now)
            .map(|moment| Some(moment.as_second()))
            .map_err(|message| Failure::usage(message + "\n")),
    };
    let (from, to) = (second(&publish.from)?, second(&publish.to)?);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        let [from, to] = [from, to].map(|second| jiff::Timestamp::from_second(second).unwrap_or_default());
        let message = format!("`--from` must be before `--to`: it is {from}, and `--to` is {to}\n");
        return Err(Failure::usage(message));
    }
    let start = from.map_or(i64::MIN, |from| from - from.rem_euclid(HOUR));
    let end = to.map_or(i64::MAX, |to| to + (-to).rem_euclid(HOUR));
    Ok((start, end))
}
