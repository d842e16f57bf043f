//! A meter with encrypted DLMS telegrams, and restarts of the program.

use std::{
    io::Write as _,
    net::TcpListener,
    sync::mpsc::{self, Sender},
    thread,
};

use simulator::{
    Moment,
    dlms::{DlmsMeter, Framing},
};

use crate::program::Program;

const KEY: [u8; 16] = [0x42; 16];

/// Returns a server that sends what it is given to whoever is connected, and its address.
fn server() -> (Sender<Vec<u8>>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, telegrams) = mpsc::channel::<Vec<u8>>();
    thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        for telegram in telegrams {
            // The program was started again.
            while client.write_all(&telegram).is_err() {
                client = listener.accept().unwrap().0;
            }
        }
    });
    (sender, address)
}

#[test]
fn a_telegram_that_was_sent_before_a_restart_is_not_taken_for_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut meter = DlmsMeter::new(Framing::Hdlc).encrypted(KEY, Some([0x43; 16]));
    let moment = Moment::sample();
    let telegrams: Vec<_> = (0..3).map(|_| meter.telegram(&moment)).collect();
    let config = |address: &str| {
        format!(
            "[sources.meter]\nplugin = \"dlms\"\nport = \"tcp://{address}\"\nkey = \"{}\"\nauthentication_key = \"{}\"\n",
            "42".repeat(16),
            "43".repeat(16)
        )
    };
    let (send, address) = server();
    let program = Program::with_config(folder.path(), &config(&address));
    for telegram in &telegrams[..2] {
        send.send(telegram.clone()).unwrap();
    }
    program.until("/health", "two telegrams", |health| {
        health["sources"]["meter"]["counts"]["telegrams"].as_u64() == Some(2)
    });
    assert!(program.terminate().success());

    let (send, address) = server();
    let program = Program::with_config(folder.path(), &config(&address));
    for telegram in &telegrams {
        send.send(telegram.clone()).unwrap();
    }
    program.until("/health", "the third telegram", |health| {
        health["sources"]["meter"]["counts"]["telegrams"].as_u64() == Some(1)
    });
    assert_eq!(program.count("meter", "rejected"), 2, "{}", program.log());
}
