//! Files in folders of the tests' own.

#![allow(clippy::unwrap_used)] // a test's own files

use std::{env, fs, path::Path, process::Command};

use framework::{Batch, Decimal, PublishError, Publisher, Reading, Record, testing};
use plugin_csv::Csv;

#[test]
fn keeps_the_contract() {
    testing::check_publisher::<Csv>();
}

fn publisher(folder: &Path, more: &str) -> Box<dyn Publisher> {
    let config = format!("[publishers.table]\nplugin = \"csv\"\nfolder = \"{}\"\n{more}\n", folder.display());
    testing::publisher::<Csv>(&config).publisher
}

/// A record with these numbers, at noon in UTC, which is the same day nearly everywhere.
fn record(source: &str, day: &str, numbers: &[(&str, &str)]) -> Record {
    let reading = |(name, number): &(&str, &str)| {
        Reading::gauge(*name, Decimal::parse(number.as_bytes()).unwrap()).unit("W")
    };
    let readings = numbers.iter().map(reading).collect();
    Record {
        section: source.into(),
        batch: Batch { taken_at: format!("{day}T12:00:00Z").parse().unwrap(), readings },
    }
}

/// Returns the lines of a file, without the times.
fn lines(folder: &Path, name: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(text.ends_with('\n'), "{name}: {text}");
    text.lines().map(|line| line.split_once([',', ';']).unwrap().1.to_owned()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn each_source_has_a_file_a_day_with_a_header() {
    let folder = tempfile::tempdir().unwrap();
    let mut publisher = publisher(folder.path(), "");
    let records = [
        record("grid", "2026-11-23", &[("power", "312.25"), ("export", "-7")]),
        record("pv", "2026-11-23", &[("power", "1")]),
        record("grid", "2026-11-23", &[("power", "313.25"), ("export", "-8")]),
        record("grid", "2026-11-24", &[("power", "314.25"), ("export", "-9")]),
    ];
    assert_eq!(publisher.publish(&records[..2]).await, Ok(2));
    assert_eq!(publisher.publish(&records[2..]).await, Ok(2));
    assert_eq!(names(folder.path()), ["grid_2026-11-23.csv", "grid_2026-11-24.csv", "pv_2026-11-23.csv"]);
    let header = "power (W),export (W)";
    assert_eq!(lines(folder.path(), "grid_2026-11-23.csv"), [header, "312.25,-7", "313.25,-8"]);
    assert_eq!(lines(folder.path(), "grid_2026-11-24.csv"), [header, "314.25,-9"]);
    assert_eq!(lines(folder.path(), "pv_2026-11-23.csv"), ["power (W)", "1"]);
    let text = fs::read_to_string(folder.path().join("pv_2026-11-23.csv")).unwrap();
    let time = text.lines().nth(1).unwrap().split(',').next().unwrap();
    assert_eq!(time.parse::<framework::Timestamp>().unwrap(), records[1].batch.taken_at);
}

#[tokio::test]
async fn new_series_begin_a_second_file_and_missing_ones_are_empty_cells() {
    let folder = tempfile::tempdir().unwrap();
    let day = "2026-11-23";
    for numbers in [
        &[("a", "1")][..],
        &[("b", "2"), ("a", "1")],
        &[("b", "3")],
        &[("a", "4")],
        &[("a", "5"), ("b", "6")],
    ] {
        // A publisher of its own each, as after a restart.
        assert_eq!(publisher(folder.path(), "").publish(&[record("grid", day, numbers)]).await, Ok(1));
    }
    assert_eq!(lines(folder.path(), "grid_2026-11-23.csv"), ["a (W)", "1", "4"]);
    assert_eq!(lines(folder.path(), "grid_2026-11-23_2.csv"), ["b (W),a (W)", "2,1", "3,", "6,5"]);
}

#[tokio::test]
async fn a_spreadsheet_calculates_no_name_and_reads_a_decimal_comma() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = [("=1+1", "-1.5"), ("@a;b", "2"), ("line\nend", "3")];
    let mut publisher = publisher(folder.path(), "decimal_comma = true");
    publisher.publish(&[record("grid", "2026-11-23", &numbers)]).await.unwrap();
    let found = lines(folder.path(), "grid_2026-11-23.csv");
    assert_eq!(found, ["'=1+1 (W);\"'@a;b (W)\";line end (W)", "-1,5;2;3"]);
}

#[tokio::test]
async fn a_row_that_was_left_half_written_is_removed_before_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grid_2026-11-23.csv");
    for (left, rows) in [
        ("time,power (W)\n2026-11-23T12:00:00Z,1\n2026-11-23T12:00:05Z,2", &["power (W)", "1", "7"][..]),
        ("time,pow", &["power (W)", "7"]),
        ("", &["power (W)", "7"]),
    ] {
        fs::write(&path, left).unwrap();
        publisher(folder.path(), "")
            .publish(&[record("grid", "2026-11-23", &[("power", "7")])])
            .await
            .unwrap();
        assert_eq!(lines(folder.path(), "grid_2026-11-23.csv"), rows, "{left}");
    }
}

