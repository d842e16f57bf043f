//! What the page's modules load, how large it is, what they say and in which languages.

use std::collections::{BTreeMap, BTreeSet};

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
const WORDS: [&str; 6] = ["waiting", "gas", "water", "warm_water", "cold", "pulses"];

/// The script of the login page.
const LOGIN: &str = "login.js";

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
    assert!(include_str!("../../login.html").contains("\"page/login.js\""));
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
