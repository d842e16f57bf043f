//! The publisher of CSV files in the real binary.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use crate::program::{DEADLINE, Program, smartmeter};

#[test]
fn readings_are_in_the_file_of_their_local_day() {
    let folder = tempfile::tempdir().unwrap();
    let (zone, files) = (folder.path().join("zones/thermal_zone0"), folder.path().join("csv"));
    fs::create_dir_all(&zone).unwrap();
    fs::write(zone.join("type"), "cpu-thermal\n").unwrap();
    fs::write(zone.join("temp"), "61835\n").unwrap();
    let config = folder.path().join("config.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nstate_dir = \"{0}/state\"\n[sources.machine]\nplugin = \"thermal\"\n\
         path = \"{0}/zones\"\ninterval = \"1s\"\n[publishers.table]\nplugin = \"csv\"\nfolder = \"{0}/csv\"\n\
         flush_interval = \"1s\"\n",
        folder.path().display()
    );
    fs::write(&config, text).unwrap();
    let mut command = smartmeter();
    // 14 hours before UTC: often another day.
    command.arg("--config").arg(&config).env("TZ", "XXX-14");
    let program = Program::run(command);
    program.until("/health", "names the folder", |health| {
        let error = health["publishers"]["table"]["last_error"]["message"].as_str().unwrap_or_default();
        error.starts_with("there is no folder `")
    });
    program.terminate();
    fs::create_dir(&files).unwrap();
    let mut command = smartmeter();
    command.arg("--config").arg(&config).env("TZ", "XXX-14");
    let program = Program::run(command);
    let start = Instant::now();
    let (name, text) = loop {
        let written = fs::read_dir(&files).unwrap().next().map(|entry| entry.unwrap().path());
        let text = written.as_ref().map(|path| fs::read_to_string(path).unwrap()).unwrap_or_default();
        if let (Some(path), true) = (written, text.lines().count() >= 3) {
            break (path.file_name().unwrap().to_str().unwrap().to_owned(), text);
        }
        assert!(start.elapsed() < DEADLINE, "no rows: {}", program.log());
        thread::sleep(Duration::from_millis(20)); // between two looks, not for timing
    };
    let mut rows = text.lines();
    assert_eq!(rows.next(), Some("time,zone0_cpu_thermal (°C)"));
    let row = rows.next().unwrap();
    let day = name.strip_prefix("machine_").unwrap().split(['.', '_']).next().unwrap();
    assert!(row.starts_with(day) && row.ends_with("+14:00,61.835"), "{name}: {row}");
    program.terminate();
}
