//! Meters that do not send SML.

use plugin_sml::Sml;
use telegram_testing::contract;
use test_meters::foreign;

#[tokio::test(start_paused = true)]
async fn a_protocol_that_no_plugin_reads_is_named_with_what_to_do() {
    for (bytes, expected) in [
        (
            foreign::hdlc(),
            "sends DLMS/COSEM in HDLC frames: this plugin reads SML; this program was built without the plugin `dlms`",
        ),
        (
            foreign::dlms_over_mbus(),
            "sends DLMS/COSEM over M-Bus: this plugin reads SML; this program was built without the plugin `dlms`",
        ),
        (
            foreign::encrypted_p1(),
            "sends encrypted DLMS/COSEM, as some P1 ports do: this plugin reads SML; this program was built",
        ),
        (foreign::inverted_p1(), "with an inverted signal: this plugin reads SML; use a cable"),
        (
            foreign::tic(),
            "sends TIC, the text of French meters: this plugin reads SML; this program was built without the plugin `tic`",
        ),
    ] {
        let error = contract::hears::<Sml>(&bytes).await;
        assert!(error.contains(expected) && !error.contains("alignment"), "{error}");
    }
}
