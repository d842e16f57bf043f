//! What `smartmeter probe` says of a meter without its key.

use framework::SourcePlugin as _;
use plugin_dlms::Dlms;
use telegram::{Description, Keys};

use crate::support::*;

fn describe(bytes: &[u8], keys: Keys) -> Option<Description> {
    telegram_testing::protocol(Dlms::KIND).describe.unwrap()(bytes, &keys)
}

#[test]
fn an_encrypted_meter_is_described_with_its_maker_and_the_keys_to_ask_for() {
    let message = |control| ciphered(control, KAIFA, 77, &notification(&TIME, objects(0)));
    for (bytes, keys, what, names, advice) in [
        (
            mbus(&message(0x20), 245).concat(),
            Keys::default(),
            "1 encrypted telegram of a Kaifa meter (DLMS/COSEM in M-Bus frames, system title 4B464D6750000002)",
            &["key"][..],
            "encrypted: ask your grid operator for the encryption key (GUEK) and write `key = \"…\"`",
        ),
        (
            [message(0x30), message(0x30)].concat(),
            Keys::default(),
            "2 encrypted telegrams of a Kaifa meter (encrypted P1, system title 4B464D6750000002)",
            &["key", "authentication_key"],
            "encrypted: ask your grid operator for the encryption key (GUEK) and the authentication key (GAK) and write `key = \
             \"…\"` and `authentication_key = \"…\"`",
        ),
        (
            hdlc(&message(0x30)),
            other_keys(),
            "1 encrypted telegram of a Kaifa meter (DLMS/COSEM in HDLC frames, system title 4B464D6750000002)",
            &["key", "authentication_key"],
            "the tag does not verify: wrong key? check `key = \"…\"` and `authentication_key = \"…\"`",
        ),
    ] {
        let found = describe(&bytes, keys).unwrap();
        assert_eq!((found.what.as_str(), found.keys), (what, names));
        assert_eq!(found.advice.as_deref(), Some(advice));
        assert_eq!(found.ident.as_deref(), Some("4B464D6750000002"));
    }
}

#[test]
fn a_meter_that_can_be_read_needs_no_advice_and_other_bytes_are_not_described() {
    let found = describe(&hdlc(&notification(&TIME, objects(0))), Keys::default()).unwrap();
    assert_eq!(found.what, "1 telegram (DLMS/COSEM in HDLC frames)");
    assert_eq!((found.ident.as_deref(), found.advice), (Some("1XYZ0000000042"), None));
    assert_eq!(describe(b"/XYZ5\r\n\r\n1-0:1.8.0(000006.695*kWh)\r\n!\r\n", Keys::default()), None);
}
