//! The plugin: its configuration, its readings, and what it says of a line.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use framework::{Batch, Context, Kind, Medium, SourceContext, Value, testing};
use plugin_tic::{Tic, decoder::Decoder};
use simulator::{Household, Moment, Pty, PushingMeter, Timing};
use telegram::Reader;
use telegram_testing::{contract, read};
use test_meters::{
    tic::{Contract, group, historique, historique_short, standard, standard_group, telegram},
    uart,
};

#[test]
fn keeps_the_contract() {
    testing::check::<Tic>();
}

#[test]
fn values_that_make_no_sense_are_refused_with_what_to_write() {
    contract::refuses::<Tic>(&[
        ("port = \"ttyUSB0\"", "`ttyUSB0` is not a valid port: expected `/dev/…`"),
        ("port = \"/dev/x\"\nbaud = 2400", "no meter sends at 2400 baud here"),
        ("port = \"/dev/x\"\nbaud = 2400", "hint: 9600 in the mode standard, 1200 in the mode historique"),
        ("port = \"/dev/x\"\nbaud = 0", "hint: 9600 in the mode standard, 1200 in the mode historique"),
        ("port = \"/dev/x\"\nmax_power = \"43\"", "hint: write watts or kilowatts: `43kW`, `11000W`"),
        ("port = \"/dev/x\"\nsilent_after = \"0s\"", "must be greater than 0"),
    ]);
}

#[tokio::test]
async fn a_port_that_is_not_there_says_so() {
    contract::names_a_missing_port::<Tic>().await;
}

/// A meter's reader, with the plugin's settings.
fn reader() -> Reader<Decoder> {
    let cx = SourceContext::new(Context::new("meter", "/nonexistent"), Duration::from_secs(60));
    Reader::new(Decoder::completing(), 45_000.0, &cx)
}

/// Returns the batch of a telegram at a second.
fn batch(reader: &mut Reader<Decoder>, bytes: &[u8], second: u64) -> Batch {
    let found = read(reader, bytes, Duration::from_secs(second));
    found.into_iter().filter_map(Result::ok).next_back().expect("a batch")
}

fn number(batch: &Batch, name: &str) -> Option<i64> {
    match batch.get(name)?.value {
        Value::Number(number) => number.to_integer(),
        Value::Text(_) => None,
    }
}

fn text(batch: &Batch, name: &str) -> Option<String> {
    match &batch.get(name)?.value {
        Value::Text(text) => Some(text.to_string()),
        Value::Number(_) => None,
    }
}

#[test]
fn a_contract_without_a_total_has_the_sum_of_its_indexes_and_says_so() {
    for (contract, sum) in [
        (Contract::OffPeak, "HCHC + HCHP"),
        (Contract::Ejp, "EJPHN + EJPHPM"),
        (Contract::Tempo, "BBRHCJB + BBRHPJB + BBRHCJW + BBRHPJW + BBRHCJR + BBRHPJR"),
    ] {
        let batch = batch(&mut reader(), &historique(&Moment::sample(), contract), 0);
        let total = batch.get("POWER_IMPORT").unwrap();
        assert_eq!((number(&batch, "POWER_IMPORT"), &*total.more), (Some(2_714_128), &[sum.into()][..]));
        let meaning = total.meaning();
        assert_eq!(
            (meaning.kind, meaning.medium, meaning.tariff),
            (Kind::Counter, Some(Medium::Electricity), None)
        );
        let tariffs = batch.readings.iter().filter(|reading| reading.meaning().tariff.is_some());
        assert_eq!(tariffs.count(), sum.split('+').count());
    }
    let base = batch(&mut reader(), &historique(&Moment::sample(), Contract::Base), 0);
    assert_eq!(number(&base, "POWER_IMPORT"), Some(2_714_128));
    assert!(base.get("POWER_IMPORT").unwrap().more.is_empty());
}

