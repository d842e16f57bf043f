//! Labels of both modes (Enedis-NOI-CPT_54E, clauses 6.1 and 6.2): width, content, and the name in `/data`.

use std::sync::LazyLock;

use framework::{Kind, Obis};

/// Label that the paper knows.
#[derive(Debug)]
pub(crate) struct Label {
    /// As sent.
    pub(crate) text: &'static str,
    /// Number of characters of the data; it never varies.
    pub(crate) width: usize,
    pub(crate) content: Content,
    /// A stamp stands before the data.
    pub(crate) stamped: bool,
    /// Code of the same register of other meters; the meter sends none.
    obis: &'static str,
    /// The same in `/data`, which shows a value without a code without its unit and its time.
    shown_obis: &'static str,
    /// Name in `/data`; empty where it is not shown.
    pub(crate) name: &'static str,
    /// Kind, where code and unit do not tell.
    pub(crate) kind: Option<Kind>,
}

/// Content of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Digits that are a number, in this unit.
    Number(&'static str),
    /// Digits that are none.
    Digits,
    /// Hexadecimal digits.
    Hex,
    /// Printable characters.
    Text,
    /// One of these words.
    Word(&'static [Word]),
}

/// Word as sent, and in plain English.
pub(crate) type Word = (&'static str, &'static str);

/// Mode of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// That of meters before Linky, at 1200 baud.
    Historique,
    /// That of Linky, at 9600 baud.
    Standard,
}

/// Contracts (6.1.2.2).
const CONTRACTS: &[Word] = &[("BASE", "base"), ("HC..", "off-peak"), ("EJP.", "EJP")];
/// Running tariffs (6.1.2.2).
const TARIFFS: &[Word] = &[
    ("TH..", "all hours"),
    ("HC..", "off-peak"),
    ("HP..", "peak"),
    ("HN..", "normal"),
    ("PM..", "mobile peak"),
    ("HCJB", "off-peak, blue"),
    ("HCJW", "off-peak, white"),
    ("HCJR", "off-peak, red"),
    ("HPJB", "peak, blue"),
    ("HPJW", "peak, white"),
    ("HPJR", "peak, red"),
];
/// Colours of a day (6.1.2.2).
const COLOURS: &[Word] = &[("----", "unknown"), ("BLEU", "blue"), ("BLAN", "white"), ("ROUG", "red")];

/// A label without stamp, code and kind.
const fn label(text: &'static str, width: usize, content: Content, name: &'static str) -> Label {
    Label { text, width, content, stamped: false, obis: "", shown_obis: "", name, kind: None }
}

impl Label {
    const fn obis_code(mut self, obis: &'static str) -> Self {
        (self.obis, self.shown_obis) = (obis, obis);
        self
    }

    /// The code of a value of the past, which other meters show so.
    const fn shown_as(mut self, obis: &'static str) -> Self {
        self.shown_obis = obis;
        self
    }

    const fn stamped(mut self) -> Self {
        self.stamped = true;
        self
    }

    const fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// A register that is computed from others, and not sent.
    pub(crate) const fn computed(text: &'static str, unit: &'static str) -> Self {
        label(text, 0, Content::Number(unit), text)
    }

    /// A state that is decoded from others, and not sent.
    pub(crate) const fn decoded(text: &'static str) -> Self {
        label(text, 0, Content::Text, text).of_kind(Kind::State)
    }

    /// Returns the code of the same register of other meters: as `smartmeter decode` and as `/data` show it.
    fn parse_obis(&self) -> [Option<Obis>; 2] {
        [self.obis, self.shown_obis].map(|code| Obis::parse(code.as_bytes()))
    }

    /// Returns its unit.
    pub(crate) const fn unit(&self) -> Option<&'static str> {
        match self.content {
            Content::Number(unit) => Some(unit),
            _ => None,
        }
    }
}

use self::Content::{Digits, Hex, Number, Text};

