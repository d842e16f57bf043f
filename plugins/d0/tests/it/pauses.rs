//! Pauses inside telegrams, as Wi-Fi bridges and busy servers make them, and a server that never pauses.

use std::{fs, path::Path, time::Duration};

use framework::{AcquireError, testing};
use plugin_d0::D0;
use tokio::{io::AsyncWriteExt as _, net::TcpListener, time::sleep};

/// A telegram of a P1 port with this counter, and a CRC.
fn telegram(wh: u32) -> Vec<u8> {
    let mut text =
        format!("/XYZ5P1\r\n\r\n1-3:0.2.8(50)\r\n1-0:1.8.0({:010.3}*kWh)\r\n!", f64::from(wh) / 1000.0);
    let crc = crc::Crc::<u16>::new(&crc::CRC_16_ARC).checksum(text.as_bytes());
    text += &format!("{crc:04X}\r\n");
    text.into_bytes()
}

/// Returns the counter of each batch, or the reason why there is none, of a source that reads this port.
async fn counters(port: &str, number: usize) -> Vec<Result<String, String>> {
    let config = format!("[sources.m]\nplugin = \"d0\"\nport = \"{port}\"\n");
    let mut source = testing::source::<D0>(&config, Path::new("/nonexistent")).acquisition;
    source.open().await.unwrap();
    let mut all = Vec::new();
    while all.len() < number {
        match source.acquire().await {
            Ok(Some(batch)) => all.push(Ok(format!("{:?}", batch.get("POWER_IMPORT").unwrap().value))),
            Err(AcquireError::Malformed { reason }) => all.push(Err(reason)),
            other => panic!("{other:?}"),
        }
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_pause_anywhere_in_a_telegram_with_a_crc_loses_nothing() {
    for pause in [1.6, 4.0, 9.0] {
        let mut recording =
            "# smartmeter recording 1: serial port, 115200 baud, 2026-01-15T12:00:00Z\n".to_owned();
        let (mut at, mut telegrams) = (0.0, 0);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        for cut in (5..telegram(0).len() - 7).step_by(3) {
            let bytes = telegram(telegrams);
            recording +=
                &format!("{at:.3} {}\n{:.3} {}\n", hex(&bytes[..cut]), at + pause, hex(&bytes[cut..]));
            at += pause + 1.0;
            telegrams += 1;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("recording");
        fs::write(&file, recording).unwrap();
        let found = counters(&format!("replay:{}", file.display()), telegrams as usize).await;
        assert!(found.iter().all(Result::is_ok), "{pause}: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn parts_of_two_telegrams_without_a_crc_do_not_become_one() {
    let text =
        |value: &str| format!("/XYZ5AB\r\n\r\n1-0:1.8.0(000{value}.5*kWh)\r\n1-0:16.7.0(000211*W)\r\n!\r\n");
    let (first, second) = (text("111"), text("111"));
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    // The end of one and the beginning of the next were lost.
    let recording = format!(
        "# smartmeter recording 1: serial port, 9600 baud, 2026-01-15T12:00:00Z\n0 {}\n1 {}\n4 {}\n5 {}\n",
        hex(&first),
        hex(&first[..26]),
        hex(&second[26..]),
        hex(&second),
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    fs::write(&file, recording).unwrap();
    let found = counters(&format!("replay:{}", file.display()), 3).await;
    assert!(found[0].is_ok() && found[2].is_ok(), "{found:?}");
    assert_eq!(
        found[1],
        Err("a telegram was rejected: it paused for more than 1.5 s, and has no CRC that proves it".into())
    );
}

#[tokio::test]
async fn a_pause_over_tcp_loses_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = format!("tcp://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        for wh in 0..2 {
            let bytes = telegram(wh);
            socket.write_all(&bytes[..30]).await.unwrap();
            sleep(Duration::from_millis(1800)).await;
            socket.write_all(&bytes[30..]).await.unwrap();
        }
        sleep(Duration::from_secs(60)).await;
    });
    let found = counters(&port, 2).await;
    assert!(found.iter().all(Result::is_ok), "{found:?}");
    server.abort();
}

#[tokio::test]
async fn a_flood_of_telegrams_over_tcp_is_read_slowly_and_said() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let flood = telegram(0).repeat(100);
        while socket.write_all(&flood).await.is_ok() {}
    });
    let config = format!("[sources.m]\nplugin = \"d0\"\nport = \"tcp://{port}\"\n");
    let mut source = testing::source::<D0>(&config, Path::new("/nonexistent"));
    source.acquisition.open().await.unwrap();
    let slowed = || {
        let counters = source.context.stats().counters();
        counters.into_iter().find(|(name, _)| *name == "slowed").unwrap().1
    };
    let mut telegrams = 0;
    while slowed() == 0 {
        source.acquisition.acquire().await.unwrap();
        telegrams += 1;
        assert!(telegrams < 10_000, "nothing slows it down");
    }
    server.abort();
}