#[test]
fn there_is_no_total_where_one_of_its_indexes_is_damaged() {
    for label in ["BBRHCJB", "BBRHPJR"] {
        let mut bytes = historique(&Moment::sample(), Contract::Tempo);
        let place = bytes.windows(label.len()).position(|part| part == label.as_bytes()).unwrap();
        bytes[place + label.len() + 5] ^= 1;
        let batch = batch(&mut reader(), &bytes, 0);
        assert_eq!(batch.get("POWER_IMPORT"), None);
        assert!(
            batch.get("POWER_IMPORT_WHITE_PEAK").is_some() && batch.get("CURRENT_APPARENT_POWER").is_some()
        );
    }
}

#[test]
fn a_short_telegram_repeats_nothing_of_the_long_one_before() {
    let mut reader = reader();
    batch(&mut reader, &historique(&Moment::sample(), Contract::Base), 0);
    let short = batch(&mut reader, &historique_short(&Moment::sample()), 1);
    let names: Vec<_> = short.readings.iter().map(|reading| reading.name.as_str()).collect();
    assert_eq!(names, ["OVERLOAD_CURRENT_L2", "METER_ID", "CURRENT_L1", "CURRENT_L2", "CURRENT_L3"]);
}

#[test]
fn another_contract_and_another_meter_are_no_consumption() {
    let index = |label: &str, wh: i64| group(label, &format!("{wh:09}"));
    let base = |address: &str, wh: i64| telegram([group("ADCO", address), index("BASE", wh)]);
    let tariffs =
        |wh: i64| telegram([group("ADCO", "000000000042"), index("HCHC", 900_000), index("HCHP", wh)]);
    for after in [
        &(|second: i64| tariffs(16_000_000 + second)) as &dyn Fn(i64) -> Vec<u8>,
        &|second: i64| base("000000000077", 99_000_000 + second),
        &|second: i64| base("000000000077", 12 + second),
    ] {
        let mut reader = reader();
        let mut shown = Vec::new();
        for second in 0..10i64 {
            let bytes = if second < 5 { base("000000000042", 16_000_000 + second) } else { after(second) };
            let batch = batch(&mut reader, &bytes, second as u64);
            if let Some(Value::Number(wh)) = batch.get("POWER_IMPORT").map(|reading| reading.value.clone()) {
                let meaning = batch.get("POWER_IMPORT").unwrap().meaning();
                shown.push((meaning, (second * 1_000_000, wh)));
            }
        }
        let consumed: i64 = shown
            .windows(2)
            .filter(|pair| !journal::is_counter_reset(&pair[0].0, pair[0].1, pair[1].1))
            .map(|pair| pair[1].1.1.to_integer().unwrap() - pair[0].1.1.to_integer().unwrap())
            .sum();
        assert!(shown.len() > 5 && (0..10).contains(&consumed), "{consumed}: {shown:?}");
        assert!(shown.len() > 7, "the new meter's counter is believed: {shown:?}");
    }
}

#[test]
fn two_swapped_digits_of_an_index_are_held_back() {
    let mut reader = reader();
    let index = |wh: &str| telegram([group("ADCO", "000000000042"), group("BASE", wh)]);
    let shown: Vec<_> = ["016878528", "016878258", "016878529"]
        .into_iter()
        .enumerate()
        .map(|(second, wh)| number(&batch(&mut reader, &index(wh), second as u64), "POWER_IMPORT"))
        .collect();
    assert_eq!(shown, [Some(16_878_528), None, Some(16_878_529)]);
}

#[test]
fn an_apparent_power_that_the_current_contradicts_is_left_out() {
    let group = standard_group;
    let bytes = telegram([
        group("ADSC", "000000000042"),
        group("IRMS1", "002"),
        group("IRMS2", "000"),
        group("IRMS3", "004"),
        group("URMS1", "231"),
        group("URMS2", "232"),
        group("URMS3", "233"),
        group("SINSTS", "01210"),
        group("SINSTS1", "48370"),
        group("SINSTS2", "17742"),
        group("SINSTS3", "00790"),
    ]);
    let mut reader = reader();
    let found = read(&mut reader, &bytes, Duration::ZERO);
    let said: Vec<_> =
        found.iter().filter_map(|found| found.as_ref().err()).map(ToString::to_string).collect();
    assert!(
        said.len() == 2 && said[0].contains("`SINSTS2` is left out: voltage and current allow 964 VA"),
        "{said:?}"
    );
    let batch = found.into_iter().find_map(Result::ok).unwrap();
    assert_eq!(number(&batch, "CURRENT_APPARENT_POWER"), Some(1210));
    assert_eq!(number(&batch, "CURRENT_APPARENT_POWER_L3"), Some(790));
    assert!(
        batch.get("CURRENT_APPARENT_POWER_L1").is_none() && batch.get("CURRENT_APPARENT_POWER_L2").is_none()
    );
}

