//! Reasons for which a figure about the household is unsure: all of `/balance`, `/forecast` and `/insights`.

use reading::words;

words! {
    /// Reason for which a figure is unsure. The page has a text for each, `why_…`.
    Reason {
        /// No meter counts what is drawn from the grid.
        NoGrid = "no_grid",
        /// The meter of the grid counts only the difference of what was drawn and fed in.
        NetOnly = "net_only",
        /// Energy was fed in that no source made.
        NoProduction = "no_production",
        /// A source of production was not read yet.
        ProductionBegins = "production_begins",
        /// A source has not been read for long.
        SourceSilent = "source_silent",
        /// The consumption is not known.
        NoConsumption = "no_consumption",
        /// There are next to no readings.
        NoReadings = "no_readings",
        /// Quarter-hours or days are missing.
        FewReadings = "few_readings",
        /// More than a day was not read.
        MissingReadings = "missing_readings",
        /// The meter is read less often than each quarter of an hour.
        SparseReadings = "sparse_readings",
        /// The meter is read less often than each ten minutes.
        ReadSeldom = "read_seldom",
        /// The counter has too few digits for a quarter of an hour.
        CoarseCounter = "coarse_counter",
        /// There are fewer months than the rule takes.
        FewMonths = "few_months",
        /// There are fewer days than the rule takes.
        FewDays = "few_days",
        /// The readings begin within this week or year.
        ShortHistory = "short_history",
        /// The readings are of less than a year.
        NoLastYear = "no_last_year",
        /// Prices to come are not known.
        SpotPrice = "spot_price",
        /// No consumer is a heat pump.
        NoHeatPump = "no_heat_pump",
        /// No reading is the outside temperature.
        NoTemperature = "no_temperature",
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_reason_has_a_text_in_each_language_of_the_page_and_is_documented() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        let documents = [read("../docs/http.md"), read("../docs/tariffs.md")].concat();
        let languages: Vec<_> = fs::read_dir(root.join("src/http/page"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("household.js").is_file())
            .collect();
        assert!(languages.len() >= 4, "{languages:?}");
        for folder in languages {
            let texts = fs::read_to_string(folder.join("household.js")).unwrap();
            for reason in Reason::ALL {
                let key = format!("\n  why_{reason}: '");
                assert!(texts.contains(&key), "{} lacks `why_{reason}`", folder.display());
            }
        }
        for reason in Reason::ALL {
            assert!(documents.contains(&format!("`{reason}`")), "no document has `{reason}`");
        }
    }
}
