//! `smartmeter record`: bytes of a device to a file.

mod input;

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use framework::Period;
use telegram::{Keys, ProtocolRegistration};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{interval, sleep},
};
use transport::{Chunk, Header, Line, Parity, Port, Recorder};

use self::input::Input;
use crate::{
    decode::{Judged, Verdict},
    failure::Failure,
    keys::KeyArgs,
};

/// Bytes that are kept in memory, to recognize and to anonymise them.
const LIMIT: usize = 64 << 20;
/// Memory of a chunk, beside its bytes.
const CHUNK: usize = size_of::<(Duration, usize)>();
/// Interval of writing to the file.
const FLUSH: Duration = Duration::from_secs(1);
/// Number of flushes between two lines of progress.
const PROGRESS: u32 = 5;

/// Arguments of `smartmeter record`.
#[derive(Args)]
pub(crate) struct Record {
    /// A serial port, `tcp://host:port`, or `replay:FILE` for an existing recording
    port: Port,
    /// New file
    file: PathBuf,
    /// Baud rate
    #[arg(long, value_name = "NUMBER", default_value_t = 9600,
          value_parser = clap::value_parser!(u32).range(50..=4_000_000))]
    baud: u32,
    /// Parity bit of each character: `even` for 8E1, as M-Bus has it
    #[arg(long, value_name = "PARITY", default_value = "none", value_parser = parity)]
    parity: Parity,
    /// End after this time (`60s`, `1h`) instead of at Ctrl+C
    #[arg(long = "for", value_name = "TIME")]
    time: Option<Period>,
    /// Overwrite meter numbers; the file is written at the end. Encrypted telegrams need their keys, and are encrypted
    /// again with public ones
    #[arg(long)]
    anonymise: bool,
    #[command(flatten)]
    keys: KeyArgs,
}

/// Reads `none` or `even`.
fn parity(text: &str) -> Result<Parity, &'static str> {
    match text {
        "none" => Ok(Parity::None),
        "even" => Ok(Parity::Even),
        _ => Err("expected `none` or `even`"),
    }
}

/// Bytes so far.
#[derive(Default)]
struct Heard {
    /// Number of all bytes, and time of the last one.
    count: u64,
    after: Duration,
    /// First bytes.
    bytes: Vec<u8>,
    /// Times and sizes of their chunks, for a file that is written at the end.
    chunks: Vec<(Duration, usize)>,
}

/// Reason why a recording ended in an unusual way.
type Ended = Option<String>;

/// Records until Ctrl+C, SIGTERM, or the end of the time.
pub(crate) fn run(record: &Record) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(record.run())
}

