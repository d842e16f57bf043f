//! A program and its arguments, as the configuration has them.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use framework::{ConfigError, Context};
use tokio::process::Command;

/// A program that can be started.
#[derive(Debug, Clone)]
pub struct Program {
    /// Program and arguments; empty for a source that has commands only.
    line: Vec<String>,
    working_dir: Option<PathBuf>,
    environment: BTreeMap<String, String>,
}

/// Variables of systemd for the service itself: a program that used them would speak in its name.
const NOT_INHERITED: &[&str] =
    &["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

impl Program {
    /// The program of a source, with its environment.
    pub fn new(
        line: Vec<String>,
        working_dir: Option<PathBuf>,
        own: &BTreeMap<String, String>,
        cx: &Context,
    ) -> Self {
        let mut environment = BTreeMap::from([
            // Python writes to a pipe in blocks of 8 KiB otherwise: a stream would seem silent.
            ("PYTHONUNBUFFERED".to_owned(), "1".to_owned()),
            ("SMARTMETER_SOURCE".to_owned(), cx.name().to_owned()),
            ("SMARTMETER_STATE_DIR".to_owned(), cx.state_dir().display().to_string()),
        ]);
        environment.extend(own.clone());
        Self { line, working_dir, environment }
    }

    /// Returns the same place and environment with another program.
    pub fn with_line(&self, line: Vec<String>) -> Self {
        Self { line, ..self.clone() }
    }

    /// Adds a variable to the environment.
    pub fn set(&mut self, name: String, value: String) {
        self.environment.insert(name, value);
    }

    /// Returns its name: the first item of `command`.
    pub fn name(&self) -> &str {
        self.line.first().map_or("", String::as_str)
    }

    /// Returns the command that starts it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.name());
        command.args(self.line.iter().skip(1)).envs(&self.environment);
        NOT_INHERITED.iter().for_each(|name| {
            command.env_remove(name);
        });
        if let Some(folder) = &self.working_dir {
            command.current_dir(folder);
        }
        command
    }

    /// Returns what is wrong with the folder in which it runs.
    pub fn folder_problem(&self) -> Option<String> {
        let folder = self.working_dir.as_deref().filter(|folder| !folder.is_dir())?;
        let advice = "create it, or correct the path";
        Some(format!(
            "the program cannot start: its `working_dir` `{}` is not a folder: {advice}",
            folder.display()
        ))
    }

    /// Adds the remedy to the error of a start.
    pub fn explain(&self, error: io::Error) -> io::Error {
        const ENOEXEC: i32 = 8;
        let program = Path::new(self.name());
        let is_path = self.name().contains('/');
        let folder = self.working_dir.as_deref().filter(|folder| !folder.is_dir());
        let advice = match error.kind() {
            _ if folder.is_some() => "`working_dir` is not a folder that this user may enter".to_owned(),
            io::ErrorKind::NotFound if is_path && program.exists() => {
                "the program in its first line (`#!…`) does not exist".to_owned()
            }
            io::ErrorKind::NotFound if is_path => "check the path in `command`".to_owned(),
            io::ErrorKind::NotFound => "it is in no folder of `PATH`: write its whole path".to_owned(),
            io::ErrorKind::PermissionDenied => {
                let path = program.display();
                format!("the user of this service must be allowed to run it: `chmod a+rx {path}`")
            }
            io::ErrorKind::InvalidInput => "no argument may contain a NUL".to_owned(),
            _ if error.raw_os_error() == Some(ENOEXEC) => {
                "a script needs a first line such as `#!/usr/bin/env python3`".to_owned()
            }
            _ => return error,
        };
        io::Error::new(error.kind(), format!("{error}: {advice}"))
    }
}

/// Example of a program in the configuration.
pub const EXAMPLE: &str = r#"["/opt/heatpump.py", "--once"]"#;

/// Checks a program of the configuration.
///
/// # Errors
/// Fails if it is empty.
pub fn check(key: &'static str, line: &[String]) -> Result<(), ConfigError> {
    if line.first().is_none_or(String::is_empty) {
        let hint = format!("write the program and its arguments: `{EXAMPLE}`");
        return Err(ConfigError::key(key, "the program is missing").hint(hint));
    }
    if line.iter().any(|item| item.contains('\0')) {
        return Err(ConfigError::key(key, "no argument may contain a NUL"));
    }
    Ok(())
}
