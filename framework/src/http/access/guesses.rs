//! Wrong tokens: each client may guess a few times, then has to wait longer after each guess.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use tokio::time::Instant;
use tracing::warn;

use crate::{Faults, http::connections::network};

/// Wrong tokens that cost nothing: somebody mistypes.
const FREE: u32 = 5;
/// Longest wait after a wrong token.
const LONGEST: Duration = Duration::from_secs(60);
/// Time without a wrong token after which a client's are forgotten.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// Clients that are remembered; the one that guessed first makes room.
const CLIENTS: usize = 256;

/// Wrong tokens of the clients.
#[derive(Default)]
pub(super) struct Guesses {
    clients: HashMap<IpAddr, (u32, Instant)>,
    faults: Faults<()>,
}

impl Guesses {
    /// Returns how long a client has to wait before its next token is looked at; `None` if it need not.
    pub(super) fn wait(&mut self, client: IpAddr) -> Option<Duration> {
        let (count, last) = *self.clients.get(&network(client))?;
        let exponent = count.checked_sub(FREE)?;
        let pause = Duration::from_secs(1 << exponent.min(6)).min(LONGEST);
        let left = pause.saturating_sub(last.elapsed());
        (!left.is_zero()).then(|| {
            self.log(client);
            left
        })
    }

    /// Notes a wrong token.
    pub(super) fn wrong(&mut self, client: IpAddr) {
        let now = Instant::now();
        self.clients.retain(|_, (_, last)| now.duration_since(*last) < FORGOTTEN);
        if self.clients.len() >= CLIENTS
            && let Some(first) = self.clients.iter().min_by_key(|(_, (_, last))| *last).map(|(ip, _)| *ip)
        {
            self.clients.remove(&first);
        }
        let (count, last) = self.clients.entry(network(client)).or_insert((0, now));
        (*count, *last) = (count.saturating_add(1), now);
        self.log(client);
    }

    /// Notes a right token.
    pub(super) fn right(&mut self, client: IpAddr) {
        self.clients.remove(&network(client));
    }

    fn log(&mut self, client: IpAddr) {
        if let Some(text) = self.faults.note((), &format!("a request from {client} had a wrong token")) {
            warn!("{text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_guess_of_a_token_costs_more_time_than_the_one_before() {
        let (mut guesses, client, other) =
            (Guesses::default(), "192.168.1.9".parse().unwrap(), "192.168.1.8".parse().unwrap());
        let mut waits = Vec::new();
        for _ in 0..15 {
            let wait = guesses.wait(client).unwrap_or_default();
            waits.push(wait.as_secs());
            tokio::time::advance(wait).await;
            assert_eq!(guesses.wait(client), None);
            guesses.wrong(client);
            assert_eq!(guesses.wait(other), None);
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        tokio::time::advance(LONGEST).await;
        guesses.right(client);
        guesses.wrong(client);
        assert_eq!(guesses.wait(client), None);
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_from_many_addresses_take_little_memory() {
        let mut guesses = Guesses::default();
        for n in 0..10_000_u32 {
            guesses.wrong(IpAddr::V4(n.into()));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(guesses.clients.len(), CLIENTS);
        // An IPv6 client has as many addresses as it likes.
        for n in 0..FREE + 1 {
            guesses.wrong(format!("2001:db8::{n}").parse().unwrap());
        }
        assert!(guesses.wait("2001:db8::ffff:1".parse().unwrap()).is_some());
    }
}
