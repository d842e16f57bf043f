use super::*;
use crate::{
    http::columns::Format,
    journal::{
        SECOND,
        testing::{Household, at, named, sample},
    },
};

/// A journal with a counter and a power, a reading every ten seconds from 06:00 to 06:30, the last minute
/// of them not checkpointed yet.
pub(super) fn journal(folder: &tempfile::TempDir) -> Journal {
    let path = folder.path().join("journal.db");
    let mut household = Household::at(&path);
    let from = at("2026-11-02T06:00:00Z");
    let (energy, power) = (named("d0", "E", "kWh"), named("d0", "a b/ü", "W"));
    let times = |range: std::ops::Range<i64>| range.map(move |i| (from + i * 10 * SECOND, i));
    let samples = |range| times(range).map(|(time, i)| sample(time, 4_457_153 + i)).collect::<Vec<_>>();
    household.store(&energy, "1.8.0", &samples(0..174), &[]);
    household.record(&energy, "1.8.0", &samples(174..180), &[]);
    let samples: Vec<_> = times(0..180).map(|(time, i)| sample(time, 211_500 - i % 7)).collect();
    household.store(&power, "16.7.0", &samples, &[]);
    household.open(&path)
}

/// The journal, without tariffs.
fn costs(folder: &tempfile::TempDir) -> Arc<crate::Costs> {
    Arc::new(crate::Costs::new(journal(folder), Arc::default()))
}

async fn program(folder: &tempfile::TempDir) -> Running {
    Setup { journal: journal(folder), ..Setup::default() }.start().await
}

#[tokio::test]
async fn a_chart_comes_in_columns() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder).await;
    let answer =
        program.get("/history/d0/E?from=2026-11-02T05:45:00Z&to=2026-11-02T06:30:00Z&step=15m").await;
    assert_eq!(
        answer.body,
        concat!(
            r#"{"section":"d0","name":"E","unit":"kWh","obis":"1.8.0","step":"15m","#,
            r#""from":"2026-11-02T05:45:00Z","to":"2026-11-02T06:30:00Z","#,
            r#""time":[1793598300000,1793599200000,1793600100000],"#,
            r#""first":[null,4457.153,4457.243],"last":[null,4457.242,4457.332],"#,
            r#""min":[null,4457.153,4457.243],"max":[null,4457.242,4457.332],"#,
            r#""mean":[null,4457.1975,4457.2875],"count":[0,90,90]}"#
        )
    );
    answer.json();
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    // 06:28:50 is checkpointed, 06:29:00 is not.
    let answer = program.get("/history/d0/E/?from=1793600930&to=2026-11-02T07:29:10+01:00&step=raw").await;
    assert_eq!(
        answer.body,
        concat!(
            r#"{"section":"d0","name":"E","unit":"kWh","obis":"1.8.0","step":"raw","#,
            r#""from":"2026-11-02T06:28:50Z","to":"2026-11-02T06:29:10Z","#,
            r#""time":[1793600930000,1793600940000],"value":[4457.326,4457.327]}"#
        )
    );
    let found = program.get("/history/d0/a%20b%2F%C3%BC?from=2026-11-02&to=2026-11-03").await.json();
    assert_eq!((&found["step"], &found["value"][1]), (&"raw".into(), &211.499.into()));
}

#[tokio::test]
async fn consumption_comes_in_periods() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder).await;
    let answer =
        program.get("/history/d0/E?per=hour&from=2026-11-02T05:59:59Z&to=2026-11-02T06:30:00Z").await;
    assert_eq!(
        answer.body,
        concat!(
            r#"{"section":"d0","name":"E","unit":"kWh","obis":"1.8.0","per":"hour","zone":"UTC","#,
            r#""from":"2026-11-02T05:59:59Z","to":"2026-11-02T06:30:00Z","#,
            r#""start":[1793595600000,1793599200000],"end":[1793599200000,1793602800000],"#,
            r#""amount":[null,0.179],"gap":[false,false],"swap":[false,false],"partial":[true,true]}"#
        )
    );
}

#[tokio::test]
async fn tables_have_a_header_and_times_that_people_read() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder).await;
    let get = |query: &'static str| program.get(query);
    let answer =
        get("/history/d0/E?format=csv&from=2026-11-02T05:58:30Z&to=2026-11-02T06:01:00Z&step=1m").await;
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(
        answer.body,
        "time,first,last,min,max,mean,count\n\
         2026-11-02T05:58:00Z,,,,,,0\n\
         2026-11-02T05:59:00Z,,,,,,0\n\
         2026-11-02T06:00:00Z,4457.153,4457.158,4457.153,4457.158,4457.1555,6\n"
    );
    let answer = get("/history/d0/E?format=csv&from=2026-11-02T06:29:50Z&to=2026-11-02T07:00:00Z").await;
    assert_eq!(answer.body, "time,value\n2026-11-02T06:29:50Z,4457.332\n");
    let answer = get("/history/d0/E?format=csv&from=2026-11-02&to=2026-11-03&per=day").await;
    assert_eq!(
        answer.body,
        "start,end,amount,gap,swap,partial\n2026-11-02T00:00:00Z,2026-11-03T00:00:00Z,0.179,false,false,true\n"
    );
}

