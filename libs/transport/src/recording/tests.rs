use super::*;

fn header() -> Header {
    Header { origin: Origin::Serial, baud: 9600, began: "2024-02-29T12:34:56Z".to_owned() }
}

/// All chunks, or why not.
fn read(bytes: &[u8]) -> Result<Vec<Chunk>, String> {
    let text = |error: io::Error| error.to_string();
    let mut recording = Recording::new(bytes, 9600).map_err(text)?;
    let mut chunks = Vec::new();
    while let Some(chunk) = recording.next_chunk().map_err(text)? {
        chunks.push(chunk);
    }
    Ok(chunks)
}

fn with_lines(lines: &str) -> Vec<u8> {
    format!("{}\n{lines}", header()).into_bytes()
}

#[test]
fn what_is_written_is_read() {
    for origin in [Origin::Serial, Origin::Tcp, Origin::File] {
        let header = Header { origin, ..header() };
        let mut file = Vec::new();
        let mut recorder = Recorder::new(&mut file, &header).unwrap();
        let long: Vec<u8> = (0..=255).cycle().take(MAX_CHUNK + 1).collect();
        recorder.write(Duration::ZERO, b"/EBZ").unwrap();
        recorder.write(Duration::from_micros(1), b"").unwrap();
        recorder.write(Duration::from_micros(12_000_034), &long).unwrap();
        recorder.flush().unwrap();
        let recording = Recording::new(&file[..], 300).unwrap();
        assert_eq!(recording.header(), Some(&header));
        let chunks = read(&file).unwrap();
        let shown: Vec<_> = chunks.iter().map(|chunk| (chunk.after.as_micros(), chunk.bytes.len())).collect();
        assert_eq!(shown, [(0, 4), (12_000_034, MAX_CHUNK), (12_000_034, 1)]);
        assert_eq!(chunks[1].bytes, long[..MAX_CHUNK]);
    }
}

#[test]
fn the_format_is_the_documented_one() {
    let mut file = Vec::new();
    Recorder::new(&mut file, &header()).unwrap().write(Duration::from_millis(1250), b"/\xff").unwrap();
    assert_eq!(
        String::from_utf8(file).unwrap(),
        "# smartmeter recording 1: serial port, 9600 baud, 2024-02-29T12:34:56Z\n1.250000 2fff\n"
    );
    // As a person and a mail program may change it.
    let chunks = read(&with_lines("# a remark\r\n1 2F4a\r\n1.5 00")).unwrap();
    assert_eq!(chunks[0], Chunk { after: Duration::from_secs(1), bytes: vec![0x2f, 0x4a] });
    assert_eq!(chunks[1], Chunk { after: Duration::from_millis(1500), bytes: vec![0] });
}

#[test]
fn damage_is_refused_with_its_line() {
    for (lines, expected) in [
        ("0.1 00\n\n", "line 3: expected seconds"),
        ("0.1 00\n0.2\n", "line 3: expected seconds"),
        ("0.1 \n", "line 2: expected seconds"),
        ("0.1  00\n", "line 2: odd number of hexadecimal digits"),
        ("0.1 000\n", "line 2: odd number of hexadecimal digits"),
        ("0.1 0g\n", "line 2: expected seconds"),
        ("+1 00\n", "line 2: expected seconds"),
        (". 00\n", "line 2: expected seconds"),
        ("1. 00\n", "line 2: expected seconds"),
        ("0.1234567 00\n", "line 2: expected seconds"),
        ("1234567890 00\n", "line 2: expected seconds"),
        ("0.1 00\n0.2 00\n0.1 00\n", "line 4: its time is earlier"),
    ] {
        let error = read(&with_lines(lines)).unwrap_err();
        assert!(error.starts_with(expected), "{lines:?}: {error}");
    }
    let too_many = format!("0 {}", "00".repeat(MAX_CHUNK + 1));
    assert_eq!(read(&with_lines(&too_many)).unwrap_err(), "line 2: more than 4096 bytes");
    let endless = format!("0 {}", "00".repeat(10 * MAX_CHUNK));
    assert!(read(&with_lines(&endless)).unwrap_err().contains("line 2: too long"));
}

#[test]
fn another_version_is_refused_with_what_to_do() {
    let error = read(b"# smartmeter recording 2: anything\n").unwrap_err();
    assert!(error.contains("unknown version `2` of recordings, expected 1: update smartmeter"), "{error}");
    for first in [
        "1",
        "1: ",
        "1: radio, 9600 baud, x",
        "1: TCP, 0 baud, x",
        "1: TCP, 9600 baud, ",
        "1: TCP, 9600 baud",
    ] {
        let error = read(format!("{MARK}{first}\n").as_bytes()).unwrap_err();
        assert!(error.starts_with("line 1: expected an origin"), "{first}: {error}");
    }
}

#[test]
fn raw_bytes_come_as_their_speed_carries_them() {
    let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let chunks = read(&bytes).unwrap();
    assert_eq!(chunks.iter().flat_map(|chunk| chunk.bytes.clone()).collect::<Vec<_>>(), bytes);
    assert!(chunks.len() > 30 && chunks.is_sorted_by_key(|chunk| chunk.after));
    // 960 bytes a second.
    let last = chunks.last().unwrap().after;
    assert!(last > Duration::from_millis(1041) && last < Duration::from_millis(1042), "{last:?}");
    assert_eq!(read(b""), Ok(Vec::new()));
    assert_eq!(read(b"# smart").unwrap()[0].bytes, b"# smart");
    assert!(Recording::new(&b"x"[..], 0).unwrap().next_chunk().unwrap().is_some());
}

#[test]
fn no_bytes_make_it_panic() {
    let good = with_lines("0.000000 2f45\n0.010000 0d0a\n");
    for place in 0..good.len() {
        let _ = read(&good[..place]);
        for byte in [0, b'\n', b' ', b':', b',', b'9', 0xff] {
            let mut damaged = good.clone();
            damaged[place] = byte;
            let _ = read(&damaged);
        }
    }
}
