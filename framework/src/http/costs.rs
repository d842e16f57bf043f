//! `/tariffs`, `/bill` and `/forecast`: what energy costs, and what it will cost.

use std::sync::Arc;

use serde::Serialize;
use tariff::{KwhPrice, Levy, LevyPrice, Number, PriceBasis, Standing, Tariff, TimedPrice, Window, decimal};
use warp::{Filter, filters::BoxedFilter, http::StatusCode, reply::Response};

use super::{
    ApiError,
    chunks::Chunks,
    history::{History, Known, Query},
    parameters::{Day, Parameters, moment},
    reply,
};
use crate::{
    Decimal, Tariffs, Timestamp,
    costs::{self, Question, Times},
    journal::{ReadError, SECOND, View, utc},
};

/// Digits after the point of a price.
const DECIMALS: u32 = 10;
/// Greatest price in a question.
const MAX_PRICE: i64 = 1_000_000;

/// `/tariffs`, `/bill` and `/forecast`.
pub(super) fn routes(history: &Arc<History>) -> BoxedFilter<(Response,)> {
    let this = Arc::clone(history);
    let tariffs = warp::any().map(move || {
        let tariffs = this.costs().tariffs();
        reply::serialized(StatusCode::OK, &List::of(&tariffs))
    });
    let tariffs = warp::path("tariffs").and(warp::path::end()).and(reply::readable(tariffs.boxed()));
    let bill = history.route("bill", BillQuestion::parse, BillQuestion::answer);
    let forecast = history.route("forecast", ForecastQuestion::parse, ForecastQuestion::answer);
    tariffs.or(bill).unify().or(forecast).unify().boxed()
}

/// Question for a bill.
struct BillQuestion {
    source: Option<String>,
    from: Option<String>,
    to: Option<String>,
    /// Price per kWh, and per month.
    price: Option<(Decimal, Option<Decimal>)>,
}

impl BillQuestion {
    fn parse(query: Query) -> Result<Self, ApiError> {
        let mut given = Parameters::parse(query, &["source", "from", "to", "price", "base"])?;
        let mut price = |key: &str| match given.take(key) {
            None => Ok(None),
            Some(text) => {
                let is_sane = |price: &Decimal| {
                    price.compare(Decimal::from(MAX_PRICE)).is_le()
                        && price.compare(Decimal::from(-MAX_PRICE)).is_ge()
                        && u32::from(price.scale()) <= DECIMALS
                };
                let price = Decimal::parse(text.trim().as_bytes()).filter(is_sane);
                let wrong = || {
                    ApiError::bad_request(format!(
                        "`{key}` is `{text}`: expected a price such as `0.319`, from -{MAX_PRICE} to {MAX_PRICE}, with at \
                     most {DECIMALS} digits after the point"
                    ))
                };
                price.map(Some).ok_or_else(wrong)
            }
        };
        let price = match (price("price")?, price("base")?) {
            (Some(price), base) => Some((price, base)),
            (None, None) => None,
            (None, Some(_)) => {
                let message = "`base` needs `price`, which is the price per kWh beside it: add `price=0.319`";
                return Err(ApiError::bad_request(message));
            }
        };
        let [source, from, to] = ["source", "from", "to"].map(|key| given.take(key));
        Ok(Self { source, from, to, price })
    }

    fn answer(self, view: &View<'_>, out: &mut Chunks, known: &Known) -> Result<(), ReadError> {
        let Self { source, from, to, price } = self;
        let read = |key: &str, text: &str, day| moment(view, key, text, day);
        let now = Timestamp::now();
        let year = now.to_zoned(view.zone.clone()).date().first_of_year().to_string();
        let from = read("from", from.as_deref().unwrap_or(&year), Day::Begin)?;
        let to = read("to", to.as_deref().unwrap_or("now"), Day::End)?;
        if from >= to {
            let message = format!("`from` must be before `to`: they are {} and {}", utc(from), utc(to));
            return Err(ReadError::BadRequest(message));
        }
        let (from, to) = (from.div_euclid(SECOND), to.saturating_add(SECOND - 1).div_euclid(SECOND));
        let question = Question { source, from, to, price, now: now.as_second() };
        let bill = costs::bill(view, &known.tariffs, &question)?;
        // It fails only where the client has gone.
        let _ = serde_json::to_writer(out, &bill);
        Ok(())
    }
}

/// Question for a forecast.
struct ForecastQuestion {
    source: Option<String>,
}

impl ForecastQuestion {
    fn parse(query: Query) -> Result<Self, ApiError> {
        Ok(Self { source: Parameters::parse(query, &["source"])?.take("source") })
    }

    fn answer(self, view: &View<'_>, out: &mut Chunks, known: &Known) -> Result<(), ReadError> {
        let forecast = costs::forecast(view, &known.tariffs, self.source.as_deref(), Timestamp::now())?;
        let _ = serde_json::to_writer(out, &forecast);
        Ok(())
    }
}

