//! Values that are computed from the readings of other sources.
//!
//! | file | topic |
//! |---|---|
//! | `config` | keys of the section |
//! | `expression` | grammar, units and arithmetic of one expression |
//! | `values` | all values of a section, from readings to a batch |
//! | `counters` | counters of other sources, whose meters are swapped |
//! | `integral` | power to energy |
//! | `state` | what survives a restart |
//! | `source` | when a batch is computed |

mod config;
mod counters;
mod expression;
mod integral;
mod source;
mod state;
mod values;

use framework::{ConfigError, Decimal, Mode, Source, SourceContext, SourcePlugin};
use rust_decimal::RoundingStrategy::MidpointAwayFromZero;

pub use self::config::Config;
use self::{source::Derived, values::Values};

/// Number to compute with: 28 digits.
type Number = rust_decimal::Decimal;

/// The plugin.
pub struct DerivedPlugin;

impl SourcePlugin for DerivedPlugin {
    const KIND: &'static str = "derived";
    const ABOUT: &'static str = "values computed from other sources: sums, differences, energy from power";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn mode(_: &Config) -> Mode {
        Mode::Push
    }

    fn build(config: Config, cx: &SourceContext) -> Result<Source, ConfigError> {
        Ok(Source::new(Derived::new(Values::build(config.values.0, cx)?, cx)))
    }
}

framework::register_source!(DerivedPlugin);

/// Returns a number with every digit.
fn number(decimal: Decimal) -> Number {
    Number::from_i128_with_scale(decimal.mantissa().into(), decimal.scale().into())
}

/// Returns a number with `decimals` digits after the point, or with all that fit; `None` if it has too many before the
/// point.
fn decimal(number: Number, decimals: Option<u32>) -> Option<Decimal> {
    let most = decimals.unwrap_or(number.scale()).min(18);
    (0..=most).rev().find_map(|decimals| {
        let mut rounded = number.round_dp_with_strategy(decimals, MidpointAwayFromZero);
        // Always as many, so that a reader that distinguishes whole numbers sees the same type every time.
        rounded.rescale(decimals);
        Decimal::new(i64::try_from(rounded.mantissa()).ok()?, u8::try_from(rounded.scale()).ok()?)
    })
}
