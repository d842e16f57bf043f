//! One meaning for every consumer: each spelling of a unit, with each kind, through all of them at once.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use framework::{
    AcquireError, Batch, Config, DataAcquisition, Decimal, Kind, Obis, Quantity, Reading, SPELLINGS, Service,
    Unit, async_trait, has_mean,
};
use plugin_thermal as _;
use plugin_vzlogger as _;
use serde_json::Value as Json;
use telegram::{Guard, Register, Telegram};

/// Further spellings of real devices: capitals and blanks that no table needs to list.
const CAPITALS: &[(&str, Unit)] = &[
    ("kwh", Unit::KilowattHour),
    ("KWH", Unit::KilowattHour),
    ("kWh ", Unit::KilowattHour),
    (" kWh", Unit::KilowattHour),
    ("WH", Unit::WattHour),
    ("MWH", Unit::MegawattHour),
    ("gj", Unit::Gigajoule),
    ("KJ", Unit::Kilojoule),
    ("kVarh", Unit::KilovarHour),
    ("KVARH", Unit::KilovarHour),
    ("MVArh", Unit::MegavarHour),
    ("MVAH", Unit::MegavoltAmpereHour),
    ("Kw", Unit::Kilowatt),
    ("VAR", Unit::Var),
    ("KVA", Unit::KilovoltAmpere),
    ("HZ", Unit::Hertz),
    ("m3 ", Unit::CubicMetre),
    ("L/h", Unit::LitrePerHour),
];

/// The number of all readings.
const NUMBER: f64 = 12.5;

/// A reading's form: whether the source states the kind, or an OBIS code tells it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Plain,
    Stated(Kind),
    /// Value group D, and F.
    Register(Processing),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Processing {
    Total,
    Net,
    NetOfPhase,
    Now,
    Maximum,
    Past,
}

const FORMS: &[Form] = &[
    Form::Plain,
    Form::Stated(Kind::Counter),
    Form::Stated(Kind::Net),
    Form::Stated(Kind::Gauge),
    Form::Stated(Kind::State),
    Form::Register(Processing::Total),
    Form::Register(Processing::Net),
    Form::Register(Processing::NetOfPhase),
    Form::Register(Processing::Now),
    Form::Register(Processing::Maximum),
    Form::Register(Processing::Past),
];

/// Returns the code of a register for this unit; `None` if meters have no such register.
fn code(processing: Processing, quantity: Quantity) -> Option<String> {
    use Processing::{Maximum, Net, NetOfPhase, Now, Past, Total};
    let (c, net, phase) = match quantity {
        Quantity::Energy | Quantity::Power => (1, 16, 56),
        Quantity::ReactiveEnergy | Quantity::ReactivePower => (3, 131, 151),
        Quantity::ApparentEnergy | Quantity::ApparentPower => (9, 0, 0),
        Quantity::Current => (31, 0, 0),
        Quantity::Voltage => (32, 0, 0),
        Quantity::Frequency => (14, 0, 0),
        _ => return None,
    };
    match (processing, quantity.is_additive()) {
        (Total, true) => Some(format!("1-0:{c}.8.0*255")),
        (Net, true) if net > 0 => Some(format!("{net}.8.0")),
        (NetOfPhase, true) if net > 0 => Some(format!("1-0:{phase}.8.0")),
        (Past, true) => Some(format!("{c}.8.0*03")),
        (Now, false) => Some(format!("{c}.7.0")),
        (Maximum, false) => Some(format!("1-0:{c}.6.0*255")),
        _ => None,
    }
}

/// Returns the kind that each consumer must see, written down once more and independently of the table.
fn kind(form: Form, quantity: Quantity) -> Kind {
    match form {
        Form::Stated(kind) => kind,
        Form::Plain if matches!(quantity, Quantity::Duration | Quantity::Money) => Kind::State,
        Form::Plain if quantity.is_additive() => Kind::Counter,
        Form::Plain => Kind::Gauge,
        Form::Register(Processing::Total) => Kind::Counter,
        Form::Register(Processing::Net | Processing::NetOfPhase) => Kind::Net,
        Form::Register(Processing::Now) => Kind::Gauge,
        Form::Register(Processing::Maximum) => Kind::Maximum,
        Form::Register(Processing::Past) => Kind::State,
    }
}

