//! Wireless M-Bus (EN 13757-4, -7 and OMS volume 2): frames of a receiver in, records out.
//!
//! | step | file |
//! |---|---|
//! | what a receiver delivers | `receiver` |
//! | checksums of the frame formats | `frame` |
//! | link layer, extended link layer, authentication, security modes | `telegram`, `crypto` |
//! | compact telegrams | `layout`, `formats` |
//! | repetitions, old telegrams | `history` |
//! | telegrams without checksums, of an unknown receiver | `doubt` |
//! | recordings without the numbers of their meters | `anonymise`, `receiver/rewrite` |
//!
//! A checksum proves that a telegram is whole, and a message authentication code who has sent it. In security mode 5
//! two known bytes are all that shows a wrong key, so that the records must also be whole.

mod anonymise;
mod crypto;
mod decoder;
mod doubt;
mod formats;
mod frame;
mod history;
mod layout;
mod receiver;
mod reject;
mod telegram;

pub use self::{
    anonymise::Anonymiser,
    crypto::AesKey,
    decoder::{Decoder, Telegram},
    doubt::Doubt,
    frame::Format,
    receiver::{Framing, RadioMode, Receiver, Reception, UnknownReceiver, Unreceived},
    reject::{Evidence, Reason},
    telegram::{Encryption, Failure, LinkAddress, Outline},
};
