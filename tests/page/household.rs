//! Fixture: the real program, a meter and an S0 counter at real lines, and a recorded year.

use std::{
    fs::{self, File},
    path::Path,
};

use jiff::{Timestamp, tz::TimeZone};
use rustix::termios::ioctl_tiocnxcl;
use serde_json::Value as Json;
use simulator::Pty;
use tempfile::TempDir;

use super::pv_house;
use crate::{
    browser::Browser,
    program::{
        journal::{Journal, errors},
        *,
    },
};

pub const METER: &str = "smartmeter_d0";
pub const CONSUMER: &str = "heat_pump";
/// The household's time zone; the browser's user may be elsewhere.
pub const ZONE: &str = "Europe/Berlin";
pub const TOKEN: &str = "seven-green-lamps";
/// Markup with a visible effect, for every place where a text may come from outside.
pub const SCRIPT: &str = "<script>document.title='x'</script>";
pub const IMAGE: &str = "<img src=x onerror=document.title=1>";
/// The meter's counters at the end of the recorded year, in kWh.
pub const IMPORT: f64 = 4457.0;
pub const EXPORT: f64 = 2713.0;
/// The heat pump's counter at that moment, in kWh.
pub const COUNT: f64 = 1206.0;

/// Puts a recorded journal into `state`: one of `record`, with the CSV up to a moment. It is imported once by the first
/// test that needs it; a lock makes the others wait, also where each test is a process of its own.
fn put_recorded(state: &Path, name: &str, end: i64, record: impl Fn(i64) -> String) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lock = File::create(folder.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let (recorded, cache) = (format!("{name}-{end}.db"), folder.join(name));
    let written_at = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let program = written_at(Path::new(env!("CARGO_BIN_EXE_smartmeter")));
    if written_at(&cache.join(&recorded)).is_none_or(|time| Some(time) < program) {
        let _ = fs::remove_dir_all(&cache);
        fs::create_dir(&cache).unwrap();
        let journal = Journal::new();
        let rows = record(end);
        let output = journal.run("import", &[], &rows, Some(ZONE));
        assert!(output.status.success(), "{}", errors(&output));
        // No import takes such names, but an older journal may have them.
        let database = journal.database();
        for (plain, markup) in [("script", SCRIPT), ("image", IMAGE)] {
            let renamed = database.execute("UPDATE section SET name = ?2 WHERE name = ?1", [plain, markup]);
            assert_eq!(renamed, Ok(usize::from(rows.contains(&format!(",{plain},")))));
        }
        // The last connection writes everything into the file that is copied.
        drop(database);
        let part = cache.join("part");
        fs::copy(journal.path(), &part).unwrap();
        fs::rename(part, cache.join(&recorded)).unwrap();
    }
    fs::create_dir_all(state).unwrap();
    fs::copy(cache.join(&recorded), state.join("journal.db")).unwrap();
}

