//! `smartmeter check` with the real plugins.

use std::fs;

use crate::program::*;

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Everything that a run has written.
fn text_of(output: &std::process::Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_check_knows_what_real_plugins_cannot_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let line = line();
    let link = folder.path().join("by-id");
    std::os::unix::fs::symlink(line.path(), &link).unwrap();
    let broker = |name: &str| {
        format!("[publishers.{name}]\nplugin = \"mqtt\"\nurl = \"mqtt://broker\"\nclient_id = \"me\"\n")
    };
    let sources = format!(
        "[sources.grid]\nplugin = \"d0\"\nport = \"{}\"\nbaud = 9601\nmax_power = 43\n[sources.heat]\nplugin = \"s0\"\n\
         port = \"{}\"\nbaud = \"fast\"\n[sources.folder]\nplugin = \"sml\"\nport = \"{}\"\n[sources.wrong]\nplugin = \"mqtt\"\n",
        line.path().display(),
        link.display(),
        folder.path().display()
    );
    let publishers = format!(
        "{}{}[publishers.influx]\nplugin = \"influx\"\nurl = \"http://nas:99999\"\n[publishers.two]\nplugin = \"influx\"\n\
         url = \"http://nas\"\norg = \"o\"\nbucket = \"b\"\n[publishers.vz]\nplugin = \"volkszaehler\"\nurl = \"http://nas\"\n\
         channels = {{ \"gird/POWER\" = \"01e2f3a4-0000-11ee-8000-0123456789ab\" }}\n[publishers.meter]\nplugin = \"d0\"\n",
        broker("one"),
        broker("other")
    );
    fs::write(&config, sources + &publishers).unwrap();
    let output = output(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let shown = text(&output.stderr);
    let expected = [
        "config.toml:4:8: 9601 is not a valid baud rate",
        "config.toml:5:13: expected a text in quotes, not the number `43`",
        "hint: write `max_power = \"100kW\"`",
        "`heat` and `grid` both use one device: ",
        "config.toml:9:8: expected a whole number, not the text `fast`",
        "hint: write `baud = 9600`",
        " is a folder: expected a serial port in it",
        "unknown source plugin `mqtt`",
        "hint: `mqtt` is a publisher: write it below `[publishers.…]`",
        "`other` and `one` both use the client id `me` at broker:1883",
        "`other` and `one` both use the topic `smartmeter` at broker:1883",
        "the port of the URL is not a number from 1 to 65535",
        "missing key `token`, which version `v2` needs",
        "unknown source `gird`, expected one of `grid`, `heat`, `folder`, `wrong`",
        "hint: `d0` is a source: write it below `[sources.…]`",
    ];
    let missing: Vec<_> = expected.into_iter().filter(|expected| !shown.contains(expected)).collect();
    assert!(missing.is_empty(), "{missing:#?} are missing in:\n{shown}");
}

#[test]
fn a_check_says_which_file_it_read_and_warns_of_open_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    fs::write(&config, "[server]\nlisten = \"127.0.0.1:0\"\ntoken = \"a secret of mine\"\n").unwrap();
    fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let checked = smartmeter().arg("check").current_dir(folder.path()).output().unwrap();
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    let shown = text(&checked.stdout);
    let name = folder.path().canonicalize().unwrap().join("config.toml");
    assert!(shown.starts_with(&format!("{}: configuration OK; serves ", name.display())), "{shown}");
    assert!(shown.contains("warning: everybody on this machine can read the secret `token`"), "{shown}");
    assert!(!shown.contains("a secret of mine"), "{shown}");
    let state = format!("--state-dir={}", folder.path().display());
    let program = Program::start(&["--config", config.to_str().unwrap(), &state]);
    assert!(
        program.log().contains("WARN everybody on this machine can read the secret `token`"),
        "{}",
        program.log()
    );
}

/// Words of serde and names of types of Rust.
const FOREIGN: [&str; 24] = [
    "invalid type",
    "invalid value",
    "invalid length",
    "unknown variant",
    "unknown field",
    "missing field",
    "duplicate field",
    "did not match",
    "untagged",
    "a string",
    "a sequence",
    "a map",
    "a boolean",
    "an array",
    "struct ",
    "newtype",
    "floating point",
    "u8",
    "u16",
    "u32",
    "u64",
    "i64",
    "i128",
    "f64",
];

/// Values of every type, of which most are wrong for any key.
const VALUES: [&str; 19] = [
    "5",
    "-1",
    "1.5",
    "inf",
    "99999999999999999999999",
    "9999999999999999999999999999999999999999999999",
    "true",
    "\"x\"",
    "\"\"",
    "1979-05-27",
    "[]",
    "[5]",
    "[\"x\"]",
    "[[5]]",
    "[{ x = 5 }]",
    "{}",
    "{ x = 5 }",
    "{ \"grid/A\" = \"x\" }",
    "{ \"grid/A\" = { uuid = 5, factor = \"x\", unknown = true } }",
];

