use super::*;

#[tokio::test]
async fn the_list_is_raspends() {
    let program = with_commands("cors_origins = [\"*\"]").0.start().await;
    let answer = program.get("/cmds").await;
    assert!(answer.body.starts_with(
        r#"{"Commands":[{"Command":{"Name":"heat.set","Args":{"value":"float"},"URL":"/cmd?name=heat.set&value=","#
    ));
    let json = answer.json();
    assert_eq!(json["Commands"][1]["Command"]["Args"]["text"], "str");
    assert_eq!(json["Commands"][2]["Command"]["URL"], "/cmd?name=heat.fail");
    assert_eq!(json["Commands"][1]["Command"]["About"], "says it");
    assert_eq!(json["Commands"][1]["Command"]["ArgsAbout"], serde_json::json!({"text": "what to say"}));
    assert_eq!(json["Commands"].as_array().unwrap().len(), 5);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));

    let none = Setup::default().start().await.get("/cmds").await;
    assert_eq!((none.status, &*none.body), (200, r#"{"Commands":[]}"#));
}

/// Returns a heater with a command that has every kind of argument.
fn heater() -> Setup {
    let spec = CommandSpec::new("heat", "heats")
        .arg(Arg::number("target", "temperature").unit("°C").min(-5).max(30).step(0.5))
        .arg(Arg::one_of("mode", "mode", ["eco", "boost"]).default("eco"))
        .arg(Arg::bool("fan", "whether the fan runs").default(false))
        .arg(Arg::integer("minutes", "time").optional())
        .arg(Arg::text("by", "who says so").optional())
        .shown_by("target")
        .run(async |args| Ok(serde_json::to_string(&args).unwrap()));
    Setup {
        commands: vec![("room", vec![Arc::new(spec)])],
        config: "allow_get_commands = true",
        ..Setup::default()
    }
}

#[tokio::test]
async fn the_list_shows_kinds_limits_and_defaults_in_the_declared_order() {
    let program = heater().start().await;
    let list = concat!(
        r#"{"Commands":[{"Command":{"Name":"room.heat","#,
        r#""Args":{"target":"float","mode":"str","fan":"bool","minutes":"int","by":"str"},"#,
        r#""URL":"/cmd?name=room.heat&target=&mode=&fan=&minutes=&by=","About":"heats","ArgsAbout":{"#,
        r#""target":"temperature in °C, -5 to 30, in steps of 0.5","#,
        r#""mode":"mode, one of `eco`, `boost`, `eco` by default","fan":"whether the fan runs, false by default","#,
        r#""minutes":"time, optional","by":"who says so, optional"}"#,
    );
    assert_eq!(program.get("/cmds").await.body, format!("{list}}}}}]}}"));
    let details = concat!(
        r#","ArgsDetails":{"target":{"about":"temperature","unit":"°C","min":-5,"max":30,"step":0.5},"#,
        r#""mode":{"about":"mode","choices":["eco","boost"],"optional":true,"default":"eco"},"#,
        r#""fan":{"about":"whether the fan runs","optional":true,"default":false},"#,
        r#""minutes":{"about":"time","optional":true},"by":{"about":"who says so","optional":true}},"#,
        r#""ShownBy":"target"}}]}"#,
    );
    assert_eq!(program.get("/cmds?details").await.body, format!("{list}{details}"));
}

#[tokio::test]
async fn a_link_and_a_body_are_checked_alike() {
    let program = heater().start().await;
    let given = r#"{"target":-4.5,"mode":"boost","fan":true,"minutes":3}"#;
    let link = "/cmd?name=heat&target=-4.5&mode=boost&fan=on&minutes=3";
    let posted = format!(r#"{{"name":"heat","args":{given}}}"#);
    let texts = r#"{"name":"heat","args":{"target":"-4.5","mode":"boost","fan":"true","minutes":"3"}}"#;
    // A link is answered with the result alone.
    assert_eq!(program.get(link).await.json(), given);
    for body in [&posted[..], texts] {
        assert_eq!(program.post("/cmd", body).await.json()["result"], given, "{body}");
    }
    // The template of /cmds leaves the values empty.
    let defaults = program.get("/cmd?name=heat&target=20&mode=&fan=&minutes=").await;
    assert_eq!(defaults.json(), r#"{"target":20,"mode":"eco","fan":false}"#);
    let beyond = "argument `target` is -5.5, expected °C from -5 to 30";
    let posted = program.post("/cmd", r#"{"name":"heat","args":{"target":-5.5}}"#).await;
    for answer in [program.get("/cmd?name=heat&target=-5.5").await, posted] {
        assert_eq!((answer.error(), answer.message().as_str()), ((400, "bad_argument".to_owned()), beyond));
    }
}

#[tokio::test]
async fn a_command_runs_in_our_form_and_in_raspends() {
    let (setup, runs) = with_commands("");
    let program = setup.start().await;
    for (path, body, answer) in [
        (
            "/cmd",
            r#"{"name":"heat.set","args":{"value":13756.57}}"#,
            r#"{"name":"heat.set","result":"13756.57"}"#,
        ),
        ("/cmd/?x", r#"{"name":"heat.set","args":{"value":"7"}}"#, r#"{"name":"heat.set","result":"7"}"#),
        ("/cmd", r#" {"args":{"text":"ä"},"name":"say"} "#, r#"{"name":"say","result":"ä"}"#),
        (
            "/cmd",
            r#"{"Command":{"Name":"heat.echo","Args":{"text":"x"}}}"#,
            r#"{"Command":{"Args":{"text":"x"},"Name":"heat.echo","Result":"x"}}"#,
        ),
        (
            "/",
            r#"{"id":7,"Command":{"Name":"car.set","More":[1],"Args":{"value":1}},"name":null}"#,
            r#"{"id":7,"Command":{"Name":"car.set","More":[1],"Args":{"value":1},"Result":"1"},"name":null}"#,
        ),
    ] {
        let got = program.post(path, body).await;
        assert_eq!(got.status, 200, "{body}: {}", got.body);
        assert_eq!(got.json(), serde_json::from_str::<Json>(answer).unwrap(), "{body}");
        assert_eq!(got.header("access-control-allow-origin"), None);
    }
    assert_eq!(runs.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_wrong_command_is_explained() {
    let (setup, runs) = with_commands("");
    let program = setup.start().await;
    let bomb = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let nested = format!(r#"{{"name":"echo","args":{{"text":{bomb}}}}}"#);
    for (body, status, code, message) in [
        ("", 400, "invalid_json", "the body is not valid JSON: EOF while parsing a value at line 1 column 0"),
        (
            "{",
            400,
            "invalid_json",
            "the body is not valid JSON: EOF while parsing an object at line 1 column 1",
        ),
        ("{} x", 400, "invalid_json", "the body is not valid JSON: trailing characters at line 1 column 4"),
        (
            &bomb,
            400,
            "invalid_json",
            "the body is not valid JSON: recursion limit exceeded at line 1 column 128",
        ),
        (
            &nested,
            400,
            "invalid_json",
            "the body is not valid JSON: recursion limit exceeded at line 1 column 156",
        ),
        ("[]", 400, "bad_request", "a command is an object: `{\"name\": …, \"args\": {…}}`"),
        ("null", 400, "bad_request", "a command is an object: `{\"name\": …, \"args\": {…}}`"),
        ("{}", 400, "bad_request", "missing field `name`"),
        (r#"{"name":5}"#, 400, "bad_request", "invalid type: integer `5`, expected a string"),
        (r#"{"name":"echo","args":[]}"#, 400, "bad_request", "invalid type: sequence, expected a map"),
        (
            r#"{"name":"echo","Args":{}}"#,
            400,
            "bad_request",
            "unknown field `Args`, expected `name` or `args`",
        ),
        (r#"{"Command":5}"#, 400, "bad_request", "`Command` must be an object with `Name` and `Args`"),
        (r#"{"Command":{}}"#, 400, "bad_request", "`Command` needs a `Name`, which is a string"),
        (r#"{"Command":{"Name":"echo","Args":5}}"#, 400, "bad_request", "`Args` must be an object"),
        (r#"{"name":"nope"}"#, 404, "unknown_command", "no command is called `nope`: see /cmds"),
        (r#"{"Command":{"Name":""}}"#, 404, "unknown_command", "no command is called ``: see /cmds"),
        (r#"{"name":"set"}"#, 409, "ambiguous_command", "`set` may be `heat.set` or `car.set`"),
        (r#"{"name":"echo"}"#, 400, "bad_argument", "missing argument `text`: what to say"),
        (r#"{"name":"echo","args":{"text":1}}"#, 400, "bad_argument", "argument `text` must be a string"),
        (
            r#"{"name":"fail","args":{"x":1}}"#,
            400,
            "bad_argument",
            "unknown argument `x`, expected no arguments",
        ),
    ] {
        for path in ["/cmd", "/"] {
            let answer = program.post(path, body).await;
            let short = &body[..body.len().min(60)];
            assert_eq!(answer.error(), (status, code.to_owned()), "{short}");
            assert_eq!(answer.message(), message, "{short}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    assert_eq!(program.post("/cmd", b"{\"name\":\"\xff\"}").await.error(), (400, "invalid_json".to_owned()));
    assert_eq!(runs.load(Ordering::Relaxed), 0);

    let failed = program.post("/cmd", r#"{"name":"fail"}"#).await;
    assert_eq!(failed.error(), (500, "command_failed".to_owned()));
    assert_eq!(failed.message(), "the device did not answer");
    let panicked = program.post("/cmd", r#"{"name":"panic"}"#).await;
    assert_eq!(panicked.error(), (500, "command_failed".to_owned()));
    assert_eq!(panicked.message(), "`heat.panic` stopped with an internal error");
    // Of two equal keys the last one counts, as in Python.
    assert_eq!(program.post("/cmd", r#"{"name":"nope","name":"fail"}"#).await.status, 500);
}

#[tokio::test]
async fn a_command_must_say_that_it_is_json() {
    let (setup, runs) = with_commands("");
    let program = setup.start().await;
    let body = r#"{"name":"echo","args":{"text":"x"}}"#;
    for (kind, status) in [
        ("Content-Type: application/json", 200),
        ("content-type: Application/JSON ; charset=utf-8", 200),
        ("Content-Type: text/plain", 415),
        ("Content-Type: application/x-www-form-urlencoded", 415),
        ("Content-Type: application/jsonx", 415),
        ("Content-Type: text/plain; application/json", 415),
        ("Content-Type: \u{e9}", 415),
        ("X: y", 415),
    ] {
        let request = format!("{kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let answer = program.ask("POST", "/cmd", request.trim_end_matches("\r\n")).await;
        assert_eq!(answer.status, status, "{kind}");
        if status == 415 {
            assert_eq!(answer.error().1, "unsupported_media_type");
        }
    }
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_body_is_at_most_64_kib_however_it_comes() {
    let program = with_commands("").0.start().await;
    let head = "Content-Type: application/json\r\n";
    let chunked =
        |body: &str| format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n", body.len());
    let fits = format!("{}{}", " ".repeat(65_536 - 35), r#"{"name":"echo","args":{"text":"x"}}"#);
    assert_eq!(program.post("/cmd", &fits).await.status, 200);
    assert_eq!(program.ask("POST", "/cmd", &chunked(&fits)).await.status, 200);

    let too_large = (413, "body_too_large".to_owned());
    let over = format!("{fits} ");
    assert_eq!(program.post("/cmd", &over).await.error(), too_large);
    assert_eq!(program.ask("POST", "/cmd", &chunked(&over)).await.error(), too_large);
    // The announcement is enough.
    let announced = format!("{head}Content-Length: 99999999\r\n");
    assert_eq!(program.ask("POST", "/cmd", &announced).await.error(), too_large);
    // More than the system's buffers hold: the client is still sending when it is refused.
    let huge = " ".repeat(16 << 20);
    assert_eq!(program.post("/cmd", &huge).await.error(), too_large);
    assert_eq!(program.ask("POST", "/", &chunked(&huge)).await.error(), too_large);
}

#[tokio::test]
async fn a_link_runs_a_command_only_if_allowed() {
    let (setup, runs) = with_commands("");
    let answer = setup.start().await.get("/cmd?name=heat.echo&text=x").await;
    assert_eq!(answer.error(), (403, "get_commands_disabled".to_owned()));
    assert!(answer.message().contains("`allow_get_commands = true`"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(runs.load(Ordering::Relaxed), 0);

    let program = with_commands("allow_get_commands = true").0.start().await;
    for (path, body) in [
        ("/cmd?name=heat.echo&text=x", r#""x""#),
        ("/cmd/?text=a+b%20%C3%BC%26&name=say", r#""a b ü&""#),
        ("/cmd?name=heat.echo&text=first&text=second&name=nope", r#""first""#),
        ("/cmd?name=heat.echo&text=", r#""""#),
        ("/cmd?name=car.set&value=13756.57", r#""13756.57""#),
    ] {
        let answer = program.get(path).await;
        assert_eq!((answer.status, &*answer.body), (200, body), "{path}");
        answer.json();
    }
    for (path, status, code) in [
        ("/cmd", 400, "bad_request"),
        ("/cmd?text=x", 400, "bad_request"),
        ("/cmd?name=nope", 404, "unknown_command"),
        ("/cmd?name=set&value=1", 409, "ambiguous_command"),
        ("/cmd?name=heat.set&value=", 400, "bad_argument"),
        ("/cmd?name=heat.set&value=1&x", 400, "bad_argument"),
        ("/cmd?name=%FF&&=&%", 404, "unknown_command"),
        ("/cmd?name=fail", 500, "command_failed"),
    ] {
        assert_eq!(program.get(path).await.error(), (status, code.to_owned()), "{path}");
    }
}
