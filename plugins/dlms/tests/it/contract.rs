//! Contract of the framework with any plugin.

use framework::testing;
use plugin_dlms::Dlms;
use telegram_testing::contract;

#[test]
fn keeps_the_contract() {
    testing::check::<Dlms>();
}

#[test]
fn values_that_make_no_sense_are_refused_with_what_to_write() {
    contract::refuses::<Dlms>(&[
        ("port = \"ttyUSB0\"", "expected `/dev/…`"),
        ("port = \"/dev/x\"\nbaud = 0", "0 is not a valid baud rate"),
        ("port = \"/dev/x\"\nparity = \"odd\"", "unknown value `odd`"),
        ("port = \"/dev/x\"\nkey = \"36C6\"", "a key has 32 hexadecimal digits, and this one has 4"),
        ("port = \"/dev/x\"\nkey_file = \"/nonexistent\"", "/nonexistent"),
        ("port = \"/dev/x\"\nauthentication_key = \"x\"", "a key has 32 hexadecimal digits"),
        ("port = \"/dev/x\"\nenergy_unit = \"5Wh\"", "`5Wh` is not a power of ten of a unit"),
        ("port = \"/dev/x\"\nenergy_unit = \"5Wh\"", "hint: write `1Wh`, `10Wh` or `0.001Wh`"),
        ("port = \"/dev/x\"\ncurrent_unit = \"10mA\"", "hint: write `1A`, `0.1A`, `0.01A` or `0.001A`"),
    ]);
}

#[tokio::test]
async fn a_port_that_is_not_there_says_so() {
    contract::names_a_missing_port::<Dlms>().await;
}
