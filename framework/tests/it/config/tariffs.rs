//! `[[tariffs]]`.

use framework::Config;

use super::{mistakes, parse};

const SOURCES: &str =
    "[sources.grid]\nplugin = \"registers\"\n\n[sources.market]\nplugin = \"registers\"\n\n";

fn with(tariffs: &str) -> String {
    format!("{SOURCES}{tariffs}")
}

fn tariff(keys: &str) -> String {
    with(&format!("[[tariffs]]\nsource = \"grid\"\nfrom = 2026-01-01\n{keys}"))
}

fn read(text: &str) -> Config {
    parse(text).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

#[test]
fn prices_keep_their_digits_as_numbers_and_as_texts() {
    for price in ["0.10000000010", "\"0.10000000010\""] {
        let mistakes = mistakes(&tariff(&format!("work_price = {price}\n")));
        assert!(mistakes.contains("too many digits"), "{mistakes}");
    }
    for price in ["0.1000000001", "\"0.1000000001\""] {
        let config = read(&tariff(&format!("work_price = {price}\n")));
        let shown = format!("{:?}", config.tariffs[0].work);
        assert!(shown.contains("0.1000000001"), "{shown}");
    }
}

#[test]
fn each_tariff_ends_where_the_next_of_its_source_begins() {
    let config = read(&with(
        "[[tariffs]]\nsource = \"grid\"\nfrom = 2026-01-01\nwork_price = 0.30\n\
         [[tariffs]]\nsource = \"market\"\nfrom = \"2026-03-01\"\nwork_price = 0.1\n\
         [[tariffs]]\nsource = \"grid\"\nfrom = \"2026-07-01\"\nwork_price = 0.28\n",
    ));
    let to: Vec<_> = config.tariffs.iter().map(|tariff| tariff.to.map(|to| to.to_string())).collect();
    assert_eq!(to, [Some("2026-07-01".to_owned()), None, None]);
}

#[test]
fn each_mistake_is_reported_at_its_line_and_column_with_what_to_do() {
    let at = |text: &str, expected: &[&str]| {
        let mistakes = mistakes(text);
        for expected in expected {
            assert!(mistakes.contains(expected), "expected `{expected}` in:\n{mistakes}");
        }
    };
    // Lines 1 to 6 have the sources, 7 to 9 the beginning of the tariff.
    at(
        &tariff("workprice = 0.30\n"),
        &["config.toml:10:1", "unknown key `workprice`", "did you mean `work_price`?"],
    );
    at(&tariff(""), &["config.toml:7:", "the tariff has no work price", "work_price = 0.3190"]);
    at(&tariff("work_price = \"cheap\"\n"), &["config.toml:10:14", "`cheap` is not a valid number"]);
    at(&tariff("work_price = 31000000\n"), &["config.toml:10:14", "is no price", "0.319 for 31.9 cents"]);
    at(&tariff("work_price = 0.3\nvat = 0.19\n"), &["config.toml:11:7", "`vat = 19` for 19 %"]);
    at(&tariff("work_price = 0.3\nregisters = { T1 = 0.3 }\n"), &["config.toml:11:13", "exclude each other"]);
    at(
        &tariff("registers = { HT = 0.3 }\n"),
        &["config.toml:10:20", "`HT` is not a register", "1.8.2 is `T2`"],
    );
    at(
        &tariff("work_price = 0.3\nsubmeters = [\"gird\"]\n"),
        &["config.toml:11:14", "unknown source `gird`", "did you mean `grid`?"],
    );
    at(
        &tariff("spot = { source = \"markt\", reading = \"price\" }\n"),
        &["config.toml:10:19", "unknown source `markt`", "did you mean `market`?"],
    );
    at(
        &tariff(
            "windows = [\n  { price = 0.3, hours = \"06:00-22:00\" },\n  { price = 0.2, hours = \"22:00-05:00\" },\n]\n",
        ),
        &["config.toml:10:11", "no price holds on Mon 05:00-06:00 in Jan", "`work_price`, the price outside"],
    );
    at(
        &tariff(
            "work_price = 0.25\nwindows = [\n  { price = 0.3, hours = \"06:00-22:00\" },\n  { price = 0.2, hours = \"21:00-23:00\", days = \"Sat\" },\n]\n",
        ),
        &["config.toml:13:3", "windows 1 and 2 both hold on Sat 21:00-22:00 in Jan"],
    );
    at(
        &tariff("work_price = 0.25\nwindows = [{ price = 0.3, hours = \"6-22\", days = \"Mo\" }]\n"),
        &["config.toml:11:35", "`6-22` is not a range of times", "`Mo` is not a day"],
    );
    at(
        &tariff("work_price = 0.25\nlevies = [{ name = \"fee\", per_kwh = 0.1, per_year = 20 }]\n"),
        &["config.toml:11:11", "the levy `fee` needs exactly one price"],
    );
    at(
        &tariff("work_price = 0.25\nholidays = \"XX\"\n"),
        &["config.toml:11:12", "`XX` is neither a date", "`DE`"],
    );
    at(
        &tariff("work_price = 0.25\ncurrency = \"Euro\"\n"),
        &["config.toml:11:12", "`Euro` is not a currency"],
    );
    at(&tariff("work_price = 0.25\ngas_factor = 0\n"), &["config.toml:11:14", "must be greater than 0"]);
    at(
        &with("[[tariffs]]\nsource = \"grid\"\nfrom = \"1.1.2026\"\nwork_price = 0.3\n"),
        &["config.toml:9:8", "`1.1.2026` is not a date"],
    );
    at(
        &with("[tariffs]\nwork_price = 0.3\n"),
        &["`tariffs` must be a list of tables", "`[[tariffs]]`, with two brackets"],
    );
}

#[test]
fn tariffs_that_do_not_follow_each_other_are_mistakes() {
    let second = |keys: &str| {
        mistakes(&format!("{}\n[[tariffs]]\nwork_price = 0.28\n{keys}", tariff("work_price = 0.3\n")))
    };
    let shown = second("source = \"grid\"\nfrom = 2026-01-01\n");
    assert!(
        shown.contains("config.toml:15:8") && shown.contains("two tariffs of `grid` begin on 2026-01-01"),
        "{shown}"
    );
    let shown = second("source = \"grid\"\nfrom = 2025-01-01\n");
    assert!(shown.contains("before the one above it") && shown.contains("in the order of `from`"), "{shown}");
    let shown = second("source = \"market\"\nfrom = 2026-01-01\ncurrency = \"CHF\"\n");
    assert!(shown.contains("all tariffs need one currency"), "{shown}");
    let shown = second("source = \"market\"\nfrom = 2026-01-01\nsubmeters = [\"grid\"]\n");
    assert!(shown.contains("`grid` already has the tariffs of `grid`"), "{shown}");
}

#[test]
fn windows_days_months_holidays_levies_and_a_spot_price_are_read() {
    read(&tariff(
        "prices = \"net\"\nvat = 19\nholidays = [\"DE\", 2026-06-04]\nfeed_in_price = 0.0803\nbase_price_per_year = 120\n\
         instalment_per_month = 95\nspot = { source = \"market\", reading = \"price\", resolution = \"hour\", factor = 0.001 }\n\
         [[tariffs.levies]]\nname = \"network fee\"\nper_kwh = 0.0891\n\
         windows = [\n  { name = \"low\", price = 0.0102, hours = \"00:00-06:00\", months = [\"Jan-Mar\", \"Oct-Dec\"] },\n\
         { name = \"high\", price = 0.1535, hours = [\"07:00-09:00\", \"17:00-20:00\"], days = [\"Mon-Fri\", \"holiday\"] },\n]\n\
         [[tariffs.levies]]\nname = \"meter\"\nper_year = 20\n",
    ));
}

#[test]
fn a_meter_behind_itself_and_times_that_are_written_twice_are_mistakes() {
    let at = |keys: &str, expected: &[&str]| {
        let mistakes = mistakes(&tariff(keys));
        for expected in expected {
            assert!(mistakes.contains(expected), "expected `{expected}` in:\n{mistakes}");
        }
    };
    at(
        "work_price = 0.3\nsubmeters = [\"market\", \"grid\"]\n",
        &["config.toml:11:24", "`grid` cannot be behind itself", "the other meters behind it"],
    );
    for (list, word) in [
        ("hours = [\"06:00-12:00\", \"11:45-14:00\"]", "`11:45-14:00`"),
        ("days = [\"Mon-Fri\", \"Wed\"]", "`Wed`"),
        ("months = [\"Oct-Mar\", \"Jan\"]", "`Jan`"),
    ] {
        let keys = format!("work_price = 0.3\nwindows = [{{ price = 0.2, {list} }}]\n");
        at(&keys, &["config.toml:11:", &format!("{word} overlaps what is in the list before it")]);
    }
    at(
        "work_price = 0.3\nbase_price_per_day = 0.4\nbase_price_per_year = 120\n",
        &["config.toml:12:23", "`base_price_per_day` and `base_price_per_year` exclude each other"],
    );
    at(
        "work_price = 0.3\nfeed_in_price = 0.08\nfeed_in_registers = { T1 = 0.08 }\n",
        &["config.toml:12:21", "`feed_in_registers` and `feed_in_price` exclude each other"],
    );
    at(
        "work_price = 0.3\nfeed_in_windows = [{ price = 0.08, hours = \"06:00-22:00\" }]\n",
        &[
            "config.toml:11:19",
            "no price holds on Mon 00:00-06:00 in Jan",
            "`feed_in_price`, the price outside",
        ],
    );
    // The levels of a network fee must cover all times, too.
    at(
        "work_price = 0.3\nlevies = [{ name = \"fee\", windows = [{ price = 0.1, hours = \"06:00-22:00\" }] }]\n",
        &["no price holds on Mon 00:00-06:00 in Jan", "`per_kwh`, the price outside"],
    );
}

#[test]
fn prices_that_are_most_likely_in_cents_or_below_zero_are_warned_of() {
    let warnings = |keys: &str| read(&tariff(keys)).warnings;
    let of = "tariff of `grid` from 2026-01-01";
    for (keys, warning) in [
        ("work_price = 31.9", "`work_price` is 31.9 EUR per kWh: is this in hundredths (cents)? write 0.319"),
        (
            "registers = { T1 = 0.32, T2 = 27.1 }",
            "`registers.T2` is 27.1 EUR per kWh: is this in hundredths (cents)? write 0.271",
        ),
        (
            "work_price = 0.3\nwindows = [{ price = 25, hours = \"22:00-06:00\" }]",
            "`windows[0].price` is 25 EUR per kWh: is this in hundredths (cents)? write 0.25",
        ),
        (
            "work_price = 0.3\nfeed_in_price = 8.03",
            "`feed_in_price` is 8.03 EUR per kWh: is this in hundredths (cents)? write 0.0803",
        ),
        (
            "work_price = 0.3\nlevies = [{ name = \"fee\", per_kwh = 8.25 }]",
            "`levies[0].per_kwh` is 8.25 EUR per kWh: is this in hundredths (cents)? write 0.0825",
        ),
        (
            "currency = \"SEK\"\nwork_price = 85",
            "`work_price` is 85 SEK per kWh: is this in hundredths (cents)? write 0.85",
        ),
        ("work_price = -0.3", "`work_price` is below zero (-0.3): write it without the sign"),
    ] {
        assert_eq!(warnings(&format!("{keys}\n")), [format!("{of}: {warning}")], "{keys}");
    }
    for keys in [
        "work_price = 0.3190",
        "work_price = 0",
        "currency = \"SEK\"\nwork_price = 4.85",
        "currency = \"JPY\"\nwork_price = 31",
        "work_price = 0.3\nlevies = [{ name = \"rebate\", per_kwh = -0.05 }]",
        "spot = { source = \"market\", reading = \"price\", surcharge = -0.01 }",
    ] {
        assert_eq!(warnings(&format!("{keys}\n")), [""; 0], "{keys}");
    }
}
