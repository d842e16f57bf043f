//! What all plugins for meters refuse, beside what [`framework::testing`] checks.

use std::path::Path;

use framework::{AcquireError, Config, SourcePlugin, testing};

/// Checks that a configuration with these lines is refused with such a message.
///
/// # Panics
/// Where one is taken, or refused with another message.
pub fn refuses<P: SourcePlugin>(lines: &[(&str, &str)]) {
    for (line, message) in lines {
        let config = format!("[sources.m]\nplugin = \"{}\"\n{line}\n", P::KIND);
        let Err(mistakes) = Config::parse("config.toml", &config, &[]) else { panic!("{line} is taken") };
        assert!(mistakes.to_string().contains(message), "{mistakes}");
    }
}

/// Checks that a port that is not there is called unavailable, by its name.
///
/// # Panics
/// Where it is not.
pub async fn names_a_missing_port<P: SourcePlugin>() {
    let config = format!("[sources.m]\nplugin = \"{}\"\nport = \"/dev/nonexistent\"\n", P::KIND);
    let error = testing::first_batch::<P>(&config, Path::new("/nonexistent")).await.err();
    assert!(matches!(error, Some(AcquireError::Unavailable { device, .. }) if device == "/dev/nonexistent"));
}
