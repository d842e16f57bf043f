//! A program and its clients, over a real socket.

use std::{
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use framework::{
    Config, ConfigError, Context, HistoryPublisher, NoConfig, PublishError, Publisher, PublisherPlugin,
    Record, Service, Update, async_trait,
};
use tokio::sync::oneshot;

use super::*;

#[test]
fn a_question_is_one_line_which_is_read_as_it_was_written() {
    let publish = Publish { publisher: "a \"b\"\nc".into(), from: i64::MIN, to: i64::MAX };
    for question in [Question::Reload, Question::Publish(publish)] {
        let line = question.line();
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert_eq!(Question::parse(line.trim_end_matches('\n')), Some(question));
    }
    for line in ["", "reload now", "publish", "publish {}", "publish home", "Reload"] {
        assert_eq!(Question::parse(line), None, "{line}");
    }
}

#[test]
fn the_answer_to_a_reload_is_read_by_programs_of_before() {
    let answer = Message::Answer(Answer { done: true, text: "done\n".into() });
    assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"done":true,"text":"done\n"}"#);
}

/// Whether the publisher of history works until it is cancelled.
static IS_SLOW: AtomicBool = AtomicBool::new(false);
/// Whether an update was cancelled.
static WAS_CANCELLED: AtomicBool = AtomicBool::new(false);

struct History;

struct Cancelled;

impl Drop for Cancelled {
    fn drop(&mut self) {
        WAS_CANCELLED.store(true, Relaxed);
    }
}

#[async_trait]
impl HistoryPublisher for History {
    async fn update(&mut self, update: &Update) -> Result<(), PublishError> {
        let _cancelled = Cancelled;
        if !matches!(update.scope, framework::Scope::Again { .. }) {
            return Ok(());
        }
        let mut done = 0;
        while IS_SLOW.load(Relaxed) {
            done += 1;
            update.progress(done, 1_000_000);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(PublishError::misconfigured("the token is wrong: make another"))
    }
}

impl PublisherPlugin for History {
    const KIND: &'static str = "test_history";
    const ABOUT: &'static str = "for this test";
    const SAMPLE: &'static str = "";
    type Config = NoConfig;
    type Publisher = dyn HistoryPublisher;

    fn build(_: NoConfig, _: &Context) -> Result<Box<dyn HistoryPublisher>, ConfigError> {
        Ok(Box::new(Self))
    }
}

framework::register_publisher!(History);

struct Records;

#[async_trait]
impl Publisher for Records {
    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError> {
        Ok(records.len())
    }
}

impl PublisherPlugin for Records {
    const KIND: &'static str = "test_records";
    const ABOUT: &'static str = "for this test";
    const SAMPLE: &'static str = "";
    type Config = NoConfig;
    type Publisher = dyn Publisher;

    fn build(_: NoConfig, _: &Context) -> Result<Box<dyn Publisher>, ConfigError> {
        Ok(Box::new(Self))
    }
}

framework::register_publisher!(Records);

/// Running program with both publishers, and its socket.
struct Program {
    socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    service: JoinHandle<std::io::Result<()>>,
}

impl Program {
    fn start(folder: &Path) -> Self {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nstate_dir = {folder:?}\n\
             [publishers.home]\nplugin = \"test_history\"\n[publishers.log]\nplugin = \"test_records\"\n"
        );
        let load = move || Config::parse("config.toml", &text, &[]);
        let config = load().unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let socket = folder.join(SOCKET);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Service::new(config).listen(listener).with_loader(load);
        let served = serve(socket.clone(), service.control());
        let service = service.beside(served);
        let (stop, stopped) = oneshot::channel::<()>();
        let service = thread::spawn(move || {
            service.run(async move {
                let _ = stopped.await;
            })
        });
        until("the socket", || UnixStream::connect(&socket).is_ok());
        Self { socket, stop: Some(stop), service }
    }

    fn ask(&self, question: &Question, report: impl FnMut(Amounts)) -> Answer {
        client::answer(UnixStream::connect(&self.socket).unwrap(), question, report).unwrap()
    }

    fn end(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.service.join().unwrap().unwrap();
    }
}

fn until(what: &str, wanted: impl Fn() -> bool) {
    let start = Instant::now();
    while !wanted() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        thread::sleep(Duration::from_millis(10)); // between two looks, not for timing
    }
}

fn publish(publisher: &str) -> Question {
    Question::Publish(Publish { publisher: publisher.to_owned(), from: 0, to: i64::MAX })
}

#[test]
fn a_reload_is_possible_while_history_is_sent_again_and_a_client_that_goes_cancels_it() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    let refused = |name: &str| {
        let answer = program.ask(&publish(name), |_| {});
        assert!(!answer.done);
        answer.text
    };
    assert!(
        refused("nowhere").starts_with("no publisher `nowhere` runs, expected one of `home`, `log`"),
        "{}",
        refused("nowhere")
    );
    let text = refused("log");
    assert!(
        text.starts_with("`log` (plugin `test_records`) gets each record once, in order, and no history"),
        "{text}"
    );
    // The journal may still be opening.
    until("the reason, at once", || refused("home") == "the token is wrong: make another\n");

    IS_SLOW.store(true, Relaxed);
    let mut client = UnixStream::connect(&program.socket).unwrap();
    std::io::Write::write_all(&mut client, publish("home").line().as_bytes()).unwrap();
    let mut reports = std::io::BufRead::lines(std::io::BufReader::new(client.try_clone().unwrap()));
    let progress = |line: &str| match serde_json::from_str(line).unwrap() {
        Message::Progress { progress } => progress,
        Message::Answer(answer) => panic!("{answer:?}"),
    };
    while progress(&reports.next().unwrap().unwrap()).done == 0 {}
    // Others are answered meanwhile, and one that says nothing is in nobody's way.
    let silent = UnixStream::connect(&program.socket).unwrap();
    let reloaded = program.ask(&Question::Reload, |_| {});
    assert!(reloaded.done, "{}", reloaded.text);
    assert_eq!(reloaded.text, "reloaded the configuration: nothing to do; 2 unchanged\n");
    assert!(progress(&reports.next().unwrap().unwrap()).done > 0);
    WAS_CANCELLED.store(false, Relaxed);
    drop((reports, client, silent));
    until("the end of the update", || WAS_CANCELLED.load(Relaxed));
    // The publisher goes on.
    IS_SLOW.store(false, Relaxed);
    assert_eq!(refused("home"), "the token is wrong: make another\n");
    program.end();
}
