//! Requests to a middleware with the rules of the real one: it stores one value for each channel and millisecond, and
//! refuses whole requests.

#![allow(clippy::unwrap_used)] // a test's own files

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use framework::{
    Batch, ConfiguredPublisher, Decimal, PublishError, Publisher, Reading, Record, Timestamp, testing,
};
use plugin_volkszaehler::Volkszaehler;
use serde_json::{Value, json};
use test_servers::http::{Received, Reply, Server};

const IMPORT: &str = "0aaaaaaa-0000-11ee-8000-0123456789ab";
const POWER: &str = "1bbbbbbb-0000-11ee-8000-0123456789ab";

/// Stored values, by channel and time.
type Stored = BTreeMap<String, BTreeMap<i64, String>>;

#[derive(Clone)]
struct Middleware {
    stored: Arc<Mutex<Stored>>,
    /// Channels that are broken once they have this number of values, and their reply then.
    broken: Arc<Mutex<BTreeMap<String, (usize, Reply)>>>,
}

fn exception(kind: &str, message: &str) -> Reply {
    Reply::Status(400, json!({"version": "0.3", "exception": {"type": kind, "message": message}}).to_string())
}

impl Middleware {
    fn start() -> (Self, Server) {
        let middleware = Self { stored: Arc::default(), broken: Arc::default() };
        let own = middleware.clone();
        for uuid in [IMPORT, POWER] {
            middleware.stored.lock().unwrap().insert(uuid.to_owned(), BTreeMap::new());
        }
        (middleware, Server::start(move |received| own.answer(received)))
    }

    fn answer(&self, received: &Received) -> Reply {
        let uuid =
            received.path.strip_prefix("/middleware.php/data/").and_then(|rest| rest.strip_suffix(".json"));
        let Some(uuid) = uuid else { return exception("Exception", "Unknown context: 'x'") };
        if received.method != "POST" || received.header("content-type") != Some("application/json") {
            return exception("Exception", "only POST and JSON in this test");
        }
        let mut stored = self.stored.lock().unwrap();
        let Some(channel) = stored.get_mut(uuid) else {
            return exception("Exception", &format!("No entity found with UUID: '{uuid}'"));
        };
        match self.broken.lock().unwrap().get(uuid) {
            Some((values, reply)) if channel.len() >= *values => return reply.clone(),
            _ => {}
        }
        let tuples: Vec<(i64, Box<serde_json::value::RawValue>)> =
            serde_json::from_str(&received.body).unwrap();
        assert!((1..=64).contains(&tuples.len()), "{} tuples", tuples.len());
        assert!(tuples.windows(2).all(|two| two[0].0 < two[1].0), "{}", received.body);
        if let Some((ms, _)) = tuples.iter().find(|(ms, _)| channel.contains_key(ms)) {
            let message = format!("An exception occurred: Duplicate entry '7-{ms}' for key 'data_unique'");
            return exception("Doctrine\\DBAL\\Exception\\UniqueConstraintViolationException", &message);
        }
        let rows = tuples.len();
        channel.extend(tuples.into_iter().map(|(ms, value)| (ms, value.get().to_owned())));
        Reply::Status(200, json!({"version": "0.3", "rows": rows}).to_string())
    }

    fn channel(&self, uuid: &str) -> BTreeMap<i64, String> {
        self.stored.lock().unwrap()[uuid].clone()
    }

    fn broken(&self, uuid: &str, reply: impl Into<Reply>) {
        self.broken_after(0, uuid, reply);
    }

    fn broken_after(&self, values: usize, uuid: &str, reply: impl Into<Reply>) {
        self.broken.lock().unwrap().insert(uuid.to_owned(), (values, reply.into()));
    }

    fn forget(&self, uuid: &str) {
        self.stored.lock().unwrap().remove(uuid);
    }

    fn repaired(&self) {
        self.broken.lock().unwrap().clear();
    }
}

