//! General-glo-ciphering: AES-128-GCM with the keys of one meter (IEC 62056-5-3, clause 9.2.7; NIST SP 800-38D).
//!
//! ```text
//! DB  08 title  length  SC  IC (4)  ciphertext  tag (12, where SC says so)
//! ```

use std::fmt;

use aes_gcm::{
    AesGcm, KeyInit as _,
    aead::{AeadInOut as _, consts::U12},
    aes::Aes128,
};
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use telegram::{Key, Keys};

use crate::{reject::Reason, wire};

/// Tag of a general-glo-ciphering message.
pub(crate) const CIPHERED: u8 = 0xdb;
/// Bytes of a tag.
const TAG: usize = 12;
/// Bytes of the security control and of the frame counter.
const CONTROL: usize = 5;
/// Bits of the security control: suite, authenticated, encrypted, compressed.
const SUITE: u8 = 0x0f;
const AUTHENTICATED: u8 = 0x10;
const ENCRYPTED: u8 = 0x20;
const COMPRESSED: u8 = 0x80;

/// AES-128-GCM with a tag of 12 bytes.
type Gcm = AesGcm<Aes128, U12, U12>;
type Ctr = ctr::Ctr32BE<Aes128>;

/// Title of a sender: the three letters of its maker, and the device's number.
pub type Title = [u8; 8];

/// Protection of a message, readable without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Title of the sender.
    pub title: Title,
    /// Security control.
    pub control: u8,
    /// Frame counter.
    pub counter: u32,
}

/// Ciphered message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ciphered<'a> {
    pub(crate) header: Header,
    /// Ciphertext, and the tag where there is one.
    body: &'a [u8],
}

/// Keys of a meter, ready for use.
#[derive(Clone, Default)]
pub(crate) struct Cipher {
    encryption: Option<(Key, Box<Gcm>)>,
    authentication: Option<Key>,
}

/// Proof that a message is the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nothing was protected.
    Plain,
    /// The tag was verified.
    Verified,
    /// There is a tag, and no key to verify it.
    Unchecked,
    /// There is no tag: the message only looks right.
    NoTag,
}

impl Proof {
    /// Returns it in a word or two, as a member of a decoded telegram.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain | Self::NoTag => "none",
            Self::Verified => "verified",
            Self::Unchecked => "not checked",
        }
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cipher").finish_non_exhaustive()
    }
}

impl Header {
    /// Returns whether the message has a tag.
    pub const fn is_authenticated(self) -> bool {
        self.control & AUTHENTICATED != 0
    }

    /// Returns whether the message is encrypted.
    pub const fn is_encrypted(self) -> bool {
        self.control & ENCRYPTED != 0
    }

    /// Returns what is needed to read such a message.
    pub(crate) fn needed(self) -> &'static str {
        if self.is_authenticated() {
            "the encryption key (GUEK) and the authentication key (GAK)"
        } else {
            "the encryption key (GUEK)"
        }
    }

    /// Returns the keys of the configuration for them.
    pub(crate) fn keys(self) -> &'static str {
        if self.is_authenticated() {
            "`key = \"…\"` and `authentication_key = \"…\"`"
        } else {
            "`key = \"…\"`"
        }
    }

    /// Returns why it is not supported.
    pub(crate) fn unsupported(self) -> &'static str {
        match self.control {
            control if control & COMPRESSED != 0 => "it is compressed, which is not supported",
            control if control & SUITE == 2 => {
                "security suite 2 has keys of 256 bits, which are not supported"
            }
            _ => "this security suite is not known",
        }
    }

    /// Returns whether a meter may send this security control.
    pub(crate) fn is_plausible(self) -> bool {
        self.control & SUITE <= 2
            && self.control & (AUTHENTICATED | ENCRYPTED) != 0
            && self.control & COMPRESSED == 0
    }

    fn is_supported(self) -> bool {
        self.control & COMPRESSED == 0 && self.control & SUITE < 2
    }
}

/// Names the sender and its protection.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match (self.is_encrypted(), self.is_authenticated()) {
            (true, _) => "encrypted",
            (false, true) => "authenticated",
            (false, false) => "unprotected",
        };
        write!(f, "{kind} DLMS of ")?;
        if let Some(maker) = crate::maker::name(self.title) {
            write!(f, "{maker}, ")?;
        }
        write!(f, "system title {}", hex(&self.title))?;
        write!(f, ", security control {:02X}, frame counter {}", self.control, self.counter)
    }
}

/// Returns bytes as upper-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

impl<'a> Ciphered<'a> {
    /// Reads the message that takes up all of `bytes`, which begin with [`CIPHERED`].
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Reason> {
        match Self::begin(bytes)? {
            Some((message, [])) => Ok(message),
            _ => Err(Reason::CipherLength),
        }
    }

    /// Reads the message at the beginning of `bytes`; `None` where bytes are missing.
    pub(crate) fn begin(bytes: &'a [u8]) -> Result<Option<(Self, &'a [u8])>, Reason> {
        let Some((head, body)) = Self::head(bytes)? else { return Ok(None) };
        let Some((body, rest)) = body.split_at_checked(head.1) else { return Ok(None) };
        Ok(Some((Self { header: head.0, body }, rest)))
    }

