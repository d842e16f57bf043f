//! Meters that must be polled, and others that must not, on pseudo terminals.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use framework::{AcquireError, Batch, Config, DataAcquisition, Mode, Value, testing};
use plugin_d0::D0;
use simulator::{Household, Pty, PushingMeter, Timing, ebz};
use test_meters::{Event, PolledMeter, PolledOptions, WakeUp, p1, polled, sml, uart};

/// A meter with this ident line.
fn with_ident(ident: &str) -> PolledOptions {
    PolledOptions { ident: ident.into(), ..PolledOptions::default() }
}

/// It takes its time, within the 1.5 s of the standard: a busy machine needs some of it to change the speed.
fn meter(options: PolledOptions) -> PolledMeter {
    let options = PolledOptions { reaction: Duration::from_millis(800), ..options };
    let mut household = Household::new(1);
    PolledMeter::start(Pty::open().unwrap(), options, move || polled::table(&household.advance())).unwrap()
}

fn source(port: &Path, keys: &str) -> Box<dyn DataAcquisition> {
    let config = format!("[sources.m]\nplugin = \"d0\"\nport = \"{}\"\n{keys}", port.display());
    testing::source::<D0>(&config, Path::new("/nonexistent")).acquisition
}

/// Returns the results of the first `turns` turns of a source.
async fn turns(port: &Path, keys: &str, turns: usize) -> Vec<Result<Batch, AcquireError>> {
    let mut source = source(port, keys);
    source.open().await.unwrap();
    let mut all = Vec::new();
    for _ in 0..turns {
        all.push(source.acquire().await.map(|batch| batch.expect("a batch")));
    }
    source.close().await;
    all
}

async fn ask(meter: &PolledMeter, keys: &str) -> Result<Batch, AcquireError> {
    turns(meter.port(), &format!("request = true\n{keys}"), 1).await.remove(0)
}

/// Fails unless it is the table of the simulated meter.
fn assert_table(batch: &Batch) {
    let value = |name: &str| batch.get(name).map(|reading| reading.value.clone());
    assert!(matches!(value("POWER_IMPORT"), Some(Value::Number(_))), "{batch:?}");
    assert!(batch.readings.iter().any(|r| r.value == Value::Text("00000042".into())), "{batch:?}");
    assert_eq!(batch.readings.len(), 9, "{batch:?}");
}

/// A line for each event; of a readout only the beginning.
fn shown(events: &[Event]) -> Vec<String> {
    events.iter().map(Event::to_string).collect()
}

/// Returns the requests that the meter received.
fn requests(meter: &PolledMeter) -> Vec<String> {
    shown(&meter.events()).into_iter().filter(|line| line.contains("/?")).collect()
}

#[tokio::test]
async fn mode_c_is_acknowledged_at_the_old_speed_and_read_at_the_new_one() {
    let meter = meter(PolledOptions::default());
    for batch in turns(meter.port(), "request = true", 2).await {
        assert_table(&batch.unwrap());
    }
    let events = meter.events();
    let conversation = [
        r"heard /?!\r\n at 300",
        "said /ISK at 300",
        r"heard \x06050\r\n at 300",
        "300 to 9600",
        r"said \x02F.F at 9600",
    ];
    let expected = [&["38400 to 300"][..], &conversation, &["9600 to 300"], &conversation].concat();
    assert_eq!(shown(&events), expected);
    let (Event::Sent { at: said, .. }, Event::Received { at: acknowledged, .. }) = (&events[2], &events[3])
    else {
        panic!()
    };
    // The meter said its line at once, so that it was whole at that moment.
    assert!(*acknowledged - *said >= Duration::from_millis(200), "the meter needs its reaction time");
}

