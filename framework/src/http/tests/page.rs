use std::{collections::BTreeMap, path::Path};

use super::*;

/// All that may be loaded before the first picture, in bytes.
const LIMIT: usize = 160_000;
/// All that may be loaded when the setup is opened.
const LATER_LIMIT: usize = 55_000;
/// Files that are loaded when the setup is opened: one of the languages among them.
const LATER: [&str; 9] = [
    "setup.js",
    "setup.css",
    "setup-en.js",
    "setup-de.js",
    "find.js",
    "add.js",
    "saved.js",
    "toml.js",
    "failure.js",
];

/// The script of the login page.
const LOGIN: &str = "login.js";

/// The files of the page, as they lie in the source.
fn files() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/page");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    files
        .map(|file| (file.file_name().into_string().unwrap(), std::fs::read_to_string(file.path()).unwrap()))
        .collect()
}

/// Texts between `before` and `after`.
fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).map(move |rest| rest.split(after).next().unwrap_or_default())
}

#[tokio::test]
async fn every_file_is_served_with_a_strict_policy() {
    let program = Setup::default().start().await;
    let paths = files().into_iter().map(|(name, text)| (format!("/page/{name}"), text));
    let index = files().remove("index.html").unwrap();
    for (path, text) in paths.chain([("/".to_owned(), index)]) {
        let answer = program.get(&path).await;
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
    }
    for path in ["/page", "/page/", "/page/nope.js", "/page/../mod.rs", "/page/main.js/x"] {
        assert_eq!(program.get(path).await.error().0, 404, "{path}");
    }
    let wrong = program.ask("DELETE", "/page/main.js", "").await;
    assert_eq!((wrong.error().0, wrong.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
}

#[test]
fn the_page_is_small() {
    let sizes = files().into_iter().map(|(name, text)| (name, text.len()));
    let (later, first): (Vec<_>, Vec<_>) = sizes.partition(|(name, _)| LATER.contains(&&**name));
    for (sizes, limit) in [(first, LIMIT), (later, LATER_LIMIT)] {
        let whole: usize = sizes.iter().map(|(_, size)| size).sum();
        assert!(whole < limit, "{whole} bytes: {sizes:?}");
    }
}

#[test]
fn all_files_that_the_page_names_exist_and_load_in_one_round() {
    let files = files();
    let index = &files["index.html"];
    let mut named: Vec<_> = between(index, "\"page/", "\"").collect();
    for name in &named {
        assert!(files.contains_key(*name), "index.html names `{name}`");
    }
    for (name, text) in files.iter().filter(|(name, _)| name.ends_with(".js")) {
        for module in between(text, " from './", "'") {
            assert!(files.contains_key(module), "{name} names `{module}`");
        }
        let is_later = LATER.contains(&&**name) || name == LOGIN;
        assert_ne!(
            named.contains(&&**name),
            is_later,
            "`{name}`: index.html preloads what comes first, and nothing else"
        );
        // What comes first must not wait for what comes later.
        let waits = between(text, " from './", "'").any(|module| LATER.contains(&module));
        assert!(is_later || !waits, "{name} waits for the setup");
    }
    // The page itself, and what is loaded later, or before it.
    named.extend(["index.html", LOGIN]);
    assert!(include_str!("../login.html").contains("\"page/login.js\""));
    named.extend(LATER);
    for name in files.keys() {
        assert!(named.contains(&&**name), "nothing names `{name}`");
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
            "localStorage",
        ] {
            assert!(!text.contains(way), "{name}: `{way}`");
        }
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
fn both_languages_say_the_same_things() {
    let files = files();
    let both = |first: &str, later: &str| {
        let mut texts = dictionary(&files[first]);
        for (key, text) in dictionary(&files[later]) {
            assert!(texts.insert(key.clone(), text).is_none(), "`{key}` is in {first} and {later}");
        }
        texts
    };
    let (en, de) = (both("en.js", "setup-en.js"), both("de.js", "setup-de.js"));
    assert!(en.len() > 150, "{}", en.len());
    assert_eq!(en.keys().collect::<Vec<_>>(), de.keys().collect::<Vec<_>>());
    for (key, text) in &en {
        assert_eq!(places(text), places(&de[key]), "{key}");
    }
    for (name, text) in &files {
        let keys = between(text, "t('", "'").filter(|_| name.ends_with(".js"));
        // Only whole words before `t(`: not `set('…`.
        let keys =
            keys.filter(|key| text.contains(&format!(" t('{key}'")) || text.contains(&format!("(t('{key}'")));
        for key in keys.chain(between(text, "data-text=\"", "\"")) {
            assert!(en.contains_key(key), "{name} says `{key}`, which no language has");
        }
    }
}
