//! Brokers that forget, send too much, or confuse clients.

use framework::Timestamp;

use crate::{
    log,
    mosquitto::Mosquitto,
    support::{context, deliver, grid, open, power, reconnects, record, until},
    watcher::Watcher,
};

const STATE: &str = "smartmeter/grid/state";

pub(crate) async fn a_forgotten_state_is_sent_again() {
    let mut broker = Mosquitto::start();
    let mut home = open(&broker.url(), "", &context()).await;
    let records = [1, 2].map(|watts| record("grid", Timestamp::now(), grid(watts)));
    deliver(&mut home, &records).await;
    broker.stop();
    broker.forget();
    broker.run();
    // No new reading would bring it.
    let later = Watcher::latecomer(broker.port).await;
    later.until("state", |heard| heard.iter().any(|heard| heard.topic == STATE)).await;
    let states: Vec<_> = later.on(STATE).iter().map(|state| power(state)).collect();
    assert_eq!(states, [2]);
}

pub(crate) async fn a_message_beyond_the_limit_does_not_stop_the_delivery() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    watcher.send("smartmeter/grid/command/set_s0", &"1".repeat((1 << 20) + 1), true).await;
    let mut home = open(&broker.url(), "allow_commands = true", &context()).await;
    until("the connection was lost", || reconnects(&home) > 0).await;
    deliver(&mut home, &[record("grid", Timestamp::now(), grid(1))]).await;
    // The announcement needs a stable connection.
    let device = "homeassistant/device/smartmeter_grid/config";
    watcher.until("announcement", |heard| heard.iter().any(|heard| heard.topic == device)).await;
    assert_eq!(reconnects(&home), 1);
    let words = "sent a message longer than 1 MiB: if it retains one below `homeassistant` or `smartmeter`, remove it";
    assert_eq!(log::count(&broker.url(), words), 1);
}

pub(crate) async fn a_broker_that_is_restarted_is_not_taken_for_another_client() {
    let mut broker = Mosquitto::start();
    let url = broker.url();
    let home = open(&url, "", &context()).await;
    let connected = || home.context.stats().facts().iter().any(|(_, fact)| fact.starts_with("connected"));
    until("connected", connected).await;
    for count in 1..=5 {
        broker.stop();
        // The program looks whether the broker is down before it says so.
        until("disconnected", || !connected()).await;
        broker.run();
        until("connected again", || reconnects(&home) == count && connected()).await;
    }
    assert_eq!(log::count(&url, "perhaps another client"), 0);
    assert!(log::count(&url, "closed the connection") > 0);
}

pub(crate) async fn two_clients_with_one_id_are_reported_once() {
    let broker = Mosquitto::start();
    let url = broker.url();
    let cx = context();
    let one = open(&url, "", &cx).await;
    let other = open(&url, "", &cx).await;
    until("they disconnect each other", || reconnects(&one) > 2 && reconnects(&other) > 2).await;
    let words = "perhaps another client has the ID `smartmeter-home`; set another `client_id`";
    assert_eq!(log::count(&url, words), 2, "once each");
    assert_eq!(log::count(&url, "connected to"), 2, "once each");
}
