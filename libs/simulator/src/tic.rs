//! French meters at their customer output, TIC (Enedis-NOI-CPT_54E): a Linky in both modes, and groups one by one.
//!
//! Characters have no parity bits here; [`seven_e_one`](crate::ebz::seven_e_one) adds them, as on the line.

use crate::{Moment, START_OF_DAY, WATT_HOUR, household::time};

/// Address of the meter. No real one has it.
pub const ADDRESS: &str = "000000000042";
/// Number of its delivery point. No real one has it.
pub const DELIVERY_POINT: &str = "00000000000043";

/// Contract of a household in the mode historique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// One price.
    Base,
    /// Cheaper at night.
    OffPeak,
    /// Expensive on 22 days of a year.
    Ejp,
    /// Blue, white and red days.
    Tempo,
}

/// Indexes of a contract in kWh; the last one is that of the running tariff, which alone rises.
type Indexes = &'static [(&'static str, i64)];

impl Contract {
    /// Returns what the meter calls it, its indexes, and the tariff that runs.
    const fn words(self) -> (&'static str, Indexes, &'static str) {
        match self {
            Self::Base => ("BASE", &[("BASE", 0)], "TH.."),
            Self::OffPeak => ("HC..", &[("HCHC", 350), ("HCHP", 0)], "HP.."),
            Self::Ejp => ("EJP.", &[("EJPHN", 900), ("EJPHPM", 0)], "PM.."),
            Self::Tempo => (
                "BBR(",
                &[
                    ("BBRHCJB", 300),
                    ("BBRHPJB", 400),
                    ("BBRHCJW", 80),
                    ("BBRHPJW", 120),
                    ("BBRHCJR", 40),
                    ("BBRHPJR", 0),
                ],
                "HPJR",
            ),
        }
    }
}

/// Returns a telegram of a single-phase meter in the mode historique: all of the household is on its phase.
pub fn historique(moment: &Moment, contract: Contract) -> Vec<u8> {
    let (option, indexes, tariff) = contract.words();
    let apparent = apparent(moment, 0..3);
    let mut groups = vec![group("ADCO", ADDRESS), group("OPTARIF", option), group("ISOUSC", "60")];
    groups.extend(split(moment.import / WATT_HOUR, indexes).map(|(label, index)| group(label, &index)));
    if contract == Contract::Ejp {
        groups.push(group("PEJP", "30"));
    }
    groups.push(group("PTEC", tariff));
    if contract == Contract::Tempo {
        groups.push(group("DEMAIN", "BLAN"));
    }
    groups.push(group("IINST", &format!("{:03}", apparent / 230)));
    groups.push(group("IMAX", "090"));
    // Rounded to 10 VA.
    groups.push(group("PAPP", &format!("{:05}", apparent / 10 * 10)));
    groups.extend([group("HHPHC", "A"), group("MOTDETAT", "000000")]);
    telegram(groups)
}

/// Returns a long telegram of a three-phase meter in the mode historique, with the contract at one price.
pub fn historique_three_phase(moment: &Moment) -> Vec<u8> {
    let mut groups = vec![group("ADCO", ADDRESS), group("OPTARIF", "BASE"), group("ISOUSC", "20")];
    groups.push(group("BASE", &format!("{:09}", moment.import / WATT_HOUR)));
    groups.push(group("PTEC", "TH.."));
    groups.extend(currents(moment, "IINST"));
    groups.extend([group("IMAX1", "060"), group("IMAX2", "060"), group("IMAX3", "060")]);
    groups.push(group("PMAX", "02910"));
    groups.push(group("PAPP", &format!("{:05}", apparent(moment, 0..3) / 10 * 10)));
    groups.extend([group("HHPHC", "A"), group("MOTDETAT", "000000"), group("PPOT", "00")]);
    telegram(groups)
}

/// Returns a short telegram, as a three-phase meter sends while its second phase carries too much.
pub fn historique_short(moment: &Moment) -> Vec<u8> {
    let mut groups = vec![group("ADIR2", "034"), group("ADCO", ADDRESS)];
    groups.extend(currents(moment, "IINST"));
    telegram(groups)
}

