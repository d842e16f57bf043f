//! Meaning of a number: the only place that knows OBIS semantics, and the registers that may run backwards.
//!
//! Value groups of an OBIS code (IEC 62056-61): A is the medium, C the quantity, D its processing (7 = now, 8 = counted
//! up), E the tariff, F a value of the past. Quantities 1 to 20 come again for phase L1 as 21 to 40, for L2 as 41 to
//! 60, for L3 as 61 to 80.

use crate::{Obis, Quantity, Unit, words};

words! {
    /// Behaviour of a number over time.
    Kind {
        /// It only rises; a fall is a new beginning. Its rise over a period is an amount.
        Counter = "counter",
        /// A counter that may run backwards: import minus export. Its change over a period is an amount.
        Net = "net",
        /// It rises and falls. Its mean over a period is meaningful.
        Gauge = "gauge",
        /// Extreme of a period, or a sum of extremes: a mean of it is meaningless.
        Maximum = "maximum",
        /// Anything of which only the last value counts: a status, a limit, a value of last month, a text.
        State = "state",
    }
}

words! {
    /// Conductor of an electricity meter.
    Phase {
        /// First phase.
        L1 = "L1",
        /// Second phase.
        L2 = "L2",
        /// Third phase.
        L3 = "L3",
        /// Neutral conductor.
        N = "N",
    }
}

words! {
    /// Direction of energy or power, seen from the customer.
    Direction {
        /// Drawn from the grid.
        Import = "import",
        /// Fed into the grid.
        Export = "export",
        /// Both added up.
        Absolute = "absolute",
        /// Import minus export.
        Net = "net",
    }
}

words! {
    /// Medium that a meter counts.
    Medium {
        /// Electricity.
        Electricity = "electricity",
        /// Heat, for heating or of warm water.
        Heat = "heat",
        /// Cold, of a cooling system.
        Cooling = "cooling",
        /// Gas.
        Gas = "gas",
        /// Cold or warm water.
        Water = "water",
    }
}

/// Meaning of a reading's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// Quantity that is measured.
    pub quantity: Quantity,
    /// Behaviour over time.
    pub kind: Kind,
    /// Unit of the number; `None` if the device sent none, or one that is not in the table.
    pub unit: Option<Unit>,
    /// Medium, if it is known.
    pub medium: Option<Medium>,
    /// Conductor; `None` for the sum, and for anything but electricity.
    pub phase: Option<Phase>,
    /// Direction of energy or power.
    pub direction: Option<Direction>,
    /// Tariff of an electricity register; `None` for the total.
    pub tariff: Option<u8>,
    /// Measured now, or counted up to now. False for means, extremes, limits, counters that begin again with each
    /// billing period, and values of the past: these must not be added up with live ones.
    pub live: bool,
}

impl Meaning {
    /// Derives it from what a device sends.
    ///
    /// `name` matters only for the medium, if the code leaves that open. A unit that is not in the table is never
    /// guessed, not even by the code: such a number is a gauge of [`Quantity::Other`].
    pub fn of(name: &str, unit: Option<&str>, obis: Option<Obis>) -> Self {
        let text = unit.map_or("", str::trim);
        let unit = Unit::parse(text);
        let quantity = unit.map_or(Quantity::Other, Unit::quantity);
        let kind = match quantity {
            _ if quantity.is_additive() => Kind::Counter,
            Quantity::Duration | Quantity::Money => Kind::State,
            Quantity::Other if text.is_empty() => Kind::State,
            _ => Kind::Gauge,
        };
        let mut meaning = Self {
            quantity,
            kind,
            unit,
            medium: None,
            phase: None,
            direction: None,
            tariff: None,
            live: true,
        };
        if let Some(obis) = obis {
            meaning.refine(obis, text.is_empty());
        }
        if meaning.medium.is_none() {
            meaning.medium = medium_of_name(name).or_else(|| meaning.is_heat(obis).then_some(Medium::Heat));
        }
        meaning
    }

    /// Returns it with what a source states: the kind, and the medium that its meter counts.
    ///
    /// A source that states the medium knows its meter: what the name and the unit suggest does not count then. What
    /// it calls a state or an extreme, and the unit a measurement, is a limit or a value of the past.
    #[must_use]
    pub fn stated(self, kind: Option<Kind>, medium: Option<Medium>) -> Self {
        let measured = self.unit.is_some() && matches!(self.kind, Kind::Counter | Kind::Net | Kind::Gauge);
        let live = self.live && !(measured && matches!(kind, Some(Kind::State | Kind::Maximum)));
        Self { kind: kind.unwrap_or(self.kind), medium: medium.or(self.medium), live, ..self }
    }

