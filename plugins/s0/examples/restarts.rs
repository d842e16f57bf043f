//! A service manager that ends its program again and again, and keeps the GPIO line that the program has given to it:
//! `tests/gpio-vm.sh` counts pulses meanwhile.
//!
//! ```text
//! restarts ROUNDS UP_MS DOWN_MS PROGRAM ARGUMENTS…
//! ```

use std::{
    env, fs,
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::OwnedFd,
        unix::{net::UnixDatagram, process::CommandExt as _},
    },
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use rustix::{
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
    process::{Pid, Signal, kill_process},
};

const SOCKET: &str = "/tmp/restarts.notify";
/// The folder in memory, which survives a restart.
const RUNTIME: &str = "/tmp/restarts.run";

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    let (rounds, up, down) = (number(), Duration::from_millis(number()), Duration::from_millis(number()));
    let program: Vec<_> = arguments.collect();
    fs::create_dir_all(RUNTIME)?;
    let _ = fs::remove_file(SOCKET);
    let socket = UnixDatagram::bind(SOCKET)?;
    socket.set_nonblocking(true)?;
    let mut kept = None;
    for round in 0..rounds {
        let mut running = start(&program, kept.as_ref())?.spawn()?;
        sleep(up);
        // Half of them a crash, half of them an orderly end.
        let signal = if round % 2 == 0 { Signal::KILL } else { Signal::TERM };
        let pid = i32::try_from(running.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.ok_or(io::ErrorKind::NotFound)?, signal)?;
        running.wait()?;
        receive(&socket, &mut kept);
        sleep(down);
    }
    // The last one takes the place of this process, for those who know its number.
    Err(start(&program, kept.as_ref())?.exec())
}

fn start(program: &[String], line: Option<&(String, OwnedFd)>) -> io::Result<Command> {
    // The shell gives the line the number 3, as systemd does.
    let run = "export LISTEN_PID=$$; exec \"$@\" 3<&0 </dev/null";
    let mut command = Command::new("sh");
    command.args(["-c", run, "sh"]).args(program);
    command.env("NOTIFY_SOCKET", SOCKET).env("RUNTIME_DIRECTORY", RUNTIME);
    if let Some((name, line)) = line {
        command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", name).stdin(Stdio::from(line.try_clone()?));
    }
    Ok(command)
}

/// Takes the line out of the messages of the program.
fn receive(socket: &UnixDatagram, kept: &mut Option<(String, OwnedFd)>) {
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 4096];
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let Ok(got) = recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) else { return };
        let text = String::from_utf8_lossy(&bytes[..got.bytes]).into_owned();
        let name = text.lines().find_map(|line| line.strip_prefix("FDNAME=source-"));
        for message in control.drain() {
            if let (RecvAncillaryMessage::ScmRights(mut files), Some(name)) = (message, name) {
                *kept = files.next().map(|file| (format!("source-{name}"), file));
            }
        }
    }
}
