//! Places in the repository that a plugin needs, and the ones that were forgotten.

use framework::Role;

use super::documented;
use crate::program::root;

const MANIFEST: &str = "app/Cargo.toml";
const LIST: &str = "app/src/plugins.rs";
const REFERENCE: &str = "docs/configuration.md";

/// A linked plugin, as far as its documents are concerned.
struct Linked<'a> {
    kind: &'a str,
    role: Role,
    keys: &'a [&'a str],
}

/// Returns a line for each forgotten place of every plugin, with the text to add there.
///
/// `folders` are those below `plugins/`, `linked` the plugins in the program. `read` returns the text of a file, or
/// `None` if there is no such file.
fn forgotten(
    folders: &[String],
    linked: &[Linked<'_>],
    read: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut places = Vec::new();
    let mut lacks = |place: &str, what: String| places.push(format!("{place}: {what}"));
    let has_line =
        |file: &str, line: &str| read(file).is_some_and(|text| text.lines().any(|l| l.trim() == line));
    for folder in folders {
        let own = format!("plugins/{folder}");
        for file in ["Cargo.toml", "README.md", "sample.toml", "src/lib.rs"] {
            if read(&format!("{own}/{file}")).is_none() {
                lacks(&format!("{own}/{file}"), "add this file".to_owned());
            }
        }
        for (table, line) in [
            ("`default` in [features]", format!("\"{folder}\",")),
            ("[features]", format!("{folder} = [\"dep:plugin-{folder}\"]")),
            (
                "[dependencies]",
                format!("plugin-{folder} = {{ path = \"../plugins/{folder}\", optional = true }}"),
            ),
        ] {
            if !has_line(MANIFEST, &line) {
                lacks(MANIFEST, format!("add below {table}: {line}"));
            }
        }
        let link = format!("\"{folder}\" => plugin_{folder},");
        if !has_line(LIST, &link) {
            lacks(LIST, format!("add the line: {link}"));
        }
        let is_linked = linked.iter().any(|plugin| plugin.kind == folder);
        if !is_linked && has_line(LIST, &link) {
            let macros = "register_source!, register_publisher! or register_endpoint!";
            lacks(
                &format!("{own}/src/lib.rs"),
                format!("register a plugin whose KIND is \"{folder}\": {macros}"),
            );
        }
        if !is_linked && !has_section(&read(REFERENCE).unwrap_or_default(), folder) {
            lacks(REFERENCE, format!("add a section {} with a row for each key", heading(folder)));
        }
    }
    for plugin in linked {
        let readme = format!("plugins/{}/README.md", plugin.kind);
        if !folders.iter().any(|folder| folder == plugin.kind) {
            lacks(&format!("plugins/{}", plugin.kind), "rename the plugin's folder to its KIND".to_owned());
            continue;
        }
        let reference = read(REFERENCE).unwrap_or_default();
        if has_section(&reference, plugin.kind) {
            let rows = documented(&reference, &heading(plugin.kind));
            table_differs(&rows, plugin.keys)
                .for_each(|row| lacks(REFERENCE, format!("below {}: {row}", heading(plugin.kind))));
        } else {
            let rows: String = plugin.keys.iter().map(|key| format!("\n    | `{key}` | … | … |")).collect();
            let below = format!("add below `[{}s.<name>]`: {}", plugin.role, heading(plugin.kind));
            lacks(
                REFERENCE,
                format!("{below} and a table\n    | key | default | meaning |\n    |---|---|---|{rows}"),
            );
        }
        let Some(text) = read(&readme) else { continue };
        let rows = documented(&text, "## Configuration");
        table_differs(&rows, plugin.keys)
            .for_each(|row| lacks(&readme, format!("below ## Configuration: {row}")));
    }
    places
}

fn heading(kind: &str) -> String {
    format!("### `plugin = \"{kind}\"`")
}

fn has_section(reference: &str, kind: &str) -> bool {
    reference.lines().any(|line| line == heading(kind))
}

/// Returns the rows to add to a table of keys, and those to remove.
fn table_differs<'a>(rows: &'a [String], keys: &'a [&'a str]) -> impl Iterator<Item = String> + 'a {
    let to_add = keys.iter().filter(|key| !rows.iter().any(|row| row == *key));
    let to_remove = rows.iter().filter(|row| !keys.contains(&row.as_str()));
    let to_add = to_add.map(|key| format!("add the row | `{key}` | … | … |"));
    to_add.chain(to_remove.map(|row| format!("remove the row of `{row}`, which is not a key")))
}

