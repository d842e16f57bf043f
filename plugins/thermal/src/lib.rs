//! Temperatures of this machine, from the kernel's thermal zones.
//!
//! Each folder `/sys/class/thermal/thermal_zone<N>` has a file `type`, the zone's name, and a file
//! `temp`, its temperature in thousandths of a degree Celsius (Linux: Documentation/ABI/testing/sysfs-class-thermal).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use framework::{
    AcquireError, Batch, ConfigError, Decimal, FaultCode, Reading, Source, SourceContext, SourcePlugin,
};
use serde::Deserialize;

/// The plugin.
pub struct Thermal;

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder with the zones.
    #[serde(default = "zones")]
    path: PathBuf,
}

fn zones() -> PathBuf {
    "/sys/class/thermal".into()
}

impl SourcePlugin for Thermal {
    const KIND: &'static str = "thermal";
    const ABOUT: &'static str = "temperatures of this machine, in degrees Celsius";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn build(Config { path }: Config, cx: &SourceContext) -> Result<Source, ConfigError> {
        let missing = (!path.is_dir()).then(|| format!("there is no folder `{}`", path.display()));
        cx.set_problem(missing.as_deref().map(|missing| (FaultCode::DeviceMissing, missing)));
        let cx = cx.clone();
        Ok(Source::blocking(move || match read(&path) {
            Ok(readings) if readings.is_empty() => Err(AcquireError::misconfigured(format!(
                "no thermal zone in `{}` has a temperature: remove this source, or write another `path`",
                path.display()
            ))),
            Ok(readings) => {
                cx.set_problem(None);
                Ok(Some(Batch::now(readings)))
            }
            Err(error) => Err(AcquireError::from(error).of_device(path.to_string_lossy())),
        }))
    }
}

framework::register_source!(Thermal);

/// One reading a zone, named by its number and type: `zone0_cpu_thermal`.
fn read(folder: &Path) -> io::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    for entry in fs::read_dir(folder)? {
        let zone = entry?.path();
        let name = zone.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(number) = name.strip_prefix("thermal_zone") else { continue }; // a cooling device
        // A sensor that is switched off has no temperature; the other zones do.
        let text = fs::read_to_string(zone.join("temp")).unwrap_or_default();
        let Some(celsius) = text.trim().parse().ok().and_then(|thousandths| Decimal::new(thousandths, 3))
        else {
            continue;
        };
        let kind = fs::read_to_string(zone.join("type"))?.trim().replace('-', "_");
        readings.push(Reading::gauge(format!("zone{number}_{kind}"), celsius).unit("°C"));
    }
    readings.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(readings)
}
