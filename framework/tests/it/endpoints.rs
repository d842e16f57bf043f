//! Endpoints: bound at the start, served again after a panic, beside everything else.

use framework::{
    Batch, Config, Reading, Service,
    testing::{self, publisher_context, update_source},
};

use crate::{Running, get};

fn endpoint(name: &str, listen: &str, does: &str) -> String {
    format!("[endpoints.{name}]\nplugin = \"served\"\nlisten = \"{listen}\"\ndoes = \"{does}\"\n")
}

#[test]
fn an_endpoint_that_fails_is_served_again_and_disturbs_nobody() {
    let any = "127.0.0.1:0";
    let source = "[sources.work]\nplugin = \"fake\"\nport = \"x\"\ndoes = \"work\"\n";
    let text = ["work", "panic", "return", "block"].map(|does| endpoint(does, any, does)).concat();
    let running = Running::start(&format!("{source}{text}"));
    let health = running.until(|health| {
        ["panic", "return"].iter().all(|name| {
            let shown = &health["endpoints"][name];
            shown["state"] == "delivering" && shown["last_error"].is_object()
        }) && health["sources"]["work"]["state"] == "delivering"
    });
    for name in ["work", "panic", "return"] {
        let shown = &health["endpoints"][name];
        let address = shown["facts"]["listen"].as_str().unwrap().parse().unwrap();
        assert_eq!(get(address, "/"), "work", "{name}: {shown}");
        assert_eq!(shown["plugin"], "served");
        assert_eq!(shown["counts"]["panics"], u64::from(name == "panic"));
    }
    let message = |name: &str| health["endpoints"][name]["last_error"]["message"].as_str();
    assert_eq!(message("panic"), Some("panicked: a bug"));
    assert_eq!(message("return"), Some("stopped by itself"));
    // The one that blocks its thread does not hold up the end.
    running.stop();
}

#[test]
fn a_port_in_use_ends_the_program_with_a_hint_that_names_the_other_program() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text =
        format!("[server]\nlisten = \"127.0.0.1:0\"\n{}", endpoint("evcc", &address.to_string(), "work"));
    let config = Config::parse("config.toml", &text, &[]).map_err(|mistakes| mistakes.to_string()).unwrap();
    let (name, pid) = (std::fs::read_to_string("/proc/self/comm").unwrap(), std::process::id());
    let name = name.trim_end();
    let error = Service::new(config).run(std::future::pending()).unwrap_err().to_string();
    assert!(error.starts_with(&format!("could not listen on {address}: ")), "{error}");
    assert!(
        error.contains(&format!("\nhint: another program serves there, `{name}` (process {pid}): stop it"))
            && error.ends_with("`[endpoints.evcc] listen`"),
        "{error}"
    );
}

#[tokio::test]
async fn an_endpoint_can_wait_for_the_next_batch() {
    let batch = |n: i64| Batch::now(vec![Reading::number("n", n)]);
    let program = publisher_context(&[("grid", batch(0)), ("heat", batch(0))]);
    let context = testing::endpoint_context(&program);
    let mut updates = context.updates();
    update_source(&program, "heat", batch(1));
    let next = updates.next().await;
    assert_eq!((next.section.as_str(), &next.batch.readings), ("heat", &batch(1).readings));
    assert_eq!(context.latest().count(), 2);
    // One that is too slow goes on with the oldest batch that is still there.
    (0..300).for_each(|n| update_source(&program, "grid", batch(n)));
    assert_eq!(updates.next().await.batch.readings, batch(44).readings);
}
