//! Guard over sequences of telegrams.

use std::time::Duration;

use telegram::{CONFIRMATIONS, Decoder as _, Guard, Implausible, What};

use crate::script::{CHECKSUMMED, Script};

/// A guard and its clock.
struct Watch {
    guard: Guard,
    now: Duration,
}

impl Watch {
    fn new() -> Self {
        Self { guard: Guard::new(50_000.0), now: Duration::from_secs(100) }
    }

    /// Judges the telegram with these registers, a second after the one before.
    fn judge(&mut self, registers: &[&str]) -> Result<(), What> {
        self.now += Duration::from_secs(1);
        let text = format!("{}\n", registers.join(" "));
        let mut verdict = None;
        Script::default().push(text.as_bytes(), &mut |found| {
            verdict = Some(self.guard.judge(&found.expect("a good telegram"), self.now));
        });
        let held = verdict.expect("a telegram").map_err(|implausible| implausible.what)?;
        held.first().map_or(Ok(()), |held| Err(held.implausible.what))
    }
}

#[test]
fn a_steady_meter_is_believed() {
    let mut watch = Watch::new();
    for second in 0..1000 {
        let energy = format!("1.8.0(000125.{:08}*kWh)", 25_688_570 + second * 120);
        let power = format!("16.7.0({:07.2}*W)", f64::from(second) - 500.0);
        assert_eq!(watch.judge(&[&energy, &power, "96.5.0(001C0104)"]), Ok(()), "{second}");
    }
}

#[test]
fn digits_do_not_get_lost() {
    for (good, bad) in [
        ("1.8.0(004457.153*kWh)", "1.8.0(04457.153*kWh)"),
        ("1.8.0(004457.153*kWh)", "1.8.0(0004457.153*kWh)"),
        ("1.8.0(4457.153*kWh)", "1.8.0(4457.53*kWh)"),
        ("16.7.0(000211.26*W)", "16.7.0(00211.26*W)"),
        ("16.7.0(000211.26*W)", "16.7.0(-0211.26*W)"),
        ("16.7.0(000211.26*W)", "16.7.0(000211.2*W)"),
        ("32.7(0231*V)", "32.7(231*V)"),
    ] {
        let mut watch = Watch::new();
        assert_eq!(watch.judge(&[good]), Ok(()));
        assert_eq!(watch.judge(&[bad]), Err(What::Digits), "{bad}");
        assert_eq!(watch.judge(&[good]), Ok(()));
    }
}

#[test]
fn unpadded_values_may_vary() {
    let mut watch = Watch::new();
    for value in ["9.5", "10.5", "100.0", "0.0", "-3.1", "1234.5"] {
        assert_eq!(watch.judge(&[&format!("16.7.0({value}*W)")]), Ok(()), "{value}");
    }
}

#[test]
fn a_sign_stands_before_the_zeros_or_for_one() {
    for negative in ["-000458.90", "-00458.90"] {
        let mut watch = Watch::new();
        for value in ["000211.26", negative, "000001.00", negative] {
            assert_eq!(watch.judge(&[&format!("16.7.0({value}*W)")]), Ok(()), "{value}");
        }
    }
    // But not now so, now so.
    let mut watch = Watch::new();
    assert_eq!(watch.judge(&["16.7.0(-000458.90*W)"]), Ok(()));
    assert_eq!(watch.judge(&["16.7.0(-00458.90*W)"]), Err(What::Digits));
}

#[test]
fn units_and_numbers_stay() {
    let mut watch = Watch::new();
    assert_eq!(watch.judge(&["1.7.0(0.5*kW)", "0.2.0(V1)"]), Ok(()));
    assert_eq!(watch.judge(&["1.7.0(0.5*W)", "0.2.0(V1)"]), Err(What::Unit));
    assert_eq!(watch.judge(&["1.7.0(0.5)", "0.2.0(V1)"]), Err(What::Unit));
    assert_eq!(watch.judge(&["1.7.0(0:5*kW)", "0.2.0(V1)"]), Err(What::Number));
    assert_eq!(watch.judge(&["1.7.0(0.6*kW)", "0.2.0(V2)"]), Ok(()));
}

