//! Real telegrams lose their numbers and keep their values, where a corpus of them is beside the workspace.

#[path = "anonymised/mod.rs"]
mod anonymised;

use std::path::Path;

use anonymised::{anonymised, folder, shown};
use libtest_mimic::{Arguments, Trial};

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let mut trials = Vec::new();
    if corpus.exists() {
        for name in ["d0", "dsmr", "malformed"] {
            trials.extend(folder(&corpus.join(name)).into_iter().map(|(name, bytes)| {
                let shown = name.rsplit('/').next().unwrap_or(&name).to_owned();
                Trial::test(shown, move || {
                    judge(&bytes);
                    Ok(())
                })
            }));
        }
    } else {
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
