use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    path::Path,
};

use super::*;

/// All that may be loaded before the first picture in one language, in bytes.
const FIRST_LIMIT: usize = 155_000;
/// All that a browser may load in one language, without the setup, in bytes.
const LIMIT: usize = 220_000;
/// The setup, which only the person who installs the program opens, in one language.
const SETUP_LIMIT: usize = 50_000;
/// Language of the sizes: one has its own files only.
const LANGUAGE: &str = "de";

/// Words of the program that the page translates: states, and usual names of sections.
const WORDS: [&str; 5] = ["waiting", "gas", "water", "warm_water", "cold"];

/// The script of the login page.
const LOGIN: &str = "login.js";

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

/// Modules that a module imports, at once (` from './…'`) or later (`import('./…')`).
fn imports<'a>(text: &'a str, how: &'a str) -> impl Iterator<Item = &'a str> {
    between(text, how, "'")
}
const AT_ONCE: &str = " from './";
const LATER: &str = "import('./";

/// The language that a file is for: `de` of `de/page.js`.
fn language(name: &str) -> Option<&str> {
    name.split_once('/').map(|(language, _)| language)
}

/// The parts of a language, which are loaded when they are needed.
const PARTS: [&str; 3] = ["household", "page", "setup"];

/// The languages, of which a browser loads one: a folder each.
fn languages(files: &BTreeMap<String, String>) -> Vec<&str> {
    let list = between(&files["language.js"], "const LANGUAGES = [", "]").next().unwrap_or_default();
    list.split('\'').skip(1).step_by(2).collect()
}

/// A module and all that it imports at once.
fn closure<'a>(files: &'a BTreeMap<String, String>, module: &'a str) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![module]);
    while let Some(name) = open.pop() {
        if found.insert(name) {
            let text = files.get(name).unwrap_or_else(|| panic!("there is no `{name}`"));
            open.extend(imports(text, AT_ONCE));
        }
    }
    found
}

/// Files that come with the page itself.
fn first(files: &BTreeMap<String, String>) -> BTreeSet<&str> {
    let mut first = closure(files, "main.js");
    first.insert("index.html");
    first.extend(between(&files["index.html"], "\"page/", "\""));
    first.extend(files.keys().map(String::as_str).filter(|name| name.ends_with("/page.js")));
    first
}

/// Files of the setup that do not come with the page itself.
fn setup(files: &BTreeMap<String, String>) -> BTreeSet<&str> {
    let first = first(files);
    let with_it = files.keys().map(String::as_str);
    let with_it = with_it.filter(|name| name.starts_with("setup") || name.ends_with("/setup.js"));
    closure(files, "setup.js").into_iter().chain(with_it).filter(|name| !first.contains(name)).collect()
}

#[test]
fn what_a_browser_loads_is_small() {
    let files = files();
    let (first, setup) = (first(&files), setup(&files));
    let size = |wanted: &dyn Fn(&str) -> bool| -> usize {
        let is_wanted = |name: &&String| wanted(name);
        files.keys().filter(is_wanted).map(|name| served(name, &files[name]).len()).sum()
    };
    // A tablet at the wall and the login have files of their own.
    let of_the_page = |name: &str| !name.starts_with("kiosk.") && name != LOGIN;
    let one_language = |name: &str| language(name).is_none_or(|tag| tag == LANGUAGE);
    let sizes = [
        ("before the first picture", size(&|name| first.contains(name) && one_language(name)), FIRST_LIMIT),
        (
            "without the setup",
            size(&|name| !setup.contains(name) && of_the_page(name) && one_language(name)),
            LIMIT,
        ),
        ("the setup", size(&|name| setup.contains(name) && one_language(name)), SETUP_LIMIT),
    ];
    println!("all files together: {} bytes", size(&|_| true));
    for (what, size, limit) in sizes {
        println!("{what}, in one language: {size} bytes");
        assert!(size <= limit, "{what}: {size} bytes, of at most {limit}");
    }
}

#[test]
fn all_files_that_the_page_names_exist_and_load_in_one_round() {
    let files = files();
    let index = &files["index.html"];
    let named: BTreeSet<_> = between(index, "\"page/", "\"").collect();
    for name in &named {
        assert!(all_files().contains_key(*name), "index.html names `{name}`");
    }
    // What comes with the page must not wait for its imports to be read.
    let first = closure(&files, "main.js");
    let preloaded: BTreeSet<_> = named.iter().copied().filter(|name| name.ends_with(".js")).collect();
    assert_eq!(preloaded, first, "index.html preloads what comes first, and nothing else");
    assert!(include_str!("../login.html").contains("\"page/login.js\""));
    // Everything else is named by a module: imported later, as a style sheet, or as the file of a language.
    let scripts = files.iter().filter(|(name, _)| name.ends_with(".js"));
    let later: BTreeSet<_> = scripts.clone().flat_map(|(_, text)| imports(text, LATER)).collect();
    let mut known: BTreeSet<_> = later.iter().flat_map(|module| closure(&files, module)).collect();
    known.extend(first.iter().chain(&named).copied().chain(["index.html", LOGIN]));
    for (_, text) in scripts {
        known.extend(between(text, "'page/", "'"));
    }
    // The icons of the tab, by the direction of the power; those of an installed page.
    known.extend(["icon-import.svg", "icon-export.svg", "icon-none.svg"]);
    known.extend(between(&files["manifest.json"], "\"src\": \"", "\""));
    // The language is asked for without waiting for anything else.
    assert!(index.contains("<script type=\"module\" async src=\"page/language.js\">"));
    let languages = languages(&files);
    let is_text = |name: &str| {
        let (language, part) = name.split_once('/').unwrap_or_default();
        languages.contains(&language) && PARTS.iter().any(|known| part == format!("{known}.js"))
    };
    for part in &PARTS[..] {
        let loads = format!("'{part}')");
        assert!(files.values().any(|text| text.contains(&loads)), "nothing loads the texts of `{part}`");
    }
    for name in all_files().keys() {
        assert!(known.contains(&**name) || is_text(name), "nothing names `{name}`");
    }
}

