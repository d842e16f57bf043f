//! The example of the documents, and its device.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::mpsc,
};

use framework::with_causes;
use serde_json::json;

use crate::support::*;

/// A heat pump. Returns its address, and the bodies that it is sent.
fn heat_pump() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sent, bodies) = mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut reader = BufReader::new(connection.try_clone().unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).unwrap() > 2 {
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            if length > 0 && sent.send(String::from_utf8(body).unwrap()).is_err() {
                return;
            }
            let status = r#"{"power": 1250, "energy": 4567.810, "flow": 35.25, "state": "heating"}"#;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            write!(connection, "{head}Content-Length: {}\r\n\r\n{status}", status.len()).unwrap();
        }
    });
    (address, bodies)
}

const HEAT_PUMP: &str = "power=1250 W gauge energy=4567.81 kWh counter flow_temperature=35.25 °C gauge state=\"heating\" heating=1 state";

pub(crate) async fn the_python_example_polls_and_streams() {
    let (address, _bodies) = heat_pump();
    let environment =
        format!("environment = {{ HEATPUMP_URL = \"{address}\", HEATPUMP_INTERVAL = \"0.01\" }}");
    let program = example("heatpump.py");
    let mut poll = source(&format!("command = [\"{program}\", \"--once\"]\n{environment}"));
    assert_eq!(shown(&first(&mut poll).await.unwrap().unwrap()), HEAT_PUMP);

    let mut stream = source(&format!("command = [\"{program}\"]\nmode = \"stream\"\n{environment}"));
    assert_eq!(shown(&first(&mut stream).await.unwrap().unwrap()), HEAT_PUMP);
    for _ in 0..3 {
        assert_eq!(shown(&acquire(&mut stream).await.unwrap().unwrap()), HEAT_PUMP);
    }
    stream.acquisition.close().await;
}

pub(crate) async fn the_python_example_says_why_it_failed() {
    let program = example("heatpump.py");
    let environment = "environment = { HEATPUMP_URL = \"http://127.0.0.1:1\" }";
    let mut source = source(&format!("command = [\"{program}\", \"--once\"]\n{environment}"));
    let error = with_causes(&first(&mut source).await.unwrap_err());
    assert!(error.contains("it ended with exit status 1; standard error: "), "{error}");
    assert!(error.contains("Connection refused"), "{error}");
}

pub(crate) async fn the_python_example_takes_commands_both_ways() {
    let (address, bodies) = heat_pump();
    let program = example("heatpump.py");
    let mut source = source(&format!(
        "command = [\"{program}\"]\nmode = \"stream\"\n\
         environment = {{ HEATPUMP_URL = \"{address}\", HEATPUMP_INTERVAL = \"1000\" }}\n\
         [sources.program.commands.set_flow]\n\
         about = \"sets the flow temperature\"\n\
         args = [{{ name = \"value\", unit = \"°C\", min = 20, max = 55 }}]\n\
         [sources.program.commands.set_flow_once]\n\
         about = \"sets the flow temperature\"\n\
         command = [\"{program}\", \"--set\", \"{{value}}\"]\n\
         args = [{{ name = \"value\", unit = \"°C\", min = 20, max = 55 }}]\n"
    ));
    assert!(first(&mut source).await.unwrap().is_some());
    let sent = || tokio::task::spawn_blocking(|| ());
    assert_eq!(call(&source, "set_flow_once", json!({"value": 40.5})).await.unwrap(), json!(true));
    sent().await.unwrap();
    assert_eq!(bodies.recv_timeout(DEADLINE).unwrap(), "{\"value\": 40.5}");
    assert_eq!(call(&source, "set_flow", json!({"value": 42.5})).await.unwrap(), json!(true));
    // It reads the device again at once.
    assert!(acquire(&mut source).await.unwrap().is_some());
    assert_eq!(bodies.recv_timeout(DEADLINE).unwrap(), "{\"value\": 42.5}");
    source.acquisition.close().await;
}

pub(crate) async fn a_stream_in_python_needs_no_flush() {
    let script = "import json, time\nprint(json.dumps({'n': 1}))\ntime.sleep(1000)";
    let script = serde_json::to_string(script).unwrap();
    let mut source = source(&format!("command = [\"python3\", \"-c\", {script}]\nmode = \"stream\""));
    assert_eq!(shown(&first(&mut source).await.unwrap().unwrap()), "n=1");
    source.acquisition.close().await;
}
