//! Time of answers as a browser on this machine sees it: over HTTP, with the JSON.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use framework::{
    Commands, Config, Store, Tariffs,
    http::{self, Api},
};
use jiff::civil::{Date, date};
use rusqlite::Connection;
use tariff::{
    DaySet, Holidays, HourSet, KwhPrice, MonthSet, Number, PriceBasis, Resolution, SpotPrice, Tariff,
    TimedPrice, Window,
};
use tokio_util::sync::CancellationToken;

use crate::{DAY, Made, NAME, START, source::Household};

const ROUNDS: usize = 20;
/// Just before a checkpoint. In seconds.
const UNFOLDED: i64 = 4 * 3600 - 60;
const METER: &str = "/history/smartmeter_d0";
const HEAT: &str = "/history/smartmeter_s0";

/// Asks the household's journal.
pub(crate) fn run(folder: &Path) {
    println!("== answers over HTTP: best and median of {ROUNDS}");
    let last: i64 = years(folder);
    let made = Made::new(folder);
    made.set(last - START);
    let (tell, told) = std::sync::mpsc::channel();
    let stop = CancellationToken::new();
    let (journal, ended) = (made.journal.clone(), stop.clone());
    let server = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let config = Config::parse("bench", "", &[]).unwrap();
            let api = Api::new(
                Store::new(["smartmeter_d0", "smartmeter_s0"].map(section)),
                Commands::default(),
                journal,
                Vec::new(),
                Vec::new(),
                &config.server,
                false,
            );
            let api = api.with_tariffs(Arc::new(tariffs()));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            http::serve(listener, api, ended).await;
        });
    });
    let address = told.recv().unwrap();
    questions(address, last);
    println!("== the same while the last four hours are not folded");
    let mut household = Household::new();
    for second in last..last + UNFOLDED {
        made.set(second - START);
        made.journal.record(&"smartmeter_d0".into(), &household.batch(second).0);
    }
    questions(address, last + UNFOLDED);
    stop.cancel();
    server.join().unwrap();
}

/// Prices by windows for the meter, and those of a market for the heat pump. A counter stands for the market.
fn tariffs() -> Tariffs {
    let window = |price, hours: &str| Window {
        name: None,
        price: Number::new(price, 4),
        days: DaySet::parse("Mon-Fri").unwrap(),
        hours: HourSet::parse(hours).unwrap(),
        months: MonthSet::ALL,
    };
    let windows = vec![window(2710, "22:00-06:00"), window(3890, "17:00-20:00")];
    let windows = TimedPrice { otherwise: Some(Number::new(3190, 4)), windows };
    let market = SpotPrice {
        source: "smartmeter_d0".to_owned(),
        reading: "POWER_IMPORT".to_owned(),
        resolution: Resolution::QuarterHour,
        factor: Number::new(1, 5),
        surcharge: Number::ZERO,
    };
    let tariff = |source: &str, work| Tariff {
        name: "bench".to_owned(),
        source: source.to_owned(),
        submeters: Vec::new(),
        from: date(2000, 1, 1),
        to: None::<Date>,
        currency: "EUR".to_owned(),
        vat: Number::new(19, 2),
        prices: PriceBasis::Net,
        work,
        levies: Vec::new(),
        base: None,
        feed_in: None,
        gas_factor: None,
        instalment: None,
        holidays: Holidays { countries: [tariff::Country::Germany].into(), ..Holidays::default() },
    };
    Tariffs::new(vec![
        tariff("smartmeter_d0", KwhPrice::Timed(windows)),
        tariff("smartmeter_s0", KwhPrice::Spot(market)),
    ])
}

fn section(name: &str) -> framework::Section {
    framework::Section::new(name, "bench", Duration::from_secs(60), framework::Stats::default())
}

