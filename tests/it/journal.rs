//! `smartmeter export` and `smartmeter import`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::program::journal::{Journal, errors};

/// Central Europe's rule in POSIX form, so that the test needs no time zone database.
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

/// Two sources over five minutes, with a counter that is set and texts that need quotes.
fn readings() -> String {
    let mut text = "time,section,name,value,unit,obis,set_from\n".to_owned();
    for second in 0..300 {
        let time = format!("2026-11-23T11:{:02}:{:02}.{:06}Z", 58 + second / 60, second % 60, 17 * second);
        let time = time.replace("11:60", "12:00").replace("11:61", "12:01").replace("11:62", "12:02");
        let energy = 2_714.128_301_f64 + f64::from(second) * 0.000_587;
        text += &format!("{time},d0,CURRENT_POWER_SUM,{}.{},W,16.7.0,\n", 200 + second % 7, second % 9 + 1);
        text += &format!("{time},d0,POWER_IMPORT,{energy:.6}01,kWh,1.8.0,\n");
        if second == 100 {
            text += "2026-11-23T11:59:40.500000Z,s0,count,5.003,kWh,,5.002\n";
        }
        if second % 50 == 0 {
            let count = if second > 100 { 5003 + second / 50 } else { 5001 + second / 50 };
            text += &format!(
                "2026-11-23T{}.700000Z,s0,count,{}.{:03},kWh,,\n",
                &time[11..19],
                count / 1000,
                count % 1000
            );
            text += &format!(
                "2026-11-23T{}.800000Z,shed,\"°C, \"\"left\"\"\",-{}.5,°C,,\n",
                &time[11..19],
                second
            );
        }
    }
    text
}

#[test]
fn an_import_of_an_export_is_the_same_journal() {
    let text = readings();
    let first = Journal::with(&text);
    let mut sorted: Vec<_> = text.lines().skip(1).collect();
    sorted.sort_by_key(|line| line.split(',').next().unwrap());
    let csv = first.export(&[]);
    assert_eq!(csv.lines().skip(1).collect::<Vec<_>>(), sorted);
    assert_eq!(Journal::with(&csv).export(&[]), csv);
    let jsonl = first.export(&["--format", "jsonl"]);
    let again = Journal::with(&jsonl);
    assert_eq!(again.export(&["--format", "jsonl"]), jsonl);
    assert_eq!(again.export(&[]), csv);
    assert!(
        jsonl.contains(
            r#"{"time":"2026-11-23T11:59:40.500000Z","section":"s0","name":"count","value":5.003,"unit":"kWh","set_from":5.002}"#
        ),
        "{jsonl}"
    );
    for step in ["1m", "15m", "1h", "1d"] {
        assert_eq!(again.export(&["--step", step]), first.export(&["--step", step]));
    }
}

#[test]
fn importing_twice_changes_nothing() {
    let journal = Journal::with(&readings());
    let rows = journal.rows();
    assert!(rows.len() > 40, "{rows:?}");
    let output = journal.import(&readings());
    assert_eq!(String::from_utf8(output.stdout).unwrap().split(' ').next(), Some("613"));
    assert_eq!(journal.rows(), rows);
    // In two files, the later one first.
    let (text, parts) = (readings(), Journal::new());
    let lines: Vec<_> = text.lines().collect();
    let (early, late) = lines.split_at(300);
    for part in [format!("{}\n{}", lines[0], late.join("\n")), early.join("\n")] {
        assert_eq!(parts.import(&part).status.code(), Some(0));
    }
    assert_eq!(parts.export(&[]), journal.export(&[]));
}

