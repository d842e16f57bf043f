//! What was done, in words.

use std::path::Path;

use framework::backup::{Contents, Joined, Places, Restored};

/// Says what is in a backup.
pub(super) fn written(path: &Path, contents: &Contents) -> String {
    let len = std::fs::metadata(path).map_or(0, |file| file.len());
    let up_to = contents.newest.map(|newest| format!(", readings up to {newest:.0}")).unwrap_or_default();
    format!("{}: {} of {} MB{up_to}", path.display(), megabytes(len), megabytes(contents.bytes))
}

/// Says what was restored, and where the earlier files are.
pub(super) fn restored(places: &Places, restored: &Restored) -> String {
    let Restored { contents, aside, kept, upgraded } = restored;
    let host = host(contents);
    let mut text = format!(
        "restored the backup of `{host}` of {:.0} into `{}`\n",
        contents.created,
        places.state_dir.display()
    );
    if let Some(newest) = contents.newest {
        text += &format!("  readings up to {newest:.0}\n");
    }
    if let Some(schema) = upgraded {
        text += &format!("  the database was brought up to date from schema {schema}\n");
    }
    for path in kept {
        text += &format!("  {} stays, as this machine has written it after the backup\n", path.display());
    }
    for folder in aside {
        text += &format!("  what was there before is in `{}`\n", folder.display());
    }
    if let Some(config) = &places.config {
        text += &format!(
            "  `{}` is unchanged: `tar -xzOf FILE config.toml` prints that of the backup\n",
            config.display()
        );
    }
    text
}

/// Says what a backup's history has added.
pub(super) fn joined(places: &Places, joined: &Joined) -> String {
    let Joined { contents, merged, added } = joined;
    let journal = places.journal.as_deref().unwrap_or(&places.state_dir);
    let mut text = format!(
        "merged the backup of `{}` of {:.0} into `{}`: {} minutes of its series are new\n",
        host(contents),
        contents.created,
        journal.display(),
        merged.minutes
    );
    for path in added {
        text += &format!("  {} is that of the backup, as there was none\n", path.display());
    }
    for (series, count) in &merged.left_out {
        text += &format!(
            "  {count} readings of `{}/{}` contradict those that were there, and were left out\n",
            series.section, series.name
        );
    }
    if !merged.left_out.is_empty() {
        text += "hint: if these are two meters, restore the journal of before, and merge with `--rename OLD=NEW`\n";
    }
    text
}

/// Returns the name of the machine of a backup.
fn host(contents: &Contents) -> String {
    contents.host.chars().filter(|character| !character.is_control()).collect()
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}
