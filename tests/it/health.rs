//! `smartmeter health` beside the running program.

use std::{net::TcpListener, path::Path};

use crate::program::*;

/// Exit status and text of `health` for this configuration, whose program listens at `address`.
fn health(config: &Path, address: &str, more: &[&str]) -> (Option<i32>, String) {
    let (_, port) = address.rsplit_once(':').unwrap();
    let args = [&["health", "--config", config.to_str().unwrap(), "--port", port], more].concat();
    let output = output(&args);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn health_tells_a_program_that_works_from_one_that_does_not_and_from_none() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let meter = line();
    let program = Program::with_config(folder.path(), &d0("grid", meter.path()));
    let address = program.address().to_owned();

    let (status, text) = health(&config, &address, &[]);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.starts_with("degraded\n  grid: starting"), "{text}");
    // Nobody has to start the program again for a meter that is silent.
    assert_eq!(health(&config, &address, &["--alive"]).0, Some(0));

    send(&meter, &seven_e_one(telegram("002714.12830185", "000458.90")));
    program.until("/health", "delivering", |health| health["status"] == "ok");
    assert_eq!(health(&config, &address, &[]), (Some(0), "ok\n  grid: delivering\n".to_owned()));

    // A mistake of later says nothing about the program that runs.
    let right = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{right}\n[sources.new]\nplugin = \"nothing\"\n[broken")).unwrap();
    let (status, text) = health(&config, &address, &["--alive"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.starts_with("ok\n") && text.contains("config.toml:"), "{text}");
    std::fs::write(&config, right).unwrap();

    program.terminate();
    for more in [&[][..], &["--alive"]] {
        let (status, text) = health(&config, &address, more);
        assert_eq!(status, Some(1), "{text}");
        assert!(text.contains("no smartmeter answers on 127.0.0.1:") && text.contains("hint: "), "{text}");
    }
}

#[test]
fn health_takes_no_other_server_for_a_smartmeter() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "").unwrap();
    for answer in ["", "HTTP/1.0 200 OK\r\n\r\nhello", "HTTP/1.0 200 OK\r\n\r\n{\"status\": 1}"] {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap().to_string();
        let served = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut client, _) = server.accept().unwrap();
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(answer.as_bytes());
        });
        let (status, text) = health(&config, &address, &["--alive"]);
        assert_eq!(status, Some(1), "{answer}: {text}");
        assert!(text.contains("the answer is not that of a smartmeter"), "{text}");
        served.join().unwrap();
    }
}