/// CSV of a year: a row each quarter of an hour in the last week, up to a few minutes ago, and each two hours before.
/// There is sun by day, a heat pump in winter, and two sources that `put_recorded` renames.
fn year(end: i64) -> String {
    let week = end - 8 * 86_400;
    let moments = (end - 365 * 86_400..week).step_by(7200).chain((week..=end).step_by(900));
    let zone = TimeZone::get(ZONE).unwrap();
    let mut random = Random(0x5eed);
    let mut rows = Vec::new();
    let (mut import, mut export, mut count) = (0.0, 0.0, 0.0);
    for moment in moments {
        let time = Timestamp::from_second(moment).unwrap();
        let local = time.to_zoned(zone.clone());
        let season = (f64::from(local.day_of_year()) / 365.0 * std::f64::consts::TAU).cos(); // 1 in January
        let hour = f64::from(local.hour()) + f64::from(local.minute()) / 60.0;
        let cloud = random.below(1000) as f64 / 1000.0;
        let height = ((hour - 6.0) / 12.0 * std::f64::consts::PI).sin().max(0.0);
        let sun = height * (2500.0 - 1800.0 * season) * cloud;
        let pump = if random.below(3) > 0 { 600.0 + 500.0 * season } else { 0.0 };
        let evening = if hour > 17.0 && hour < 22.0 { 300.0 } else { 0.0 };
        let power = 250.0 + evening + pump - sun;
        let hours = if moment < week { 2.0 } else { 0.25 } / 1000.0;
        (import, export) = (import + power.max(0.0) * hours, export + (-power).max(0.0) * hours);
        count += pump * hours;
        rows.push((time, power, pump, import, export, count));
    }
    // The counters end at the round numbers from which the live ones go on.
    let (import, export, count) = (IMPORT - import, EXPORT - export, COUNT - count);
    let mut text = "time,section,name,value,unit,obis\n".to_owned();
    for (time, power, pump, i, e, c) in rows {
        text += &format!(
            "{time},{METER},POWER_IMPORT,{:.6},kWh,1.8.0\n{time},{METER},POWER_EXPORT,{:.6},kWh,2.8.0\n\
             {time},{METER},CURRENT_POWER_SUM,{power:.2},W,16.7.0\n\
             {time},{CONSUMER},count,{:.3},kWh,\n{time},{CONSUMER},power,{pump:.1},W,\n",
            i + import,
            e + export,
            c + count,
        );
        if time.as_second() > end - 86_400 {
            text += &format!(
                "{time},script,{IMAGE},{power:.2},W,16.7.0\n{time},script,<b>1</b>,{i:.3},kWh,1.8.0\n\
                 {time},image,{SCRIPT},{c:.2},<b>K</b>,\n"
            );
        }
    }
    text
}

/// Differences of a household from the usual one.
#[derive(Default)]
pub struct Plan<'a> {
    /// Whether the journal has a recorded year.
    pub year: bool,
    /// Whether it is the house with photovoltaics (see `pv_house`), which has recorded fourteen months.
    pub pv: bool,
    /// CSV that the journal has recorded, in place of the year.
    pub recorded: &'a str,
    /// More keys of `[server]`.
    pub server: &'a str,
    /// More keys of the meter.
    pub meter: &'a str,
    /// More tables of the configuration.
    pub more: &'a str,
}

/// Running program that reads a meter and a counter.
pub struct Household {
    program: Option<Program>,
    pub meter: Pty,
    adapter: Pty,
    claims: [fs::File; 2],
    folder: TempDir,
    pub port: u16,
}

impl Household {
    /// Starts the program and waits for a first reading of both.
    pub fn start(plan: &Plan<'_>) -> Self {
        let household = Self::silent(plan);
        household.send(&reading(458.9));
        if plan.year || plan.pv {
            // The count goes on where the recorded year ends. Its start at 0 must be recorded first.
            household.program().until("/data", "there", |data| data[CONSUMER].is_object());
            let count = format!("{{\"name\": \"set_s0\", \"args\": {{\"value\": {COUNT}}}}}");
            assert_eq!(household.program().post("/cmd", &count).0, 200);
        }
        household.pulses(3);
        household.program().until("/health", "delivering", is_delivering);
        household
    }

