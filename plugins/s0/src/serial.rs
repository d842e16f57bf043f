//! Pulses that arrive as bytes: an S0 output on the receive pin of a serial port, or an adapter that
//! sends bytes for each pulse.

use std::{collections::VecDeque, io, time::Duration};

use framework::Fact;
use tokio::time::timeout;
use transport::{Connection, Port};

use crate::{
    clock,
    counter::{Pulses, Tally},
};

/// Pulses whose bytes are remembered.
const REMEMBERED: usize = 15;
/// Pulses after which their number of bytes is known.
const ENOUGH: usize = 3;
/// Time that a process may be late without having been stalled.
const SLACK: Duration = Duration::from_millis(20);

/// Open serial port, and the counter of its bytes.
#[derive(Debug)]
pub(crate) struct SerialInput {
    connection: Connection,
    buffer: Vec<u8>,
    bursts: Bursts,
    /// `bytes_per_pulse` in `/health`.
    learned: Fact,
}

impl SerialInput {
    /// Opens a port.
    ///
    /// # Errors
    /// Returns any I/O error; the text says what to do if that is known.
    pub(crate) async fn open(
        port: &Port,
        baud: u32,
        debounce: Duration,
        tally: Tally,
        learned: Fact,
    ) -> io::Result<Self> {
        let connection = Connection::open(port, baud).await?;
        let bursts = Bursts::new(debounce, tally, clock::now());
        learned.set(if debounce.is_zero() { "1, as `debounce` is 0" } else { "not known yet" });
        Ok(Self { connection, buffer: vec![0; 4096], bursts, learned })
    }

    /// Waits for bytes, and adds their pulses.
    ///
    /// # Errors
    /// Returns any I/O error; the port must be opened again then.
    ///
    /// # Cancel safety
    /// Nothing has been read when it is dropped.
    pub(crate) async fn pulses(&mut self, found: &mut Vec<Pulses>) -> io::Result<()> {
        loop {
            let read = self.connection.read(&mut self.buffer);
            let read = match self.bursts.look_after(clock::now()) {
                None => read.await,
                Some(look) => match timeout(look, read).await {
                    Ok(read) => read,
                    Err(_) => {
                        self.bursts.woke(clock::now());
                        continue;
                    }
                },
            };
            let known = self.bursts.per_pulse();
            found.extend(self.bursts.bytes(read? as u64, clock::now()));
            let learned = self.bursts.per_pulse();
            if let Some((mean, _)) = learned.filter(|_| learned != known) {
                self.learned.set(format!("{mean:.1}").trim_end_matches(".0"));
            }
            return Ok(());
        }
    }
}

/// Counter of bytes: a burst without a pause of `debounce` is one pulse.
///
/// The kernel does not stamp bytes. While this process is stalled, the bytes of several pulses gather, and are one burst
/// when it reads them. So it wakes where the next pulse is overdue: if it was late for that, the burst has as many pulses
/// as its bytes make up, by the number of bytes that pulses had which stood alone. While pulses come as often as before,
/// this costs no wake-up, and two of them cannot gather before it is due.
#[derive(Debug)]
struct Bursts {
    debounce: Duration,
    tally: Tally,
    /// Time of the last byte.
    last: Option<Duration>,
    /// Time between the last two pulses.
    gap: Option<Duration>,
    /// Time at which this process was running last.
    awake: Duration,
    /// Time at which it found that it had been stalled.
    stalled: Option<Duration>,
    burst: Option<Burst>,
    /// Bytes of the last pulses that stood alone.
    alone: VecDeque<u64>,
    /// Bursts from the time before that is known, which may turn out to be several pulses.
    unclear: Vec<Burst>,
}

/// Bytes without a pause.
#[derive(Debug, Clone, Copy)]
struct Burst {
    bytes: u64,
    counted: u64,
    /// Most pulses that it may have: as many as fit into the time since the one before if this process was stalled, or
    /// cannot tell yet; else 1.
    room: u64,
    was_stalled: bool,
}

impl Burst {
    /// Returns its pulses, where a single one has `mean` bytes, and `most` at most.
    fn pulses(self, (mean, most): (f64, u64)) -> u64 {
        // A contact that bounces has a few bytes more at some pulses.
        if self.bytes <= most {
            1
        } else {
            (self.bytes as f64 / mean).round().clamp(1.0, self.room as f64) as u64
        }
    }
}

