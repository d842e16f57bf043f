//! Schemas and formats of other versions.

use backup::BackupError;
use rusqlite::Connection;

use crate::{
    made::{File, files, summed, with_manifest},
    program::Program,
};

const FROM: &str = "2026-11-01T00:00:00Z";

/// Takes from the database what a version of the schema did not have.
fn downgrade(program: &Program, version: i64) {
    let database = Connection::open(program.journal()).unwrap();
    for (since, table, column) in [
        (4, "quarter", "first_at"),
        (4, "quarter", "last_at"),
        (3, "series", "medium"),
        (2, "series", "kind"),
    ] {
        if version < since {
            database.execute_batch(&format!("ALTER TABLE {table} DROP COLUMN {column}")).unwrap();
        }
    }
    database.pragma_update(None, "user_version", version).unwrap();
}

#[test]
fn a_backup_of_an_older_schema_is_brought_up_to_date() {
    for version in 1..=4 {
        let old = Program::recorded(FROM, 100);
        downgrade(&old, version);
        let backup = old.backup();
        let new = Program::empty();
        let restored = new.restore(&backup).unwrap();
        assert_eq!(restored.contents.schema, Some(version));
        assert_eq!(restored.upgraded, (version < 4).then_some(version));
        assert_eq!(new.readings(), old.readings(), "version {version}");
        let database = Connection::open(new.journal()).unwrap();
        let found: i64 = database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(found, 4);
        database.prepare("SELECT kind, medium, first_at, last_at FROM series, quarter").unwrap();
    }
}

#[test]
fn a_backup_of_a_newer_schema_or_format_is_refused_by_name_and_version() {
    let backup = Program::recorded(FROM, 4).backup();
    let new = Program::recorded("2026-10-01T00:00:00Z", 2);
    let before = new.files();
    let of = |key: &'static str, version: i64| {
        with_manifest(&backup, |manifest| {
            manifest[key] = version.into();
            manifest["program"] = "smartmeter 9.8.7".into();
        })
    };
    for (key, version, expected) in [("schema", 5, "schema 5"), ("format", 2, "format 2")] {
        let error = new.restore(&of(key, version)).unwrap_err();
        assert!(matches!(error, BackupError::Newer { .. }));
        let text = error.to_string();
        assert!(text.contains("smartmeter 9.8.7") && text.contains(expected), "{text}");
    }
    // A newer format may have another manifest.
    let mut all = files(&backup);
    all[0] = File::new("manifest.json", br#"{"format": 7, "program": "smartmeter 9.8.7", "parts": []}"#);
    assert!(matches!(new.restore(&summed(&all)), Err(BackupError::Newer { found: 7, .. })));
    // The database itself is asked, too.
    let newer = Program::recorded(FROM, 4);
    let database = Connection::open(newer.journal()).unwrap();
    database.pragma_update(None, "user_version", 5).unwrap();
    database.pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
    drop(database);
    let mut all = files(&backup);
    let bytes = std::fs::read(newer.journal()).unwrap();
    let at = all.iter().position(|file| file.name() == "journal.db").unwrap();
    all[at] = File::new("journal.db", &bytes);
    let error = new.restore(&summed(&all)).unwrap_err().to_string();
    assert!(error.contains("newer smartmeter (schema 5, this one knows 4)"), "{error}");
    assert_eq!(new.files(), before);
}
