use super::*;

const METER: &str = concat!(
    r#"{"timestampUTC":"2020-02-06T21:37:51.607046+00:00","#,
    r#""IMPORT":{"OBIS_Code":"1.8.0","unit":"kWh","value":4457.15312345},"#,
    r#""ID":{"OBIS_Code":"0.0.0","value":"1EBZ"},"#,
    r#""DEMAND":{"OBIS_Code":"1.6.0","unit":"kW","value":3.5,"more":["2001010715"]},"#,
    r#""count":13756.57,"a b/ü":"Käse"}"#
);

#[tokio::test]
async fn the_document_has_every_section_that_has_a_batch() {
    let program = Setup { store: store(&["meter", "silent", "s0"]), ..Setup::default() }.start().await;
    assert_eq!(program.get("/data").await.body, "{}");
    publish(&program.store, "meter", meter());
    assert_eq!(program.get("/data").await.body, format!(r#"{{"meter":{METER}}}"#));
    publish(&program.store, "s0", meter());
    assert_eq!(program.get("/data").await.body, format!(r#"{{"meter":{METER},"s0":{METER}}}"#));
    assert_eq!(program.get("/data/?x=1").await.body, program.get("/data?y").await.body);
}

#[tokio::test]
async fn with_and_without_the_shortcut_the_answer_is_the_same() {
    let program = Setup::default().start().await;
    let (short, long) = (program.get("/data").await, program.get("/data/").await);
    let headers = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.retain(|(name, _)| name != "date");
        headers
    };
    assert_eq!(headers(&short), headers(&long));
    assert_eq!((short.status, &short.body), (long.status, &long.body));
    assert_eq!(short.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(short.header("cache-control"), Some("no-cache"));
    assert_eq!(short.header("access-control-allow-origin"), Some("*"));
    assert_eq!(short.header("content-length"), Some(&*short.body.len().to_string()));
}

#[tokio::test]
async fn the_three_paths_of_raspend_may_be_in_capitals() {
    let program = Setup::default().start().await;
    assert_eq!(program.get("/DATA").await.body, program.get("/data").await.body);
    assert_eq!(program.get("/Cmds").await.status, 200);
    assert_eq!(program.get("/CMD?name=x").await.status, 403);
    // What lies below has names, and names have a case.
    assert_eq!(program.get("/DATA/meter").await.status, 404);
}

#[tokio::test]
async fn every_node_has_a_path() {
    let program = Setup::default().start().await;
    for (path, node) in [
        ("/data/meter", METER),
        ("/data/meter/", METER),
        ("/data/meter?x=/y", METER),
        ("/data/%6Deter", METER),
        ("/data/meter/timestampUTC", r#""2020-02-06T21:37:51.607046+00:00""#),
        ("/data/meter/stale", "false"),
        ("/data/meter/IMPORT", r#"{"OBIS_Code":"1.8.0","unit":"kWh","value":4457.15312345}"#),
        ("/data/meter/IMPORT/value", "4457.15312345"),
        ("/data/meter/IMPORT/unit/", r#""kWh""#),
        ("/data/meter/IMPORT/OBIS_Code", r#""1.8.0""#),
        ("/data/meter/DEMAND/more", r#"["2001010715"]"#),
        ("/data/meter/ID/value", r#""1EBZ""#),
        ("/data/meter/count", "13756.57"),
        ("/data/meter/a%20b%2F%C3%BC", r#""Käse""#),
    ] {
        let answer = program.get(path).await;
        assert_eq!((answer.status, &*answer.body), (200, node), "{path}");
        answer.json();
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert!(answer.header("etag").is_some(), "{path}");
    }
}

#[tokio::test]
async fn a_missing_node_is_404_and_the_message_lists_the_others() {
    let program = Setup::default().start().await;
    for (path, message) in [
        ("/data/nope", "no section `nope`: /data has `meter`"),
        ("/data//", "no section ``: /data has `meter`"),
        ("/data/METER", "no section `METER`: /data has `meter`"),
        ("/data/meter/x%22", "no reading `x\"`: /data/meter has `IMPORT`, `ID`, `DEMAND`, `count`, `a b/ü`"),
        ("/data/meter/IMPORT/x", "no member `x`: /data/meter/IMPORT has `OBIS_Code`, `unit`, `value`"),
        ("/data/meter/ID/unit", "no member `unit`: /data/meter/ID has `OBIS_Code`, `value`"),
        (
            "/data/meter/IMPORT/value/x",
            "no member `value/x`: /data/meter/IMPORT has `OBIS_Code`, `unit`, `value`",
        ),
        ("/data/meter/count/value", "no member `value`: /data/meter/count has none"),
        ("/data/%FF", "the path is not UTF-8"),
        (
            "/datax",
            "not found; available: /data, /readings, /cmds, /cmd, /health, /metrics, /events, /series, /history",
        ),
        (
            "//data",
            "not found; available: /data, /readings, /cmds, /cmd, /health, /metrics, /events, /series, /history",
        ),
    ] {
        let answer = program.get(path).await;
        assert_eq!(answer.error(), (404, "not_found".to_owned()), "{path}");
        assert_eq!(answer.message(), message, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
}

#[tokio::test]
async fn many_names_are_not_listed() {
    let names: Vec<_> = (0..50).map(|n| format!("s{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let program = Setup { store: store(&names), ..Setup::default() }.start().await;
    assert_eq!(program.get("/data/nope").await.message(), "no section `nope`: see /data");
}

#[tokio::test]
async fn a_section_without_a_batch_is_503_and_says_why() {
    let program = Setup { store: store(&["meter"]), ..Setup::default() }.start().await;
    let answer = program.get("/data/meter").await;
    assert_eq!(answer.error(), (503, "no_reading_yet".to_owned()));
    assert_eq!(answer.message(), "`meter` has no reading yet");
    program
        .store
        .section("meter")
        .unwrap()
        .health
        .status
        .fault(crate::FaultCode::DeviceMissing, "could not open `/dev/ttyUSB0`");
    let answer = program.get("/data/meter/x").await;
    assert_eq!(answer.message(), "`meter` has no reading yet: could not open `/dev/ttyUSB0`");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn a_client_with_the_version_gets_no_body_until_a_new_batch() {
    let program = Setup::default().start().await;
    for path in ["/data", "/data/", "/data/meter", "/data/meter/count"] {
        let etag = program.get(path).await.header("etag").unwrap().to_owned();
        for known in [etag.clone(), format!("W/{etag}"), "*".to_owned(), format!("\"x\", {etag}")] {
            let answer = program.ask("GET", path, &format!("If-None-Match: {known}\r\n")).await;
            assert_eq!((answer.status, &*answer.body), (304, ""), "{path} {known}");
            assert_eq!(answer.header("etag"), Some(&*etag));
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            assert_eq!(answer.header("cache-control"), Some("no-cache"));
        }
        for unknown in ["\"x\"", "", "é"] {
            let answer = program.ask("GET", path, &format!("If-None-Match: {unknown}\r\n")).await;
            assert_eq!(answer.status, 200, "{path} {unknown}");
        }
        publish(&program.store, "meter", meter());
        let answer = program.ask("GET", path, &format!("If-None-Match: {etag}\r\n")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_ne!(answer.header("etag"), Some(&*etag), "{path}");
    }
}

#[tokio::test]
async fn head_has_the_same_head_and_no_body() {
    let program = Setup::default().start().await;
    for path in ["/data", "/data/", "/data/meter", "/data/nope", "/cmds", "/health", "/nope", "/"] {
        let (get, head) = (program.get(path).await, program.ask("HEAD", path, "").await);
        assert_eq!((head.status, &*head.body), (get.status, ""), "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        assert_eq!(head.header("etag"), get.header("etag"), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_and_options_name_the_right_ones() {
    let program = Setup::default().start().await;
    for (path, allow, open) in [
        ("/data", "GET, HEAD, OPTIONS", true),
        ("/data/", "GET, HEAD, OPTIONS", true),
        ("/data/meter/x", "GET, HEAD, OPTIONS", true),
        ("/cmds", "GET, HEAD, OPTIONS", true),
        ("/health", "GET, HEAD, OPTIONS", true),
        ("/events", "GET, HEAD, OPTIONS", true),
        ("/cmd", "GET, POST, OPTIONS", false),
        ("/", "GET, HEAD, POST, OPTIONS", false),
    ] {
        let origin = open.then_some("*");
        for method in ["PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
            let answer = program.ask(method, path, "Origin: http://evil.example\r\n").await;
            assert_eq!(answer.error(), (405, "method_not_allowed".to_owned()), "{method} {path}");
            assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
            assert_eq!(answer.header("access-control-allow-origin"), origin, "{method} {path}");
        }
        let answer = program.ask("OPTIONS", path, "Origin: http://evil.example\r\n").await;
        assert_eq!((answer.status, &*answer.body), (204, ""), "{path}");
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
        assert_eq!(answer.header("access-control-allow-methods"), Some(allow), "{path}");
        assert_eq!(
            answer.header("access-control-allow-headers"),
            Some("Content-Type, Authorization"),
            "{path}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), origin, "{path}");
    }
    assert_eq!(program.ask("POST", "/data", "").await.status, 405);
    assert_eq!(program.ask("HEAD", "/cmd", "").await.status, 405);
    assert_eq!(program.ask("OPTIONS", "*", "").await.status, 204);
    assert_eq!(program.ask("PUT", "/nope", "").await.error(), (404, "not_found".to_owned()));
}
