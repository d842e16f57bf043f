//! SML.

#[path = "../../../plugins/sml/tests/it/damage.rs"]
mod damage;
mod field;
mod recorded;
#[path = "../../../plugins/sml/tests/it/second_reader.rs"]
mod second_reader;

use libtest_mimic::Trial;
use telegram_testing::files;

use crate::shared::{path, whole};

pub(crate) fn trials() -> Vec<Trial> {
    let files = || files(path("corpus/sml"), "bin");
    let whole = [
        whole("sml::damage::no_damage_lets_a_wrong_value_through", "corpus", move || {
            damage::judge(files());
            Ok(())
        }),
        whole("sml::second_reader::two_readers_agree", "corpus", move || {
            second_reader::judge(files());
            Ok(())
        }),
    ];
    [recorded::trials(), whole.into(), field::trials()].into_iter().flatten().collect()
}
