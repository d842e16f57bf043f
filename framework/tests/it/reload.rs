//! Reload of a running program: what hangs, what cannot be had, and what comes at a bad moment.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, PipeWriter, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use framework::{
    Batch, Changes, Config, ConfigError, Control, Reading, ReloadError, Service, Source, SourceContext,
    SourcePlugin,
};
use rustix::fs::{OFlags, fcntl_setfl};
use tokio::sync::oneshot;

use crate::{Running, get};

/// A program whose configuration is a text that tests replace.
struct Reloadable {
    running: Running,
    text: Arc<Mutex<String>>,
    control: Control,
}

fn parse(text: &str) -> Result<Config, framework::Diagnostics> {
    Config::parse("config.toml", text, &[])
}

impl Reloadable {
    fn start(text: &str) -> Self {
        let config = parse(text).map_err(|mistakes| mistakes.to_string()).unwrap();
        let listener = TcpListener::bind(config.server.listen).unwrap();
        let address = listener.local_addr().unwrap();
        let text = Arc::new(Mutex::new(text.to_owned()));
        let read = Arc::clone(&text);
        let service = Service::new(config).listen(listener);
        let service = service.with_loader(move || parse(&read.lock().unwrap()));
        let control = service.control();
        let (stop, stopped) = oneshot::channel::<()>();
        let service = thread::spawn(move || {
            service.run(async move {
                let _ = stopped.await;
            })
        });
        Self { running: Running { address, stop: Some(stop), service }, text, control }
    }

    fn reload(&self, text: &str) -> Result<Changes, ReloadError> {
        *self.text.lock().unwrap() = text.to_owned();
        wait(self.control.reload())
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn source(name: &str, does: &str) -> String {
    format!("[sources.{name}]\nplugin = \"fake\"\nport = \"{name}\"\ndoes = \"{does}\"\n")
}

fn endpoint(name: &str, listen: SocketAddr) -> String {
    format!("[endpoints.{name}]\nplugin = \"served\"\nlisten = \"{listen}\"\n")
}

fn server(folder: &tempfile::TempDir, listen: &str) -> String {
    format!("[server]\nlisten = \"{listen}\"\nstate_dir = {:?}\n", folder.path())
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_source_that_hangs_is_left_behind_and_named_while_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, "127.0.0.1:0");
    let work = source("work", "work");
    let program = Reloadable::start(&format!("{server}{work}{}", source("hang", "block")));
    program.running.until(|health| health["sources"]["work"]["counts"]["batches"].as_u64() > Some(5));
    let changes = program.reload(&format!("{server}{work}{}", source("new", "work"))).unwrap();
    assert_eq!((changes.started, changes.unchanged), (vec!["sources.new".to_owned()], 1));
    assert_eq!((&changes.stopped, &changes.stuck), (&vec!["sources.hang".to_owned()], &changes.stopped));
    let health = program.running.until(|health| health["sources"]["new"]["state"] == "delivering");
    assert!(health["sources"]["hang"].is_null() && health["sources"]["work"]["counts"]["reopened"] == 0);
    program.running.stop();
}

#[test]
fn an_added_publisher_begins_with_what_is_recorded_from_then_on_and_a_changed_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let text = server(&folder, "127.0.0.1:0") + &source("work", "work");
    let program = Reloadable::start(&text);
    let batches =
        |health: &serde_json::Value| health["sources"]["work"]["counts"]["batches"].as_u64().unwrap();
    let records =
        |health: &serde_json::Value| health["publishers"]["far"]["counts"]["records"].as_u64().unwrap();
    let before = batches(&program.running.until(|health| batches(health) > 100));
    let far = format!("{text}[publishers.far]\nplugin = \"far\"\nurl = \"a\"\n");
    assert_eq!(program.reload(&far).unwrap().started, ["publishers.far"]);
    let health = program.running.until(|health| records(health) > 0);
    // A batch is delivered after it is recorded, and counted before that.
    let health = program.running.until(|_| batches(&health) > 0);
    assert!(records(&health) <= batches(&health) - before, "{health:#}");
    let changed = program.reload(&far.replace("\"a\"", "\"b\"")).unwrap();
    assert_eq!((changed.restarted, changed.unchanged), (vec!["publishers.far".to_owned()], 1));
    program.running.until(|health| records(health) > 10);
    assert_eq!(program.reload(&text).unwrap().stopped, ["publishers.far"]);
    assert!(program.running.get("/health")["publishers"]["far"].is_null());
    program.running.stop();
}

