//! Source: reads the device, counts, and delivers count and power.

use std::{io, sync::Arc, time::Duration};

use framework::{
    AcquireError, Batch, Counter, DataAcquisition, Decimal, Fact, Reading, SourceContext, Timestamp,
    async_trait,
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    clock,
    config::{Device, Settings},
    counter::{LineState, Pulses, Tally},
    gpio::GpioInput,
    power::Power,
    serial::SerialInput,
    total::Total,
};

/// Least time between two batches while the power falls.
const FALLING: Duration = Duration::from_secs(1);
/// Time that `close` waits for a pulse that has begun; longer than the usual `debounce`.
const LAST_LOOK: Duration = Duration::from_millis(20);
/// Batches without a pulse within `stale_after`.
const HEARTBEATS: u32 = 3;

/// Pulses of one S0 output.
pub(crate) struct S0Source {
    settings: Settings,
    total: Arc<Total>,
    heartbeat: Duration,
    backend: Fact,
    device: Fact,
    /// Bytes of a pulse on a serial line.
    learned: Fact,
    tally: Tally,
    /// Edges that the kernel queued while nobody read them.
    queued: Counter,
    cx: SourceContext,
    open: Option<Open>,
}

/// State of an open device.
struct Open {
    input: Input,
    /// Pulses that were found and not counted yet: a dropped `acquire` leaves them here.
    found: Vec<Pulses>,
    power: Power,
    shown: Option<Shown>,
}

enum Input {
    Gpio(GpioInput),
    Serial(Box<SerialInput>),
}

/// Content of the last batch.
struct Shown {
    at: Duration,
    pulses: u64,
    watts: Option<f64>,
}

impl S0Source {
    pub(crate) fn new(settings: Settings, total: Arc<Total>, cx: &SourceContext) -> Self {
        let (arrived, bounces, lost, queued) = match &settings.device {
            Device::Gpio(gpio) => {
                cx.kept_file(&gpio.key());
                ("edges", "bounces", cx.counter("lost_edges"), cx.counter("queued_edges"))
            }
            // A serial port does not report lost bytes.
            Device::Serial { .. } => ("bytes", "merged_bytes", Counter::default(), Counter::default()),
        };
        Self {
            settings,
            total,
            heartbeat: (cx.stale_after() / HEARTBEATS).max(Duration::from_millis(100)),
            backend: cx.fact("backend"),
            device: cx.fact("device"),
            learned: cx.fact("bytes_per_pulse"),
            tally: Tally { arrived: cx.counter(arrived), bounces: cx.counter(bounces), lost },
            queued,
            cx: cx.clone(),
            open: None,
        }
    }

    fn unavailable(&self, source: io::Error) -> AcquireError {
        AcquireError::from(source).of_device(self.settings.device.to_string())
    }
}

