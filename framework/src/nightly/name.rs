//! Names of backups: `smartmeter-house-5f3a9c-2026-11-29T0230Z.tar.gz`.
//!
//! Several boxes may share a folder, and many are called `raspberrypi`: so the name has an identity of the state folder,
//! by which a box knows its own files. Times are UTC, so that names are in order over the changes of the clock. No sign of
//! it means anything to FAT or SMB.

use jiff::{Timestamp, civil, tz::TimeZone};

use super::EXTENSION;

const PROGRAM: &str = "smartmeter";
const TIME: &str = "%Y-%m-%dT%H%MZ";
/// End of the name of a file that is being written.
const PART: &str = ".part";
/// Longest part of a name that is for people.
const LONGEST_LABEL: usize = 40;
/// Signs of an identity.
const ID_LENGTH: usize = 6;

/// Returns the name of the backup that began at `at`. `label` is the household's or the machine's name.
pub(super) fn of(label: &str, id: &str, at: Timestamp) -> String {
    let is_plain = |sign: char| sign.is_ascii_alphanumeric();
    let words = label.split(|sign| !is_plain(sign)).filter(|word| !word.is_empty());
    let mut label = words.collect::<Vec<_>>().join("-");
    label.truncate(LONGEST_LABEL);
    let label = if label.is_empty() { String::new() } else { format!("{label}-") };
    format!("{PROGRAM}-{label}{id}-{}{EXTENSION}", at.strftime(TIME))
}

/// Returns the name of a file while it is written.
pub(super) fn part(name: &str) -> String {
    format!("{name}{PART}")
}

/// Returns the time of a backup by its name, if it is of the box with this identity.
pub(super) fn time_of(name: &str, id: &str) -> Option<Timestamp> {
    let (of, time) = name.strip_suffix(EXTENSION)?.rsplit_once(&format!("-{id}-"))?;
    if of != PROGRAM && !of.starts_with(&format!("{PROGRAM}-")) {
        return None;
    }
    let time = civil::DateTime::strptime(TIME, time).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

/// Returns whether a file is one that the box with this identity began to write.
pub(super) fn is_part(name: &str, id: &str) -> bool {
    name.strip_suffix(PART).is_some_and(|name| time_of(name, id).is_some())
}

/// Returns whether a text can be an identity.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|sign| sign.is_ascii_hexdigit())
}

/// Returns an identity of random bits.
pub(super) fn id_of(random: u64) -> String {
    format!("{:06x}", random >> 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_795_919_400; // 2026-11-29T02:30:00Z

    #[test]
    fn a_name_says_whose_backup_it_is_and_of_when_and_suits_every_file_system() {
        let at = Timestamp::from_second(AT).unwrap();
        let long = "x".repeat(200);
        for (label, name) in [
            ("house", "smartmeter-house-5f3a9c-2026-11-29T0230Z"),
            ("Miller family", "smartmeter-Miller-family-5f3a9c-2026-11-29T0230Z"),
            ("Käthe's: <\"*?/\\..", "smartmeter-K-the-s-5f3a9c-2026-11-29T0230Z"),
            ("", "smartmeter-5f3a9c-2026-11-29T0230Z"),
            ("家", "smartmeter-5f3a9c-2026-11-29T0230Z"),
            (&long, &format!("smartmeter-{}-5f3a9c-2026-11-29T0230Z", &long[..40])),
        ] {
            let name = format!("{name}{EXTENSION}");
            assert_eq!(of(label, "5f3a9c", at), name);
            assert_eq!(time_of(&name, "5f3a9c"), Some(at));
            assert!(is_part(&part(&name), "5f3a9c") && !is_part(&name, "5f3a9c"));
            assert_eq!((time_of(&name, "5f3a9d"), time_of(&part(&name), "5f3a9c")), (None, None));
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_nobodys_backup() {
        for name in [
            "smartmeter-house-2026-11-29T0230Z.tar.gz",
            "smartmeterx-5f3a9c-2026-11-29T0230Z.tar.gz",
            "other-5f3a9c-2026-11-29T0230Z.tar.gz",
            "smartmeter-5f3a9c-2026-13-29T0230Z.tar.gz",
            "smartmeter-5f3a9c-.tar.gz",
            "smartmeter-5f3a9c-2026-11-29T0230Z",
            ".tar.gz",
            "",
        ] {
            assert_eq!(time_of(name, "5f3a9c"), None, "{name}");
        }
    }

    #[test]
    fn identities_are_short_and_hexadecimal() {
        assert_eq!((id_of(0), id_of(u64::MAX)), ("000000".to_owned(), "ffffff".to_owned()));
        for (text, is) in [("5f3a9c", true), ("5f3a9", false), ("5f3a9g", false), ("../../", false)] {
            assert_eq!(is_id(text), is, "{text}");
        }
    }
}