#[tokio::test]
async fn the_series_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder).await;
    for path in ["/series", "/series/"] {
        assert_eq!(
            program.get(path).await.body,
            concat!(
                r#"{"series":[{"section":"d0","name":"E","unit":"kWh","obis":"1.8.0","counter":true,"#,
                r#""meaning":{"kind":"counter","quantity":"energy","unit":"kWh","factor":3600000.0,"#,
                r#""medium":"electricity","direction":"import","live":true},"#,
                r#""from":"2026-11-02T06:00:00Z","to":"2026-11-02T06:29:50Z"},"#,
                r#"{"section":"d0","name":"a b/ü","unit":"W","obis":"16.7.0","counter":false,"#,
                r#""meaning":{"kind":"gauge","quantity":"power","unit":"W","factor":1.0,"#,
                r#""medium":"electricity","direction":"net","live":true},"#,
                r#""from":"2026-11-02T06:00:00Z","to":"2026-11-02T06:30:00Z"}],"#,
                r#""raw_from":"2026-11-02T06:00:00Z"}"#
            )
        );
    }
}

#[tokio::test]
async fn a_long_answer_has_the_same_columns_as_its_table() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder).await;
    for query in [
        "from=2026-11-02T06:00:00Z&to=2026-11-02T06:20:00Z&step=1m",
        // Too long for all columns at once, and sent in many pieces.
        "from=2026-09-01&to=2026-11-09&step=1m",
    ] {
        let json = program.ask("GET", &format!("/history/d0/E?{query}"), "").await;
        let csv = program.get(&format!("/history/d0/E?format=csv&{query}")).await;
        let [json, csv] = [json, csv].map(|answer| match answer.header("transfer-encoding") {
            Some("chunked") => unchunked(&answer.body),
            _ => answer.body,
        });
        let json: Json = serde_json::from_str(&json).unwrap();
        let mut lines = csv.lines();
        for (column, name) in lines.next().unwrap().split(',').enumerate() {
            let numbers = json[name].as_array().unwrap();
            assert_eq!(numbers.len(), csv.lines().count() - 1, "{name}");
            for (number, line) in numbers.iter().zip(csv.lines().skip(1)) {
                let cell = line.split(',').nth(column).unwrap();
                match name {
                    "time" => {
                        let time: crate::Timestamp = cell.parse().unwrap();
                        assert_eq!(*number, time.as_millisecond());
                    }
                    _ if cell.is_empty() => assert!(number.is_null(), "{name}"),
                    _ => assert_eq!(number.to_string(), cell, "{name}"),
                }
            }
        }
    }
}

/// Returns the text that was sent in chunks.
fn unchunked(body: &str) -> String {
    let (mut text, mut rest) = (String::new(), body);
    while let Some((length, chunk)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        text.push_str(&chunk[..length]);
        rest = &chunk[length + 2..];
    }
    text
}