#[tokio::test]
async fn modes_a_and_b_are_not_acknowledged() {
    let a = meter(with_ident("ISK MT174"));
    assert_table(&ask(&a, "").await.unwrap());
    let expected = ["38400 to 300", r"heard /?!\r\n at 300", "said /ISK at 300", r"said \x02F.F at 300"];
    assert_eq!(shown(&a.events()), expected);

    let b = meter(with_ident("ISKEMT174"));
    assert_table(&ask(&b, "").await.unwrap());
    let expected =
        ["38400 to 300", r"heard /?!\r\n at 300", "said /ISK at 300", "300 to 9600", r"said \x02F.F at 9600"];
    assert_eq!(shown(&b.events()), expected);
}

#[tokio::test]
async fn characters_that_take_their_time_are_read() {
    let options = PolledOptions { real_time: true, ..with_ident("ISK5MT174") };
    assert_table(&ask(&meter(options), "").await.unwrap());
}

#[tokio::test]
async fn a_higher_speed_than_allowed_is_not_accepted() {
    let meter = meter(with_ident("ISK6MT174"));
    assert_table(&ask(&meter, "max_baud = 9600").await.unwrap());
    let shown = shown(&meter.events());
    assert_eq!(shown[3], r"heard \x06000\r\n at 300");
    assert_eq!(shown[4], r"said \x02F.F at 300");
    assert_eq!(shown.len(), 5, "{shown:?}");
}

#[tokio::test]
async fn a_meter_with_a_speed_of_its_own_is_asked_at_that() {
    let meter = meter(PolledOptions { initial_baud: 9600, ..with_ident("ISK5MT174") });
    assert_table(&ask(&meter, "baud = 9600").await.unwrap());
    let expected = [
        "38400 to 9600",
        r"heard /?!\r\n at 9600",
        "said /ISK at 9600",
        r"heard \x06050\r\n at 9600",
        r"said \x02F.F at 9600",
    ];
    assert_eq!(shown(&meter.events()), expected);
}

#[tokio::test]
async fn what_the_head_reflects_does_no_harm() {
    for ident in ["ISK5MT174", "ISK0MT174", "ISKEMT174", "ISK MT174"] {
        let meter = meter(PolledOptions { echo: true, ..with_ident(ident) });
        assert_table(&ask(&meter, "").await.unwrap());
        assert_eq!(requests(&meter).len(), 1, "{ident}");
    }
}

#[tokio::test]
async fn each_byte_of_a_polled_meter_is_counted_once() {
    for (ident, echo) in
        [("ISK5MT174", false), ("ISKEMT174", false), ("ISK MT174", false), ("ISK MT174", true)]
    {
        // On a busy machine an answer may come after the next request, which discards it unread.
        let mut conversations: Vec<(usize, u64, u64)> = Vec::new();
        while conversations.len() < 5 && conversations.iter().all(|(requests, ..)| *requests != 2) {
            conversations.push(counted_bytes(ident, echo).await);
        }
        let Some((_, counted, expected)) = conversations.last() else { unreachable!() };
        assert_eq!(counted, expected, "{ident}, echo {echo}: {conversations:?}");
    }
}

/// Reads a meter twice. Returns the requests that it received, and the bytes: those counted and those on the line.
async fn counted_bytes(ident: &str, echo: bool) -> (usize, u64, u64) {
    let meter = meter(PolledOptions { echo, ..with_ident(ident) });
    let config =
        format!("[sources.m]\nplugin = \"d0\"\nport = \"{}\"\nrequest = true\n", meter.port().display());
    let mut source = testing::source::<D0>(&config, Path::new("/nonexistent"));
    source.acquisition.open().await.unwrap();
    for _ in 0..2 {
        source.acquisition.acquire().await.unwrap();
    }
    let sent = |event: &Event| if let Event::Sent { bytes, .. } = event { bytes.len() } else { 0 };
    let echoed = if echo { 2 * b"/?!\r\n".len() } else { 0 };
    let expected = echoed + meter.events().iter().map(sent).sum::<usize>();
    let counts = source.context.stats().counters();
    let counted = counts.iter().find(|(name, _)| *name == "bytes").unwrap().1;
    (requests(&meter).len(), counted, expected as u64)
}