fn publisher(server: &Server, more: &str) -> Box<dyn Publisher> {
    configured(server, more).publisher
}

fn configured(server: &Server, more: &str) -> ConfiguredPublisher {
    let config = format!(
        "[publishers.test]\nplugin = \"volkszaehler\"\nurl = \"{}/middleware.php\"\n\
         channels = {{ \"grid/IMPORT\" = {{ uuid = \"{IMPORT}\", factor = 1000 }}, \"grid/POWER\" = \"{POWER}\" }}\n{more}\n",
        server.url()
    );
    testing::publisher::<Volkszaehler>(&config)
}

fn records(seconds: impl IntoIterator<Item = i64>) -> Vec<Record> {
    let record = |second: i64| {
        let number = |name: &str, mantissa| Reading::number(name, Decimal::new(mantissa, 3).unwrap());
        let readings =
            vec![number("IMPORT", 4_457_153 + second), number("POWER", 312_500), number("OTHER", 1)];
        let taken_at = Timestamp::from_millisecond(second * 1000).unwrap();
        Record { section: "grid".into(), batch: Batch { taken_at, readings } }
    };
    seconds.into_iter().map(record).collect()
}

fn times(channel: &BTreeMap<i64, String>) -> BTreeSet<i64> {
    channel.keys().map(|ms| ms / 1000).collect()
}

#[tokio::test]
async fn each_channel_gets_its_readings() {
    let (middleware, server) = Middleware::start();
    let mut publisher = publisher(&server, "username = \"anna\"\npassword = \"geheim\"");
    assert_eq!(publisher.publish(&records(0..200)).await, Ok(200));
    let import = middleware.channel(IMPORT);
    assert_eq!((import.len(), &*import[&0], &*import[&199_000]), (200, "4457153.0", "4457352.0"));
    assert_eq!((middleware.channel(POWER).len(), &*middleware.channel(POWER)[&5000]), (200, "312.5"));
    // 200 tuples are four requests.
    assert_eq!((server.received().len(), server.connections()), (8, 1));
    assert_eq!(server.received()[0].header("authorization"), Some("Basic YW5uYTpnZWhlaW0="));
    assert_eq!(server.received()[0].header("accept"), Some("application/json"));
}

#[tokio::test]
async fn readings_without_a_channel_are_not_sent() {
    let (_, server) = Middleware::start();
    let mut other = records(0..3);
    other.iter_mut().for_each(|record| record.section = "heat".into());
    assert_eq!(publisher(&server, "").publish(&other).await, Ok(3));
    assert_eq!(server.received(), []);
}

#[tokio::test]
async fn repeated_records_are_stored_once() {
    let (middleware, server) = Middleware::start();
    publisher(&server, "").publish(&records(0..100)).await.unwrap();
    // A new process does not know what is stored.
    let mut again = publisher(&server, "");
    assert_eq!(again.publish(&records(90..110)).await, Ok(20));
    assert_eq!(times(&middleware.channel(IMPORT)), (0..110).collect());
    assert_eq!(times(&middleware.channel(POWER)), (0..110).collect());
    // A stored value may be anywhere in a request, as late records are older.
    again.publish(&records([-3, -2, 50, 51, 200, 109, 201])).await.unwrap();
    assert_eq!(times(&middleware.channel(POWER)), (-3..-1).chain(0..110).chain([200, 201]).collect());
}

