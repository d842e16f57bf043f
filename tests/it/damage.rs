//! Effect of damage on the line, the same for each protocol: a telegram that is damaged at one place must not show a value
//! that the meter did not send.
//!
//! `SMARTMETER_CASES=1000000 cargo test -p smartmeter --test it damage -- --nocapture` prints the rates of a million
//! damaged telegrams of each protocol, with and without the guard.

use plugin_dlms::decoder as dlms;
use simulator::{
    Household,
    dlms::{DlmsMeter, Framing},
    ebz::{self, DataSet},
    tic::{self, Contract},
};
use telegram::{Decoder, Key, Keys};
use telegram_testing::damage::{self, Kind, Passed};
use test_meters::{faults::Damage, sml};

use crate::program::seven_e_one;

/// Cases where `SMARTMETER_CASES` says nothing.
const CASES: usize = 200;

fn measured<D: Decoder>(
    what: &str,
    new: &dyn Fn() -> D,
    mut telegram: impl FnMut(&simulator::Moment) -> Vec<u8>,
    kind: Kind,
) -> Passed {
    let mut household = Household::new(1);
    let passed = damage::measure(new, |_| telegram(&household.advance()), kind, damage::cases(CASES));
    passed.print(what);
    assert_eq!(passed.cases, damage::cases(CASES));
    passed
}

#[test]
fn damaged_telegrams_with_a_tag_a_checksum_or_parity_show_no_wrong_value() {
    let bit: Kind = Damage::bit;
    let d0 = plugin_d0::decoder::Decoder::default;
    let meter = |moment: &_| seven_e_one(ebz::telegram(moment, DataSet::Full).into_bytes());
    assert_eq!(measured("D0, 7E1, one bit", &d0, meter, bit).unguarded, 0);

    let meter = |moment: &_| sml::telegram(moment, DataSet::Full);
    assert_eq!(measured("SML", &plugin_sml::decoder::Decoder::default, meter, Damage::any).unguarded, 0);

    let keys = Keys { key: Some(Key::new([7; 16])), authentication_key: Some(Key::new([8; 16])) };
    let dlms = || dlms::Decoder::new(dlms::Options { keys, ..Default::default() });
    for framing in [Framing::Hdlc, Framing::Mbus, Framing::Bare] {
        let mut meter = DlmsMeter::new(framing).encrypted([7; 16], Some([8; 16]));
        let what = format!("DLMS with a tag, {framing:?}");
        let passed = measured(&what, &dlms, move |moment| meter.telegram(moment), Damage::any);
        assert_eq!(passed.unguarded, 0);
    }
    let mut meter = DlmsMeter::new(Framing::Hdlc);
    let passed = measured("DLMS in HDLC", &dlms, move |moment| meter.telegram(moment), Damage::any);
    assert_eq!(passed.unguarded, 0, "the checksum of its frames");
}

#[test]
fn the_rates_of_protocols_with_weak_checks_are_measured_with_and_without_the_guard() {
    let keys = Keys { key: Some(Key::new([7; 16])), authentication_key: None };
    let dlms = || dlms::Decoder::new(dlms::Options { keys, ..Default::default() });
    for framing in [Framing::Mbus, Framing::Bare] {
        let mut meter = DlmsMeter::new(framing).encrypted([7; 16], None);
        let what = format!("DLMS without a tag, {framing:?}");
        let passed = measured(&what, &dlms, move |moment| meter.telegram(moment), Damage::any);
        assert!(passed.guarded <= passed.unguarded, "{passed:?}");
    }
    let tic = plugin_tic::decoder::Decoder::default;
    let historique = |moment: &_| seven_e_one(tic::historique(moment, Contract::OffPeak));
    let standard = |moment: &_| seven_e_one(tic::standard(moment));
    for passed in [
        measured("TIC, historique", &tic, historique, Damage::any),
        measured("TIC, standard", &tic, standard, Damage::any),
    ] {
        assert!(passed.guarded <= passed.unguarded, "{passed:?}");
    }
}
