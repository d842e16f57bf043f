//! `smartmeter setup`: sets the running program up in a terminal, with the same requests as the page.

use std::io::{self, IsTerminal as _};

use framework::is_name;
use serde_json::{Value as Json, json};
use transport::Port;

use super::terminal::{Choice, Ended, Terminal};
use crate::{config_file::ConfigFile, failure::Failure, local::Local, output::output};

/// Roles of a source.
const ROLES: [(&str, &str); 6] = [
    ("grid", "the connection to the grid"),
    ("production", "what the household makes itself"),
    ("consumer", "a part of the consumption"),
    ("submeter", "a part that another meter counts, too"),
    ("storage", "a battery"),
    ("hidden", "not on the page"),
];
/// Answer for no choice.
const NONE: &str = "none";

/// Runs the dialogue until the person ends it. Ctrl+C ends it at any time: whatever is saved was saved whole.
pub(crate) fn run(file: &ConfigFile, ports: &[Port]) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !output().is_terminal() {
        return Err(Failure::usage(
            "`setup` is a dialogue, and this is not a terminal\nhint: `ssh -t` makes one; `smartmeter probe --write FILE` asks nothing\n",
        ));
    }
    // Files that are wrong can be removed here; the program goes on with what it has read before.
    let listen = file.load().map_or_else(|_| file.probable_listen(), |config| config.server.listen);
    let local = Local::new(listen);
    let setup = local.get("/setup").map_err(|error| {
        let address = local.address();
        Failure::fault(format!(
            "no smartmeter answers on {address}: {error}\nhint: start it first: `sudo systemctl start smartmeter`, or `smartmeter` in another terminal\n"
        ))
    })?;
    if setup.1["allowed"] != true {
        let reason = setup.1["reason"].as_str().unwrap_or("it cannot be set up");
        return Err(Failure::fault(format!("the program on {} refuses: {reason}\n", local.address())));
    }
    let dialogue =
        Dialogue { local, terminal: Terminal::new(), ports: ports.iter().map(ToString::to_string).collect() };
    let mistakes = mistakes_in(&setup.1);
    if !mistakes.is_empty() {
        dialogue.terminal.say(&format!("the configuration has mistakes:\n{}", mistakes.trim_end()));
    }
    match dialogue.run(setup.1["needed"] == true) {
        Ok(()) | Err(End::Person) => Ok(()),
        Err(End::Fault(error)) => Err(Failure::fault(format!(
            "the program does not answer any more: {error}\nhint: `smartmeter check` shows whether its configuration is right\n"
        ))),
    }
}

struct Dialogue {
    local: Local,
    terminal: Terminal,
    ports: Vec<String>,
}

/// Reason for the end of the dialogue.
enum End {
    Person,
    Fault(io::Error),
}

impl From<Ended> for End {
    fn from(_: Ended) -> Self {
        Self::Person
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Fault(error)
    }
}

impl Dialogue {
    fn run(&self, is_needed: bool) -> Result<(), End> {
        let say = |text: &str| self.terminal.say(text);
        if is_needed {
            say("no source is configured yet");
            if self.terminal.agrees("find the meters at the serial ports?")? {
                self.find()?;
            }
        }
        loop {
            say(
                "\n  1  find meters\n  2  add an S0 meter at a GPIO pin\n  3  send readings to MQTT or Home Assistant\n  4  send readings to InfluxDB\n  5  set the label and role of a source\n  6  remove a file that was saved here\n  q  end",
            );
            match &*self.terminal.ask("your choice", "q")? {
                "1" => self.find()?,
                "2" => self.add_s0()?,
                "3" => self.add_mqtt()?,
                "4" => self.add_influx()?,
                "5" => self.label()?,
                "6" => self.remove()?,
                "q" => return Ok(()),
                _ => say("please answer with one of these"),
            }
        }
    }

