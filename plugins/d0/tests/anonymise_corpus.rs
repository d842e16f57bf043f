//! Real telegrams lose their numbers and keep their values, where a corpus of them is beside the workspace.

#[path = "anonymised/mod.rs"]
mod anonymised;

use std::path::PathBuf;

use anonymised::{anonymised, shown};
use libtest_mimic::{Arguments, Trial};
use telegram_testing::corpus;

fn main() {
    let trial = |(path, bytes): (PathBuf, Vec<u8>)| {
        Trial::test(path.file_name().unwrap_or_default().to_string_lossy(), move || {
            judge(&bytes);
            Ok(())
        })
    };
    let files = corpus::files(&["d0", "dsmr", "malformed"], "txt");
    let mut trials: Vec<_> = files.into_iter().map(trial).collect();
    if trials.is_empty() {
        trials.push(Trial::test("no corpus beside the workspace", || Ok(())).with_ignored_flag(true));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn judge(bytes: &[u8]) {
    let clean = anonymised(bytes).1;
    // A text may hold the meter's number beside others: a heat meter's `9.6`.
    let values =
        |bytes| -> Vec<_> { shown(bytes).into_iter().filter(|line| !line.contains("Text(")).collect() };
    assert_eq!(values(&clean), values(bytes));
    assert_eq!(anonymised(&clean), (0, clean));
}
