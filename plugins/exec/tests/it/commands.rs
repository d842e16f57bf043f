//! Commands that run a program, or write to the one that runs.

use framework::{CommandError, Config, Setting};
use serde_json::{Value as Json, json};

use super::*;

fn failure(result: Result<Json, CommandError>) -> String {
    result.unwrap_err().to_string()
}

#[tokio::test]
async fn a_command_runs_a_program_without_a_shell() {
    let source = source(
        "environment = { COLOUR = \"red\" }\n\
         [sources.program.commands.echo]\n\
         about = \"prints its arguments\"\n\
         command = [\"/usr/bin/printf\", \"[%s]\", \"--\", \"{text}\", \"{number}\", \"{on}\", \"{rest}\"]\n\
         args = [{ name = \"text\", kind = \"text\" }, { name = \"number\", min = -5, max = 30, step = 0.5 }, \
                 { name = \"on\", kind = \"bool\", default = false }, { name = \"rest\", kind = \"text\", optional = true }]\n\
         [sources.program.commands.env]\n\
         about = \"prints its variables\"\n\
         command = [\"/bin/sh\", \"-c\", 'echo \"{\\\"a\\\": \\\"$SMARTMETER_ARG_VALUE $COLOUR $SMARTMETER_SOURCE\\\"}\"']\n\
         args = [{ name = \"value\", unit = \"W\" }]\n\
         [sources.program.commands.nothing]\n\
         about = \"does nothing\"\n\
         command = [\"/bin/true\"]\n",
    );
    let names: Vec<_> = source.commands.iter().map(|command| command.spec().name.to_string()).collect();
    assert_eq!(names, ["echo", "env", "nothing"], "in the order of the file");
    let evil = "$(id); `id` \"' \n*";
    let answer = call(&source, "echo", json!({"text": evil, "number": "21.50"})).await.unwrap();
    assert_eq!(answer, json!(format!("[--][{evil}][21.5][false]")));
    let answer =
        call(&source, "echo", json!({"text": "", "number": -5, "on": "on", "rest": "r"})).await.unwrap();
    assert_eq!(answer, json!("[--][][-5][true][r]"));
    assert_eq!(call(&source, "env", json!({"value": 12.5})).await.unwrap(), json!({"a": "12.5 red program"}));
    assert_eq!(call(&source, "nothing", json!({})).await.unwrap(), json!(true));
    for (args, expected) in [
        (json!({"text": "a", "number": 31}), "argument `number` is 31, expected a number from -5 to 30"),
        (json!({"text": "a\u{0}b", "number": 1}), "argument `text` must not contain a NUL"),
        (json!({"number": 1}), "missing argument `text`: text"),
    ] {
        let error = call(&source, "echo", args).await.unwrap_err();
        assert!(matches!(error, CommandError::BadArgument(_)), "{error:?}");
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn a_program_of_a_command_that_fails_says_why() {
    let source = source(
        "[sources.program.commands.fail]\n\
         about = \"fails\"\n\
         command = [\"/bin/sh\", \"-c\", \"echo 'no such room' >&2; exit 4\"]\n\
         [sources.program.commands.missing]\n\
         about = \"is missing\"\n\
         command = [\"/nonexistent/program\"]\n\
         [sources.program.commands.much]\n\
         about = \"writes for ever\"\n\
         command = [\"/bin/cat\", \"/dev/zero\"]\n\
         [sources.program.commands.text]\n\
         about = \"answers with a text\"\n\
         command = [\"/bin/echo\", \"well done\"]\n",
    );
    let failed = |name| call(&source, name, json!({}));
    assert_eq!(
        failure(failed("fail").await),
        "/bin/sh ended with exit status 4; standard error: no such room"
    );
    let missing = failure(failed("missing").await);
    assert!(missing.starts_with("/nonexistent/program could not be started: "), "{missing}");
    assert!(missing.ends_with("check the path in `command`"), "{missing}");
    assert_eq!(failure(failed("much").await), "/bin/cat answered with more than 65536 bytes");
    assert_eq!(call(&source, "text", json!({})).await.unwrap(), json!("well done"));
}

#[tokio::test]
async fn a_command_that_is_given_up_ends_its_program() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let source = source(&format!(
        "[sources.program.commands.hang]\n\
         about = \"never ends\"\n\
         command = [\"/bin/sh\", \"-c\", \"sleep 1000 & echo $$ $! > {0}.new; mv {0}.new {0}; wait\"]\n",
        file.display()
    ));
    tokio::select! {
        _ = call(&source, "hang", json!({})) => panic!("it ends"),
        () = until("started", || file.exists()) => {}
    }
    let pids = std::fs::read_to_string(&file).unwrap();
    let pids: Vec<_> = pids.split_whitespace().collect();
    until("ended", || pids.iter().all(|pid| !is_running(pid))).await;
    // The program itself was waited for.
    until("gone", || !Path::new(&format!("/proc/{}", pids[0])).exists()).await;
}

#[tokio::test]
async fn a_command_writes_a_line_to_the_program_that_runs() {
    // Each line becomes a reading.
    let script = "echo '{\"line\": \"ready\"}'; while IFS= read -r line; do printf '%s\\n' \"$line\" | sed 's/[\"\\\\]/\\\\&/g; s/.*/{\"line\": \"&\"}/'; done";
    let mut source = shell(
        script,
        "mode = \"stream\"\n\
         [sources.program.commands.flow]\n\
         about = \"sets the flow temperature\"\n\
         write = \"flow {value} {mode}!\"\n\
         args = [{ name = \"value\" }, { name = \"mode\", kind = \"text\", optional = true }]\n\
         [sources.program.commands.mode]\n\
         about = \"sets the mode\"\n\
         args = [{ name = \"mode\", choices = [\"off\", \"on\"] }, { name = \"boost\", kind = \"bool\", default = true }]\n",
    );
    let not_yet = failure(call(&source, "flow", json!({"value": 1})).await);
    assert_eq!(not_yet, "the program does not run: /health has the reason");
    assert_eq!(shown(&first(&mut source).await.unwrap().unwrap()), "line=\"ready\"");
    for (name, args, expected) in [
        ("flow", json!({"value": "42.50", "mode": "eco"}), "line=\"flow 42.5 eco!\""),
        ("flow", json!({"value": 42}), "line=\"flow 42 !\""),
        (
            "mode",
            json!({"mode": "on"}),
            "line=\"{\\\"command\\\":\\\"mode\\\",\\\"args\\\":{\\\"mode\\\":\\\"on\\\",\\\"boost\\\":true}}\"",
        ),
    ] {
        assert_eq!(call(&source, name, args).await.unwrap(), json!(true));
        assert_eq!(shown(&acquire(&mut source).await.unwrap().unwrap()), expected);
    }
    let two = call(&source, "flow", json!({"value": 1, "mode": "a\nflow 99"})).await.unwrap_err();
    assert!(matches!(two, CommandError::BadArgument(_)), "{two:?}");
    assert_eq!(two.to_string(), "argument `mode` must be one line, without control characters");
    let long = failure(call(&source, "flow", json!({"value": 1, "mode": "x".repeat(5000)})).await);
    assert_eq!(long, "the line for the program has more than 4096 bytes");
    source.acquisition.close().await;
    let closed = failure(call(&source, "flow", json!({"value": 1})).await);
    assert_eq!(closed, "the program does not run: /health has the reason");
}

#[tokio::test]
async fn a_line_that_is_not_read_is_an_error_and_is_never_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    // It reads nothing until the file is there, and then counts the lines before `end`.
    let script = format!(
        "echo; while [ ! -e {} ]; do sleep 0.01; done; n=0; \
         while IFS= read -r line; do [ \"$line\" != end ] || echo \"{{\\\"lines\\\": $n}}\"; n=$((n + 1)); done",
        go.display()
    );
    let keys = "mode = \"stream\"\n[sources.program.commands.say]\nabout = \"says it\"\nwrite = \"{text}\"\n\
                args = [{ name = \"text\", kind = \"text\" }]\n";
    let mut source = shell(&script, keys);
    assert_eq!(first(&mut source).await.unwrap(), None);
    let text = "x".repeat(4000);
    let mut written = 0;
    let refused = loop {
        match call(&source, "say", json!({"text": text})).await {
            Ok(_) => written += 1,
            Err(error) => break error.to_string(),
        }
    };
    assert_eq!(refused, "the program did not read its standard input within 2s");
    assert!((10..=17).contains(&written), "{written} lines fit into a pipe");
    std::fs::write(&go, "").unwrap();
    while call(&source, "say", json!({"text": "end"})).await.is_err() {}
    assert_eq!(shown(&acquire(&mut source).await.unwrap().unwrap()), format!("lines={written}"));
    source.acquisition.close().await;
}

