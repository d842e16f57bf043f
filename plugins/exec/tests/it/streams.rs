//! Programs that keep running.

use super::*;

/// A program that writes a recording, and then keeps running.
fn recording(name: &str, keys: &str) -> ConfiguredSource {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings").join(name);
    shell(&format!("cat {}; exec sleep 1000", path.display()), &format!("mode = \"stream\"\n{keys}"))
}

async fn batches(source: &mut ConfiguredSource, number: usize) -> Vec<String> {
    source.acquisition.open().await.unwrap();
    let mut found = Vec::new();
    for _ in 0..number {
        let batch = acquire(source).await.unwrap().unwrap();
        found.push(format!("@{} {}", batch.taken_at, shown(&batch)));
    }
    source.acquisition.close().await;
    found
}

#[tokio::test]
async fn a_radio_receiver_s_sensors_have_names_of_their_own() {
    let keys = "format = \"flat-json\"\ntags = [\"model\", \"id\"]\nreadings = { \"*_temperature_C\" = { unit = \"°C\" } }";
    let found = batches(&mut recording("rtl_433.json", keys), 2).await;
    // Two sensors at the same time are one batch.
    assert!(found[0].starts_with("@2026-01-31T11:00:00Z Acurite-Tower_4242_channel=\"A\" "), "{}", found[0]);
    assert!(found[0].contains(" Acurite-Tower_4242_temperature_C=21.3 °C "), "{}", found[0]);
    assert!(found[0].contains(" Bresser-3CH_77_temperature_C=-4.556 °C "), "{}", found[0]);
    assert!(found[1].starts_with("@2026-01-31T11:00:16Z Acurite-Tower_4242_"), "{}", found[1]);
}

#[tokio::test]
async fn readings_of_sensors_that_were_heard_before_stay_for_a_while() {
    let keys = "format = \"flat-json\"\ntags = [\"model\", \"id\"]\nexpire_after = \"1h\"";
    let found = batches(&mut recording("rtl_433.json", keys), 2).await;
    assert!(found[1].starts_with("@2026-01-31T11:00:16Z "), "{}", found[1]);
    assert!(found[1].contains(" Acurite-Tower_4242_temperature_C=21.4 "), "{}", found[1]);
    assert!(found[1].contains(" Bresser-3CH_77_temperature_C=-4.556 "), "{}", found[1]);
}

#[tokio::test]
async fn telegraf_s_lines_keep_their_digits_and_are_joined_by_time() {
    let found = batches(&mut recording("telegraf.txt", "format = \"influx\""), 2).await;
    assert_eq!(
        found,
        [
            "@2026-01-31T11:00:00Z cpu_cpu0_usage_idle=98.24561403508772 cpu_cpu0_usage_user=1.0526315789473684 \
             cpu_cpu1_usage_idle=97.5 cpu_cpu1_usage_user=1.25 mem_available=1503238553 mem_available_percent=38.71",
            "@2026-01-31T11:00:10Z modbus_heat_pump_holding_register_flow=35.25 \
             modbus_heat_pump_holding_register_energy=4567810 modbus_heat_pump_holding_register_state=\"on\"",
        ]
    );
}

#[tokio::test]
async fn each_line_is_a_batch_and_a_bad_one_costs_only_itself() {
    let script = "echo '{\"a\": 1}'; echo; echo garbage; head -c 70000 /dev/zero | tr '\\0' x; echo; echo '{\"a\": 2}'; exec sleep 1000";
    let mut source = shell(script, "mode = \"stream\"");
    assert_eq!(shown(&first(&mut source).await.unwrap().unwrap()), "a=1");
    assert_eq!(acquire(&mut source).await.unwrap(), None, "an empty line: it is well");
    assert_eq!(
        acquire(&mut source).await.unwrap_err().to_string(),
        "not valid JSON: expected value at line 1 column 1: `garbage`"
    );
    assert_eq!(
        acquire(&mut source).await.unwrap_err().to_string(),
        "a line of more than 65536 bytes is left out"
    );
    assert_eq!(shown(&acquire(&mut source).await.unwrap().unwrap()), "a=2");
    source.acquisition.close().await;
}