#[test]
fn the_page_makes_no_markup_and_uses_no_other_host() {
    for (name, text) in files() {
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "DOMParser",
            "createContextualFragment",
            "eval(",
            "new Function",
            "javascript:",
            "style=\"",
            "<style",
        ] {
            assert!(!text.contains(way), "{name}: `{way}`");
        }
        // What outlives the tab is in one place, and the token is not there.
        assert!(!text.contains("localStorage") || name == "memory.js", "{name} keeps something");
        assert!(name != "memory.js" || !text.contains(" from "), "{name} uses other modules");
        for scheme in ["http://", "https://", "url(//", "\"//", "@import"] {
            for rest in text.split(scheme).skip(1) {
                // The name of a namespace; nobody asks for it.
                assert!(rest.starts_with("www.w3.org/2000/svg"), "{name}: `{scheme}{:.40}`", rest);
            }
        }
        let handlers = text.split(" on").skip(1).filter(|rest| {
            let word = rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
            rest[word.len()..].starts_with("=\"")
        });
        assert_eq!(handlers.count(), 0, "{name} has a handler in markup");
    }
}

/// The entries of a language: a key each, its text after it or in the next line.
fn dictionary(text: &str) -> BTreeMap<String, String> {
    let text = text.replace(":\n    ", ": ");
    let entries = text.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": "));
    entries.map(|(key, text)| (key.to_owned(), text.to_owned())).collect()
}

fn places(text: &str) -> Vec<&str> {
    let mut places: Vec<_> = between(text, "{", "}").collect();
    places.sort_unstable();
    places
}

#[test]
fn every_language_has_every_text_and_none_is_unused() {
    let files = files();
    let languages = languages(&files);
    assert!(languages.len() >= 4, "{languages:?}");
    let parts = PARTS.map(|part| dictionary(&files[&format!("en/{part}.js")]));
    let en: BTreeMap<_, _> = parts.iter().flatten().collect();
    assert!(en.len() > 300, "{}", en.len());
    assert_eq!(en.len(), parts.iter().map(BTreeMap::len).sum::<usize>(), "a text is in two parts");
    let parts = PARTS.iter().zip(&parts);
    for (name, en) in
        languages.iter().flat_map(|it| parts.clone().map(move |(part, en)| (format!("{it}/{part}.js"), en)))
    {
        let texts = dictionary(&files[&name]);
        let lacks: Vec<_> = en.keys().filter(|key| !texts.contains_key(*key)).collect();
        let more: Vec<_> = texts.keys().filter(|key| !en.contains_key(*key)).collect();
        assert!(lacks.is_empty() && more.is_empty(), "{name} lacks {lacks:?}, and has besides {more:?}");
        for (key, text) in en {
            assert_eq!(places(text), places(&texts[key]), "{name}: {key}");
        }
    }
    let scripts = || files.iter().filter(|(name, _)| name.ends_with(".js") && language(name).is_none());
    for (name, text) in scripts().chain(files.get_key_value("index.html")) {
        let keys = between(text, "t('", "'").filter(|_| name.ends_with(".js"));
        // Only whole words before `t(`: not `set('…`.
        let keys =
            keys.filter(|key| text.contains(&format!(" t('{key}'")) || text.contains(&format!("(t('{key}'")));
        for key in keys.chain(between(text, "data-text=\"", "\"")) {
            assert!(en.contains_key(&key.to_owned()), "{name} says `{key}`, which no language has");
        }
    }
    // A key is written out in a script or the page, or made of a part that is: `fact_${name}`, `${name}_today`.
    let written: String = scripts().map(|(_, text)| text.as_str()).collect::<String>() + &files["index.html"];
    let is_made = |key: &str| {
        key.char_indices().filter(|(_, c)| *c == '_').any(|(at, _)| {
            written.contains(&format!("`{}${{", &key[..=at]))
                || written.contains(&format!("}}{}`", &key[at..]))
        })
    };
    let is_written =
        |key: &str| ['\'', '"'].iter().any(|quote| written.contains(&format!("{quote}{key}{quote}")));
    let is_word = |key: &str| written.contains(&format!(" {key}:")) || WORDS.contains(&key);
    let unused: Vec<_> = en.keys().filter(|key| !is_written(key) && !is_made(key) && !is_word(key)).collect();
    assert!(unused.is_empty(), "nothing says {unused:?}");
}
