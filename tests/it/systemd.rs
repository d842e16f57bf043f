//! The service manager's side: a fake systemd that gets the program's messages, keeps its sockets, and passes them on.

use std::{
    cell::Cell,
    fs,
    io::{BufRead as _, BufReader, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    net::{TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
    process::Signal,
};
use serde_json::Value as Json;

use crate::program::*;

/// Fake systemd.
struct Manager {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
}

/// One message, and the sockets that came with it.
struct Message {
    text: String,
    sockets: Vec<OwnedFd>,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { folder, socket }
    }

    /// Environment of a service that is watched.
    fn env(&self, watchdog: Option<Duration>) -> Vec<(&'static str, String)> {
        let mut env = vec![("NOTIFY_SOCKET", self.path("notify").display().to_string())];
        env.extend(watchdog.map(|limit| ("WATCHDOG_USEC", limit.as_micros().to_string())));
        env
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn next(&self) -> Option<Message> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 4096];
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let got = recvmsg(&self.socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC).ok()?;
        let mut sockets = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                sockets.extend(fds);
            }
        }
        Some(Message { text: String::from_utf8(bytes[..got.bytes].to_vec()).unwrap(), sockets })
    }

    /// Waits for a message with this line.
    fn until(&self, line: &str) -> Message {
        self.until_with(line, |_| ())
    }

    /// Waits for a message with this line, and checks those before it.
    fn until_with(&self, line: &str, check: impl Fn(&Message)) -> Message {
        let start = Instant::now();
        let mut others = String::new();
        while let Some(message) = self.next() {
            if message.text.lines().any(|found| found == line) {
                return message;
            }
            check(&message);
            others += &message.text;
            assert!(start.elapsed() < DEADLINE, "no {line} in:\n{others}");
        }
        panic!("no {line} in:\n{others}");
    }

    /// Returns whether a sign of life comes within this time.
    fn is_fed_within(&self, time: Duration) -> bool {
        let start = Instant::now();
        while let Some(left) = time.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
            self.socket.set_read_timeout(Some(left)).unwrap();
            if self.next().is_some_and(|message| message.text.contains("WATCHDOG=1")) {
                return true;
            }
        }
        false
    }

    fn start(&self, sources: &str, watchdog: Option<Duration>) -> Program {
        let log = fs::File::create(self.path("log")).unwrap();
        Program::with_stderr(self.folder.path(), sources, log.into(), &self.env(watchdog))
    }

    /// Configuration of a journal that cannot be opened, as another program has it.
    fn taken_journal(&self) -> (Program, String) {
        let journal = format!("[journal]\npath = \"{}\"\n", self.path("journal.db").display());
        let folder = self.path("other");
        fs::create_dir(&folder).unwrap();
        let other = Program::with_config(&folder, &journal);
        other.until("/health", "open", |health| health["journal"]["state"] == "recording");
        (other, journal)
    }

    /// Starts the program with a socket of an earlier run, and another address. Returns it, and the socket's name.
    fn restart_at(&self, listen: &str, kept: TcpListener) -> (Child, String) {
        let state = self.path("state");
        let text = format!("[server]\nlisten = \"{listen}\"\nstate_dir = \"{}\"\n", state.display());
        fs::write(self.path("config.toml"), text).unwrap();
        let name = format!("listen-{}", kept.local_addr().unwrap()).replace(':', "_");
        let run = "LISTEN_PID=$$ exec \"$0\" --config \"$1\" 3<&0 </dev/null";
        let mut command = Command::new("sh");
        command.args(["-c", run, env!("CARGO_BIN_EXE_smartmeter")]).arg(self.path("config.toml"));
        command.envs(self.env(None)).env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", &name);
        command.stdin(OwnedFd::from(kept)).stderr(fs::File::create(self.path("log")).unwrap());
        (command.spawn().unwrap(), name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

#[test]
fn systemd_hears_when_it_is_ready_what_it_does_and_when_it_ends() {
    let manager = Manager::new();
    let line = line();
    let away = "[publishers.away]\nplugin = \"webhook\"\nurl = \"http://127.0.0.1:1/\"\n";
    let config =
        format!("{}{}{away}", d0("meter", line.path()), d0("missing", "/dev/tty-of-nobody".as_ref()));
    let program = manager.start(&config, None);
    let ready = manager.until("READY=1");
    assert!(ready.text.contains("STATUS=2 sources"), "{}", ready.text);
    // The journal was open, and the port, too.
    assert_eq!(program.get("/health").1["journal"]["state"], "recording");
    for second in 0..5 {
        send(&line, &telegram(&format!("000125.{second:04}0000"), "000211.00"));
    }
    manager.until("STATUS=2 sources, 1 waiting, 1 publisher with a problem");
    program.signal(Signal::TERM);
    manager.until("STOPPING=1");
    assert!(program.ended().success());
}

#[test]
fn a_journal_that_cannot_be_opened_does_not_hold_up_the_start() {
    let manager = Manager::new();
    let (_other, journal) = manager.taken_journal();
    let _program = manager.start(&journal, None);
    let ready = manager.until("READY=1");
    assert!(ready.text.contains("STATUS=no source yet, journal degraded"), "{}", ready.text);
}

/// Thread of a process that is stopped until this is dropped, by a debugger as small as can be.
struct Frozen(Child);

impl Frozen {
    fn new(pid: u32, thread: &str) -> Self {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let is_it = |task: &Path| fs::read_to_string(task.join("comm")).unwrap().trim_end() == thread;
        let task = tasks.map(|task| task.path()).find(|task| is_it(task)).unwrap();
        let number = task.file_name().unwrap().to_str().unwrap().to_owned();
        // PTRACE_SEIZE and PTRACE_INTERRUPT; the end of the debugger lets the thread go.
        let code = "import ctypes, os, sys, time\n\
            ptrace = ctypes.CDLL(None, use_errno=True).ptrace\n\
            thread = int(sys.argv[1])\n\
            for request in (0x4206, 0x4207):\n\
            \x20   if ptrace(request, thread, None, None): sys.exit(os.strerror(ctypes.get_errno()))\n\
            os.waitpid(thread, 0x40000000)\n\
            print('stopped', flush=True)\n\
            sys.stdin.read()\n";
        let mut python = Command::new("python3");
        python.args(["-c", code, &number]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "stopped\n", "thread `{thread}` could not be stopped");
        Self(child)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_watchdog_starves_when_scheduler_journal_or_http_stops_while_the_others_go_on() {
    const LIMIT: Duration = Duration::from_secs(3);
    for (thread, said) in [
        ("scheduler", None),
        ("journal", Some("the journal has not answered")),
        ("smartmeter", Some("HTTP has not answered")),
    ] {
        let manager = Manager::new();
        let line = line();
        let program = manager.start(&d0("meter", line.path()), Some(LIMIT));
        manager.until("WATCHDOG=1");
        let frozen = Frozen::new(program.pid(), thread);
        // One may be on its way.
        manager.is_fed_within(LIMIT / 3);
        assert!(!manager.is_fed_within(LIMIT * 2), "fed although `{thread}` is stopped");
        let start = Instant::now();
        while said.is_some_and(|said| !manager.log().contains(said)) {
            assert!(start.elapsed() < DEADLINE, "{thread}: {}", manager.log());
            thread::sleep(Duration::from_millis(5)); // between two looks, not for timing
        }
        // The others go on. The meter sends on and on, as real ones do.
        let seconds = Cell::new(0);
        let delivers = |health: &Json| {
            seconds.set(seconds.get() + 1);
            send(&line, &telegram(&format!("000125.{:04}0000", seconds.get()), "000211.00"));
            health["sources"]["meter"]["state"] == "delivering"
        };
        if thread != "smartmeter" {
            program.until("/health", "a reading", delivers);
        }
        drop(frozen);
        assert!(manager.is_fed_within(DEADLINE), "not fed after `{thread}` goes on");
        program.until("/health", "a reading", delivers);
        assert!(program.terminate().success());
    }
}

#[test]
fn a_source_that_hangs_and_a_journal_that_cannot_be_opened_do_not_starve_the_watchdog() {
    const LIMIT: Duration = Duration::from_secs(3);
    let manager = Manager::new();
    let line = line();
    let (_other, journal) = manager.taken_journal();
    let config = format!("{journal}{}", d0("meter", line.path()));
    let program = manager.start(&config, Some(LIMIT));
    manager.until("WATCHDOG=1");
    let _frozen = Frozen::new(program.pid(), "meter");
    for _ in 0..4 {
        assert!(manager.is_fed_within(LIMIT), "{}", manager.log());
    }
}

#[test]
fn the_watchdog_is_fed_in_time_while_clients_take_all_connections() {
    const LIMIT: Duration = Duration::from_secs(4);
    let manager = Manager::new();
    let program = manager.start("", Some(LIMIT));
    manager.until("WATCHDOG=1");
    // More than it serves at once; each has sent half a request.
    let idle: Vec<_> = (0..300)
        .map(|_| {
            let mut client = TcpStream::connect(program.address()).unwrap();
            client.write_all(b"GET /data HT").unwrap();
            client
        })
        .collect();
    for _ in 0..4 {
        assert!(manager.is_fed_within(LIMIT), "{}", manager.log());
    }
    drop(idle);
}

#[test]
fn a_client_that_connects_during_a_restart_is_answered_not_refused() {
    let manager = Manager::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("[endpoints.evcc]\nplugin = \"vzlogger\"\nlisten = \"{free}\"\n");
    let program = manager.start(&endpoint, None);
    // Both sockets come before it is ready, each with a name.
    let (mut kept, mut names) = (Vec::new(), Vec::new());
    loop {
        let message = manager.next().unwrap();
        if message.text.contains("FDSTORE=1") {
            names.extend(
                message.text.lines().find_map(|line| line.strip_prefix("FDNAME=")).map(str::to_owned),
            );
            kept.extend(message.sockets);
        }
        if message.text.contains("READY=1") {
            break;
        }
    }
    let address = program.address().to_owned();
    assert_eq!(kept.len(), 2);
    // HTTP's is opened first.
    let expected = [&*address, &free.to_string()].map(|at| format!("listen-{}", at.replace(':', "_")));
    assert_eq!(names, expected);
    assert!(program.terminate().success());
    let mut clients = [&*address, &free.to_string()].map(|at| {
        let mut client = TcpStream::connect(at).unwrap();
        client.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        client
    });
    // The shell gives them the numbers 3 and 4, as systemd does.
    let [one, other] = <[OwnedFd; 2]>::try_from(kept).unwrap();
    let run = "LISTEN_PID=$$ exec \"$0\" --config \"$1\" 3<&0 4<&1 </dev/null >/dev/null";
    let mut command = Command::new("sh");
    command.args(["-c", run, env!("CARGO_BIN_EXE_smartmeter")]).arg(manager.path("config.toml"));
    command.envs(manager.env(None)).env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", names.join(":"));
    command.stdin(one).stdout(other).stderr(fs::File::create(manager.path("log")).unwrap());
    let mut second = command.spawn().unwrap();
    for client in &mut clients {
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1."), "{answer}\n{}", manager.log());
    }
    // It has not bound them again.
    assert!(!manager.until("READY=1").text.contains("FDSTORE"));
    second.kill().unwrap();
    second.wait().unwrap();
}

#[test]
fn a_kept_socket_whose_address_is_no_longer_configured_is_given_back() {
    let manager = Manager::new();
    let (old, new) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (was, is) = (old.local_addr().unwrap(), new.local_addr().unwrap());
    drop(new);
    let (mut program, name) = manager.restart_at(&is.to_string(), old);
    let removed = manager.until("FDSTOREREMOVE=1");
    assert!(removed.text.contains(&format!("FDNAME={name}")), "{}", removed.text);
    manager.until("READY=1");
    assert!(TcpStream::connect(was).is_err(), "the old address is still open");
    assert!(TcpStream::connect(is).is_ok());
    program.kill().unwrap();
    program.wait().unwrap();
}

#[test]
fn a_restart_with_an_address_that_includes_a_kept_sockets_own_listens_there() {
    for (was, is) in [("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1")] {
        let manager = Manager::new();
        let old = TcpListener::bind((was, 0)).unwrap();
        let port = old.local_addr().unwrap().port();
        // systemd's own; the program cannot close it.
        let systemds = old.try_clone().unwrap();
        let (mut program, name) = manager.restart_at(&format!("{is}:{port}"), old);
        let removed = manager.until("FDSTOREREMOVE=1");
        assert!(removed.text.contains(&format!("FDNAME={name}")), "{}", removed.text);
        let kept = manager.until("FDSTORE=1");
        assert!(kept.text.contains(&format!("FDNAME=listen-{is}_{port}")), "{}", kept.text);
        manager.until("READY=1");
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1."), "{answer}\n{}", manager.log());
        program.kill().unwrap();
        program.wait().unwrap();
        drop(systemds);
    }
}

#[test]
fn a_line_that_systemd_keeps_stays_open_for_its_source_and_is_given_back_once_its_settings_have_changed() {
    let manager = Manager::new();
    let heat = |pull: &str| format!("[sources.heat]\nplugin = \"s0\"\nline = 0\npull = \"{pull}\"\n");
    let name = "source-heat-%2Fdev%2Fgpiochip0%20line%200%20Up%20low";
    let start = |sources: &str, file: &OwnedFd| {
        let state = manager.path("state");
        let config =
            format!("[server]\nlisten = \"127.0.0.1:0\"\nstate_dir = \"{}\"\n{sources}", state.display());
        fs::write(manager.path("config.toml"), config).unwrap();
        let run = "LISTEN_PID=$$ exec \"$0\" --config \"$1\" 3<&0 </dev/null";
        let mut command = Command::new("sh");
        command.args(["-c", run, env!("CARGO_BIN_EXE_smartmeter")]).arg(manager.path("config.toml"));
        command.envs(manager.env(None)).env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", name);
        command.stdin(file.try_clone().unwrap()).stderr(fs::File::create(manager.path("log")).unwrap());
        command.spawn().unwrap()
    };
    let end = |mut program: Child| {
        program.kill().unwrap();
        program.wait().unwrap();
    };
    // Nobody has a GPIO chip here: a pipe shows who has the file open.
    let (line, mut kernel) = std::io::pipe().unwrap();
    let line = OwnedFd::from(line);
    let program = start(&heat("up"), &line);
    let ready = manager.until_with("READY=1", |message| {
        assert!(!message.text.contains("FDSTOREREMOVE"), "{}", message.text);
    });
    assert!(!ready.text.contains("FDSTORE"), "{}", ready.text);
    end(program);
    let program = start(&heat("down"), &line);
    drop(line);
    let removed = manager.until("FDSTOREREMOVE=1");
    assert!(removed.text.contains(&format!("FDNAME={name}")), "{}", removed.text);
    manager.until("READY=1");
    assert!(kernel.write_all(&[0; 48]).is_err(), "the line is still open");
    end(program);
}

#[test]
fn a_reload_is_reported_and_gives_back_the_sockets_that_are_no_longer_served() {
    let manager = Manager::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("[endpoints.evcc]\nplugin = \"vzlogger\"\nlisten = \"{free}\"\n");
    let program = manager.start(&endpoint, None);
    manager.until("READY=1");
    let config = fs::read_to_string(manager.path("config.toml")).unwrap();
    fs::write(manager.path("config.toml"), config.replace(&endpoint, "")).unwrap();
    program.signal(Signal::HUP);
    let begins = manager.until("RELOADING=1");
    assert!(begins.text.contains("MONOTONIC_USEC="), "{}", begins.text);
    manager.until(&format!("FDNAME=listen-{}", free.to_string().replace(':', "_")));
    manager.until("READY=1");
    assert!(TcpStream::connect(free).is_err());
    // A wrong one changes nothing, and is over as well.
    fs::write(manager.path("config.toml"), "[server]\nlistn = 1\n").unwrap();
    program.signal(Signal::HUP);
    manager.until("RELOADING=1");
    manager.until("READY=1");
    assert!(TcpStream::connect(program.address()).is_ok());
}
