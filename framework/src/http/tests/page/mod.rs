mod modules;

use std::{collections::BTreeMap, io::Read as _, path::Path};

use super::*;

/// The files of the page, as they lie in the source: `main.js`, `de/page.js`.
fn all_files() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![String::new()];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/page");
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root.join(&folder)).unwrap().map(|entry| entry.unwrap()) {
            let name = folder.clone() + entry.file_name().to_str().unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(format!("{name}/")),
                false => drop(files.insert(name, std::fs::read(entry.path()).unwrap())),
            }
        }
    }
    files
}

/// Those that are texts: all but the pictures of an installed page.
fn files() -> BTreeMap<String, String> {
    let texts = all_files().into_iter().filter(|(name, _)| !name.ends_with(".png"));
    texts.map(|(name, content)| (name, String::from_utf8(content).unwrap())).collect()
}

/// The service worker, into which the program writes the list and the version of the files.
const WORKER: &str = "worker.js";

/// Texts between `before` and `after`.
fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).map(move |rest| rest.split(after).next().unwrap_or_default())
}

/// A file as it is served. `tests/page/types.rs` compares its syntax with that of the source.
fn served(name: &str, text: &str) -> String {
    match name.rsplit_once('.') {
        Some((_, "js")) => compact::script(text),
        Some((_, "css")) => compact::style(text),
        _ => text.to_owned(),
    }
}

#[test]
fn a_fault_in_a_served_script_names_the_line_of_its_source() {
    for (name, text) in files().iter().filter(|(name, _)| name.ends_with(".js") || name.ends_with(".css")) {
        assert_eq!(served(name, text).lines().count(), text.lines().count(), "{name}");
    }
}

