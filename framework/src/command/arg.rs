//! Arguments of a command, and checks of their values.

use reading::words;
use serde::Serialize;
use serde_json::Value as Json;

use super::{ArgValue, CommandError};
use crate::{Decimal, Text, table::quoted};

words! {
    /// Type of an argument, with its word in `/cmds`, an annotation of Python. raspend's clients send only texts, so
    /// the text of a value is always as good as the value.
    ArgKind {
        /// A number: `21.5`.
        Number = "float",
        /// A whole number: `3`.
        Integer = "int",
        /// `true` or `false`; `on`, `off`, `yes`, `no`, `1` and `0` are read too.
        Bool = "bool",
        /// A text; one of a few where the argument has `choices`.
        Text = "str",
    }
}

/// Argument of a command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arg {
    /// Its name.
    #[serde(skip)]
    pub name: Text,
    /// A few words for people, without unit and limits.
    pub about: Text,
    /// Its type.
    #[serde(skip)]
    pub kind: ArgKind,
    /// Unit of a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Text>,
    /// Least number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Decimal>,
    /// Greatest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Decimal>,
    /// Distance of one possible number to the next, counted from `min`, else from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Decimal>,
    /// The possible texts; empty where any is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Text>,
    /// Whether it may be left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Value of one that was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Json>,
}

impl Arg {
    fn new(name: impl Into<Text>, about: impl Into<Text>, kind: ArgKind) -> Self {
        Self {
            name: name.into(),
            about: about.into(),
            kind,
            unit: None,
            min: None,
            max: None,
            step: None,
            choices: Vec::new(),
            optional: false,
            default: None,
        }
    }

    /// A number. `about` needs neither unit nor limits: [`description`](Self::description) adds them.
    pub fn number(name: impl Into<Text>, about: impl Into<Text>) -> Self {
        Self::new(name, about, ArgKind::Number)
    }

    /// A whole number.
    pub fn integer(name: impl Into<Text>, about: impl Into<Text>) -> Self {
        Self::new(name, about, ArgKind::Integer)
    }

    /// `true` or `false`.
    pub fn bool(name: impl Into<Text>, about: impl Into<Text>) -> Self {
        Self::new(name, about, ArgKind::Bool)
    }

    /// Any text.
    pub fn text(name: impl Into<Text>, about: impl Into<Text>) -> Self {
        Self::new(name, about, ArgKind::Text)
    }

    /// One of a few texts.
    pub fn one_of<T: Into<Text>>(
        name: impl Into<Text>,
        about: impl Into<Text>,
        choices: impl IntoIterator<Item = T>,
    ) -> Self {
        let choices = choices.into_iter().map(Into::into).collect();
        Self { choices, ..Self::new(name, about, ArgKind::Text) }
    }

