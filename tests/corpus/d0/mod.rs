//! Text by IEC 62056-21, also that of P1 ports.

mod anonymise;
#[path = "../../../plugins/d0/tests/it/anonymised.rs"]
mod anonymised;
#[path = "../../../plugins/d0/tests/it/damage.rs"]
mod damage;
mod field;
mod recorded;

use libtest_mimic::{Failed, Trial};
use telegram_testing::files;

use crate::shared::{path, whole};

pub(crate) fn trials() -> Vec<Trial> {
    let damaged = damage::CLASSES.map(|(name, judge)| {
        let files = || ["corpus/d0", "corpus/dsmr"].into_iter().flat_map(|folder| files(path(folder), "txt"));
        whole(&format!("d0::damage::{name}"), "corpus", move || {
            judge(files().collect()).map_err(Failed::from)
        })
    });
    [recorded::trials(), anonymise::trials(), damaged.into(), field::trials()].into_iter().flatten().collect()
}
