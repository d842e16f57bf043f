//! Contract of the framework with any plugin.

use framework::testing;
use plugin_mbus::Mbus;
use telegram_testing::contract;

#[test]
fn keeps_the_contract() {
    testing::check::<Mbus>();
}

#[test]
fn values_that_make_no_sense_are_refused_with_what_to_write() {
    let meter = |keys: &str| format!("port = \"/dev/x\"\n[sources.m.meters.a]\n{keys}");
    for (keys, expected) in [
        ("address = 5".to_owned(), "missing"),
        ("port = \"x\"\naddress = 5".to_owned(), "expected `/dev/…`"),
        ("port = \"/dev/x\"".to_owned(), "no meter is named"),
        ("port = \"/dev/x\"\naddress = 251".to_owned(), "251 is not a primary address: expected 0 to 250"),
        ("port = \"/dev/x\"\naddress = 5\nsecondary = \"12345678\"".to_owned(), "exclude each other"),
        ("port = \"/dev/x\"\nsecondary = \"12\"".to_owned(), "`12` is not a secondary address"),
        ("port = \"/dev/x\"\naddress = 5\nbaud = 2401".to_owned(), "2401 is not a baud rate of an M-Bus"),
        ("port = \"/dev/x\"\naddress = 5\nanswer_timeout = \"0s\"".to_owned(), "must be greater than 0"),
        (meter("interval = \"1h\""), "a meter needs its primary address"),
        (meter("address = 5\ninterval = \"0s\""), "`interval` must be greater than 0"),
        (meter("address = 5\nbaud = 9601"), "9601 is not a baud rate"),
        (meter("address = 5\n[sources.m.meters.b]\naddress = 5"), "`b` and `a` have one address"),
        (format!("address = 5\n{}", meter("address = 6")), "are those of a single meter"),
    ] {
        contract::refuses::<Mbus>(&[(&keys, expected)]);
    }
}