#[test]
fn mistakes_in_commands_are_reported_with_the_remedy() {
    let refused = |keys: &str| {
        let config = format!("[sources.program]\nplugin = \"exec\"\n{keys}\n");
        let state_dir = Setting::set("state_dir", &["server", "state_dir"], "/nonexistent".to_owned());
        Config::parse("config.toml", &config, &[state_dir])
            .err()
            .map(|mistakes| mistakes.to_string())
            .unwrap()
    };
    let command = "commands.set = { about = \"sets\", ";
    for (keys, expected) in [
        ("commands.set = { command = [\"x\"] }".to_owned(), "missing key `about`"),
        (format!("{command} command = [] }}"), "the program of the command `set` is missing"),
        (
            format!("{command} command = [\"{{value}}\"], args = [{{ name = \"value\" }}] }}"),
            "the program of the command `set` is missing",
        ),
        (
            format!("{command} command = [\"x\", \"{{valeu}}\"], args = [{{ name = \"value\" }}] }}"),
            "unknown argument `valeu`",
        ),
        (
            format!("{command} command = [\"x\", \"{{valeu}}\"], args = [{{ name = \"value\" }}] }}"),
            "did you mean `value`?",
        ),
        (
            format!("{command} command = [\"x\", \"--set={{value}}\"], args = [{{ name = \"value\" }}] }}"),
            "a placeholder must be an item of its own",
        ),
        (format!("{command} }}"), "the command `set` has no program to write to"),
        (
            format!("{command} command = [\"x\"], write = \"y\" }}"),
            "has `command` and `write`: keep one of them",
        ),
        (
            format!("{command} command = [\"x\"], args = [{{ name = \"Value\" }}] }}"),
            "expected lower case letters",
        ),
        (
            format!("{command} command = [\"x\"], args = [{{ name = \"a\", min = 5, max = 1 }}] }}"),
            "no number is from 5 to 1",
        ),
        (
            format!("{command} command = [\"x\"], args = [{{ name = \"a\", kind = \"text\", min = 5 }}] }}"),
            "are for numbers",
        ),
        (format!("{command} command = [\"x\"], args = [{{ name = \"a\", kind = \"float\" }}] }}"), "`float`"),
        (
            format!("{command} command = [\"x\"], args = [{{ name = \"a\", default = \"x\" }}] }}"),
            "its default is wrong",
        ),
        (
            "commands.set = { about = \" \", command = [\"x\"] }".to_owned(),
            "`about` of the command `set` is empty",
        ),
        (
            format!("{command} command = [\"x\"], args = [{{ name = \"a\", about = \"\" }}] }}"),
            "argument `a` of the command `set`: `about` is empty",
        ),
        (
            format!("{command} command = [\"x\"], args = [{{ name = \"a\", choices = [] }}] }}"),
            "argument `a` of the command `set`: `choices` is empty",
        ),
        (
            format!(
                "{command} command = [\"x\"], args = [{{ name = \"a\", choices = [\"on\", \"off\", \"on\"] }}] }}"
            ),
            "argument `a` of the command `set`: `choices` has `on` twice",
        ),
    ] {
        let mistakes = refused(&keys);
        assert!(mistakes.contains(expected), "{keys}:\n{mistakes}");
    }
    // At its own place.
    let mistakes = refused(
        "command = [\"x\"]\n[sources.program.commands.set]\nabout = \"sets\"\ncommand = [\"x\", \"{valeu}\"]",
    );
    assert!(mistakes.contains("config.toml:6:18"), "{mistakes}");
}
