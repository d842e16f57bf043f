//! Serial ports, on pseudo terminals.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Command, Stdio},
};

use simulator::Pty;
use tokio::time::{Duration, Instant};
use transport::{Connection, Port};

/// User without any rights: `nobody`.
const NOBODY: u32 = 65534;

fn port(pty: &Pty) -> Port {
    pty.path().to_str().unwrap().parse().unwrap()
}

/// Opens the terminal as a user without rights would; root may always, whatever its exclusive mode.
fn stranger_may_open(pty: &Pty) -> bool {
    let mut stranger = Command::new("sh");
    stranger.arg("-c").arg(format!("exec 3<>{}", pty.path().display()));
    if rustix::process::getuid().is_root() {
        fs::set_permissions(pty.path(), fs::Permissions::from_mode(0o666)).unwrap();
        stranger.uid(NOBODY).gid(NOBODY);
    }
    stranger.stderr(Stdio::null()).status().unwrap().success()
}

#[tokio::test]
async fn a_second_opener_is_refused_before_and_after_a_nap() {
    let pty = Pty::open().unwrap();
    assert!(stranger_may_open(&pty));
    let mut connection = Connection::open(&port(&pty), 9600).await.unwrap();
    let mut buffer = [0; 8];
    for turn in 0..3 {
        assert!(!stranger_may_open(&pty), "after {turn} naps");
        // Where root runs this, it ends the exclusive mode, which a nap begins again; the lock is what refuses it.
        let second = Connection::open(&port(&pty), 9600).await.unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::ResourceBusy, "{second}");
        pty.write_all(b"x").unwrap();
        assert_eq!(connection.read(&mut buffer).await.unwrap(), 1);
        connection.nap(Instant::now() + Duration::from_millis(1)).await.unwrap();
    }
    drop(connection);
    assert!(stranger_may_open(&pty));
}

#[tokio::test]
async fn bytes_wait_during_a_nap_and_an_unplugged_device_is_noticed() {
    let pty = Pty::open().unwrap();
    let mut connection = Connection::open(&port(&pty), 9600).await.unwrap();
    let mut buffer = [0; 8];
    pty.write_all(b"ab").unwrap();
    assert_eq!(connection.read(&mut buffer).await.unwrap(), 2);
    let nap = connection.nap(Instant::now() + Duration::from_millis(20));
    pty.write_all(b"cde").unwrap();
    nap.await.unwrap();
    assert_eq!(connection.read(&mut buffer).await.unwrap(), 3);
    connection.send(b"/?!\r\n").await.unwrap();
    drop(pty);
    assert_eq!(connection.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_path_that_is_not_a_serial_port_is_reported() {
    for path in ["/dev/null", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
        let error = Connection::open(&path.parse().unwrap(), 9600).await.unwrap_err();
        assert_eq!(error.to_string(), "not a serial port", "{path}");
    }
}