    /// Looks for meters, shows each finding as it comes, and saves those that the person wants.
    fn find(&self) -> Result<(), End> {
        let mut found = Vec::new();
        let refused = self.local.events("/setup/probe", &json!({"ports": self.ports}), |event, data| {
            let text = |key: &str| data[key].as_str().unwrap_or_default();
            let port = if text("port").is_empty() { String::new() } else { format!("{}: ", text("port")) };
            match event {
                "progress" => self.terminal.say(&format!("{port}{}", text("text"))),
                "found" => {
                    self.terminal.say(&format!("{port}found {}", text("text")));
                    found.push(data.clone());
                }
                "problem" => {
                    let hint = text("hint");
                    let hint = if hint.is_empty() { String::new() } else { format!("\nhint: {hint}") };
                    self.terminal.say(&format!("{port}{}{hint}", text("text")));
                }
                _ => {}
            }
        })?;
        if let Some((_, refused)) = refused {
            self.terminal.say(&mistakes_of(&refused));
            return Ok(());
        }
        if found.is_empty() {
            self.terminal.say("no meter was found");
        }
        for meter in found {
            let (name, toml) = (meter["name"].as_str().unwrap_or("meter"), meter["toml"].as_str());
            let toml = toml.unwrap_or_default();
            for reading in meter["readings"].as_array().into_iter().flatten().take(6) {
                let text = |key: &str| reading[key].as_str().unwrap_or_default();
                self.terminal.say(&format!("  {} = {} {}", text("name"), text("value"), text("unit")));
            }
            self.terminal.say(&format!("\n{toml}"));
            if self.terminal.agrees("save this?")? {
                let label = self.terminal.ask("label, a name for people; empty for none", "")?;
                let label =
                    if label.is_empty() { String::new() } else { format!("label = {}\n", quoted(&label)) };
                self.save(&file_of(10, name), &format!("{toml}{label}"))?;
            }
        }
        Ok(())
    }

    fn add_s0(&self) -> Result<(), End> {
        let (_, setup) = self.local.get("/setup")?;
        let lines = setup["gpio"].as_array().cloned().unwrap_or_default();
        if lines.is_empty() {
            self.terminal
                .say("this machine shows no GPIO lines; a serial port works, too: docs/configuration.md");
        }
        let sources = names_in(&setup["sources"]);
        for line in
            lines.iter().filter(|line| line["name"].as_str().is_some_and(|name| name.starts_with("GPIO")))
        {
            let used = line["used_by"].as_str().map_or_else(String::new, |user| format!(" (used by {user})"));
            self.terminal.say(&format!("  {}{used}", line["name"].as_str().unwrap_or_default()));
        }
        let pin = self.number("pin (BCM number)", "17")?;
        let rate = self.number("pulses per kWh, as printed on the meter", "1000")?;
        let free = |name: &str| match name {
            name if !is_name(name) => {
                Err(format!("`{name}` cannot be a name: use at most 64 letters, digits, `_` and `-`"))
            }
            name if sources.iter().any(|(known, _)| known == name) => {
                Err(format!("there is a source `{name}` already: write another name"))
            }
            name => Ok(name.to_owned()),
        };
        let name = self.terminal.ask_until("name of the source", &format!("s0_{pin}"), free)?;
        let toml =
            format!("[sources.{}]\nplugin = \"s0\"\npin = {pin}\npulses_per_kwh = {rate}\n", quoted(&name));
        self.save(&file_of(20, &name), &toml)
    }

    fn add_mqtt(&self) -> Result<(), End> {
        let host = self.terminal.ask("broker: a name or an address", "homeassistant.local")?;
        let url = if host.contains("://") { host } else { format!("mqtt://{host}") };
        let mut toml = format!("[publishers.mqtt]\nplugin = \"mqtt\"\nurl = {}\n", quoted(&url));
        let user = self.terminal.ask("user; empty for none", "")?;
        if !user.is_empty() {
            let password = self.terminal.ask_secret("password")?;
            toml += &format!("username = {}\npassword = {}\n", quoted(&user), quoted(&password));
        }
        self.save_tested("30-mqtt.toml", &toml)
    }

