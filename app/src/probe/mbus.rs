//! `smartmeter probe --mbus`: finds the meters on a wired M-Bus, and writes their configuration.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
};

use plugin_mbus::{FoundMeter, SearchStep, search};
use transport::Port;

use super::{
    lasting,
    section::{self, Section},
};
use crate::{
    failure::Failure,
    output::output,
    progress::{Progress, Unit},
};

/// Baud rates of buses, the usual one first. The next one is tried where nobody answers.
const BAUDS: [u32; 3] = [2400, 9600, 300];
/// Baud rate that needs no key.
const USUAL: u32 = 2400;
/// Number of primary addresses.
const PRIMARY: u64 = 250;

/// Searches the bus behind each port. Prints a section for it, and adds it to the file `write`.
pub(super) fn run(ports: &[Port], write: Option<&Path>) -> Result<(), Failure> {
    let [_, ..] = ports else {
        return Err(Failure::usage(
            "`--mbus` needs the port of a level converter, such as `smartmeter probe --mbus /dev/ttyUSB0`\n",
        ));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut sections = Vec::new();
    for port in ports {
        match runtime.block_on(search_port(port)) {
            Ok(Some((baud, meters))) => sections.push(of_bus(port, baud, &meters)),
            Ok(None) => News::new(port).say(
                "no meter answered; check whether the converter has its supply, the two wires, and whether the other \
                 side of a gateway is set to 2400 baud, 8E1",
            ),
            Err(error) => News::new(port).say(&error.to_string()),
        }
    }
    if sections.is_empty() {
        return Err(Failure::fault("no meter was found\n"));
    }
    match write {
        Some(file) => section::add(file, sections),
        None => Ok(output().write_all(section::text(sections).as_bytes())?),
    }
}

/// Returns the meters of a bus and its speed; `None` where nobody answers at any.
async fn search_port(port: &Port) -> io::Result<Option<(u32, Vec<FoundMeter>)>> {
    // The gateway has the speed of its other side.
    let bauds = if matches!(port, Port::Tcp(_)) { &BAUDS[..1] } else { &BAUDS };
    for &baud in bauds {
        let mut news = News::new(port);
        news.say(&format!("searching at {baud} baud, which takes up to some minutes"));
        search(port, baud, &mut |step| news.note(step)).await?;
        if !news.found.is_empty() {
            return Ok(Some((baud, news.found)));
        }
    }
    Ok(None)
}

/// News of a search, for the person who waits.
struct News<'p> {
    port: &'p Port,
    progress: Progress,
    /// Number of addresses that were tried.
    tried: u64,
    found: Vec<FoundMeter>,
}

impl<'p> News<'p> {
    fn new(port: &'p Port) -> Self {
        let progress = Progress::new(port.to_string(), Unit::Count("addresses"));
        Self { port, progress, tried: 0, found: Vec::new() }
    }

    fn note(&mut self, step: SearchStep) {
        match step {
            SearchStep::Secondary(selection) => {
                // F stands for any digit, which a person does not know.
                let digits = format!("{:08X}", selection.id).replace('F', "·");
                self.show(&format!("secondary address {digits}"), 0, 0);
            }
            SearchStep::Primary(address) => {
                self.show(&format!("primary address {address} of {PRIMARY}"), address.into(), PRIMARY);
            }
            SearchStep::Found(meter) => {
                self.say(&format!("found {meter}"));
                self.found.push(meter);
            }
            SearchStep::Collision(address) => self.say(&format!(
                "several meters answer at once at address {address}, and none by a secondary address of its own"
            )),
        }
    }

    /// Shows what is tried now. How many secondary addresses there are to try is not known.
    fn show(&mut self, what: &str, done: u64, of: u64) {
        self.tried += 1;
        self.progress.set_label(format!("{}: {what}", self.port));
        self.progress.set_share(self.tried, done, of);
    }

    fn say(&self, what: &str) {
        self.progress.say(&format!("{}: {what}", self.port));
    }
}

/// Returns the section of a bus. Meters are called by their medium: `heat_1`, `water_1`, `water_2`.
fn of_bus(port: &Port, baud: u32, meters: &[FoundMeter]) -> Section {
    let mut keys = String::new();
    // Writing into a string cannot fail.
    if baud != USUAL && !matches!(port, Port::Tcp(_)) {
        let _ = writeln!(keys, "baud = {baud}");
    }
    let mut counts = BTreeMap::new();
    for meter in meters {
        let word = meter.word();
        let count = counts.entry(word).or_insert(0);
        *count += 1;
        let _ = writeln!(keys, "# {}", meter);
        let _ = match meter.header.address {
            Some(secondary) => writeln!(keys, "meters.{word}_{count}.secondary = \"{secondary}\""),
            None => writeln!(keys, "meters.{word}_{count}.address = {}", meter.address),
        };
    }
    let port = match port {
        Port::Serial(path) => lasting(path).display().to_string(),
        other => other.to_string(),
    };
    Section::of_bus("mbus", port, keys)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_section_of_a_bus_names_each_meter_by_its_medium_and_is_a_right_configuration() {
        let answer = |address: u8, id: u8, medium: u8| {
            let header = [id, 0, 0, 0x12, 0x2d, 0x2c, 0x1b, medium, 0, 0, 0, 0];
            FoundMeter::of_header(address, &header).unwrap()
        };
        let meters = [answer(1, 1, 4), answer(2, 2, 7), answer(2, 3, 7), FoundMeter::without_header(9)];
        let port: Port = "tcp://gateway:10001".parse().unwrap();
        let (_, text) = of_bus(&port, 2400, &meters).named(&mut BTreeSet::new());
        let expected = "[sources.smartmeter_mbus]\nplugin = \"mbus\"\nport = \"tcp://gateway:10001\"\n\
            # meter 12000001 by KAM, heat (outlet), version 27, address 1\n\
            meters.heat_1.secondary = \"12000001-KAM-1B-04\"\n\
            # meter 12000002 by KAM, water, version 27, address 2\n\
            meters.water_1.secondary = \"12000002-KAM-1B-07\"\n\
            # meter 12000003 by KAM, water, version 27, address 2\n\
            meters.water_2.secondary = \"12000003-KAM-1B-07\"\n\
            # a meter at address 9\n\
            meters.meter_1.address = 9\n";
        assert_eq!(text, expected);
        framework::Config::parse("config.toml", &text, &[]).unwrap();
    }
}