#[tokio::test]
async fn a_failing_channel_does_not_repeat_the_others() {
    let (middleware, server) = Middleware::start();
    let mut publisher = publisher(&server, "");
    middleware.broken(POWER, 503);
    for _ in 0..3 {
        let error = publisher.publish(&records(0..100)).await.unwrap_err();
        assert!(matches!(error, PublishError::Unavailable { .. }), "{error:?}");
    }
    assert_eq!((middleware.channel(IMPORT).len(), middleware.channel(POWER).len()), (100, 0));
    // Two requests for the one channel, and three attempts at the other.
    assert_eq!(server.received().len(), 5);
    middleware.repaired();
    assert_eq!(publisher.publish(&records(0..120)).await, Ok(120));
    assert_eq!(times(&middleware.channel(IMPORT)), (0..120).collect());
    assert_eq!(times(&middleware.channel(POWER)), (0..120).collect());
    // Older records, such as a register with a time of its own, are accepted after the failure.
    assert_eq!(publisher.publish(&records(-5..0)).await, Ok(5));
    assert_eq!(times(&middleware.channel(IMPORT)), (-5..120).collect());
    let duplicates = server.received().iter().filter(|received| received.path.contains(IMPORT)).count();
    assert_eq!(duplicates, 2 + 1 + 1, "tuples were sent twice");
}

#[tokio::test]
async fn values_stored_before_a_failure_are_not_repeated() {
    let (middleware, server) = Middleware::start();
    let mut publisher = publisher(&server, "");
    middleware.broken_after(64, IMPORT, 503);
    publisher.publish(&records(0..100)).await.unwrap_err();
    assert_eq!(times(&middleware.channel(IMPORT)), (0..64).collect());
    middleware.repaired();
    publisher.publish(&records(0..100)).await.unwrap();
    assert_eq!(times(&middleware.channel(IMPORT)), (0..100).collect());
    // Two requests, and the second one again.
    assert_eq!(server.received().iter().filter(|received| received.path.contains(IMPORT)).count(), 3);
}

#[tokio::test]
async fn an_unchanged_value_that_failed_is_not_lost() {
    let (middleware, server) = Middleware::start();
    let mut publisher = publisher(&server, "duplicates = \"1h\"");
    middleware.broken(POWER, Reply::Raw(""));
    publisher.publish(&records(0..10)).await.unwrap_err();
    middleware.repaired();
    publisher.publish(&records(0..10)).await.unwrap();
    publisher.publish(&records(3590..3610)).await.unwrap();
    assert_eq!(times(&middleware.channel(POWER)), BTreeSet::from([0, 3600]));
    assert_eq!(middleware.channel(IMPORT).len(), 30);
}

#[tokio::test]
async fn an_unchanged_value_that_was_not_sent_is_not_sent_later() {
    let (middleware, server) = Middleware::start();
    let mut publisher = publisher(&server, "duplicates = \"1h\"");
    let mut records = records(0..10);
    for (second, record) in records.iter_mut().enumerate() {
        let value = if second < 5 { 1 } else { 2 };
        record.batch.readings =
            vec![Reading::number("IMPORT", Decimal::from(value)), Reading::number("POWER", Decimal::from(1))];
    }
    middleware.broken(POWER, 503);
    publisher.publish(&records).await.unwrap_err();
    publisher.publish(&records).await.unwrap_err();
    assert_eq!(times(&middleware.channel(IMPORT)), BTreeSet::from([0, 5]));
}

#[tokio::test]
async fn a_value_refused_by_one_channel_is_not_lost_for_the_others() {
    let (middleware, server) = Middleware::start();
    middleware.broken(IMPORT, exception("DriverException", "Out of range value for column"));
    let error = publisher(&server, "").publish(&records([1])).await.unwrap_err();
    // The framework skips this record, and does not pass it again.
    assert!(matches!(error, PublishError::Refused { .. }), "{error:?}");
    assert_eq!(times(&middleware.channel(POWER)), BTreeSet::from([1]));
}

