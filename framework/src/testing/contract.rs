//! Contract that all plugins keep.

use std::{collections::BTreeSet, path::Path, time::Duration};

use toml::de::{DeTable, DeValue};

use super::{endpoint, publisher, source};
use crate::{
    Config, ENDPOINT_KEYS, EndpointPlugin, Mode, PUBLISHER_KEYS, PluginInfo, PublisherPlugin, Role,
    SOURCE_KEYS, SourcePlugin, command::is_word, plugins,
};

/// Checks the contract of a source plugin:
///
/// - it is registered, its name is a word, and it describes itself in one line;
/// - its sample is a whole configuration that works, and shows every key;
/// - no key of its own has the name of one of the framework's, which the plugin would never see;
/// - an unknown key is refused by name;
/// - its commands are described, and their names are words that do not repeat;
/// - it is not polled without a pause.
///
/// # Panics
/// Panics with the breach of the contract, as tests do.
pub fn check<P: SourcePlugin>() {
    check_info(P::KIND, "register_source");
    let source = source::<P>(P::SAMPLE, Path::new("/nonexistent"));
    if let Mode::Poll(period) = source.mode {
        assert!(period >= Duration::from_millis(1), "`{}` would be polled without a pause", P::KIND);
    }
    let mut names = BTreeSet::new();
    for command in &source.commands {
        let spec = command.spec();
        assert_eq!(spec.mistake(), None);
        assert!(names.insert(spec.name.clone()), "two commands are called `{}`", spec.name);
        assert!(!spec.about.is_empty(), "command `{}` has no description", spec.name);
        for arg in &spec.args {
            assert!(!arg.about.is_empty(), "argument `{}` of `{}` has no description", arg.name, spec.name);
        }
    }
}

/// Checks the contract of a publisher plugin, as [`check`].
///
/// # Panics
/// Panics with the breach of the contract, as tests do.
pub fn check_publisher<P: PublisherPlugin>() {
    check_info(P::KIND, "register_publisher");
    publisher::<P>(P::SAMPLE);
}

/// Checks the contract of an endpoint plugin, as [`check`].
///
/// # Panics
/// Panics with the breach of the contract, as tests do.
pub fn check_endpoint<P: EndpointPlugin>() {
    check_info(P::KIND, "register_endpoint");
    endpoint::<P>(P::SAMPLE);
}

fn check_info(kind: &str, register: &str) {
    assert!(is_word(kind), "KIND `{kind}` must be lower case letters, digits and `_`");
    let Some(PluginInfo { role, about, sample, keys, .. }) =
        plugins().into_iter().find(|info| info.kind == kind)
    else {
        panic!("`{kind}` is not registered: write framework::{register}!(…) beside its plugin")
    };
    assert!(!about.is_empty() && !about.contains('\n'), "ABOUT of `{kind}` must be one line");
    let taken = match role {
        Role::Source => SOURCE_KEYS,
        Role::Publisher => PUBLISHER_KEYS,
        Role::Endpoint => ENDPOINT_KEYS,
    };
    for key in keys() {
        assert!(
            !taken.contains(key),
            "`{kind}` never sees its key `{key}`: the framework has one of this name in every {role}, so rename the \
             plugin's"
        );
        assert!(
            is_shown(sample, key),
            "sample.toml of `{kind}` does not show `{key}`, not even in a comment"
        );
    }
    let wrong = with_unknown_key(sample, *role, kind);
    let mistakes = Config::parse("sample.toml", &wrong, &[]).err().map(|mistakes| mistakes.to_string());
    let mistakes = mistakes.unwrap_or_else(|| {
        panic!(
            "`{kind}` accepts an unknown key: its Config must be a struct that derives Deserialize, with \
             #[serde(deny_unknown_fields)] above"
        )
    });
    assert!(
        mistakes.contains("unknown key `no_such_key`"),
        "`{kind}` refuses an unknown key thus:\n{mistakes}"
    );
}

/// Returns whether a sample has a key, perhaps in a comment: `key = …`, `key.x = …`, or a table or list of tables
/// `[[sources.x.key]]`.
fn is_shown(sample: &str, key: &str) -> bool {
    sample.lines().any(|line| {
        let line = line.trim_start_matches(['#', ' ']);
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_start_matches('[').split(']').next().unwrap_or_default();
            return header.split('.').nth(2).is_some_and(|part| part.trim().trim_matches('"') == key);
        }
        line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(['=', '.']))
    })
}

/// Returns a sample with a key that no plugin has, in the plugin's own section: the end of the sample may be in a table
/// below it.
fn with_unknown_key(sample: &str, role: Role, kind: &str) -> String {
    let (root, _) = DeTable::parse_recoverable(sample);
    let sections =
        root.get_ref().get(format!("{role}s").as_str()).and_then(|value| value.get_ref().as_table());
    let plugins = sections
        .into_iter()
        .flat_map(|sections| sections.values())
        .filter_map(|section| section.get_ref().as_table().and_then(|section| section.get("plugin")));
    let mut of_kind =
        plugins.filter(|plugin| matches!(plugin.get_ref(), DeValue::String(name) if name == kind));
    let Some(plugin) = of_kind.next() else {
        panic!("sample.toml of `{kind}` has no section `[{role}s.…]` with `plugin = \"{kind}\"`")
    };
    let at = plugin.span().end;
    let at = sample[at..].find('\n').map_or(sample.len(), |end| at + end);
    format!("{}\nno_such_key = 1{}\n", &sample[..at], &sample[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "# Registers.\n[sources.pump]\nplugin = \"pump\" # the device\nport = \"/dev/x\"\n\n\
                          # names.POWER = 3\n# [sources.pump.limits]\n# low = 1\n\n\
                          [[sources.pump.registers]]\naddress = 1\n";

    #[test]
    fn a_key_is_shown_as_a_value_a_table_a_list_of_tables_or_in_a_comment() {
        for (key, shown) in [
            ("port", true),
            ("registers", true),
            ("limits", true),
            ("names", true),
            ("pump", false),
            ("regis", false),
            ("por", false),
        ] {
            assert_eq!(is_shown(SAMPLE, key), shown, "{key}");
        }
    }

    #[test]
    fn the_unknown_key_is_in_the_section_itself_and_not_in_its_last_list() {
        let wrong = with_unknown_key(SAMPLE, Role::Source, "pump");
        assert!(
            wrong.contains("plugin = \"pump\" # the device\nno_such_key = 1\nport = \"/dev/x\"\n"),
            "{wrong}"
        );
        assert!(DeTable::parse(&wrong).is_ok());
        assert!(
            with_unknown_key("sources.x.plugin = \"x\"", Role::Source, "x").ends_with("\nno_such_key = 1\n")
        );
    }
}
