//! Questions to the program that runs on this machine, through a socket that only its user and root can open.
//!
//! It lies in the runtime folder of the service, else in the state folder of the configuration: HTTP may listen where a
//! command does not look, as `listen` may be what was changed.
//!
//! A question is one line: its word, and JSON. The answer is JSON, an object a line: reports on the way, and the result.
//! Each client has a task of its own, so that a long answer holds up no other one.

mod client;
mod server;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use framework::{Progress, ServerConfig};
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    client::{ask, is_running},
    server::serve,
};

/// Name of the socket in its folder.
const SOCKET: &str = "control.sock";

/// Returns the place of the socket of a program with this configuration.
pub(crate) fn socket(server: &ServerConfig) -> PathBuf {
    server.runtime_dir.as_deref().unwrap_or(&server.state_dir).join(SOCKET)
}

/// What the running program is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// To reload its configuration.
    Reload,
    /// To send history again.
    Publish(Publish),
}

/// Hours that a publisher is to send again: from one second since 1970 to before another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Publish {
    pub(crate) publisher: String,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

const RELOAD: &str = "reload";
const PUBLISH: &str = "publish";

impl Question {
    /// Returns the line that asks.
    fn line(&self) -> String {
        match self {
            Self::Reload => format!("{RELOAD}\n"),
            Self::Publish(publish) => {
                format!("{PUBLISH} {}\n", serde_json::to_string(publish).unwrap_or_default())
            }
        }
    }

    /// Reads a line, without its end.
    fn parse(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            None if line == RELOAD => Some(Self::Reload),
            Some((PUBLISH, what)) => serde_json::from_str(what).ok().map(Self::Publish),
            _ => None,
        }
    }
}

/// Line of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Message {
    /// It is under way.
    Progress {
        progress: Amounts,
    },
    Answer(Answer),
}

/// What is done of a work, and all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Amounts {
    pub(crate) done: u64,
    pub(crate) of: u64,
}

impl From<Progress> for Amounts {
    fn from(Progress { done, of }: Progress) -> Self {
        Self { done, of }
    }
}

/// What a question has come to: a text of whole lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    done: bool,
    text: String,
}
