//! Anonymised telegrams: they lose their numbers and keep their values.

use std::{fs, path::Path};

use libtest_mimic::{Failed, Trial};

use super::anonymised::{anonymised, shown};
use crate::shared::each_file;

pub(crate) fn trials() -> Vec<Trial> {
    let is_text = |name: &str| name.ends_with(".txt");
    ["corpus/d0", "corpus/dsmr", "corpus/malformed"]
        .into_iter()
        .flat_map(|folder| each_file("d0::anonymise", folder, is_text, judge))
        .collect()
}

fn judge(path: &Path) -> Result<(), Failed> {
    let bytes = &fs::read(path)?[..];
    let clean = anonymised(bytes).1;
    // A text may hold the meter's number beside others: a heat meter's `9.6`.
    let values =
        |bytes| -> Vec<_> { shown(bytes).into_iter().filter(|line| !line.contains("Text(")).collect() };
    assert_eq!(values(&clean), values(bytes));
    assert_eq!(anonymised(&clean), (0, clean));
    Ok(())
}
