//! Anonymised telegrams: they lose their numbers and keep their values.

use telegram_testing::corpus;

use crate::anonymised::{anonymised, shown};

#[test]
fn anonymised_telegrams_lose_their_numbers_and_keep_their_values() {
    let files = corpus::files(&["d0", "dsmr", "malformed"], "txt").into_iter();
    corpus::judge_each(files.map(|(path, bytes)| {
        let judged = move || {
            judge(&bytes);
            Ok(())
        };
        (path.display().to_string(), judged)
    }));
}

fn judge(bytes: &[u8]) {
    let clean = anonymised(bytes).1;
    // A text may hold the meter's number beside others: a heat meter's `9.6`.
    let values =
        |bytes| -> Vec<_> { shown(bytes).into_iter().filter(|line| !line.contains("Text(")).collect() };
    assert_eq!(values(&clean), values(bytes));
    assert_eq!(anonymised(&clean), (0, clean));
}
