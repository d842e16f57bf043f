//! Meters whose protocol another plugin reads, or none.

use plugin_d0::D0;
use telegram_testing::contract;

#[tokio::test(start_paused = true)]
async fn a_foreign_protocol_is_named_and_not_called_misalignment() {
    let hdlc = b"\x7e\xa0\x2a\x41\x08\x83\x13\x04\x13\xe6\xe7\x00\x0f\x40\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x7e";
    let mbus = b"\x68\x0d\x0d\x68\x53\xff\x11\x01\x67\xdb\x08XYZ\x01\x02\x03\x99\x16";
    let p1 = b"\xdb\x08XYZ\x01\x02\x03\x04\x05\x82\x01\x72\x30\0\0\x01\xa8.and so on";
    let text = "/XYZ5P1\r\n\r\n1-3:0.2.8(50)\r\n1-0:1.8.1(000123.456*kWh)\r\n1-0:1.7.0(00.301*kW)\r\n!\r\n";
    let inverted: Vec<u8> = text.bytes().map(|byte| !byte << 1 | 1).collect();
    for (bytes, named, advice) in [
        (&hdlc[..], "sends DLMS/COSEM in HDLC frames", "without the plugin `dlms`"),
        (mbus, "sends DLMS/COSEM over M-Bus", "without the plugin `dlms`"),
        (p1, "sends encrypted DLMS/COSEM", "without the plugin `dlms`"),
        (&inverted, "with an inverted signal", "inverts the signal"),
    ] {
        let error = contract::hears::<D0>(bytes).await;
        assert!(error.contains(named) && error.contains(advice), "{error}");
    }
}