    /// Adds the meaning of an OBIS code.
    fn refine(&mut self, obis: Obis, without_unit: bool) {
        let (c, d, e) = obis.cde();
        match obis.medium() {
            // A reading of another meter, which this one passes on.
            Some(0) if c == 24 => self.live = self.quantity.is_additive() && matches!(d, 2 | 3),
            None | Some(0 | 1) => self.refine_electrical((c, d, e), obis.medium(), without_unit),
            Some(medium) => self.medium = medium_of_code(medium),
        }
        // A value of the past stays for a month, and then leaps. Some meters write F = 0 for the current one.
        if !matches!(obis.history(), None | Some(0)) {
            (self.kind, self.live) = (Kind::State, false);
        }
    }

    fn refine_electrical(&mut self, (c, d, e): (u8, u8, u8), medium: Option<u8>, without_unit: bool) {
        let (phase, register) = split(c);
        let processing = Processing::of(d);
        let property = property(c, d).filter(|_| without_unit);
        // The device's own objects have the numbers of electrical quantities: `0-0:41.0.0` lists what it consists of.
        let is_setup = medium == Some(0) && d == 0 && without_unit;
        if let Some(property) = property {
            self.quantity = property;
        } else if let Some((now, counted)) = quantities(register).filter(|_| !is_setup) {
            if without_unit {
                self.quantity = if processing.integral { counted } else { now };
            }
            // The demand of a quarter of an hour may be sent as power or as energy. A heat meter's `6.8` is not
            // reactive energy, nor is its `1.0.0` the mean of a billing period, and energy cannot be instantaneous.
            let fits = self.quantity == now && !processing.integral
                || self.quantity == counted && !matches!(d, 0 | 7);
            if fits && self.quantity != Quantity::Other {
                (self.kind, self.live) = (processing.kind, processing.live);
                self.medium = Some(Medium::Electricity);
                self.phase = phase;
                self.direction = direction(register);
                // Older EasyMeters write 255 where there are no tariffs.
                self.tariff = (!matches!(e, 0 | 255)).then_some(e);
                if self.kind == Kind::Counter && self.direction == Some(Direction::Net) {
                    self.kind = Kind::Net;
                }
                return;
            }
        }
        if medium == Some(1) || (c, d) == (96, 8) {
            self.medium = Some(Medium::Electricity);
        }
        self.live = match self.quantity {
            Quantity::Temperature => true,
            // A heat meter may say `6.8` and `6.26`, without a medium.
            Quantity::Volume => medium != Some(0),
            quantity => medium != Some(0) && d == if quantity.is_additive() { 8 } else { 7 },
        };
        // The groups from 96 on number their objects freely. A heat meter's `6.33` is the highest flow.
        if c < 96 && self.kind == Kind::Gauge && (processing.kind == Kind::Maximum || (c, d) == (6, 33)) {
            (self.kind, self.live) = (Kind::Maximum, false);
        }
        if d == 0 && self.kind == Kind::Gauge {
            self.kind = Kind::State;
        }
    }

    /// Returns whether energy without a medium is heat: joules, and the codes of heat meters that leave the medium out.
    fn is_heat(&self, obis: Option<Obis>) -> bool {
        let joules = self.unit.is_some_and(|unit| unit.factor_to(Unit::WattHour).is_none());
        let code = obis.is_some_and(|obis| obis.medium().is_none() && matches!(obis.cde().0, 6 | 9));
        self.quantity == Quantity::Energy && (joules || code)
    }
}

/// Value group D of an electricity register.
struct Processing {
    kind: Kind,
    live: bool,
    /// Added up over a time.
    integral: bool,
}

impl Processing {
    fn of(d: u8) -> Self {
        let (kind, live, integral) = match d {
            7 => (Kind::Gauge, true, false),
            8 => (Kind::Counter, true, true),
            // Counted since the billing period began, or since another one did.
            9 | 10 => (Kind::Counter, false, true),
            // Counted in the last recording interval.
            29 | 30 => (Kind::State, false, true),
            // Extremes, and the sums of those of all periods.
            1..=3 | 6 | 11..=13 | 16 | 21..=23 | 26 => (Kind::Maximum, false, false),
            // Means.
            4 | 5 | 14 | 15 | 24 | 25 | 27 | 28 => (Kind::Gauge, false, false),
            // Limits and nominal values.
            _ => (Kind::State, false, false),
        };
        Self { kind, live, integral }
    }
}

