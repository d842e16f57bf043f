//! Mistakes inside of lists of tables, each in its place.

use framework::{
    Arg, CommandSpec, ConfigError, Decimal, Mode, Obis, Source, SourceContext, SourcePlugin, TimeOfDay,
};
use serde::Deserialize;

use super::{mistakes, parse};

/// Source with a list of tables.
struct Registers;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    registers: Vec<Register>,
    #[serde(default, rename = "at")]
    _at: Vec<TimeOfDay>,
    #[serde(default)]
    command: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Register {
    name: String,
    address: u16,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    factor: Option<Decimal>,
    #[serde(default)]
    obis: Option<Obis>,
    #[serde(default)]
    limits: Option<Limits>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Uint16,
    Float32,
}

/// Two numbers, the greater one last.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "[Decimal; 2]")]
struct Limits(Decimal, Decimal);

impl TryFrom<[Decimal; 2]> for Limits {
    type Error = String;

    fn try_from([min, max]: [Decimal; 2]) -> Result<Self, String> {
        if min.compare(max).is_gt() {
            return Err(format!("no number is from {min} to {max}"));
        }
        Ok(Self(min, max))
    }
}

impl SourcePlugin for Registers {
    const KIND: &'static str = "registers";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str = "[sources.r]\nplugin = \"registers\"\n";
    type Config = Config;

    fn mode(_: &Config) -> Mode {
        Mode::Push
    }

    fn build(config: Config, _: &SourceContext) -> Result<Source, ConfigError> {
        let mut errors = Vec::new();
        for (n, register) in config.registers.iter().enumerate() {
            let key = |key: &str| format!("registers[{n}].{key}");
            if register.address >= 50_000 {
                let factor = register.factor.map(|factor| format!(" (factor {factor})")).unwrap_or_default();
                errors.push(ConfigError::key(key("address"), format!("addresses are below 50000{factor}")));
            }
            let is_taken = config.registers[..n].iter().any(|other| other.name == register.name);
            if is_taken || register.name.is_empty() {
                errors.push(ConfigError::key(key("name"), format!("`{}` is taken", register.name)));
            }
            if register.factor.is_some() && matches!(register.kind, Kind::Float32) {
                errors.push(ConfigError::key(format!("registers[{n}]"), "a float needs no factor"));
            }
            if register.obis.is_some() && register.limits.is_some_and(|limits| limits.0 == limits.1) {
                errors.push(ConfigError::key(key("limits[1]"), "the limits are equal"));
            }
        }
        ConfigError::all(errors)?;
        let source = Source::blocking(|| Ok(None));
        Ok(match config.command {
            Some(name) => {
                source.command(CommandSpec::new(name, "").arg(Arg::text("name", "")).run(async |_| Ok(())))
            }
            None => source,
        })
    }
}

framework::register_source!(Registers);

#[test]
fn every_mistake_in_a_list_of_tables_is_reported_in_its_place() {
    let shown = mistakes(
        r#"
[sources.r]
plugin = "registers"
at = ["06:30", "25:00", "7"]
[[sources.r.registers]]
name = "a"
address = 1
type = "uint61"
factor = "1,5"
obis = "energy"
[[sources.r.registers]]
adress = 2
limits = [5, -5]
[[sources.r.registers]]
name = 3
address = 70000
type = "float32"
factor = true
unitt = "W"
[[sources.r.registers]]
name = "d"
address = 60000
type = "float32"
factor = 0.1
[[sources.r.registers]]
name = "d"
address = 4
type = "uint16"
obis = "1.8.0"
limits = [1, 1]
"#,
    );
    for expected in [
        "config.toml:4:16: `25:00` is not a valid time of day",
        "config.toml:4:25: `7` is not a valid time of day",
        "config.toml:8:8: unknown value `uint61`, expected one of `uint16`, `float32`",
        "hint: did you mean `uint16`?",
        "config.toml:9:10: `1,5` is not a valid number: expected at most 18 digits, such as `0.25`",
        "config.toml:10:8: `energy` is not a valid OBIS code: expected one such as `1-0:1.8.0*255` or `1.8.0`",
        "config.toml:12:1: unknown key `adress`, expected one of `name`, `address`",
        "hint: did you mean `address`?",
        "config.toml:11:1: missing key `name`",
        "config.toml:11:1: missing key `address`",
        "config.toml:11:1: missing key `type`",
        "config.toml:13:10: no number is from 5 to -5",
        "config.toml:15:8: expected a text in quotes, not the number `3`",
        "config.toml:16:11: expected a whole number from 0 to 65535, not the number `70000`",
        "config.toml:18:10: ",
        "config.toml:19:1: unknown key `unitt`",
        // These are found by the plugin, in the elements without other mistakes.
        "config.toml:22:11: addresses are below 50000",
        "config.toml:20:1: a float needs no factor",
        "config.toml:26:8: `d` is taken",
        "config.toml:30:14: the limits are equal",
    ] {
        assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
    }
    assert_eq!(shown.matches("config.toml:").count(), 18, "{shown}");
}

#[test]
fn an_inline_list_is_checked_like_a_list_of_tables() {
    let shown = mistakes(
        "[sources.r]\nplugin = \"registers\"\nregisters = [\n  { name = \"a\", address = 1, type = \"uint16\" },\n  \
         { name = \"a\", address = 2, type = \"uint16\" },\n  { nam = \"b\", address = \"3\", type = 4 },\n]\n",
    );
    for expected in [
        "config.toml:5:12: `a` is taken",
        "config.toml:6:5: unknown key `nam`",
        "config.toml:6:3: missing key `name`",
        "config.toml:6:26: expected a whole number, not the text `3`",
        "config.toml:6:38: expected one of `uint16`, `float32`, in quotes, not the number `4`",
    ] {
        assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
    }
    assert_eq!(shown.matches("config.toml:").count(), 5, "{shown}");
}

#[test]
fn a_decimal_has_every_digit_of_the_file() {
    for (written, expected) in [
        ("0.123456789012345678", "0.123456789012345678"),
        ("\"0.123456789012345678\"", "0.123456789012345678"),
        ("1_234.50", "1234.5"),
        ("-0x10", ""),
        ("-16", "-16"),
        ("1e3", "1000"),
        ("0.1234567890123456789", ""),
        ("inf", ""),
        ("nan", ""),
    ] {
        // The plugin repeats it in its answer to an address that does not exist.
        let config = format!(
            "[sources.r]\nplugin = \"registers\"\nat = [\"06:30\"]\n[[sources.r.registers]]\nname = \"a\"\n\
             address = 50000\ntype = \"uint16\"\nfactor = {written}\n"
        );
        let shown = mistakes(&config);
        let is_read =
            shown.contains(&format!("config.toml:6:11: addresses are below 50000 (factor {expected})"));
        assert!(is_read != expected.is_empty(), "{written}: {shown}");
    }
    let right = "[sources.r]\nplugin = \"registers\"\n[[sources.r.registers]]\nname = \"a\"\naddress = 0x10\n\
                 type = \"uint16\"\nlimits = [-5, 30.5]\n";
    assert!(parse(right).is_ok());
}

#[test]
fn a_command_that_the_configuration_names_is_checked() {
    let shown = mistakes("[sources.r]\nplugin = \"registers\"\ncommand = \"a b\"\n");
    assert!(shown.contains("config.toml:1:10: command `a b`: expected lower case letters"), "{shown}");
    let shown = mistakes("[sources.r]\nplugin = \"registers\"\ncommand = \"set\"\n");
    assert!(shown.contains("argument `name` of the command `set`: `name` is taken"), "{shown}");
}
