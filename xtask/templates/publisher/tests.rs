//! The plugin with records as the framework passes them.

#![allow(clippy::unwrap_used)] // a test's own files

use std::fs;

use framework::{Batch, PublishError, Reading, Record, testing};
use plugin_NAME::Plugin;

#[test]
fn keeps_the_contract() {
    testing::check_publisher::<Plugin>();
}

fn record(number: i64) -> Record {
    Record { section: "grid".into(), batch: Batch::now(vec![Reading::gauge("power", number).unit("W")]) }
}

#[tokio::test]
async fn each_number_is_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readings.txt");
    let config = format!(
        r#"
        [publishers.NAME]
        plugin = "NAME"
        path = "{}"
        "#,
        path.display()
    );
    let mut publisher = testing::publisher::<Plugin>(&config).publisher;
    assert_eq!(publisher.publish(&[record(1), record(2)]).await, Ok(2));
    let lines = fs::read_to_string(&path).unwrap();
    assert_eq!(lines.lines().filter(|line| line.contains(" grid/power ")).count(), 2, "{lines}");

    // What fails comes again.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = publisher.publish(&[record(3)]).await.unwrap_err();
    assert!(matches!(error, PublishError::Unavailable { .. }), "{error}");
}
