//! Sources of recordings, on tokio's paused clock: it moves when everybody waits.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use framework::{AcquireError, Batch, DataAcquisition as _, SourceContext, Text, Value};
use simulator::{Pty, PushingMeter, Timing};
use telegram::{Answer, Conversation, Protocol, ProtocolRegistration, Settings, Source};
use tempfile::TempDir;
use test_meters::{foreign, uart};
use tokio::time::Instant;
use transport::{Connection, Line};

use crate::script::Script;

const LINE: &str = "1.8.0(0001.0*kWh) 16.7.0(5*W)";
const SML_START: &str = "\x1b\x1b\x1b\x1b\x01\x01\x01\x01";
const SILENT_AFTER: Duration = Duration::from_secs(30);

/// Source of a recording whose bytes come at these seconds.
struct Fixture {
    source: Source<Script>,
    cx: SourceContext,
    _folder: TempDir,
}

fn settings(port: &str) -> Settings {
    let lines = vec![Line::plain(9600), Line::plain(1200)];
    Settings {
        port: port.parse().unwrap(),
        lines,
        max_power_w: 50_000.0,
        silent_after: SILENT_AFTER,
        time_shift: None,
    }
}

fn context() -> SourceContext {
    SourceContext::new(framework::Context::new("m", Path::new("/nonexistent")), Duration::from_secs(90))
}

impl Fixture {
    async fn of(chunks: &[(u64, &str)]) -> Self {
        Self::with(chunks, |source, _| source).await
    }

    async fn with(
        chunks: &[(u64, &str)],
        polling: impl FnOnce(Source<Script>, &SourceContext) -> Source<Script>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file: PathBuf = folder.path().join("recording");
        let mut text = "# smartmeter recording 1: serial port, 9600 baud, 2024-02-29T12:34:56Z\n".to_owned();
        for (seconds, bytes) in chunks {
            let hex: String = bytes.bytes().map(|byte| format!("{byte:02x}")).collect();
            text += &format!("{seconds} {hex}\n");
        }
        fs::write(&file, text).unwrap();
        let cx = context();
        let source = Source::new(Script::default(), settings(&format!("replay:{}", file.display())), &cx);
        let mut fixture = Self { source: polling(source, &cx), cx, _folder: folder };
        fixture.source.open().await.unwrap();
        fixture
    }

    /// Acquires once; returns the power that was read, or the message of the fault, and the seconds it took.
    async fn turn(&mut self) -> (Result<String, String>, u64) {
        let began = Instant::now();
        let result = self.source.acquire().await.map(|batch| batch.expect("a batch"));
        (shown(result), began.elapsed().as_secs())
    }

    fn fact(&self, name: &str) -> Option<Text> {
        self.cx.stats().facts().into_iter().find(|(fact, _)| *fact == name).map(|(_, value)| value)
    }
}

fn shown(result: Result<Batch, AcquireError>) -> Result<String, String> {
    let power = |batch: Batch| match batch.get("CURRENT_POWER_SUM").unwrap().value {
        Value::Number(number) => number.to_string(),
        Value::Text(_) => panic!("{batch:?}"),
    };
    result.map(power).map_err(|error| error.to_string())
}

fn line() -> String {
    format!("{LINE}\n")
}

fn good() -> Result<String, String> {
    Ok("5".into())
}

#[tokio::test(start_paused = true)]
async fn telegrams_become_batches_and_damage_is_reported() {
    let text = line();
    let (first, second) = text.split_at(10);
    let mut fixture =
        Fixture::of(&[(1, &text), (2, "!it is damaged\n"), (3, first), (4, second), (5, first), (20, &text)])
            .await;
    assert_eq!(fixture.turn().await, (good(), 1));
    let (damaged, _) = fixture.turn().await;
    assert!(damaged.unwrap_err().contains("a telegram was rejected: it is damaged"));
    assert_eq!(fixture.turn().await, (good(), 2), "cut between two reads");
    let (cut, _) = fixture.turn().await;
    assert!(cut.unwrap_err().contains("it has no end"), "a pause ends a telegram");
    assert_eq!(fixture.turn().await, (good(), 13));
    assert_eq!(fixture.fact("variant").as_deref(), Some("lines"));
}