    /// Reads what goes before the ciphertext, and returns its length too; `None` where bytes are missing.
    #[expect(clippy::type_complexity, reason = "it is only a step")]
    pub(crate) fn head(bytes: &'a [u8]) -> Result<Option<((Header, usize), &'a [u8])>, Reason> {
        let Some((&[_, title_length], rest)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
        if title_length != 8 {
            return Err(Reason::TitleLength);
        }
        let Some((&title, rest)) = rest.split_first_chunk::<8>() else { return Ok(None) };
        let Some((length, rest)) = wire::length(rest) else { return Ok(None) };
        let Some(&[control, a, b, c, d]) = rest.first_chunk::<CONTROL>() else { return Ok(None) };
        let header = Header { title, control, counter: u32::from_be_bytes([a, b, c, d]) };
        let least = CONTROL + 1 + if header.is_authenticated() { TAG } else { 0 };
        match length.filter(|length| (least..=crate::MAX_TELEGRAM).contains(length)) {
            Some(length) => Ok(Some(((header, length - CONTROL), &rest[CONTROL..]))),
            None => Err(Reason::CipherLength),
        }
    }
}

impl Cipher {
    /// The cipher of a meter with these keys.
    pub(crate) fn new(keys: Keys) -> Self {
        let encryption = keys.key.map(|key| (key, Box::new(Gcm::new(key.reveal().into()))));
        Self { encryption, authentication: keys.authentication_key }
    }

    /// Decrypts a message into `plain`, and verifies its tag.
    pub(crate) fn open(&self, message: Ciphered<'_>, plain: &mut Vec<u8>) -> Result<Proof, Reason> {
        let Ciphered { header, body } = message;
        if !header.is_supported() {
            return Err(Reason::Protection(header));
        }
        let tag_length = if header.is_authenticated() { TAG } else { 0 };
        let (text, tag) = body.split_at(body.len() - tag_length);
        plain.clear();
        plain.extend_from_slice(text);
        let Some((key, gcm)) = &self.encryption else {
            return match (header.is_encrypted(), header.is_authenticated()) {
                (true, _) => Err(Reason::NoKey(header)),
                (false, true) => Ok(Proof::Unchecked),
                (false, false) => Ok(Proof::Plain),
            };
        };
        let nonce = header.nonce();
        let Some(authentication) = self.authentication.filter(|_| header.is_authenticated()) else {
            if header.is_encrypted() {
                Ctr::new(key.reveal().into(), &header.counter_block().into()).apply_keystream(plain);
            }
            return Ok(match (header.is_encrypted(), header.is_authenticated()) {
                (_, true) => Proof::Unchecked,
                (true, false) => Proof::NoTag,
                (false, false) => Proof::Plain,
            });
        };
        let tag = <&[u8; TAG]>::try_from(tag).map_err(|_| Reason::CipherLength)?;
        let mut data = [0; 1 + 16];
        data[0] = header.control;
        data[1..].copy_from_slice(authentication.reveal());
        let verified = if header.is_encrypted() {
            gcm.decrypt_inout_detached(&nonce.into(), &data, plain.as_mut_slice().into(), tag.into())
        } else {
            // What is authenticated alone follows the rest of that.
            let covered = [&data[..], text].concat();
            gcm.decrypt_inout_detached(&nonce.into(), &covered, (&mut [][..]).into(), tag.into())
        };
        verified.map(|()| Proof::Verified).map_err(|_| Reason::Tag(header))
    }

    /// Returns ciphertext and tag of a message, as `header` says. Without keys, it stays as it is.
    pub(crate) fn seal(&self, header: Header, plain: &[u8]) -> Vec<u8> {
        let mut text = plain.to_vec();
        let Some((key, gcm)) = &self.encryption else { return text };
        let nonce = header.nonce();
        if !header.is_authenticated() {
            if header.is_encrypted() {
                Ctr::new(key.reveal().into(), &header.counter_block().into()).apply_keystream(&mut text);
            }
            return text;
        }
        let mut data = vec![header.control];
        data.extend(self.authentication.iter().flat_map(|key| *key.reveal()));
        let tag = if header.is_encrypted() {
            gcm.encrypt_inout_detached(&nonce.into(), &data, text.as_mut_slice().into())
        } else {
            data.extend_from_slice(plain);
            gcm.encrypt_inout_detached(&nonce.into(), &data, (&mut [][..]).into())
        };
        // GCM takes messages of gigabytes.
        text.extend(tag.iter().flatten());
        text
    }
}

impl Header {
    fn nonce(self) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.title);
        nonce[8..].copy_from_slice(&self.counter.to_be_bytes());
        nonce
    }

    /// Returns the first block of GCM's counter mode that encrypts: the one before it is for the tag.
    fn counter_block(self) -> [u8; 16] {
        let mut block = [0; 16];
        block[..12].copy_from_slice(&self.nonce());
        block[15] = 2;
        block
    }
}