#[tokio::test]
async fn a_file_that_was_moved_begins_again_and_one_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grid_2026-11-23.csv");
    let records = [record("grid", "2026-11-23", &[("power", "7")])];
    let mut publisher = publisher(folder.path(), "");
    publisher.publish(&records).await.unwrap();
    fs::rename(&path, folder.path().join("old")).unwrap();
    publisher.publish(&records).await.unwrap();
    assert_eq!(lines(folder.path(), "grid_2026-11-23.csv"), ["power (W)", "7"]);
    for foreign in ["shopping list", "milk,2\neggs,6\n"] {
        fs::write(&path, foreign).unwrap();
        publisher.publish(&records).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), foreign);
    }
    assert_eq!(lines(folder.path(), "grid_2026-11-23_2.csv"), ["power (W)", "7", "7"]);
    // A pipe that nobody reads does not hold up the program.
    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let error = publisher.publish(&records).await.unwrap_err();
    assert!(
        error.to_string().ends_with("grid_2026-11-23.csv`: it is not a regular file: remove it"),
        "{error}"
    );
}

#[tokio::test]
async fn a_missing_folder_is_not_made_but_named() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, record) = (folder.path().join("usb"), record("grid", "2026-11-23", &[("power", "7")]));
    let mut publisher = publisher(&missing, "");
    let error = publisher.publish(std::slice::from_ref(&record)).await.unwrap_err();
    assert!(matches!(error, PublishError::Misconfigured { .. }));
    let expected = format!("there is no folder `{}`: create it, or mount its disk", missing.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
    fs::create_dir(&missing).unwrap();
    assert_eq!(publisher.publish(&[record]).await, Ok(1));
}

#[test]
fn two_ways_of_writing_a_folder_are_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (base, path) = (folder.path().display(), |name: &str| folder.path().join(name));
    fs::create_dir(path("csv")).unwrap();
    std::os::unix::fs::symlink(path("csv"), path("link")).unwrap();
    let used = |folder: &str| publisher(Path::new(folder), "").exclusive();
    for (one, other) in [
        ("csv", "csv/"),
        ("csv", "/csv"),
        ("csv", "./csv"),
        ("csv", "csv/../csv"),
        ("csv", "link"),
        ("missing", "csv/../missing//"),
        ("missing/deep", "missing/../missing/deep"),
        ("link/missing", "csv/missing"),
    ] {
        assert_eq!(used(&format!("{base}/{one}")), used(&format!("{base}/{other}")), "{one} and {other}");
    }
    assert_ne!(used(&format!("{base}/csv")), used(&format!("{base}/csv/deep")));
}

#[tokio::test]
async fn a_source_with_ever_new_names_does_not_fill_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut publisher = publisher(folder.path(), "");
    let named = |n: usize| [record("grid", "2026-11-23", &[(&format!("sensor_{n}"), "1")])];
    for n in 0..100 {
        publisher.publish(&named(n)).await.unwrap();
    }
    let error = publisher.publish(&named(100)).await.unwrap_err();
    assert!(matches!(error, PublishError::Refused { .. }), "{error}");
    assert_eq!(names(folder.path()).len(), 100);
    assert_eq!(publisher.publish(&named(7)).await, Ok(1));
}

/// Name of the variable with the folder of the child that has a limit of file sizes.
const LIMITED: &str = "CSV_TEST_FOLDER";

#[test]
fn a_full_disk_keeps_whole_rows_and_is_retried() {
    let Some(folder) = env::var_os(LIMITED) else {
        // The limit of a file's size stands for a full disk, in a process of its own.
        let folder = tempfile::tempdir().unwrap();
        let script =
            "trap '' XFSZ; ulimit -f 2; exec \"$0\" --exact a_full_disk_keeps_whole_rows_and_is_retried";
        let mut child = Command::new("sh");
        child.args(["-c", script]).arg(env::current_exe().unwrap()).env(LIMITED, folder.path());
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
        return;
    };
    let folder = Path::new(&folder);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut publisher = publisher(folder, "");
        // The file of `pv` has room, that of `grid` has not: neither keeps a row of a failed delivery.
        let records: Vec<_> =
            ["pv", "grid"].map(|source| record(source, "2026-11-23", &[("power", "7")])).into();
        publisher.publish(&records).await.unwrap();
        let many: Vec<_> =
            std::iter::once(&records[0]).chain(std::iter::repeat_n(&records[1], 100)).cloned().collect();
        let error = publisher.publish(&many).await.unwrap_err();
        assert!(matches!(error, PublishError::Unavailable { .. }), "{error}");
        assert!(error.to_string().ends_with("free some space there"), "{error}");
        for source in ["pv", "grid"] {
            assert_eq!(lines(folder, &format!("{source}_2026-11-23.csv")), ["power (W)", "7"]);
        }
        assert_eq!(publisher.publish(&records).await, Ok(2));
    });
}
