//! Databases of version 3, whose quarters keep no times of their ends.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::{
    QUARTER_HOUR, SeriesName,
    db::{Database, DatabaseError},
    testing::{Household, at, named, sample},
    time::{Micros, SECOND},
};

const QUARTER: Micros = QUARTER_HOUR * SECOND;
const DAYS: i64 = 365;

fn energy() -> SeriesName {
    named("d0", "E", "kWh")
}

/// Makes a database one of version 3.
fn make_old(database: &Connection) {
    let sql = "ALTER TABLE quarter DROP COLUMN first_at; ALTER TABLE quarter DROP COLUMN last_at; \
               PRAGMA user_version = 3";
    database.execute_batch(sql).unwrap();
}

/// Repeats the first day of quarters and minutes until there is a year of them.
fn repeat(database: &Connection) {
    for (table, times) in [("quarter", ", first_at, last_at"), ("minute", "")] {
        let sql = format!(
            "WITH RECURSIVE day(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM day WHERE n < {DAYS} - 1), \
             rise(rise) AS (SELECT max(last) - min(first) + 0.005 FROM {table} \
                 WHERE ts < (SELECT min(ts) + 86400 FROM {table})) \
             INSERT INTO {table} (series, ts, first, last, min, max, mean, count{times}) \
             SELECT series, ts + n * 86400, first + n * rise, last + n * rise, min + n * rise, max + n * rise, \
                 mean + n * rise, count{times} FROM {table}, day, rise"
        );
        database.execute(&sql, []).unwrap();
    }
    database.execute("DELETE FROM raw", []).unwrap();
}

#[test]
fn a_year_of_a_database_of_version_3_has_the_amounts_of_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let start = at("2025-01-01T00:00:00Z");
    let edges: Vec<_> = (0..=DAYS * 96).map(|n| (start + n * QUARTER) / SECOND).collect();
    let hours: Vec<_> = edges.iter().copied().step_by(4).collect();
    let answers = ["new", "old"].map(|age| {
        let path = dir.path().join(age);
        let mut household = Household::at(&path);
        // A reading each half minute: minutes are all that is left of them after some weeks.
        let day: Vec<_> = (0..2880).map(|n| sample(start + (30 * n + 7) * SECOND, 500_000 + n * 5)).collect();
        household.store(&energy(), "1.8.0", &day, &[]);
        repeat(&household.database.connection);
        if age == "old" {
            make_old(&household.database.connection);
        }
        let opening = Instant::now();
        let journal = household.open(&path);
        println!("{age}: opened in {:?}", opening.elapsed());
        let ask = |edges: &[i64], all| {
            let begin = Instant::now();
            let amounts = journal.read(|view| view.find("d0", "E", None)?.consumption_between(edges, all));
            (amounts.unwrap(), begin.elapsed())
        };
        let (passed, pass) = ask(&edges, true);
        let (searched, search) = ask(&hours, false);
        println!("{age}: quarter-hours in one pass {pass:?}, hours by searches {search:?}");
        let registers = journal.read(|view| {
            let series = view.find("d0", "E", None)?;
            series.registered(start + QUARTER, start + 200 * 96 * QUARTER)
        });
        let amount = registers.unwrap().amount.unwrap();
        let sum: f64 = passed[1..200 * 96].iter().filter_map(|of| of.amount).sum();
        assert!((amount.to_f64() - sum).abs() < 1e-6, "{age}: {amount:?} {sum}");
        (passed, searched, [pass, search])
    });
    let [(passed, searched, times), old] = answers;
    let by_hour = |exact: &[crate::Amount]| exact.iter().filter_map(|of| of.amount).sum::<f64>();
    assert!((by_hour(&passed) - by_hour(&searched)).abs() < 1e-6);
    assert!(by_hour(&passed) > 14.0 * DAYS as f64, "{}", by_hour(&passed));
    let ratios: Vec<_> =
        times.iter().zip(&old.2).map(|(new, old)| old.as_secs_f64() / new.as_secs_f64().max(1e-9)).collect();
    println!("an old year takes {ratios:.2?} times as long as a new one");
    assert_eq!((passed, searched), (old.0, old.1));
}

#[test]
fn a_database_of_version_3_is_upgraded_without_touching_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let start = at("2025-01-01T00:00:00Z");
    let mut household = Household::at(&path);
    let day: Vec<_> = (0..2880).map(|n| sample(start + (30 * n + 7) * SECOND, 500_000 + n * 5)).collect();
    household.store(&energy(), "1.8.0", &day, &[]);
    repeat(&household.database.connection);
    make_old(&household.database.connection);
    let count =
        |database: &Connection, sql: &str| -> i64 { database.query_row(sql, [], |row| row.get(0)).unwrap() };
    let rows = |database: &Connection| {
        ["quarter", "minute", "hour", "day", "series"]
            .map(|table| count(database, &format!("SELECT count(*) FROM {table}")))
    };
    let before = rows(&household.database.connection);
    drop(household);

    let begin = Instant::now();
    let database = Database::open(&path).unwrap().0.connection;
    let took: Duration = begin.elapsed();
    println!("opened in {took:?}");
    // Times of old rows are unknown: none was written.
    let untimed = "SELECT count(*) FROM quarter WHERE first_at IS NULL AND last_at IS NULL";
    assert_eq!((rows(&database), count(&database, untimed)), (before, before[0]));
    assert_eq!(count(&database, "SELECT user_version FROM pragma_user_version"), 4);

    // What a program of today says of a database that is newer than itself, as one of version 3 says of this one.
    database.execute_batch("PRAGMA user_version = 5").unwrap();
    drop(database);
    let refused = Database::open(&path).unwrap_err();
    assert!(matches!(refused, DatabaseError::Newer { found: 5, known: 4, .. }), "{refused}");
    assert!(refused.to_string().contains("was written by a newer smartmeter (schema 5, this one knows 4)"));
    let kept = Connection::open(&path).unwrap();
    assert_eq!(rows(&kept), before, "left alone");
}