#[tokio::test]
async fn the_end_of_a_stream_is_a_fault_with_a_growing_pause() {
    let script = "echo '{\"a\": 1}'; echo '{\"b\": 2}'; echo 'no port' >&2; exit 7";
    let mut source = shell(script, "mode = \"stream\"");
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(shown(&first(&mut source).await.unwrap().unwrap()), "a=1");
        assert_eq!(shown(&acquire(&mut source).await.unwrap().unwrap()), "b=2");
        let error = acquire(&mut source).await.unwrap_err();
        let AcquireError::Unavailable { retry_after, .. } = &error else { panic!("{error:?}") };
        assert_eq!(retry_after.unwrap().as_secs(), seconds);
        assert_eq!(
            with_causes(&error),
            "/bin/sh failed: it ended with exit status 7; standard error: no port"
        );
        source.acquisition.close().await;
    }
    assert_eq!(fact(&source, "exit"), "exit status 7");
}

#[tokio::test]
async fn a_stream_that_cannot_be_read_is_ended() {
    for (script, expected) in [
        (
            "exit 0",
            "it ended with exit status 0: a program of `mode = \"stream\"` keeps running, one of `mode = \"poll\"` ends",
        ),
        ("exec >&-; exec sleep 1000", "it closed its standard output, but goes on, and is ended"),
        ("exec cat /dev/zero", "it wrote 1 MiB without the end of a line, and is ended"),
    ] {
        let mut source = shell(script, "mode = \"stream\"");
        source.acquisition.open().await.unwrap();
        let error = loop {
            match acquire(&mut source).await.unwrap_err() {
                AcquireError::Malformed { .. } => {} // the endless line is too long first
                error => break with_causes(&error),
            }
        };
        assert_eq!(error, format!("/bin/sh failed: {expected}"));
        source.acquisition.close().await;
        assert!(!Path::new(&format!("/proc/{}", fact(&source, "pid"))).exists(), "{script}");
    }
}

#[tokio::test]
async fn what_forks_and_leaves_does_not_hide_the_end_of_the_program() {
    // A process of another group holds the pipe open.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!(
        "setsid sh -c 'echo $$ > {0}; exec sleep 1000' & while [ ! -s {0} ]; do :; done; echo '{{\"a\": 1}}'; exit 2",
        file.display()
    );
    let mut source = shell(&script, "mode = \"stream\"");
    assert_eq!(shown(&first(&mut source).await.unwrap().unwrap()), "a=1");
    let error = with_causes(&acquire(&mut source).await.unwrap_err());
    assert_eq!(error, "/bin/sh failed: it ended with exit status 2");
    source.acquisition.close().await;
    let pid = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn closing_asks_a_program_to_end_before_it_kills_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("said");
    let script = format!(
        "trap 'echo bye > {}; exit' TERM; echo '{{\"a\": 1}}'; while :; do sleep 0.01; done",
        file.display()
    );
    let mut source = shell(&script, "mode = \"stream\"");
    first(&mut source).await.unwrap();
    source.acquisition.close().await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "bye\n");

    let script = "trap '' TERM; sleep 1000 & echo \"{\\\"pid\\\": \\\"$!\\\"}\"; while :; do wait; done";
    let mut source = shell(script, "mode = \"stream\"");
    let batch = first(&mut source).await.unwrap().unwrap();
    let framework::Value::Text(pid) = &batch.readings[0].value else { panic!("{batch:?}") };
    source.acquisition.close().await;
    assert!(!Path::new(&format!("/proc/{}", fact(&source, "pid"))).exists());
    until("ended", || !is_running(pid)).await;
}

#[tokio::test]
async fn dropping_a_source_ends_its_program() {
    let mut source = shell("echo '{\"a\": 1}'; exec sleep 1000", "mode = \"stream\"");
    first(&mut source).await.unwrap();
    let pid = fact(&source, "pid");
    assert!(is_running(&pid));
    drop(source);
    // Not even a zombie is left.
    until("gone", || !Path::new(&format!("/proc/{pid}")).exists()).await;
}