#[tokio::test]
async fn an_unknown_channel_does_not_block_the_others() {
    let (middleware, server) = Middleware::start();
    middleware.forget(IMPORT);
    let mut configured = configured(&server, "");
    for seconds in [0..100, 100..110] {
        let count = seconds.clone().count();
        assert_eq!(configured.publisher.publish(&records(seconds)).await, Ok(count));
    }
    assert_eq!(times(&middleware.channel(POWER)), (0..110).collect());
    assert_eq!(configured.context.stats().counters(), [("set_aside", 110)]);
    let unknown = |configured: &ConfiguredPublisher| configured.context.stats().facts()[0].1.to_string();
    assert_eq!(unknown(&configured), format!("grid/IMPORT ({IMPORT})"));
    // One request each time finds out whether the channel exists by now.
    assert_eq!(server.received().iter().filter(|received| received.path.contains(IMPORT)).count(), 2);
    middleware.stored.lock().unwrap().insert(IMPORT.to_owned(), BTreeMap::new());
    assert_eq!(configured.publisher.publish(&records(110..120)).await, Ok(10));
    assert_eq!(times(&middleware.channel(IMPORT)), (110..120).collect());
    assert_eq!(configured.context.stats().counters(), [("set_aside", 110)]);
    assert_eq!(unknown(&configured), "none");
}

#[tokio::test]
async fn without_a_known_channel_the_readings_wait() {
    let (middleware, server) = Middleware::start();
    [IMPORT, POWER].iter().for_each(|uuid| middleware.forget(uuid));
    let mut configured = configured(&server, "");
    let error = configured.publisher.publish(&records(0..3)).await.unwrap_err();
    assert!(matches!(error, PublishError::Misconfigured { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("check the UUID `{IMPORT}` of `grid/IMPORT`")), "{error}");
    middleware.stored.lock().unwrap().insert(POWER.to_owned(), BTreeMap::new());
    assert_eq!(configured.publisher.publish(&records(0..3)).await, Ok(3));
    assert_eq!(times(&middleware.channel(POWER)), (0..3).collect());
    assert_eq!(configured.context.stats().counters(), [("set_aside", 3)]);
}

#[tokio::test]
async fn repeated_records_are_counted_once() {
    let (middleware, server) = Middleware::start();
    middleware.forget(IMPORT);
    middleware.broken(POWER, 503);
    let mut configured = configured(&server, "");
    configured.publisher.publish(&records(0..3)).await.unwrap_err();
    assert_eq!(configured.context.stats().counters(), [("set_aside", 0)]);
    middleware.repaired();
    configured.publisher.publish(&records(0..3)).await.unwrap();
    assert_eq!(configured.context.stats().counters(), [("set_aside", 3)]);
}

#[tokio::test]
async fn the_exception_decides_the_error() {
    let (middleware, server) = Middleware::start();
    for (reply, expected, words) in [
        (exception("Exception", "Access denied"), "misconfigured", "`firewall`"),
        (exception("Exception", "Unknown context: 'x'"), "misconfigured", "`middleware.php`"),
        (exception("DriverException", "Out of range value for column"), "refused", "`grid/POWER`"),
        (exception("ConnectionException", "SQLSTATE[HY000] [2002] No such file"), "unavailable", "SQLSTATE"),
        (401.into(), "misconfigured", "`username`"),
        (404.into(), "misconfigured", "`url`"),
        (204.into(), "misconfigured", "check `url`"),
        (Reply::Status(200, "<!doctype html>".into()), "misconfigured", "check `url`"),
        (413.into(), "refused", "413"),
        (500.into(), "unavailable", "500"),
        (Reply::Raw("HTTP/1.1 200"), "unavailable", "no response"),
    ] {
        middleware.broken(POWER, reply.clone());
        let error = publisher(&server, "").publish(&records([1])).await.unwrap_err();
        let kind = match &error {
            PublishError::Unavailable { .. } => "unavailable",
            PublishError::Refused { .. } => "refused",
            PublishError::Misconfigured { .. } => "misconfigured",
            PublishError::Journal { .. } => "journal",
        };
        assert_eq!(kind, expected, "{reply:?}: {error}");
        assert!(error.to_string().contains(words), "{reply:?}: {error}");
    }
    let _: Value = serde_json::from_str(&server.received()[0].body).unwrap();
}
