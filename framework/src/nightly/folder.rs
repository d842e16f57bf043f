//! The folder for backups: whether its disk is mounted, the files that are this box's own, and which of them may go.
//!
//! Everything here may block for ever: the folder may be on a server that has gone.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{Failure, name};
use crate::FaultCode;

/// Folder for backups, which is there.
pub(super) struct Folder<'a> {
    path: &'a Path,
    id: &'a str,
    /// Mount point of the file system that it is in.
    pub(super) mount: PathBuf,
}

impl<'a> Folder<'a> {
    /// Looks for the folder. `mounted` is where its file system was mounted at the last good backup.
    ///
    /// A folder that is missing is not created, because it may be in a disk that is not mounted: its files would fill the
    /// disk below, which is the one that the backup is against.
    pub(super) fn open(path: &'a Path, id: &'a str, mounted: Option<&Path>) -> Result<Self, Failure> {
        let shown = path.display();
        let found = match fs::metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = format!("the folder `{shown}` does not exist: mount its disk, or create it");
                return Err(Failure::new(FaultCode::DeviceMissing, message));
            }
            Err(error) => return Err(Failure::io(&format!("could not look at `{shown}`"), &error)),
        };
        if !found.is_dir() {
            let message = format!("`{shown}` is a file, expected a folder");
            return Err(Failure::new(FaultCode::WrongConfiguration, message));
        }
        let mount =
            mount_of(path).map_err(|error| Failure::io(&format!("could not look at `{shown}`"), &error))?;
        if let Some(mounted) = mounted.filter(|mounted| **mounted != mount && mounted.starts_with(&mount)) {
            let message = format!(
                "nothing is mounted at `{}`, as it was at the last backup: mount the disk, or name another folder in \
                 `[backup] to`",
                mounted.display()
            );
            return Err(Failure::new(FaultCode::DeviceMissing, message));
        }
        Ok(Self { path, id, mount })
    }

    /// Returns the path of a file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the names of the files that may be this box's own.
    fn names(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(self.path)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        let names = names.filter_map(Result::transpose);
        names.filter(|name| name.as_ref().map_or(true, |name| name.contains(self.id))).collect()
    }

    /// Removes the files that this box began to write and did not finish.
    pub(super) fn remove_parts(&self) -> io::Result<()> {
        for name in self.names()?.into_iter().filter(|name| name::is_part(name, self.id)) {
            fs::remove_file(self.file(&name))?;
        }
        Ok(())
    }

    /// Removes the backups of this box that are older than the `keep` newest good ones.
    pub(super) fn remove_old(&self, keep: usize, bad: &[String], now: Timestamp) -> io::Result<Vec<String>> {
        let old = old(self.names()?, self.id, keep, bad, now);
        old.iter().try_for_each(|name| fs::remove_file(self.file(name)))?;
        Ok(old)
    }

    /// Syncs the names of the files.
    pub(super) fn sync(&self) {
        // Some servers sync names by themselves and refuse to be asked. The files are synced in any case.
        let _ = fs::File::open(self.path).and_then(|folder| folder.sync_all());
    }
}

/// Returns the backups that are older than the `keep` newest good ones. A backup of the future says nothing: the clock was
/// wrong.
fn old(names: Vec<String>, id: &str, keep: usize, bad: &[String], now: Timestamp) -> Vec<String> {
    let own = names.into_iter().filter_map(|name| Some((name::time_of(&name, id)?, name)));
    let mut own: Vec<_> = own.filter(|(at, _)| *at <= now).collect();
    own.sort_unstable();
    let newest_first = own.into_iter().rev();
    let mut good = 0;
    let older = newest_first.skip_while(|(_, name)| {
        let is_wanted = good < keep;
        good += usize::from(!bad.contains(name));
        is_wanted
    });
    older.map(|(_, name)| name).collect()
}

/// Returns where the file system of a folder is mounted: the nearest folder above that is on another device than its own
/// parent.
fn mount_of(folder: &Path) -> io::Result<PathBuf> {
    let folder = fs::canonicalize(folder)?;
    let device = fs::metadata(&folder)?.dev();
    let mut mount = &*folder;
    while let Some(parent) = mount.parent() {
        if fs::metadata(parent)?.dev() != device {
            break;
        }
        mount = parent;
    }
    Ok(mount.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5f3a9c";

    fn name_of(day: u32) -> String {
        let at = format!("2026-11-{day:02}T02:30:00Z").parse().unwrap();
        name::of("house", ID, at)
    }

    #[test]
    fn the_newest_good_backups_stay_and_files_of_others_are_never_removed() {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let days = |days: &[u32]| days.iter().map(|day| name_of(*day)).collect::<Vec<_>>();
        for (keep, there, bad, removed) in [
            (2, &[17, 19, 18, 20][..], &[][..], &[18, 17][..]),
            (14, &[17, 18], &[], &[]),
            // One that cannot be read is not one of those that are kept.
            (2, &[17, 18, 19, 20], &[19], &[17]),
            (1, &[18, 19, 20], &[20], &[18]),
            (1, &[18, 19, 20], &[18, 19, 20], &[]),
            // The clock was wrong.
            (1, &[19, 20, 25], &[], &[19]),
        ] {
            let mut names = days(there);
            names.extend(["notes.txt".to_owned(), name_of(1).replace(ID, "ffffff"), name::part(&name_of(2))]);
            assert_eq!(old(names, ID, keep, &days(bad), now), days(removed), "{keep} {there:?} {bad:?}");
        }
    }

    #[test]
    fn what_a_killed_backup_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let others = [name_of(1), "x.part".to_owned(), name::part(&name_of(1).replace(ID, "ffffff"))];
        for name in others.iter().chain([&name::part(&name_of(2)), &name::part(&name_of(3))]) {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let opened = Folder::open(folder.path(), ID, None).unwrap();
        opened.remove_parts().unwrap();
        let left = fs::read_dir(folder.path()).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        let mut others = others.to_vec();
        others.sort();
        assert_eq!(left, others);
    }

    #[test]
    fn a_disk_that_is_not_mounted_is_told_from_an_empty_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mount = Folder::open(folder.path(), ID, None).unwrap().mount;
        assert!(Folder::open(folder.path(), ID, Some(&mount)).is_ok());
        let refused = |path: &Path, mounted| Folder::open(path, ID, mounted).err().unwrap();
        let failure = refused(folder.path(), Some(folder.path()));
        assert!(failure.message.contains("nothing is mounted at"), "{failure:?}");
        let failure = refused(&folder.path().join("missing"), None);
        assert!(failure.message.contains("does not exist: mount its disk"), "{failure:?}");
        assert_eq!(failure.code(), FaultCode::DeviceMissing);
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(refused(&folder.path().join("file"), None).message.contains("expected a folder"));
    }
}