#[test]
fn status_words_and_contracts_are_in_plain_english() {
    let batch = batch(&mut reader(), &standard(&Moment::sample()), 0);
    for (name, expected) in [
        ("CONTACT", "open"),
        ("BREAKER", "closed"),
        ("TERMINAL_COVER", "closed"),
        ("EURIDIS_OUTPUT", "on, secured"),
        ("PLC_STATE", "new, locked"),
        ("COLOUR_TODAY", "blue"),
        ("COLOUR_TOMORROW", "none"),
        ("RELAY", "open"),
        ("METER_CLOCK", "E260621103015"),
        ("CONTRACT", "HC et HP"),
        ("METER_ID", "000000000042"),
    ] {
        assert_eq!(text(&batch, name).as_deref(), Some(expected), "{name}");
    }
    for (name, expected) in [
        ("PRODUCER", 1),
        ("SUPPLIER_TARIFF", 2),
        ("DISTRIBUTOR_TARIFF", 1),
        ("CLOCK_DEGRADED", 0),
        ("OVERVOLTAGE", 0),
    ] {
        assert_eq!(number(&batch, name), Some(expected), "{name}");
        assert_eq!(batch.get(name).unwrap().meaning().kind, Kind::State, "{name}");
    }
    let tempo = self::batch(&mut reader(), &historique(&Moment::sample(), Contract::Tempo), 0);
    for (name, expected) in [("CONTRACT", "Tempo"), ("TARIFF", "peak, red"), ("COLOUR_TOMORROW", "white")] {
        assert_eq!(text(&tempo, name).as_deref(), Some(expected), "{name}");
    }
}

#[test]
fn a_stamped_value_has_its_own_time_and_the_delivery_point_is_not_shown() {
    let batch = batch(&mut reader(), &standard(&Moment::sample()), 0);
    let time = |name: &str| batch.get(name).unwrap().time.as_ref().unwrap().utc.unwrap().to_string();
    assert_eq!(time("AVERAGE_POWER_IMPORT"), "2026-06-21T08:30:00Z");
    assert_eq!(time("MAX_APPARENT_POWER_YESTERDAY"), "2026-06-20T17:05:12Z");
    let shown = serde_json::to_string(&batch).unwrap();
    let before =
        r#""AVERAGE_POWER_IMPORT_BEFORE":{"OBIS_Code":"1.5.0*01","unit":"W","value":764,"timestampUTC""#;
    assert!(shown.contains(before), "{shown}");
    assert!(!shown.contains(test_meters::tic::DELIVERY_POINT), "{shown}");
}