impl Record {
    async fn run(&self) -> Result<(), Failure> {
        let file = self.file.display();
        if self.file.exists() {
            return Err(self.exists());
        }
        let keys = self.keys.keys()?;
        let unavailable = |error| Failure::fault(format!("could not read `{}`: {error}\n", self.port));
        let mut input = Input::open(&self.port, Line { baud: self.baud, parity: self.parity })
            .await
            .map_err(unavailable)?;
        let header = input.header();
        let created = File::create_new(&self.file).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => self.exists(),
            _ => self.unwritable(&error),
        })?;
        let mut out = BufWriter::new(created);
        let mut heard = Heard::default();
        say(format_args!("recording {} at {} baud to `{file}`; Ctrl+C ends it", self.port, header.baud));
        let ended = if self.anonymise {
            self.listen(&mut input, &mut heard, None).await
        } else {
            let mut recorder = Recorder::new(&mut out, &header).map_err(|error| self.unwritable(&error))?;
            self.listen(&mut input, &mut heard, Some(&mut recorder)).await
        }?;
        drop(input); // the port is free for others
        let written = self.finish(&keys, &header, &mut heard, &mut out);
        if written.is_err() {
            // The file is empty, or must not be passed on.
            let _ = fs::remove_file(&self.file);
        }
        let Some(why) = ended else { return written };
        if written.is_err() {
            say(format_args!("`{}` ended: {why}", self.port));
        }
        written.and(Err(Failure::fault(format!("`{}` ended: {why}\n", self.port))))
    }

    /// Takes bytes until something ends the recording.
    async fn listen(
        &self,
        input: &mut Input,
        heard: &mut Heard,
        mut recorder: Option<&mut Recorder<&mut BufWriter<File>>>,
    ) -> Result<Ended, Failure> {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let time = self.time.map_or(Duration::MAX, |time| *time);
        let end = sleep(time); // the longest is some decades
        tokio::pin!(end);
        let (mut tick, mut ticks) = (interval(FLUSH), 0u32);
        loop {
            tokio::select! {
                chunk = input.next() => match chunk {
                    Ok(Some(chunk)) if chunk.after > time => return Ok(None),
                    Ok(Some(chunk)) => {
                        if let Some(recorder) = &mut recorder {
                            let written = recorder.write(chunk.after, &chunk.bytes);
                            written.map_err(|error| self.unwritable(&error))?;
                        }
                        if !heard.take(&chunk, self.anonymise) && self.anonymise {
                            let mebibytes = LIMIT >> 20;
                            return Ok(Some(format!("`--anonymise` keeps everything in memory, and {mebibytes} MiB are full")));
                        }
                    }
                    Ok(None) => return Ok(None),
                    Err(error) => return Ok(Some(error.to_string())),
                },
                _ = tick.tick() => {
                    if let Some(recorder) = &mut recorder {
                        recorder.flush().map_err(|error| self.unwritable(&error))?;
                    }
                    if ticks > 0 && ticks.is_multiple_of(PROGRESS) {
                        say(format_args!("{} bytes so far", heard.count));
                    }
                    ticks = ticks.wrapping_add(1);
                }
                () = &mut end => return Ok(None),
                _ = interrupt.recv() => return Ok(None),
                _ = terminate.recv() => return Ok(None),
            }
        }
    }

    /// Reports what was recorded, and writes the rest.
    fn finish(
        &self,
        keys: &Keys,
        header: &Header,
        heard: &mut Heard,
        out: &mut BufWriter<File>,
    ) -> Result<(), Failure> {
        if heard.count == 0 {
            return Err(Failure::fault(format!(
                "nothing came from `{}`, so nothing is recorded\n\
                 hint: is the head on the meter, and does the meter push?\n",
                self.port
            )));
        }
        let verdict = Verdict::of(&heard.bytes, keys);
        say(format_args!(
            "{} bytes in {:.1} s: {}",
            heard.count,
            heard.after.as_secs_f64(),
            verdict.text("`--baud`")
        ));
        if self.anonymise {
            let places = anonymise(&mut heard.bytes, keys, &verdict.all)?;
            say(format_args!("{places} places overwritten: look through it before you pass it on"));
            self.write_all(header, heard, out).map_err(|error| self.unwritable(&error))?;
        }
        out.flush().map_err(|error| self.unwritable(&error))
    }

    fn write_all(&self, header: &Header, heard: &Heard, out: &mut BufWriter<File>) -> io::Result<()> {
        let mut recorder = Recorder::new(out, header)?;
        let mut rest = &heard.bytes[..];
        for &(after, count) in &heard.chunks {
            let (bytes, later) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            recorder.write(after, bytes)?;
            rest = later;
        }
        // Anonymised telegrams may be longer.
        recorder.write(heard.after, rest)?;
        recorder.flush()
    }

    fn exists(&self) -> Failure {
        let file = self.file.display();
        Failure::usage(format!(
            "`{file}` exists already and is not overwritten\nhint: choose another name, or remove it first\n"
        ))
    }

    fn unwritable(&self, error: &io::Error) -> Failure {
        Failure::fault(format!("could not write `{}`: {error}\n", self.file.display()))
    }
}

impl Heard {
    /// Counts `chunk`, and keeps it while there is room; returns whether there was.
    fn take(&mut self, chunk: &Chunk, with_times: bool) -> bool {
        let room = LIMIT.saturating_sub(self.bytes.len() + CHUNK * self.chunks.len());
        if chunk.bytes.len() + CHUNK > room {
            self.count += if with_times { 0 } else { chunk.bytes.len() as u64 };
            return false;
        }
        self.count += chunk.bytes.len() as u64;
        self.after = chunk.after;
        self.bytes.extend_from_slice(&chunk.bytes);
        if with_times {
            self.chunks.push((chunk.after, chunk.bytes.len()));
        }
        true
    }
}

/// Overwrites everything that identifies the meter, by the plugins that read it; returns the number of places.
fn anonymise(bytes: &mut Vec<u8>, keys: &Keys, judged: &[Judged]) -> Result<usize, Failure> {
    let refused = |why: &str| Failure::fault(format!("{why}, so nothing is written\n"));
    let read = |good: fn(&&Judged) -> bool| -> Vec<&ProtocolRegistration> {
        judged.iter().filter(good).map(|judged| judged.protocol).collect()
    };
    // Where no telegram is whole, parts of some may still be recognized.
    let whole = read(|judged| judged.accepted > 0);
    let protocols = if whole.is_empty() { read(|judged| judged.rejected > 0) } else { whole.clone() };
    let mut places = 0;
    for protocol in &protocols {
        match protocol.anonymise {
            Some(anonymise) => {
                let anonymised = anonymise(bytes, keys).map_err(|why| refused(&why))?;
                *bytes = anonymised.bytes;
                places += anonymised.places;
            }
            None if whole.is_empty() => {}
            None => return Err(refused(&format!("`{}` telegrams cannot be anonymised yet", protocol.kind))),
        }
    }
    if whole.is_empty() && places == 0 {
        return Err(refused("no telegram and no meter number was recognized"));
    }
    Ok(places)
}

/// Prints a line on standard error, whether or not somebody reads it.
fn say(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{what}");
}
