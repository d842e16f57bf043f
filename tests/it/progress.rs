//! Progress of commands that take longer than a second: at a real terminal, and without one.

use std::{
    fmt::Write as _,
    fs::File,
    io::{Read as _, Write as _},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use simulator::Pty;

use crate::program::{journal::Journal, *};

/// Erases the bar.
const ERASE: &str = "\r\x1b[J";
/// Longest look at the terminal between two parts of the work, whose pace a test sets by that.
const LOOK: Duration = Duration::from_millis(20);

/// Terminal of some columns.
struct Terminal {
    pty: Pty,
    /// The program's end: what it has written can be read after its end, too.
    line: File,
    shown: String,
}

impl Terminal {
    fn new(columns: u16) -> Self {
        let pty = Pty::open().unwrap();
        let line = File::options().read(true).write(true).open(pty.path()).unwrap();
        let mut modes = tcgetattr(&line).unwrap();
        modes.local_modes |= LocalModes::ISIG;
        tcsetattr(&line, OptionalActions::Now, &modes).unwrap();
        let terminal = Self { pty, line, shown: String::new() };
        terminal.resize(columns);
        terminal
    }

    fn resize(&self, columns: u16) {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.line, size).unwrap();
    }

    fn side(&self) -> Stdio {
        self.line.try_clone().unwrap().into()
    }

    /// Command in a session that has this terminal, so that Ctrl+C reaches it.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_smartmeter")]).args(args);
        command.env("TERM", "xterm").stdin(self.side()).stderr(self.side());
        command
    }

    /// Reads what comes within a moment.
    fn look(&mut self) {
        let mut buffer = [0; 4096];
        let count = self.pty.read(&mut buffer, Instant::now() + LOOK).unwrap();
        self.shown += &String::from_utf8_lossy(&buffer[..count]);
    }

    /// Has `work` go on until the newest line is as wanted, and returns it.
    fn until(&mut self, what: &str, mut work: impl FnMut(), wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.look();
            if let Some(line) = self.bars().pop().filter(|line| wanted(line)) {
                return line;
            }
            assert!(Instant::now() < deadline, "never {what}: {:?}", self.shown);
            work();
        }
    }

    /// Everything that was drawn as a bar.
    fn bars(&self) -> Vec<String> {
        let parts = self.shown.split('\r').filter_map(|part| part.strip_suffix("\x1b[J"));
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Waits for the end of the program. Returns its status and the rest that it showed.
    fn ended(&mut self, mut child: Child) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.look();
            if let Some(status) = child.try_wait().unwrap() {
                self.look();
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end: {:?}", self.shown);
        }
    }
}

/// Program whose result is read slowly.
struct Slow {
    child: Child,
    out: ChildStdout,
    read: Vec<u8>,
}

impl Slow {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        Self { child, out, read: Vec::new() }
    }

    fn read_some(&mut self) {
        let mut buffer = [0; 4096];
        let count = self.out.read(&mut buffer).unwrap();
        self.read.extend_from_slice(&buffer[..count]);
    }
}

/// Readings as text, one a second from a quarter of an hour before midnight on.
fn readings(count: u32) -> String {
    let mut text = "time,section,name,value,unit\n".to_owned();
    for second in 0..count {
        let (day, rest) = (1 + second / 86_400, second % 86_400);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        writeln!(text, "2026-11-{day:02}T{hour:02}:{minute:02}:{second:02}Z,d0,POWER,{second},W").unwrap();
    }
    text
}