/// A number.
const fn number(text: &'static str, width: usize, unit: &'static str, name: &'static str) -> Label {
    label(text, width, Number(unit), name)
}

/// An index of drawn energy.
const fn index(text: &'static str, obis: &'static str, name: &'static str) -> Label {
    number(text, 9, "Wh", name).obis_code(obis)
}

/// A limit, which only its last value counts of.
const fn limit(text: &'static str, width: usize, unit: &'static str, name: &'static str) -> Label {
    number(text, width, unit, name).of_kind(Kind::State)
}

/// Labels of the mode historique.
#[rustfmt::skip]
pub(crate) static HISTORIQUE: [Label; 34] = [
    label("ADCO", 12, Digits, "METER_ID").obis_code("0-0:96.1.0*255"),
    label("OPTARIF", 4, Content::Word(CONTRACTS), "CONTRACT"),
    limit("ISOUSC", 2, "A", "SUBSCRIBED_CURRENT"),
    index("BASE", "1-0:1.8.0*255", "POWER_IMPORT"),
    index("HCHC", "1-0:1.8.1*255", "POWER_IMPORT_OFF_PEAK"),
    index("HCHP", "1-0:1.8.2*255", "POWER_IMPORT_PEAK"),
    index("EJPHN", "1-0:1.8.1*255", "POWER_IMPORT_NORMAL"),
    index("EJPHPM", "1-0:1.8.2*255", "POWER_IMPORT_MOBILE_PEAK"),
    index("BBRHCJB", "1-0:1.8.1*255", "POWER_IMPORT_BLUE_OFF_PEAK"),
    index("BBRHPJB", "1-0:1.8.2*255", "POWER_IMPORT_BLUE_PEAK"),
    index("BBRHCJW", "1-0:1.8.3*255", "POWER_IMPORT_WHITE_OFF_PEAK"),
    index("BBRHPJW", "1-0:1.8.4*255", "POWER_IMPORT_WHITE_PEAK"),
    index("BBRHCJR", "1-0:1.8.5*255", "POWER_IMPORT_RED_OFF_PEAK"),
    index("BBRHPJR", "1-0:1.8.6*255", "POWER_IMPORT_RED_PEAK"),
    limit("PEJP", 2, "min", "MOBILE_PEAK_NOTICE"),
    label("PTEC", 4, Content::Word(TARIFFS), "TARIFF"),
    label("DEMAIN", 4, Content::Word(COLOURS), "COLOUR_TOMORROW"),
    number("IINST", 3, "A", "CURRENT_L1").obis_code("1-0:31.7.0*255"),
    number("IINST1", 3, "A", "CURRENT_L1").obis_code("1-0:31.7.0*255"),
    number("IINST2", 3, "A", "CURRENT_L2").obis_code("1-0:51.7.0*255"),
    number("IINST3", 3, "A", "CURRENT_L3").obis_code("1-0:71.7.0*255"),
    number("ADPS", 3, "A", "OVERLOAD_CURRENT"),
    number("ADIR1", 3, "A", "OVERLOAD_CURRENT_L1"),
    number("ADIR2", 3, "A", "OVERLOAD_CURRENT_L2"),
    number("ADIR3", 3, "A", "OVERLOAD_CURRENT_L3"),
    number("IMAX", 3, "A", "MAX_CURRENT_L1").obis_code("1-0:31.6.0*255"),
    number("IMAX1", 3, "A", "MAX_CURRENT_L1").obis_code("1-0:31.6.0*255"),
    number("IMAX2", 3, "A", "MAX_CURRENT_L2").obis_code("1-0:51.6.0*255"),
    number("IMAX3", 3, "A", "MAX_CURRENT_L3").obis_code("1-0:71.6.0*255"),
    number("PMAX", 5, "VA", "MAX_APPARENT_POWER").obis_code("1-0:9.6.0*255"),
    number("PAPP", 5, "VA", "CURRENT_APPARENT_POWER").obis_code("1-0:9.7.0*255"),
    label("HHPHC", 1, Text, "TIMETABLE"),
    label("MOTDETAT", 6, Hex, "STATUS"),
    label("PPOT", 2, Hex, "MISSING_PHASES"),
];

