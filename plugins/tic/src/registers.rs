//! Registers that are computed from the groups of a telegram, and those that the groups contradict.

use framework::{Decimal, Obis};
use telegram::Register;

use crate::{
    group::Group,
    labels::{Label, Mode},
    reject::Flaw,
    status,
};

/// Register that the meter does not send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extra {
    label: &'static Label,
    obis: Option<Obis>,
    text: &'static str,
    number: Option<Decimal>,
    /// How it was computed, in brackets.
    about: &'static str,
}

impl Extra {
    /// A state in words.
    pub(crate) fn word(label: &'static Label, text: &'static str) -> Self {
        Self { label, obis: None, text, number: None, about: "" }
    }

    /// A state that is a number.
    pub(crate) fn state(label: &'static Label, number: u32) -> Self {
        let number = Decimal::new(number.into(), 0);
        Self { label, obis: None, text: "", number, about: "" }
    }

    /// Returns the register.
    pub(crate) fn register(&self) -> Register<'static> {
        let Self { label, obis, text, number, about } = *self;
        Register {
            value: text,
            unit: label.unit().filter(|unit| !unit.is_empty()),
            number,
            groups: about,
            name: Some(label.name),
            kind: label.kind,
            ..Register::new(label.text, obis)
        }
    }
}

/// Total of a contract that has an index for each tariff, but none for all.
static TOTAL: Label = Label::computed("POWER_IMPORT", "Wh");
const TOTAL_CODE: &[u8] = b"1-0:1.8.0*255";
/// Contracts by the labels of their indexes, and how the total is computed.
const CONTRACTS: [(&[&str], &str); 3] = [
    (&["HCHC", "HCHP"], "(HCHC + HCHP)"),
    (&["EJPHN", "EJPHPM"], "(EJPHN + EJPHPM)"),
    (
        &["BBRHCJB", "BBRHPJB", "BBRHCJW", "BBRHPJW", "BBRHCJR", "BBRHPJR"],
        "(BBRHCJB + BBRHPJB + BBRHCJW + BBRHPJW + BBRHCJR + BBRHPJR)",
    ),
];
/// Highest voltage of a phase, where the meter sends none.
const VOLTAGE: i64 = 260;
/// Part of the power that the meter may have measured at another moment than the current, in VA.
const SLACK: i64 = 500;

/// Groups of one telegram by their labels.
struct Groups<'a> {
    mode: Mode,
    groups: &'a [Group],
}

impl Groups<'_> {
    fn find(&self, label: &str) -> Option<&Group> {
        self.groups.iter().find(|group| self.mode.labels()[group.label].text == label)
    }

    fn number(&self, label: &str) -> Option<i64> {
        self.find(label)?.number?.to_integer()
    }

    /// Returns the sum of the tariffs' indexes; `None` where one of them is missing, or the meter has an index for all.
    fn total(&self) -> Option<Extra> {
        let is_there = |label: &&str| self.find(label).is_some();
        let mut contracts = CONTRACTS.iter().filter(|(labels, _)| labels.iter().any(&is_there));
        let (labels, about) = contracts.next()?;
        if contracts.next().is_some() || is_there(&"BASE") {
            return None;
        }
        let sum = labels.iter().try_fold(0i64, |sum, label| sum.checked_add(self.number(label)?))?;
        let obis = Obis::parse(TOTAL_CODE);
        Some(Extra { label: &TOTAL, obis, text: "", number: Decimal::new(sum, 0), about })
    }

    /// Returns the most apparent power in VA that current and voltage of a phase allow; `None` without a current.
    fn most_of_phase(&self, phase: usize) -> Option<i64> {
        let amperes = match self.mode {
            Mode::Standard => self.number(["IRMS1", "IRMS2", "IRMS3"][phase]),
            Mode::Historique if phase == 0 => self.number("IINST1").or_else(|| self.number("IINST")),
            Mode::Historique => self.number(["", "IINST2", "IINST3"][phase]),
        };
        let volts = self.number(["URMS1", "URMS2", "URMS3"][phase]).unwrap_or(VOLTAGE);
        // Currents are whole amperes. Twice as much may be a load that was switched on meanwhile.
        amperes.map(|amperes| 2 * volts * (amperes + 1) + SLACK)
    }

    /// Returns the most that an apparent power can be; `None` for anything else, and where nothing tells.
    fn most_power(&self, label: &str) -> Option<i64> {
        match label {
            "SINSTS1" => self.most_of_phase(0),
            "SINSTS2" => self.most_of_phase(1),
            "SINSTS3" => self.most_of_phase(2),
            "SINSTS" | "SINSTI" | "PAPP" => {
                let three = ["IRMS2", "IRMS3", "IINST1", "IINST2", "IINST3"];
                let phases = if three.iter().any(|label| self.find(label).is_some()) { 3 } else { 1 };
                (0..phases).try_fold(0, |sum, phase| Some(sum + self.most_of_phase(phase)?))
            }
            _ => None,
        }
    }
}

/// Adds what is computed from the groups of a telegram, and removes what they contradict and what is not shown. `report`
/// gets the position and the label of each group that they contradict.
pub(crate) fn complete(
    mode: Mode,
    text: &[u8],
    groups: &mut Vec<Group>,
    extras: &mut Vec<Extra>,
    mut report: impl FnMut(u16, &[u8], Flaw),
) {
    let labels = mode.labels();
    for place in (0..groups.len()).rev() {
        let (label, number) = (&labels[groups[place].label], groups[place].number);
        let most = Groups { mode, groups }.most_power(label.text);
        if label.name.is_empty() {
            groups.remove(place);
        } else if let (Some(most), Some(number)) = (most, number.and_then(Decimal::to_integer))
            && number > most
        {
            // A group begins with its label and a separator.
            let from = groups[place].value.start().saturating_sub(label.text.len() as u16 + 1);
            report(from, label.text.as_bytes(), Flaw::Power { most: most.unsigned_abs() as u32 });
            groups.remove(place);
        }
    }
    let all = Groups { mode, groups };
    extras.extend(all.total());
    let value = |label| all.find(label).and_then(|group| std::str::from_utf8(group.value.bytes(text)).ok());
    if let Some(word) = value("STGE").and_then(|hex| u32::from_str_radix(hex, 16).ok()) {
        status::decode(word, extras);
    }
    if let Some(relays) = value("RELAIS").and_then(|mask| mask.parse::<u32>().ok()) {
        extras.push(Extra::word(&status::RELAY, if relays & 1 == 1 { "closed" } else { "open" }));
    }
}
