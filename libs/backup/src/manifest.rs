//! Manifest: the first file of a backup.

use jiff::Timestamp;
use journal::backup::{Moment, SCHEMA_VERSION};
use serde::{Deserialize, Serialize};

use crate::{BackupError, FORMAT, machine};

/// What a backup has, as its manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// Version of the format.
    pub format: u32,
    /// Program that wrote it, with its version.
    pub program: String,
    /// Moment of the backup.
    #[serde(with = "moment")]
    pub created: Timestamp,
    /// Name of the machine.
    pub host: String,
    /// Fingerprint of the machine; empty where it has none.
    pub machine: String,
    /// Version of the database's schema; `None` without a journal.
    pub schema: Option<i64>,
    /// Newest reading of the journal.
    #[serde(with = "maybe_moment")]
    pub newest: Option<Timestamp>,
    /// Most files that follow.
    pub files: u64,
    /// Most bytes that they have.
    pub bytes: u64,
}

/// What every version of the format has.
#[derive(Deserialize)]
struct Header {
    format: u32,
    program: String,
}

impl Contents {
    pub(crate) fn new(moment: Option<&Moment>, files: u64, bytes: u64) -> Self {
        Self {
            format: FORMAT,
            program: format!("smartmeter {}", env!("CARGO_PKG_VERSION")),
            created: Timestamp::now(),
            host: machine::host(),
            machine: machine::fingerprint(),
            schema: moment.map(Moment::schema),
            newest: moment
                .and_then(Moment::newest)
                .and_then(|micros| Timestamp::from_microsecond(micros).ok()),
            files,
            bytes,
        }
    }

    /// Reads a manifest of a version that this program knows.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, BackupError> {
        let header: Header = serde_json::from_slice(text).map_err(|_| BackupError::NotABackup)?;
        let newer = |what, found, known| {
            Err(BackupError::Newer { what, program: printable(&header.program), found, known })
        };
        if header.format > FORMAT {
            return newer("format", header.format.into(), FORMAT.into());
        }
        let contents: Self = serde_json::from_slice(text)
            .map_err(|error| BackupError::Damaged(format!("its manifest is wrong: {error}")))?;
        match contents.schema {
            Some(schema) if schema > SCHEMA_VERSION => newer("schema", schema, SCHEMA_VERSION),
            _ => Ok(contents),
        }
    }
}

/// Returns a text of a file for a message.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(80).collect()
}

/// A time stamp as RFC 3339.
mod moment {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(at)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// A time stamp that may be missing.
mod maybe_moment {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        at.map(|at| at.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse()).transpose().map_err(D::Error::custom)
    }
}
