//! Turns of the long answers: how many are written at once, and whose is next.
//!
//! A client that reads slowly, or asks for many, must not hold up the others: one client has half of the turns at most,
//! and those that wait are served in rotation.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

use super::ApiError;

/// Answers that are written at the same time, and those among them of one client.
const AT_ONCE: usize = 4;
const OF_ONE: usize = AT_ONCE / 2;
/// Most requests that wait for their turn.
const WAITING: usize = 32;
/// Longest wait for a turn; shorter than the limit of a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Turns of the long answers.
#[derive(Debug, Default)]
pub(super) struct Turns(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Tells those who have a turn that others came to wait.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Clients of the answers that are being written.
    writing: Vec<IpAddr>,
    /// Those who wait; see [`State::next`].
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    client: IpAddr,
    turn: oneshot::Sender<Turn>,
}

impl State {
    /// Returns the number of turns that a client has.
    fn turns(&self, client: IpAddr) -> usize {
        self.writing.iter().filter(|writing| **writing == client).count()
    }

    /// Takes the next one out of the queue: of those that may have a turn, one of the client with fewest turns. The
    /// others of that client go to the end.
    fn next(&mut self) -> Option<Waiting> {
        self.waiting.retain(|waiting| !waiting.turn.is_closed());
        if self.writing.len() >= AT_ONCE {
            return None;
        }
        let turns = self.waiting.iter().map(|waiting| self.turns(waiting.client)).enumerate();
        let (at, _) = turns.filter(|(_, turns)| *turns < OF_ONE).min_by_key(|(_, turns)| *turns)?;
        let next = self.waiting.remove(at)?;
        let (of_client, others): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).partition(|waiting| waiting.client == next.client);
        self.waiting.extend(others.into_iter().chain(of_client));
        self.writing.push(next.client);
        Some(next)
    }

    /// Refuses a request if too many wait: the last one of the client with most of them, or of the newcomer's if no
    /// other has more.
    fn trim(&mut self, newcomer: IpAddr) {
        if self.waiting.len() <= WAITING {
            return;
        }
        let count = |client| self.waiting.iter().filter(|waiting| waiting.client == client).count();
        let most = self.waiting.iter().map(|waiting| (count(waiting.client), waiting.client)).max();
        let client = most.filter(|(most, _)| *most > count(newcomer)).map_or(newcomer, |(_, client)| client);
        if let Some(last) = self.waiting.iter().rposition(|waiting| waiting.client == client) {
            self.waiting.remove(last);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Held for a few moves only, which do not panic: poison means nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    /// Waits for a turn of this client.
    ///
    /// # Errors
    /// Returns 503 if too many others wait, or none is free for long.
    pub(super) async fn next(&self, client: IpAddr) -> Result<Turn, ApiError> {
        let busy = || ApiError::busy("too many long answers are being written: ask again in a few seconds");
        let (turn, given) = oneshot::channel();
        self.0.lock().waiting.push_back(Waiting { client, turn });
        serve_next(&self.0);
        self.0.lock().trim(client);
        self.0.changed.send_replace(());
        // Where the request ends with its client, the channel is closed, and its place in the queue is void.
        match timeout(PATIENCE, given).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(busy()),
        }
    }
}

/// Gives the turns that are free to those who wait.
fn serve_next(shared: &Arc<Shared>) {
    loop {
        let Some(Waiting { client, turn }) = shared.lock().next() else { return };
        let changed = shared.changed.subscribe();
        // A request that has just ended drops it, which frees it again.
        let _ = turn.send(Turn { shared: Arc::clone(shared), client, changed });
    }
}

/// Turn of one answer.
#[derive(Debug)]
pub(super) struct Turn {
    shared: Arc<Shared>,
    client: IpAddr,
    changed: watch::Receiver<()>,
}

impl Turn {
    /// Waits until somebody else wants this turn.
    pub(super) async fn wanted(&mut self) {
        while !self.is_wanted() {
            // The sender is in `shared`, which lives as long as this.
            let _ = self.changed.changed().await;
        }
    }

    /// Returns whether one of those who wait could have it.
    fn is_wanted(&self) -> bool {
        let state = self.shared.lock();
        let could = |client| client == self.client || state.turns(client) < OF_ONE;
        state.waiting.iter().any(|waiting| !waiting.turn.is_closed() && could(waiting.client))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            if let Some(at) = state.writing.iter().position(|client| *client == self.client) {
                state.writing.swap_remove(at);
            }
        }
        serve_next(&self.shared);
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    fn client(number: u8) -> IpAddr {
        [192, 168, 1, number].into()
    }

