//! Sources that read other sources, as the configuration names them.

use std::time::Duration;

use framework::{
    AcquireError, Batch, ConfigError, ConfigString, DataAcquisition, Input, Mode, Reading, Source,
    SourceContext, SourcePlugin, async_trait,
};
use serde::Deserialize;

use super::{
    Running,
    config::{mistakes, parse},
};

/// Source that counts the batches of others: each word of `reads` names one.
struct Counting;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    reads: ConfigString,
}

impl SourcePlugin for Counting {
    const KIND: &'static str = "counting";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str = "[sources.sum]\nplugin = \"counting\"\nreads = \"\"\n";
    type Config = Config;

    fn mode(_: &Config) -> Mode {
        Mode::Push
    }

    fn build(config: Config, cx: &SourceContext) -> Result<Source, ConfigError> {
        let text = config.reads.as_str();
        let (mut inputs, mut mistakes) = (Vec::new(), Vec::new());
        for word in text.split_whitespace() {
            let (at, name) = (text.find(word).unwrap_or_default(), word.trim_end_matches('?'));
            match cx.input(config.reads.place(at..at + word.len()), name) {
                Ok(input) if name == word => inputs.push(input),
                Ok(input) => inputs.push(input.optional()),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        ConfigError::all(mistakes)?;
        Ok(Source::new(Count(inputs, 0)))
    }
}

framework::register_source!(Counting);

struct Count(Vec<Input>, i64);

#[async_trait]
impl DataAcquisition for Count {
    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        for input in &mut self.0 {
            input.changed().await;
            if input.latest().is_some() {
                self.1 += 1;
            }
        }
        if self.0.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Some(Batch::now(vec![Reading::number("count", self.1)])))
    }
}

fn program(sources: &[(&str, &str)]) -> String {
    let section = |(name, reads): &(&str, &str)| {
        format!("[sources.{name}]\nplugin = \"counting\"\nreads = \"{reads}\"\n")
    };
    sources.iter().map(section).collect()
}

#[test]
fn an_input_that_is_no_source_is_refused_with_the_one_that_was_meant() {
    let shown = mistakes(&program(&[("grid", ""), ("house", "grid  girt \\u0067rid nothing")]));
    for expected in [
        "config.toml:6:16: unknown source `girt`, expected one of `grid`, `house`\n",
        "6 | reads = \"grid  girt \\u0067rid nothing\"\n  |                ^^^^\n",
        "hint: did you mean `grid`?",
        "config.toml:6:31: unknown source `nothing`",
    ] {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
    assert!(parse(&program(&[("grid", ""), ("house", "grid")])).is_ok());
}

#[test]
fn sources_that_read_each_other_in_a_circle_are_refused_with_the_way() {
    for (sources, expected) in [
        (&[("a", "a")][..], &["config.toml:3:10: a source cannot read itself: `a` → `a`"][..]),
        (
            &[("a", "b"), ("b", "a")],
            &["config.toml:3:10: these sources read each other in a circle: `a` → `b` → `a`"],
        ),
        // Also an input that it can do without.
        (
            &[("a", "b"), ("b", "a?")],
            &["config.toml:3:10: these sources read each other in a circle: `a` → `b` → `a`"],
        ),
        // A way into the circle is not part of it.
        (
            &[("way", "x a"), ("x", ""), ("a", "x b"), ("b", "c"), ("c", "a x")],
            &["config.toml:9:12: these sources read each other in a circle: `a` → `b` → `c` → `a`"],
        ),
        (
            &[("a", "b c"), ("b", "a"), ("c", "a")],
            &[
                "config.toml:3:10: these sources read each other in a circle: `a` → `b` → `a`",
                "config.toml:3:12: these sources read each other in a circle: `a` → `c` → `a`",
            ],
        ),
    ] {
        let shown = mistakes(&program(sources));
        assert!(expected.iter().all(|expected| shown.contains(expected)), "{sources:?}\n{shown}");
        assert_eq!(shown.matches("config.toml").count(), expected.len(), "{sources:?}\n{shown}");
    }
    // Many ways to one source are no circle, however many there are.
    let names: Vec<_> = (0..200).map(|n| format!("s{n}")).collect();
    let reads: Vec<_> =
        (0..200).map(|n| names[..n].iter().rev().take(3).cloned().collect::<Vec<_>>().join(" ")).collect();
    let layers: Vec<_> = names.iter().zip(&reads).map(|(name, reads)| (&**name, &**reads)).collect();
    assert!(parse(&program(&layers)).is_ok());
}

#[test]
fn an_input_that_is_not_enabled_is_refused_unless_its_reader_can_do_without() {
    let grid = "[sources.grid]\nplugin = \"fake\"\nport = \"x\"\nenabled = false\n";
    let shown = mistakes(&format!("{grid}{}", program(&[("house", "grid")])));
    assert!(shown.contains("config.toml:7:10: `house` reads `grid`, which is not enabled"), "{shown}");
    assert!(parse(&format!("{grid}{}", program(&[("house", "grid?")]))).is_ok());
}

#[test]
fn a_source_reads_another_ones_batches_and_turns_stale_with_it() {
    let blocks =
        "[sources.grid]\nplugin = \"fake\"\nport = \"x\"\ndoes = \"panic\"\nstale_after = \"100ms\"\n";
    let lasting = format!("{}stale_after = \"1h\"\n", program(&[("sum", "grid")]));
    let running = Running::start(&format!("[journal]\nenabled = false\n{blocks}{lasting}"));
    // The fake source emits one batch, and panics: it is away for longer than it may.
    let is_stale = |name: &str| {
        let data = running.get("/data");
        data[name]["stale"] == true
    };
    running.until(|_| running.get("/data")["sum"]["count"].is_number());
    running.until(|_| is_stale("grid") && is_stale("sum"));
    running.until(|_| !is_stale("grid") && !is_stale("sum"));
    running.stop();
}
