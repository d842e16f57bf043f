//! Contract of all plugins for meters, beside that of [`framework::testing`].

use std::{fs, path::Path};

use framework::{AcquireError, Config, SourcePlugin, testing};

/// Checks that a configuration with each of these lines is refused with its message.
///
/// # Panics
/// Panics when one is accepted, or refused with another message.
pub fn refuses<P: SourcePlugin>(lines: &[(&str, &str)]) {
    for (line, message) in lines {
        let config = format!("[sources.m]\nplugin = \"{}\"\n{line}\n", P::KIND);
        let Err(mistakes) = Config::parse("config.toml", &config, &[]) else { panic!("{line} is accepted") };
        assert!(mistakes.to_string().contains(message), "{mistakes}");
    }
}

/// Checks that a missing port is reported as unavailable, by its name.
///
/// # Panics
/// Panics when it is not.
pub async fn names_a_missing_port<P: SourcePlugin>() {
    let config = format!("[sources.m]\nplugin = \"{}\"\nport = \"/dev/nonexistent\"\n", P::KIND);
    let error = testing::first_batch::<P>(&config, Path::new("/nonexistent")).await.err();
    assert!(matches!(error, Some(AcquireError::Unavailable { device, .. }) if device == "/dev/nonexistent"));
}

/// Returns what a source says that hears these bytes, over and over, of which it can read none.
///
/// # Panics
/// Panics when it reads them, or fails in another way.
pub async fn hears<P: SourcePlugin>(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bytes");
    fs::write(&file, bytes.repeat(20)).unwrap();
    let config = format!("[sources.m]\nplugin = \"{}\"\nport = \"replay:{}\"\n", P::KIND, file.display());
    match testing::first_batch::<P>(&config, Path::new("/nonexistent")).await {
        Err(AcquireError::Misconfigured { reason }) => reason,
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}