    /// Asks for a turn, and returns once the request waits or has it.
    async fn ask(turns: &Arc<Turns>, number: u8) -> JoinHandle<Option<Turn>> {
        let of_task = Arc::clone(turns);
        let asked = tokio::spawn(async move { of_task.next(client(number)).await.ok() });
        tokio::task::yield_now().await;
        asked
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_has_half_of_the_turns_at_most_and_another_need_not_wait() {
        let turns = Arc::new(Turns::default());
        let mut greedy = Vec::new();
        for _ in 0..20 {
            greedy.push(ask(&turns, 1).await);
        }
        assert_eq!(greedy.iter().filter(|asked| asked.is_finished()).count(), OF_ONE);
        let others = [ask(&turns, 2).await, ask(&turns, 3).await];
        assert!(others.iter().all(JoinHandle::is_finished));
        // All are taken now. A turn that ends goes to whom it helps.
        let waits = ask(&turns, 4).await;
        assert!(!waits.is_finished());
        let one = greedy.remove(0).await.unwrap();
        drop(one);
        tokio::task::yield_now().await;
        assert!(waits.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_wait_are_served_in_rotation() {
        let turns = Arc::new(Turns::default());
        let mut first = Vec::new();
        for number in [1, 1, 2, 2] {
            first.push(ask(&turns, number).await.await.unwrap());
        }
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut asked = Vec::new();
        for number in [1, 1, 1, 1, 2, 2, 3, 1] {
            let (turns, order) = (Arc::clone(&turns), Arc::clone(&order));
            asked.push(tokio::spawn(async move {
                let _turn = turns.next(client(number)).await.ok();
                order.lock().unwrap().push(number);
            }));
            tokio::task::yield_now().await;
        }
        // One turn alone goes from one to the next.
        drop(first.remove(0));
        for asked in asked {
            asked.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [3, 1, 1, 1, 1, 1, 2, 2], "3 has none yet, 2 has its share");
        drop(first);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_has_room_for_clients_with_few_requests() {
        let turns = Arc::new(Turns::default());
        let mut asked = Vec::new();
        for _ in 0..OF_ONE + WAITING {
            asked.push(ask(&turns, 1).await);
        }
        assert!(turns.next(client(1)).await.is_err());
        let two = [ask(&turns, 2).await, ask(&turns, 2).await, ask(&turns, 2).await];
        assert!(two[0].is_finished() && two[1].is_finished() && !two[2].is_finished());
        tokio::task::yield_now().await;
        let refused = asked.iter().filter(|asked| asked.is_finished()).count() - OF_ONE;
        assert_eq!(refused, 1, "the last one of the greedy client makes room for the one that must wait");
    }

    #[tokio::test(start_paused = true)]
    async fn requests_whose_clients_have_gone_leave_no_trace() {
        let turns = Arc::new(Turns::default());
        let mut asked = Vec::new();
        for number in [1, 1, 2, 2, 3, 3, 4, 4] {
            asked.push(ask(&turns, number).await);
        }
        asked.drain(4..).for_each(|waiting| waiting.abort());
        tokio::task::yield_now().await;
        for turn in asked {
            drop(turn.await);
        }
        let mut again = Vec::new();
        for number in 1..=4 {
            again.push(tokio::time::timeout(PATIENCE / 2, turns.next(client(number))).await.unwrap());
        }
        assert!(turns.0.lock().waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_wanted_only_by_those_who_could_have_it() {
        let turns = Arc::new(Turns::default());
        let mut of_one = ask(&turns, 1).await.await.unwrap().unwrap();
        let mut of_two = ask(&turns, 2).await.await.unwrap().unwrap();
        let _more = (ask(&turns, 1).await.await, ask(&turns, 1).await);
        assert!(of_one.is_wanted(), "the client's own next answer waits for it");
        assert!(!of_two.is_wanted(), "its share is used up");
        let _third = ask(&turns, 3).await.await;
        let _waits = ask(&turns, 4).await;
        timeout(PATIENCE, of_one.wanted()).await.unwrap();
        timeout(PATIENCE, of_two.wanted()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_beyond_those_that_wait_is_busy_and_one_that_waits_for_long_too() {
        let turns = Arc::new(Turns::default());
        let mut taken = Vec::new();
        for number in 0..AT_ONCE as u8 {
            taken.push(turns.next(client(number)).await.expect("a turn"));
        }
        let mut waiting = Vec::new();
        for number in 0..WAITING as u8 {
            waiting.push(ask(&turns, 100 + number).await);
        }
        let busy = turns.next(client(200)).await.expect_err("no room to wait");
        let busy = warp::reply::Response::from(busy);
        assert_eq!((busy.status().as_u16(), &busy.headers()["retry-after"]), (503, &"3".parse().unwrap()));
        for waited in waiting {
            assert!(waited.await.unwrap().is_none());
        }
        drop(taken);
        assert!(turns.next(client(1)).await.is_ok());
    }
}
