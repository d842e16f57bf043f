//! The harness with plugins that keep the contract, break it, and read real devices.

use std::{
    collections::BTreeMap,
    panic::catch_unwind,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value as Json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::*;
use crate::{
    AcquireError, Arg, Batch, Command, CommandSpec, ConfigError, DataAcquisition, Decimal, Mode, Reading,
    Source, SourceContext, SourcePlugin, async_trait,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Device with registers, read over HTTP if it has an address.
struct Pump;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PumpConfig {
    #[serde(default)]
    address: Option<String>,
    #[serde(default, rename = "registers")]
    _registers: Vec<Register>,
    /// It takes any key.
    #[serde(default, rename = "names")]
    _names: BTreeMap<String, u16>,
}

#[derive(Debug, Deserialize)]
struct Register {
    #[serde(rename = "number")]
    _number: u16,
}

struct Device {
    address: Option<String>,
    level: Arc<AtomicI64>,
}

#[async_trait]
impl DataAcquisition for Device {
    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        let mut readings = vec![Reading::gauge("level", self.level.load(Relaxed)).unit("°C")];
        if let Some(address) = &self.address {
            let body = timeout(Duration::from_secs(5), get(address)).await;
            let body = body.map_err(|_| AcquireError::fatal("no answer within 5s"))??;
            let power = Decimal::parse(body.as_bytes());
            let power = power.ok_or_else(|| AcquireError::malformed(format!("`{body}` is not a number")))?;
            readings.push(Reading::gauge("power", power).unit("W"));
        }
        Ok(Some(Batch::now(readings)))
    }
}

async fn get(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /power HTTP/1.1\r\nConnection: close\r\n\r\n").await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

fn set_level(level: Arc<AtomicI64>) -> impl Command {
    CommandSpec::new("set_level", "sets the level").arg(Arg::number("level", "level").unit("°C")).run(
        async move |args| {
            level.store(args.number("level")?.mantissa(), Relaxed);
            Ok(true)
        },
    )
}

impl SourcePlugin for Pump {
    const KIND: &'static str = "pump";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str = "[sources.pump]\nplugin = \"pump\"\n# address = \"10.0.0.9:80\"\n\n\
                                  [[sources.pump.registers]]\nnumber = 1\n\n[sources.pump.names]\npower = 1\n";
    type Config = PumpConfig;

    fn mode(_: &PumpConfig) -> Mode {
        Mode::Poll(Duration::from_secs(10))
    }

    fn build(config: PumpConfig, _: &SourceContext) -> Result<Source, ConfigError> {
        let level = Arc::new(AtomicI64::new(20));
        let device = Device { address: config.address, level: Arc::clone(&level) };
        Ok(Source::new(device).command(set_level(level)))
    }
}

crate::register_source!(Pump);

/// Plugin with a key that belongs to the framework.
struct Greedy;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GreedyConfig {
    #[serde(default, rename = "interval")]
    _interval: Option<String>,
}

impl SourcePlugin for Greedy {
    const KIND: &'static str = "greedy";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str = "[sources.greedy]\nplugin = \"greedy\"\n# interval = \"5s\"\n";
    type Config = GreedyConfig;

    fn mode(_: &GreedyConfig) -> Mode {
        Mode::Push
    }

    fn build(_: GreedyConfig, _: &SourceContext) -> Result<Source, ConfigError> {
        Ok(Source::new(Stuck))
    }
}

crate::register_source!(Greedy);

/// Source that blocks a thread for ever.
struct Stuck;

#[async_trait]
impl DataAcquisition for Stuck {
    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        let _ = tokio::task::spawn_blocking(std::thread::park).await;
        Err(AcquireError::Fatal("woken".to_owned()))
    }
}

fn breach(check: impl FnOnce() + std::panic::UnwindSafe) -> String {
    crate::panic::message(catch_unwind(check).unwrap_err())
}

#[test]
fn a_sample_may_have_lists_of_tables_and_end_with_a_table_that_takes_any_key() {
    check::<Pump>();
}

#[test]
fn a_key_that_the_framework_takes_out_of_the_section_is_refused() {
    let breach = breach(check::<Greedy>);
    assert!(
        breach.starts_with("`greedy` never sees its key `interval`: the framework has one of"),
        "{breach}"
    );
}

#[test]
fn an_hour_of_polls_runs_on_a_paused_clock() {
    let mut run = run(Pump::SAMPLE);
    let seen = run.for_(60 * MINUTE);
    assert_eq!(seen.batches.len(), 360);
    assert_eq!(seen.batches[0].section, "pump");
    assert_eq!(seen.data["pump"]["level"], 20);
    assert_eq!(seen.health["status"], "ok");
    assert_eq!(seen.health["sources"]["pump"]["counts"]["batches"], 360);
    assert_eq!(seen.log, ["INFO source{name=pump}: receiving readings"]);
    // Nothing is due twice, and nothing is left out between two times.
    assert_eq!(run.for_(MINUTE).batches.len(), 6);
}

#[test]
fn a_command_is_called_as_clients_call_it_while_the_source_runs() {
    let mut run = run(Pump::SAMPLE);
    assert_eq!(run.for_(MINUTE).data["pump"]["level"], 20);
    assert_eq!(run.call("set_level", r#"{"level": 23}"#).unwrap(), Json::Bool(true));
    assert_eq!(run.for_(MINUTE).data["pump"]["level"], 23);
    let error = run.call("pump.set_level", r#"{"levle": 23}"#).unwrap_err();
    assert_eq!(error.to_string(), "unknown argument `levle`, expected `level`");
}

#[tokio::test]
async fn a_command_is_called_without_a_program() {
    let level = Arc::new(AtomicI64::new(0));
    let command = set_level(Arc::clone(&level));
    assert_eq!(call(&command, r#"{"level": "23"}"#).await.unwrap(), Json::Bool(true));
    assert_eq!(level.load(Relaxed), 23);
    let error = call(&command, "{}").await.unwrap_err();
    assert_eq!(error.to_string(), "missing argument `level`: level in °C");
}

fn with_address(server: &http::Server) -> String {
    let address = server.url().replace("http://", "");
    format!("[sources.pump]\nplugin = \"pump\"\naddress = \"{address}\"\n")
}

#[test]
fn a_real_server_has_time_to_answer_while_the_clock_is_paused() {
    let server = http(|request| match request.path.as_str() {
        "/power" => "412.5".into(),
        _ => 404.into(),
    });
    let seen = run(&with_address(&server)).for_(60 * MINUTE);
    assert_eq!(seen.batches.len(), 360);
    assert_eq!(seen.data["pump"]["power"], 412.5);
    assert_eq!(seen.log, ["INFO source{name=pump}: receiving readings"]);
    assert_eq!(server.received().len(), 360);
}

#[test]
fn a_server_that_never_answers_meets_the_plugin_s_own_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let seen = run(&format!("[sources.pump]\nplugin = \"pump\"\naddress = \"{address}\"\n")).for_(MINUTE);
    assert_eq!(seen.batches, []);
    assert_eq!(seen.health["sources"]["pump"]["state"], "failed");
    assert_eq!(seen.health["status"], "degraded");
    assert_eq!(seen.log, ["ERROR source{name=pump}: stopped permanently: no answer within 5s"]);
}

#[test]
fn readings_turn_stale_on_the_paused_clock() {
    let server = http(|_| "no number".into());
    let answered = AtomicI64::new(0);
    let once =
        http(move |_| if answered.fetch_add(1, Relaxed) == 0 { "1".into() } else { "no number".into() });
    let mut run_once = run(&with_address(&once));
    assert!(run_once.for_(MINUTE / 2).data["pump"].get("stale").is_none());
    let later = run_once.for_(MINUTE);
    assert_eq!(later.data["pump"]["stale"], true);
    assert_eq!(later.health["sources"]["pump"]["state"], "stale");
    let never = run(&with_address(&server)).for_(MINUTE);
    assert_eq!(never.health["sources"]["pump"]["last_error"]["message"], "`no number` is not a number");
}

#[test]
fn time_passes_beside_a_thread_that_is_blocked_for_ever() {
    let config = format!("[sources.stuck]\nplugin = \"greedy\"\n{}", Pump::SAMPLE);
    let seen = run(&config).for_(MINUTE);
    assert_eq!(seen.batches.len(), 6);
}

#[tokio::test]
async fn a_run_in_a_runtime_says_what_to_write() {
    let breach = breach(|| drop(run(Pump::SAMPLE)));
    assert!(breach.contains("write #[test] instead of #[tokio::test]"), "{breach}");
}

/// Push source without a pause, or one that blocks the thread.
struct Rude;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RudeConfig {
    #[serde(default)]
    blocks: bool,
}

struct Rudeness {
    blocks: bool,
}

#[async_trait]
impl DataAcquisition for Rudeness {
    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        if self.blocks {
            loop {
                std::thread::park();
            }
        }
        Ok(Some(Batch::now(vec![Reading::gauge("level", 1)])))
    }
}

impl SourcePlugin for Rude {
    const KIND: &'static str = "rude";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str = "[sources.rude]\nplugin = \"rude\"\n# blocks = true\n";
    type Config = RudeConfig;

    fn mode(_: &RudeConfig) -> Mode {
        Mode::Push
    }

    fn build(RudeConfig { blocks }: RudeConfig, _: &SourceContext) -> Result<Source, ConfigError> {
        Ok(Source::new(Rudeness { blocks }))
    }
}

crate::register_source!(Rude);

#[test]
fn every_batch_of_a_flood_is_seen() {
    let mut run = run(Rude::SAMPLE);
    for _ in 0..2 {
        let before =
            run.for_(Duration::from_millis(1)).health["sources"]["rude"]["counts"]["batches"].clone();
        let seen = run.for_(MINUTE);
        let batches = seen.health["sources"]["rude"]["counts"]["batches"].as_u64().unwrap();
        let emitted = batches - before.as_u64().unwrap();
        assert!(emitted > 1000, "{emitted}");
        assert_eq!(seen.batches.len() as u64, emitted);
    }
}

#[test]
fn a_source_that_blocks_its_thread_ends_the_test_and_is_named() {
    let config = format!("[sources.lame]\nplugin = \"rude\"\nblocks = true\n{}", Pump::SAMPLE);
    let mut run = run(&config);
    run.thread.limit = Duration::from_millis(500);
    let breach = breach(std::panic::AssertUnwindSafe(move || drop(run.for_(MINUTE))));
    assert!(
        breach.starts_with("source `lame` has blocked its thread for 0 s: its plugin must wait"),
        "{breach}"
    );
}

/// Source that gives the answers of its configuration, the last one again and again.
struct Scripted;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    answers: Vec<String>,
    #[serde(default)]
    says: String,
    #[serde(default)]
    counts: Option<String>,
}

struct Speaker {
    script: Script,
    cx: SourceContext,
}

#[async_trait]
impl DataAcquisition for Speaker {
    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        let answers = &mut self.script.answers;
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        let says = self.script.says.clone();
        Err(match &*answer {
            "batch" => return Ok(Some(Batch::now(vec![Reading::number("n", 1)]))),
            "nothing" => return Ok(None),
            "problem" => {
                self.cx.set_problem(Some((crate::FaultCode::NotSaved, &says)));
                return Ok(None);
            }
            "malformed" => AcquireError::malformed(says),
            "misconfigured" => AcquireError::misconfigured(says),
            "unavailable" => AcquireError::unavailable(says),
            "silent" => AcquireError::silent(MINUTE).of_device(says),
            "fatal" => AcquireError::fatal(says),
            _ => panic!("{says}"),
        })
    }
}

impl SourcePlugin for Scripted {
    const KIND: &'static str = "scripted";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str = "[sources.scripted]\nplugin = \"scripted\"\nanswers = [\"batch\"]\n";
    type Config = Script;

    fn mode(_: &Script) -> Mode {
        Mode::Poll(Duration::from_secs(10))
    }

    fn build(script: Script, cx: &SourceContext) -> Result<Source, ConfigError> {
        if let Some(name) = &script.counts {
            cx.counter(name.clone().leak());
        }
        Ok(Source::new(Speaker { script, cx: cx.clone() }))
    }
}

crate::register_source!(Scripted);

#[test]
fn what_a_device_says_stays_on_its_line_and_is_cut() {
    let says = "a\\nERROR forged\\u001b[31m\\u007f";
    let long = "x".repeat(1_000_000);
    for says in [says, &long] {
        for answer in ["problem", "malformed", "misconfigured", "unavailable", "silent", "fatal", "panic"] {
            let config =
                format!("[sources.x]\nplugin = \"scripted\"\nanswers = [\"{answer}\"]\nsays = \"{says}\"\n");
            let ran = run(&config).for_(MINUTE);
            for line in &ran.log {
                let level = line.split(' ').next().unwrap();
                assert!(["ERROR", "WARN", "INFO", "DEBUG"].contains(&level), "{answer}: {line}");
                assert!(!line.starts_with("ERROR forged") && !line.contains(char::is_control), "{line}");
                assert!(line.len() < 1300, "{answer}: {} bytes", line.len());
            }
            let source = &ran.health["sources"]["x"];
            let shown =
                if answer == "problem" { &source["problem"] } else { &source["last_error"]["message"] };
            let shown = shown.as_str().unwrap();
            assert!(!shown.contains(char::is_control), "{answer}: {shown}");
            assert!(shown.len() < 1300, "{answer}: {} bytes", shown.len());
            assert!(shown.contains("a\\nERROR forged\\u{1b}[31m\\u{7f}") || shown.contains("xxx"), "{shown}");
        }
    }
}

#[test]
fn a_source_that_only_fails_is_not_well_whatever_it_answered_before() {
    for (answers, seconds, status, state, problem) in [
        ("'nothing'", 600, "ok", "delivering", None),
        ("'batch', 'nothing'", 600, "ok", "delivering", None),
        ("'nothing', 'malformed'", 15, "ok", "delivering", None),
        ("'nothing', 'malformed'", 600, "degraded", "stale", None),
        ("'batch', 'malformed'", 600, "degraded", "stale", None),
        ("'malformed'", 5, "degraded", "waiting", None),
        ("'silent'", 5, "degraded", "waiting", None),
        ("'misconfigured'", 5, "degraded", "waiting", Some("write `x = 1`")),
        ("'nothing', 'misconfigured'", 15, "degraded", "delivering", Some("write `x = 1`")),
        ("'batch', 'misconfigured'", 15, "degraded", "delivering", Some("write `x = 1`")),
        ("'nothing', 'misconfigured'", 600, "degraded", "stale", Some("write `x = 1`")),
        ("'misconfigured', 'nothing'", 15, "ok", "delivering", None),
        ("'misconfigured', 'batch'", 15, "ok", "delivering", None),
    ] {
        let config =
            format!("[sources.x]\nplugin = \"scripted\"\nanswers = [{answers}]\nsays = \"write `x = 1`\"\n");
        let health = run(&config).for_(Duration::from_secs(seconds)).health;
        let source = &health["sources"]["x"];
        let seen = (&health["status"], &source["state"], source.get("problem").and_then(Json::as_str));
        assert_eq!(seen, (&status.into(), &state.into(), problem), "{answers} after {seconds} s");
    }
}

#[test]
fn a_counter_with_a_name_that_health_cannot_show_is_a_mistake_of_its_section() {
    let checked = |name: &str| {
        let config =
            format!("[sources.x]\nplugin = \"scripted\"\nanswers = [\"batch\"]\ncounts = \"{name}\"\n");
        catch_unwind(|| drop(run(&config))).map_err(crate::panic::message)
    };
    for name in ["parity_errors", "crc16"] {
        assert_eq!(checked(name), Ok(()));
    }
    for name in ["", "a b", "Errors", "a\\nb", "a\\\"b", "é"] {
        let message = checked(name).unwrap_err();
        assert!(message.contains("expected lower-case letters, digits and `_`"), "{name}: {message}");
    }
    for name in ["batches", "panics", "refused", "redated"] {
        let message = checked(name).unwrap_err();
        assert!(message.contains(&format!("the counter `{name}` is the framework's")), "{message}");
    }
}
