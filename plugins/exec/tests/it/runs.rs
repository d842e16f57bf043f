//! Programs that are started at each turn.

use super::*;

#[tokio::test]
async fn all_that_a_run_writes_is_one_batch() {
    let rows = [
        (r#"echo '{"power": 12.30}'"#, "", "power=12.3"),
        (r#"printf '{\n "a": 1}\n{"b": "x"}'"#, "", "a=1 b=\"x\""),
        ("echo 'a,t=1 x=1'; echo 'a,t=2 x=2 1769857200000000000'", "format = \"influx\"", "a_1_x=1 a_2_x=2"),
        (
            r#"echo '{"model": "M", "id": 7, "temperature_C": 21.50, "humidity": 45}'"#,
            "format = \"flat-json\"\ntags = [\"model\", \"id\"]\nreadings = { \"*_temp*_C\" = { unit = \"°C\" }, \"*\" = { kind = \"gauge\" } }",
            "M_7_temperature_C=21.5 °C M_7_humidity=45 gauge",
        ),
        (
            r#"echo "{\"e\": \"$COLOUR $SMARTMETER_SOURCE\"}""#,
            "environment = { COLOUR = \"red\" }",
            "e=\"red program\"",
        ),
        (r#"echo "{\"folder\": \"$(pwd)\"}""#, "working_dir = \"/usr\"", "folder=\"/usr\""),
    ];
    for (script, keys, expected) in rows {
        let batch = first(&mut shell(script, keys)).await.unwrap().unwrap();
        assert_eq!(shown(&batch), expected, "{script}");
    }
}

#[tokio::test]
async fn a_run_that_writes_nothing_has_nothing_new() {
    for script in [":", "echo", "echo {}", "echo '{\"gone\": null}'"] {
        assert_eq!(first(&mut shell(script, "")).await.unwrap(), None, "{script}");
    }
}

#[tokio::test]
async fn each_turn_runs_the_program_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs");
    let script = format!("echo x >> {0}; echo \"{{\\\"runs\\\": $(wc -l < {0})}}\"", file.display());
    let mut source = shell(&script, "");
    for runs in 1..=3 {
        let batch = first(&mut source).await.unwrap().unwrap();
        assert_eq!(shown(&batch), format!("runs={runs}"));
    }
    assert_eq!(fact(&source, "exit"), "exit status 0");
    assert_eq!(source.context.stats().counters()[0], ("starts", 3));
}

#[tokio::test]
async fn processes_that_a_run_leaves_end_with_it() {
    let mut source = shell("sleep 1000 & echo \"{\\\"pid\\\": \\\"$!\\\"}\"", "");
    let batch = first(&mut source).await.unwrap().unwrap();
    let framework::Value::Text(pid) = &batch.readings[0].value else { panic!("{batch:?}") };
    until("ended", || !is_running(pid)).await;
}

#[tokio::test]
async fn a_run_that_never_ends_is_ended_with_all_its_processes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script =
        format!("trap '' TERM; sleep 1000 & echo $$ $! > {0}.new; mv {0}.new {0}; wait", file.display());
    let mut source = shell(&script, "");
    source.acquisition.open().await.unwrap();
    tokio::select! {
        _ = source.acquisition.acquire() => panic!("it ends"),
        () = until("started", || file.exists()) => {}
    }
    // As the scheduler does after `timeout`, and at its end.
    source.acquisition.close().await;
    for pid in std::fs::read_to_string(&file).unwrap().split_whitespace() {
        until("ended", || !is_running(pid)).await;
    }
    // The program itself was waited for: it is not even a zombie.
    assert!(!Path::new(&format!("/proc/{}", fact(&source, "pid"))).exists());
}

#[tokio::test]
async fn a_process_that_leaves_the_group_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!(
        "setsid sh -c 'echo $$ > {0}; exec sleep 1000' & while [ ! -s {0} ]; do :; done; echo '{{\"a\": 1}}'",
        file.display()
    );
    let batch = first(&mut shell(&script, "")).await.unwrap().unwrap();
    assert_eq!(shown(&batch), "a=1");
    let pid = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_value_with_a_unit_that_is_no_number_costs_only_itself_and_is_counted() {
    let line = r#"{"p": {"value": "12,5", "unit": "W"}, "s": {"value": "on", "kind": "state"}, "a": 1}"#;
    for mode in ["poll", "stream"] {
        let mut source = shell(&format!("echo '{line}'"), &format!("mode = \"{mode}\""));
        assert_eq!(shown(&first(&mut source).await.unwrap().unwrap()), "s=\"on\" state a=1");
        assert!(source.context.stats().counters().contains(&("wrong_values", 1)), "{mode}");
    }
}

#[tokio::test]
async fn names_are_bounded_over_the_life_of_a_source() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("n");
    // 400 new names in each run.
    let script = format!(
        "n=$(cat {0} 2>/dev/null || echo 0); echo $((n + 400)) > {0}; \
         awk -v n=$n 'BEGIN {{ for (i = n; i < n + 400; i++) printf \"{{\\\"s%d\\\": 1}}\\n\", i }}'",
        file.display()
    );
    let mut source = shell(&script, "");
    let mut lengths = Vec::new();
    for _ in 0..4 {
        lengths.push(first(&mut source).await.unwrap().map_or(0, |batch| batch.readings.len()));
    }
    assert_eq!(lengths, [400, 400, 200, 0]);
    assert!(source.context.stats().counters().contains(&("refused_names", 600)));
}
