//! What this machine knows about a serial port that cannot be opened: who reads it, and who may.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// Permission of the group to read and write.
const GROUP: u32 = 0o060;

/// Returns the advice for a port that another program has, with that program where it can be seen: those of this user,
/// and all of them for root.
pub(crate) fn for_busy(path: &Path) -> String {
    match users_of(path).as_slice() {
        [] => "another program is reading it; stop that one first".to_owned(),
        users => format!("another program is reading it: {}; stop that one first", users.join(", ")),
    }
}

/// Returns the programs that have a file open.
fn users_of(path: &Path) -> Vec<String> {
    let Ok(path) = fs::canonicalize(path) else { return Vec::new() };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut users = Vec::new();
    for process in processes {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let mut files = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        if pid != std::process::id()
            && files.any(|file| fs::read_link(file.path()).is_ok_and(|to| to == path))
        {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            users.push(format!("`{}` (process {pid})", name.trim_end()));
        }
    }
    users
}

/// Returns the advice for a port that this user may not open: the group that may.
pub(crate) fn for_forbidden(path: &Path) -> String {
    let found = fs::metadata(path).ok().filter(|found| found.mode() & GROUP == GROUP && found.gid() != 0);
    match found.map(|found| found.gid()) {
        Some(gid) => {
            let groups = fs::read_to_string("/etc/group").unwrap_or_default();
            let group = name_of(&groups, gid).map_or_else(|| format!("{gid}"), str::to_owned);
            format!("permission denied; add this user to the group `{group}`")
        }
        None => {
            "permission denied; only its owner may open it: a udev rule can give it to the group `dialout`"
                .to_owned()
        }
    }
}

/// Returns the name of a group in `/etc/group` (group(5)): `dialout:x:20:user`.
fn name_of(groups: &str, gid: u32) -> Option<&str> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{File, Permissions},
        os::unix::fs::PermissionsExt as _,
        process::{Command, Stdio},
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn the_program_that_reads_a_port_is_named() {
        let path = std::env::temp_dir().join(format!("transport-busy-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        assert_eq!(for_busy(&path), "another program is reading it; stop that one first", "not this one");
        let mut reader = Command::new("cat");
        // It has the file as its output, and waits for its input.
        let mut reader = reader.stdin(Stdio::piped()).stdout(file).spawn().unwrap();
        let pid = reader.id();
        let deadline = Instant::now() + Duration::from_secs(10);
        let named = loop {
            // Until the child has become `cat`.
            let named = for_busy(&path);
            if named.contains("`cat`") {
                break named;
            }
            assert!(reader.try_wait().unwrap().is_none() && Instant::now() < deadline, "{named}");
        };
        assert_eq!(
            named,
            format!("another program is reading it: `cat` (process {pid}); stop that one first")
        );
        drop(reader.stdin.take());
        reader.wait().unwrap();
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_group_that_may_open_a_port_is_named() {
        let groups = "root:x:0:\ndialout:x:20:user,pi\nuucp:x:14:\nbroken\n";
        assert_eq!(name_of(groups, 20), Some("dialout"));
        assert_eq!(name_of(groups, 14), Some("uucp"));
        assert_eq!(name_of(groups, 1), None);
        let path = std::env::temp_dir().join(format!("transport-group-{}", std::process::id()));
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(for_forbidden(&path).contains("only its owner may open it"));
        fs::set_permissions(&path, Permissions::from_mode(0o660)).unwrap();
        let gid = fs::metadata(&path).unwrap().gid();
        let expected = match name_of(&fs::read_to_string("/etc/group").unwrap(), gid) {
            Some(_) if gid == 0 => "only its owner may open it".to_owned(),
            Some(name) => format!("the group `{name}`"),
            None => format!("the group `{gid}`"),
        };
        assert!(for_forbidden(&path).contains(&expected), "{expected}");
        fs::remove_file(path).unwrap();
    }
}
