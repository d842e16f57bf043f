//! Meters that do not send SML.

use std::{fs, path::Path};

use framework::{AcquireError, testing};
use plugin_sml::Sml;
use test_meters::foreign;

/// Returns the first error of a source that reads these bytes, over and over.
async fn error(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bytes");
    fs::write(&file, bytes.repeat(20)).unwrap();
    let config = format!("[sources.m]\nplugin = \"sml\"\nport = \"replay:{}\"\n", file.display());
    let mut source = testing::source::<Sml>(&config, Path::new("/nonexistent")).acquisition;
    source.open().await.unwrap();
    match source.acquire().await {
        Err(AcquireError::Misconfigured { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

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
        let error = error(&bytes).await;
        assert!(error.contains(expected) && !error.contains("alignment"), "{error}");
    }
}
