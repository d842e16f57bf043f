//! Meters that do not send SML.

use plugin_sml::Sml;
use telegram_testing::contract;
use test_meters::foreign;

#[tokio::test(start_paused = true)]
async fn a_protocol_that_no_plugin_reads_is_named_with_what_to_do() {
    for (bytes, expected) in [
        (foreign::hdlc(), "sends DLMS/COSEM in HDLC frames: this plugin reads SML; no plugin reads it yet"),
        (foreign::dlms_over_mbus(), "sends DLMS/COSEM over M-Bus: this plugin reads SML; no plugin reads it"),
        (
            foreign::encrypted_p1(),
            "sends encrypted DLMS/COSEM, as some P1 ports do: this plugin reads SML; no",
        ),
        (foreign::inverted_p1(), "with an inverted signal: this plugin reads SML; use a cable"),
        (foreign::tic(), "sends TIC, the text of French meters: this plugin reads SML; no plugin reads it"),
    ] {
        let error = contract::hears::<Sml>(&bytes).await;
        assert!(error.contains(expected) && !error.contains("alignment"), "{error}");
    }
}
