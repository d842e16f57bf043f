//! Comparison of docs/journal.md with the database.

use std::fs;

use crate::program::journal::Journal;
use crate::program::root;
use rusqlite::Connection;

/// Blocks of SQL in the document.
fn documented() -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/journal.md")).unwrap();
    text.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Tables as SQLite understood them: columns, keys and indexes.
fn shape(database: &Connection) -> Vec<String> {
    let sql = "SELECT t.name, t.wr, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk FROM pragma_table_list t \
               JOIN pragma_table_info(t.name) c WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite_%' \
               UNION ALL SELECT m.name, l.seq, l.origin, i.name, i.seqno, '', 0 FROM sqlite_master m \
               JOIN pragma_index_list(m.name) l JOIN pragma_index_info(l.name) i WHERE m.type = 'table'";
    let mut statement = database.prepare(sql).unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        Ok((0..7).map(|i| format!("{:?} ", row.get_ref(i).unwrap())).collect::<String>())
    };
    let mut shape: Vec<_> = statement.query_map([], row).unwrap().map(Result::unwrap).collect();
    shape.sort();
    shape
}

#[test]
fn the_documented_tables_are_those_of_the_database() {
    let schema = &documented()[0];
    let expected = Connection::open_in_memory().unwrap();
    expected.execute_batch(schema).unwrap();
    let found = shape(&Journal::with("time,section,name,value\n2026-11-23T12:00:00Z,s,n,1\n").database());
    assert!(found.len() > 50);
    assert_eq!(found, shape(&expected));
}

#[test]
fn the_documented_queries_work() {
    // Noon by UTC is the same day nearly everywhere. On the second, the meter is changed; on the third and the
    // fourth, its counter is set.
    let journal = Journal::with(
        "time,section,name,value,unit,obis,set_from\n\
         2026-10-31T12:00:00Z,smartmeter_d0,POWER_IMPORT,100,kWh,1.8.0,\n\
         2026-11-01T11:00:00Z,smartmeter_d0,POWER_IMPORT,101.5,kWh,1.8.0,\n\
         2026-11-01T12:00:00Z,smartmeter_d0,POWER_IMPORT,102,kWh,1.8.0,\n\
         2026-11-01T12:00:00Z,smartmeter_d0,CURRENT_POWER_SUM,2100.5,W,16.7.0,\n\
         2026-11-01T12:00:01Z,smartmeter_d0,CURRENT_POWER_SUM,300,W,16.7.0,\n\
         2026-11-02T12:00:00Z,smartmeter_d0,POWER_IMPORT,103,kWh,1.8.0,\n\
         2026-11-02T12:00:10Z,smartmeter_d0,POWER_IMPORT,0.5,kWh,1.8.0,\n\
         2026-11-03T12:00:00Z,smartmeter_d0,POWER_IMPORT,2.5,kWh,1.8.0,\n\
         2026-11-03T12:10:00Z,smartmeter_d0,POWER_IMPORT,50,kWh,1.8.0,2.5\n\
         2026-11-03T12:20:00Z,smartmeter_d0,POWER_IMPORT,50.25,kWh,1.8.0,\n\
         2026-11-03T12:20:00Z,smartmeter_d0,CURRENT_POWER_SUM,-12,W,16.7.0,\n\
         2026-11-04T12:00:00Z,smartmeter_d0,POWER_IMPORT,51.25,kWh,1.8.0,\n\
         2026-11-04T12:10:00Z,smartmeter_d0,POWER_IMPORT,10,kWh,1.8.0,51.25\n\
         2026-11-05T12:00:00Z,smartmeter_d0,POWER_IMPORT,12.25,kWh,1.8.0,\n",
    );
    let database = journal.database();
    let ask = |sql: &str| {
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<Result<Vec<(String, f64)>, _>>().unwrap()
    };
    let questions = documented();
    let month = questions[1].replace("'now'", "'2026-11-23 12:00:00'");
    assert_ne!(month, questions[1]);
    let day = |day: &str| format!("2026-11-{day}");
    let found = ask(&month);
    assert_eq!(found[..3], [(day("01"), 2.0), (day("02"), 1.0), (day("03"), 2.25)]);
    // The counter is set after the day's last reading. The two amounts are right in sum.
    assert_eq!(found[3..], [(day("04"), 1.0 + 41.25), (day("05"), 2.25 - 41.25)]);
    // SQLite 3.38 introduced it, and systems in use have older versions.
    assert!(!questions.concat().contains("unixepoch("));
    assert_eq!(ask(&questions[2]), [(day("01"), 2100.5), (day("03"), -12.0)]);
    assert_eq!(questions.len(), 3);
}
