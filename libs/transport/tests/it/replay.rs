//! Recordings in a device's place.

use std::{fs, io, path::PathBuf, time::Duration};

use tokio::time::Instant;
use transport::{Connection, Port};

/// A file that goes with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("transport-replay-{}-{name}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    async fn open(&self, speed: f64) -> Connection {
        let port: Port = format!("replay:{}", self.0.display()).parse().unwrap();
        Connection::open(&port.at_speed(speed).unwrap(), 300).await.unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

const RECORDING: &[u8] = b"# smartmeter recording 1: serial port, 9600 baud, 2024-02-29T12:34:56Z\n\
    0.500000 0102030405\n2.000000 06\n";

// Time is tokio's, and paused: it moves when everybody waits.
#[tokio::test(start_paused = true)]
async fn chunks_come_when_they_came() {
    let file = File::new("times", RECORDING);
    for speed in [1.0, 10.0, 0.5] {
        let mut connection = file.open(speed).await;
        assert_eq!((connection.baud(), connection.has_baud()), (9600, false));
        let start = Instant::now();
        let (mut buffer, mut seen) = ([0; 3], Vec::new());
        let error = loop {
            match connection.read(&mut buffer).await {
                Ok(count) => {
                    seen.push((start.elapsed().mul_f64(speed).as_millis() / 10, buffer[..count].to_vec()))
                }
                Err(error) => break error,
            }
        };
        assert_eq!(seen, [(50, vec![1, 2, 3]), (50, vec![4, 5]), (200, vec![6])], "at {speed}");
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::UnexpectedEof, "the recording ended")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_recording_takes_what_is_sent_and_does_not_change() {
    let file = File::new("send", RECORDING);
    let mut connection = file.open(1.0).await;
    connection.send(b"/?!\r\n").await.unwrap();
    connection.set_baud(300).unwrap();
    connection.discard().unwrap();
    connection.nap(Instant::now() + Duration::from_millis(100)).await.unwrap();
    let mut buffer = [0; 8];
    // Given up before its time, and asked again.
    assert!(tokio::time::timeout(Duration::from_millis(50), connection.read(&mut buffer)).await.is_err());
    assert_eq!(connection.read(&mut buffer).await.unwrap(), 5);
    assert_eq!(connection.baud(), 9600);
}

#[tokio::test(start_paused = true)]
async fn raw_bytes_come_at_the_speed_of_their_line() {
    let file = File::new("raw", &[b'x'; 300]);
    let mut connection = file.open(1.0).await;
    let (start, mut buffer, mut count) = (Instant::now(), [0; 512], 0);
    while let Ok(read) = connection.read(&mut buffer).await {
        count += read;
    }
    // 300 baud: 30 bytes a second.
    assert_eq!((count, start.elapsed().as_millis() / 10), (300, 1000));
}

#[tokio::test]
async fn what_cannot_be_played_is_reported() {
    let later = File::new("later", b"# smartmeter recording 9: x\n");
    for (path, expected) in [
        ("/nonexistent", "no such recording"),
        ("/dev/null", "not a file"),
        (later.0.to_str().unwrap(), "line 1: unknown version `9` of recordings, expected 1"),
    ] {
        let error = Connection::open(&format!("replay:{path}").parse().unwrap(), 9600).await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{path}: {error}");
    }
}