/// Returns a telegram of a three-phase meter of a producer in the mode standard.
pub fn standard(moment: &Moment) -> Vec<u8> {
    let second = START_OF_DAY + moment.second;
    let stamp = |second: u64| format!("E{}", time(second));
    let energy = moment.import / WATT_HOUR;
    let drawn = |phases: std::ops::Range<usize>| if moment.grid() > 0 { apparent(moment, phases) } else { 0 };
    let mut groups = vec![
        standard_group("ADSC", ADDRESS),
        standard_group("VTIC", "02"),
        stamped_group("DATE", &stamp(second), ""),
        standard_group("NGTF", "   HC et HP     "),
        standard_group("LTARF", "  HEURE PLEINE  "),
        standard_group("EAST", &format!("{energy:09}")),
    ];
    let indexes = &[("EASF01", 350), ("EASF02", 0)];
    groups.extend(split(energy, indexes).map(|(label, index)| standard_group(label, &index)));
    groups.extend((3..=10).map(|tariff| standard_group(&format!("EASF{tariff:02}"), "000000000")));
    groups.push(standard_group("EASD01", &format!("{energy:09}")));
    groups.extend((2..=4).map(|tariff| standard_group(&format!("EASD{tariff:02}"), "000000000")));
    groups.push(standard_group("EAIT", &format!("{:09}", moment.export / WATT_HOUR)));
    for (quadrant, varh) in [2_970_842, 204_084, 84_948, 774_332].into_iter().enumerate() {
        groups.push(standard_group(&format!("ERQ{}", quadrant + 1), &format!("{varh:09}")));
    }
    for phase in 0..3 {
        let amperes = apparent(moment, phase..phase + 1) * 10 / i64::from(moment.decivolts[phase]);
        groups.push(standard_group(&format!("IRMS{}", phase + 1), &format!("{amperes:03}")));
    }
    for (phase, decivolts) in moment.decivolts.into_iter().enumerate() {
        groups.push(standard_group(&format!("URMS{}", phase + 1), &format!("{:03}", decivolts / 10)));
    }
    groups.extend([standard_group("PREF", "12"), standard_group("PCOUP", "12")]);
    groups.push(standard_group("SINSTS", &format!("{:05}", drawn(0..3))));
    for phase in 0..3 {
        let power = if moment.phases[phase] > 0 { apparent(moment, phase..phase + 1) } else { 0 };
        groups.push(standard_group(&format!("SINSTS{}", phase + 1), &format!("{power:05}")));
    }
    let injected = if moment.grid() < 0 { apparent(moment, 0..3) } else { 0 };
    let half_hour = second - second % 1800;
    groups.extend([
        stamped_group("SMAXSN", &stamp(second - 7200), "06360"),
        stamped_group("SMAXSN-1", "E260620190512", "07422"),
        standard_group("SINSTI", &format!("{injected:05}")),
        stamped_group("SMAXIN", &stamp(second - 3600), "05861"),
        stamped_group("CCASN", &stamp(half_hour), "00806"),
        stamped_group("CCASN-1", &stamp(half_hour - 1800), "00764"),
        stamped_group("CCAIN", &stamp(half_hour), "00012"),
        stamped_group("UMOY1", &stamp(second - second % 600), "231"),
        // A closed breaker, a producer, the second tariff, a blue day.
        standard_group("STGE", "013A0501"),
        standard_group("MSG1", "PAS DE          MESSAGE         "),
        standard_group("PRM", DELIVERY_POINT),
        standard_group("RELAIS", "000"),
        standard_group("NTARF", "02"),
        standard_group("NJOURF", "00"),
        standard_group("NJOURF+1", "00"),
        standard_group("PJOURF+1", &format!("00004001 06004002 22004001{}", " NONUTILE".repeat(8))),
    ]);
    telegram(groups)
}

/// Returns a telegram of these groups.
pub fn telegram(groups: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let groups: Vec<u8> = groups.into_iter().flatten().collect();
    [&[0x02][..], &groups, &[0x03]].concat()
}

/// Returns a group of the mode historique.
pub fn group(label: &str, data: &str) -> Vec<u8> {
    let content = format!("{label} {data}");
    finish(&content, check(content.as_bytes()), ' ')
}

/// Returns a group of the mode standard.
pub fn standard_group(label: &str, data: &str) -> Vec<u8> {
    let content = format!("{label}\t{data}\t");
    finish(content.trim_end_matches('\t'), check(content.as_bytes()), '\t')
}

/// Returns a group of the mode standard with a stamp.
pub fn stamped_group(label: &str, stamp: &str, data: &str) -> Vec<u8> {
    let content = format!("{label}\t{stamp}\t{data}\t");
    [b"\n", content.as_bytes(), &[check(content.as_bytes()), b'\r']].concat()
}

fn finish(content: &str, check: u8, separator: char) -> Vec<u8> {
    [b"\n", content.as_bytes(), &[separator as u8, check, b'\r']].concat()
}

/// Returns the check character of what it covers.
fn check(content: &[u8]) -> u8 {
    let sum: u32 = content.iter().map(|byte| u32::from(*byte)).sum();
    (sum & 0x3f) as u8 + 0x20
}

/// Returns the currents of a three-phase meter.
fn currents(moment: &Moment, label: &str) -> [Vec<u8>; 3] {
    [0, 1, 2].map(|phase| {
        let amperes = apparent(moment, phase..phase + 1) / 230;
        group(&format!("{label}{}", phase + 1), &format!("{amperes:03}"))
    })
}

/// Returns the apparent power in VA of some phases: the sum's amount, with a power factor of 0.95.
fn apparent(moment: &Moment, phases: std::ops::Range<usize>) -> i64 {
    moment.phases[phases].iter().sum::<i64>().abs() / 95
}

/// Splits an energy in Wh among indexes.
fn split(energy: i64, indexes: Indexes) -> impl Iterator<Item = (&'static str, String)> {
    let others: i64 = indexes.iter().map(|(_, kwh)| kwh * 1000).sum();
    indexes.iter().enumerate().map(move |(place, (label, kwh))| {
        let is_running = place + 1 == indexes.len();
        (*label, format!("{:09}", if is_running { energy - others } else { kwh * 1000 }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Telegrams of a Linky as Enedis' paper has them in its examples, with other numbers.
    #[test]
    fn groups_have_the_check_characters_of_the_paper() {
        assert_eq!(group("HHPHC", "A"), b"\nHHPHC A ,\r");
        assert_eq!(group("PTEC", "HP.."), b"\nPTEC HP..  \r");
        assert_eq!(standard_group("VTIC", "02"), b"\nVTIC\t02\tJ\r");
    }

    #[test]
    fn a_tempo_contract_and_a_producer() {
        let moment = Moment { phases: [-45_890, 156_440, -7], ..Moment::sample() };
        let text = String::from_utf8(historique(&moment, Contract::Tempo)).unwrap();
        assert!(text.contains("\nOPTARIF BBR( S\r") && text.contains("\nDEMAIN BLAN "), "{text}");
        let text = String::from_utf8(standard(&moment)).unwrap();
        assert!(text.contains("\nDATE\tE260621103015\t\t") && text.contains("\nSINSTS1\t00000\t"), "{text}");
    }
}