/// Asks each question a few times, up to the second `last`.
fn questions(address: SocketAddr, last: i64) {
    let range = |days: i64| format!("from={}&to={last}", last - days * DAY);
    for (what, path, points, goal) in [
        ("a month at 15 min", format!("{METER}/POWER_IMPORT?{}&step=15m", range(31)), 31 * 96, 5.0),
        (
            "a month of power at 15 min",
            format!("{METER}/CURRENT_POWER_SUM?{}&step=15m", range(31)),
            31 * 96,
            5.0,
        ),
        ("ten years of days", format!("{METER}/POWER_IMPORT?{}&step=1d", range(3650)), 3650, 10.0),
        ("a raw day", format!("{METER}/CURRENT_POWER_SUM?{}&step=raw", range(1)), DAY as usize, 50.0),
        ("a day of minutes", format!("{METER}/CURRENT_POWER_SUM?{}&step=1m", range(1)), 1440, f64::NAN),
        ("a month per day", format!("{METER}/POWER_IMPORT?{}&per=day", range(31)), 31, f64::NAN),
        ("ten years per month", format!("{METER}/POWER_IMPORT?{}&per=month", range(3650)), 120, f64::NAN),
        (
            "ten years of costs per month, by windows",
            format!("{METER}/POWER_IMPORT?{}&per=month&cost=true", range(3650)),
            120,
            300.0,
        ),
        (
            "ten years of costs per month, of a market",
            format!("{HEAT}/count?{}&per=month&cost=true", range(3650)),
            120,
            f64::NAN,
        ),
        ("a bill of a year, by windows", format!("/bill?source=smartmeter_d0&{}", range(365)), 0, f64::NAN),
        ("a month per hour", format!("{METER}/POWER_IMPORT?{}&per=hour", range(31)), 744, f64::NAN),
        ("/series", "/series".to_owned(), 0, f64::NAN),
        ("all registers at two dates of ten years", format!("/registers?{}", range(3650)), 0, f64::NAN),
        ("the balance of ten years per month", format!("/balance?{}&per=month", range(3650)), 120, f64::NAN),
        ("the balance of ten years per day", format!("/balance?{}&per=day", range(3650)), 3650, f64::NAN),
        ("the balance of a week of quarter-hours", format!("/balance?{}&step=15m", range(7)), 672, f64::NAN),
        // An answer is kept, so each round asks another question.
        ("figures worth knowing", "/insights?hours=".to_owned(), 0, f64::NAN),
    ] {
        let mut times = Vec::new();
        let mut body = String::new();
        for round in 0..ROUNDS {
            let path = if path.ends_with('=') { format!("{path}{}", round % 10 + 1) } else { path.clone() };
            let start = Instant::now();
            body = get(address, &path);
            times.push(start.elapsed());
        }
        times.sort();
        let there = body.matches(',').count();
        assert!(there >= points, "{what}: {}", &body[..body.len().min(300)]);
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let goal = if goal.is_nan() { String::new() } else { format!(" (goal: {goal} ms)") };
        println!(
            "   {what}: {:.2} ms, {:.2} ms{goal}; {:.0} kB",
            ms(times[0]),
            ms(times[ROUNDS / 2]),
            body.len() as f64 / 1e3
        );
    }
}

/// Adds days before the first one, for ten years in all. Returns the end of the recorded ones.
fn years(folder: &Path) -> i64 {
    let database = Connection::open(folder.join(NAME)).unwrap();
    let one = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let added = database.execute(
        "WITH RECURSIVE back(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM back WHERE n < 3653) \
         INSERT OR IGNORE INTO day (series, ts, first, last, min, max, mean, count) \
         SELECT series, ts - n * 86400, first, last, min, max, mean, count \
         FROM day AS newest, back WHERE ts = (SELECT min(ts) FROM day WHERE series = newest.series)",
        [],
    );
    println!("   {} days of all series", added.unwrap());
    // Quarters of the counters, each with one minute, which is where a reading is looked for.
    for (table, times) in [("quarter", ", first_at, last_at"), ("minute", "")] {
        let sql = format!(
            "WITH RECURSIVE back(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM back WHERE n < 3653), \
             counter AS (SELECT series.id, max(last) - min(first) AS rise FROM series JOIN quarter \
                 ON quarter.series = series.id AND quarter.ts >= {START} AND quarter.ts < {START} + {DAY} \
                 WHERE series.unit = 'kWh' GROUP BY series.id) \
             INSERT OR IGNORE INTO {table} (series, ts, first, last, min, max, mean, count{times}) \
             SELECT series, newest.ts - n * {DAY}, first - n * rise, last - n * rise, min - n * rise, max - n * rise, \
                 mean - n * rise, count{times} \
             FROM quarter AS newest JOIN counter ON counter.id = newest.series JOIN back \
             WHERE newest.ts >= {START} AND newest.ts < {START} + {DAY}"
        );
        println!("   {} rows of {table}", database.execute(&sql, []).unwrap());
    }
    one("SELECT max(ts) FROM minute") + 60
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    body.to_owned()
}