#[tokio::test]
async fn a_meter_is_asked_by_its_address() {
    let meter = meter(PolledOptions { address: Some("00000042".into()), ..with_ident("ISK5MT174") });
    assert_table(&ask(&meter, "address = \"42\"").await.unwrap());
    assert_eq!(requests(&meter), [r"heard /?42!\r\n at 300"]);
}

#[tokio::test]
async fn a_meter_that_does_not_answer_is_silent() {
    for echo in [false, true] {
        let meter = meter(PolledOptions { address: Some("42".into()), echo, ..with_ident("ISK5MT174") });
        let asked = ask(&meter, "address = \"43\"");
        let error = tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap().err();
        assert!(matches!(error, Some(AcquireError::Silent { .. })), "{error:?}");
        assert_eq!(requests(&meter).len(), 3);
    }
}

#[tokio::test]
async fn a_meter_with_a_battery_is_woken() {
    let meter = meter(PolledOptions { wake: Some(WakeUp::default()), echo: true, ..with_ident("ISK5MT174") });
    assert_table(&ask(&meter, "wake_up = true").await.unwrap());
    let events = meter.events();
    let Event::Received { bytes, baud: 300, understood: true, .. } = &events[1] else { panic!("{events:?}") };
    assert_eq!(*bytes, [0; 66]);
    assert_eq!(shown(&events)[2], r"heard /?!\r\n at 300");
}

#[tokio::test]
async fn a_damaged_readout_is_asked_for_again() {
    let meter = meter(PolledOptions { damaged: 1, ..with_ident("ISK5MT174") });
    assert_table(&ask(&meter, "").await.unwrap());
    assert_eq!(requests(&meter).len(), 2);
}

#[tokio::test]
async fn a_meter_that_pushes_nothing_is_polled() {
    let meter = meter(with_ident("ISK5MT174"));
    // Its readings come again and again, as if it pushed them.
    let keys = "silent_after = \"200ms\"\nstale_after = \"600ms\"";
    for batch in turns(meter.port(), keys, 2).await {
        assert_table(&batch.unwrap());
    }
    assert_eq!(requests(&meter).len(), 2);
    assert_eq!(shown(&meter.events())[0], "38400 to 9600", "it is listened to first");
}

#[tokio::test]
async fn a_meter_is_never_polled_where_the_configuration_forbids_it() {
    let meter = meter(with_ident("ISK5MT174"));
    let error = turns(meter.port(), "request = false\nsilent_after = \"200ms\"", 1).await.remove(0).err();
    assert!(matches!(error, Some(AcquireError::Silent { .. })), "{error:?}");
    assert_eq!(shown(&meter.events()), ["38400 to 9600"]);
}

fn pushed(moment: &simulator::Moment) -> Vec<u8> {
    let mut telegram = ebz::telegram(moment, ebz::DataSet::Full).into_bytes();
    uart::seven_e_one(&mut telegram);
    telegram
}

#[tokio::test]
async fn a_meter_that_pushes_is_never_polled() {
    let line = uart::at(Pty::open().unwrap().held().unwrap(), 9600);
    let mut source = source(line.path(), "silent_after = \"300ms\"");
    source.open().await.unwrap();
    line.write_blocking(&pushed(&Household::new(1).advance()), Instant::now() + Duration::from_secs(20))
        .unwrap();
    source.acquire().await.unwrap();
    // Not when it falls silent either, and not after the line was opened again.
    for _ in 0..2 {
        let error = source.acquire().await.err();
        assert!(matches!(error, Some(AcquireError::Silent { .. })), "{error:?}");
        source.close().await;
        source.open().await.unwrap();
    }
    assert_eq!(line.read(&mut [0; 64], Instant::now()).unwrap(), 0);
    assert_eq!(line.baud().unwrap(), 9600);
}

