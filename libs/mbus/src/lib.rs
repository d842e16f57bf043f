//! M-Bus (EN 13757): bytes in, values with their meaning out. No port, no clock, no log.
//!
//! | layer | module | standard |
//! |---|---|---|
//! | frames on the wire | [`frame`] | EN 13757-2, clause 5 |
//! | what a wired meter answers | [`Answer`] | EN 13757-3, EN 13757-7 clause 5 |
//! | header: who sends, status | [`Header`] | EN 13757-7, clause 7 |
//! | data records | [`records`] | EN 13757-3, clause 6 |
//! | readings: names and meaning of records | [`naming`] | |
//! | the output of `smartmeter decode` | [`members`] | |
//! | telegrams by radio | [`radio`] | EN 13757-4, EN 13757-7, OMS volume 2 |
//!
//! A record is lent out: it borrows the bytes of its telegram, and decoding allocates nothing.

mod answer;
mod drivers;
mod fixed;
pub mod frame;
mod header;
mod latin1;
pub mod medium;
pub mod members;
pub mod naming;
mod order;
mod private;
pub mod radio;
mod record;
pub mod request;
mod secondary;
mod status;

pub use crate::{
    answer::{Answer, AnswerError, ApplicationError, Content},
    fixed::Fixed,
    header::{Header, HeaderError},
    latin1::Latin1,
    order::Order,
    private::private_places,
    record::{
        Absent, Bcd, Defect, Function, Moment, Qualifier, QualifierIter, Qualifiers, Record, Records, Unit,
        Value, records,
    },
    secondary::{Manufacturer, SecondaryAddress, Selection, SelectionError},
    status::Status,
};