fn reading(name: String, form: Form, text: &str, quantity: Quantity) -> Option<Reading> {
    let number = Decimal::new(125, 1).unwrap();
    let reading = match form {
        Form::Stated(Kind::Counter) => Reading::counter(name, number),
        Form::Stated(Kind::Net) => Reading::net(name, number),
        Form::Stated(Kind::Gauge) => Reading::gauge(name, number),
        Form::Stated(kind) => Reading { kind: Some(kind), ..Reading::number(name, number) },
        Form::Plain => Reading::number(name, number),
        Form::Register(processing) => {
            Reading::number(name, number).obis(Obis::parse(code(processing, quantity)?.as_bytes()).unwrap())
        }
    };
    Some(reading.unit(text))
}

/// All readings of a form: spelling, unit, reading.
fn readings(form: Form) -> Vec<(&'static str, Unit, Reading)> {
    let spellings = SPELLINGS.iter().chain(CAPITALS).enumerate();
    let of = |(i, &(text, unit)): (usize, &(&'static str, Unit))| {
        Some((text, unit, reading(format!("R{i}"), form, text, unit.quantity())?))
    };
    spellings.filter_map(of).collect()
}

/// A source that delivers the same batch again and again.
struct Fixed(Vec<Reading>);

#[async_trait]
impl DataAcquisition for Fixed {
    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        Ok(Some(Batch::now(self.0.clone())))
    }
}

/// A running service with a source for each form.
struct Household {
    url: String,
    vzlogger: String,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    served: Option<thread::JoinHandle<()>>,
}

impl Household {
    fn start(folder: &Path) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (listener, second) = (free(), free());
        let (url, vzlogger) = (listener.local_addr().unwrap(), second.local_addr().unwrap());
        drop(second);
        let sources =
            (0..FORMS.len()).map(|i| format!("[sources.form{i}]\nplugin = \"thermal\"\ninterval = \"1h\"\n"));
        let text = format!(
            "[server]\nstate_dir = \"{}\"\n[endpoints.vzlogger]\nplugin = \"vzlogger\"\nlisten = \"{vzlogger}\"\n{}",
            folder.display(),
            sources.collect::<String>(),
        );
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (tell, told) = mpsc::channel();
        let served = thread::spawn(move || {
            let mut config =
                Config::parse("config.toml", &text, &[]).map_err(|e| e.to_string()).expect("a config");
            for (source, form) in config.sources.iter_mut().zip(FORMS) {
                let readings = readings(*form).into_iter().map(|(_, _, reading)| reading);
                source.acquisition = Box::new(Fixed(readings.collect()));
            }
            tell.send(()).unwrap();
            Service::new(config).listen(listener).run(async move { drop(stopped.await) }).unwrap();
        });
        told.recv().unwrap();
        let (url, vzlogger) = (format!("http://{url}"), format!("http://{vzlogger}"));
        Self { url, vzlogger, stop: Some(stop), served: Some(served) }
    }

    fn get(&self, url: &str) -> (u16, String) {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut answer = agent.get(url).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    fn json(&self, url: &str) -> Json {
        serde_json::from_str(&self.get(url).1).unwrap()
    }
}

impl Drop for Household {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.served.take().map(thread::JoinHandle::join);
    }
}

/// A telegram with one register.
struct Sent<'a>(&'a Reading, Decimal);

impl Telegram for Sent<'_> {
    fn ident(&self) -> Option<&str> {
        None
    }
    fn registers(&self) -> impl ExactSizeIterator<Item = Register<'_>> {
        let mut register = Register::new("R", self.0.obis);
        (register.unit, register.number) = (self.0.unit.as_deref(), Some(self.1));
        [register].into_iter()
    }
    fn offset(&self) -> u64 {
        0
    }
    fn len(&self) -> usize {
        1
    }
    fn variant(&self) -> &'static str {
        "test"
    }
    fn is_checksummed(&self) -> bool {
        true
    }
}

/// Returns whether the guard holds a fall back.
fn is_guarded(reading: &Reading) -> bool {
    let mut guard = Guard::default();
    let number = |mantissa| Decimal::new(mantissa, 1).unwrap();
    let mut judge = |mantissa, seconds| {
        guard
            .judge(&Sent(reading, number(mantissa)), Duration::from_secs(seconds))
            .is_ok_and(|held| held.is_empty())
    };
    assert!(judge(125, 1));
    !judge(124, 2)
}

