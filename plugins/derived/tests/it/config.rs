//! Mistakes in the configuration, each at its line and column.

use framework::Config;

use super::house::{config, mistakes};

#[test]
fn every_mistake_in_an_expression_is_reported_at_its_line_and_column() {
    for (value, expected) in [
        // Grammar.
        (
            r#"{ expression = "grid.P +" }"#,
            "9:36: expected a number, a reading such as `grid.power`, or `(`, not the end",
        ),
        (r#"{ expression = "" }"#, "9:28: expected a number"),
        (r#"{ expression = "(grid.P" }"#, "9:35: expected an operator, `,` or `)`, not the end"),
        (r#"{ expression = "grid.P pv.P" }"#, "9:35: expected an operator (`+`, `-`, `*`, `/`), not `pv`"),
        (r#"{ expression = "grid.P ^ 2" }"#, "9:35: `^` is not an operator"),
        (r#"{ expression = "grid.P + 5 bananas" }"#, "9:39: `bananas` is not a known unit"),
        (r#"{ expression = "power" }"#, "9:28: `power` is not a reading: expected a source and a reading"),
        (r#"{ expression = "heat-pump.P" }"#, "9:28: `heat` is not a reading"),
        (r#"{ expression = "grid.1-0:16.7.0" }"#, "9:36: `:` is not an operator"),
        (r#"{ expression = "grid.1" }"#, "9:33: expected the name of a reading, not `1`"),
        (r#"{ expression = "grid.'P" }"#, "9:33: the quote ' has no end"),
        (
            r#"{ expression = "sin(grid.P)" }"#,
            "9:28: unknown function `sin`, expected one of `abs`, `max`, `min`, `or`",
        ),
        (r#"{ expression = "max(grid.P)" }"#, "9:28: `max` takes two or more arguments, not 1"),
        (r#"{ expression = "abs(grid.P, 1)" }"#, "9:28: `abs` takes one argument, not 2"),
        // Names.
        (
            r#"{ expression = "grid.P + vp.P" }"#,
            "9:37: unknown source `vp`, expected one of `grid`, `pv`, `heat-pump`, `house`",
        ),
        (r#"{ expression = "1 + house.NONE" }"#, "9:32: unknown value `NONE`, expected one of `V`"),
        (r#"{ expression = "1 + house.V" }"#, "9:32: these values need each other in a circle: `V` → `V`"),
        // Units of the configuration.
        (r#"{ expression = "5 W + 2 kWh" }"#, "9:28: power (`W`) and energy (`kWh`) cannot be added"),
        (
            r#"{ expression = "grid.P - (5 W - 2 'm³/h')" }"#,
            "9:38: power (`W`) and volume flow (`m³/h`) cannot be subtracted",
        ),
        (r#"{ expression = "max(grid.P, 5 W, 2 V)" }"#, "cannot be compared"),
        (
            r#"{ expression = "grid.P + 5 W * 2 V" }"#,
            "9:37: power (`W`) and voltage (`V`) cannot be multiplied",
        ),
        (
            r#"{ expression = "grid.P + 5 kWh", unit = "W" }"#,
            "9:28: the result is energy (`kWh`), and `unit` is power (`W`)",
        ),
        (
            r#"{ integrate = "grid.P + 5 kWh", unit = "kWh" }"#,
            "9:27: energy (`kWh`) makes no `kWh` over time: expected power (`W`)",
        ),
        (
            r#"{ integrate = "grid.P", unit = "W" }"#,
            "9:44: an integral needs a unit of energy, volume or charge",
        ),
        (r#"{ integrate = "grid.P" }"#, "9:27: an integral needs a unit of energy, volume or charge"),
        (r#"{ integrate = "5 W", unit = "kWh" }"#, "9:27: an integral needs a reading"),
        // Results of constants.
        (r#"{ expression = "1 + 1/0" }"#, "9:32: division by zero"),
        (r#"{ expression = "5 kW / (2 - 2)", unit = "W" }"#, "9:28: division by zero"),
        // Keys.
        (
            r#"{ integrate = "grid.P", unit = "kWh", max_gap = "0s" }"#,
            "`V` has `max_gap = \"0s\"`, which never adds anything: expected a time such as `5m`",
        ),
        (
            r#"{ expression = "grid.P", integrate = "grid.P" }"#,
            "`expression` and `integrate` exclude each other",
        ),
        (r#"{ unit = "W" }"#, "`V` needs an `expression`, or something to `integrate`"),
        (r#"{ expression = "grid.P", max_gap = "5m" }"#, "`max_gap` belongs to `integrate`"),
        (r#"{ expression = "grid.P", decimals = 13 }"#, "`V` has `decimals` above 12"),
        (r#"{ expresion = "grid.P" }"#, "unknown key `expresion`, expected one of `expression`"),
        (r#"{ expression = 5 }"#, "expected a text in quotes, not the number `5`"),
        (
            r#"{ expression = "grid.P", kind = "state" }"#,
            "unknown value `state`, expected one of `counter`, `net`, `gauge`",
        ),
    ] {
        let shown = mistakes(&format!("values.V = {value}\n"));
        assert!(shown.contains(expected), "{value}: expected {expected}\n{shown}");
    }
}

#[test]
fn values_that_need_each_other_are_refused_with_the_way_and_others_come_in_any_order() {
    let circle = "values.A = { expression = \"house.B\" }\nvalues.B = { expression = \"1 + house.C\" }\nvalues.C = { expression = \"house.A\" }\n";
    let shown = mistakes(circle);
    assert!(
        shown.contains("9:28: these values need each other in a circle: `A` → `B` → `C` → `A`"),
        "{shown}"
    );
    let sorted = "values.A = { expression = \"house.B\" }\nvalues.B = { expression = \"grid.P\" }\n";
    assert!(Config::parse("", &config(sorted), &[]).is_ok());
}

#[test]
fn all_mistakes_of_a_section_are_reported_at_once() {
    let shown = mistakes(
        "values.A = { expression = \"grid.P +\" }\nvalues.B = { expression = \"house.A + gird.P\" }\n\
         values.C = { expression = \"house.B * (5 W + 1 kWh)\" }\nvalues.D = { unit = \"W\" }\n",
    );
    for expected in
        [":9:36: expected", ":10:38: unknown source `gird`", ":11:39: power (`W`) and energy", "`D` needs"]
    {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
    assert_eq!(shown.matches("config.toml").count(), 4, "{shown}");
}

#[test]
fn a_unit_that_another_value_states_is_checked_before_any_reading() {
    let values = "values.P = { expression = \"grid.P\", unit = \"kW\" }\nvalues.E = { expression = \"\"\"\n  house.P\n  + 2 kWh\"\"\" }\n";
    let shown = mistakes(values);
    assert!(shown.contains("config.toml:11:3: power (`kW`) and energy (`kWh`) cannot be added"), "{shown}");
}

#[test]
fn a_unit_that_another_source_states_is_checked_at_the_start_wherever_that_stands() {
    let house = "[sources.house]\nplugin = \"derived\"\nvalues.V = { expression = \"5 kWh + later.S\" }\n\
                 values.W = { expression = \"2 * (later.S + other.P)\", unit = \"V\" }\n";
    let later = "[sources.later]\nplugin = \"meter\"\nstates = \"kW\"\n";
    let other = "[sources.other]\nplugin = \"derived\"\nvalues.P = { expression = \"later.unknown\", unit = \"W\" }\n";
    let shown = match Config::parse("config.toml", &format!("{house}{later}{other}"), &[]) {
        Ok(_) => panic!("accepted"),
        Err(mistakes) => mistakes.to_string(),
    };
    for expected in [
        "config.toml:3:28: energy (`kWh`) and power (`kW`) cannot be added",
        "config.toml:4:28: the result is power (`kW`), and `unit` is voltage (`V`)",
    ] {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
    assert!(
        Config::parse(
            "",
            &format!("{house}{later}{other}").replace("\"V\"", "\"W\"").replace("5 kWh", "5 W"),
            &[]
        )
        .is_ok()
    );
}

#[test]
fn an_expression_of_any_shape_is_read_or_refused_without_harm() {
    let deep =
        |open: &str, n: usize| format!("{}1{}", open.repeat(n), ")".repeat(open.matches('(').count() * n));
    for (expression, is_right) in [
        (deep("(", 60), true),
        (deep("(", 10_000), false),
        (deep("-", 10_000), false),
        (deep("or(1,", 60), true),
        (deep("or(1,", 10_000), false),
        (vec!["grid.P"; 10_000].join(" + "), true),
        (vec!["1"; 10_000].join(","), false),
        (format!("max({})", vec!["1"; 10_000].join(",")), true),
        ("9".repeat(28), true),
        ("9".repeat(40), false),
    ] {
        let values = format!("values.V = {{ expression = \"{expression}\" }}\n");
        let read = Config::parse("", &config(&values), &[]);
        assert_eq!(read.is_ok(), is_right, "{}", &expression[..expression.len().min(60)]);
    }
}
