//! Keys that a client may save: none that makes the program read or write a file of the client's choice.
//!
//! The names of the keys decide, and not the types in the plugins' `Config`: a plugin reads its files while it is built, so
//! a text must be judged before any of it is.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{DropInError, TOKEN_FILE};

/// Keys of `[server]` that may be saved.
const SERVER: [&str; 3] = ["listen", "token", "read_token"];
/// Last words of keys that name a file or a folder.
const FILES: [&str; 8] = ["file", "files", "path", "folder", "dir", "directory", "cert", "certs"];

/// Checks that a client may save a text under a name, in place of the `old` one. What is not TOML is left to the check of
/// the configuration.
///
/// # Errors
/// Returns the first key that belongs into `config.toml`, or what the file of the token would lose or get.
pub(super) fn check(file: &str, text: &str, old: &str) -> Result<(), DropInError> {
    let Ok(table) = DeTable::parse(text) else { return Ok(()) };
    let root = table.get_ref();
    let server = root.get("server").and_then(|server| server.get_ref().as_table());
    if file == TOKEN_FILE {
        if root.keys().any(|key| key.get_ref() != "server") {
            return Err(DropInError::TokenFile);
        }
        if has_token(&DeTable::parse_recoverable(old).0) && !has_token(&table) {
            return Err(DropInError::TokenLost);
        }
    }
    // Of both, keys name files and folders.
    if let Some(table) = ["journal", "backup"].into_iter().find(|table| root.contains_key(*table)) {
        return Err(DropInError::Key(table.to_owned()));
    }
    if let Some(key) =
        server.into_iter().flat_map(DeTable::keys).find(|key| !SERVER.contains(&&**key.get_ref()))
    {
        return Err(DropInError::Key(format!("server.{}", key.get_ref())));
    }
    refused(root, "").map_or(Ok(()), |path| Err(DropInError::Key(path)))
}

fn has_token(table: &Spanned<DeTable<'_>>) -> bool {
    let server = table.get_ref().get("server").and_then(|server| server.get_ref().as_table());
    server.is_some_and(|server| server.contains_key("token"))
}

/// Returns the path of the first key that names a file.
fn refused(table: &DeTable<'_>, path: &str) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let key = key.get_ref();
        let path = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
        in_value(key, value, path)
    })
}

fn in_value(key: &str, value: &Spanned<DeValue<'_>>, path: String) -> Option<String> {
    match value.get_ref() {
        DeValue::Table(inner) => refused(inner, &path),
        DeValue::Array(list) => list.iter().find_map(|value| in_value(key, value, path.clone())),
        DeValue::String(text) => names_file(key, text).then_some(path),
        _ => None,
    }
}

/// Returns whether a key with this value names a file other than a device.
fn names_file(key: &str, value: &str) -> bool {
    let is_below = |folder: &str| value.starts_with(folder) && !value.split('/').any(|part| part == "..");
    match key {
        "port" => value.starts_with("replay:") || (value.starts_with('/') && !is_below("/dev/")),
        "chip" => value.contains('/') && !is_below("/dev/"),
        // Where the kernel shows the temperatures.
        "path" => !is_below("/sys/"),
        "client_key" => true,
        _ => FILES.contains(&key.rsplit('_').next().unwrap_or(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_name_files_are_refused_and_devices_are_not() {
        for (text, refused) in [
            ("[publishers.a]\npassword_file = \"/etc/shadow\"", "publishers.a.password_file"),
            ("[publishers.a]\nca_file = \"/etc/x\"", "publishers.a.ca_file"),
            ("[publishers.a]\nclient_key = \"/etc/x\"", "publishers.a.client_key"),
            ("[publishers.a]\nclient_cert = \"/etc/x\"", "publishers.a.client_cert"),
            ("publishers.a = { plugin = \"csv\", folder = \"/etc\" }", "publishers.a.folder"),
            ("[sources.a]\nworking_dir = \"/etc\"", "sources.a.working_dir"),
            ("[sources.a]\nport = \"replay:/etc/shadow\"", "sources.a.port"),
            ("[sources.a]\nport = \"/etc/shadow\"", "sources.a.port"),
            ("[sources.a]\nport = \"/dev/../etc/shadow\"", "sources.a.port"),
            ("[sources.a]\npath = \"/home\"", "sources.a.path"),
            ("[sources.a]\npath = \"/sys/../home\"", "sources.a.path"),
            ("[[sources.a.more]]\nkey = [{ x_file = [\"y\"] }]", "sources.a.more.key.x_file"),
            ("[journal]\nkeep = \"1d\"", "journal"),
            ("[backup]\nto = \"/etc\"", "backup"),
            ("[server]\ntoken_file = \"/etc/x\"", "server.token_file"),
            ("server.state_dir = \"/etc\"", "server.state_dir"),
            ("[server]\nauthenticating_proxies = []", "server.authenticating_proxies"),
        ] {
            let error = check("10-a.toml", text, "").unwrap_err().to_string();
            assert_eq!(
                error,
                format!("`{refused}` cannot be set here: write it into `config.toml`"),
                "{text}"
            );
        }
        for text in [
            "[sources.a]\nport = \"/dev/serial/by-id/x\"",
            "[sources.a]\nport = \"tcp://192.0.2.1:2000\"",
            "[sources.a]\nplugin = \"s0\"\npin = 17\nchip = \"/dev/gpiochip0\"\nline = 4",
            "[sources.a]\npath = \"/sys/class/thermal\"",
            "[sources.a]\nprofile = \"x\"\nport = 5",
            "[server]\nlisten = \"0.0.0.0:8080\"\ntoken = \"x\"\nread_token = \"y\"",
            "[broken",
        ] {
            assert!(check("10-a.toml", text, "").is_ok(), "{text}");
        }
    }

    #[test]
    fn the_file_of_the_token_takes_nothing_else_and_keeps_the_token_that_it_has() {
        let listen = "[server]\nlisten = \"0.0.0.0:1\"\n";
        let token = "[server]\ntoken = \"x\"\n";
        let both = "[server]\ntoken = \"y\"\nlisten = \"0.0.0.0:1\"\n";
        for (text, old) in [(token, ""), (both, ""), (both, token), (listen, ""), (listen, listen), ("", "")]
        {
            assert!(check(TOKEN_FILE, text, old).is_ok(), "{text} after {old}");
        }
        for (text, old) in [(listen, token), ("", both), (listen, "[server]\ntoken = \"x\"\n[broken")] {
            assert!(
                matches!(check(TOKEN_FILE, text, old), Err(DropInError::TokenLost)),
                "{text} after {old}"
            );
        }
        for text in ["[sources.a]\npin = 1", "[server]\ntoken = \"x\"\n[sources.a]\npin = 1"] {
            assert!(matches!(check(TOKEN_FILE, text, ""), Err(DropInError::TokenFile)), "{text}");
        }
    }
}