/// Returns the family of `/metrics` for a live number with a unit, and whether it is in it.
fn family(quantity: Quantity, kind: Kind) -> &'static str {
    match (quantity, kind) {
        (Quantity::Energy, Kind::Counter) => "meter_energy_joules_total",
        (Quantity::Energy, Kind::Net) => "meter_net_energy_joules",
        (Quantity::ReactiveEnergy, Kind::Counter) => "meter_reactive_energy_var_seconds_total",
        (Quantity::ApparentEnergy, Kind::Counter) => "meter_apparent_energy_volt_ampere_seconds_total",
        (Quantity::Volume, Kind::Counter) => "meter_volume_cubic_meters_total",
        (Quantity::Power, Kind::Gauge) => "meter_power_watts",
        (Quantity::ReactivePower, Kind::Gauge) => "meter_reactive_power_vars",
        (Quantity::ApparentPower, Kind::Gauge) => "meter_apparent_power_volt_amperes",
        (Quantity::Voltage, Kind::Gauge) => "meter_voltage_volts",
        (Quantity::Current, Kind::Gauge) => "meter_current_amperes",
        (Quantity::Frequency, Kind::Gauge) => "meter_frequency_hertz",
        (Quantity::Temperature, Kind::Gauge) => "meter_temperature_celsius",
        _ => "meter_reading",
    }
}

/// Returns the samples of `/metrics`: family and value by source and reading.
fn samples(text: &str) -> BTreeMap<(String, String), (String, f64)> {
    let mut all = BTreeMap::new();
    for line in text.lines() {
        let label = |name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(text, _)| text.to_owned())
        };
        let (Some(source), Some(reading)) = (label("meter"), label("reading")) else { continue };
        let value = line.rsplit(' ').next().unwrap().parse().unwrap();
        all.insert((source, reading), (line.split('{').next().unwrap().to_owned(), value));
    }
    all
}

fn about(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs()
}

