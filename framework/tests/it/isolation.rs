//! Sources that misbehave, and those beside them, which must not notice.

use serde_json::Value as Json;

use crate::Running;

#[test]
fn one_that_panics_and_two_that_block_disturb_nobody() {
    let sources = [("work", "work"), ("panic", "panic"), ("block", "block"), ("hang", "block")];
    let text = sources.map(|(name, does)| source(name, does));
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

fn source(name: &str, does: &str) -> String {
    format!(
        "[sources.{name}]\nplugin = \"fake\"\nport = \"{name}\"\ndoes = \"{does}\"\nstale_after = \"1s\"\n"
    )
}

#[test]
fn work_whose_panic_panics_again_is_noticed_and_started_again() {
    let endpoint = "[endpoints.bomb]\nplugin = \"served\"\nlisten = \"127.0.0.1:0\"\ndoes = \"bomb\"\n";
    let running = Running::start(&format!("{}{endpoint}", source("bomb", "bomb")));
    let shown = |health: &Json, role: &str, field: &str| health[role]["bomb"][field].clone();
    let health = running.until(|health| {
        shown(health, "sources", "counts")["panics"].as_u64() >= Some(2)
            && shown(health, "endpoints", "state") == "delivering"
            && shown(health, "endpoints", "counts")["panics"] == 1
    });
    assert_eq!(shown(&health, "sources", "last_error")["message"], "panicked: without a message");
    running.stop();
}