#[test]
fn a_volt_ampere_is_no_watt_and_the_distributor_s_indexes_count_nothing() {
    let batch = batch(&mut reader(), &standard(&Moment::sample()), 0);
    for reading in &batch.readings {
        let apparent = reading.name.contains("APPARENT");
        assert!(!apparent || reading.unit.as_deref() == Some("VA"), "{reading:?}");
        let counts = reading.meaning().kind == Kind::Counter;
        assert!(!counts || !reading.name.starts_with("DISTRIBUTOR"), "{reading:?}");
    }
    let counters = |direction| {
        let is_total = |reading: &&framework::Reading| {
            let meaning = reading.meaning();
            meaning.kind == Kind::Counter && meaning.direction == Some(direction) && meaning.tariff.is_none()
        };
        batch.readings.iter().filter(is_total).map(|reading| reading.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(counters(framework::Direction::Import), ["POWER_IMPORT"]);
    assert_eq!(counters(framework::Direction::Export), ["POWER_EXPORT"]);
}

#[tokio::test(start_paused = true)]
async fn a_recording_in_either_mode_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let moment = Moment::sample();
    for bytes in [standard(&moment), historique(&moment, Contract::OffPeak)] {
        let file = folder.path().join("recording");
        fs::write(&file, bytes.repeat(3)).unwrap();
        let config = format!("[sources.m]\nplugin = \"tic\"\nport = \"replay:{}\"\n", file.display());
        let batch = testing::first_batch::<Tic>(&config, Path::new("/nonexistent")).await.unwrap();
        assert_eq!(number(&batch, "POWER_IMPORT"), Some(2_714_128));
    }
}

#[tokio::test(start_paused = true)]
async fn a_meter_of_another_protocol_is_named() {
    let error = contract::hears::<Tic>(&test_meters::foreign::hdlc()).await;
    assert!(error.contains("sends DLMS/COSEM in HDLC frames"), "{error}");
}

#[test]
fn a_recording_is_anonymised_with_and_without_parity() {
    let plain = standard(&Moment::sample());
    let mut even = plain.clone();
    uart::seven_e_one(&mut even);
    for bytes in [plain, even, historique(&Moment::sample(), Contract::Tempo)] {
        let real = numbered(&bytes);
        let (count, anonymous) = telegram_testing::anonymised("tic", &real);
        assert!(count > 0);
        let shown: Vec<u8> = anonymous.iter().map(|byte| byte & 0x7f).collect();
        assert!(!String::from_utf8(shown).unwrap().contains("0612345678"));
        let codes = |bytes: &[u8]| {
            let found = telegram_testing::decode_all_ways::<Decoder>(bytes);
            assert!(found.iter().all(Result::is_ok), "{found:?}");
            telegram_testing::accepted(&found).iter().map(|t| t.registers.len()).sum::<usize>()
        };
        assert_eq!(codes(&anonymous), codes(&bytes));
    }
}

/// Returns the same telegram of a meter with numbers, with right checks and the same parity.
fn numbered(bytes: &[u8]) -> Vec<u8> {
    let has_parity = bytes.iter().any(|byte| byte & 0x80 != 0);
    let text: Vec<u8> = bytes.iter().map(|byte| byte & 0x7f).collect();
    let text = String::from_utf8(text).unwrap();
    let with = |text: String, label: &str, old: &str, new: &str, standard: bool| {
        let make = |number: &str| {
            let bytes = if standard { standard_group(label, number) } else { group(label, number) };
            String::from_utf8(bytes).unwrap()
        };
        text.replace(&make(old), &make(new))
    };
    let text = with(text, "ADSC", "000000000042", "061234567890", true);
    let text = with(text, "PRM", "00000000000043", "19123456789012", true);
    let text = with(text, "ADCO", "000000000042", "061234567890", false);
    let mut bytes = text.into_bytes();
    if has_parity {
        uart::seven_e_one(&mut bytes);
    }
    bytes
}

#[tokio::test]
async fn a_mode_that_is_changed_from_afar_is_found_again() {
    let (pty, set_baud) = uart::changing(Pty::open().unwrap(), 9600);
    let is_standard = Arc::new(AtomicBool::new(true));
    let mode = Arc::clone(&is_standard);
    let mut household = Household::new(1);
    let telegrams = move || {
        let moment = household.advance();
        let is_standard = mode.load(Relaxed);
        set_baud(if is_standard { 9600 } else { 1200 });
        let mut telegram =
            if is_standard { standard(&moment) } else { historique(&moment, Contract::OffPeak) };
        uart::seven_e_one(&mut telegram);
        telegram
    };
    let timing = Timing { interval: Duration::from_millis(500), baud: None };
    let meter = PushingMeter::start(pty, timing, telegrams).unwrap();
    let config = format!("[sources.m]\nplugin = \"tic\"\nport = \"{}\"\n", meter.port().display());
    let mut source = testing::source::<Tic>(&config, Path::new("/nonexistent")).acquisition;
    source.open().await.unwrap();
    let limit = Instant::now() + Duration::from_secs(120);
    for (standard, name) in [(true, "VOLTAGE_L1"), (false, "TIMETABLE")] {
        is_standard.store(standard, Relaxed);
        while !source.acquire().await.is_ok_and(|batch| batch.is_some_and(|batch| batch.get(name).is_some()))
        {
            assert!(Instant::now() < limit, "{name} never comes");
        }
    }
}
