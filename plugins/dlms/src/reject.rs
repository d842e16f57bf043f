//! Reasons why bytes are not a telegram to be trusted.

use std::fmt;

use crate::cipher::Header;

/// Rejected bytes.
pub type Rejected = telegram::Rejected<Reason>;

/// Reason why bytes must not be trusted; displayed, a clause such as "it has no end".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The stream ended or paused inside of it.
    NoEnd,
    /// It is longer than any telegram.
    TooLong,
    /// The check sequence of an HDLC header is wrong.
    HeaderCheck,
    /// The check sequence of an HDLC frame is wrong.
    FrameCheck,
    /// An HDLC frame does not end with a flag.
    NoFlag,
    /// The checksum or the end byte of an M-Bus frame is wrong.
    FrameSum,
    /// A segment or block without those before it.
    NotTheFirst,
    /// A segment or block is missing.
    Gap,
    /// A block of a block transfer has no valid length.
    Block,
    /// A message of another kind than a notification, by its first byte.
    Kind(u8),
    /// The sender's title does not have eight bytes.
    TitleLength,
    /// The length of the ciphered message is not that of its bytes.
    CipherLength,
    /// This kind of protection is not supported.
    Protection(Header),
    /// There is no key.
    NoKey(Header),
    /// The tag does not verify.
    Tag(Header),
    /// It is not a message once it is decrypted, and it has no tag.
    WrongKey(Header),
    /// It does not decrypt to a good message, as earlier ones of the same sender did.
    Damaged(Header),
    /// Its frame counter is not greater than the last one of the same sender.
    Replay {
        /// Protection, with its counter.
        header: Header,
        /// The last counter.
        last: u32,
    },
    /// The list of values is not valid at this byte of the message.
    Structure {
        /// Place in the message.
        at: usize,
    },
    /// The list of values ends before the message does, or after it.
    Length,
    /// Its values have no codes, and its layout is not known.
    Empty,
    /// A single number without a code, as the shortest list of Kaifa is, and no longer list came before.
    Alone,
    /// The text in it is not a good telegram.
    Text,
    /// It has no frame and no tag, and stands between other bytes.
    Unproven,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEnd => f.write_str("it has no end"),
            Self::TooLong => write!(f, "it is longer than {} bytes", crate::MAX_TELEGRAM),
            Self::HeaderCheck => f.write_str("the check sequence of its header is wrong"),
            Self::FrameCheck => f.write_str("the check sequence of its frame is wrong"),
            Self::NoFlag => f.write_str("its frame has no flag at its end"),
            Self::FrameSum => f.write_str("the checksum of its frame is wrong"),
            Self::NotTheFirst => f.write_str("the parts before it are missing"),
            Self::Gap => f.write_str("a part of it is missing"),
            Self::Block => f.write_str("the length of a block is wrong"),
            Self::Kind(kind @ 0xc8..=0xcf) => {
                write!(f, "it is ciphered for one connection ({kind:02X}) and does not name its sender")
            }
            Self::Kind(0xdc) => {
                f.write_str("it is ciphered with the key of one connection, which nobody else has")
            }
            Self::Kind(kind) => write!(f, "it is not a notification: it begins with {kind:02X}"),
            Self::TitleLength => f.write_str("the title of its sender does not have eight bytes"),
            Self::CipherLength => f.write_str("the length of its ciphered part is wrong"),
            Self::Protection(header) => write!(f, "{header}; {}", header.unsupported()),
            Self::NoKey(header) => {
                write!(
                    f,
                    "{header}: ask your grid operator for {} and write {}",
                    header.needed(),
                    header.keys()
                )
            }
            Self::Tag(header) => {
                write!(f, "{header}: the tag does not verify: wrong key? check {}", header.keys())
            }
            Self::WrongKey(header) => {
                write!(
                    f,
                    "{header}: it is not a message once it is decrypted: wrong key? check {}",
                    header.keys()
                )
            }
            Self::Damaged(header) => {
                write!(
                    f,
                    "{header}: it does not decrypt to a good message, as earlier ones did: it is damaged"
                )
            }
            Self::Replay { header, last } => {
                write!(f, "{header}: the frame counter is not above the last one, {last}: it was sent before")
            }
            Self::Structure { at } => write!(f, "its list of values is not valid at byte {at}"),
            Self::Length => f.write_str("its list of values does not end with the message"),
            Self::Empty => f.write_str("its values have no codes, and it is not a known list"),
            Self::Alone => {
                f.write_str("it is a single number, and what it is shows when a longer list has come")
            }
            Self::Unproven => {
                f.write_str("nothing proves it: it has no whole frame, and no tag that is checked")
            }
            Self::Text => f.write_str("the text in it is not a good P1 telegram"),
        }
    }
}

impl Reason {
    /// Returns the protection of the message, if it is known.
    pub fn header(&self) -> Option<Header> {
        match self {
            Self::Protection(header)
            | Self::NoKey(header)
            | Self::Tag(header)
            | Self::WrongKey(header)
            | Self::Damaged(header)
            | Self::Replay { header, .. } => Some(*header),
            _ => None,
        }
    }
}