    /// Starts the program with a silent meter.
    pub fn silent(plan: &Plan<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (meter, adapter) = (line(), line());
        let state = folder.path().join("state");
        if plan.year {
            put_recorded(&state, "page-year", pv_house::last_quarter(), year);
        }
        let more = if plan.pv { pv_house::sources() } else { String::new() };
        if plan.pv {
            put_recorded(&state, "page-pv", pv_house::end(), pv_house::csv);
        }
        if !plan.recorded.is_empty() {
            let journal = Journal::new();
            let output = journal.run("import", &[], plan.recorded, Some(ZONE));
            assert!(output.status.success(), "{}", errors(&output));
            fs::create_dir_all(&state).unwrap();
            fs::copy(journal.path(), state.join("journal.db")).unwrap();
        }
        let port = test_servers::free_port();
        // On a busy machine a page may take longer than the usual 30 s to show what was sent once.
        let patience = if plan.meter.contains("stale_after") { "" } else { "stale_after = \"1h\"\n" };
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\nstate_dir = \"{}\"\n{}\n{}{patience}{}\n{}{more}{}",
            state.display(),
            plan.server,
            d0(METER, meter.path()),
            plan.meter,
            s0(CONSUMER, adapter.path()),
            plan.more,
        );
        fs::write(folder.path().join("config.toml"), text).unwrap();
        let claim = |line: &Pty| fs::File::options().read(true).write(true).open(line.path()).unwrap();
        let claims = [claim(&meter), claim(&adapter)];
        let mut household = Self { program: None, meter, adapter, claims, folder, port };
        household.start_again();
        household
    }

    pub fn program(&self) -> &Program {
        self.program.as_ref().unwrap()
    }

    /// Ends the program as a power cut would.
    pub fn kill(&mut self) {
        self.program = None;
        // A real line loses its exclusive mode with its reader; the test holds this one open.
        for claim in &self.claims {
            ioctl_tiocnxcl(claim).unwrap();
        }
    }

    /// Starts the program on the same TCP port.
    pub fn start_again(&mut self) {
        let mut command = smartmeter();
        command.env("TZ", ZONE).arg("--config").arg(self.folder.path().join("config.toml"));
        self.program = Some(Program::run(command));
    }

    /// Overwrites the file with the counter's count.
    pub fn damage_count(&self) {
        fs::write(self.folder.path().join(format!("state/{CONSUMER}.count")), "rubbish").unwrap();
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Sends a telegram of the meter.
    pub fn send(&self, text: &str) {
        send(&self.meter, &seven_e_one(text.as_bytes().to_vec()));
    }

    pub fn pulses(&self, count: usize) {
        send(&self.adapter, &vec![0; count]);
    }

    /// Opens the page and waits until it shows the meter's reading.
    pub fn open(&self, language: &str) -> Browser {
        let browser = Browser::open(language);
        self.show(&browser, "");
        browser
    }

    /// Loads one of the views, such as `"#history"`.
    pub fn show(&self, browser: &Browser, view: &str) {
        browser.goto("about:blank");
        browser.goto(&format!("{}{view}", self.url()));
        browser.until("interactive", || interactive(browser));
    }
}

/// Whether all sources deliver; other things may need attention.
fn is_delivering(health: &Json) -> bool {
    health["sources"].as_object().unwrap().values().all(|source| source["state"] == "delivering")
}

pub fn interactive(browser: &Browser) -> bool {
    browser.script("return performance.getEntriesByName('interactive').length > 0;", &[]) == true
}

/// Telegram with this power in watts. The phases have a half, three quarters, and the negative rest.
pub fn reading(power: f64) -> String {
    telegram_of("1EBZ0100000042", power, 0.123_456_78)
}

/// Telegram with this meter number and this import in kWh since the recorded year.
pub fn telegram_of(number: &str, power: f64, drawn: f64) -> String {
    let watts = |power: f64| format!("{}{:09.2}*W", if power < 0.0 { "-" } else { "" }, power.abs());
    format!(
        "/EBZ5DD32R06ETA_107\r\n\r\n1-0:0.0.0*255({number})\r\n1-0:96.1.0*255({number})\r\n\
         1-0:1.8.0*255({:015.8}*kWh)\r\n1-0:2.8.0*255({EXPORT:015.8}*kWh)\r\n1-0:16.7.0*255({})\r\n\
         1-0:36.7.0*255({})\r\n1-0:56.7.0*255({})\r\n1-0:76.7.0*255({})\r\n1-0:96.5.0*255(001C0104)\r\n!\r\n",
        IMPORT + drawn,
        watts(power),
        watts(power * 0.5),
        watts(power * 0.75),
        watts(power * -0.25),
    )
}
