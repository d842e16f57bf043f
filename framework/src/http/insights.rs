//! `/insights`: figures worth knowing about the household.
//!
//! They take a year of quarter-hours, and change slowly: an answer is kept for a few minutes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::civil::Date;
use warp::{filters::BoxedFilter, reply::Response};

use super::{
    ApiError,
    chunks::Chunks,
    history::{History, Query},
    parameters::Parameters,
};
use crate::{
    Store, Text, Timestamp,
    insights::{self, Rule, Rules, insights},
    journal::{ReadError, View},
    json,
    listed::listed,
    store::Section,
    table::quoted,
};

const PARAMETERS: [&str; 6] = ["month", "rule", "hours", "days", "heat_pump", "temperature"];
/// Time for which an answer is kept.
const KEPT: Duration = Duration::from_secs(300);
/// Answers that are kept.
const MOST: usize = 8;
/// Most hours of the Swedish rule.
const MOST_HOURS: usize = 10;

/// `/insights`.
pub(super) fn routes(history: &Arc<History>) -> BoxedFilter<(Response,)> {
    let kept = Arc::<Kept>::default();
    history.route("insights", Question::parse, move |question: Question, view, out, known| {
        question.answer(view, out, &known.store, &kept)
    })
}

/// Question for figures.
#[derive(Debug)]
struct Question {
    /// First day of the month; the current one without it.
    month: Option<Date>,
    rules: Rules,
    heat_pump: Option<Text>,
    temperature: Option<(Text, Text)>,
}

impl Question {
    fn parse(query: Query) -> Result<Self, ApiError> {
        let mut given = Parameters::parse(query, &PARAMETERS)?;
        let mut rules = Rules::default();
        if let Some(words) = given.take("rule") {
            let known = || quoted(Rule::ALL.iter().map(|rule| rule.as_str()));
            let rule = |word| {
                let wrong = || ApiError::bad_request(format!("`rule` has `{word}`: expected {}", known()));
                Rule::parse(word).ok_or_else(wrong)
            };
            rules.rules = words.split(',').map(rule).collect::<Result<_, _>>()?;
        }
        if let Some(hours) = given.take("hours") {
            let wrong = || ApiError::bad_request(format!("`hours` is `{hours}`: expected 1 to {MOST_HOURS}"));
            let count = hours.parse().ok().filter(|count| (1..=MOST_HOURS).contains(count));
            rules.hours = count.ok_or_else(wrong)?;
        }
        let days = |word: &str| ["different", "any"].iter().position(|known| *known == word);
        rules.any_day = given.one_of("days", days, ["different", "any"])? == Some(1);
        let month = given.take("month").map(|text| month(&text)).transpose()?;
        let temperature = given.take("temperature").map(|text| {
            let wrong =
                || ApiError::bad_request(format!("`temperature` is `{text}`: expected `source/reading`"));
            let (source, name) = text.split_once('/').ok_or_else(wrong)?;
            Ok::<_, ApiError>((source.into(), name.into()))
        });
        let heat_pump = given.take("heat_pump").map(Text::from);
        Ok(Self { month, rules, heat_pump, temperature: temperature.transpose()? })
    }

    fn answer(self, view: &View<'_>, out: &mut Chunks, store: &Store, kept: &Kept) -> Result<(), ReadError> {
        let now = Timestamp::now();
        let today = now.to_zoned(view.zone.clone()).date();
        let Self { month, rules, heat_pump, temperature } = self;
        let month = month.unwrap_or_else(|| today.first_of_month());
        let question = insights::Question { month, rules, heat_pump, temperature };
        let sections = store.sections();
        let part = |of: &Arc<Section>| (of.name.clone(), of.labels().source.clone());
        let parts: Vec<_> = sections.iter().map(part).collect();
        let key = format!("{question:?}{parts:?}");
        if let Some(known) = kept.find(&key) {
            out.buffer.extend_from_slice(&known);
            return Ok(());
        }
        let listed = listed(view, store)?;
        insights::check(view, &listed, &question)?;
        json::write(&mut out.buffer, &insights(view, &sections, &listed, &question, now)?);
        kept.keep(key, out.buffer.as_slice().into());
        Ok(())
    }
}

/// Returns the first day of a month.
fn month(text: &str) -> Result<Date, ApiError> {
    let wrong = || ApiError::bad_request(format!("`month` is `{text}`: expected one such as `2026-11`"));
    let is_right = text.len() == 7 && text.is_ascii();
    let month = format!("{text}-01").parse::<Date>().ok().filter(|_| is_right);
    // A year of months before it must be in the calendar, too.
    month.filter(|month| (2..=9998).contains(&month.year())).ok_or_else(wrong)
}

/// Question, and its answer at a time.
type Answer = (String, Instant, Arc<[u8]>);

/// Answers of the last minutes.
#[derive(Debug, Default)]
struct Kept(Mutex<VecDeque<Answer>>);

impl Kept {
    fn find(&self, key: &str) -> Option<Arc<[u8]>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, at, _)| at.elapsed() < KEPT);
        kept.iter().find(|(known, ..)| known == key).map(|(.., answer)| Arc::clone(answer))
    }

    fn keep(&self, key: String, answer: Arc<[u8]>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(MOST - 1);
        kept.push_front((key, Instant::now(), answer));
    }
}
