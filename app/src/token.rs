//! `token`: makes the token with which other machines may send commands and set the program up.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
};

use clap::Args;
use framework::{ConfigFiles, DropIn, DropIns, TOKEN_FILE as FILE};
use qrcodegen::{QrCode, QrCodeEcc};
use serde_json::json;

use crate::{config_file::ConfigFile, failure::Failure, local::Local, setup::mistakes_of};

/// Letters and digits that nobody takes for each other: 5 bits each.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of a token: 140 bits.
const LENGTH: usize = 28;
/// Characters between two hyphens.
const GROUP: usize = 4;
/// The address of a program without `listen`.
const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Options of `token`.
#[derive(Args)]
pub(crate) struct Token {
    /// Show the present token, and make no new one
    #[arg(long)]
    show: bool,
    /// Make the program reachable from the LAN, too: `listen = "0.0.0.0:8080"`
    #[arg(long, conflicts_with = "show")]
    listen: bool,
}

/// Makes a token, or shows the present one.
pub(crate) fn run(file: &ConfigFile, options: &Token) -> Result<(), Failure> {
    let files = file.files()?;
    if options.show {
        let config = files.load()?;
        let Some(token) = &config.server.token else {
            return Err(Failure::fault("there is no token yet\nhint: `smartmeter token` makes one\n"));
        };
        return shown(token.reveal(), config.server.scheme(), config.server.listen);
    }
    let token = new_token()?;
    // Without permission for the drop-ins, the program is asked at the usual address.
    let (scheme, listen) =
        files.load().map_or(("http", USUAL), |config| (config.server.scheme(), config.server.listen));
    let local = Local::new(listen);
    let setup = local.get("/setup");
    let present = match &setup {
        Ok((_, setup)) => drop_in_of(setup["drop_ins"].as_array().into_iter().flatten()),
        Err(_) => files.folder().ok().and_then(|folder| fs::read_to_string(folder.join(FILE)).ok()),
    };
    // A new token does not take back what an earlier `--listen` has done.
    let opened = present.and_then(|text| listen_of(&text));
    let opened = opened.or_else(|| options.listen.then(|| format!("0.0.0.0:{}", listen.port())));
    let line = opened.as_ref().map_or_else(String::new, |listen| format!("listen = \"{listen}\"\n"));
    let text = format!("# made by `smartmeter token`\n[server]\ntoken = \"{token}\"\n{line}");
    match setup {
        Ok((_, setup)) if setup["allowed"] == true => {
            let saved = local.post("/setup/save", &json!({"file": FILE, "toml": text}))?;
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
                "no smartmeter runs on {}: it takes effect at the start",
                local.address()
            );
        }
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
    let change = drop_ins.with_secrets(DropIn { file: FILE.to_owned(), text: Some(text) }).map_err(failed)?;
    files.load_with(Some(&change))?;
    drop_ins.write(&change).map_err(failed)
}

/// Returns the text of the drop-in among those that the program shows.
fn drop_in_of<'a>(mut drop_ins: impl Iterator<Item = &'a serde_json::Value>) -> Option<String> {
    let present = drop_ins.find(|drop_in| drop_in["file"] == FILE)?;
    present["text"].as_str().map(str::to_owned)
}

/// Returns the `listen` of a drop-in.
fn listen_of(text: &str) -> Option<String> {
    let table = text.parse::<toml::Table>().ok()?;
    Some(table.get("server")?.get("listen")?.as_str()?.to_owned())
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
    let mut out = io::stdout().lock();
    writeln!(out, "token: {token}")?;
    if listen.ip().is_loopback() {
        writeln!(out, "only this machine can reach the program, at {scheme}://{listen}/")?;
        writeln!(out, "hint: `smartmeter token --listen` makes it reachable from the LAN")?;
        return Ok(());
    }
    let port = listen.port();
    let ip = if listen.ip().is_unspecified() { lan_address() } else { Some(listen.ip()) };
    if let Some(name) = host_name() {
        writeln!(out, "page:  {scheme}://{name}.local:{port}/")?;
    }
    let Some(ip) = ip else {
        writeln!(out, "hint: this machine has no address on a LAN yet")?;
        return Ok(());
    };
    let page = SocketAddr::new(ip, port);
    writeln!(out, "page:  {scheme}://{page}/")?;
    let link = format!("{scheme}://{page}/#token={token}");
    writeln!(out, "link:  {link}\n")?;
    if let Ok(code) = QrCode::encode_text(&link, QrCodeEcc::Low) {
        out.write_all(drawn(&code).as_bytes())?;
    }
    Ok(())
}

/// Returns the address from which this machine reaches the LAN. Nothing is sent.
fn lan_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address for documentation: the system only looks up the route.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim().split('.').next()?.to_owned();
    Some(name).filter(|name| !name.is_empty() && name != "localhost")
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