#[tokio::test]
async fn every_file_is_served_with_a_strict_policy() {
    let program = Setup::default().start().await;
    let files_as_they_are = files().into_iter().filter(|(name, _)| name != WORKER);
    let paths = files_as_they_are.map(|(name, text)| (format!("/page/{name}"), text));
    let index = files().remove("index.html").unwrap();
    for (path, text) in paths.chain([("/".to_owned(), index)]) {
        let answer = program.get(&path).await;
        let text = served(&path, &text);
        assert_eq!((answer.status, &answer.body), (200, &text), "{path}");
        let kind = match path.rsplit_once('.').map_or("html", |(_, end)| end) {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "application/manifest+json",
        };
        assert_eq!(answer.header("content-type"), Some(kind), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");

        let etag = answer.header("etag").unwrap();
        let again = program.ask("GET", &path, &format!("If-None-Match: {etag}\r\n")).await;
        assert_eq!((again.status, &*again.body, again.header("etag")), (304, "", Some(etag)), "{path}");
        let head = program.ask("HEAD", &path, "").await;
        assert_eq!((head.status, &*head.body), (200, ""), "{path}");
        assert_eq!(head.header("content-length"), Some(&*text.len().to_string()), "{path}");
        assert_eq!(
            (answer.header("content-encoding"), answer.header("vary")),
            (None, Some("Accept-Encoding"))
        );
    }
    for path in ["/page", "/page/", "/page/nope.js", "/page/../mod.rs", "/page/main.js/x"] {
        assert_eq!(program.get(path).await.error().0, 404, "{path}");
    }
    let wrong = program.ask("DELETE", "/page/main.js", "").await;
    assert_eq!((wrong.error().0, wrong.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
}

#[tokio::test]
async fn the_service_worker_knows_all_files_and_changes_with_each_of_them() {
    let program = Setup::default().start().await;
    let answer = program.get("/page/worker.js?de").await;
    // It serves the page itself, which is above its own folder, and below any path of a proxy.
    assert_eq!(answer.header("service-worker-allowed"), Some("../"));
    let list = between(&answer.body, "const FILES='", "'").next().unwrap();
    let list: Vec<_> = list.split(' ').collect();
    let files = all_files();
    assert_eq!(list, files.keys().map(String::as_str).filter(|name| *name != WORKER).collect::<Vec<_>>());
    let version = between(&answer.body, "const VERSION='", "'").next().unwrap();
    let crc = crc::Crc::<u64>::new(&crc::CRC_64_XZ);
    let mut digest = crc.digest();
    files.values().for_each(|content| digest.update(content));
    assert_eq!(version, format!("{:016x}", digest.finalize()));
    assert!(!answer.body.contains("{version}") && !answer.body.contains("{files}"));
}

#[tokio::test]
async fn the_manifest_can_be_installed_and_its_icons_are_pictures_of_their_size() {
    let program = Setup::default().start().await;
    let manifest: serde_json::Value =
        serde_json::from_str(&program.get("/page/manifest.json").await.body).unwrap();
    for (key, value) in
        [("id", "smartmeter"), ("start_url", "../"), ("scope", "../"), ("display", "standalone")]
    {
        assert_eq!(manifest[key], value, "{key}");
    }
    let icons = manifest["icons"].as_array().unwrap();
    let mut pictures = Vec::new();
    for icon in icons.iter().filter(|icon| icon["type"] == "image/png") {
        let path = format!("/page/{}", icon["src"].as_str().unwrap());
        let (head, content) = program.get_bytes(&path, "").await;
        assert_eq!((head.status, head.header("content-type")), (200, Some("image/png")), "{path}");
        // PNG 5.2 and 11.2.2: width and height are the first numbers of the first chunk.
        assert_eq!(content[..8], *b"\x89PNG\r\n\x1a\n", "{path}");
        let number = |at: usize| u32::from_be_bytes(content[at..at + 4].try_into().unwrap());
        assert_eq!(icon["sizes"], format!("{}x{}", number(16), number(20)), "{path}");
        assert!(content.len() < 6_000, "{path} has {} bytes", content.len());
        pictures.push((number(16), icon["purpose"].as_str().unwrap_or("any").to_owned()));
    }
    pictures.sort();
    let wanted = [(192, "any"), (512, "any"), (512, "maskable")];
    assert_eq!(pictures, wanted.map(|(size, purpose)| (size, purpose.to_owned())));
}

#[tokio::test]
async fn an_installed_page_has_the_name_of_the_household_for_whoever_may_read() {
    let config = "name = \"Haus Müller\"\nread_token = \"r3ader\"\ntrusted_proxies = [\"127.0.0.1\"]";
    let program = Setup { config, ..Setup::default() }.start().await;
    let name = async |headers: &str| {
        let answer = program.ask("GET", "/page/manifest.json", headers).await;
        let manifest: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(manifest["id"], "smartmeter");
        manifest["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(name("").await, "Haus Müller");
    let elsewhere = "X-Forwarded-For: 192.168.1.9\r\n";
    assert_eq!(name(elsewhere).await, "smartmeter");
    assert_eq!(name(&format!("{elsewhere}Authorization: Bearer r3ader\r\n")).await, "Haus Müller");
}

#[tokio::test]
async fn a_client_that_takes_gzip_gets_each_file_compressed_under_a_tag_of_its_own() {
    let program = Setup::default().start().await;
    let (mut plain, mut sent) = (0, 0);
    for (name, text) in files().into_iter().filter(|(name, _)| name != WORKER) {
        let path = format!("/page/{name}");
        let tag = program.get(&path).await.header("etag").unwrap().to_owned();
        let (head, body) = program.get_bytes(&path, "Accept-Encoding: br, gzip;q=0.8\r\n").await;
        let is_gzip = head.header("content-encoding") == Some("gzip");
        let mut unpacked = Vec::new();
        if is_gzip {
            flate2::read::GzDecoder::new(&*body).read_to_end(&mut unpacked).unwrap();
        } else {
            unpacked.clone_from(&body);
        }
        let text = served(&name, &text);
        assert_eq!(String::from_utf8(unpacked).unwrap(), text, "{name}");
        assert!(is_gzip || text.len() < 300, "{name} is sent plain");
        assert_eq!(head.header("vary"), Some("Accept-Encoding"), "{name}");
        assert_eq!(head.header("content-length"), Some(&*body.len().to_string()), "{name}");
        let own = head.header("etag").unwrap();
        assert_eq!(own == tag, !is_gzip, "{name}: a cache would mix the encodings up");
        let known = |tag: &str| format!("Accept-Encoding: gzip\r\nIf-None-Match: {tag}\r\n");
        assert_eq!(program.ask("GET", &path, &known(own)).await.status, 304, "{name}");
        if is_gzip {
            assert_eq!(program.get_bytes(&path, &known(&tag)).await.0.status, 200, "{name}");
        }
        (plain, sent) = (plain + text.len(), sent + body.len());
    }
    println!("{plain} bytes are sent as {sent}");
    assert!(sent * 2 < plain, "{sent} of {plain} bytes");
    for refused in [
        "",
        "Accept-Encoding: br\r\n",
        "Accept-Encoding: gzip;q=0, *\r\n",
        "Accept-Encoding: identity, gzip; q=0.000\r\n",
    ] {
        let answer = program.ask("GET", "/page/main.js", refused).await;
        assert_eq!(answer.header("content-encoding"), None, "{refused}");
    }
    for taken in ["GZIP", "*", "deflate;q=0.1,gzip ; q=0.5"] {
        let headers = format!("Accept-Encoding: {taken}\r\n");
        let (head, _) = program.get_bytes("/page/main.js", &headers).await;
        assert_eq!(head.header("content-encoding"), Some("gzip"), "{taken}");
    }
}
