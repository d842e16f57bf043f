use serde_json::{Map, json};

use super::*;

fn checked(args: &[Arg], given: Json) -> Result<String, String> {
    let Json::Object(given) = given else { panic!("{given}") };
    let spec = CommandSpec { args: args.to_vec(), ..CommandSpec::new("set", "sets it") };
    let args = Args::check(given, &spec).map_err(|error| error.to_string())?;
    Ok(serde_json::to_string(&args).unwrap())
}

/// Checks the only argument `x`.
fn one(arg: &Arg, value: Json) -> Result<String, String> {
    let args = checked(std::slice::from_ref(arg), json!({"x": value}))?;
    Ok(args.strip_prefix("{\"x\":").and_then(|rest| rest.strip_suffix('}')).unwrap().to_owned())
}

#[test]
fn a_value_and_its_text_are_the_same_argument() {
    let modes = Arg::one_of("x", "mode", ["eco", "boost", "2"]);
    for (arg, values, expected) in [
        (Arg::number("x", ""), vec![json!(13756.57), json!("13756.57"), json!(" 13756.57 ")], "13756.57"),
        (Arg::number("x", ""), vec![json!("0.123456789012345678")], "0.123456789012345678"),
        (Arg::integer("x", ""), vec![json!(3), json!(3.0), json!("3"), json!("3.0")], "3"),
        (
            Arg::bool("x", ""),
            vec![json!(true), json!("true"), json!("True"), json!("ON"), json!("yes"), json!("1"), json!(1)],
            "true",
        ),
        (
            Arg::bool("x", ""),
            vec![json!(false), json!("false"), json!("Off"), json!("no"), json!("0"), json!(0)],
            "false",
        ),
        (Arg::text("x", ""), vec![json!("on")], "\"on\""),
        (Arg::text("x", ""), vec![json!("")], "\"\""),
        (modes.clone(), vec![json!("eco"), json!(" eco")], "\"eco\""),
        (modes, vec![json!("2"), json!(2)], "\"2\""),
    ] {
        for value in values {
            assert_eq!(one(&arg, value.clone()).as_deref(), Ok(expected), "{value} {:?}", arg.kind);
        }
    }
}

#[test]
fn a_wrong_value_is_answered_with_what_was_expected() {
    let target = || Arg::number("x", "temperature").unit("°C").min(-5).max(30).step(0.5);
    for (arg, values, expected) in [
        (
            Arg::number("x", ""),
            vec![json!("NaN"), json!(""), json!(null), json!(1e300), json!([1]), json!(true)],
            "must be a number, such as 13756.57",
        ),
        (target(), vec![json!("warm")], "must be a number, such as -5"),
        (target().default(21), vec![json!("warm")], "must be a number, such as 21"),
        (target(), vec![json!(-5.5)], "is -5.5, expected °C from -5 to 30"),
        (target(), vec![json!("30.5")], "is 30.5, expected °C from -5 to 30"),
        (target(), vec![json!(20.3)], "is 20.3, expected °C in steps of 0.5 from -5"),
        (
            Arg::integer("x", ""),
            vec![json!(2.5), json!("two"), json!("")],
            "must be a whole number, such as 3",
        ),
        (Arg::integer("x", "").min(10), vec![json!(9)], "is 9, expected a whole number, at least 10"),
        (Arg::integer("x", "").max(10).unit("min"), vec![json!("11")], "is 11, expected min, at most 10"),
        (
            Arg::bool("x", ""),
            vec![json!("maybe"), json!(2), json!(null), json!("")],
            "must be true or false, or a text such as `on` or `off`",
        ),
        (Arg::text("x", ""), vec![json!(1), json!(null), json!({})], "must be a string"),
        (
            Arg::one_of("x", "", ["eco", "boost"]),
            vec![json!("fast")],
            "is `fast`, expected one of `eco`, `boost`",
        ),
    ] {
        for value in values {
            assert_eq!(one(&arg, value.clone()), Err(format!("argument `x` {expected}")), "{value}");
        }
    }
    let long = one(&Arg::one_of("x", "", ["eco"]), json!("ä".repeat(1000))).unwrap_err();
    assert!(long.chars().count() < 100, "{long}");
}