#[test]
fn undefined_is_no_damage() {
    for order in [["0.98", "-.--", "0.97"], ["-.--", "0.98", "-.--"]] {
        let mut watch = Watch::new();
        for value in order {
            assert_eq!(watch.judge(&[&format!("13.7({value})"), "1.8.0(1.0*kWh)"]), Ok(()), "{value}");
        }
        assert_eq!(watch.judge(&["13.7(0.9)", "1.8.0(1.0*kWh)"]), Err(What::Digits));
    }
}

#[test]
fn the_registers_stay() {
    let full = ["1.8.0(1.0*kWh)", "2.8.0(1.0*kWh)"];
    let mut watch = Watch::new();
    assert_eq!(watch.judge(&full), Ok(()));
    assert_eq!(watch.judge(&full[..1]), Err(What::Registers));
    assert_eq!(watch.judge(&["1.8.0(1.0*kWh)", "2.8.1(1.0*kWh)"]), Err(What::Registers));
    assert_eq!(watch.judge(&["1.8.0(1.0*kWh)", "2.8.0(1.0*kWh)", "0.0.0(1)"]), Err(What::Registers));
    assert_eq!(watch.judge(&full), Ok(()));
}

#[test]
fn energy_does_not_run_backwards() {
    let mut watch = Watch::new();
    assert_eq!(watch.judge(&["1.8.0(0100.00*kWh)", "16.8.0(0100.00*kWh)", "1.8.0*01(0100.00*kWh)"]), Ok(()));
    // A sum over both directions does, and a value of last month is another one next month.
    assert_eq!(watch.judge(&["1.8.0(0100.00*kWh)", "16.8.0(0099.00*kWh)", "1.8.0*01(0300.00*kWh)"]), Ok(()));
    let lower = watch.judge(&["1.8.0(0099.99*kWh)", "16.8.0(0099.00*kWh)", "1.8.0*01(0300.00*kWh)"]);
    assert!(matches!(lower, Err(What::Backwards { .. })), "{lower:?}");
    let zero = watch.judge(&["1.8.0(0000.00*kWh)", "16.8.0(0099.00*kWh)", "1.8.0*01(0300.00*kWh)"]);
    assert!(matches!(zero, Err(What::Backwards { .. })), "{zero:?}");
}

#[test]
fn energy_rises_no_faster_than_the_connection_carries() {
    // 50 kW for a second and two of slack are 41.6 Wh; one unit of the last place is the rounding.
    for (unit, rise, plausible) in [
        ("kWh", "0100.042", true),
        ("kWh", "0100.043", false),
        ("KWH", "0101.000", false),
        ("", "0100.043", false),
        ("Wh", "0141.500", true),
        ("Wh", "0143.000", false),
        ("GJ", "0100.001", true),
        ("GJ", "0100.002", false),
        // A volume is not energy.
        ("m3", "0200.000", true),
    ] {
        let mut watch = Watch::new();
        let star = if unit.is_empty() { "" } else { "*" };
        assert_eq!(watch.judge(&[&format!("1.8.0(0100.000{star}{unit})")]), Ok(()));
        let verdict = watch.judge(&[&format!("1.8.0({rise}{star}{unit})")]);
        assert_eq!(verdict.is_ok(), plausible, "{unit} {rise}: {verdict:?}");
        assert!(plausible || matches!(verdict, Err(What::TooFast { .. })));
    }
}

#[test]
fn what_another_meter_counts_changes_with_its_time() {
    let mut watch = Watch::new();
    let mut judge = |time: &str, value: &str| watch.judge(&[&format!("0-1:24.2.1({time}W)({value}*m3)")]);
    assert_eq!(judge("240229120000", "00123.456"), Ok(()));
    assert_eq!(judge("240229120000", "00123.456"), Ok(()));
    assert_eq!(judge("240229120000", "00123.457"), Err(What::Untimely));
    let lower = judge("240229120500", "00123.455");
    assert!(matches!(lower, Err(What::Backwards { .. })), "{lower:?}");
    // All that was burnt since comes in one step.
    assert_eq!(judge("240229120500", "00923.456"), Ok(()));
    assert_eq!(judge("240229120501", "00923.456"), Ok(()));
    // A clock that stands still.
    for (value, believed) in [("00923.457", false), ("00923.458", false), ("00923.459", true)] {
        assert_eq!(judge("240229120501", value).is_ok(), believed, "{value}");
    }
}

