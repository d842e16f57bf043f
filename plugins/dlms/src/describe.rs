//! What bytes show of a meter without its key.

use telegram::{Decoder as _, Description, Keys, Protocol, Telegram as _};

use crate::{
    cipher::{Header, hex},
    decoder::{Decoder, Options},
    maker,
    reject::Reason,
    telegram::Framing,
};

/// Finding that says most about the meter.
enum Best {
    /// A telegram that can be read, with its identification.
    Readable(Option<String>),
    /// It cannot be read.
    Locked(Reason, Header),
}

/// Describes the telegrams in `bytes`, with these keys.
pub(crate) fn describe(bytes: &[u8], keys: &Keys) -> Option<Description> {
    let mut decoder = Decoder::new(Options { keys: *keys, ..Options::default() });
    let (mut best, mut framing, mut header, mut count) = (None, None, None, 0);
    let mut each = |found: Result<crate::telegram::Telegram<'_>, crate::reject::Rejected>| match found {
        Ok(telegram) => {
            count += 1;
            framing = Some(telegram.framing());
            header = telegram.header().or(header);
            best = Some(Best::Readable(telegram.ident().map(str::to_owned)));
        }
        Err(rejected) => {
            if let Some(locked) = rejected.reason.header() {
                count += 1;
                header = Some(locked);
                if best.is_none() {
                    best = Some(Best::Locked(rejected.reason, locked));
                }
            }
        }
    };
    decoder.push(bytes, &mut each);
    decoder.scanner().finish();
    while let Some(found) = decoder.next() {
        each(found);
    }
    let line = framing.map_or_else(|| by_protocol(bytes), by_framing);
    let telegrams = if count == 1 { "1 telegram".to_owned() } else { format!("{count} telegrams") };
    let sender = header.map(|header| {
        let maker = maker::name(header.title)
            .map(|maker| format!(" of {} {maker} meter", article(&maker)))
            .unwrap_or_default();
        (maker, hex(&header.title))
    });
    let kind = header.map_or("", |header| if header.is_encrypted() { "encrypted " } else { "" });
    let what = match &sender {
        Some((maker, title)) => format!(
            "{}{maker} ({line}, system title {title})",
            telegrams.replacen(' ', &format!(" {kind}"), 1)
        ),
        None => format!("{telegrams} ({line})"),
    };
    let title = sender.map(|(_, title)| title);
    Some(match best? {
        Best::Readable(ident) => {
            Description { what, ident: ident.or(title), keys: &[], ..Description::default() }
        }
        Best::Locked(reason, header) => {
            let is_wrong = matches!(reason, Reason::Tag(_) | Reason::WrongKey(_));
            let names: &[&str] =
                if header.is_authenticated() { &["key", "authentication_key"] } else { &["key"] };
            let advice = match reason {
                Reason::Protection(_) => header.unsupported().to_owned(),
                Reason::Tag(_) => format!("the tag does not verify: wrong key? check {}", header.keys()),
                Reason::WrongKey(_) => {
                    format!("it does not decrypt to a message: wrong key? check {}", header.keys())
                }
                _ => format!(
                    "encrypted: ask your grid operator for {} and write {}",
                    header.needed(),
                    header.keys()
                ),
            };
            let names = if is_wrong || matches!(reason, Reason::NoKey(_)) { names } else { &[] };
            Description { what, ident: title, keys: names, advice: Some(advice), ..Description::default() }
        }
    })
}

fn by_framing(framing: Framing) -> &'static str {
    match framing {
        Framing::Hdlc => "DLMS/COSEM in HDLC frames",
        Framing::HdlcBlocks => "DLMS/COSEM in HDLC frames, in blocks",
        Framing::Mbus => "DLMS/COSEM in M-Bus frames",
        Framing::P1 => "encrypted P1",
        Framing::Llc | Framing::Raw => "DLMS/COSEM without frames",
    }
}

fn by_protocol(bytes: &[u8]) -> &'static str {
    match Protocol::of(bytes) {
        Some(Protocol::Hdlc) => "DLMS/COSEM in HDLC frames",
        Some(Protocol::DlmsOverMbus) => "DLMS/COSEM in M-Bus frames",
        Some(Protocol::EncryptedP1) => "encrypted P1",
        _ => "DLMS/COSEM",
    }
}

/// Returns the article before a maker's name.
fn article(maker: &str) -> &'static str {
    if maker.starts_with(['A', 'E', 'I', 'O']) { "an" } else { "a" }
}
