//! Telegrams as they were met in the field.

use libtest_mimic::Trial;
use plugin_sml::Sml;

use crate::shared::{batches, whole};

pub(crate) fn trials() -> Vec<Trial> {
    vec![whole("sml::field::a_counter_without_backstop_holds_back_itself_only", "field", || {
        let batches = batches::<Sml>("field/own-10c-no-backstop-sml.rec");
        let count = |name| batches.iter().filter(|batch| batch.get(name).is_some()).count();
        let powers = count("CURRENT_POWER_SUM");
        assert!(powers > 10, "{powers}");
        assert_eq!(count("POWER_IMPORT"), 1);
        Ok(())
    })]
}