#[test]
fn heat_comes_in_steps_that_no_connection_could_carry() {
    let mut watch = Watch::new();
    assert_eq!(watch.judge(&["0-1:24.2.1(240229120000W)(240.860*GJ)"]), Ok(()));
    assert_eq!(watch.judge(&["0-1:24.2.1(240229130000W)(240.960*GJ)"]), Ok(()));
    assert!(watch.judge(&["0-1:24.2.1(240229140000W)(240.870*GJ)"]).is_err());
}

#[test]
fn a_pause_lets_energy_rise_further() {
    let mut watch = Watch::new();
    assert_eq!(watch.judge(&["1.8.0(0100*kWh)"]), Ok(()));
    watch.now += Duration::from_secs(3600);
    assert_eq!(watch.judge(&["1.8.0(0151*kWh)"]), Ok(()));
    watch.now += Duration::from_secs(3600);
    assert!(watch.judge(&["1.8.0(0203*kWh)"]).is_err());
}

#[test]
fn the_guard_gives_way_to_a_new_counter() {
    let mut watch = Watch::new();
    assert_eq!(watch.judge(&["1.8.0(4457.153*kWh)"]), Ok(()));
    for seen in 1..CONFIRMATIONS {
        assert!(watch.judge(&[&format!("1.8.0(0000.00{seen}*kWh)")]).is_err(), "{seen}");
    }
    assert_eq!(watch.judge(&["1.8.0(0000.004*kWh)"]), Ok(()));
    // The old one is gone.
    assert!(watch.judge(&["1.8.0(4457.153*kWh)"]).is_err());
    assert_eq!(watch.judge(&["1.8.0(0000.005*kWh)"]), Ok(()));
}

#[test]
fn the_guard_gives_way_to_a_counter_that_keeps_rising_fast() {
    let mut watch = Watch::new();
    let line = |kwh: u32| format!("1.8.0({kwh:06}.000*kWh)");
    assert_eq!(watch.judge(&[&line(100)]), Ok(()));
    for (kwh, good) in [(200, false), (300, false), (400, true), (500, false), (600, false), (700, true)] {
        let verdict = watch.judge(&[&line(kwh)]);
        assert_eq!(verdict.is_ok(), good, "{kwh}");
        assert!(good || matches!(verdict, Err(What::TooFast { .. })), "{verdict:?}");
    }
    assert_eq!(watch.judge(&[&line(700)]), Ok(()));
}

#[test]
fn one_fast_step_is_no_reason_to_give_way() {
    // An exchanged meter whose third telegram is damaged: that one must not come out.
    let mut watch = Watch::new();
    assert_eq!(watch.judge(&["1.8.0(4457.153*kWh)"]), Ok(()));
    for value in ["0000.001", "0000.002", "9000.000", "0000.003", "0000.004"] {
        assert!(watch.judge(&[&format!("1.8.0({value}*kWh)")]).is_err(), "{value}");
    }
    assert_eq!(watch.judge(&["1.8.0(0000.005*kWh)"]), Ok(()));
    // Fast, but not in everything else the same.
    let mut watch = Watch::new();
    assert_eq!(watch.judge(&["1.8.0(0001.000*kWh)"]), Ok(()));
    for value in ["0100.000*kWh", "0200.000*Wh", "0300.000*kWh", "00400.000*kWh", "0500.000*kWh"] {
        assert!(watch.judge(&[&format!("1.8.0({value})")]).is_err(), "{value}");
    }
}

