//! Reasons for which a telegram is not read.

use std::fmt;

/// Reason for which a telegram is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The length does not fit what has come.
    Length,
    /// A checksum of a block is wrong.
    Checksum,
    /// The control byte is none of a meter that sends.
    Control(u8),
    /// It has no record: a sign of life, or data that only the maker knows.
    NoData,
    /// The CI field is the maker's own.
    Manufacturer(u8),
    /// The CI field is of no reading.
    Ci(u8),
    /// A layer ends before its fields do.
    Truncated,
    /// It is encrypted, and there is no key.
    Encrypted,
    /// The key does not fit.
    WrongKey(Evidence),
    /// The security mode is not supported.
    Mode(u8),
    /// More blocks are announced as encrypted than have come.
    Blocks,
    /// Key derivation other than A.
    KeyDerivation(u8),
    /// The security mode needs a message counter, which is missing.
    NoCounter,
    /// The fields of the authentication layer do not fit its length.
    AuthenticationLayer,
    /// It is a part of a message.
    Fragment,
    /// Encryption of the extended link layer other than AES-CTR.
    LinkEncryption(u8),
    /// The checksum of a plain extended link layer is wrong.
    PayloadChecksum,
    /// It is a compact frame whose format is not known yet.
    UnknownLayout(u16),
    /// A compact frame does not fit its format.
    Layout,
    /// The records break apart.
    Records,
    /// It has no checksum, and nothing else proves it.
    Unproven,
    /// The same telegram was received before.
    Repeated,
    /// It is one of the telegrams before the last one, byte for byte.
    SentBefore,
    /// Its message counter is not above that of an earlier one.
    Replayed {
        /// Counter of the telegram.
        counter: u32,
        /// Highest counter before.
        before: u32,
    },
}

/// What shows that a key is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The text does not begin with 2F 2F.
    Mark,
    /// The message authentication code does not verify.
    Mac,
    /// The checksum inside the encrypted part is wrong.
    PayloadChecksum,
    /// The text begins right and breaks apart.
    Records,
}

impl Reason {
    /// Returns whether the right key would help.
    pub fn is_about_key(self) -> bool {
        matches!(self, Self::Encrypted | Self::WrongKey(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("its length does not fit what has come"),
            Self::Checksum => f.write_str("a checksum is wrong"),
            Self::Control(byte) => {
                write!(f, "the control byte {byte:02X} is not one of a meter that sends readings")
            }
            Self::NoData => f.write_str("it has no readings: a sign of life, or the maker's own data"),
            Self::Manufacturer(ci) => write!(f, "CI {ci:02X} is the maker's own: nobody else can read it"),
            Self::Ci(ci) => write!(f, "CI {ci:02X} is not one of readings"),
            Self::Truncated => f.write_str("it ends inside of a header"),
            Self::Encrypted => {
                f.write_str("it is encrypted: ask your supplier for the meter's key (AES-128, 32 hex digits)")
            }
            Self::WrongKey(evidence) => write!(f, "wrong key: {evidence}"),
            Self::Mode(mode) => write!(f, "security mode {mode} is not supported"),
            Self::Blocks => f.write_str("more blocks are announced as encrypted than have come"),
            Self::KeyDerivation(kind) => write!(f, "key derivation {kind} is not supported"),
            Self::NoCounter => f.write_str("security mode 7 needs a message counter, and there is none"),
            Self::AuthenticationLayer => {
                f.write_str("the fields of the authentication layer do not fit its length")
            }
            Self::Fragment => f.write_str("it is a part of a longer message: not supported"),
            Self::LinkEncryption(kind) => {
                write!(f, "encryption {kind} of the extended link layer is not supported")
            }
            Self::PayloadChecksum => f.write_str("the checksum of the extended link layer is wrong"),
            Self::UnknownLayout(signature) => {
                write!(
                    f,
                    "it is a compact frame: nothing can be read before a full one with the signature {signature:04X}"
                )
            }
            Self::Layout => {
                f.write_str("it is a compact frame that does not fit its full one: the checksum is wrong")
            }
            Self::Records => f.write_str("its records break apart"),
            Self::Unproven => f.write_str(
                "it may be chance: it has no checksum, and the bytes around it are not telegrams; expected a recording \
                 that begins with a telegram",
            ),
            Self::Repeated => f.write_str("the same telegram was received before"),
            Self::SentBefore => f.write_str("it is an old telegram: the same one was received before, and others since"),
            Self::Replayed { counter, before } => {
                write!(f, "it is an old telegram: its counter is {counter}, and {before} was received before")
            }
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mark => "the decrypted text does not begin with 2F 2F",
            Self::Mac => "the message authentication code does not verify",
            Self::PayloadChecksum => "the checksum inside the encrypted part is wrong, or it was damaged",
            Self::Records => "the decrypted text breaks apart",
        })
    }
}

impl std::error::Error for Reason {}
