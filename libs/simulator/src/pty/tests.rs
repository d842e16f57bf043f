use test_meters::{Port, soon};

use super::*;

#[test]
fn every_byte_passes_unchanged_in_both_directions() {
    let pty = Pty::open().unwrap();
    let mut port = Port::open(pty.path());
    let all: Vec<u8> = (0..=255).collect();

    pty.write_all(&all).unwrap();
    assert_eq!(port.read_until(|bytes| bytes.len() >= 256), all);

    port.write(&all);
    let mut got: Vec<u8> = Vec::new();
    let mut buffer = [0; 100];
    while got.len() < 256 {
        let count = pty.read(&mut buffer, soon()).unwrap();
        assert_ne!(count, 0, "nothing came after {got:?}");
        got.extend(&buffer[..count]);
    }
    assert_eq!(got, all);
    assert_eq!(pty.read(&mut buffer, Instant::now()).unwrap(), 0, "no echo of what was sent");
}

#[test]
fn what_is_sent_without_a_reader_is_lost() {
    let pty = Pty::open().unwrap();
    assert!(!pty.has_reader().unwrap());
    pty.write_all(b"before the first").unwrap();
    drop(Port::open(pty.path()));
    pty.write_all(b"between two").unwrap();

    let mut port = Port::open(pty.path());
    assert!(pty.has_reader().unwrap());
    pty.write_all(b"new").unwrap();
    assert_eq!(port.read_until(|bytes| bytes.len() >= 3), b"new");
}

#[test]
fn a_held_line_keeps_what_is_sent_without_a_reader() {
    let pty = Pty::open().unwrap().held().unwrap();
    assert!(pty.has_reader().unwrap());
    pty.write_all(b"early").unwrap();
    assert_eq!(Port::open(pty.path()).read_until(|bytes| bytes.len() >= 5), b"early");
}

#[test]
fn a_reader_that_does_not_read_blocks_nobody() {
    let pty = Pty::open().unwrap();
    let mut port = Port::open(pty.path());
    for _ in 0..1000 {
        pty.write_all(&[b'x'; 1000]).unwrap();
    }
    assert_eq!(pty.write_some(b"x").unwrap(), 0, "the line is full, and says so at once");

    // The line works again once there is room.
    while !port.read_now().is_empty() {}
    pty.write_blocking(b"end", soon()).unwrap();
    port.read_until(|bytes| bytes.ends_with(b"end"));
}

#[test]
fn write_blocking_loses_nothing_and_waits_for_a_reader() {
    let pty = Pty::open().unwrap();
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| (n / 7) as u8).collect();
    thread::scope(|scope| {
        let writer = scope.spawn(|| pty.write_blocking(&bytes, soon()));
        let mut port = Port::open(pty.path());
        assert!(port.read_until(|got| got.len() >= bytes.len()) == bytes);
        writer.join().unwrap().unwrap();
    });
}

#[test]
fn write_blocking_ends_at_its_deadline() {
    for pty in [Pty::open().unwrap(), Pty::open().unwrap().held().unwrap()] {
        let deadline = Instant::now() + Duration::from_millis(50);
        let error = pty.write_blocking(&[0; 1 << 20], deadline).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(Instant::now() >= deadline);
    }
}

#[test]
fn a_device_can_be_unplugged_and_plugged_in_again() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("ttyUSB0");
    let pty = Pty::open().unwrap().linked(&link).unwrap();
    assert_eq!(pty.path(), link);
    let mut port = Port::open(&link);

    drop(pty);
    port.read_to_hangup();
    assert!(link.symlink_metadata().is_err(), "the link went with the device");

    let pty = Pty::open().unwrap().linked(&link).unwrap();
    let mut port = Port::open(&link);
    pty.write_all(b"again").unwrap();
    assert_eq!(port.read_until(|bytes| bytes.len() >= 5), b"again");
}

#[test]
fn the_speed_that_the_program_sets_is_seen_here() {
    let pty = Pty::open().unwrap();
    assert_eq!(pty.baud().unwrap(), 38_400);
    let port = Port::open(pty.path());
    for baud in [300, 9600, 115_200, 12_345] {
        port.set_baud(baud);
        assert_eq!(pty.baud().unwrap(), baud);
    }
    drop(port);
    assert_eq!(pty.baud().unwrap(), 12_345, "it outlives who set it");
}
