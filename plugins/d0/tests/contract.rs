//! What the framework expects of any plugin.

use std::path::Path;

use framework::{Config, testing};
use plugin_d0::D0;

#[test]
fn keeps_the_contract() {
    testing::check::<D0>();
}

#[test]
fn values_that_make_no_sense_are_refused_with_what_to_write() {
    for (line, message) in [
        ("port = \"ttyUSB0\"", "`ttyUSB0` is no port: expected `/dev/…`"),
        ("port = \"/dev/x\"\nbaud = 0", "0 is no baud rate"),
        ("port = \"/dev/x\"\nmax_power = \"43\"", "hint: write watts or kilowatts: `43kW`, `11000W`"),
        ("port = \"/dev/x\"\nsilent_after = \"0s\"", "longer than nothing"),
        (
            "port = \"/dev/x\"\nframing = \"7n1\"",
            "unknown variant `7n1`, expected one of `auto`, `7e1`, `7o1`, `8n1`",
        ),
    ] {
        let config = format!("[sources.m]\nplugin = \"d0\"\n{line}\n");
        let Err(mistakes) = Config::parse("config.toml", &config, &[]) else { panic!("{line} is taken") };
        assert!(mistakes.to_string().contains(message), "{mistakes}");
    }
}

#[tokio::test]
async fn a_port_that_is_not_there_says_so() {
    let config = "[sources.m]\nplugin = \"d0\"\nport = \"/dev/nonexistent\"\n";
    let error = testing::first_batch::<D0>(config, Path::new("/nonexistent")).await.err();
    assert!(
        matches!(error, Some(framework::AcquireError::Unavailable { device, .. }) if device == "/dev/nonexistent")
    );
}