#[test]
fn ports_are_swapped_widened_and_moved_and_one_that_is_taken_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (own, a, b) = (free(), free(), free());
    let work = source("work", "work");
    let with = |listen: SocketAddr, one: SocketAddr, two: SocketAddr| {
        server(&folder, &listen.to_string()) + &work + &endpoint("one", one) + &endpoint("two", two)
    };
    let program = Reloadable::start(&with(own, a, b));
    program.running.until(|health| health["endpoints"]["two"]["state"] == "delivering");
    program.running.until(|health| health["sources"]["work"]["state"] == "delivering");

    let changes = program.reload(&with(own, b, a)).unwrap();
    assert_eq!((changes.restarted.len(), changes.unchanged), (2, 1));
    assert_eq!((get(a, "/"), get(b, "/")), ("work".to_owned(), "work".to_owned()));

    // All addresses of the machine at the port of one of them, where the old socket is in the way.
    let wide = |address: SocketAddr| SocketAddr::from(([0, 0, 0, 0], address.port()));
    let changes = program.reload(&with(wide(own), wide(b), a)).unwrap();
    assert!(changes.server && changes.restarted == ["endpoints.one"], "{changes:?}");
    assert_eq!((get(a, "/"), get(b, "/")), ("work".to_owned(), "work".to_owned()));
    assert!(get(own, "/data").contains("\"work\""));

    // The second of two new addresses is taken, so the first change is undone, too.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holder = TcpListener::bind(taken).unwrap();
    let error = program.reload(&with(taken, b, a)).unwrap_err().to_string();
    assert!(error.starts_with("nothing was changed: could not listen on"), "{error}");
    drop(holder);
    assert_eq!((get(a, "/"), get(b, "/")), ("work".to_owned(), "work".to_owned()));
    assert!(get(own, "/data").contains("\"work\""));
    program.running.stop();
}

#[test]
fn reloads_before_the_start_at_the_same_time_and_at_the_end_all_get_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let text = server(&folder, "127.0.0.1:0") + &source("work", "work");
    // The thread of the program has hardly begun.
    let program = Reloadable::start(&text);
    let control = program.control.clone();
    let all = async move { futures_util::future::join_all((0..40).map(|_| control.reload())).await };
    assert!(wait(all).into_iter().all(|result| result.unwrap().is_empty()));
    let control = program.control.clone();
    let others = thread::spawn(move || {
        let mut done = 0;
        loop {
            match wait(control.reload()) {
                Ok(_) => done += 1,
                Err(ReloadError::Ending) => return done,
                Err(error) => panic!("{error}"),
            }
        }
    });
    program.running.stop();
    let _ = others.join().unwrap();
}

/// A pipe that is kept over restarts: it reads what is in it when it starts, and then once an hour.
struct Keeper;

#[derive(Debug, serde::Deserialize)]
struct KeeperConfig {
    key: String,
}

/// The other ends of the pipes, and the number of bytes that were read.
static PIPES: Mutex<Vec<PipeWriter>> = Mutex::new(Vec::new());
static BYTES: AtomicUsize = AtomicUsize::new(0);

impl SourcePlugin for Keeper {
    const KIND: &'static str = "keeper";
    const ABOUT: &'static str = "a pipe that is kept";
    const SAMPLE: &'static str = "[sources.pipe]\nplugin = \"keeper\"\nkey = \"a\"\n";
    type Config = KeeperConfig;

    fn build(config: KeeperConfig, cx: &SourceContext) -> Result<Source, ConfigError> {
        let place = cx.kept_file(&config.key);
        Ok(Source::blocking(move || {
            let mut pipe = match place.get() {
                Some(kept) => File::from(kept),
                None => {
                    let (pipe, writer) = io::pipe()?;
                    fcntl_setfl(&pipe, OFlags::NONBLOCK).map_err(io::Error::from)?;
                    place.keep(&pipe);
                    PIPES.lock().unwrap().push(writer);
                    File::from(OwnedFd::from(pipe))
                }
            };
            let read = pipe.read(&mut [0; 64]).unwrap_or_default();
            BYTES.fetch_add(read, Relaxed);
            Ok(Some(Batch::now(vec![Reading::counter("bytes", read as u64)])))
        }))
    }
}

framework::register_source!(Keeper);