#[test]
fn an_export_at_a_terminal_shows_a_bar_that_fits_and_ctrl_c_leaves_a_clean_line() {
    let journal = Journal::with(&readings(40_000));
    let path = journal.path();
    let mut terminal = Terminal::new(100);
    let mut slow = Slow::start(terminal.command(&["export", "--journal", path.to_str().unwrap()]));
    let bar = terminal.until("a bar", || slow.read_some(), |bar| bar.contains(" left"));
    for part in ["exporting ", " % [", "#", "-]", " rows", "/s ", " s left"] {
        assert!(bar.contains(part), "{part} in {bar}");
    }
    // As wide as the window, also when that becomes narrower.
    terminal.resize(20);
    let narrow = terminal.until("a short one", || slow.read_some(), |bar| bar.len() < 20);
    assert!(narrow.starts_with("exporting ") && narrow.contains(" %"), "{narrow}");
    assert!(terminal.bars().iter().all(|bar| bar.len() < 100), "{:?}", terminal.bars());
    assert!(terminal.shown.ends_with('\r'), "the cursor stays at the begin");

    terminal.pty.write_all(b"\x03").unwrap();
    assert_eq!(terminal.ended(slow.child), Some(130));
    assert!(terminal.shown.ends_with(ERASE), "{:?}", terminal.shown);
}

#[test]
fn an_export_whose_reader_leaves_ends_without_a_word_and_a_whole_one_has_its_rows_only() {
    let journal = Journal::with(&readings(20_000));
    let (path, whole) = (journal.path(), journal.export(&[]));
    for leaves in [true, false] {
        let mut terminal = Terminal::new(80);
        let mut slow = Slow::start(terminal.command(&["export", "--journal", path.to_str().unwrap()]));
        terminal.until("a bar", || slow.read_some(), |bar| bar.contains('%'));
        let Slow { child, mut out, mut read } = slow;
        if !leaves {
            out.read_to_end(&mut read).unwrap();
            assert!(String::from_utf8(read).unwrap() == whole, "the rows have changed");
        }
        drop(out);
        assert_eq!(terminal.ended(child), Some(0));
        assert!(terminal.shown.ends_with(ERASE), "{:?}", terminal.shown);
        let rest = terminal.shown.split('\r').filter(|part| !part.is_empty() && !part.ends_with("\x1b[J"));
        assert_eq!(rest.collect::<Vec<_>>(), [""; 0], "only bars");
    }
}

#[test]
fn without_a_terminal_progress_is_lines_and_a_terminal_that_cannot_erase_gets_them_too() {
    let journal = Journal::with(&readings(40_000));
    let path = journal.path();
    let args = ["export", "--journal", path.to_str().unwrap()];
    let has_line = |text: &str| text.lines().any(|line| line.contains(" %, ") && line.contains(" rows, "));

    let mut command = smartmeter();
    command.args(args).stderr(Stdio::piped());
    let mut slow = Slow::start(command);
    let mut errors = slow.child.stderr.take().unwrap();
    let lines = thread::spawn(move || {
        let mut text = String::new();
        errors.read_to_string(&mut text).map(|_| text).unwrap()
    });
    // Slower than a second in all: each part waits for a look at a terminal on which nothing happens.
    let mut nothing = Terminal::new(80);
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(1500) {
        nothing.look();
        slow.read_some();
    }
    slow.out.read_to_end(&mut slow.read).unwrap();
    assert!(slow.child.wait().unwrap().success());
    let lines = lines.join().unwrap();
    assert!(has_line(&lines) && lines.contains("/s"), "{lines:?}");
    assert!(lines.lines().last().unwrap().starts_with("exporting: done, 40,000 rows, "), "{lines:?}");
    assert!(!lines.contains(['\r', '\x1b']), "{lines:?}");

    let mut terminal = Terminal::new(80);
    let mut command = terminal.command(&args);
    command.env("TERM", "dumb");
    let mut slow = Slow::start(command);
    let deadline = Instant::now() + DEADLINE;
    while !has_line(&terminal.shown) {
        assert!(Instant::now() < deadline, "{:?}", terminal.shown);
        terminal.look();
        slow.read_some();
    }
    assert!(!terminal.shown.contains("\x1b["), "{:?}", terminal.shown);
    let _ = slow.child.kill();
    let _ = slow.child.wait();
}

