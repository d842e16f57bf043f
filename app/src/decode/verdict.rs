//! Finding of the protocol of recorded bytes, and reasons why nothing was read.

use telegram::{Decoded, Description, Keys, Protocol, ProtocolRegistration, plugin_for, protocols};

/// Everything that the linked plugins find in recorded bytes.
pub(crate) struct Verdict {
    pub(crate) all: Vec<Judged>,
    /// Protocol that the bytes show, whether or not a telegram is whole.
    shown: Option<Protocol>,
    /// Description of what cannot be read, and what to add to the command; only where nothing was accepted.
    described: Option<(Description, String)>,
}

/// Telegrams of one protocol among recorded bytes.
pub(crate) struct Judged {
    pub(crate) protocol: &'static ProtocolRegistration,
    /// Number of telegrams that may be trusted.
    pub(crate) accepted: u64,
    /// Number of those that must not be.
    pub(crate) rejected: u64,
    /// Number of those among them that only lack their key.
    encrypted: u64,
    /// The longest of those.
    candidate: Option<Candidate>,
}

/// Bytes that are nearly a telegram.
struct Candidate {
    offset: u64,
    /// Number of bytes up to the next thing that was found.
    len: u64,
    reason: String,
}

impl Verdict {
    pub(crate) fn of(bytes: &[u8], keys: &Keys) -> Self {
        let all = protocols().into_iter().map(|protocol| Judged::of(protocol, bytes, keys)).collect();
        let mut verdict = Self { all, shown: Protocol::of(bytes), described: None };
        if let Some(best) = verdict.best().filter(|best| best.accepted == 0) {
            let description = best.protocol.describe.and_then(|describe| describe(bytes, keys));
            verdict.described = description.map(|description| {
                let remedy = remedy(&description, keys);
                (description, remedy)
            });
        }
        verdict
    }

    /// Returns the protocol that accepts the most telegrams; where none does, the one that the bytes show, or that has
    /// the longest candidate.
    pub(super) fn best(&self) -> Option<&Judged> {
        self.all.iter().max_by_key(|judged| {
            let is_shown = self.shown.is_some_and(|shown| judged.protocol.protocols.contains(&shown));
            (judged.accepted, is_shown, judged.candidate.as_ref().map(|candidate| candidate.len))
        })
    }

    /// Returns whether the bytes show a protocol.
    pub(super) fn has_shown(&self) -> bool {
        self.shown.is_some() || self.described.is_some()
    }

    /// Returns whether some bytes are nearly a telegram, or show a protocol.
    pub(super) fn has_candidate(&self) -> bool {
        self.has_shown() || self.best().is_some_and(|best| best.candidate.is_some())
    }

    /// Describes it in words: `58 d0 telegrams and 2 damaged`, or the reason why there is none. `baud` is what the
    /// user may have to change.
    pub(crate) fn text(&self, baud: &str) -> String {
        let read = self.all.iter().filter(|judged| judged.accepted > 0).map(|judged| {
            let Judged { protocol, accepted, rejected, encrypted, .. } = judged;
            let plural = if *accepted == 1 { "" } else { "s" };
            let others = match (encrypted, rejected - encrypted) {
                (0, 0) => String::new(),
                (0, damaged) => format!(" and {damaged} damaged"),
                (encrypted, 0) => format!(" and {encrypted} encrypted whose key is missing"),
                (encrypted, damaged) => {
                    format!(", {encrypted} encrypted whose key is missing and {damaged} damaged")
                }
            };
            format!("{accepted} {} telegram{plural}{others}", protocol.kind)
        });
        let read: Vec<_> = read.collect();
        if !read.is_empty() {
            return read.join(", ");
        }
        if let Some(foreign) = self.shown.filter(|protocol| plugin_for(*protocol).is_none()) {
            return format!("no telegram was recognized: this is {foreign}; {}", foreign.advice());
        }
        if let Some((Description { what, .. }, remedy)) = &self.described {
            return format!("no telegram was accepted: {what}{remedy}");
        }
        let doubt = if self.shown.is_none() { format!("; is {baud} right?") } else { String::new() };
        let nearly = self.best().and_then(|best| Some((best, best.candidate.as_ref()?)));
        match (nearly, self.shown) {
            (Some((Judged { protocol, .. }, Candidate { offset, reason, .. })), _) => {
                let family = protocol.protocols.first().map_or("", |protocol| protocol.family());
                format!(
                    "no telegram was accepted; the best candidate is {family} at byte {offset}: {reason}{doubt}"
                )
            }
            (None, Some(protocol)) => {
                format!("no telegram was accepted: a part of {protocol} was recognized, and nothing whole")
            }
            (None, None) => format!("no telegram was recognized{doubt}"),
        }
    }
}

/// Returns the option for a key that was not given, or else the plugin's advice. The first key alone opens a telegram, so
/// where it was given, it is wrong.
fn remedy(description: &Description, keys: &Keys) -> String {
    let options =
        [("key", "`--key`", keys.key), ("authentication_key", "`--auth-key`", keys.authentication_key)];
    let needed = options.iter().filter(|(name, ..)| description.keys.contains(name));
    let is_wrong = needed.clone().next().is_some_and(|(_, _, given)| given.is_some());
    let missing = needed.filter(|(_, _, given)| given.is_none() && !is_wrong);
    let missing: Vec<_> = missing.map(|(_, option, _)| *option).collect();
    match (missing.is_empty(), &description.advice) {
        (false, _) => format!(": give {}", missing.join(" and ")),
        (true, Some(advice)) => format!(": {advice}"),
        (true, None) => String::new(),
    }
}

impl Judged {
    fn of(protocol: &'static ProtocolRegistration, bytes: &[u8], keys: &Keys) -> Self {
        let mut judged = Self { protocol, accepted: 0, rejected: 0, encrypted: 0, candidate: None };
        let mut open = None;
        (protocol.decode)(bytes, keys, &mut |found| {
            let (Decoded::Telegram { offset, .. } | Decoded::Rejected { offset, .. }) = found;
            judged.compare(open.take(), offset);
            match found {
                Decoded::Telegram { .. } => judged.accepted += 1,
                Decoded::Rejected { offset, reason, needs_key } => {
                    judged.rejected += 1;
                    judged.encrypted += u64::from(needs_key);
                    open = Some((offset, reason));
                }
            }
        });
        judged.compare(open, bytes.len() as u64);
        judged
    }

    /// Keeps a candidate that ends at `end`, if it is the longest.
    fn compare(&mut self, candidate: Option<(u64, String)>, end: u64) {
        let Some((offset, reason)) = candidate else { return };
        let len = end.saturating_sub(offset);
        if self.candidate.as_ref().is_none_or(|longest| longest.len < len) {
            self.candidate = Some(Candidate { offset, len, reason });
        }
    }
}
