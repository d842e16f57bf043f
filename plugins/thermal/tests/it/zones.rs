//! The plugin against zones in a folder, as the kernel shows them.

use std::{fs, path::Path};

use framework::{AcquireError, testing};
use plugin_thermal::Thermal;

#[test]
fn keeps_the_contract() {
    testing::check::<Thermal>();
}

fn zone(folder: &Path, number: u32, kind: &str, temp: &str) {
    let zone = folder.join(format!("thermal_zone{number}"));
    fs::create_dir(&zone).unwrap();
    fs::write(zone.join("type"), kind).unwrap();
    fs::write(zone.join("temp"), temp).unwrap();
}

fn config(folder: &Path) -> String {
    format!("[sources.machine]\nplugin = \"thermal\"\npath = \"{}\"\n", folder.display())
}

#[tokio::test]
async fn every_zone_with_a_temperature_is_a_reading() {
    let folder = tempfile::tempdir().unwrap();
    zone(folder.path(), 1, "gpu-thermal\n", "-1500\n");
    zone(folder.path(), 0, "cpu-thermal\n", "61835\n");
    zone(folder.path(), 2, "off\n", "");
    fs::create_dir(folder.path().join("cooling_device0")).unwrap();
    let batch = testing::first_batch::<Thermal>(&config(folder.path()), folder.path()).await.unwrap();
    let shown: Vec<_> = batch.readings.iter().map(|r| format!("{} {:?}", r.name, r.value)).collect();
    assert_eq!(shown.len(), 2);
    assert!(shown[0].starts_with("zone0_cpu_thermal") && shown[0].contains("61835"), "{shown:?}");
    assert!(shown[1].starts_with("zone1_gpu_thermal") && shown[1].contains("-1500"), "{shown:?}");
}

#[tokio::test]
async fn a_machine_without_zones_says_so() {
    let error =
        testing::first_batch::<Thermal>(&config(Path::new("/nonexistent")), Path::new("/nonexistent")).await;
    assert!(matches!(error, Err(AcquireError::Unavailable { device, .. }) if device == "/nonexistent"));
}

#[tokio::test]
async fn a_machine_without_a_zone_has_nothing_to_read_and_is_not_well() {
    let folder = tempfile::tempdir().unwrap();
    zone(folder.path(), 2, "off\n", "");
    let error = testing::first_batch::<Thermal>(&config(folder.path()), folder.path()).await.err();
    let reason = error.unwrap().to_string();
    assert!(reason.contains("no thermal zone in `") && reason.contains("remove this source"), "{reason}");
}

#[tokio::test]
async fn a_check_warns_of_a_folder_that_is_not_there_until_zones_come() {
    let folder = tempfile::tempdir().unwrap();
    let zones = folder.path().join("zones");
    let config = config(&zones);
    let warnings = framework::Config::parse("config.toml", &config, &[]).unwrap().warnings;
    assert_eq!(warnings, [format!("source `machine`: there is no folder `{}`", zones.display())]);
    let mut source = testing::source::<Thermal>(&config, folder.path());
    fs::create_dir(&zones).unwrap();
    zone(&zones, 0, "cpu-thermal\n", "61835\n");
    assert!(source.context.stats().problem().is_some());
    assert!(source.acquisition.acquire().await.unwrap().is_some());
    assert!(source.context.stats().problem().is_none());
}