/// The tariffs, as clients see them.
#[derive(Serialize)]
struct List<'a> {
    tariffs: Vec<Shown<'a>>,
    currency: &'a str,
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    submeters: &'a [String],
    from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    currency: &'a str,
    /// In percent.
    vat: Option<Decimal>,
    prices: &'static str,
    work: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    windows: Vec<Priced>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    levies: Vec<ShownLevy<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_per_day: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_per_month: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_per_year: Option<Decimal>,
    /// The one price of what is fed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    feed_in: Option<Decimal>,
    /// Several, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    feed_in_prices: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gas_factor: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instalment_per_month: Option<Decimal>,
}

/// Price that holds at certain times.
#[derive(Serialize)]
struct Priced {
    price: Option<Decimal>,
    #[serde(flatten)]
    times: Times,
}

#[derive(Serialize)]
struct ShownLevy<'a> {
    name: &'a str,
    price: Option<Decimal>,
    per: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    windows: Vec<Priced>,
}

impl<'a> List<'a> {
    fn of(tariffs: &'a Tariffs) -> Self {
        Self { tariffs: tariffs.iter().map(Shown::of).collect(), currency: tariffs.currency() }
    }
}

impl<'a> Shown<'a> {
    fn of(tariff: &'a Tariff) -> Self {
        let shown = |number: Number| decimal(number, DECIMALS);
        let base =
            |per: tariff::Per| tariff.base.filter(|base| base.per == per).and_then(|base| shown(base.price));
        Self {
            name: &tariff.name,
            source: &tariff.source,
            submeters: &tariff.submeters,
            from: tariff.from.to_string(),
            to: tariff.to.map(|to| to.to_string()),
            currency: &tariff.currency,
            vat: shown(tariff.vat * Number::ONE_HUNDRED),
            prices: match tariff.prices {
                PriceBasis::Gross => "gross",
                PriceBasis::Net => "net",
            },
            work: kwh(&tariff.work, &tariff.currency),
            windows: match &tariff.work {
                KwhPrice::Timed(price) => windows(price),
                KwhPrice::Registers(_) | KwhPrice::Spot(_) => Vec::new(),
            },
            levies: tariff.levies.iter().map(levy).collect(),
            base_per_day: base(tariff::Per::Day),
            // A price per year is shown per month, too: that is what people compare.
            base_per_month: base(tariff::Per::Month).or_else(|| {
                let per_year = tariff.base.filter(|base| base.per == tariff::Per::Year)?;
                let Standing { price, .. } = per_year;
                decimal(price / Number::from(12), 6)
            }),
            base_per_year: base(tariff::Per::Year),
            feed_in: tariff.feed_in.as_ref().and_then(KwhPrice::as_single).and_then(shown),
            feed_in_prices: tariff
                .feed_in
                .as_ref()
                .filter(|price| price.as_single().is_none())
                .map(|price| kwh(price, &tariff.currency)),
            gas_factor: tariff.gas_factor.and_then(shown),
            instalment_per_month: tariff.instalment.and_then(shown),
        }
    }
}

fn windows(price: &TimedPrice) -> Vec<Priced> {
    let priced =
        |window: &Window| Priced { price: decimal(window.price, DECIMALS), times: Times::of(window) };
    price.windows.iter().map(priced).collect()
}

fn levy(levy: &Levy) -> ShownLevy<'_> {
    let (price, per, windows) = match &levy.price {
        LevyPrice::PerKwh(price) => (price.otherwise, "kWh", windows(price)),
        LevyPrice::Standing(standing) => (Some(standing.price), standing.per.word(), Vec::new()),
    };
    ShownLevy { name: &levy.name, price: price.and_then(|price| decimal(price, DECIMALS)), per, windows }
}

/// Returns a price in words without a language: numbers, names, times and signs.
fn kwh(price: &KwhPrice, currency: &str) -> String {
    let list = match price {
        KwhPrice::Timed(price) => timed(price),
        KwhPrice::Registers(prices) => prices
            .iter()
            .map(|(register, price)| format!("T{register} {price}"))
            .collect::<Vec<_>>()
            .join(", "),
        KwhPrice::Spot(spot) => {
            let mut text = format!("{}/{}", spot.source, spot.reading);
            if spot.factor != Number::ONE {
                text.push_str(&format!(" × {}", spot.factor));
            }
            if !spot.surcharge.is_zero() {
                text.push_str(&format!(" + {}", spot.surcharge));
            }
            text
        }
    };
    format!("{list} {currency}/kWh")
}

fn timed(price: &TimedPrice) -> String {
    let windows = price.windows.iter().map(|window| format!("{} {}", window.text(), window.price));
    price.otherwise.map(|price| price.to_string()).into_iter().chain(windows).collect::<Vec<_>>().join(", ")
}