impl Bursts {
    fn new(debounce: Duration, tally: Tally, now: Duration) -> Self {
        Self {
            debounce,
            tally,
            last: None,
            gap: None,
            awake: now,
            stalled: None,
            burst: None,
            alone: VecDeque::new(),
            unclear: Vec::new(),
        }
    }

    /// Returns the time until this process must wake to see whether it is stalled; `None` if that does not matter yet.
    fn look_after(&self, now: Duration) -> Option<Duration> {
        let (gap, last) = self.gap.zip(self.last).filter(|_| !self.debounce.is_zero())?;
        // The fewer pulses come, the longer must a stall be to swallow one.
        Some(gap.max(now.saturating_sub(last)) * 5 / 4)
    }

    /// Takes note that this process runs.
    fn woke(&mut self, now: Duration) {
        let late = self.look_after(self.awake).map(|look| look * 6 / 5 + SLACK);
        if late.is_some_and(|late| now.saturating_sub(self.awake) > late) {
            self.stalled = Some(now);
        }
        self.awake = now;
    }

    /// Returns the number of bytes of a pulse, the mean and the most, once they are known.
    fn per_pulse(&self) -> Option<(f64, u64)> {
        let mut sizes: Vec<_> = self.alone.iter().copied().collect();
        sizes.sort_unstable();
        let median = sizes.get(sizes.len() / 2).filter(|_| sizes.len() >= ENOUGH)?;
        // One that is much longer was not alone.
        let usual = &sizes[..sizes.partition_point(|size| *size <= median * 2)];
        Some((usual.iter().sum::<u64>() as f64 / usual.len() as f64, *usual.last()?))
    }

    /// Takes `count` bytes that were read together.
    ///
    /// Those that waited for the port to be opened are one burst: their pulses cannot be told apart.
    fn bytes(&mut self, count: u64, now: Duration) -> Option<Pulses> {
        self.woke(now);
        let pause = self.last.map(|last| now.saturating_sub(last));
        let pulses = if self.debounce.is_zero() { count } else { self.burst(count, now, pause) };
        self.last = Some(now);
        self.tally.arrived.add(count);
        self.tally.bounces.add(count.saturating_sub(pulses));
        (pulses > 0).then_some(Pulses { count: pulses, at: now })
    }