#[test]
fn the_guard_gives_way_to_new_registers() {
    let locked = ["1.8.0(012345*kWh)"];
    let open = ["1.8.0(012345.12345678*kWh)", "16.7.0(000211.26*W)"];
    let mut watch = Watch::new();
    assert_eq!(watch.judge(&locked), Ok(()));
    for _ in 1..CONFIRMATIONS {
        assert_eq!(watch.judge(&open), Err(What::Registers));
    }
    assert_eq!(watch.judge(&open), Ok(()));
    assert_eq!(watch.judge(&locked), Ok(()), "known once, known permanently");
    assert_eq!(watch.judge(&open), Ok(()));
}

#[test]
fn what_does_not_agree_does_not_insist() {
    let mut watch = Watch::new();
    assert_eq!(watch.judge(&["1.8.0(4457.153*kWh)"]), Ok(()));
    // Each contradicts the one before.
    for value in ["0300.000", "0200.000", "0100.000", "9000.000", "0050.000", "0049.000"] {
        assert!(watch.judge(&[&format!("1.8.0({value}*kWh)")]).is_err(), "{value}");
    }
    // And in a row means in a row.
    for _ in 0..5 {
        assert!(watch.judge(&["1.8.0(0000.000*kWh)"]).is_err());
        assert!(watch.judge(&["1.8.0(0000.000*kWh)"]).is_err());
        assert_eq!(watch.judge(&["1.8.0(4457.153*kWh)"]), Ok(()));
    }
}