#[test]
fn rows_on_the_terminal_and_quick_work_are_not_mixed_with_progress() {
    let journal = Journal::with(&readings(10_000));
    let path = journal.path();
    let mut terminal = Terminal::new(80);
    let mut command = terminal.command(&["export", "--journal", path.to_str().unwrap()]);
    let child = command.stdout(terminal.side()).spawn().unwrap();
    // Read slowly, so that it takes longer than a second.
    assert_eq!(terminal.ended(child), Some(0));
    assert_eq!(terminal.shown.lines().count(), 10_001);
    assert!(!terminal.shown.contains("exporting") && !terminal.shown.contains("\x1b["));

    let quick = journal.run("export", &["--to", "2026-11-01T00:00:02Z"], "", Some("UTC"));
    assert_eq!((quick.status.code(), &*quick.stderr), (Some(0), &b""[..]));
}

#[test]
fn an_import_shows_its_lines_from_a_pipe_and_its_bytes_from_a_file() {
    let journal = Journal::new();
    let path = journal.path();
    let mut terminal = Terminal::new(80);
    // `setsid --ctty` wants the terminal as standard input.
    let mut command = smartmeter();
    command.args(["import", "--journal", path.to_str().unwrap()]).env("TERM", "xterm");
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(terminal.side());
    let mut child = command.spawn().unwrap();
    let (text, mut input) = (readings(10_000), child.stdin.take().unwrap());
    let mut lines = text.split_inclusive('\n');
    let mut send = || input.write_all(lines.next().unwrap().as_bytes()).unwrap();
    let bar = terminal.until("a line", &mut send, |bar| bar.contains(" lines"));
    assert!(bar.starts_with("importing ") && !bar.contains(['%', '[']), "{bar}");
    // A mistake is on a line of its own.
    input.write_all(b"nonsense\n").unwrap();
    drop(input);
    assert_eq!(terminal.ended(child), Some(2));
    let (_, error) = terminal.shown.rsplit_once(ERASE).unwrap();
    assert!(error.starts_with("standard input:") && !error.contains('\r'), "{error:?}");

    let file = journal.folder.path().join("readings.csv");
    std::fs::write(&file, readings(1_000_000)).unwrap();
    let mut terminal = Terminal::new(100);
    let [path, file] = [&path, &file].map(|path| path.to_str().unwrap());
    let child = terminal.command(&["import", "--journal", path, file]).spawn().unwrap();
    let bar = terminal.until("a bar", || (), |bar| bar.contains(" of "));
    assert!(bar.contains(" % [") && bar.contains("B of ") && bar.contains("B/s"), "{bar}");
    terminal.pty.write_all(b"\x03").unwrap();
    assert_eq!(terminal.ended(child), Some(130));
    assert!(terminal.shown.ends_with(ERASE), "{:?}", terminal.shown);
}

#[test]
fn a_search_for_meters_shows_how_long_it_takes_and_keeps_its_lines() {
    let silent = Pty::open().unwrap();
    let port = silent.path().to_str().unwrap();
    let mut terminal = Terminal::new(80);
    let child = terminal.command(&["probe", port]).stdout(Stdio::null()).spawn().unwrap();
    let bar = terminal.until("a bar", || (), |bar| bar.contains(" left"));
    assert!(bar.starts_with("searching ") && bar.contains(" % ["), "{bar}");
    terminal.pty.write_all(b"\x03").unwrap();
    assert_eq!(terminal.ended(child), Some(130));
    let line = format!("{port}: listening at 9600 baud\n");
    assert!(terminal.shown.starts_with(&line), "{:?}", terminal.shown);
    // Later lines come after the bar is erased.
    let lines = terminal.shown.split_inclusive('\n').filter(|line| line.ends_with('\n')).skip(1);
    for line in lines {
        let (_, line) = line.rsplit_once(ERASE).unwrap_or(("", line));
        assert!(line.starts_with(port), "{line:?}");
    }
}
