//! Telegrams as they were met in the field, which are not part of this project: a folder beside the workspace, where it
//! exists.

use std::path::{Path, PathBuf};

use framework::{Batch, testing};
use plugin_d0::D0;

fn file(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/field");
    Some(folder.join(name)).filter(|file| file.is_file())
}

/// Returns the batches of a recording; `None` without the folder.
async fn batches(name: &str) -> Option<Vec<Batch>> {
    let config = format!("[sources.m]\nplugin = \"d0\"\nport = \"replay:{}\"\n", file(name)?.display());
    let mut source = testing::source::<D0>(&config, Path::new("/nonexistent")).acquisition;
    source.open().await.unwrap();
    let mut batches = Vec::new();
    loop {
        match source.acquire().await {
            Ok(batch) => batches.push(batch),
            Err(framework::AcquireError::Unavailable { .. }) => return Some(batches),
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_counter_without_backstop_holds_back_itself_only() {
    for (name, counter, power) in [
        ("own-10-no-backstop-d0.rec", "POWER_IMPORT", "CURRENT_POWER_SUM"),
        ("own-10b-no-backstop-p1-crc.rec", "POWER_IMPORT", "CURRENT_POWER_EXPORT"),
    ] {
        let Some(batches) = batches(name).await else { return };
        assert!(batches.len() > 10, "{name}: {}", batches.len());
        assert!(batches.iter().all(|batch| batch.get(power).is_some()), "{name}");
        assert_eq!(batches.iter().filter(|batch| batch.get(counter).is_some()).count(), 1, "{name}");
    }
}
