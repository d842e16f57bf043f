//! `token`: makes and shows the token with which other machines may send commands and set the program up.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::SocketAddr,
};

use clap::Args;
use framework::{ConfigFiles, DropIn, DropIns, TOKEN_FILE, page_addresses};
use qrcodegen::{QrCode, QrCodeEcc};
use serde_json::json;
use toml::de::DeTable;

use crate::{config_file::ConfigFile, failure::Failure, local::Local, output::output, setup::mistakes_of};

/// Letters and digits that nobody takes for each other: 5 bits each.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of a token: 140 bits.
const LENGTH: usize = 28;
/// Characters between two hyphens.
const GROUP: usize = 4;

/// Options of `token`.
#[derive(Args)]
pub(crate) struct Token {
    /// Make a new token in place of the one that there is: devices that use it must log in again
    #[arg(long, conflicts_with = "show")]
    new: bool,
    /// Show the token that there is, and make none
    #[arg(long)]
    show: bool,
    /// Make the program reachable from the LAN, too: `listen = "0.0.0.0:8080"`
    #[arg(long, conflicts_with = "show")]
    listen: bool,
}

/// Shows the token, and makes it if there is none.
pub(crate) fn run(file: &ConfigFile, options: &Token) -> Result<(), Failure> {
    let files = file.files()?;
    let loaded = files.load();
    // Without permission for the drop-ins, the program is asked at its probable address.
    let (scheme, listen) = loaded.as_ref().map_or_else(
        |_| ("http", file.probable_listen()),
        |config| (config.server.scheme(), config.server.listen),
    );
    let local = Local::new(listen);
    let setup = local.get("/setup");
    let read = files.folder().ok().and_then(|folder| fs::read_to_string(folder.join(TOKEN_FILE)).ok());
    let readable = read.is_some();
    let text = read.or_else(|| {
        let (_, setup) = setup.as_ref().ok()?;
        drop_in_of(setup["drop_ins"].as_array().into_iter().flatten())
    });
    let written_key = |key: &str| text.as_deref().and_then(|text| key_of(text, key));
    let saved = written_key("token");
    let old = match &loaded {
        Ok(config) => config.server.token.as_ref().map(|token| token.reveal().to_owned()),
        Err(_) => saved.clone(),
    };
    if options.show && old.is_none() {
        return Err(Failure::fault("there is no token yet\nhint: `smartmeter token` makes one\n"));
    }
    // The program shows a mask in place of a token.
    if loaded.is_err() && !readable && old.is_some() && !options.new {
        return Err(Failure::fault(
            "there is a token, but this user may not read it\nhint: run it with `sudo`\n",
        ));
    }
    let others = || {
        let names = loaded.as_ref().map(|config| config.files.clone()).unwrap_or_default();
        let main = files.path().map(|path| path.display().to_string());
        let all = if names.is_empty() { main.into_iter().collect() } else { names };
        all.into_iter().filter(|name| !name.ends_with(TOKEN_FILE)).collect::<Vec<_>>()
    };
    if options.new && saved.is_none() {
        not_set_in(&others(), &["token", "token_file"])?;
    }
    let opens = options.listen && listen.ip().is_loopback();
    if opens && written_key("listen").is_none() {
        not_set_in(&others(), &["listen"])?;
    }
    if let Some(token) = old.as_deref().filter(|_| !options.new && !opens) {
        return shown(token, scheme, listen);
    }
    let token = match &old {
        Some(old) if !options.new => old.clone(),
        _ => new_token()?,
    };
    // A new token does not take back what an earlier `--listen` has done.
    let opened = if opens { Some(format!("0.0.0.0:{}", listen.port())) } else { written_key("listen") };
    let mut text = "# made by `smartmeter token`\n[server]\n".to_owned();
    // One that is set elsewhere stays there.
    if old.is_none() || saved.is_some() || options.new {
        text += &format!("token = \"{token}\"\n");
    }
    if let Some(listen) = &opened {
        text += &format!("listen = \"{listen}\"\n");
    }
    match setup {
        Ok((_, setup)) if setup["allowed"] == true => {
            let saved = local.post("/setup/save", &json!({"file": TOKEN_FILE, "toml": text}))?;
            if saved.0 != 200 {
                return Err(Failure::fault(mistakes_of(&saved.1)));
            }
            if let Some(restart) = saved.1["restart"].as_str() {
                let _ = writeln!(io::stderr(), "{restart}");
            }
        }
        Ok((_, setup)) => {
            let reason = setup["reason"].as_str().unwrap_or("it has no `/setup`");
            let address = local.address();
            return Err(Failure::fault(format!(
                "the program on {address} does not take it: {reason}\nhint: is it an older version, or another program?\n"
            )));
        }
        Err(_) => {
            written(&files, text)?;
            let _ = writeln!(
                io::stderr(),
                "no smartmeter runs on {}: the token counts from the next start",
                local.address()
            );
        }
    }
    if options.new && old.is_some() {
        let _ =
            writeln!(io::stderr(), "the old token is no longer valid: devices that use it must log in again");
    }
    let listen = opened.and_then(|listen| listen.parse().ok()).unwrap_or(listen);
    shown(&token, scheme, listen)
}