#[test]
fn a_file_that_a_source_keeps_stays_open_while_it_restarts_and_is_closed_when_its_key_changes() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, "127.0.0.1:0");
    let keeper = |key: &str, stale_after: &str| {
        format!(
            "{server}[sources.pipe]\nplugin = \"keeper\"\nkey = {key:?}\ninterval = \"1h\"\nstale_after = {stale_after:?}\n"
        )
    };
    let program = Reloadable::start(&keeper("a", "2h"));
    let has_read = |health: &serde_json::Value| health["sources"]["pipe"]["counts"]["batches"] == 1;
    program.running.until(has_read);
    // Nobody reads it now, as while the source restarts.
    PIPES.lock().unwrap()[0].write_all(b"12345").unwrap();
    let changes = program.reload(&keeper("a", "3h")).unwrap();
    assert_eq!(changes.restarted, ["sources.pipe"]);
    program.running.until(has_read);
    assert_eq!((BYTES.load(Relaxed), PIPES.lock().unwrap().len()), (5, 1));
    program.reload(&keeper("another: key", "3h")).unwrap();
    program.running.until(has_read);
    assert_eq!(PIPES.lock().unwrap().len(), 2);
    assert!(PIPES.lock().unwrap()[0].write_all(b"6").is_err(), "the old one is still open");
    PIPES.lock().unwrap()[1].write_all(b"6").unwrap();
    program.reload(&server).unwrap();
    assert!(PIPES.lock().unwrap()[1].write_all(b"7").is_err(), "a source that is gone keeps its file");
    program.running.stop();
}

#[test]
fn another_label_role_or_household_name_is_shown_while_the_source_goes_on_without_a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, "127.0.0.1:0");
    let with = |name: &str, keys: &str| format!("{server}{name}\n{}{keys}", source("work", "work"));
    let program = Reloadable::start(&with("", ""));
    program.running.until(|health| health["sources"]["work"]["counts"]["batches"].as_u64() > Some(3));
    let mut events = TcpStream::connect(program.running.address).unwrap();
    events.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    events.write_all(b"GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut events = BufReader::new(events).lines().map_while(Result::ok);
    events.find(|line| line.is_empty()).unwrap(); // the end of the head
    let keys = "label = \"Wärmepumpe\"\nrole = \"consumer\"\nreadings.n.label = \"Zahl\"\n";
    let changes = program.reload(&with("name = \"Haus Müller\"", keys)).unwrap();
    assert_eq!((&*changes.relabelled, changes.unchanged), (&["sources.work".to_owned()][..], 0));
    assert!(changes.restarted.is_empty() && changes.server && !changes.is_empty());
    assert!(
        changes.to_string().ends_with("relabelled sources.work; applied `[server]`; 0 unchanged"),
        "{changes}"
    );
    assert!(events.any(|line| line.replace(' ', "") == "event:reload"), "no event");
    let health = program.running.until(|health| health["sources"]["work"]["label"] == "Wärmepumpe");
    assert_eq!(
        (&health["sources"]["work"]["role"], &health["name"]),
        (&"consumer".into(), &"Haus Müller".into())
    );
    assert_eq!(health["sources"]["work"]["counts"]["reopened"], 0);
    let count = health["sources"]["work"]["counts"]["batches"].as_u64();
    assert!(count > Some(3), "it was started again: {count:?}");
    // Nothing is left of them.
    let changes = program.reload(&with("", "")).unwrap();
    assert_eq!(changes.relabelled, ["sources.work"]);
    let health = program.running.get("/health");
    assert!(health["name"].is_null() && health["sources"]["work"]["label"].is_null());
    program.running.stop();
}

#[test]
fn a_publisher_of_history_is_started_exchanged_for_one_of_records_and_stopped_by_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let head = format!("{}{}", server(&folder, "127.0.0.1:0"), source("one", "work"));
    let past = format!("{head}[publishers.home]\nplugin = \"past\"\n");
    let far = format!("{head}[publishers.home]\nplugin = \"far\"\nurl = \"x\"\n");
    let program = Reloadable::start(&head);
    assert_eq!(program.reload(&past).unwrap().started, ["publishers.home"]);
    let of_history = |health: &serde_json::Value| {
        let home = &health["publishers"]["home"];
        home["state"] == "delivering" && home.get("delivered_to").is_some() && home.get("backlog").is_none()
    };
    program.running.until(of_history);
    assert_eq!(program.reload(&far).unwrap().restarted, ["publishers.home"]);
    program.running.until(|health| health["publishers"]["home"]["counts"]["records"].as_u64() > Some(0));
    assert_eq!(program.reload(&past).unwrap().restarted, ["publishers.home"]);
    program.running.until(of_history);
    assert_eq!(program.reload(&past).unwrap().unchanged, 2);
    assert_eq!(program.reload(&head).unwrap().stopped, ["publishers.home"]);
    assert!(program.running.get("/health")["publishers"].as_object().unwrap().is_empty());
    program.running.stop();
}
