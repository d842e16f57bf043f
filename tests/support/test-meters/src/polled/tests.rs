use std::{
    thread,
    time::{Duration, Instant},
};

use simulator::{Household, time_of};

use super::*;
use crate::{
    Port,
    port::{PATIENCE, soon},
    uart::{read_at, seven_bits, seven_e_one},
};

const TABLE: [&str; 2] = ["F.F(00000000)", "1.8.0(002714.128*kWh)"];
/// The readout of this table, computed elsewhere.
const READOUT: &[u8] = b"\x02F.F(00000000)\r\n1.8.0(002714.128*kWh)\r\n!\r\n\x03Y";
const ACK: &[u8] = b"\x06050\r\n";

/// Quick where nothing depends on it.
fn quick(ident: &str) -> PolledOptions {
    let (reaction, ack_timeout) = (Duration::from_millis(5), Duration::from_millis(50));
    PolledOptions { ident: ident.into(), reaction, ack_timeout, ..PolledOptions::default() }
}

fn start(options: PolledOptions) -> (PolledMeter, Program) {
    let meter = PolledMeter::start(Pty::open().unwrap(), options, || TABLE.map(String::from).into()).unwrap();
    let port = Port::open(meter.port());
    (meter, Program { port, baud: 38_400 })
}

/// Program that asks; it waits for the end of its own bytes.
struct Program {
    port: Port,
    baud: u32,
}

impl Program {
    fn set_baud(&mut self, baud: u32) {
        self.port.set_baud(baud);
        self.baud = baud;
    }

    fn send(&mut self, message: &[u8]) {
        let mut bytes = message.to_vec();
        seven_e_one(&mut bytes);
        self.send_raw(&bytes);
    }

    /// Takes as long as the line does.
    fn send_raw(&mut self, bytes: &[u8]) {
        let end = Instant::now() + time_of(bytes.len(), self.baud);
        self.port.write(bytes);
        thread::sleep(end.saturating_duration_since(Instant::now()));
    }

    fn ask(&mut self) -> Vec<u8> {
        self.set_baud(300);
        self.send(b"/?!\r\n");
        self.receive(b"\n")
    }

    fn receive(&mut self, end: &[u8]) -> Vec<u8> {
        let bytes = self.port.read_until(|bytes| seven_bits(bytes).is_some_and(|text| text.ends_with(end)));
        seven_bits(&bytes).unwrap()
    }
}

fn events(meter: &PolledMeter, enough: impl Fn(&[Event]) -> bool) -> Vec<Event> {
    let deadline = soon();
    loop {
        let events = meter.events();
        if enough(&events) {
            return events;
        }
        assert!(Instant::now() < deadline, "{events:?}");
        thread::yield_now();
    }
}

/// A line for each event, and the times in order.
fn shown(events: &[Event]) -> Vec<String> {
    let at = |event: &Event| match event {
        Event::Received { at, .. } | Event::Sent { at, .. } | Event::BaudChanged { at, .. } => *at,
    };
    assert!(events.windows(2).all(|pair| at(&pair[0]) <= at(&pair[1])), "{events:?}");
    events.iter().map(Event::to_string).collect()
}

#[test]
fn in_mode_c_the_acknowledgement_changes_the_speed_of_the_readout() {
    let (meter, mut program) = start(PolledOptions::default());
    for _ in 0..2 {
        assert_eq!(program.ask(), b"/ISK5MT174-0001\r\n");
        program.send(ACK);
        program.set_baud(9600);
        assert_eq!(program.receive(b"\x03Y"), READOUT);
    }
    let conversation = [
        r"heard /?!\r\n at 300",
        "said /ISK at 300",
        r"heard \x06050\r\n at 300",
        "300 to 9600",
        r"said \x02F.F at 9600",
    ];
    let expected = [&["38400 to 300"][..], &conversation, &["9600 to 300"], &conversation].concat();
    assert_eq!(shown(&meter.events()), expected);
}

