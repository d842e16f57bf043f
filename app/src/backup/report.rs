//! What was done, in words.

use std::path::Path;

use framework::backup::{Contents, Places, Restored};

/// Says what is in a backup.
pub(super) fn written(path: &Path, contents: &Contents) -> String {
    let len = std::fs::metadata(path).map_or(0, |file| file.len());
    let up_to = contents.newest.map(|newest| format!(", readings up to {newest:.0}")).unwrap_or_default();
    format!("{}: {} of {} MB{up_to}", path.display(), megabytes(len), megabytes(contents.bytes))
}

/// Says what was restored, and where the earlier files are.
pub(super) fn restored(places: &Places, restored: &Restored) -> String {
    let Restored { contents, aside, kept, upgraded } = restored;
    let host = contents.host.chars().filter(|c| !c.is_control()).collect::<String>();
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

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}
