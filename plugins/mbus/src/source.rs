//! Source of meters on a bus.

use std::{io, sync::Arc, time::Duration};

use framework::{AcquireError, Batch, Counter, Fact, FaultCode, SourceContext, Timestamp};
use telegram::Holding;
use tokio::time::Instant;

use crate::{
    bus::Bus,
    config::Settings,
    line::Line,
    meter::Meter,
    readout::{self, Ended, Failure, Readout},
    timing::Timing,
};

/// Source of the meters of one section.
pub(crate) struct MbusSource {
    bus: Arc<Bus>,
    port: String,
    timing: Timing,
    /// Time between the last two turns.
    period: Duration,
    last_turn: Option<Instant>,
    meters: Vec<Meter>,
    is_open: bool,
    cx: SourceContext,
    read: Counter,
    failed: Counter,
    defects: Counter,
    implausible: Counter,
    holding: Holding,
    identities: Fact,
}

impl MbusSource {
    pub(crate) fn new(settings: Settings, period: Duration, cx: &SourceContext) -> Self {
        let Settings { port, timing, meters } = settings;
        Self {
            bus: Bus::at(&port),
            port: port.to_string(),
            timing,
            period,
            last_turn: None,
            meters,
            is_open: false,
            cx: cx.clone(),
            read: cx.counter("readouts"),
            failed: cx.counter("failed_readouts"),
            defects: cx.counter("defective_answers"),
            implausible: cx.counter("implausible"),
            holding: Holding::new(cx),
            identities: cx.fact("meters"),
        }
    }

    /// Returns the longest time that a turn may take: each meter waits for others of the bus.
    pub(crate) fn limit(&self) -> Duration {
        let each = readout::longest(self.timing).max(Duration::from_secs(10));
        Duration::from_secs(300) + each * u32::try_from(self.meters.len()).unwrap_or(u32::MAX)
    }

    /// Reads the meters that are due; returns whether one was read.
    async fn turn(&mut self, now: Instant) -> io::Result<bool> {
        // The configuration's `interval` is the framework's: the turns show it.
        if let Some(last) = self.last_turn.replace(now) {
            self.period = now - last;
        }
        let mut any = false;
        for i in 0..self.meters.len() {
            if !self.meters[i].is_due(now, self.period) {
                continue;
            }
            let meter = &mut self.meters[i];
            meter.begin(now);
            let mut turn = match self.bus.turn(self.timing).await {
                Ok(turn) => turn,
                Err(error) => {
                    meter.interrupted();
                    return Err(error);
                }
            };
            let read = read(turn.line()?, self.timing, meter).await;
            match read {
                Ok(readout) => {
                    turn.end().await;
                    any = true;
                    self.read.increment();
                    if readout.has_defect {
                        self.defects.increment();
                    }
                    let before = meter.held().to_vec();
                    meter.succeeded(&readout, Timestamp::now());
                    if !meter.held().is_empty() {
                        self.implausible.increment();
                    }
                    if meter.held() != before {
                        self.holding.report(self.meters.iter().flat_map(Meter::held));
                    }
                }
                Err(Ended::Failed(failure)) => {
                    turn.end().await;
                    self.failed.increment();
                    meter.failed(failure);
                }
                Err(Ended::Line(error)) => {
                    turn.broken();
                    meter.interrupted();
                    return Err(error);
                }
            }
        }
        Ok(any)
    }

    /// Says in `/health` which meters cannot be read, and who answers at the others.
    fn report(&self) {
        let failed = self.meters.iter().filter_map(|meter| Some((meter, meter.failure()?)));
        let failed: Vec<_> = failed
            .map(|(meter, failure)| format!("{} ({}): {failure}", meter.name(), meter.target()))
            .collect();
        let problem = (!failed.is_empty()).then(|| failed.join("; "));
        self.cx.set_problem(problem.as_deref().map(|problem| (FaultCode::Silent, problem)));
        let known = self.meters.iter().filter_map(|meter| {
            meter.link.identity().map(|identity| format!("{}: {identity}", meter.name()))
        });
        self.identities.set(known.collect::<Vec<_>>().join(", "));
    }

    /// Returns the error of a turn in which no meter could be read.
    fn error(&self) -> AcquireError {
        let failures: Vec<_> =
            self.meters.iter().filter_map(|meter| Some((meter, meter.failure()?))).collect();
        match failures.iter().find(|(_, failure)| *failure != Failure::Silent) {
            Some((_, failure)) => {
                let same = failures.iter().filter(|(_, other)| other == failure);
                let names: Vec<_> = same.map(|(meter, _)| meter.name()).collect();
                AcquireError::malformed(format!("{} cannot be read: {failure}", names.join(", ")))
            }
            None => AcquireError::Silent { device: self.port.clone(), waited: self.timing.answer() * 3 },
        }
    }
}

/// Reads a meter at its speed. One that speaks at that of the bus is told to change.
async fn read(line: &mut impl Line, timing: Timing, meter: &mut Meter) -> Result<Readout, Ended> {
    let target = meter.target();
    let Some(baud) = meter.baud().filter(|baud| *baud != timing.baud()) else {
        return readout::read(line, timing, target, &mut meter.link).await;
    };
    let fast = timing.at(baud);
    line.set_baud(baud)?;
    let read = readout::read(line, fast, target, &mut meter.link).await;
    let Err(Ended::Failed(Failure::Silent)) = read else { return read };
    line.set_baud(timing.baud())?;
    readout::change_speed(line, timing, target, baud).await?;
    line.set_baud(baud)?;
    readout::read(line, fast, target, &mut meter.link).await
}

#[framework::async_trait]
impl framework::DataAcquisition for MbusSource {
    async fn open(&mut self) -> Result<(), AcquireError> {
        self.bus.open(self.timing).await.map_err(|error| telegram::unopened(error, &self.port))?;
        self.is_open = true;
        Ok(())
    }

    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        let read = self.turn(Instant::now()).await;
        let read = read.map_err(|error| AcquireError::from(error).of_device(&self.port))?;
        self.report();
        if read {
            let readings = self.meters.iter().flat_map(|meter| meter.readings().iter().cloned());
            return Ok(Some(Batch::now(readings.collect())));
        }
        // The last readings still hold where a meter is well and not due.
        let is_well = self.meters.iter().any(|meter| meter.failure().is_none());
        if is_well { Ok(None) } else { Err(self.error()) }
    }

    async fn close(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.bus.close().await;
        }
    }
}
