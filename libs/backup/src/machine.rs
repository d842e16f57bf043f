//! Machine that writes or restores a backup.

use std::fs;

use sha2::{Digest as _, Sha256};

/// Returns the name of this machine.
pub(crate) fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// Returns a fingerprint of this machine; empty where it has none. The machine's own id is confidential (machine-id(5)).
pub fn fingerprint() -> String {
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    match id.trim() {
        "" | "uninitialized" => String::new(),
        id => hex(&Sha256::digest(format!("smartmeter backup {id}")))[..32].to_owned(),
    }
}

/// Returns bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