    fn add_influx(&self) -> Result<(), End> {
        let url = self.terminal.ask("address of InfluxDB", "http://localhost:8086")?;
        let mut toml = format!("[publishers.influx]\nplugin = \"influx\"\nurl = {}\n", quoted(&url));
        let versions =
            [("1", ""), ("2", ""), ("3", "")].map(|(value, text)| (value.to_owned(), text.to_owned()));
        let ask = |question: &str, usual: &str| self.terminal.ask(question, usual);
        match &*self.terminal.choose("version", &versions, "2")? {
            "2" => {
                let (org, bucket) = (ask("organization", "")?, ask("bucket", "")?);
                toml += &format!("org = {}\nbucket = {}\n", quoted(&org), quoted(&bucket));
                toml += &format!("token = {}\n", quoted(&self.terminal.ask_secret("token")?));
            }
            "3" => {
                toml +=
                    &format!("version = \"v3\"\ndatabase = {}\n", quoted(&ask("database", "smartmeter")?));
                let token = self.terminal.ask_secret("token; empty for none")?;
                if !token.is_empty() {
                    toml += &format!("token = {}\n", quoted(&token));
                }
            }
            _ => {
                toml +=
                    &format!("version = \"v1\"\ndatabase = {}\n", quoted(&ask("database", "smartmeter")?));
                let user = ask("user; empty for none", "")?;
                if !user.is_empty() {
                    let password = self.terminal.ask_secret("password")?;
                    toml += &format!("username = {}\npassword = {}\n", quoted(&user), quoted(&password));
                }
            }
        }
        self.save_tested("40-influx.toml", &toml)
    }

    fn label(&self) -> Result<(), End> {
        let (_, setup) = self.local.get("/setup")?;
        let sources = names_in(&setup["sources"]);
        let [(first, _), ..] = &sources[..] else {
            self.terminal.say("there is no source yet");
            return Ok(());
        };
        let name = self.terminal.choose("source", &sources, first)?;
        let label = self.terminal.ask("label, a name for people; empty for none", "")?;
        let roles = [(NONE, "")].into_iter().chain(ROLES);
        let roles: Vec<_> = roles.map(|(role, about)| (role.to_owned(), about.to_owned())).collect();
        let role = self.terminal.choose("role", &roles, NONE)?;
        let mut toml = format!("[sources.{}]\n", quoted(&name));
        for (key, value) in [("label", label), ("role", role)] {
            if !value.is_empty() && value != NONE {
                toml += &format!("{key} = {}\n", quoted(&value));
            }
        }
        self.save(&file_of(50, &name), &toml)
    }

    fn remove(&self) -> Result<(), End> {
        let (_, setup) = self.local.get("/setup")?;
        let drop_ins = setup["drop_ins"].as_array().cloned().unwrap_or_default();
        if drop_ins.is_empty() {
            self.terminal.say("nothing was saved here yet");
            return Ok(());
        }
        for drop_in in &drop_ins {
            let (file, text) = (drop_in["file"].as_str(), drop_in["text"].as_str());
            let text = text.unwrap_or("(not TOML, or not readable)");
            self.terminal.say(&format!("{}:\n{text}", file.unwrap_or_default()));
        }
        let none = (NONE.to_owned(), String::new());
        let files = drop_ins.iter().filter_map(|drop_in| drop_in["file"].as_str());
        let files: Vec<_> = files.map(|file| (file.to_owned(), String::new())).chain([none]).collect();
        let file = self.terminal.choose("file to remove", &files, NONE)?;
        if file != NONE {
            let answer = self.local.post("/setup/delete", &json!({"file": file}))?;
            self.tell(answer, "removed");
        }
        Ok(())
    }

    /// Tests the connection, and saves the publisher if it works or the person wants it all the same.
    fn save_tested(&self, file: &str, toml: &str) -> Result<(), End> {
        self.terminal.say("testing the connection …");
        let (status, answer) = self.local.post("/setup/test", &json!({"file": file, "toml": toml}))?;
        if status == 200 {
            self.terminal.say(answer["text"].as_str().unwrap_or_default());
        } else {
            self.terminal.say(mistakes_of(&answer).trim_end());
        }
        let question =
            if status == 200 { "save this?" } else { "it does not work yet: save it all the same?" };
        if self.terminal.agrees(question)? { self.save(file, toml) } else { Ok(()) }
    }