/// Labels of the mode standard.
#[rustfmt::skip]
pub(crate) static STANDARD: [Label; 71] = [
    label("ADSC", 12, Digits, "METER_ID").obis_code("0-0:96.1.0*255"),
    label("VTIC", 2, Digits, "TIC_VERSION"),
    label("DATE", 0, Text, "METER_CLOCK").obis_code("0-0:1.0.0*255").stamped(),
    label("NGTF", 16, Text, "CONTRACT"),
    label("LTARF", 16, Text, "TARIFF"),
    index("EAST", "1-0:1.8.0*255", "POWER_IMPORT"),
    index("EASF01", "1-0:1.8.1*255", "POWER_IMPORT_T1"),
    index("EASF02", "1-0:1.8.2*255", "POWER_IMPORT_T2"),
    index("EASF03", "1-0:1.8.3*255", "POWER_IMPORT_T3"),
    index("EASF04", "1-0:1.8.4*255", "POWER_IMPORT_T4"),
    index("EASF05", "1-0:1.8.5*255", "POWER_IMPORT_T5"),
    index("EASF06", "1-0:1.8.6*255", "POWER_IMPORT_T6"),
    index("EASF07", "1-0:1.8.7*255", "POWER_IMPORT_T7"),
    index("EASF08", "1-0:1.8.8*255", "POWER_IMPORT_T8"),
    index("EASF09", "1-0:1.8.9*255", "POWER_IMPORT_T9"),
    index("EASF10", "1-0:1.8.10*255", "POWER_IMPORT_T10"),
    // The same energy as EASF, split up by the distributor's tariffs: it must not be added to them.
    index("EASD01", "", "DISTRIBUTOR_IMPORT_T1").of_kind(Kind::State),
    index("EASD02", "", "DISTRIBUTOR_IMPORT_T2").of_kind(Kind::State),
    index("EASD03", "", "DISTRIBUTOR_IMPORT_T3").of_kind(Kind::State),
    index("EASD04", "", "DISTRIBUTOR_IMPORT_T4").of_kind(Kind::State),
    index("EAIT", "1-0:2.8.0*255", "POWER_EXPORT"),
    number("ERQ1", 9, "varh", "REACTIVE_Q1").obis_code("1-0:5.8.0*255"),
    number("ERQ2", 9, "varh", "REACTIVE_Q2").obis_code("1-0:6.8.0*255"),
    number("ERQ3", 9, "varh", "REACTIVE_Q3").obis_code("1-0:7.8.0*255"),
    number("ERQ4", 9, "varh", "REACTIVE_Q4").obis_code("1-0:8.8.0*255"),
    number("IRMS1", 3, "A", "CURRENT_L1").obis_code("1-0:31.7.0*255"),
    number("IRMS2", 3, "A", "CURRENT_L2").obis_code("1-0:51.7.0*255"),
    number("IRMS3", 3, "A", "CURRENT_L3").obis_code("1-0:71.7.0*255"),
    number("URMS1", 3, "V", "VOLTAGE_L1").obis_code("1-0:32.7.0*255"),
    number("URMS2", 3, "V", "VOLTAGE_L2").obis_code("1-0:52.7.0*255"),
    number("URMS3", 3, "V", "VOLTAGE_L3").obis_code("1-0:72.7.0*255"),
    limit("PREF", 2, "kVA", "SUBSCRIBED_POWER"),
    limit("PCOUP", 2, "kVA", "CUT_OFF_POWER"),
    number("SINSTS", 5, "VA", "CURRENT_APPARENT_POWER").obis_code("1-0:9.7.0*255"),
    number("SINSTS1", 5, "VA", "CURRENT_APPARENT_POWER_L1").obis_code("1-0:29.7.0*255"),
    number("SINSTS2", 5, "VA", "CURRENT_APPARENT_POWER_L2").obis_code("1-0:49.7.0*255"),
    number("SINSTS3", 5, "VA", "CURRENT_APPARENT_POWER_L3").obis_code("1-0:69.7.0*255"),
    number("SMAXSN", 5, "VA", "MAX_APPARENT_POWER").obis_code("1-0:9.6.0*255").stamped(),
    number("SMAXSN1", 5, "VA", "MAX_APPARENT_POWER_L1").obis_code("1-0:29.6.0*255").stamped(),
    number("SMAXSN2", 5, "VA", "MAX_APPARENT_POWER_L2").obis_code("1-0:49.6.0*255").stamped(),
    number("SMAXSN3", 5, "VA", "MAX_APPARENT_POWER_L3").obis_code("1-0:69.6.0*255").stamped(),
    maximum("SMAXSN-1", "MAX_APPARENT_POWER_YESTERDAY", "1-0:9.6.0*01"),
    maximum("SMAXSN1-1", "MAX_APPARENT_POWER_L1_YESTERDAY", "1-0:29.6.0*01"),
    maximum("SMAXSN2-1", "MAX_APPARENT_POWER_L2_YESTERDAY", "1-0:49.6.0*01"),
    maximum("SMAXSN3-1", "MAX_APPARENT_POWER_L3_YESTERDAY", "1-0:69.6.0*01"),
    number("SINSTI", 5, "VA", "CURRENT_APPARENT_POWER_EXPORT").obis_code("1-0:10.7.0*255"),
    number("SMAXIN", 5, "VA", "MAX_APPARENT_POWER_EXPORT").obis_code("1-0:10.6.0*255").stamped(),
    maximum("SMAXIN-1", "MAX_APPARENT_POWER_EXPORT_YESTERDAY", "1-0:10.6.0*01"),
    number("CCASN", 5, "W", "AVERAGE_POWER_IMPORT").obis_code("1-0:1.5.0*255").stamped(),
    number("CCASN-1", 5, "W", "AVERAGE_POWER_IMPORT_BEFORE").shown_as("1-0:1.5.0*01").stamped().of_kind(Kind::State),
    number("CCAIN", 5, "W", "AVERAGE_POWER_EXPORT").obis_code("1-0:2.5.0*255").stamped(),
    number("CCAIN-1", 5, "W", "AVERAGE_POWER_EXPORT_BEFORE").shown_as("1-0:2.5.0*01").stamped().of_kind(Kind::State),
    number("UMOY1", 3, "V", "AVERAGE_VOLTAGE_L1").obis_code("1-0:32.5.0*255").stamped(),
    number("UMOY2", 3, "V", "AVERAGE_VOLTAGE_L2").obis_code("1-0:52.5.0*255").stamped(),
    number("UMOY3", 3, "V", "AVERAGE_VOLTAGE_L3").obis_code("1-0:72.5.0*255").stamped(),
    label("STGE", 8, Hex, "STATUS"),
    label("DPM1", 2, Digits, "MOBILE_PEAK_1_START").stamped(),
    label("FPM1", 2, Digits, "MOBILE_PEAK_1_END").stamped(),
    label("DPM2", 2, Digits, "MOBILE_PEAK_2_START").stamped(),
    label("FPM2", 2, Digits, "MOBILE_PEAK_2_END").stamped(),
    label("DPM3", 2, Digits, "MOBILE_PEAK_3_START").stamped(),
    label("FPM3", 2, Digits, "MOBILE_PEAK_3_END").stamped(),
    label("MSG1", 32, Text, "MESSAGE"),
    label("MSG2", 16, Text, "MESSAGE_2"),
    // Personal data, and of no use in the household.
    label("PRM", 14, Digits, ""),
    label("RELAIS", 3, Digits, "RELAYS"),
    label("NTARF", 2, Digits, "TARIFF_INDEX"),
    label("NJOURF", 2, Digits, "DAY_PROFILE"),
    label("NJOURF+1", 2, Digits, "DAY_PROFILE_TOMORROW"),
    label("PJOURF+1", 98, Text, "DAY_ACTIONS_TOMORROW"),
    label("PPOINTE", 98, Text, "PEAK_DAY_ACTIONS"),
];

