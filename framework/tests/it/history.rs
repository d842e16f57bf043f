//! Publishers of history in a running program.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use framework::{
    Decimal, Figure, Figures,
    journal::{
        SECOND,
        testing::{Household, at, named, sample},
    },
};
use serde_json::Value as Json;

use crate::{Running, plugins::PAST};

/// Readings of 40 days, one an hour with gaps of seven hours, and another meter on the way.
fn fill(path: &std::path::Path) {
    let start = at("2026-03-20T00:20:00Z");
    let mut count = 5_000_000;
    let counts = (0..40 * 24).filter(|hour| hour % 97 < 90).map(|hour| {
        count = if hour == 500 { 1000 } else { count + hour % 13 * 40 };
        sample(start + hour * 3600 * SECOND, count)
    });
    let counts: Vec<_> = counts.collect();
    let powers: Vec<_> = counts.iter().map(|count| sample(count.time, count.time / SECOND % 7919)).collect();
    let mut household = Household::at(path);
    household.store(&named("grid", "IMPORT", "kWh"), "1.8.0", &counts, &[]);
    household.store(&named("grid", "POWER", "W"), "16.7.0", &powers, &[]);
}

/// Returns a long answer, which HTTP/1.0 does not cut into chunks.
fn long(program: &Running, path: &str) -> Json {
    let mut stream = TcpStream::connect(program.address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn a_publisher_of_history_gets_hour_by_hour_what_history_answers_also_over_gaps_a_swap_and_a_clock_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    fill(&path);
    let program = Running::start(&format!(
        "[server]\nstate_dir = {:?}\n[journal]\npath = {path:?}\n\
         [sources.grid]\nplugin = \"fake\"\nport = \"a\"\ndoes = \"block\"\nlabel = \"House\"\n\
         [[tariffs]]\nsource = \"grid\"\nfrom = \"2026-03-25\"\nwork_price = 0.25\n\
         windows = [{{ price = 0.32, hours = \"06:00-22:00\" }}]\n[publishers.home]\nplugin = \"past\"\n",
        folder.path()
    ));
    let health = program.until(|health| health["publishers"]["home"]["state"] == "delivering");
    let home = &health["publishers"]["home"];
    assert_eq!(home["delivered_to"], "2026-04-28T23:00:00.000000+00:00");
    assert!(home["counts"]["records"].as_u64() > Some(1800) && home.get("backlog").is_none(), "{home}");
    let got = PAST.lock().unwrap().clone();
    let figures: Vec<_> = got.iter().map(|(series, _)| (&*series.name, &series.figure)).collect();
    let cost = Figure::Cost { currency: "EUR".into() };
    assert_eq!(figures, [("IMPORT", &Figure::Counted), ("IMPORT", &cost), ("POWER", &Figure::Measured)]);
    let range = "from=2026-03-20T00:00:00Z&to=2026-04-28T23:00:00Z";
    let amounts = long(&program, &format!("/history/grid/IMPORT?{range}&per=hour&cost=true"));
    let spans = long(&program, &format!("/history/grid/POWER?{range}&step=1h"));
    let column = |answer: &Json, name: &str| answer[name].as_array().unwrap().clone();
    let number = |number: Decimal| serde_json::to_value(number).unwrap();
    for (column_of, hours) in [("amount", &got[0].1), ("cost", &got[1].1)] {
        let told: Vec<_> = column(&amounts, "start").into_iter().zip(column(&amounts, column_of)).collect();
        let told: Vec<_> = told.into_iter().filter(|(_, amount)| !amount.is_null()).collect();
        assert!(told.len() > 800, "{} hours of {column_of}", told.len());
        let sent = hours.iter().map(|hour| match hour.figures {
            Figures::Counted { amount, .. } => (Json::from(hour.start * 1000), number(amount)),
            Figures::Measured { .. } => panic!("a counter"),
        });
        let close =
            |(start, amount): &(Json, Json)| (start.clone(), (amount.as_f64().unwrap() * 1e6).round() as i64);
        assert_eq!(
            sent.map(|row| close(&row)).collect::<Vec<_>>(),
            told.iter().map(close).collect::<Vec<_>>()
        );
    }
    let told: Vec<_> = column(&spans, "mean").into_iter().filter(|mean| !mean.is_null()).collect();
    let sent = got[2].1.iter().map(|hour| match hour.figures {
        Figures::Measured { mean, .. } => mean,
        Figures::Counted { .. } => panic!("a gauge"),
    });
    let sent: Vec<_> = sent.collect();
    assert_eq!(sent, told.iter().map(|mean| mean.as_f64().unwrap()).collect::<Vec<_>>());
    program.stop();
}
