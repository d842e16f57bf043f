use super::{
    meter::{Amounts, Meter},
    text::Figures,
    *,
};

const MB: u64 = 1_000_000;

/// Meter of some work, of which `done` returns the amounts at a time.
fn metered(seconds: f64, mut done: impl FnMut(f64) -> (u64, u64)) -> (Meter, Vec<Option<f64>>) {
    let (mut meter, mut left) = (Meter::default(), Vec::new());
    for frame in 0..(seconds / FRAME.as_secs_f64()) as u32 {
        let now = FRAME * frame;
        let (done, of) = done(now.as_secs_f64());
        meter.update(now, Amounts { count: done, done, of });
        left.push(meter.left());
    }
    (meter, left)
}

#[test]
fn the_remaining_time_does_not_jump_and_is_not_said_before_it_is_known() {
    // Pieces of very different duration, after a start of four seconds in which nothing happens.
    let (mut seed, mut reached, of) = (1u32, 0u64, 4000 * MB);
    let mut piece = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u64::from(seed >> 24) * MB / 50
    };
    let (_, left) = metered(120.0, |now| {
        if now > 4.0 {
            reached += piece();
        }
        (reached, of)
    });
    let frame = FRAME.as_secs_f64();
    let known = left.iter().position(Option::is_some).unwrap();
    assert!((5.0..8.0).contains(&(known as f64 * frame)), "known after {known} frames");
    for pair in left[known..].windows(2) {
        let [Some(before), Some(after)] = pair else { panic!("not known any more: {pair:?}") };
        let jump = (after - (before - frame)).abs();
        assert!(jump < 0.5 + 0.02 * before, "{before} s, then {after} s");
    }
    // It is right: 20.4 MB a second from the fourth on.
    for at in [30.0, 60.0, 90.0] {
        let (told, right) = (left[(at / frame) as usize].unwrap(), 4.0 + 4000.0 / 20.4 - at);
        assert!((told - right).abs() < 0.2 * right, "{told} s at {at}, should be {right}");
    }
}

#[test]
fn a_work_that_stalls_has_no_remaining_time_until_it_moves_again() {
    let steady = |now: f64| (now * 1000.0) as u64;
    let (_, left) = metered(60.0, |now| match now {
        ..20.0 => (steady(now), 100_000),
        20.0..40.0 => (steady(20.0), 100_000),
        _ => (steady(now - 20.0), 100_000),
    });
    let at = |seconds: usize| left[seconds * 8];
    assert!((at(15).unwrap() - 85.0).abs() < 2.0, "{:?}", at(15));
    assert_eq!(at(35), None);
    assert!(at(45).is_some());
    // The end is not expected, and an unknown whole has none.
    assert_eq!(metered(30.0, |now| (steady(now).min(20_000), 20_000)).0.left(), None);
    assert_eq!(metered(30.0, |now| (steady(now), 0)).0.left(), None);
}

#[test]
fn a_bar_fits_into_every_width_and_says_the_most_important_first() {
    let (meter, _) = metered(43.2, |now| ((now * 4.1e6) as u64, 410 * MB));
    let figures = Figures::new("importing", Unit::Bytes, &meter);
    let rows = [
        (
            100,
            "importing   43 % [#############------------------]   176 MB of 410 MB   4.10 MB/s         57 s left",
        ),
        (79, "importing   43 % [####------]   176 MB of 410 MB   4.10 MB/s         57 s left"),
        (60, "importing   43 % [####------]   4.10 MB/s         57 s left"),
        (52, "importing   43 % [######--------]         57 s left"),
        (45, "importing  43 %  57 s left"),
        (30, "importing  43 %  57 s left"),
        (19, "importing 43 % 57 s"),
        (12, "43 % 57 s"),
        (5, "43 %"),
        (2, "43"),
        (0, ""),
    ];
    let shown: Vec<_> = rows.iter().map(|(width, _)| (*width, figures.bar(*width))).collect();
    println!("{shown:#?}");
    for width in 0..200 {
        assert!(figures.bar(width).chars().count() <= width, "{width}: {}", figures.bar(width));
    }
    for ((_, expected), (width, shown)) in rows.iter().zip(&shown) {
        assert_eq!(shown, expected, "{width}");
    }
    // Nothing moves when the remaining time becomes known.
    let (early, _) = metered(1.5, |now| ((now * 4.1e6) as u64, 410 * MB));
    let early = Figures::new("importing", Unit::Bytes, &early);
    assert_eq!(early.bar(100).find(']'), shown[0].1.find(']'));
    assert!(!early.bar(100).contains("left") && !early.line().contains("left"));
}

#[test]
fn amounts_rates_and_times_are_written_for_a_person() {
    let line = |label, unit, meter: &Meter| Figures::new(label, unit, meter).line();
    let (rows, _) = metered(20.1, |now| ((now * 123_456.0) as u64, 0));
    let rows_line = line("importing", Unit::Count("lines"), &rows);
    assert_eq!(rows_line, "importing: 2,453,688 lines, 123,000/s, 20 s so far");
    let (hours, _) = metered(20.1, |now| ((now * 4.0) as u64, 200_000));
    let hours_line = line("sending", Unit::Count("hours"), &hours);
    assert!(hours_line.starts_with("sending: 0 %, 79 of 200,000 hours, "), "{hours_line}");
    assert!(hours_line.contains("/s, 13 h ") && hours_line.ends_with(" min left"), "{hours_line}");
    let (time, _) = metered(10.1, |now| ((now * 1000.0) as u64, 25_000));
    assert_eq!(line("searching", Unit::Time, &time), "searching: 39 %, 15 s left");
    let (some, _) = metered(10.1, |now| ((now * 1.5e9) as u64, 1));
    let last = Figures::new("backing up", Unit::Bytes, &some).last_line();
    assert_eq!(last, "backing up: done, 14.8 GB, 1.50 GB/s, in 10 s");
    // What a port or a file is called cannot control the terminal.
    assert!(!line("a\x1b[2Jb\nc", Unit::Bytes, &some).contains(char::is_control));
}

#[test]
fn lines_come_more_and_more_seldom() {
    let (mut now, mut lines) = (PATIENCE, 0);
    let mut counts = Vec::new();
    for end in [60, 600, 3600, 36_000] {
        while now <= Duration::from_secs(end) {
            lines += 1;
            now += pause(now);
        }
        counts.push(lines);
    }
    assert_eq!(counts, [12, 36, 55, 163]);
}

#[test]
fn amounts_that_are_shown_are_of_one_moment() {
    let progress = Progress::at(Place::Nowhere, "restoring".to_owned(), Unit::Bytes);
    std::thread::scope(|scope| {
        scope.spawn(|| (0..200_000).for_each(|done| progress.set(done, 2 * done)));
        for _ in 0..200_000 {
            let amounts = progress.state.amounts();
            assert_eq!((amounts.count, 2 * amounts.count), (amounts.done, amounts.of));
        }
    });
}