#[test]
fn every_plugin_is_linked_and_documented() {
    let folders = std::fs::read_dir(root().join("plugins")).unwrap();
    let mut folders: Vec<_> =
        folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    folders.sort();
    let plugins = framework::plugins();
    let linked: Vec<_> = plugins
        .iter()
        .map(|plugin| Linked { kind: plugin.kind, role: plugin.role, keys: (plugin.keys)() })
        .collect();
    assert!(linked.len() >= 9, "the program has {} plugins", linked.len());
    let places = forgotten(&folders, &linked, |path| std::fs::read_to_string(root().join(path)).ok());
    assert!(places.is_empty(), "places that a plugin needs were forgotten:\n- {}", places.join("\n- "));
}

#[test]
fn every_forgotten_place_is_named_at_once() {
    let complete = [
        (
            "app/Cargo.toml",
            "[features]\ndefault = [\n    \"tide\",\n]\ntide = [\"dep:plugin-tide\"]\n\n\
             [dependencies]\nplugin-tide = { path = \"../plugins/tide\", optional = true }\n",
        ),
        ("app/src/plugins.rs", "link! {\n    \"tide\" => plugin_tide,\n}\n"),
        ("docs/configuration.md", "### `plugin = \"tide\"`\n\n| `port` | | |\n| `height` | | |\n"),
        ("plugins/tide/Cargo.toml", ""),
        ("plugins/tide/README.md", "## Configuration\n\n| `port` | | |\n| `height` | | |\n"),
        ("plugins/tide/sample.toml", ""),
        ("plugins/tide/src/lib.rs", ""),
    ];
    let find = |files: &[(&str, &str)], path: &str| {
        files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned())
    };
    let tide = [Linked { kind: "tide", role: Role::Source, keys: &["port", "height"] }];
    let folders = ["tide".to_owned(), "wind".to_owned()];
    assert_eq!(forgotten(&folders[..1], &tide, |path| find(&complete, path)), [""; 0]);

    // `wind` is a folder and nothing else; `tide` has a new key, and a row that is none.
    let mut files = complete;
    files[2].1 = "### `plugin = \"tide\"`\n\n| `port` | | |\n| `depth` | | |\n";
    files[4].1 = "## Configuration\n\n| `port` | | |\n";
    assert_eq!(
        forgotten(&folders, &tide, |path| find(&files, path)),
        [
            "plugins/wind/Cargo.toml: add this file",
            "plugins/wind/README.md: add this file",
            "plugins/wind/sample.toml: add this file",
            "plugins/wind/src/lib.rs: add this file",
            "app/Cargo.toml: add below `default` in [features]: \"wind\",",
            "app/Cargo.toml: add below [features]: wind = [\"dep:plugin-wind\"]",
            "app/Cargo.toml: add below [dependencies]: plugin-wind = { path = \"../plugins/wind\", optional = true }",
            "app/src/plugins.rs: add the line: \"wind\" => plugin_wind,",
            "docs/configuration.md: add a section ### `plugin = \"wind\"` with a row for each key",
            "docs/configuration.md: below ### `plugin = \"tide\"`: add the row | `height` | … | … |",
            "docs/configuration.md: below ### `plugin = \"tide\"`: remove the row of `depth`, which is not a key",
            "plugins/tide/README.md: below ## Configuration: add the row | `height` | … | … |",
        ]
    );

    // Linked, but not registered; registered, but not documented.
    let mut files = complete.to_vec();
    files.remove(2);
    assert_eq!(
        forgotten(&folders[..1], &[], |path| find(&files, path)),
        [
            "plugins/tide/src/lib.rs: register a plugin whose KIND is \"tide\": register_source!, \
             register_publisher! or register_endpoint!",
            "docs/configuration.md: add a section ### `plugin = \"tide\"` with a row for each key",
        ]
    );
    assert_eq!(
        forgotten(&folders[..1], &tide, |path| find(&files, path)),
        ["docs/configuration.md: add below `[sources.<name>]`: ### `plugin = \"tide\"` and a table\n    \
          | key | default | meaning |\n    |---|---|---|\n    | `port` | … | … |\n    | `height` | … | … |"]
    );
}