/// Reads one batch of a meter that pushes at this speed.
async fn found(baud: u32, telegram: impl FnMut() -> Vec<u8> + Send + 'static) {
    let timing = Timing { interval: Duration::from_millis(400), baud: None };
    let meter = PushingMeter::start(uart::at(Pty::open().unwrap(), baud), timing, telegram).unwrap();
    let mut source = source(meter.port(), "");
    source.open().await.unwrap();
    let limit = Instant::now() + Duration::from_secs(60);
    while source.acquire().await.is_err() {
        assert!(Instant::now() < limit, "{baud} baud is never found");
    }
}

#[tokio::test]
async fn the_speed_of_a_p1_port_is_found() {
    let mut household = Household::new(1);
    found(115_200, move || p1::telegram(&household.advance(), p1::Version::V5).into_bytes()).await;
}

#[tokio::test]
async fn a_low_speed_is_found() {
    let mut household = Household::new(1);
    found(2400, move || pushed(&household.advance())).await;
}

#[tokio::test]
async fn a_meter_for_another_plugin_is_named() {
    let mut household = Household::new(1);
    let telegrams = move || sml::telegram(&household.advance(), ebz::DataSet::Full);
    let timing = Timing { interval: Duration::from_millis(200), baud: None };
    let meter = PushingMeter::start(uart::at(Pty::open().unwrap(), 9600), timing, telegrams).unwrap();
    for result in turns(meter.port(), "", 2).await {
        let Err(AcquireError::Misconfigured { reason }) = result else { panic!("{result:?}") };
        // Where its plugin is linked, the message names it: the program's own tests see that.
        assert!(reason.contains("sends SML: this plugin reads D0 text"), "{reason}");
    }
}

#[test]
fn who_is_asked_has_a_period() {
    let mode = |keys: &str| {
        let config = format!("[sources.m]\nplugin = \"d0\"\nport = \"/dev/x\"\n{keys}");
        testing::source::<D0>(&config, Path::new("/nonexistent")).mode
    };
    assert_eq!(mode("request = true"), Mode::Poll(Duration::from_secs(60)));
    assert_eq!(mode("request = false"), Mode::Push);
    assert_eq!(mode(""), Mode::Push);
}

#[test]
fn keys_of_a_request_are_checked() {
    for (keys, message) in [
        ("port = \"/dev/x\"\nbaud = 0", "0 is not a valid baud rate"),
        ("port = \"/dev/x\"\nmax_baud = 7", "7 is not a valid baud rate"),
        ("port = \"/dev/x\"\naddress = \"1!\"", "`1!` is not a valid device address"),
        ("port = \"/dev/x\"\naddress = \"123456789012345678901234567890123\"", "at most 32 letters"),
        ("port = \"/dev/x\"\nack_delay = \"2s\"", "after `2s` the meter is sending already"),
        (
            "port = \"/dev/x\"\nrequest = false\nwake_up = true",
            "`wake_up` is for a meter that is polled, and this one is not",
        ),
        ("port = \"tcp://h:1\"\naddress = \"1\"", "hint: write `request = true`, or leave it out"),
        ("port = \"replay:x\"\nrequest = true", "a recording cannot be polled"),
        ("port = \"/dev/x\"\nreplay_speed = 2.0", "only a recording has a replay speed"),
    ] {
        let config = format!("[sources.m]\nplugin = \"d0\"\n{keys}\n");
        let Err(mistakes) = Config::parse("config.toml", &config, &[]) else { panic!("{keys} is taken") };
        assert!(mistakes.to_string().contains(message), "{mistakes}");
    }
    for keys in ["port = \"tcp://h:1\"\nrequest = true\naddress = \"1\"", "port = \"/dev/x\"\nwake_up = true"]
    {
        let config = format!("[sources.m]\nplugin = \"d0\"\n{keys}\n");
        assert!(Config::parse("config.toml", &config, &[]).is_ok(), "{keys}");
    }
}