/// Phase of value group C, and its quantity's number without it.
fn split(c: u8) -> (Option<Phase>, u8) {
    match c {
        21..=40 => (Some(Phase::L1), c - 20),
        41..=60 => (Some(Phase::L2), c - 40),
        61..=80 => (Some(Phase::L3), c - 60),
        90 => (None, 11),
        91 => (Some(Phase::N), 11),
        92 => (Some(Phase::N), 12),
        // Landis+Gyr: reactive import minus export.
        151 => (Some(Phase::L1), 131),
        171 => (Some(Phase::L2), 131),
        191 => (Some(Phase::L3), 131),
        _ => (None, c),
    }
}

/// Quantity of a register now, and counted up.
fn quantities(register: u8) -> Option<(Quantity, Quantity)> {
    Some(match register {
        1 | 2 | 15..=20 => (Quantity::Power, Quantity::Energy),
        3..=8 | 131 => (Quantity::ReactivePower, Quantity::ReactiveEnergy),
        9 | 10 => (Quantity::ApparentPower, Quantity::ApparentEnergy),
        11 => (Quantity::Current, Quantity::Charge),
        12 => (Quantity::Voltage, Quantity::Other),
        13 => (Quantity::PowerFactor, Quantity::Other),
        14 => (Quantity::Frequency, Quantity::Other),
        _ => return None,
    })
}

/// Property of the device that an abstract register holds, without a unit.
fn property(c: u8, d: u8) -> Option<Quantity> {
    Some(match (c, d) {
        (0, 0) | (42, 0) | (96, 1) | (9, 20 | 21) => Quantity::MeterNumber,
        (0, 2) => Quantity::Firmware,
        (1, 0) | (0, 9) => Quantity::Clock,
        (96, 5) => Quantity::Status,
        (96, 8) => Quantity::Duration,
        (96, 14) => Quantity::ActiveTariff,
        (97, 97) => Quantity::Fault,
        (81, 7) => Quantity::Angle,
        _ => return None,
    })
}

fn direction(register: u8) -> Option<Direction> {
    match register {
        1 | 3 | 9 => Some(Direction::Import),
        2 | 4 | 10 => Some(Direction::Export),
        15 => Some(Direction::Absolute),
        16 | 131 => Some(Direction::Net),
        _ => None,
    }
}

fn medium_of_code(a: u8) -> Option<Medium> {
    match a {
        5 => Some(Medium::Cooling),
        6 => Some(Medium::Heat),
        7 => Some(Medium::Gas),
        8 | 9 => Some(Medium::Water),
        _ => None,
    }
}

