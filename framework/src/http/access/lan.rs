//! Access of the LAN, for the page: a phone there shows the readings, or the reason why it cannot.

use reading::words;
use serde::Serialize;

use super::rules::Rules;
use crate::page_addresses;

words! {
    /// Reason why another machine cannot simply open the page.
    Closed {
        /// The program listens for this machine only.
        ThisMachineOnly = "this_machine_only",
        /// This machine has no network.
        NoNetwork = "no_network",
        /// A reader needs `read_token`.
        TokenNeeded = "token_needed",
    }
}

/// Access of the LAN.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Lan {
    /// Addresses of the page for other machines.
    addresses: Vec<String>,
    /// Whether other machines may read without a token.
    may_read: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Closed>,
}

impl Lan {
    pub(super) fn of(rules: &Rules) -> Self {
        let addresses = page_addresses(rules.scheme, rules.listen);
        let reason = if rules.listen.ip().is_loopback() {
            Some(Closed::ThisMachineOnly)
        } else if addresses.is_empty() {
            Some(Closed::NoNetwork)
        } else {
            rules.read_token.as_ref().map(|_| Closed::TokenNeeded)
        };
        Self { addresses, may_read: reason.is_none(), reason }
    }
}
