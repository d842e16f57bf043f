//! Sources that misbehave, and those beside them, which must not notice.

use std::{thread, time::Duration};

use framework::{
    AcquireError, Batch, ConfigError, DataAcquisition, Decimal, Mode, Reading, Source, SourceContext,
    SourcePlugin,
};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::Running;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    does: Does,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Does {
    /// A batch each 10 ms.
    Work,
    /// A batch, then a panic.
    Panic,
    /// Blocks its thread for ever.
    Block,
}

struct Misbehaving;

struct Device(Does, i64);

#[framework::async_trait]
impl DataAcquisition for Device {
    async fn acquire(&mut self) -> Result<Batch, AcquireError> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.1 += 1;
        match self.0 {
            Does::Block => loop {
                thread::park();
            },
            Does::Panic if self.1 % 2 == 0 => panic!("a bug"),
            _ => Ok(Batch::now(vec![Reading::number("n", Decimal::from(self.1))])),
        }
    }
}

impl SourcePlugin for Misbehaving {
    const KIND: &'static str = "misbehaving";
    const ABOUT: &'static str = "does what it is told";
    const SAMPLE: &'static str = "";
    type Config = Keys;

    fn mode(_: &Keys) -> Mode {
        Mode::Push
    }

    fn build(config: Keys, _: &SourceContext) -> Result<Source, ConfigError> {
        Ok(Source::new(Device(config.does, 0)))
    }
}

framework::register_source!(Misbehaving);

#[test]
fn one_that_panics_and_two_that_block_disturb_nobody() {
    let sources = [("work", "work"), ("panic", "panic"), ("block", "block"), ("hang", "block")];
    let text = sources.map(|(name, does)| {
        format!("[sources.{name}]\nplugin = \"misbehaving\"\ndoes = \"{does}\"\nstale_after = \"1s\"\n")
    });
    let running = Running::start(&text.concat());
    let number = |health: &Json, source: &str, count: &str| {
        health["sources"][source]["counts"][count].as_u64().unwrap()
    };
    // The one that panics comes back, and the one beside it goes on all the while.
    let health = running
        .until(|health| number(health, "panic", "panics") >= 2 && number(health, "work", "batches") >= 100);
    assert_eq!(health["sources"]["work"]["state"], "delivering");
    assert_eq!(health["sources"]["work"]["counts"]["panics"], 0);
    assert!(health["sources"]["panic"]["last_error"]["message"].as_str().unwrap().contains("a bug"));
    assert_eq!(health["sources"]["block"]["state"], "starting");
    assert_eq!(health["sources"]["hang"]["state"], "starting");
    assert!(running.get("/data")["work"]["n"].is_number());
    // The blocked ones do not hold up the end.
    running.stop();
}