#[test]
fn an_argument_may_be_left_out_where_it_is_optional() {
    let args = [
        Arg::integer("z", "time").unit("min").max(90).default(15),
        Arg::number("a", "power").unit("W").optional(),
        Arg::text("m", "note").optional(),
    ];
    // In the declared order.
    assert_eq!(checked(&args, json!({})).unwrap(), r#"{"z":15}"#);
    assert_eq!(checked(&args, json!({"m": "", "a": "", "z": ""})).unwrap(), r#"{"z":15,"m":""}"#);
    assert_eq!(checked(&args, json!({"a": 2, "z": null, "m": null})).unwrap(), r#"{"z":15,"a":2}"#);
    let missing = checked(&[Arg::integer("z", "time").unit("min").max(90)], json!({}));
    assert_eq!(missing.unwrap_err(), "missing argument `z`: time in min, at most 90");
    assert_eq!(checked(&args, json!({"b": 1})).unwrap_err(), "unknown argument `b`, expected `z`, `a`, `m`");
    assert_eq!(checked(&[], json!({"b": 1})).unwrap_err(), "unknown argument `b`, expected no arguments");
}

#[test]
fn the_description_has_unit_limits_and_default() {
    for (arg, expected) in [
        (Arg::number("x", "energy").unit("kWh").min(0).max(1_000_000_000), "energy in kWh, 0 to 1000000000"),
        (
            Arg::number("x", "target").min(-5).step(0.5).default(21.5),
            "target, at least -5, in steps of 0.5, 21.5 by default",
        ),
        (
            Arg::one_of("x", "mode", ["eco", "boost"]).default("eco"),
            "mode, one of `eco`, `boost`, `eco` by default",
        ),
        (Arg::bool("x", "whether it runs").optional(), "whether it runs, optional"),
        (Arg::number("x", "anything").min(f64::NEG_INFINITY).max(f64::NAN), "anything"),
    ] {
        assert_eq!(arg.description(), expected);
    }
}

#[tokio::test]
async fn a_closure_is_a_command() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&seen);
    let command = CommandSpec::new("set", "sets it")
        .arg(Arg::number("value", "power"))
        .arg(Arg::integer("count", "times"))
        .arg(Arg::bool("on", "whether"))
        .arg(Arg::text("note", "note").optional())
        .run(async move |args| {
            tokio::task::yield_now().await;
            let note = args.text("note").ok().map(str::to_owned);
            log.lock().unwrap().push((args.number("value")?, args.integer("count")?, args.bool("on")?, note));
            Ok("done")
        });
    for note in [json!("x"), json!(null)] {
        let Json::Object(given) = json!({"value": "0.5", "count": "3", "on": "on", "note": note}) else {
            panic!()
        };
        let args = Args::check(given, command.spec()).unwrap();
        assert_eq!(command.run(args).await.unwrap(), json!("done"));
    }
    let half = crate::Decimal::new(5, 1).unwrap();
    assert_eq!(*seen.lock().unwrap(), [(half, 3, true, Some("x".to_owned())), (half, 3, true, None)]);
    let error = command.run(Args::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "missing argument `value`: a number");
    assert!(Args::check(Map::new(), command.spec()).is_err());
}

#[test]
fn a_spec_that_cannot_work_has_a_mistake() {
    let with = |arg| CommandSpec::new("set", "").arg(Arg::bool("on", "")).arg(arg).mistake();
    let of = |name: &str, problem: &str| Some(format!("argument `{name}` of the command `set`: {problem}"));
    assert_eq!(with(Arg::number("value", "").min(-5).max(30).step(0.5).default(21.5)), None);
    assert_eq!(with(Arg::one_of("mode", "", ["eco", "boost"]).default("eco")), None);
    assert_eq!(with(Arg::text("name", "")), of("name", "`name` is taken: `/cmd?name=…` names the command"));
    assert_eq!(with(Arg::text("on", "")), of("on", "there are two of it"));
    assert_eq!(with(Arg::text("a&b", "")), of("a&b", "expected lower case letters, digits and `_`"));
    assert_eq!(with(Arg::number("value", "").min(5).max(-5)), of("value", "no number is from 5 to -5"));
    let wrong = "its default is wrong: argument `mode` is `fast`, expected one of `eco`";
    assert_eq!(with(Arg::one_of("mode", "", ["eco"]).default("fast")), of("mode", wrong));
    let empty = CommandSpec::new("", "").mistake();
    assert_eq!(empty.unwrap(), "command ``: expected lower case letters, digits and `_`");
}