#[test]
fn modes_a_and_b_are_not_acknowledged() {
    let (_meter, mut program) = start(quick("ISK MT174"));
    program.set_baud(300);
    program.send(b"/?!\r\n");
    assert_eq!(program.receive(b"\x03Y"), [b"/ISK MT174\r\n", READOUT].concat());

    let (meter, mut program) =
        start(PolledOptions { reaction: Duration::from_millis(200), ..quick("ISKEMT174") });
    assert_eq!(program.ask(), b"/ISKEMT174\r\n");
    program.set_baud(9600);
    assert_eq!(program.receive(b"\x03Y"), READOUT);
    assert_eq!(shown(&meter.events())[3..], ["300 to 9600", r"said \x02F.F at 9600"]);
}

#[test]
fn without_the_right_acknowledgement_the_speed_stays() {
    for answer in [&b""[..], b"\x06040\r\n", b"\x06000\r\n", b"\x06051\r\n", b"/?!\r\n"] {
        // An answer that came too late, on a busy machine, would be another message.
        let ack_timeout = if answer.is_empty() { Duration::from_millis(50) } else { PATIENCE };
        let (meter, mut program) = start(PolledOptions { ack_timeout, ..quick("ISK5MT174") });
        program.ask();
        program.send(answer);
        assert_eq!(program.receive(b"\x03Y"), READOUT, "{}", answer.escape_ascii());
        assert_eq!(shown(&meter.events()).last().unwrap(), r"said \x02F.F at 300");
    }
}

#[test]
fn a_program_that_changes_its_speed_too_early_is_not_understood() {
    // Slow, so that it is early on a busy machine too: the acknowledgement takes 0.8 s.
    let (meter, mut program) = start(PolledOptions { initial_baud: 75, ..quick("ISK5MT174") });
    program.set_baud(75);
    program.send(b"/?!\r\n");
    program.receive(b"\n");
    let mut ack = ACK.to_vec();
    seven_e_one(&mut ack);
    program.port.write(&ack);
    events(&meter, |events| matches!(events.last(), Some(Event::Received { .. })));
    program.port.set_baud(9600);
    let last = events(&meter, |events| matches!(events.last(), Some(Event::Sent { .. })) && events.len() > 5);
    let expected = [r"missed \x06050\r\n at 75", "75 to 9600", r"said \x02F.F at 75"];
    assert_eq!(shown(&last)[3..], expected);
}

#[test]
fn a_program_that_keeps_its_speed_reads_garbage_as_the_meter_did() {
    let (meter, mut program) = start(PolledOptions::default());
    program.ask();
    program.send(ACK);
    let mut line = READOUT.to_vec();
    seven_e_one(&mut line);
    let garbage = read_at(&line, 9600, 300);
    assert_eq!(program.port.read_until(|bytes| bytes.len() >= garbage.len()), garbage);

    program.set_baud(9600);
    program.send(b"/?!\r\n");
    let shown = shown(&events(&meter, |events| events.len() >= 7));
    assert_eq!(shown[5..], ["300 to 9600", r"missed /?!\r\n at 9600"]);
}

#[test]
fn only_even_parity_and_the_own_address_are_answered() {
    let (meter, mut program) = start(PolledOptions { address: Some("12".into()), ..quick("ISK MT174") });
    program.set_baud(300);
    program.send_raw(b"/?!\r\n");
    program.send(b"/?13!\r\n");
    program.send(b"/?0012!\r\n");
    program.receive(b"\x03Y");
    let shown = shown(&meter.events());
    assert_eq!(
        shown[1..],
        [
            r"missed /?!\r\n at 300",
            r"heard /?13!\r\n at 300",
            r"heard /?0012!\r\n at 300",
            "said /ISK at 300",
            r"said \x02F.F at 300"
        ]
    );
}