/// A maximum of yesterday.
const fn maximum(text: &'static str, name: &'static str, shown_obis: &'static str) -> Label {
    number(text, 5, "VA", name).stamped().shown_as(shown_obis).of_kind(Kind::State)
}

/// Labels of a mode in the order of their texts, with their codes: what is looked up often.
pub(crate) struct Index {
    sorted: Vec<(&'static str, usize)>,
    codes: Vec<[Option<Obis>; 2]>,
}

static INDEXES: LazyLock<[Index; 2]> = LazyLock::new(|| [Index::new(&HISTORIQUE), Index::new(&STANDARD)]);

impl Mode {
    /// Returns its labels.
    pub(crate) fn labels(self) -> &'static [Label] {
        match self {
            Self::Historique => &HISTORIQUE,
            Self::Standard => &STANDARD,
        }
    }

    /// Returns its name, with that of its line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Historique => "historique",
            Self::Standard => "standard",
        }
    }

    /// Returns the places of its labels by their texts.
    pub(crate) fn index(self) -> &'static Index {
        &INDEXES[self as usize]
    }
}

impl Index {
    fn new(labels: &'static [Label]) -> Self {
        let mut sorted: Vec<_> =
            labels.iter().enumerate().map(|(place, label)| (label.text, place)).collect();
        sorted.sort_unstable();
        Self { sorted, codes: labels.iter().map(Label::parse_obis).collect() }
    }

