//! Contract of the framework with any plugin.

use framework::testing;
use plugin_d0::D0;
use telegram_testing::contract;

#[test]
fn keeps_the_contract() {
    testing::check::<D0>();
}

#[test]
fn values_that_make_no_sense_are_refused_with_what_to_write() {
    contract::refuses::<D0>(&[
        ("port = \"ttyUSB0\"", "`ttyUSB0` is not a valid port: expected `/dev/…`"),
        ("port = \"/dev/x\"\nbaud = 0", "0 is not a valid baud rate"),
        ("port = \"replay:x\"\nspeed = 2.0", "hint: it is now called `replay_speed`"),
        ("port = \"/dev/x\"\nmax_power = \"43\"", "hint: write watts or kilowatts: `43kW`, `11000W`"),
        (
            "port = \"/dev/x\"\ntime_zone = \"EET\"",
            "hint: write the meter's winter time: `+02:00` in Finland",
        ),
        ("port = \"/dev/x\"\nsilent_after = \"0s\"", "must be greater than 0"),
        (
            "port = \"/dev/x\"\nframing = \"7n1\"",
            "unknown value `7n1`, expected one of `auto`, `7e1`, `7o1`, `8n1`",
        ),
    ]);
}

#[tokio::test]
async fn a_port_that_is_not_there_says_so() {
    contract::names_a_missing_port::<D0>().await;
}
