//! Results of expressions: digits, units, kinds.

use framework::{Kind, Obis, Reading};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::house::{House, counter, decimal, gauge, shown};

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    Runtime::block_on(&runtime.unwrap(), test)
}

/// Computes a value from one batch of each input.
async fn value(value: &str, grid: &[Reading], pv: &[Reading]) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new(&format!("values.V = {value}\n"), folder.path());
    house.publish("grid", grid.to_vec());
    house.publish("pv", pv.to_vec());
    match house.acquire().await {
        Ok(batch) => Ok(shown(&batch.unwrap()).join(", ")),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn results_have_every_digit_and_the_unit_of_the_configuration() {
    let code = Obis::parse(b"1-0:16.7.0").unwrap();
    let grid = [
        gauge("P", "1.5", "kW"),
        gauge("1-0:16.7.0", "-250", "W").obis(code),
        gauge("T", "21.5", "°C"),
        gauge("J", "7200", "J"),
        gauge("ct", "30.25", "ct/kWh"),
        Reading::number("bare", decimal("7")),
        counter("E", "2714.12830185", "kWh"),
        gauge("it's", "3", ""),
    ];
    let pv = [
        gauge("P", "300.25", "W"),
        gauge("T", "1.25", "°C"),
        counter("E", "1000.001", "Wh"),
        gauge("zero", "0", "W"),
    ];
    for (expression, unit, expected) in [
        ("grid.P + pv.P", "W", "1800.25 W"),
        ("grid.P + pv.P", "kW", "1.80025 kW"),
        // The first one's unit, where none is stated.
        ("grid.P + pv.P", "", "1.80025 kW"),
        ("pv.P + grid.P", "", "1800.25 W"),
        ("grid.'1-0:16.7.0' + pv.P", "W", "50.25 W"),
        ("max(-grid.'1-0:16.7.0', 0)", "W", "250 W"),
        ("max(grid.'1-0:16.7.0', 0)", "W", "0 W"),
        ("grid.\\\"it's\\\" * 2", "", "6"),
        ("grid.P - 1", "kW", "0.5 kW"),
        ("grid.P - 100 W", "kW", "1.4 kW"),
        ("grid.E + pv.E", "kWh", "2715.12830285 kWh"),
        ("grid.E + grid.E + grid.E - 3 * grid.E", "kWh", "0.0 kWh"),
        ("grid.T - pv.T", "", "20.25 K"),
        ("(grid.T + pv.T) / 2", "°C", "11.375 °C"),
        ("grid.T - 2 K", "°C", "19.5 °C"),
        ("pv.P / grid.P", "", "0.200167"),
        ("100 * pv.P / grid.P", "%", "20.016667 %"),
        ("grid.J", "Wh", "2.0 Wh"),
        ("grid.E / 1 kWh * 0.3149", "EUR", "854.679002 EUR"),
        ("grid.ct", "", "30.25 ct/kWh"),
        ("grid.bare + 1", "W", "8 W"),
        ("grid.bare * 1 W + pv.P", "W", "307.25 W"),
        ("min(grid.P, pv.P, 1 W)", "W", "1.0 W"),
        ("abs(grid.'1-0:16.7.0') * 0.5", "W", "125.0 W"),
        ("or('heat-pump'.P, pv.P)", "W", "300.25 W"),
        ("or('heat-pump'.P, 'heat-pump'.Q, 0)", "W", "0 W"),
        ("1 + 2 * 3 - 4 / 2 - -1", "", "6.0"),
        ("2 - 3 - 4", "", "-5"),
        ("-(1 + 2) * 3", "", "-9"),
        ("0.1 + 0.2", "", "0.3"),
        ("1 / 3", "", "0.333333"),
    ] {
        let config = format!("{{ expression = \"{expression}\", unit = \"{unit}\" }}");
        let result = run(value(&config, &grid, &pv));
        assert_eq!(result.as_deref(), Ok(&*format!("V {expected}")), "{expression}");
    }
    for (expression, unit, expected) in [
        ("grid.P + grid.E", "", "config.toml:9:28: power (`kW`) and energy (`kWh`) cannot be added"),
        (
            "1 * (grid.P - grid.T)",
            "",
            "config.toml:9:33: power (`kW`) and temperature (`°C`) cannot be subtracted",
        ),
        ("grid.E", "W", "config.toml:9:28: the result is energy (`kWh`), and `unit` is power (`W`)"),
        ("grid.ct + grid.P", "", "energy price (`ct/kWh`) and power (`kW`) cannot be added"),
        (
            "grid.bare + grid.P",
            "W",
            "a number without a unit and power (`W`) cannot be added (multiply a reading without a unit by one: `plug.power * 1 W`)",
        ),
        (
            "grid.P * 2 - 100",
            "W",
            "config.toml:9:28: the number may be in `kW` or in `W`: write its unit behind it (such as `100 W`)",
        ),
        ("grid.P + pv.P + 5", "", "the number may be in `W` or in `kW`"),
        ("max(pv.P, grid.P, 20)", "W", "the number may be in `kW` or in `W`"),
        ("grid.P * pv.P", "", "cannot be multiplied: one of them must be a number"),
        ("1 + grid.P / pv.zero", "", "config.toml:9:32: division by zero"),
        (
            "grid.POWR",
            "",
            "config.toml:9:28: there is no reading `grid.POWR`, expected one of `P`, `1-0:16.7.0`",
        ),
        (
            "grid.P + or(grid.POWR, 0)",
            "",
            "config.toml:9:40: there is no reading `grid.POWR`, expected one of `P`, `1-0:16.7.0`",
        ),
        ("pv.P * 9999999999 * 9999999999 * 9999999999", "W", "the result is too large"),
        ("pv.P * 9999999999 * 9999999999", "W", "the result has more than 18 digits"),
    ] {
        let config = format!("{{ expression = \"{expression}\", unit = \"{unit}\" }}");
        let refused = run(value(&config, &grid, &pv)).unwrap_err();
        assert!(refused.contains(expected), "{expression}: {refused}");
    }
}

#[test]
fn a_text_or_a_state_is_no_number_to_compute_with() {
    for (reading, expected) in [
        (Reading::text("X", "1EBZ0100000042"), "config.toml:9:28: `grid.X` is a text, not a number"),
        (Reading::flag("X", true), "config.toml:9:28: `grid.X` is a state, not a number to compute with"),
    ] {
        let refused = run(value("{ expression = \"grid.X * 2\" }", &[reading], &[])).unwrap_err();
        assert_eq!(refused, expected);
    }
}

#[test]
fn sums_of_counters_count_and_differences_may_run_backwards() {
    let grid = [counter("A", "5", "kWh"), counter("B", "3", "kWh"), gauge("P", "1", "W")];
    for (value, expected) in [
        ("{ expression = \"grid.A + grid.B\" }", Kind::Counter),
        ("{ expression = \"grid.A * 0.5 + 100\" }", Kind::Counter),
        ("{ expression = \"grid.A - grid.B\" }", Kind::Net),
        ("{ expression = \"grid.A * -1\" }", Kind::Net),
        ("{ expression = \"-grid.A - -grid.B\" }", Kind::Net),
        ("{ expression = \"grid.A - grid.B\", kind = \"counter\" }", Kind::Counter),
        ("{ expression = \"grid.A / grid.B\" }", Kind::Gauge),
        ("{ expression = \"grid.P * 2\" }", Kind::Gauge),
        ("{ expression = \"0.3149\" }", Kind::Gauge),
        ("{ integrate = \"grid.P\", unit = \"kWh\" }", Kind::Net),
        ("{ integrate = \"max(grid.P, 0)\", unit = \"kWh\", kind = \"counter\" }", Kind::Counter),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let kind = run(async {
            let mut house = House::new(&format!("values.V = {value}\n"), folder.path());
            house.publish("grid", grid.to_vec());
            house.acquire().await.unwrap().unwrap().readings[0].meaning().kind
        });
        assert_eq!(kind, expected, "{value}");
    }
}

/// An expression with its result, as whole numbers.
fn expression() -> impl Strategy<Value = (String, i128)> {
    let leaf = prop_oneof![
        (0i128..1000).prop_map(|number| (number.to_string(), number)),
        Just(("grid.a".to_owned(), 17)),
        Just(("grid . 'b'".to_owned(), -3)),
    ];
    leaf.prop_recursive(6, 64, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        let sign = |op: char, (a, b): ((String, i128), (String, i128))| {
            let result = match op {
                '+' => a.1 + b.1,
                '-' => a.1 - b.1,
                _ => a.1 * b.1,
            };
            (format!("({} {op} {})", a.0, b.0), result)
        };
        prop_oneof![
            two.clone().prop_map(move |both| sign('+', both)),
            two.clone().prop_map(move |both| sign('-', both)),
            two.clone()
                .prop_filter("too large", |(a, b)| a.1.abs() < 1_000_000 && b.1.abs() < 1_000_000)
                .prop_map(move |both| sign('*', both)),
            two.clone().prop_map(|(a, b)| (format!("max({},{})", a.0, b.0), a.1.max(b.1))),
            two.prop_map(|(a, b)| (format!("min( {} , {} )", a.0, b.0), a.1.min(b.1))),
            inner.clone().prop_map(|a| (format!("-{}", a.0), -a.1)),
            inner.clone().prop_map(|a| (format!("abs({})", a.0), a.1.abs())),
            inner.prop_map(|a| (format!("or('heat-pump'.P, {})", a.0), a.1)),
        ]
    })
}