/// Returns the medium that a name begins with. A meter that passes on the reading of another one tells the medium in a
/// register of its own, and the reading is named after it.
fn medium_of_name(name: &str) -> Option<Medium> {
    let words = [
        ("GAS", Medium::Gas),
        ("WATER", Medium::Water),
        ("WARM_WATER", Medium::Water),
        ("HEAT", Medium::Heat),
        ("COLD_WATER", Medium::Water),
        ("COLD", Medium::Cooling),
        ("COOLING", Medium::Cooling),
        ("ELECTRICITY", Medium::Electricity),
    ];
    let begins = |word: &str| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    words.into_iter().find(|(word, _)| begins(word)).map(|(_, medium)| medium)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str, unit: &str) -> Meaning {
        let obis = Obis::parse(code.as_bytes());
        assert_eq!(obis.is_none(), code.is_empty(), "{code}");
        Meaning::of("R", Some(unit).filter(|unit| !unit.is_empty()), obis)
    }

    /// Code and unit; quantity, kind, and the rest in words: medium, phase, direction, tariff, `-` where not live.
    #[rustfmt::skip]
    const REGISTERS: &[(&str, &str, Quantity, Kind, &str)] = &[
        ("1-0:1.8.0*255", "kWh",   Quantity::Energy,         Kind::Counter, "electricity import"),
        ("1.8.2",         "KWh",   Quantity::Energy,         Kind::Counter, "electricity import T2"),
        ("1-0:2.8.255",   "Wh",    Quantity::Energy,         Kind::Counter, "electricity export"),
        ("21.8.0",        "kWh",   Quantity::Energy,         Kind::Counter, "electricity L1 import"),
        ("15.8.0",        "kWh",   Quantity::Energy,         Kind::Counter, "electricity absolute"),
        ("1-0:1.8.0",     "J",     Quantity::Energy,         Kind::Counter, "electricity import"),
        ("16.8.0",        "kWh",   Quantity::Energy,         Kind::Net,     "electricity net"),
        ("1-0:36.8.0",    "kWh",   Quantity::Energy,         Kind::Net,     "electricity L1 net"),
        ("56.8.0",        "Wh",    Quantity::Energy,         Kind::Net,     "electricity L2 net"),
        ("76.8.0",        "kWh",   Quantity::Energy,         Kind::Net,     "electricity L3 net"),
        ("16.8.1",        "kWh",   Quantity::Energy,         Kind::Net,     "electricity net T1"),
        ("131.8.0",       "kVArh", Quantity::ReactiveEnergy, Kind::Net,     "electricity net"),
        ("151.8.0",       "kvarh", Quantity::ReactiveEnergy, Kind::Net,     "electricity L1 net"),
        ("3.8.0",         "kVArh", Quantity::ReactiveEnergy, Kind::Counter, "electricity import"),
        ("7.8.0",         "Mvarh", Quantity::ReactiveEnergy, Kind::Counter, "electricity"),
        ("10.8.0",        "MVAh",  Quantity::ApparentEnergy, Kind::Counter, "electricity export"),
        ("0-0:1.8.0",     "Wh",    Quantity::Energy,         Kind::Counter, "electricity import"),
        ("1.8.0",         "",      Quantity::Energy,         Kind::Counter, "electricity import"),
        ("36.8.0",        "",      Quantity::Energy,         Kind::Net,     "electricity L1 net"),
        ("1.8.0*01",      "kWh",   Quantity::Energy,         Kind::State,   "electricity import -"),
        ("1.8.0*00",      "kWh",   Quantity::Energy,         Kind::Counter, "electricity import"),
        ("1-0:1.9.0",     "kWh",   Quantity::Energy,         Kind::Counter, "electricity import -"),
        ("1-0:1.29.0",    "kWh",   Quantity::Energy,         Kind::State,   "electricity import -"),
        ("1.6.0",         "kW",    Quantity::Power,          Kind::Maximum, "electricity import -"),
        ("1.2.1",         "kW",    Quantity::Power,          Kind::Maximum, "electricity import T1 -"),
        ("1-0:31.6.0",    "A",     Quantity::Current,        Kind::Maximum, "electricity L1 -"),
        ("1.4.0",         "kW",    Quantity::Power,          Kind::Gauge,   "electricity import -"),
        ("1.5.0",         "kWh",   Quantity::Energy,         Kind::Gauge,   "electricity import -"),
        ("0-0:17.0.0",    "kW",    Quantity::Power,          Kind::State,   "electricity -"),
        ("16.7.0",        "KW",    Quantity::Power,          Kind::Gauge,   "electricity net"),
        ("76.7.0",        "W",     Quantity::Power,          Kind::Gauge,   "electricity L3 net"),
        ("131.7",         "kVAr",  Quantity::ReactivePower,  Kind::Gauge,   "electricity net"),
        ("1-0:32.7.0",    "V",     Quantity::Voltage,        Kind::Gauge,   "electricity L1"),
        ("32.7",          "",      Quantity::Voltage,        Kind::Gauge,   "electricity L1"),
        ("91.7.0",        "A",     Quantity::Current,        Kind::Gauge,   "electricity N"),
        ("14.7.0",        "Hz",    Quantity::Frequency,      Kind::Gauge,   "electricity"),
        ("33.7.0",        "",      Quantity::PowerFactor,    Kind::Gauge,   "electricity L1"),
        ("13.6.0",        "",      Quantity::PowerFactor,    Kind::Maximum, "electricity -"),
        ("1-0:81.7.1",    "deg",   Quantity::Angle,          Kind::Gauge,   "electricity"),
        ("1-0:96.9.0",    "°C",    Quantity::Temperature,    Kind::Gauge,   "electricity"),
        ("C.6.3",         "V",     Quantity::Voltage,        Kind::Gauge,   "-"),
        ("C.8.1",         "h",     Quantity::Duration,       Kind::State,   "electricity -"),
        ("C.8.0",         "",      Quantity::Duration,       Kind::State,   "electricity -"),
        ("0-0:1.0.0",     "",      Quantity::Clock,          Kind::State,   "-"),
        ("1-0:0.0.0",     "",      Quantity::MeterNumber,    Kind::State,   "electricity -"),
        ("0-0:42.0.0",    "",      Quantity::MeterNumber,    Kind::State,   "-"),
        ("42.0.0",        "",      Quantity::MeterNumber,    Kind::State,   "-"),
        ("42.7.0",        "",      Quantity::Power,          Kind::Gauge,   "electricity L2 export"),
        ("42.0.0",        "kW",    Quantity::Power,          Kind::State,   "electricity L2 export -"),
        ("0-0:41.0.0",    "",      Quantity::Other,          Kind::State,   "-"),
        ("0-0:22.0.0",    "",      Quantity::Other,          Kind::State,   "-"),
        ("F.F",           "",      Quantity::Fault,          Kind::State,   "-"),
        ("1.8.0",         "kW",    Quantity::Power,          Kind::Gauge,   "-"),
        ("1-0:1.7.0",     "kWh",   Quantity::Energy,         Kind::Counter, "electricity -"),
        ("1.8.0",         "bananas", Quantity::Other,        Kind::Gauge,   "-"),
        ("1.8.0*03",      "bananas", Quantity::Other,        Kind::State,   "-"),
        ("33.25",         "P/S",   Quantity::Other,          Kind::Gauge,   "-"),
        ("96.14.0",       "",      Quantity::ActiveTariff,       Kind::State,   "-"),
        ("6.8",           "MWh",   Quantity::Energy,         Kind::Counter, "heat"),
        ("6.8",           "GJ",    Quantity::Energy,         Kind::Counter, "heat"),
        ("6.8*01",        "GJ",    Quantity::Energy,         Kind::State,   "heat -"),
        ("6.26",          "m3",    Quantity::Volume,         Kind::Counter, ""),
        ("6.6",           "kW",    Quantity::Power,          Kind::Maximum, "-"),
        ("6.33",          "m3ph",  Quantity::VolumeFlow,     Kind::Maximum, "-"),
        ("6-0:1.0.0",     "kWh",   Quantity::Energy,         Kind::Counter, "heat"),
        ("1.0.0",         "GJ",    Quantity::Energy,         Kind::Counter, "heat -"),
        ("1.0.0",         "kWh",   Quantity::Energy,         Kind::Counter, "-"),
        ("9.21",          "",      Quantity::MeterNumber,    Kind::State,   "-"),
        ("7-0:3.1.0",     "m^3",   Quantity::Volume,         Kind::Counter, "gas"),
        ("7-0:3.1.0*01",  "m3",    Quantity::Volume,         Kind::State,   "gas -"),
        ("8-0:1.0.0",     "l",     Quantity::Volume,         Kind::Counter, "water"),
        ("9-0:1.0.0",     "m³",    Quantity::Volume,         Kind::Counter, "water"),
        ("0-1:24.2.1",    "m3",    Quantity::Volume,         Kind::Counter, ""),
        ("0-1:24.2.1",    "GJ",    Quantity::Energy,         Kind::Counter, "heat"),
        ("0-1:24.2.1",    "kWh",   Quantity::Energy,         Kind::Counter, ""),
        ("0-1:24.3.0",    "m3",    Quantity::Volume,         Kind::Counter, ""),
        ("0-1:24.4.0",    "",      Quantity::Other,          Kind::State,   "-"),
        ("",              "kWh",   Quantity::Energy,         Kind::Counter, ""),
        ("",              "kJ",    Quantity::Energy,         Kind::Counter, "heat"),
        ("",              "m^3",   Quantity::Volume,         Kind::Counter, ""),
        ("",              "KW",    Quantity::Power,          Kind::Gauge,   ""),
        ("",              "%",     Quantity::Ratio,          Kind::Gauge,   ""),
        ("",              "h",     Quantity::Duration,       Kind::State,   ""),
        ("",              "bananas", Quantity::Other,        Kind::Gauge,   ""),
        ("",              "",      Quantity::Other,          Kind::State,   ""),
    ];

    #[test]
    fn each_register_has_its_meaning() {
        for &(code, unit, quantity, kind, rest) in REGISTERS {
            let meaning = of(code, unit);
            let tariff = meaning.tariff.map(|tariff| format!("T{tariff}"));
            let words = [
                meaning.medium.map(Medium::as_str),
                meaning.phase.map(Phase::as_str),
                meaning.direction.map(Direction::as_str),
                tariff.as_deref(),
                (!meaning.live).then_some("-"),
            ];
            let words = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
            assert_eq!((meaning.quantity, meaning.kind, &*words), (quantity, kind, rest), "{code} {unit}");
            assert_eq!(meaning.unit, Unit::parse(unit));
        }
    }

    #[test]
    fn a_name_tells_the_medium_if_the_code_does_not() {
        let medium = |name: &str, code: &str| {
            Meaning::of(name, Some("m3"), Obis::parse(code.as_bytes())).medium.map(Medium::as_str)
        };
        assert_eq!(medium("GAS", "0-1:24.2.1"), Some("gas"));
        assert_eq!(medium("WARM_WATER", "0-2:24.2.1"), Some("water"));
        assert_eq!(medium("gas_volume", ""), Some("gas"));
        assert_eq!(medium("GAS", "8-0:1.0.0"), Some("water"));
        assert_eq!(medium("volume", ""), None);
    }
}
