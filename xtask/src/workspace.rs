//! Folder of the workspace, and its files.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// Returns the nearest folder above the working directory that is this workspace.
pub(crate) fn root() -> Result<PathBuf, String> {
    let here =
        env::current_dir().map_err(|error| format!("error: there is no working directory: {error}\n"))?;
    let is_root =
        |folder: &&Path| folder.join("app/src/plugins.rs").is_file() && folder.join("plugins").is_dir();
    let root = here.ancestors().find(is_root).map(Path::to_owned);
    root.ok_or_else(|| {
        format!(
            "error: `{}` is not in the workspace: run this in the folder of its Cargo.toml\n",
            here.display()
        )
    })
}

/// Reads a file of the workspace.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("error: could not read `{}`: {error}\n", path.display()))
}

/// Writes a file of the workspace, whole or not at all.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    let written = (|| {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let new = path.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(&new, path)
    })();
    written.map_err(|error: io::Error| format!("error: could not write `{}`: {error}\n", path.display()))
}