    /// Returns the pulses that become certain with `count` further bytes, after a pause.
    fn burst(&mut self, count: u64, now: Duration, pause: Option<Duration>) -> u64 {
        let was_stalled = self.stalled.is_some_and(|at| now.saturating_sub(at) < self.debounce);
        let can_tell = self.gap.is_some();
        if let Some(pause) = pause.filter(|pause| *pause >= self.debounce) {
            if let Some(ended) = self.burst.take() {
                if !ended.was_stalled {
                    self.alone.truncate(REMEMBERED - 1);
                    self.alone.push_front(ended.bytes);
                }
                self.unclear.truncate(REMEMBERED - 1);
                self.unclear.push(ended);
            }
            if !was_stalled {
                self.gap = Some(pause);
            }
        }
        let room = pause.filter(|_| was_stalled || !can_tell).map_or(0, |pause| pause.as_nanos());
        let room = 1 + (room / (2 * self.debounce).as_nanos().max(1)) as u64;
        let mut burst = self.burst.unwrap_or(Burst { bytes: 0, counted: 0, room, was_stalled });
        burst.bytes += count;
        let known = self.per_pulse();
        let pulses = known.map_or(1, |per_pulse| burst.pulses(per_pulse));
        let mut new = pulses.saturating_sub(burst.counted);
        burst.counted += new;
        self.burst = Some(burst);
        if let Some(per_pulse) = known {
            let late = |burst: Burst| burst.pulses(per_pulse).saturating_sub(burst.counted);
            new += self.unclear.drain(..).map(late).sum::<u64>();
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn bursts(debounce: Duration) -> Bursts {
        Bursts::new(debounce, Tally::default(), ms(1000))
    }

    fn pulses(debounce: Duration, reads: &[(u64, u64)]) -> Vec<u64> {
        let mut bursts = bursts(debounce);
        reads.iter().map(|(at, count)| bursts.bytes(*count, ms(*at)).map_or(0, |p| p.count)).collect()
    }

    #[test]
    fn a_burst_is_one_pulse() {
        assert_eq!(pulses(ms(10), &[(2000, 1), (2003, 2), (2012, 1), (2060, 3), (2120, 1)]), [1, 0, 0, 1, 1]);
    }

    #[test]
    fn without_debounce_every_byte_is_one() {
        assert_eq!(pulses(Duration::ZERO, &[(2000, 3), (2000, 1), (2001, 4095)]), [3, 1, 4095]);
    }

    /// Counts the pulses of bytes at these times; between the first and the second moment of a stall, in ms, this process
    /// does not run.
    fn counted(bytes: &[u64], stalls: &[(u64, u64)]) -> (u64, Option<f64>) {
        let mut bursts = bursts(ms(10));
        let (mut now, mut read, mut count) = (1000, 0, 0);
        let end = bytes.last().unwrap() + 1000;
        while now < end {
            let look = bursts.look_after(ms(now)).map_or(end, |look| now + look.as_millis().max(1) as u64);
            let next = bytes.get(read).map_or(end, |at| (*at).max(now));
            now = look.min(next);
            let stalled = stalls.iter().find(|(from, to)| (*from..*to).contains(&now));
            now = stalled.map_or(now, |(_, to)| *to);
            let there = bytes[read..].iter().take_while(|at| **at <= now).count();
            if there == 0 {
                bursts.woke(ms(now));
            } else {
                count += bursts.bytes(there as u64, ms(now)).map_or(0, |pulses| pulses.count);
                read += there;
            }
        }
        (count, bursts.per_pulse().map(|(mean, _)| mean))
    }

    #[test]
    fn bytes_that_gathered_while_the_process_was_stalled_are_as_many_pulses_as_they_make_up() {
        for per_pulse in 1..=4 {
            for gap in [60, 100, 250, 700] {
                for length in [150, 400, 1000] {
                    // A pulse every `gap`, and a stall of `length` in each two seconds.
                    let start = |n: u64| 2000 + n * gap;
                    let bytes: Vec<_> =
                        (0..100).flat_map(|n| (0..per_pulse).map(move |byte| start(n) + byte)).collect();
                    let stalls: Vec<_> = (2..60).map(|n| (2000 * n + 17, 2000 * n + 17 + length)).collect();
                    let (count, learned) = counted(&bytes, &stalls);
                    assert_eq!(count, 100, "{per_pulse} bytes each {gap} ms, stalls of {length} ms");
                    assert_eq!(learned, Some(per_pulse as f64));
                }
            }
        }
    }

    #[test]
    fn pulses_that_gathered_before_anything_was_learned_are_counted_later() {
        for per_pulse in 1..=3 {
            let bytes: Vec<_> =
                (0..60).flat_map(|n| (0..per_pulse).map(move |byte| 2000 + n * 60 + byte)).collect();
            for stalls in [&[(2010, 2300)][..], &[(2070, 2500), (2600, 2900)], &[(2130, 3000)]] {
                assert_eq!(counted(&bytes, stalls).0, 60, "{per_pulse} bytes a pulse, stalls {stalls:?}");
            }
        }
    }

    #[test]
    fn a_bouncing_contact_is_one_pulse_while_the_process_runs() {
        let bytes: Vec<_> =
            (0..200u64).flat_map(|n| (0..=(n * 7 % 3)).map(move |byte| 2000 + n * 100 + byte * 2)).collect();
        assert_eq!(counted(&bytes, &[]).0, 200);
        // Short delays of a busy machine are not stalls in which anything could gather.
        let delays: Vec<_> = (0..250).map(|n| (2000 + n * 80, 2000 + n * 80 + 45)).collect();
        assert_eq!(counted(&bytes, &delays).0, 200);
    }

    #[test]
    fn a_stall_has_no_more_pulses_than_fit_into_it() {
        let alone = (0..10).map(|n| 2000 + n * 100);
        let noise = (0..4000).map(|n| 3000 + n / 10);
        let bytes: Vec<_> = alone.chain(noise).collect();
        let (count, _) = counted(&bytes, &[(3000, 3500)]);
        assert!((11..=41).contains(&count), "{count}: 20 ms for each");
    }

    #[test]
    fn nothing_wakes_the_process_without_pulses_or_debounce() {
        let mut idle = bursts(ms(10));
        assert_eq!(idle.look_after(ms(9000)), None);
        idle.bytes(1, ms(9000));
        assert_eq!(idle.look_after(ms(9001)), None, "one pulse has no distance");
        idle.bytes(1, ms(11_000));
        assert_eq!(idle.look_after(ms(11_000)), Some(ms(2500)));
        assert_eq!(idle.look_after(ms(51_000)), Some(ms(50_000)), "the longer there is none, the less often");
        let mut every = bursts(Duration::ZERO);
        every.bytes(1, ms(9000));
        every.bytes(1, ms(9100));
        assert_eq!(every.look_after(ms(9100)), None);
    }
}