#[tokio::test]
async fn the_end_of_the_calendar_may_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder).await;
    for to in ["9999-12-31", "9999-12-30", "9999-12-31T23:59:59", "9999-12-31T23:59:59Z"] {
        for query in ["step=raw", "from=9990-01-01", "from=9990-01-01&per=year", "from=9999-12-01&format=csv"]
        {
            let answer = program.get(&format!("/history/d0/E?to={to}&{query}")).await;
            assert_eq!(answer.status, 200, "{to} {query}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_wrong_query_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder).await;
    for (path, status, message) in [
        ("/history", 404, "expected /history/<source>/<name>: see /series"),
        ("/history/d0", 404, "expected /history/<source>/<name>: see /series"),
        ("/history/d0/E/value", 404, "expected /history/<source>/<name>: see /series"),
        ("/history/%FF/E", 404, "the path is not UTF-8"),
        ("/history/x/E", 404, "no source `x`: the journal has `d0`"),
        ("/history/d0/x", 404, "no reading `x`: `d0` has `E`, `a b/ü`"),
        ("/history/d0/E?unit=Wh", 404, "`d0/E` has no unit `Wh`: it has `kWh`"),
        ("/history/d0/E?form=csv", 400, "unknown parameter `form`: expected `from`, `to`, `step`,"),
        ("/history/d0/E?to=now&to=now", 400, "duplicate parameter `to`"),
        ("/history/d0/E?step=2m", 400, "`step` is `2m`: expected `raw`, `1m`, `5m`, `15m`, `1h`,"),
        ("/history/d0/E?per=week", 400, "`per` is `week`: expected `hour`, `day`, `month`, `year`"),
        ("/history/d0/E?format=xml", 400, "`format` is `xml`: expected `json`, `csv`"),
        (
            "/history/d0/E?per=day&step=1d",
            400,
            "`step` (readings) and `per` (consumption) exclude each other",
        ),
        ("/history/d0/E?from=yesterday", 400, "`from`: invalid time `yesterday`: expected a date"),
        ("/history/d0/E?from=now&to=-1h", 400, "`from` must be before `to`"),
        (
            "/history/d0/E?from=2000-01-01&step=1m",
            400,
            "the range has more than 100000 points: ask for `step=6h`",
        ),
        ("/history/d0/a%20b%2F%C3%BC?per=day", 400, "`a b/ü` is not a counter, it has the unit `W`"),
        ("/series/d0", 404, "not found; available: "),
    ] {
        let answer = program.get(path).await;
        assert!(answer.message().starts_with(message), "{path}: {}", answer.message());
        assert_eq!(answer.status, status, "{path}");
        let code = if status == 404 { "not_found" } else { "bad_request" };
        assert_eq!(answer.error().1, code, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
}

#[tokio::test]
async fn the_routes_read_and_do_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder).await;
    for path in ["/series", "/history/d0/E"] {
        let (get, head) = (program.get(path).await, program.ask("HEAD", path, "").await);
        assert_eq!((get.status, head.status, &*head.body), (200, 200, ""));
        assert_eq!(get.header("content-type"), head.header("content-type"));
        let answer = program.ask("POST", path, "").await;
        assert_eq!(answer.error(), (405, "method_not_allowed".to_owned()));
        assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(program.ask("OPTIONS", path, "").await.status, 204);
    }
}

#[tokio::test]
async fn a_journal_that_is_off_or_broken_is_an_error() {
    let program = Setup::default().start().await;
    for path in ["/series", "/history/d0/E"] {
        assert_eq!(program.get(path).await.error(), (503, "journal_unavailable".to_owned()));
    }
    // What makes no sense anyway is not worth the wait.
    assert_eq!(program.get("/history/d0/E?step=x").await.status, 400);
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder);
    let path = folder.path().join("journal.db");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0x55);
    std::fs::write(&path, bytes).unwrap();
    let program = Setup { journal, ..Setup::default() }.start().await;
    for path in ["/series", "/history/d0/E"] {
        assert_eq!(program.get(path).await.error(), (500, "journal_failed".to_owned()));
    }
}

fn client(number: u8) -> Option<Peer> {
    Some(Peer([192, 168, 1, number].into()))
}

#[tokio::test]
async fn many_long_queries_of_one_client_hold_up_no_other_client() {
    let folder = tempfile::tempdir().unwrap();
    let history = Arc::new(crate::http::history::History::new(costs(&folder), store(&[])));
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = Arc::new(std::sync::Mutex::new(wait));
    for _ in 0..8 {
        let (history, wait) = (Arc::clone(&history), Arc::clone(&wait));
        tokio::spawn(async move {
            let answer = history.answer(client(1), Format::Json, move |_, _| {
                let _ = wait.lock().unwrap().recv();
                Ok(())
            });
            answer.await
        });
    }
    tokio::task::yield_now().await;
    for number in [2, 3] {
        let answer = history.answer(client(number), Format::Json, |_, out| {
            out.buffer.extend_from_slice(b"{}");
            Ok(())
        });
        assert_eq!(soon("an answer", answer).await.status(), 200);
    }
    drop(go);
}

#[tokio::test]
async fn queries_wait_for_their_turn_and_hold_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let history = crate::http::history::History::new(costs(&folder), store(&[]));
    let history = Arc::new(history);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = Arc::new(std::sync::Mutex::new(wait));
    let asked: Vec<_> = (0..8)
        .map(|number| {
            let (history, wait) = (Arc::clone(&history), Arc::clone(&wait));
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            tokio::spawn(async move {
                let answer = history.answer(client(number % 4), Format::Json, move |_, out| {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    wait.lock().unwrap().recv().unwrap();
                    running.fetch_sub(1, Ordering::SeqCst);
                    out.buffer.extend_from_slice(b"{}");
                    Ok(())
                });
                answer.await
            })
        })
        .collect();
    soon("four at once", async {
        while running.load(Ordering::SeqCst) < 4 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for _ in 0..8 {
        go.send(()).unwrap();
    }
    for asked in asked {
        assert_eq!(soon("an answer", asked).await.unwrap().status(), 200);
    }
    assert_eq!(most.load(Ordering::SeqCst), 4);
}
