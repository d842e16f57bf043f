//! Anonymised telegrams: they lose their numbers and keep their values.

use libtest_mimic::Trial;
use telegram_testing::corpus;

use crate::anonymised::{anonymised, shown};

pub(crate) fn trials() -> Vec<Trial> {
    let files = corpus::files(&["d0", "dsmr", "malformed"], "txt").into_iter();
    let trial = |(path, bytes): (std::path::PathBuf, Vec<u8>)| {
        let name = format!("anonymised {}", path.file_name().unwrap_or_default().display());
        Trial::test(name, move || {
            judge(&bytes);
            Ok(())
        })
    };
    files.map(trial).collect()
}

fn judge(bytes: &[u8]) {
    let clean = anonymised(bytes).1;
    // A text may hold the meter's number beside others: a heat meter's `9.6`.
    let values =
        |bytes| -> Vec<_> { shown(bytes).into_iter().filter(|line| !line.contains("Text(")).collect() };
    assert_eq!(values(&clean), values(bytes));
    assert_eq!(anonymised(&clean), (0, clean));
}