#[test]
fn an_export_can_be_limited() {
    let journal = Journal::with(&readings());
    let count = |args: &[&str]| journal.export(args).lines().count() - 1;
    assert_eq!(count(&[]), 613);
    assert_eq!(count(&["--series", "d0/*"]), 600);
    assert_eq!(count(&["--series", "*/count", "--series", "d0/CURRENT_POWER_???"]), 307);
    assert_eq!(count(&["--from", "2026-11-23T12:00:00Z", "--series", "d0/POWER_IMPORT"]), 180);
    assert_eq!(count(&["--to", "2026-11-23T12:00:00Z", "--series", "d0/POWER_IMPORT"]), 120);
    let exact = ["--from", "2026-11-23T11:58:01.000017Z", "--to", "2026-11-23T11:58:02.000034Z"];
    assert_eq!(count(&[&exact[..], &["--series", "d0/POWER_IMPORT"]].concat()), 1);
    assert_eq!(count(&["--from", "2026-11-24"]), 0);
    assert_eq!(count(&["--to", "-100y"]), 0);

    let output = journal.run("export", &["--series", "d0/x*"], "", None);
    assert_eq!(output.status.code(), Some(2));
    let shown = errors(&output);
    assert!(shown.contains("no series matches `d0/x*`\nhint: there are `d0/CURRENT_POWER_SUM`, "), "{shown}");
    let output = journal.run("export", &["--from", "yesterday"], "", None);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).starts_with("invalid time `yesterday`: expected a date"), "{}", errors(&output));
    for to in ["2026-11-23", "2026-11-24"] {
        let output = journal.run("export", &["--from", "2026-11-24", "--to", to], "", Some("UTC"));
        assert_eq!(output.status.code(), Some(2));
        let expected = format!(
            "`--from` must be before `--to`: it is 2026-11-24T00:00:00Z, and `--to` is {to}T00:00:00Z\n"
        );
        assert_eq!(errors(&output), expected);
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn an_export_that_fails_has_a_hint() {
    let journal = Journal::new();
    let path = journal.path();
    let shown = || {
        let output = journal.run("export", &[], "", None);
        assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
        String::from_utf8(output.stderr).unwrap().replace(path.to_str().unwrap(), "J")
    };
    assert!(
        shown().starts_with("there is no journal `J`\nhint: choose it with `--config` or `--journal`"),
        "{}",
        shown()
    );
    let hint = "hint: `--journal` takes the journal's database, usually called `journal.db`\n";
    fs::create_dir(&path).unwrap();
    assert_eq!(shown(), format!("`J` is not a usable journal: it is a folder\n{hint}"));
    fs::remove_dir(&path).unwrap();
    fs::write(&path, readings()).unwrap();
    assert_eq!(shown(), format!("`J` is not a usable journal: it is not a database\n{hint}"));
}

#[test]
fn a_journal_without_permission_is_an_error_with_a_hint() {
    let journal = Journal::with(&readings());
    for (path, mode) in [(journal.path(), 0o000), (journal.folder.path().to_owned(), 0o000)] {
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        // Root may read everything, whatever the modes of files are.
        let bound = fs::read_dir(&path).is_err() && fs::File::open(&path).is_err();
        let output = journal.run("export", &[], "", None);
        fs::set_permissions(&path, before).unwrap();
        if !bound {
            continue;
        }
        assert_eq!(output.status.code(), Some(1));
        let start = format!("could not open `{}`: ", journal.path().display());
        let shown = errors(&output);
        assert!(shown.starts_with(&start) && shown.contains("Permission denied"), "{shown}");
        assert!(
            shown.ends_with("hint: the journal of a service belongs to its user: try again with `sudo`\n"),
            "{shown}"
        );
    }
}

#[test]
fn a_reading_of_the_future_ends_the_import() {
    let row = |hours: i64| {
        let second = jiff::Timestamp::now().as_second() + hours * 3600;
        // A fraction without zeros at its end, which the program does not print.
        let time = jiff::Timestamp::new(second, 123_456_000).unwrap();
        (format!("{time},d0,P,1,W,,"), format!("`{time}`"))
    };
    let header = "time,section,name,value,unit,obis,set_from\n";
    // A day ahead is accepted: the other machine's clock may differ.
    let (near, (far, time)) = (row(23).0, row(25));
    for far in [far.clone(), far.clone() + "2"] {
        let journal = Journal::new();
        let output = journal.import(&format!("{header}{near}\n{far}\n{near}\n"));
        let shown = errors(&output);
        assert_eq!(output.status.code(), Some(2), "{shown}");
        let start =
            format!("standard input:3: {time} is more than a day ahead: the clock of this machine is at ");
        assert!(shown.starts_with(&start), "{shown}");
        assert!(shown.contains("\nhint: correct the time or the clock; "), "{shown}");
        assert!(shown.contains("\nnothing was imported from this line on; 1 reading before it"), "{shown}");
        assert_eq!(journal.export(&[]).lines().count(), 2);
    }
}

#[test]
fn roll_ups_are_exported() {
    let text = "time,section,name,value,unit,obis\n\
                2026-11-23T12:00:10Z,d0,P,100.5,W,16.7.0\n2026-11-23T12:00:20Z,d0,P,-20,W,16.7.0\n\
                2026-11-23T12:00:30Z,d0,P,50.25,W,16.7.0\n2026-11-23T12:01:00Z,d0,P,7,W,16.7.0\n\
                2026-11-23T13:59:59Z,d0,P,9,W,16.7.0\n";
    let journal = Journal::with(text);
    assert_eq!(
        journal.export(&["--step", "1m"]),
        "time,section,name,first,last,min,max,mean,count,unit,obis\n\
         2026-11-23T12:00:00Z,d0,P,100.5,50.25,-20,100.5,43.583333,3,W,16.7.0\n\
         2026-11-23T12:01:00Z,d0,P,7,7,7,7,7.0,1,W,16.7.0\n\
         2026-11-23T13:59:00Z,d0,P,9,9,9,9,9.0,1,W,16.7.0\n"
    );
    assert_eq!(
        journal.export(&["--step", "1h", "--format", "jsonl"]),
        "{\"time\":\"2026-11-23T12:00:00Z\",\"section\":\"d0\",\"name\":\"P\",\"first\":100.5,\"last\":7,\"min\":-20,\
         \"max\":100.5,\"mean\":34.4375,\"count\":4,\"unit\":\"W\",\"obis\":\"16.7.0\"}\n\
         {\"time\":\"2026-11-23T13:00:00Z\",\"section\":\"d0\",\"name\":\"P\",\"first\":9,\"last\":9,\"min\":9,\
         \"max\":9,\"mean\":9.0,\"count\":1,\"unit\":\"W\",\"obis\":\"16.7.0\"}\n"
    );
    // A roll-up belongs to the range in which it begins.
    let hours = |args: &[&str]| journal.export(&[&["--step", "15m"], args].concat()).lines().count() - 1;
    assert_eq!(hours(&["--from", "2026-11-23T12:00:00Z", "--to", "2026-11-23T13:45:00Z"]), 1);
    assert_eq!(hours(&["--from", "2026-11-23T12:00:01Z", "--to", "2026-11-23T13:45:01Z"]), 1);
    for format in ["csv", "jsonl"] {
        let output = Journal::new().import(&journal.export(&["--step", "1m", "--format", format]));
        assert_eq!(output.status.code(), Some(2));
        assert!(
            errors(&output).contains("standard input:1: this is an export of roll-ups"),
            "{}",
            errors(&output)
        );
    }
}

#[test]
fn days_are_local_also_when_the_clock_changes() {
    let mut text = "time,section,name,value,unit\n".to_owned();
    for (month, days) in [(3, 28..31), (10, 24..27)] {
        for day in days {
            for hour in 0..24 {
                text += &format!("2026-{month:02}-{day:02}T{hour:02}:30:00Z,s,n,1,\n");
            }
        }
    }
    let journal = Journal::new();
    assert_eq!(journal.run("import", &[], &text, Some(BERLIN)).status.code(), Some(0));
    let days = journal.run("export", &["--step", "1d", "--from", "2026-03-29"], "", Some(BERLIN));
    let days = String::from_utf8(days.stdout).unwrap();
    let days: Vec<_> =
        days.lines().skip(1).map(|line| (&line[..20], line.split(',').nth(8).unwrap())).collect();
    assert_eq!(
        days,
        [
            ("2026-03-28T23:00:00Z", "23"), // the day that loses an hour
            ("2026-03-29T22:00:00Z", "24"),
            ("2026-03-30T22:00:00Z", "2"),
            ("2026-10-23T22:00:00Z", "22"),
            ("2026-10-24T22:00:00Z", "25"), // the one that gains one
            ("2026-10-25T23:00:00Z", "24"),
            ("2026-10-26T23:00:00Z", "1"),
        ]
    );
}

#[test]
fn an_import_refuses_the_name_of_a_source_that_a_configuration_would_refuse() {
    for name in ["../x", "a/b", "a b", "a.b", "ä", "'=x", "=x", &"x".repeat(65)] {
        let line = format!("time,section,name,value\n2026-11-23T12:00:00Z,{name},P,1\n");
        let output = Journal::new().import(&line);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(
            errors(&output).contains("cannot be the name of a source: expected at most 64 letters"),
            "{name}"
        );
    }
    for name in ["a", "-", "Smart_Meter-1", &"x".repeat(64)] {
        Journal::with(&format!("time,section,name,value\n2026-11-23T12:00:00Z,{name},P,1\n"));
    }
}

#[test]
fn cells_that_a_spreadsheet_would_run_are_quoted_and_come_back_as_they_were() {
    let names = ["=1+1", "+49", "-x", "@SUM(A1)", "'=a", "'b", "=HYPERLINK(\"\",\"x\")", "plain", "a=b"];
    let mut text = "".to_owned();
    for (n, name) in names.iter().enumerate() {
        let cell = serde_json::to_string(name).unwrap();
        text += &format!(
            "{{\"time\":\"2026-11-23T12:00:0{n}Z\",\"section\":\"-s\",\"name\":{cell},\"value\":-1.5,\"unit\":{cell},\"obis\":\"@\"}}\n"
        );
    }
    let journal = Journal::with(&text);
    let jsonl = journal.export(&["--format", "jsonl"]);
    for step in ["raw", "1h"] {
        let csv = journal.export(&["--step", step]);
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        for row in reader.records() {
            let row = row.unwrap();
            let texts = row.iter().filter(|cell| cell.parse::<f64>().is_err());
            for cell in texts {
                assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
            }
            assert!(row.iter().any(|cell| cell == "-1.5"), "a number stays one");
        }
    }
    let again = Journal::with(&journal.export(&[]));
    assert_eq!(again.export(&["--format", "jsonl"]), jsonl);
}

#[test]
fn an_invalid_line_ends_the_import() {
    let header = "time,section,name,value,unit,obis,set_from";
    let good = "2026-11-23T12:00:00Z,d0,P,1,W,,";
    let time = "2026-11-23T12:00:01Z";
    let long = format!("{time},d0,{},1,W,,", "x".repeat(70_000));
    for (line, expected) in [
        ("yesterday,d0,P,1,W,,", "`yesterday` is not a valid time: expected RFC 3339"),
        ("2026-11-23T12:00:01,d0,P,1,W,,", "is not a valid time: expected RFC 3339"),
        (&format!("{time},d0,P,1e9,W,,"), "`1e9` is not a valid number: expected a decimal"),
        (&format!("{time},d0,P,,W,,"), "`` is not a valid number"),
        (&format!("{time},d0,P,1,W,,x"), "`x` is not a valid number"),
        (&format!("{time},,P,1,W,,"), "the section must be 1 to 255 bytes of text"),
        (&format!("{time},d0,\u{7},1,W,,"), "the name must be"),
        (&format!("{time},d0,P,1,W"), "expected 7 fields as in the header, found 5"),
        (&format!("{time},d0,\"P,1,W,,"), "a quote is not closed on this line"),
        (&format!("{time},d0,P\r,1,W,,"), "not a valid line of CSV"),
        (&",".repeat(70), "more than 64 fields"),
        (&long, "this line is longer than 65536 bytes"),
        ("{\"time\":1}", "expected 7 fields as in the header, found 1"),
    ] {
        let journal = Journal::new();
        let output = journal.import(&format!("{header}\n{good}\n{line}\n2026-11-23T12:00:02Z,d0,P,1,W,,\n"));
        let shown = errors(&output);
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(shown.starts_with("standard input:3: ") && shown.contains(expected), "{expected}: {shown}");
        assert!(
            shown.contains("nothing was imported from this line on; 1 reading before it is in `"),
            "{shown}"
        );
        assert_eq!(journal.export(&[]).lines().count(), 2, "{line}");
    }
    for (text, expected) in [
        (
            "",
            "1: the file is empty: expected a header (`time,section,name,value,unit,obis,set_from`) or JSON lines",
        ),
        ("time,section,name\n", "1: the header lacks `value`"),
        ("time;section\n", "1: unknown column `time;section` in the header, expected `time`, `section`"),
        ("time,time\n", "1: the header has the column `time` twice"),
        ("{\"time\":\"x\",\"section\":\"a\",\"name\":\"b\",\"value\":1}\n", "1: `x` is not a valid time"),
        (
            "\n{\"time\":\"2026-11-23T12:00:00Z\",\"section\":\"a\",\"name\":\"b\"}\n",
            "2: missing field `value`",
        ),
        (
            "{\"time\":\"2026-11-23T12:00:00Z\",\"section\":\"a\",\"name\":\"b\",\"value\":\"1\"}\n",
            "`\"1\"` is not a valid number",
        ),
        ("{\"time\"\n", "1: EOF while parsing an object"),
    ] {
        let output = Journal::new().import(text);
        let shown = errors(&output);
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(shown.starts_with("standard input:") && shown.contains(expected), "{expected}: {shown}");
    }
}

#[test]
fn files_of_other_programs_are_imported() {
    let text = "\u{feff}value, name ,time,section\r\n\
                1.50,n,2026-11-23T13:00:00+01:00,s\r\n\r\n\"2\",\"n\",2026-11-23T12:00:01Z,s";
    assert_eq!(
        Journal::with(text).export(&[]),
        "time,section,name,value,unit,obis,set_from\n\
         2026-11-23T12:00:00.000000Z,s,n,1.5,,,\n2026-11-23T12:00:01.000000Z,s,n,2.0,,,\n"
    );
}

#[test]
fn an_import_into_a_journal_in_use_is_refused() {
    let journal = Journal::with(&readings());
    let lock =
        fs::OpenOptions::new().write(true).open(journal.folder.path().join("journal.db-lock")).unwrap();
    lock.try_lock().unwrap();
    let before = journal.rows();
    let output = journal.import("time,section,name,value\n2026-11-23T12:00:00Z,s,n,1\n");
    assert_eq!(output.status.code(), Some(1));
    let shown = errors(&output);
    assert!(
        shown.starts_with("a running program uses the journal `") && shown.contains("hint: stop it"),
        "{shown}"
    );
    assert_eq!(journal.rows(), before);
    // Reading needs no lock.
    assert_eq!(journal.export(&[]).lines().count(), 614);
}

#[test]
fn the_journal_is_found_through_the_configuration() {
    let journal = Journal::with(&readings());
    let config = journal.folder.path().join("config.toml");
    fs::write(&config, format!("[server]\nstate_dir = \"{}\"\n", journal.folder.path().display())).unwrap();
    let export = || {
        let output = crate::program::output(&["export", "--config", config.to_str().unwrap()]);
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(export(), journal.export(&[]));
    // The file has another name in the same folder.
    fs::rename(journal.path(), journal.folder.path().join("energy.db")).unwrap();
    let text = fs::read_to_string(&config).unwrap() + "[journal]\npath = \"energy.db\"\n";
    fs::write(&config, text).unwrap();
    assert_eq!(export().lines().count(), 614);
}