    /// Returns the place of a label.
    pub(crate) fn find(&self, text: &[u8]) -> Option<usize> {
        let found = self.sorted.binary_search_by(|(known, _)| known.as_bytes().cmp(text)).ok()?;
        self.sorted.get(found).map(|(_, place)| *place)
    }

    /// Returns the OBIS code of the label at a place, as it is `shown` in `/data` or not.
    pub(crate) fn obis(&self, place: usize, shown: bool) -> Option<Obis> {
        self.codes.get(place)?[usize::from(shown)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_has_a_text_a_code_that_is_one_and_a_name_of_its_own() {
        for mode in [Mode::Historique, Mode::Standard] {
            for (place, label) in mode.labels().iter().enumerate() {
                assert_eq!(mode.index().find(label.text.as_bytes()), Some(place), "{}", label.text);
                assert_eq!(
                    label.obis.is_empty(),
                    mode.index().obis(place, false).is_none(),
                    "{}",
                    label.text
                );
                let others = mode.labels()[..place].iter().filter(|other| other.name == label.name);
                let one_phase = |text: &str| text.trim_end_matches('1').to_owned();
                assert!(
                    label.name.is_empty()
                        || others.clone().all(|o| one_phase(label.text) == one_phase(o.text)),
                    "{} is called as another one",
                    label.text
                );
            }
            assert_eq!(mode.index().find(b"EASZ99"), None);
        }
    }

    /// Names in `/data` are those of other meters, where they have the same register.
    #[test]
    fn the_names_are_those_of_other_meters() {
        for mode in [Mode::Historique, Mode::Standard] {
            for (place, label) in mode.labels().iter().enumerate() {
                let Some(name) = mode.index().obis(place, true).and_then(telegram::name) else { continue };
                let by_tariff = mode == Mode::Historique && name.starts_with("POWER_IMPORT_T");
                let mean = name.starts_with("AVERAGE");
                assert!(by_tariff || mean || name == label.name, "{}: {name}", label.text);
            }
        }
    }
}