    /// Sets the unit of a number.
    pub fn unit(mut self, unit: impl Into<Text>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// Sets the least number. Infinity and what is not a number are no limit.
    pub fn min(mut self, least: impl Into<f64>) -> Self {
        self.min = Decimal::from_f64(least.into());
        self
    }

    /// Sets the greatest number. Infinity and what is not a number are no limit.
    pub fn max(mut self, greatest: impl Into<f64>) -> Self {
        self.max = Decimal::from_f64(greatest.into());
        self
    }

    /// Sets the distance of one possible number to the next, counted from the least one, else from 0.
    pub fn step(mut self, step: impl Into<f64>) -> Self {
        self.step = Decimal::from_f64(step.into()).filter(|step| step.mantissa() > 0);
        self
    }

    /// Allows to leave it out.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Allows to leave it out, and sets its value then.
    pub fn default(mut self, value: impl Into<Json>) -> Self {
        self.default = Some(value.into());
        self.optional()
    }

    /// Returns what people must know to give it: `energy in kWh, 0 to 1000000000`.
    pub fn description(&self) -> String {
        let mut words = self.about.to_string();
        if let Some(unit) = &self.unit {
            words += &format!(" in {unit}");
        }
        words += &match (self.min, self.max) {
            (Some(min), Some(max)) => format!(", {min} to {max}"),
            (Some(min), None) => format!(", at least {min}"),
            (None, Some(max)) => format!(", at most {max}"),
            (None, None) => String::new(),
        };
        if let Some(step) = self.step {
            words += &format!(", in steps of {step}");
        }
        if !self.choices.is_empty() {
            words += &format!(", one of {}", quoted(self.choices.iter().map(Text::as_str)));
        }
        match &self.default {
            Some(Json::String(text)) => words + &format!(", `{text}` by default"),
            Some(value) => words + &format!(", {value} by default"),
            None if self.optional => words + ", optional",
            None => words,
        }
    }

    /// Returns the mistake in its limits or its default.
    pub(super) fn mistake(&self) -> Option<String> {
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min.compare(max).is_gt()
        {
            return Some(format!("no number is from {min} to {max}"));
        }
        let wrong = self.check(self.default.as_ref()?).err()?;
        Some(format!("its default is wrong: {wrong}"))
    }

    /// Checks a value: its type, and its limits.
    ///
    /// # Errors
    /// Returns [`CommandError::BadArgument`] with the argument's name and what was expected.
    pub fn check(&self, value: &Json) -> Result<ArgValue, CommandError> {
        let wrong =
            |problem: String| CommandError::BadArgument(format!("argument `{}` {problem}", self.name));
        match (self.kind, value) {
            (ArgKind::Number | ArgKind::Integer, value) => {
                let number = decimal(value).and_then(|number| match self.kind {
                    ArgKind::Integer => number.to_integer().map(Decimal::from),
                    _ => Some(number),
                });
                let number = number
                    .ok_or_else(|| wrong(format!("must be {}, such as {}", self.noun(), self.example())))?;
                match self.beyond_limits(number) {
                    Some(expected) => Err(wrong(format!("is {number}, expected {expected}"))),
                    None => Ok(ArgValue::Number(number)),
                }
            }
            (ArgKind::Bool, value) => truth(value)
                .map(ArgValue::Bool)
                .ok_or_else(|| wrong("must be true or false, or a text such as `on` or `off`".to_owned())),
            (ArgKind::Text, Json::String(text)) if self.choices.is_empty() => Ok(ArgValue::Text(text.into())),
            (ArgKind::Text, _) if self.choices.is_empty() => Err(wrong("must be a string".to_owned())),
            (ArgKind::Text, value) => {
                let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
                let found = self.choices.iter().find(|choice| **choice == text);
                found.cloned().map(ArgValue::Text).ok_or_else(|| {
                    // The text may end in the log, as long as it is.
                    let text: String = text.chars().take(40).collect();
                    let choices = quoted(self.choices.iter().map(Text::as_str));
                    wrong(format!("is `{text}`, expected one of {choices}"))
                })
            }
        }
    }

    fn noun(&self) -> &'static str {
        if self.kind == ArgKind::Integer { "a whole number" } else { "a number" }
    }

    /// Returns a number that is possible.
    fn example(&self) -> Decimal {
        let usual = match self.kind {
            ArgKind::Integer => Decimal::from(3),
            _ => Decimal::new(1_375_657, 2).unwrap_or_else(|| 1.into()),
        };
        let default = self.default.as_ref().and_then(decimal);
        let possible = |number: &Decimal| self.beyond_limits(*number).is_none();
        let all = [default, Some(usual), self.min, self.max, self.step];
        all.into_iter().flatten().find(possible).unwrap_or_else(|| 0.into())
    }

    /// Returns what was expected of a number that is not possible.
    fn beyond_limits(&self, number: Decimal) -> Option<String> {
        let unit = self.unit.as_deref().unwrap_or_else(|| self.noun());
        let is_less = self.min.is_some_and(|min| number.compare(min).is_lt());
        let is_more = self.max.is_some_and(|max| number.compare(max).is_gt());
        if is_less || is_more {
            return Some(match (self.min, self.max) {
                (Some(min), Some(max)) => format!("{unit} from {min} to {max}"),
                (Some(min), None) => format!("{unit}, at least {min}"),
                (_, max) => format!("{unit}, at most {}", max.unwrap_or(number)),
            });
        }
        let (step, first) = (self.step?, self.min.unwrap_or_else(|| 0.into()));
        let is_step = number.checked_sub(first).is_some_and(|distance| distance.is_multiple_of(step));
        (!is_step).then(|| format!("{unit} in steps of {step} from {first}"))
    }
}

/// Reads a number, or its text.
fn decimal(value: &Json) -> Option<Decimal> {
    match value {
        // `as_f64` prints back as the shortest decimal, which is what the client wrote.
        Json::Number(number) => {
            number.as_i64().map(Decimal::from).or_else(|| number.as_f64().and_then(Decimal::from_f64))
        }
        Json::String(text) => Decimal::parse(text.trim().as_bytes()),
        _ => None,
    }
}

/// Reads `true` or `false`, or one of their texts.
fn truth(value: &Json) -> Option<bool> {
    let word = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_ascii_lowercase());
    match word.as_str() {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}
