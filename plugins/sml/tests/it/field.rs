//! Telegrams as they were met in the field, which are not part of this project: a folder beside the workspace, where it
//! exists.

use std::path::Path;

use framework::{AcquireError, testing};
use plugin_sml::Sml;

#[tokio::test(start_paused = true)]
async fn a_counter_without_backstop_holds_back_itself_only() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/field");
    let file = folder.join("own-10c-no-backstop-sml.rec");
    if !file.is_file() {
        return;
    }
    let config = format!("[sources.m]\nplugin = \"sml\"\nport = \"replay:{}\"\n", file.display());
    let mut source = testing::source::<Sml>(&config, Path::new("/nonexistent")).acquisition;
    source.open().await.unwrap();
    let (mut powers, mut counters) = (0, 0);
    loop {
        match source.acquire().await {
            Ok(Some(batch)) => {
                powers += usize::from(batch.get("CURRENT_POWER_SUM").is_some());
                counters += usize::from(batch.get("POWER_IMPORT").is_some());
            }
            Err(AcquireError::Unavailable { .. }) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(powers > 10, "{powers}");
    assert_eq!(counters, 1);
}