#[test]
fn a_battery_meter_wants_to_be_woken() {
    let pause = Duration::from_secs(2);
    let wake = WakeUp { nuls: 5, pause, awake: Duration::from_secs(60) };
    let (meter, mut program) = start(PolledOptions { wake: Some(wake), ..quick("ISK MT174") });
    program.set_baud(300);
    let mut heard = 1; // the speed of the line is the first event
    let mut send = |bytes: &[u8]| {
        program.send(bytes);
        heard += 1;
        // Bytes that the meter has not read yet would belong to the next event.
        let deadline = Instant::now() + Duration::from_secs(20);
        while meter.events().len() < heard {
            assert!(Instant::now() < deadline, "{:?}", meter.events());
            thread::sleep(Duration::from_millis(5));
        }
    };
    let rest = || thread::sleep(pause + Duration::from_millis(100)); // the meter measures this pause
    send(&[0; 3]);
    send(b"/?!\r\n"); // these were too few, …
    send(&[0; 3]);
    rest();
    send(b"/?!\r\n"); // … those before do not count, …
    send(&[0; 6]);
    send(b"/?!\r\n"); // … and this is too early.
    send(&[0; 6]);
    rest();
    send(b"/?!\r\n");
    program.receive(b"\x03Y");
    let [three, six] = [3, 6].map(|count| format!("heard {} at 300", r"\x00".repeat(count)));
    let request = r"heard /?!\r\n at 300";
    let before = [&three, request, &three, request, &six, request, &six, request];
    let shown = shown(&meter.events());
    assert_eq!(shown[1..], [&before[..], &["said /ISK at 300", r"said \x02F.F at 300"]].concat());
}

#[test]
fn an_optical_head_can_reflect_what_is_sent() {
    let (_meter, mut program) = start(PolledOptions { echo: true, ..quick("ISK MT174") });
    program.set_baud(300);
    program.send(b"/?!\r\n");
    assert_eq!(program.receive(b"\x03Y"), [b"/?!\r\n/ISK MT174\r\n", READOUT].concat());
}

#[test]
fn the_first_readouts_can_be_damaged() {
    let (_meter, mut program) = start(PolledOptions { damaged: 1, ..quick("ISK MT174") });
    for check in [b"X", b"Y"] {
        program.set_baud(300);
        program.send(b"/?!\r\n");
        let bytes = program.receive(&[b"!\r\n\x03", &check[..]].concat());
        assert!(bytes.ends_with(check));
    }
}

#[test]
fn a_readout_in_real_time_takes_its_time_and_a_long_one_comes_whole() {
    let table = long_table(&Household::new(1).advance(), 40);
    let length: usize = table.iter().map(|line| line.len() + 2).sum();
    for real_time in [true, false] {
        let table = table.clone();
        let options = PolledOptions { real_time, initial_baud: 19_200, ..quick("ISK MT174") };
        let meter = PolledMeter::start(Pty::open().unwrap(), options, move || table.clone()).unwrap();
        let mut program = Program { port: Port::open(meter.port()), baud: 0 };
        program.set_baud(19_200);
        let begin = Instant::now();
        program.send(b"/?!\r\n");
        let bytes = program.port.read_until(|bytes| bytes.len() >= length + b"/ISK MT174\r\n".len() + 6);
        assert!(seven_bits(&bytes).is_some_and(|text| text[text.len() - 5..text.len() - 1] == *b"!\r\n\x03"));
        let least = time_of(bytes.len(), 19_200);
        assert!(!real_time || begin.elapsed() >= least, "took only {:?}", begin.elapsed());
    }
}

#[test]
fn a_meter_that_is_dropped_while_it_speaks_stops_at_once() {
    let (meter, mut program) = start(PolledOptions { real_time: true, ..quick("ISK MT174") });
    program.set_baud(300);
    program.send(b"/?!\r\n");
    program.port.read_until(|bytes| !bytes.is_empty());
    let begin = Instant::now();
    drop(meter);
    program.port.read_to_hangup();
    assert!(begin.elapsed() < Duration::from_millis(500), "took {:?}", begin.elapsed());
}
