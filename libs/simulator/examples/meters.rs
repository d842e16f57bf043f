//! Meters on pseudo terminals, to be read by the program: `cargo run -p simulator --example meters > config.toml`.
//!
//! The first lines that it prints are the configuration for them. It runs until Ctrl+C.

#![allow(clippy::print_stdout, reason = "the configuration is its output")]

use std::{io, thread, time::Duration};

use simulator::{
    Household, Moment, Pty, PushingMeter, Timing,
    dlms::{DlmsMeter, Framing},
    ebz::seven_e_one,
    tic::{self, Contract},
};

/// Keys that everybody knows: the examples of DLMS UA's Green Book.
const KEY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

fn main() -> io::Result<()> {
    let mut dlms = DlmsMeter::new(Framing::Mbus).encrypted(KEY, None);
    let bus = simulator::mbus::five_meters()?;
    let meters = [
        ("dlms", meter(5, 2400, move |moment| dlms.telegram(moment))?),
        ("linky_historique", linky(1200, |moment| tic::historique(moment, Contract::OffPeak))?),
        ("linky_standard", linky(9600, tic::standard)?),
    ];
    for (name, meter) in &meters {
        let port = meter.port();
        match *name {
            "dlms" => {
                let key: String = KEY.iter().map(|byte| format!("{byte:02x}")).collect();
                println!("[sources.{name}]\nplugin = \"dlms\"\nport = {port:?}\nkey = \"{key}\"\n");
            }
            _ => println!("[sources.{name}]\nplugin = \"tic\"\nport = {port:?}\n"),
        }
    }
    let port = bus.port();
    println!("[sources.cellar]\nplugin = \"mbus\"\nport = {port:?}\ninterval = \"10s\"");
    for (name, number) in [("heating", 1), ("kitchen", 2), ("bath", 3), ("garden", 4), ("flat", 5)] {
        println!("[sources.cellar.meters.{name}]\nsecondary = \"1000000{number}\"");
    }
    loop {
        thread::park();
    }
}

fn linky(baud: u32, telegram: fn(&Moment) -> Vec<u8>) -> io::Result<PushingMeter> {
    meter(2, baud, move |moment| {
        let mut bytes = telegram(moment);
        seven_e_one(&mut bytes);
        bytes
    })
}

fn meter(
    seconds: u64,
    baud: u32,
    mut telegram: impl FnMut(&Moment) -> Vec<u8> + Send + 'static,
) -> io::Result<PushingMeter> {
    let timing = Timing { interval: Duration::from_secs(seconds), baud: Some(baud) };
    let mut household = Household::new(1);
    PushingMeter::start(Pty::open()?, timing, move || {
        let mut moment = household.advance();
        (1..seconds).for_each(|_| moment = household.advance());
        telegram(&moment)
    })
}