#[test]
fn lists_in_turn_are_learned() {
    let lists = [["1.8.0(1.0*kWh)"], ["2.8.0(1.0*kWh)"], ["32.7(231*V)"], ["31.7(1.0*A)"]];
    let mut watch = Watch::new();
    let mut refused = 0;
    for round in 0..10 {
        for list in &lists {
            match watch.judge(list) {
                Ok(()) => {}
                Err(what) => {
                    assert_eq!(what, What::Registers);
                    assert!(round < 8, "learned by then");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_meter_with_two_lists_may_be_exchanged() {
    let mut watch = Watch::new();
    let lists = |value: &str| [format!("1.8.0({value}*kWh)"), format!("2.8.0({value}*kWh)")];
    for (value, refused) in [("4000.0", 2), ("0001.0", 4)] {
        let verdicts: Vec<_> = (0..5).flat_map(|_| lists(value)).map(|line| watch.judge(&[&line])).collect();
        assert_eq!(verdicts.iter().filter(|verdict| verdict.is_err()).count(), refused);
        assert_eq!(verdicts[6..], [Ok(()), Ok(()), Ok(()), Ok(())]);
    }
}

#[test]
fn checksums_prove_new_registers_and_not_their_counters() {
    let mut watch = Watch::new();
    let list = |counter, more| [counter, more, CHECKSUMMED];
    assert_eq!(watch.judge(&list("1.8.0(100.0*kWh)", "0.2.0(V1)")), Ok(()));
    assert_eq!(watch.judge(&list("1.8.0(100.0*kWh)", "16.7.0(5*W)")), Ok(()), "another list");
    assert_eq!(watch.judge(&list("1.8.0(100.0*kWh)", "16.7.0(5*kW)")), Ok(()), "another unit");
    let lower = watch.judge(&list("1.8.0(099.0*kWh)", "32.7(231*V)"));
    assert!(matches!(lower, Err(What::Backwards { .. })), "{lower:?}");
}

#[test]
fn reasons_are_sentences() {
    for (what, text) in [
        (What::Registers, "it has other registers than those before"),
        (What::Unit, "register `1.8.0` changed its unit"),
        (What::Number, "register `1.8.0` became a number or stopped being one"),
        (What::Digits, "register `1.8.0` gained or lost digits"),
        (
            What::TooFast { power_w: 70_000 },
            "register `1.8.0` rose as fast as 70000 W: more than `max_power` allows",
        ),
        (What::Untimely, "register `1.8.0` rose, but its time stayed"),
        (What::Backwards { before: 5.into(), now: 4.into() }, "register `1.8.0` ran backwards, from 5 to 4"),
    ] {
        assert_eq!(Implausible { code: "1.8.0".into(), what }.to_string(), text);
    }
}

/// Judges a telegram; returns the codes of the registers that are held back.
fn held(watch: &mut Watch, registers: &[&str]) -> Result<Vec<String>, What> {
    watch.now += Duration::from_secs(1);
    let mut verdict = None;
    Script::default().push(format!("{}\n", registers.join(" ")).as_bytes(), &mut |found| {
        verdict = Some(watch.guard.judge(&found.expect("a good telegram"), watch.now));
    });
    let held = verdict.expect("a telegram").map_err(|implausible| implausible.what)?;
    Ok(held.into_iter().map(|held| held.implausible.code.into()).collect())
}

#[test]
fn a_counter_that_runs_backwards_for_hours_holds_back_that_counter_only() {
    for check in ["96.5.0(0)", CHECKSUMMED] {
        let mut watch = Watch::new();
        for second in 0..10_000 {
            let falling = format!("1.8.0({:09.3}*kWh)", 5000.0 - f64::from(second) * 0.001);
            let power = format!("16.7.0({:07.2}*W)", -180.0 - f64::from(second % 7));
            let back = held(&mut watch, &["2.8.0(00001.0*kWh)", &falling, &power, check]);
            let expected = if second == 0 { vec![] } else { vec!["1.8.0".to_owned()] };
            assert_eq!(back, Ok(expected), "{second}");
        }
        // It rises again from where it is.
        for (kwh, expected) in [("04990.100", 1), ("04990.101", 1), ("04990.102", 0), ("04990.103", 0)] {
            let counter = format!("1.8.0({kwh}*kWh)");
            let back = held(&mut watch, &["2.8.0(00001.0*kWh)", &counter, "16.7.0(0100.00*W)", check]);
            assert_eq!(back.map(|held| held.len()), Ok(expected), "{kwh}");
        }
    }
}

#[test]
fn a_checksum_lets_the_rest_pass_whatever_is_wrong_with_a_counter() {
    let mut watch = Watch::new();
    let gas = |value| format!("0-1:24.2.1(240229120000W)({value}*m3)");
    let list = |energy: &str, gas: &str| [energy.to_owned(), gas.to_owned(), CHECKSUMMED.to_owned()];
    let mut judge = |energy, gas_value| {
        let list = list(energy, &gas(gas_value));
        held(&mut watch, &list.each_ref().map(String::as_str))
    };
    assert_eq!(judge("1.8.0(0100.0*kWh)", "00123.456"), Ok(vec![]));
    assert_eq!(judge("1.8.0(9100.0*kWh)", "00123.456"), Ok(vec!["1.8.0".into()]), "too fast");
    assert_eq!(judge("1.8.0(0100.0*kWh)", "00124.456"), Ok(vec!["0-1:24.2.1".into()]), "untimely");
    assert_eq!(judge("1.8.0(0099.0*kWh)", "00122.456"), Ok(vec!["1.8.0".into(), "0-1:24.2.1".into()]));
    assert_eq!(judge("1.8.0(0100.0*kWh)", "00123.456"), Ok(vec![]));
}

#[test]
fn a_list_that_changes_once_costs_no_telegram_where_a_checksum_proves_it() {
    let mut watch = Watch::new();
    for more in ["16.7.0(5*W)", "16.7.0(5*W) 32.7(231*V)", "96.1.0(X)", "16.7.0(05.0*kW)", "16.7.0(5*W)"] {
        assert_eq!(held(&mut watch, &["1.8.0(100.0*kWh)", more, CHECKSUMMED]), Ok(vec![]), "{more}");
    }
    // Its counters are still judged.
    let back = held(&mut watch, &["1.8.0(099.9*kWh)", "14.7(50.0*Hz)", CHECKSUMMED]);
    assert_eq!(back, Ok(vec!["1.8.0".into()]));
}

#[test]
fn without_a_checksum_a_counter_that_rises_too_fast_is_damage() {
    let mut watch = Watch::new();
    assert_eq!(held(&mut watch, &["1.8.0(0100.0*kWh)", "16.7.0(5*W)"]), Ok(vec![]));
    let fast = held(&mut watch, &["1.8.0(9100.0*kWh)", "16.7.0(5*W)"]);
    assert!(matches!(fast, Err(What::TooFast { .. })), "{fast:?}");
}
