//! `/tariffs`, `/bill` and `/forecast`: what energy costs, and what it will cost.

use std::sync::Arc;

use serde::Serialize;
use tariff::{Number, PriceBasis, Standing, Tariff, TimedPrice, WorkPrice, decimal};
use warp::{Filter, filters::BoxedFilter, http::StatusCode, reply::Response};

use super::{
    ApiError, Peer,
    chunks::Chunks,
    columns::Format,
    history::History,
    parameters::{Day, Parameters, moment},
    reply,
};
use crate::{
    Decimal, Tariffs, Timestamp,
    costs::{self, Question},
    journal::{ReadError, SECOND, View},
};

/// Digits after the point of a price.
const DECIMALS: u32 = 9;

/// `/tariffs`, `/bill` and `/forecast`.
pub(super) fn routes(history: &Arc<History>) -> BoxedFilter<(Response,)> {
    let this = Arc::clone(history);
    let tariffs = warp::any().map(move || {
        let tariffs = this.costs().tariffs();
        reply::serialized(StatusCode::OK, &List::of(&tariffs))
    });
    let tariffs = warp::path("tariffs").and(warp::path::end()).and(reply::readable(tariffs.boxed()));
    let peer = || warp::ext::optional::<Peer>();
    let query = || warp::query::<Vec<(String, String)>>();
    let this = Arc::clone(history);
    let bill = peer().and(query()).then(move |peer, query| bill(Arc::clone(&this), peer, query));
    let bill = warp::path("bill").and(warp::path::end()).and(reply::readable(bill.boxed()));
    let this = Arc::clone(history);
    let forecast = peer().and(query()).then(move |peer, query| forecast(Arc::clone(&this), peer, query));
    let forecast = warp::path("forecast").and(warp::path::end()).and(reply::readable(forecast.boxed()));
    tariffs.or(bill).unify().or(forecast).unify().boxed()
}

async fn bill(history: Arc<History>, peer: Option<Peer>, query: Vec<(String, String)>) -> Response {
    let mut given = match Parameters::parse(query, &["source", "from", "to", "price", "base"]) {
        Ok(given) => given,
        Err(error) => return error.into(),
    };
    let mut price = |key: &str| match given.take(key) {
        None => Ok(None),
        Some(text) => {
            let most = Decimal::from(1_000_000);
            let is_sane = |price: &Decimal| {
                price.compare(most).is_le()
                    && price.compare(Decimal::from(-1_000_000)).is_ge()
                    && price.scale() <= 10
            };
            let price = Decimal::parse(text.trim().as_bytes()).filter(is_sane);
            let wrong =
                || ApiError::bad_request(format!("`{key}` is `{text}`: expected a price such as `0.319`"));
            price.map(Some).ok_or_else(wrong)
        }
    };
    let (price, base) = match (price("price"), price("base")) {
        (Ok(price), Ok(base)) => (price, base),
        (Err(error), _) | (_, Err(error)) => return error.into(),
    };
    let [source, from, to] = ["source", "from", "to"].map(|key| given.take(key));
    let tariffs = history.costs().tariffs();
    let answer = move |view: &View<'_>, out: &mut Chunks| {
        let read = |key: &str, text: &str, day| moment(view, key, text, day);
        let year = Timestamp::now().to_zoned(view.zone.clone()).date().first_of_year().to_string();
        let from = read("from", from.as_deref().unwrap_or(&year), Day::Begin)?;
        let to = read("to", to.as_deref().unwrap_or("now"), Day::End)?;
        if from >= to {
            return Err(ReadError::BadRequest("`from` must be before `to`".to_owned()));
        }
        let (from, to) = (from.div_euclid(SECOND), to.saturating_add(SECOND - 1).div_euclid(SECOND));
        let bill = costs::bill(view, &tariffs, &Question { source, from, to, price, base })?;
        // It fails only where the client has gone.
        let _ = serde_json::to_writer(out, &bill);
        Ok(())
    };
    history.answer(peer, Format::Json, answer).await
}

async fn forecast(history: Arc<History>, peer: Option<Peer>, query: Vec<(String, String)>) -> Response {
    let mut given = match Parameters::parse(query, &["source"]) {
        Ok(given) => given,
        Err(error) => return error.into(),
    };
    let source = given.take("source");
    let tariffs = history.costs().tariffs();
    let answer = move |view: &View<'_>, out: &mut Chunks| {
        let forecast = costs::forecast(view, &tariffs, source.as_deref(), Timestamp::now())?;
        let _ = serde_json::to_writer(out, &forecast);
        Ok(())
    };
    history.answer(peer, Format::Json, answer).await
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
    #[serde(skip_serializing_if = "Option::is_none")]
    base_per_month: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_per_year: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feed_in: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gas_factor: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instalment_per_month: Option<Decimal>,
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
            work: work(tariff),
            // A price per year is shown per month, too: that is what people compare.
            base_per_month: base(tariff::Per::Month).or_else(|| {
                let per_year = tariff.base.filter(|base| base.per == tariff::Per::Year)?;
                let Standing { price, .. } = per_year;
                decimal(price / Number::from(12), 6)
            }),
            base_per_year: base(tariff::Per::Year),
            feed_in: tariff.feed_in.and_then(shown),
            gas_factor: tariff.gas_factor.and_then(shown),
            instalment_per_month: tariff.instalment.and_then(shown),
        }
    }
}

/// Returns the work price in words without a language: numbers, names and signs.
fn work(tariff: &Tariff) -> String {
    let list = match &tariff.work {
        WorkPrice::Timed(price) => timed(price),
        WorkPrice::Registers(prices) => prices
            .iter()
            .map(|(register, price)| format!("T{register} {price}"))
            .collect::<Vec<_>>()
            .join(", "),
        WorkPrice::Spot(spot) => {
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
    format!("{list} {}/kWh", tariff.currency)
}

fn timed(price: &TimedPrice) -> String {
    let windows = price.windows.iter().enumerate().map(|(n, window)| {
        let name = window.name.clone().unwrap_or_else(|| (n + 1).to_string());
        format!("{name} {}", window.price)
    });
    price.otherwise.map(|price| price.to_string()).into_iter().chain(windows).collect::<Vec<_>>().join(", ")
}