    fn save(&self, file: &str, toml: &str) -> Result<(), End> {
        let answer = self.local.post("/setup/save", &json!({"file": file, "toml": toml}))?;
        self.tell(answer, "saved");
        Ok(())
    }

    fn tell(&self, (status, answer): (u16, Json), done: &str) {
        if status != 200 {
            return self.terminal.say(mistakes_of(&answer).trim_end());
        }
        let mut text = format!("{done}: {}", answer["file"].as_str().unwrap_or_default());
        for what in ["started", "stopped", "restarted", "relabelled"] {
            for name in answer[what].as_array().into_iter().flatten().filter_map(Json::as_str) {
                text += &format!("\n  {what} {name}");
            }
        }
        if let Some(restart) = answer["restart"].as_str() {
            text += &format!("\n  {restart}");
        }
        let mistakes = mistakes_in(&answer);
        if !mistakes.is_empty() {
            text +=
                &format!("\nnothing is applied until these mistakes are corrected:\n{}", mistakes.trim_end());
        }
        self.terminal.say(&text);
    }

    /// Asks for a whole number.
    fn number(&self, question: &str, usual: &str) -> Result<u32, End> {
        let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is not a whole number"));
        Ok(self.terminal.ask_until(question, usual, number)?)
    }
}

/// Returns the names of sections, each with its label.
fn names_in(sections: &Json) -> Vec<Choice> {
    let text = |section: &Json, key: &str| section[key].as_str().unwrap_or_default().to_owned();
    let sections = sections.as_array().into_iter().flatten();
    sections.map(|section| (text(section, "name"), text(section, "label"))).collect()
}

/// Returns the name of the drop-in of a section.
fn file_of(number: u8, name: &str) -> String {
    let word =
        |char: char| if char.is_ascii_alphanumeric() || matches!(char, '_' | '-') { char } else { '-' };
    let name: String = name.chars().map(word).take(50).collect();
    format!("{number}-{name}.toml")
}

/// Returns a text as TOML writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            char if char.is_control() => quoted += &format!("\\u{:04x}", u32::from(char)),
            char => quoted.push(char),
        }
    }
    quoted + "\""
}

/// Returns an error of the program as lines for a person.
pub(crate) fn mistakes_of(answer: &Json) -> String {
    let error = &answer["error"];
    let mut text = format!("{}\n", error["message"].as_str().unwrap_or("the program gave no reason"));
    if let Some(hint) = error["hint"].as_str() {
        text += &format!("hint: {hint}\n");
    }
    text + &mistakes_in(answer)
}

/// Returns the mistakes in an answer of the program as lines for a person.
fn mistakes_in(answer: &Json) -> String {
    let mut text = String::new();
    for mistake in answer["mistakes"].as_array().into_iter().flatten() {
        let text_of = |key: &str| mistake[key].as_str();
        let place =
            [text_of("file").map(str::to_owned), mistake["line"].as_u64().map(|line| format!("line {line}"))];
        let place: Vec<_> = place.into_iter().flatten().collect();
        let place = if place.is_empty() { String::new() } else { format!("{}: ", place.join(", ")) };
        text += &format!("  {place}{}\n", text_of("message").unwrap_or_default());
        if let Some(hint) = text_of("hint") {
            text += &format!("  hint: {hint}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_written_so_that_it_is_read_again() {
        for text in ["", "Wärmepumpe", "a\"b\\c", "\u{1}\t\n", "日本", "'''", "\"\"\""] {
            let table: toml::Table = format!("key = {}", quoted(text)).parse().unwrap();
            assert_eq!(table["key"].as_str(), Some(text));
        }
        assert_eq!(file_of(10, "Keller ../x"), "10-Keller----x.toml");
    }
}
