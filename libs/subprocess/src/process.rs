//! A running program: its process group, its pipes and its end.

use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{Child, ChildStdin, ChildStdout},
    runtime::Handle,
    time::timeout,
};

use crate::{
    program::Program,
    stderr::{ErrorLog, Stderr},
};

/// Time between SIGTERM and SIGKILL. The scheduler gives `close` 500 ms.
const GRACE: Duration = Duration::from_millis(250);
/// Time in which the kernel ends a process after SIGKILL, unless a device holds it.
const KILL_LIMIT: Duration = Duration::from_millis(150);

/// A running program, and all processes of its group. Dropping it kills them.
pub struct Process {
    /// `None` only while it is dropped.
    child: Option<Child>,
    /// Its process group, which has the number of the program; `None` once all of it was killed. The kernel gives the
    /// number to nobody else as long as the program is not waited for, or another process is in the group.
    group: Option<Pid>,
    /// Its standard input, if it has one.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, until somebody takes it.
    pub stdout: Option<ChildStdout>,
    /// Its standard error.
    pub stderr: Stderr,
}

impl Process {
    /// Starts a program in a process group of its own.
    ///
    /// # Errors
    /// Returns the system's error, with the remedy.
    pub fn start(
        program: &Program,
        with_stdin: bool,
        fact: Option<framework::Fact>,
        log: ErrorLog,
    ) -> io::Result<Self> {
        let mut command = program.command();
        let stdin = if with_stdin { Stdio::piped() } else { Stdio::null() };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|error| program.explain(error))?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let lost = || io::Error::other("its standard error is missing");
        let stderr = Stderr::new(stderr.ok_or_else(lost)?, fact, log);
        Ok(Self { child: Some(child), group, stdin, stdout, stderr })
    }

    /// Returns its process number, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref()?.id()
    }

    /// Waits until the program itself ends; then the rest of its group is killed. Its output may still hold something.
    ///
    /// # Errors
    /// Returns the system's error.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        let Some(child) = &mut self.child else { return Err(io::ErrorKind::NotFound.into()) };
        let status = child.wait().await;
        self.kill();
        status
    }

    /// Asks the group to end, and kills it if it does not. Its standard input is closed first.
    pub async fn end(mut self) {
        self.stdin = None;
        if let Some(group) = self.group {
            let _ = kill_process_group(group, Signal::TERM);
        }
        let _ = timeout(GRACE, self.ended()).await;
        self.kill();
        let _ = timeout(KILL_LIMIT, self.ended()).await;
    }

    /// Kills all processes of the group, once.
    pub fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            // The group may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // Somebody must wait for it, or it stays as a zombie.
        if let (Some(mut child), Ok(runtime)) = (self.child.take(), Handle::try_current())
            && child.id().is_some()
        {
            runtime.spawn(async move { child.wait().await });
        }
    }
}

/// Returns an exit status in words: `exit status 1`, `signal 9 (SIGKILL)`.
pub fn in_words(status: ExitStatus) -> String {
    status.to_string().replacen(": ", " ", 1)
}
