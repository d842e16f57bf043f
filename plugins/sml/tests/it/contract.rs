//! Contract of the framework with any plugin.

use framework::testing;
use plugin_sml::Sml;
use telegram_testing::contract;

#[test]
fn keeps_the_contract() {
    testing::check::<Sml>();
}

#[test]
fn values_that_make_no_sense_are_refused_with_what_to_write() {
    contract::refuses::<Sml>(&[
        ("port = \"ttyUSB0\"", "expected `/dev/…`"),
        ("port = \"/dev/x\"\nbaud = 0", "0 is not a valid baud rate"),
        ("port = \"/dev/x\"\nreplay_speed = 2.0", "only a recording has a replay speed"),
        ("port = \"/dev/x\"\nmax_power = \"43\"", "hint: write watts or kilowatts: `43kW`, `11000W`"),
        ("port = \"/dev/x\"\nsilent_after = \"0s\"", "must be greater than 0"),
        (
            "port = \"/dev/x\"\ncrc = \"none\"",
            "unknown value `none`, expected one of `auto`, `x25`, `kermit`",
        ),
        (
            "port = \"/dev/x\"\npower_sign = \"x\"",
            "unknown value `x`, expected one of `auto`, `value`, `status`",
        ),
    ]);
}

#[tokio::test]
async fn a_port_that_is_not_there_says_so() {
    contract::names_a_missing_port::<Sml>().await;
}
