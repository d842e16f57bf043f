//! Keys of meters that encrypt their telegrams.

use std::{fmt, path::Path, str::FromStr};

use framework::{ConfigError, Secret};

/// AES key of 128 bits. It is never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; Key::LEN]);

/// Keys of one meter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Encryption key; DLMS calls it the global unicast encryption key (GUEK).
    pub key: Option<Key>,
    /// Authentication key of DLMS (GAK), for telegrams with an authentication tag.
    pub authentication_key: Option<Key>,
}

/// Reason why a text is not a key. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKey {
    /// Number of hexadecimal digits; `None` where another character is among them.
    digits: Option<usize>,
}

impl Key {
    /// Number of its bytes.
    pub const LEN: usize = 16;

    /// A key of these bytes.
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes for a cipher.
    pub fn reveal(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Returns the key that is written in the configuration, or in a file. `names` are the names of both configuration keys.
    ///
    /// # Errors
    /// Fails if both are set, the file cannot be read, or the text is not a key.
    pub fn given(
        names: [&'static str; 2],
        written: Option<Secret>,
        file: Option<&Path>,
    ) -> Result<Option<Self>, ConfigError> {
        let name = if written.is_some() { names[0] } else { names[1] };
        let Some(secret) = Secret::given(names, written, file)? else { return Ok(None) };
        let key =
            secret.reveal().parse().map_err(|error: InvalidKey| ConfigError::key(name, error.to_string()));
        key.map(Some)
    }
}

impl Keys {
    /// Public keys, the examples of DLMS UA's Green Book. Anonymised recordings are encrypted with them.
    pub const PUBLIC: Self = Self {
        key: Some(Key::new([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])),
        authentication_key: Some(Key::new([
            0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf,
        ])),
    };

    /// Returns the keys of the configuration: `key`, `key_file`, `authentication_key`, `authentication_key_file`.
    ///
    /// # Errors
    /// Returns every mistake in them.
    pub fn given(
        key: Option<Secret>,
        key_file: Option<&Path>,
        authentication_key: Option<Secret>,
        authentication_key_file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let key = Key::given(["key", "key_file"], key, key_file);
        let names = ["authentication_key", "authentication_key_file"];
        let name = if authentication_key.is_some() { names[0] } else { names[1] };
        let authentication_key = Key::given(names, authentication_key, authentication_key_file);
        let wrong = [key.as_ref().err(), authentication_key.as_ref().err()];
        ConfigError::all(wrong.into_iter().flatten().cloned())?;
        let (key, authentication_key) = (key?, authentication_key?);
        if key.is_none() && authentication_key.is_some() {
            let reason = "the authentication key checks telegrams, and decrypts none: `key` is missing";
            let hint = "write the encryption key (GUEK) of your grid operator as `key` or `key_file`";
            return Err(ConfigError::key(name, reason).hint(hint));
        }
        Ok(Self { key, authentication_key })
    }
}

/// Reads 32 hexadecimal digits. Blanks, colons and hyphens between them do not count: letters of grid operators have them.
impl FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let mut key = [0; Self::LEN];
        let mut count = 0;
        for character in text.chars().filter(|c| !c.is_whitespace() && !matches!(c, ':' | '-')) {
            let digit = character.to_digit(16).ok_or(InvalidKey { digits: None })?;
            if let Some(byte) = key.get_mut(count / 2) {
                // The digit is below 16.
                *byte = *byte << 4 | digit as u8;
            }
            count += 1;
        }
        if count == 2 * Self::LEN { Ok(Self(key)) } else { Err(InvalidKey { digits: Some(count) }) }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.digits {
            Some(digits) => write!(f, "a key has 32 hexadecimal digits, and this one has {digits}"),
            None => f.write_str(
                "a key has 32 hexadecimal digits, 0 to 9 and A to F, and this one has other characters",
            ),
        }
    }
}

impl std::error::Error for InvalidKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_32_hexadecimal_digits_and_never_printed() {
        let text = "36 C6:66-39E48A8CA4D6BC8B282A793BBB";
        let key: Key = text.parse().unwrap();
        assert_eq!(key.reveal()[..3], [0x36, 0xc6, 0x66]);
        assert_eq!(key.reveal()[15], 0xbb);
        let keys = Keys { key: Some(key), authentication_key: Some(key) };
        let shown = format!("{keys:?}").to_lowercase();
        assert!(!shown.contains("36") && !shown.contains("54"), "{shown}");
        for (wrong, expected) in [
            ("", "and this one has 0"),
            ("36C6", "and this one has 4"),
            ("36C66639E48A8CA4D6BC8B282A793BBBB", "and this one has 33"),
            ("x6C66639E48A8CA4D6BC8B282A793BBB", "other characters"),
            ("３6C66639E48A8CA4D6BC8B282A793BBB", "other characters"),
        ] {
            let error = wrong.parse::<Key>().unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
            assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn keys_of_the_configuration_are_in_it_or_in_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("guek");
        std::fs::write(&file, "000102030405060708090A0B0C0D0E0F\n").unwrap();
        let text = "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF";
        let secret = |text: &str| Some(Secret::from(text.to_owned()));
        assert_eq!(Keys::given(None, Some(&file), secret(text), None).unwrap(), Keys::PUBLIC);
        assert_eq!(Keys::given(None, None, None, None).unwrap(), Keys::default());
        let error = Keys::given(secret(text), Some(&file), None, None).unwrap_err().to_string();
        assert_eq!(error, "`key` and `key_file` exclude each other");
        let error = Keys::given(None, None, secret("12"), None).unwrap_err().to_string();
        assert_eq!(error, "a key has 32 hexadecimal digits, and this one has 2");
    }

    #[test]
    fn an_authentication_key_alone_is_refused_with_what_is_missing() {
        let text = || Some(Secret::from("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF".to_owned()));
        let error = Keys::given(None, None, text(), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the authentication key checks telegrams, and decrypts none: `key` is missing"
        );
        assert!(Keys::given(text(), None, text(), None).is_ok());
    }
}
