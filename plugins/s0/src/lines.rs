//! List of the GPIO lines of a machine, for a person who chooses one.

use gpiocdev::Chip;

/// Most lines that are listed: a board has a few hundred.
const MOST: usize = 1024;

/// A GPIO line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its chip, such as `/dev/gpiochip0`.
    pub chip: String,
    /// Its number at the chip.
    pub offset: u32,
    /// Its name, such as `GPIO17`; empty if it has none.
    pub name: String,
    /// Its user, if it has one.
    pub user: Option<String>,
}

/// Returns the lines of all chips that this user may look at; none where there is no GPIO.
pub fn lines() -> Vec<Line> {
    let chips = gpiocdev::chip::chips().unwrap_or_default();
    let all = chips.into_iter().filter_map(|path| Some((Chip::from_path(&path).ok()?, path)));
    let lines = all.flat_map(|(chip, path)| {
        let count = chip.info().map_or(0, |info| info.num_lines);
        let lines = (0..count).filter_map(move |offset| {
            let info = chip.line_info(offset).ok()?;
            let user = if info.consumer.is_empty() { "the kernel".to_owned() } else { info.consumer };
            Some(Line {
                chip: path.display().to_string(),
                offset,
                name: info.name,
                user: info.used.then_some(user),
            })
        });
        lines.collect::<Vec<_>>()
    });
    lines.take(MOST).collect()
}