#[test]
fn a_check_knows_what_cannot_be_kept_or_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let check = |text: &str| {
        fs::write(&config, text).unwrap();
        let output = output(&["check", "--config", config.to_str().unwrap()]);
        (output.status.code(), text_of(&output))
    };
    let mut missing = Vec::new();
    for (text, expected) in [
        ("[server]\nstate_dir = \"\"\n", "config.toml:2:13: `state_dir` is empty"),
        ("[server]\nstate_dir = \"/proc/x\"\n", "`/proc/x` is in a file system of the kernel"),
        (
            "[sources.m]\nplugin = \"d0\"\nport = \"replay:/no/such.txt\"\n",
            "config.toml:3:8: there is no recording `/no/such.txt`",
        ),
        (
            "[sources.heat]\nplugin = \"s0\"\npin = 21\n[sources.car]\nplugin = \"s0\"\nchip = \"gpiochip0\"\nline = 21\n",
            "`car` and `heat` both use gpio 21",
        ),
        (
            "[journal]\npath = \"heat.count\"\n[sources.heat]\nplugin = \"s0\"\npin = 21\n",
            "heat.count` is the name of a file with a count of pulses",
        ),
    ] {
        let (code, shown) = check(text);
        if code != Some(2) || !shown.contains(expected) {
            missing.push((expected, shown));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    let two = |place: &str, one: &str, other: &str| {
        let bus = "plugin = \"mbus\"\nport = \"tcp://gateway:10001\"";
        let (code, shown) = check(&format!("[sources.a]\n{bus}\n{one}\n[sources.b]\n{bus}\n{other}\n"));
        match place {
            "" => assert_eq!(code, Some(0), "{shown}"),
            place => {
                let expected = format!("config.toml:{place}: `b` and `a` both read ");
                assert!(code == Some(2) && shown.contains(&expected), "{shown}");
            }
        }
    };
    two("8:11", "address = 5", "address = 5");
    two("8:26", "secondary = \"12345678\"", "meters.x = { secondary = \"12345678\" }");
    two("", "address = 5", "address = 6");
    let radio = "[sources.air]\nplugin = \"wmbus\"\nreceiver = \"rtl_433\"\ncommand = [\"rtl_433\", \"-F\", \"json\"]\n";
    let (code, shown) = check(radio);
    assert!(code == Some(0) && shown.contains("air: plugin wmbus, program rtl_433"), "{shown}");
    let (code, shown) = check("[sources.machine]\nplugin = \"thermal\"\npath = \"/no/zones\"\n");
    assert!(shown.contains("warning: source `machine`: there is no folder `/no/zones`"), "{shown}");
    assert_eq!(code, Some(0));
}

#[test]
fn a_state_directory_of_the_kernel_ends_the_start_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    fs::write(&config, "[server]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let args = ["--config", config.to_str().unwrap(), "--state-dir", "/proc/x"];
    let mut program = smartmeter().args(args).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let start = std::time::Instant::now();
    while program.try_wait().unwrap().is_none() && start.elapsed() < DEADLINE {
        std::thread::sleep(std::time::Duration::from_millis(5)); // between two looks, not for timing
    }
    let _ = program.kill();
    let output = program.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let shown = text_of(&output);
    assert!(shown.starts_with("--state-dir: `/proc/x` is in a file system of the kernel"), "{shown}");
    assert!(!shown.contains("INFO") && !shown.contains("ERROR"), "{shown}");
}

#[test]
fn no_value_of_any_key_is_answered_with_words_of_serde() {
    let mut texts = Vec::new();
    for plugin in framework::plugins() {
        let role = plugin.role;
        let of_role = match role {
            framework::Role::Source => framework::SOURCE_KEYS,
            framework::Role::Publisher => framework::PUBLISHER_KEYS,
            framework::Role::Endpoint => framework::ENDPOINT_KEYS,
        };
        let section = format!("[{role}s.x]\nplugin = \"{}\"\n", plugin.kind);
        for key in (plugin.keys)().iter().chain(of_role).filter(|key| **key != "plugin") {
            texts.extend(VALUES.map(|value| format!("{section}{key} = {value}\n")));
        }
    }
    for table in ["server", "journal", "backup"] {
        for key in framework::testing::table_keys(table) {
            texts.extend(VALUES.map(|value| format!("[{table}]\n{key} = {value}\n")));
        }
    }
    texts.extend(VALUES.map(|value| format!("[sources.x]\nplugin = {value}\n")));
    texts.extend(
        ["server", "journal", "backup", "sources", "publishers"].map(|table| format!("{table} = 5\n")),
    );
    assert!(texts.len() > 1000);
    for text in texts {
        let Err(mistakes) = framework::Config::parse("config.toml", &text, &[]) else { continue };
        // The line itself is shown, too.
        let mistakes = mistakes.to_string();
        let said =
            mistakes.lines().filter(|line| line.starts_with("config.toml:") || line.starts_with("hint:"));
        for line in said {
            let found = FOREIGN.iter().find(|word| line.contains(**word));
            assert_eq!(found, None, "{text}:\n{line}");
        }
    }
}