#[async_trait]
impl DataAcquisition for S0Source {
    async fn open(&mut self) -> Result<(), AcquireError> {
        let total = Arc::clone(&self.total);
        let loaded = spawn_blocking(move || total.load()).await;
        loaded.map_err(|panic| AcquireError::Fatal(panic.to_string()))?.map_err(|error| {
            let device = format!("the count of {}", self.settings.device);
            AcquireError::unavailable(error).of_device(device)
        })?;
        let Settings { device, debounce, rate, power_timeout, .. } = &self.settings;
        let tally = self.tally.clone();
        let opened = match device {
            Device::Gpio(gpio) => {
                let place = self.cx.kept_file(&gpio.key());
                GpioInput::open(gpio, *debounce, tally, (&place, self.total.line(), self.queued.clone()))
                    .map(|(input, backend, line)| (Input::Gpio(input), backend, line))
            }
            Device::Serial { port, baud } => {
                SerialInput::open(port, *baud, *debounce, tally, self.learned.clone())
                    .await
                    .map(|input| (Input::Serial(Box::new(input)), "serial", port.to_string()))
            }
        };
        let (input, backend, line) = opened.map_err(|error| self.unavailable(error))?;
        self.backend.set(backend);
        self.device.set(line);
        let power = Power::new(rate.joules_per_pulse(), *power_timeout, clock::now());
        self.open = Some(Open { input, found: Vec::new(), power, shown: None });
        Ok(())
    }

    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        let Some(open) = &mut self.open else {
            return Err(self.unavailable(io::ErrorKind::NotConnected.into()));
        };
        loop {
            // No await from here to the batch, so that a counted pulse is in the file and in the batch.
            // The time is taken first: a command may set the count at any moment, and this reading must come before it.
            let taken_at = Timestamp::now();
            let pulses = open.count(&self.total);
            self.total.turn_if_due();
            let now = clock::now();
            let is_changed = open.shown.as_ref().is_none_or(|shown| shown.pulses != pulses);
            if is_changed || now >= open.next(self.heartbeat) {
                // Without pulses, only this check shows that the device has gone. A serial port's read reports it.
                if !is_changed
                    && let Input::Gpio(input) = &open.input
                    && let Err(error) = input.check()
                {
                    return Err(self.unavailable(error));
                }
                let readings = open.readings(now, pulses, &self.settings);
                return Ok(Some(Batch { taken_at, readings }));
            }
            let next = Instant::now() + open.next(self.heartbeat).saturating_sub(now);
            let next = self.total.turn_due().map_or(next, |turn| next.min(turn.into()));
            let lost = tokio::select! {
                result = open.input.pulses(&mut open.found) => result.err(),
                () = self.total.changed() => None,
                () = sleep_until(next) => None,
            };
            if let Some(error) = lost {
                open.count(&self.total);
                return Err(self.unavailable(error));
            }
        }
    }

    async fn close(&mut self) {
        if let Some(mut open) = self.open.take() {
            // A pulse that has begun would be lost where the line is not kept.
            let _ =
                timeout(LAST_LOOK, async { while open.input.pulses(&mut open.found).await.is_ok() {} }).await;
            open.count(&self.total);
        }
        // The disk may be slow, and this thread must not block.
        let total = Arc::clone(&self.total);
        let _ = spawn_blocking(move || total.sync()).await;
    }
}

impl Open {
    /// Counts the pulses that were found; returns the count.
    fn count(&mut self, total: &Total) -> u64 {
        let new = self.found.iter().map(|pulses| pulses.count).sum();
        self.found.drain(..).for_each(|pulses| self.power.pulses(pulses));
        total.count_to(new, self.input.line())
    }

    /// Returns the time of the next batch without a pulse: when the power has fallen, or as a heartbeat.
    fn next(&self, heartbeat: Duration) -> Duration {
        let Some(shown) = &self.shown else { return Duration::ZERO };
        let falls = self.power.changes_at(shown.watts).unwrap_or(Duration::MAX).max(shown.at + FALLING);
        falls.min(shown.at.saturating_add(heartbeat))
    }

    fn readings(&mut self, now: Duration, pulses: u64, settings: &Settings) -> Vec<Reading> {
        let watts = self.power.watts(now);
        self.shown = Some(Shown { at: now, pulses, watts });
        let mut readings = vec![Reading::counter("count", settings.rate.kwh(pulses)).unit("kWh")];
        if let Some(power) = watts.and_then(|watts| Decimal::rounded(watts, 1)) {
            readings.push(Reading::gauge("power", power).unit("W"));
        }
        readings.push(Reading::counter("pulses", pulses));
        readings
    }
}

impl Input {
    /// Returns the state of a line that is kept over a restart.
    fn line(&self) -> Option<LineState> {
        match self {
            Self::Gpio(input) => input.line(),
            Self::Serial(_) => None,
        }
    }

    /// Waits for the device, and adds the pulses that became certain.
    async fn pulses(&mut self, found: &mut Vec<Pulses>) -> io::Result<()> {
        match self {
            Self::Gpio(input) => input.pulses(found).await,
            Self::Serial(input) => input.pulses(found).await,
        }
    }
}
