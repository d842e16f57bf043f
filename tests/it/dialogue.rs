//! `smartmeter setup` at a terminal.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Stdio},
    thread,
    time::Instant,
};

use rustix::termios::LocalModes;
use simulator::Pty;

use crate::{
    program::*,
    setup::{configured, drop_in, listed, meter},
};

/// `smartmeter setup` at a pseudo terminal.
struct Person {
    terminal: Pty,
    child: Child,
    /// What is on the terminal since the last question.
    seen: String,
    /// All that was on the terminal before.
    past: String,
}

impl Person {
    fn new(config: &Path, ports: &[&Path]) -> Self {
        let terminal = Pty::open().unwrap();
        // As a person's terminal is: it shows what is typed.
        let line = File::open(terminal.path()).unwrap();
        let mut modes = rustix::termios::tcgetattr(&line).unwrap();
        modes.local_modes |= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        rustix::termios::tcsetattr(&line, rustix::termios::OptionalActions::Now, &modes).unwrap();
        let side = || File::options().read(true).write(true).open(terminal.path()).unwrap();
        let mut command = smartmeter();
        command.arg("--config").arg(config).arg("setup").args(ports);
        command.stdin(side()).stdout(side()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        Self { terminal, child, seen: String::new(), past: String::new() }
    }

    /// Waits for a question, and answers it.
    fn answers(&mut self, question: &str, answer: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !self.seen.contains(question) {
            let mut buffer = [0; 4096];
            let count = self.terminal.read(&mut buffer, deadline).unwrap();
            assert!(count > 0 && Instant::now() < deadline, "no `{question}` in:\n{}", self.seen);
            self.seen += &String::from_utf8_lossy(&buffer[..count]);
        }
        // What comes before the answer is not an answer to it.
        let rest = self.seen.split_off(self.seen.find(question).unwrap() + question.len());
        println!("{}{question}", self.seen);
        self.past += &std::mem::replace(&mut self.seen, rest);
        self.terminal.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
}

impl Person {
    /// Returns whether the terminal shows what is typed.
    fn is_shown(&self) -> bool {
        let terminal = File::open(self.terminal.path()).unwrap();
        let modes = rustix::termios::tcgetattr(&terminal).unwrap();
        modes.local_modes.contains(LocalModes::ECHO)
    }

    fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_dialogue_in_a_terminal_finds_a_meter_and_adds_pulses_and_mqtt() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "127.0.0.1", "");
    let none = output(&["--config", config.to_str().unwrap(), "setup"]);
    assert!(
        String::from_utf8_lossy(&none.stderr).contains("`setup` is a dialogue, and this is not a terminal")
    );

    let program = Program::start(&["--config", config.to_str().unwrap()]);
    let meter = meter();
    let mut person = Person::new(&config, &[meter.port()]);
    person.answers("find the meters at the serial ports? (y/n)", "");
    person.answers("save this? (y/n)", "y");
    person.answers("label, a name for people", "Haus");
    person.answers("saved: 10-smartmeter_d0.toml", "2");
    person.answers("pin (BCM number)", "x");
    person.answers("`x` is not a whole number", "23");
    person.answers("pulses per kWh", "2000");
    // A name that cannot be is refused at once, and not after the last question.
    person.answers("name of the source", "my heat");
    person.answers("`my heat` cannot be a name", "smartmeter_d0");
    person.answers("there is a source `smartmeter_d0` already", "heat");
    person.answers("saved: 20-heat.toml", "3");
    person.answers("broker", "mqtt://127.0.0.1:9");
    person.answers("user", "me");
    person.answers("password (not shown)", "geheim");
    person.answers("save it all the same? (y/n)", "n");
    person.answers("your choice", "5");
    person.answers("source [smartmeter_d0]", "cellar");
    person.answers("`cellar` is none of these: write a number from 1 to 2", "2");
    person.answers("label, a name for people", "Wärmepumpe");
    person.answers("role [none]", "4");
    person.answers("saved: 50-heat.toml", "6");
    person.answers("file to remove [none]", "0");
    person.answers("`0` is none of these", "3");
    person.answers("removed: 50-heat.toml", "6");
    person.answers("file to remove [none]", "20-heat.toml");
    person.answers("removed: 20-heat.toml", "q");
    assert!(person.child.wait().unwrap().success());
    assert!(person.past.contains("Wärmepumpe") && !person.past.contains("geheim"), "{}", person.past);
    assert_eq!(listed(folder.path()), ["10-smartmeter_d0.toml"]);
    program.until("/health?code=200", "its label", |health| {
        health["sources"]["smartmeter_d0"]["label"] == "Haus"
    });
}

#[test]
fn a_dialogue_that_is_interrupted_leaves_nothing_half() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "127.0.0.1", "");
    let _program = Program::start(&["--config", config.to_str().unwrap()]);
    let meter = meter();
    let mut person = Person::new(&config, &[meter.port()]);
    person.answers("find the meters at the serial ports? (y/n)", "y");
    person.answers("save this? (y/n)", "y");
    person.answers("label, a name for people", "");
    person.interrupt();
    person.child.wait().unwrap();
    let checked = output(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
    // The program may just be writing what was sent before.
    let deadline = Instant::now() + DEADLINE;
    while listed(folder.path()).iter().any(|file| file.starts_with('.')) {
        assert!(Instant::now() < deadline, "{:?}", listed(folder.path()));
        thread::sleep(std::time::Duration::from_millis(5)); // between two looks, not for timing
    }
}

#[test]
fn a_password_is_not_shown_and_an_interrupted_question_leaves_the_terminal_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "127.0.0.1", "");
    let _program = Program::start(&["--config", config.to_str().unwrap()]);
    let mut person = Person::new(&config, &[]);
    person.answers("find the meters at the serial ports? (y/n)", "n");
    person.answers("your choice", "3");
    person.answers("broker", "mqtt://127.0.0.1:9");
    person.answers("user", "me");
    let deadline = Instant::now() + DEADLINE;
    while person.is_shown() {
        assert!(Instant::now() < deadline, "the terminal shows what is typed");
        thread::sleep(std::time::Duration::from_millis(5)); // between two looks, not for timing
    }
    person.interrupt();
    assert_eq!(person.child.wait().unwrap().code(), Some(130));
    assert!(person.is_shown());
}

#[test]
fn the_dialogue_removes_a_file_that_makes_the_configuration_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "127.0.0.1", "");
    let program = Program::start(&["--config", config.to_str().unwrap()]);
    fs::create_dir_all(drop_in(folder.path(), "")).unwrap();
    fs::write(drop_in(folder.path(), "10-a.toml"), "[sources.a\n").unwrap();
    fs::write(drop_in(folder.path(), "20-b.toml"), "[server]\nprot = 5\n").unwrap();
    let mut person = Person::new(&config, &[]);
    person.answers("the configuration has mistakes", "n");
    person.answers("your choice", "6");
    person.answers("file to remove [none]", "1");
    person.answers("nothing is applied until these mistakes are corrected", "6");
    person.answers("file to remove [none]", "1");
    person.answers("removed: 20-b.toml", "q");
    assert!(person.child.wait().unwrap().success());
    assert_eq!(listed(folder.path()), [""; 0]);
    assert!(program.get("/setup").1.get("mistakes").is_none());
}
