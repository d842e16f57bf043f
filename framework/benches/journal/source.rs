//! Simulated readings of a household, second by second.

use framework::{Batch, Decimal, Obis, Reading, Text, Timestamp};
use simulator::Moment;

/// The registers of a meter: name, OBIS code, unit.
const REGISTERS: [(&str, &str, &str); 8] = [
    ("POWER_IMPORT", "1.8.0", "kWh"),
    ("POWER_EXPORT", "2.8.0", "kWh"),
    ("CURRENT_POWER_SUM", "16.7.0", "W"),
    ("CURRENT_POWER_L1", "36.7.0", "W"),
    ("CURRENT_POWER_L2", "56.7.0", "W"),
    ("CURRENT_POWER_L3", "76.7.0", "W"),
    ("VOLTAGE_L1", "32.7.0", "V"),
    ("VOLTAGE_L2", "52.7.0", "V"),
];

/// A meter with two counters of 8 decimals, four powers of 2, and two voltages of 1.
pub(crate) struct Household {
    household: simulator::Household,
    registers: Vec<(Text, Obis, Text)>,
    jitter: u64,
}

impl Household {
    pub(crate) fn new() -> Self {
        let registers = REGISTERS
            .map(|(name, obis, unit)| (name.into(), Obis::parse(obis.as_bytes()).unwrap(), unit.into()));
        Self { household: simulator::Household::new(1), registers: registers.into(), jitter: 0x5eed }
    }

    /// The batch of a second since 1970. Telegrams are some milliseconds early or late.
    pub(crate) fn batch(&mut self, second: i64) -> (Batch, Moment) {
        let moment = self.household.advance();
        // Hundredths of a watt second are hundred-millionths of a kWh, times 3.6.
        let energy = |energy: i64| (energy * 10 / 36, 8);
        let [l1, l2, l3] = moment.phases;
        let values = [
            energy(moment.import),
            energy(moment.export),
            (moment.grid(), 2),
            (l1, 2),
            (l2, 2),
            (l3, 2),
            (i64::from(moment.decivolts[0]), 1),
            (i64::from(moment.decivolts[1]), 1),
        ];
        let readings = self.registers.iter().zip(values).map(|((name, obis, unit), (mantissa, scale))| {
            let value = Decimal::new(mantissa, scale).unwrap();
            Reading::number(name.clone(), value).unit(unit.clone()).obis(*obis)
        });
        let readings = readings.collect();
        self.jitter = self.jitter.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let micros = second * 1_000_000 + (self.jitter >> 33) as i64 % 16_000;
        (Batch { taken_at: Timestamp::from_microsecond(micros).unwrap(), readings }, moment)
    }
}

/// A heat pump's meter with 1000 pulses a kWh.
#[derive(Default)]
pub(crate) struct Pulses(i64);

impl Pulses {
    /// A batch for each pulse of a second.
    pub(crate) fn batches(&mut self, second: i64, moment: &Moment) -> Vec<Batch> {
        let batch = |at: std::time::Duration| {
            self.0 += 1;
            let readings = vec![
                Reading::number("count", Decimal::new(self.0, 3).unwrap()).unit("kWh"),
                Reading::number("power", Decimal::new(moment.heat_pump / 10, 1).unwrap()).unit("W"),
                Reading::number("pulses", Decimal::from(self.0)),
            ];
            let micros = second * 1_000_000 + at.as_micros() as i64;
            Batch { taken_at: Timestamp::from_microsecond(micros).unwrap(), readings }
        };
        moment.pulses().map(batch).collect()
    }
}
