//! Contract of the framework with any plugin.

use framework::testing;
use plugin_wmbus::Wmbus;
use telegram_testing::contract;

#[test]
fn keeps_the_contract() {
    testing::check::<Wmbus>();
}

#[test]
fn values_that_make_no_sense_are_refused_with_what_to_write() {
    let meter = |keys: &str| format!("receiver = \"cul\"\nport = \"/dev/x\"\n[sources.m.meters.a]\n{keys}");
    for (keys, expected) in [
        (
            "receiver = \"x\"\nport = \"/dev/x\"".to_owned(),
            "unknown receiver `x`, expected one of `rtl_wmbus`",
        ),
        ("receiver = \"cul\"".to_owned(), "hint: write the stick's port, `port = \"/dev/ttyUSB0\"`"),
        ("receiver = \"cul\"\nport = \"/dev/x\"\ncommand = [\"a\"]".to_owned(), "exclude each other"),
        ("receiver = \"cul\"\nport = \"x\"".to_owned(), "expected `/dev/…`"),
        ("receiver = \"cul\"\nport = \"/dev/x\"\nmode = \"R\"".to_owned(), "expected one of `C`, `T`, `S`"),
        ("receiver = \"rtl_433\"\ncommand = [\"a\"]\nmode = \"T\"".to_owned(), "`mode` is for sticks"),
        ("receiver = \"rtl_433\"\ncommand = [\"a\"]\nbaud = 9600".to_owned(), "leave out `baud`"),
        ("receiver = \"cul\"\nport = \"/dev/x\"\nbaud = 9601".to_owned(), "9601 is not a valid baud rate"),
        ("receiver = \"cul\"\nport = \"/dev/x\"\nsilent_after = \"0s\"".to_owned(), "must be greater than 0"),
        ("receiver = \"cul\"\nport = \"/dev/x\"\nexpire_after = \"0s\"".to_owned(), "must be greater than 0"),
        (meter("id = \"12\""), "expected the number on the meter such as `12345678`"),
        (meter("id = \"12345678\"\nkey = \"12\""), "a key has 32 hexadecimal digits, and this one has 2"),
        (meter("id = \"12345678\"\nkey_file = \"/no/such\""), "could not read `/no/such`"),
        (meter("id = \"12345678\"\nmanufacturer = \"K\""), "three letters"),
        (meter("id = \"12345678\"\n[sources.m.meters.b]\nid = \"12345678\""), "have one number"),
    ] {
        contract::refuses::<Wmbus>(&[(&keys, expected)]);
    }
}