#[tokio::test(start_paused = true)]
async fn silence_is_reported_after_its_time_before_and_after_the_first_telegram() {
    let mut fixture = Fixture::of(&[(50, &line())]).await;
    let (result, took) = fixture.turn().await;
    assert_eq!((result.is_err(), took), (true, 30), "{result:?}");
    let mut fixture = Fixture::of(&[(1, &line()), (50, &line())]).await;
    assert_eq!(fixture.turn().await, (good(), 1));
    let (result, took) = fixture.turn().await;
    assert_eq!((result.is_err(), took), (true, 30), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn bytes_without_a_telegram_are_reported_sooner_before_the_first_one() {
    let noise: Vec<_> = (0..60).map(|second| (second, "noise\n")).collect();
    let mut fixture = Fixture::of(&noise).await;
    let (result, took) = fixture.turn().await;
    let expected = "at 9600 baud, and no telegram is among them: check the alignment of the head";
    assert!(result.unwrap_err().contains(expected));
    assert_eq!(took, 4);
    let mut fixture = Fixture::of(&[&[(0, &*line())], &noise[1..]].concat()).await;
    assert_eq!(fixture.turn().await, (good(), 0));
    assert_eq!(fixture.turn().await.1, 17);
}

#[tokio::test(start_paused = true)]
async fn an_encrypted_telegram_is_a_mistake_in_the_configuration_and_not_damage() {
    let mut fixture = Fixture::of(&[(1, "!encrypted: write `key`\n"), (2, &line())]).await;
    let (result, _) = fixture.turn().await;
    let expected = AcquireError::Misconfigured { reason: "encrypted: write `key`".into() };
    assert_eq!(result.unwrap_err(), expected.to_string());
    assert_eq!(fixture.turn().await, (good(), 1));
}

framework::inventory::submit! { registration("script", &[Protocol::Iec62056_21]) }
framework::inventory::submit! { registration("other", &[Protocol::Sml]) }

const fn registration(kind: &'static str, protocols: &'static [Protocol]) -> ProtocolRegistration {
    ProtocolRegistration {
        kind,
        protocols,
        decode: |bytes, _, found| telegram::decode(Script::default(), bytes, found),
        describe: None,
        anonymise: None,
        lines: &[],
        polling: &[],
    }
}

#[tokio::test(start_paused = true)]
async fn the_plugin_for_another_protocol_is_named() {
    let mut fixture = Fixture::of(&[(1, SML_START), (2, "!what that looks like\n"), (3, &line())]).await;
    let (result, _) = fixture.turn().await;
    let expected = "sends SML: write `plugin = \"other\"` instead of `plugin = \"script\"`";
    assert!(result.unwrap_err().ends_with(expected));
    assert_eq!(fixture.turn().await, (good(), 2), "rejections of foreign bytes are of no interest");
}

/// Answers in turn; counts the requests.
struct Answers {
    requests: Arc<Mutex<usize>>,
    answers: Vec<Result<&'static str, AcquireError>>,
}

#[framework::async_trait]
impl Conversation for Answers {
    async fn ask(&mut self, _: &mut Connection) -> Result<Answer, AcquireError> {
        *self.requests.lock().unwrap() += 1;
        let begun = self.answers.remove(0)?.as_bytes().to_vec();
        Ok(Answer { mode: "mode X".into(), begun })
    }
}

fn answers(answers: Vec<Result<&'static str, AcquireError>>) -> (Answers, impl Fn() -> usize) {
    let requests = Arc::new(Mutex::new(0));
    let count = requests.clone();
    (Answers { requests, answers }, move || *count.lock().unwrap())
}

fn silent() -> AcquireError {
    AcquireError::Silent { device: String::new(), waited: Duration::from_secs(2) }
}

const REST: &str = ".0*kWh) 16.7.0(5*W)\n";
const BEGUN: &str = "1.8.0(0001";

#[tokio::test(start_paused = true)]
async fn a_meter_is_asked_up_to_three_times_in_a_turn() {
    let (conversation, requests) = answers(vec![
        Ok(BEGUN),
        Ok("!damaged\n"),
        Ok(BEGUN),
        Ok("!damaged\n"),
        Err(silent()),
        Err(AcquireError::Malformed { reason: "strange".into() }),
        Ok(BEGUN),
    ]);
    let chunks = [(1, REST), (2, REST)];
    let mut fixture = Fixture::with(&chunks, |source, cx| source.polled(conversation, cx)).await;
    assert_eq!((fixture.turn().await.0, requests()), (good(), 1));
    assert_eq!(fixture.fact("mode").as_deref(), Some("mode X"));
    assert_eq!((fixture.turn().await.0, requests()), (good(), 3), "a damaged answer is requested again");
    let (result, _) = fixture.turn().await;
    assert_eq!((result.is_err(), requests()), (true, 6));
    // It is not polled before the next turn: nothing follows what it began to send.
    let (result, _) = fixture.turn().await;
    assert_eq!((result.is_err(), requests()), (true, 7));
}

#[tokio::test(start_paused = true)]
async fn a_silent_meter_is_asked_once_and_then_in_its_period() {
    let (conversation, requests) = answers(vec![Ok(BEGUN), Ok(BEGUN)]);
    let chunks = [(12, REST), (43, REST)];
    let mut fixture = Fixture::with(&chunks, |source, cx| source.polled_when_silent(conversation, cx)).await;
    // Eleven seconds without a byte, then the answer; after it a third of `stale_after`.
    assert_eq!((fixture.turn().await, requests()), ((good(), 12), 1));
    let (result, took) = fixture.turn().await;
    assert_eq!((result, requests()), (good(), 2));
    assert!((30..=33).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_does_not_answer_is_asked_again_only_after_an_opening() {
    let (conversation, requests) = answers(vec![Err(silent()), Err(silent())]);
    let chunks = [(1000, REST)];
    let mut fixture = Fixture::with(&chunks, |source, cx| source.polled_when_silent(conversation, cx)).await;
    for polled in [1, 2] {
        let (result, took) = fixture.turn().await;
        assert_eq!((result.is_err(), took, requests()), (true, 41, polled));
        fixture.source.open().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_pushes_is_never_polled() {
    let (conversation, requests) = answers(Vec::new());
    let text = line();
    let mut fixture =
        Fixture::with(&[(1, &text), (100, &text)], |source, cx| source.polled_when_silent(conversation, cx))
            .await;
    assert_eq!(fixture.turn().await.0, good());
    assert!(fixture.turn().await.0.is_err());
    fixture.source.open().await.unwrap();
    assert_eq!((fixture.turn().await.0, requests()), (good(), 0));
}

#[tokio::test]
async fn the_baud_rate_is_found() {
    let timing = Timing { interval: Duration::from_millis(200), baud: None };
    let pty = uart::at(Pty::open().unwrap(), 1200);
    let meter = PushingMeter::start(pty, timing, || line().into_bytes()).unwrap();
    let cx = context();
    let mut source = Source::new(Script::default(), settings(meter.port().to_str().unwrap()), &cx);
    source.open().await.unwrap();
    while source.acquire().await.is_err() {}
    assert!(cx.stats().facts().contains(&("baud", "1200".into())));
}

#[tokio::test]
async fn a_protocol_in_frames_of_8e1_is_named_where_the_baud_rate_is_searched_for() {
    let timing = Timing { interval: Duration::from_millis(300), baud: None };
    let pty = uart::at_8e1(Pty::open().unwrap(), 2400);
    let meter = PushingMeter::start(pty, timing, foreign::hdlc).unwrap();
    let cx = context();
    let mut source = Source::new(Script::default(), settings(meter.port().to_str().unwrap()), &cx);
    source.open().await.unwrap();
    let error = source.acquire().await.unwrap_err();
    assert!(matches!(error, AcquireError::Misconfigured { .. }), "{error:?}");
    assert!(error.to_string().contains("sends DLMS/COSEM in HDLC frames: "), "{error}");
    assert!(cx.stats().facts().contains(&("baud", "2400, 8E1".into())));
}