/// Writes the drop-in while no program runs.
fn written(files: &ConfigFiles, text: String) -> Result<(), Failure> {
    let drop_ins = DropIns::new(&files.folder()?);
    let failed = |error: framework::DropInError| {
        let hint = error.hint().map_or_else(String::new, |hint| format!("hint: {hint}\n"));
        Failure::fault(format!("{error}\n{hint}"))
    };
    let change = DropIn { file: TOKEN_FILE.to_owned(), text: Some(text) };
    files.load_with(Some(&change))?;
    drop_ins.write(&change).map_err(failed)
}

/// Returns the text of the drop-in among those that the program shows.
fn drop_in_of<'a>(mut drop_ins: impl Iterator<Item = &'a serde_json::Value>) -> Option<String> {
    let present = drop_ins.find(|drop_in| drop_in["file"] == TOKEN_FILE)?;
    present["text"].as_str().map(str::to_owned)
}

/// Returns a key of `[server]` in a drop-in.
fn key_of(text: &str, key: &str) -> Option<String> {
    let table = text.parse::<toml::Table>().ok()?;
    Some(table.get("server")?.get(key)?.as_str()?.to_owned())
}

/// Succeeds if none of these files sets one of these keys of `[server]`: the drop-in can then set it.
fn not_set_in(files: &[String], keys: &[&str]) -> Result<(), Failure> {
    for file in files {
        let Ok(text) = fs::read_to_string(file) else { continue };
        let (table, _) = DeTable::parse_recoverable(&text);
        let Some(server) = table.get_ref().get("server").and_then(|server| server.get_ref().as_table())
        else {
            continue;
        };
        if let Some((name, _)) = server.iter().find(|(name, _)| keys.contains(&&**name.get_ref())) {
            let line = text[..name.span().start].matches('\n').count() + 1;
            let name = name.get_ref();
            return Err(Failure::usage(format!("`{name}` is set in {file}:{line}: change it there\n")));
        }
    }
    Ok(())
}

/// Returns a token of the system's random numbers.
fn new_token() -> io::Result<String> {
    let mut bytes = [0; LENGTH];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let letters = bytes.map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    let groups: Vec<String> = letters.chunks(GROUP).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-"))
}

/// Prints the token, the addresses at which it is of use, and a QR code of the first one.
fn shown(token: &str, scheme: &str, listen: SocketAddr) -> Result<(), Failure> {
    let mut out = output();
    writeln!(out, "token: {token}")?;
    if listen.ip().is_loopback() {
        writeln!(out, "only this machine can reach the program, at {scheme}://{listen}/")?;
        writeln!(out, "hint: `smartmeter token --listen` makes it reachable from the LAN")?;
        return Ok(());
    }
    let pages = page_addresses(scheme, listen);
    let Some(page) = pages.first() else {
        writeln!(out, "hint: this machine has no network yet")?;
        return Ok(());
    };
    for page in &pages {
        writeln!(out, "page:  {page}")?;
    }
    let link = format!("{page}#token={token}");
    writeln!(out, "link:  {link}\n")?;
    if let Ok(code) = QrCode::encode_text(&link, QrCodeEcc::Low) {
        out.write_all(drawn(&code).as_bytes())?;
    }
    Ok(())
}

/// Draws a code for a dark terminal, two rows in a line: what is light in the code is drawn.
fn drawn(code: &QrCode) -> String {
    const QUIET: i32 = 2;
    let size = code.size();
    let is_light = |x, y| !code.get_module(x, y);
    let mut text = String::new();
    for y in (-QUIET..size + QUIET).step_by(2) {
        for x in -QUIET..size + QUIET {
            text.push(match (is_light(x, y), is_light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_140_random_bits_in_letters_that_differ() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [4; 7]);
        assert!(one.bytes().all(|byte| byte == b'-' || ALPHABET.contains(&byte)), "{one}");
    }

    #[test]
    fn a_code_is_drawn_with_a_light_border() {
        let code = QrCode::encode_text("http://192.168.178.20:8080/#token=x", QrCodeEcc::Low).unwrap();
        let text = drawn(&code);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].chars().all(|char| char == '█'), "{text}");
        assert!(
            lines
                .iter()
                .all(|line| line.starts_with("██") && line.chars().count() == lines[0].chars().count())
        );
    }
}