#[test]
fn every_consumer_sees_the_same_in_every_spelling_and_kind() {
    let folder = tempfile::tempdir().unwrap();
    let household = Household::start(folder.path());
    let expected: usize = FORMS.iter().map(|form| readings(*form).len()).sum();
    let listed = || household.json(&format!("{}/series", household.url));
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut series = listed();
    while series["series"].as_array().map_or(0, Vec::len) < expected {
        assert!(Instant::now() < deadline, "not all series were recorded: {series}");
        thread::yield_now();
        series = listed();
    }
    let recorded: BTreeMap<_, _> = series["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|series| ((series["section"].to_string(), series["name"].to_string()), series))
        .collect();
    let described = household.json(&format!("{}/readings", household.url));
    let samples = samples(&household.get(&format!("{}/metrics", household.url)).1);
    let channels = household.json(&household.vzlogger);
    let channels: BTreeMap<_, _> = channels["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|channel| (channel["name"].as_str().unwrap(), channel["tuples"][0][1].as_f64().unwrap()))
        .collect();

    for (i, &form) in FORMS.iter().enumerate() {
        let source = format!("form{i}");
        for (text, unit, reading) in readings(form) {
            let (quantity, factor) = (unit.quantity(), unit.factor().to_f64());
            let kind = kind(form, quantity);
            // What a source calls a state or an extreme of a measured quantity is a limit, or of the past.
            let is_measured = !matches!(quantity, Quantity::Duration | Quantity::Money);
            let live = match form {
                Form::Register(Processing::Maximum | Processing::Past) => false,
                Form::Stated(Kind::State | Kind::Maximum) => !is_measured,
                _ => true,
            };
            let what = format!("{form:?} `{text}`");
            let name = reading.name.to_string();
            let counts = matches!(kind, Kind::Counter | Kind::Net);

            // The page, and every other client of /readings.
            let meaning = &described[&source][&name];
            assert_eq!(meaning["kind"], kind.as_str(), "/readings: {what}");
            assert_eq!(meaning["quantity"], quantity.as_str(), "/readings: {what}");
            assert_eq!(meaning["unit"], unit.symbol(), "/readings: {what}");
            assert_eq!(meaning["factor"].as_f64(), Some(factor), "/readings: {what}");
            assert_eq!(meaning["live"], live, "/readings: {what}");

            // The journal, with the kind that it stored.
            let series = recorded[&(format!("\"{source}\""), format!("\"{name}\""))];
            assert_eq!(series["unit"], *text, "the device's own text: {what}");
            // What is known of the source stands beside the meaning there.
            let mut alone = meaning.clone();
            for member in ["source_role", "role_guessed"] {
                assert_eq!(
                    alone.as_object_mut().unwrap().remove(member),
                    series.get(member).cloned(),
                    "{what}"
                );
            }
            assert_eq!(series["meaning"], alone, "/series: {what}");
            assert_eq!(series["counter"], counts, "/series: {what}");
            let (status, answer) =
                household.get(&format!("{}/history/{source}/{name}?per=hour", household.url));
            assert_eq!(status, if counts { 200 } else { 400 }, "consumption: {what}: {answer}");

            // A publisher's interval.
            let mean = kind == Kind::Gauge && quantity != Quantity::Angle;
            assert_eq!(has_mean(&reading), mean, "mean: {what}");

            // The guard of telegrams, which knows registers only.
            if matches!(form, Form::Register(_)) {
                assert_eq!(is_guarded(&reading), kind == Kind::Counter, "guard: {what}");
            }

            // Prometheus.
            let (found, value) = &samples[&(source.clone(), name.clone())];
            let wanted = if live { family(quantity, kind) } else { "meter_reading" };
            let scale = if wanted == "meter_reading" { 1.0 } else { factor };
            assert_eq!(found, wanted, "/metrics: {what}");
            assert!(about(*value, NUMBER * scale), "/metrics: {what}: {value}");

            // Home Assistant.
            let class = plugin_mqtt::class(&reading);
            let state = match kind {
                _ if quantity == Quantity::Money => Some("total"),
                Kind::Counter => Some("total_increasing"),
                Kind::Net => Some("total"),
                Kind::Gauge | Kind::Maximum => Some("measurement"),
                Kind::State => None,
            };
            assert_eq!(class.state, state, "Home Assistant: {what}");
            assert!(
                class.unit.is_some_and(|shown| Unit::parse(&shown).is_some() && shown.trim() == shown),
                "{what}"
            );

            // vzlogger: Wh and W where that is a decimal factor.
            let base = match quantity {
                Quantity::Energy => Unit::WattHour,
                Quantity::ReactiveEnergy => Unit::VarHour,
                Quantity::ApparentEnergy => Unit::VoltAmpereHour,
                Quantity::Power => Unit::Watt,
                Quantity::ReactivePower => Unit::Var,
                Quantity::ApparentPower => Unit::VoltAmpere,
                _ => unit,
            };
            let scale = factor / base.factor().to_f64();
            // Joules in watt hours have six decimals.
            let shown = channels[&*format!("{source}/{name}")];
            let is_right = about(shown, NUMBER * scale) || (shown - NUMBER * scale).abs() < 1e-6;
            assert!(is_right, "vzlogger: {what}: {shown}");

            // The original program's fields in InfluxDB.
            let field = match (form, quantity) {
                (Form::Register(Processing::Total), Quantity::Energy) => Some(("total_import", 3.6e6)),
                (Form::Plain | Form::Stated(Kind::Counter), Quantity::Energy) => Some(("heatpump", 3.6e6)),
                _ => None,
            };
            let field = field.filter(|_| !unit.symbol().ends_with('J'));
            let written = plugin_influx::original(&reading, Decimal::new(125, 1).unwrap());
            assert_eq!(written.map(|(name, _)| name), field.map(|(name, _)| name), "InfluxDB: {what}");
            if let (Some((_, value)), Some((_, base))) = (written, field) {
                assert!(about(value.to_f64(), NUMBER * factor / base), "InfluxDB: {what}: {value}");
            }
        }
    }
}

#[test]
fn a_unit_that_is_not_known_is_a_gauge_with_its_own_text() {
    for code in ["", "1.8.0", "16.7.0"] {
        let mut reading = Reading::number("R", 5).unit("bananas");
        reading.obis = Obis::parse(code.as_bytes());
        let meaning = reading.meaning();
        assert_eq!((meaning.kind, meaning.quantity, meaning.unit), (Kind::Gauge, Quantity::Other, None));
        assert!(has_mean(&reading));
        assert!(code.is_empty() || !is_guarded(&reading));
        let class = plugin_mqtt::class(&reading);
        assert_eq!((class.device, class.unit.as_deref()), (None, Some("bananas")));
        assert_eq!(plugin_influx::original(&reading, 5.into()), None);
    }
}
