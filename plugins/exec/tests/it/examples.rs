//! The examples of the documents.

use super::*;

#[tokio::test]
async fn the_shell_example_describes_this_machine() {
    let mut source = source(&format!("command = [\"{}\"]", example("machine.sh")));
    let batch = first(&mut source).await.unwrap().unwrap();
    let names: Vec<_> = batch.readings.iter().map(|reading| reading.name.as_str()).collect();
    assert_eq!(names, ["load", "memory_available", "disk_used"]);
    assert!(
        batch.readings.iter().all(|reading| matches!(reading.value, framework::Value::Number(_))),
        "{batch:?}"
    );
}
