//! The shortest plugins of each shape, and the number of their lines.

mod level;
mod listener;
mod load;

#[test]
fn plugins_are_as_short_as_promised() {
    for (shape, source, most) in [
        ("poller", include_str!("load.rs"), 18),
        ("poller with a key and a command", include_str!("level.rs"), 40),
        ("stream", include_str!("listener.rs"), 25),
    ] {
        let lines = source.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= most, "{shape}: {lines} lines");
    }
}
