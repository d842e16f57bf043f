//! Brokers that forget, that send too much, that take another client for this one.

use framework::Timestamp;

use crate::{
    log,
    mosquitto::Mosquitto,
    support::{a_house, deliver, grid, open, power, reconnects, record, until},
    watcher::Watcher,
};

const STATE: &str = "smartmeter/grid/state";

pub(crate) async fn a_broker_that_forgot_the_state_is_told_again() {
    let mut broker = Mosquitto::start();
    let mut home = open(&broker.url(), "", &a_house()).await;
    let records = [1, 2].map(|watts| record("grid", Timestamp::now(), grid(watts)));
    deliver(&mut home, &records).await;
    broker.stop();
    broker.forget();
    broker.run();
    // No reading comes that would bring it.
    let later = Watcher::latecomer(broker.port).await;
    later.until("state", |heard| heard.iter().any(|heard| heard.topic == STATE)).await;
    let states: Vec<_> = later.on(STATE).iter().map(|state| power(state)).collect();
    assert_eq!(states, [2]);
}

pub(crate) async fn a_message_that_is_too_long_does_not_stop_the_delivery() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    watcher.say("smartmeter/grid/command/set_s0", &"1".repeat((1 << 20) + 1), true).await;
    let mut home = open(&broker.url(), "allow_commands = true", &a_house()).await;
    until("the connection was lost", || reconnects(&home) > 0).await;
    deliver(&mut home, &[record("grid", Timestamp::now(), grid(1))]).await;
    // That takes a connection that stays.
    let device = "homeassistant/device/smartmeter_grid/config";
    watcher.until("announcement", |heard| heard.iter().any(|heard| heard.topic == device)).await;
    assert_eq!(reconnects(&home), 1);
    let words =
        "sent a message longer than 1 MiB: if it keeps one below `homeassistant` or `smartmeter`, remove it";
    assert_eq!(log::count(&broker.url(), words), 1);
}

pub(crate) async fn two_clients_of_one_name_are_told_once() {
    let broker = Mosquitto::start();
    let url = broker.url();
    let house = a_house();
    let one = open(&url, "", &house).await;
    let other = open(&url, "", &house).await;
    until("they throw each other out", || reconnects(&one) > 2 && reconnects(&other) > 2).await;
    let words = "perhaps another client is called `smartmeter-home`: set another `client_id`";
    assert_eq!(log::count(&url, words), 2, "once each");
    assert_eq!(log::count(&url, "connected to"), 2, "once each");
}
