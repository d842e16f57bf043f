//! What the tests share.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::Value as Json;
use test_meters::radio::{KEY, RadioMeter, Security};

/// Volume and flow: heads and data.
pub(crate) fn records(litres: u16) -> Vec<(Vec<u8>, Vec<u8>)> {
    let [low, high] = litres.to_le_bytes();
    vec![(vec![0x04, 0x13], vec![low, high, 0, 0]), (vec![0x02, 0x3B], vec![5, 0])]
}

/// The next telegram of a meter, with this volume.
pub(crate) fn telegram(meter: &mut RadioMeter, security: Security, litres: u16) -> Vec<u8> {
    let records = records(litres);
    let records: Vec<(&[u8], &[u8])> = records.iter().map(|(head, data)| (&head[..], &data[..])).collect();
    meter.telegram(security, &records)
}

/// The published key, as the configuration has it.
pub(crate) fn key() -> String {
    KEY.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").unwrap();
        text
    })
}

/// A source whose program writes the lines of a file and stays.
pub(crate) fn program(folder: &Path, lines: &str, keys: &str) -> String {
    let file = folder.join("lines");
    fs::write(&file, lines).unwrap();
    let script = format!("cat {}; exec sleep 1000", file.display());
    format!(
        "[sources.radio]\nplugin = \"wmbus\"\nreceiver = \"rtl_wmbus\"\n\
         command = [\"/bin/sh\", \"-c\", \"{script}\"]\n{keys}"
    )
}

/// Status of the source in `/health`.
pub(crate) fn source(health: &Json) -> &Json {
    &health["sources"]["radio"]
}