/// A sum without parentheses: its operators have the usual precedence.
fn plain() -> impl Strategy<Value = (String, i128)> {
    let product = prop::collection::vec(0i128..100, 1..4).prop_map(|factors| {
        let text: Vec<_> = factors.iter().map(i128::to_string).collect();
        (text.join("*"), factors.iter().product::<i128>())
    });
    prop::collection::vec((any::<bool>(), product), 1..8).prop_map(|terms| {
        let text =
            terms.iter().map(|(minus, (text, _))| format!(" {} {text}", if *minus { '-' } else { '+' }));
        let sum = terms.iter().map(|(minus, (_, number))| if *minus { -number } else { *number }).sum();
        (format!("0{}", text.collect::<String>()), sum)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_expression_has_the_result_of_its_arithmetic((text, result) in prop_oneof![expression(), plain()]) {
        prop_assume!(result.abs() < 1_000_000_000_000_000_000);
        let grid = [Reading::gauge("a", 17), Reading::gauge("b", -3)];
        let computed = run(value(&format!("{{ expression = \"{text}\" }}"), &grid, &[]));
        prop_assert_eq!(computed, Ok(format!("V {result}")), "{}", text);
    }

    #[test]
    fn a_sum_of_energies_in_any_units_is_exact(a in 0i64..10_000_000_000_000, b in 0i64..10_000_000_000_000, scale in 0u8..=6) {
        let energy = |name: &str, mantissa, unit: &str| {
            Reading::counter(name, framework::Decimal::new(mantissa, scale).unwrap()).unit(unit)
        };
        let grid = [energy("a", a, "kWh"), energy("b", b, "Wh")];
        let computed = run(value("{ expression = \"grid.a + grid.b - grid.a\", unit = \"Wh\" }", &grid, &[]));
        prop_assert_eq!(computed.unwrap().split(' ').nth(1).unwrap().parse::<f64>().unwrap(), framework::Decimal::new(b, scale).unwrap().to_f64());
        let sum = run(value("{ expression = \"grid.a + grid.b\", unit = \"Wh\" }", &grid, &[]));
        let exact = i128::from(a) * 1000 + i128::from(b);
        let shown = sum.unwrap().split(' ').nth(1).unwrap().to_owned();
        let digits = shown.replace('.', "").parse::<i128>().unwrap();
        let decimals = shown.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        prop_assert_eq!(digits * 10i128.pow(u32::from(scale) - decimals.min(usize::from(scale)) as u32), exact * 10i128.pow((decimals.saturating_sub(usize::from(scale))) as u32));
    }

    #[test]
    fn any_text_is_an_expression_or_a_mistake(text in "[a-z0-9 .,()+*/'-]{0,30}") {
        let _ = framework::Config::parse("", &super::house::config(&format!("values.V = {{ expression = \"{text}\" }}\n")), &[]);
    }
}
