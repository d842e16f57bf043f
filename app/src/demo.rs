//! `--demo`: the whole program on a simulated household.

use std::path::PathBuf;

use framework::Config;

use crate::{config_file::ConfigFile, failure::Failure, run};

/// Line in the log about devices that are not real.
const SIMULATED: &str = "DEMO: the household is simulated, nothing here is measured (a meter that pushes a telegram a \
                         second, and a heat pump's pulses)";

/// Starts the simulated household, and reads it like a real one.
pub(crate) fn run(options: &ConfigFile) -> Result<(), Failure> {
    let household = simulator::Demo::start()
        .map_err(|error| Failure::fault(format!("could not start the simulated household: {error}\n")))?;
    let state = StateDir(std::env::temp_dir().join(format!("smartmeter-demo-{}", std::process::id())));
    let text = format!(
        "[server]\nstate_dir = \"{}\"\n\
         [sources.smartmeter_d0]\nplugin = \"d0\"\nport = \"{}\"\n\
         [sources.smartmeter_s0]\nplugin = \"s0\"\nport = \"{}\"\n",
        state.0.display(),
        household.meter_port().display(),
        household.pulse_port().display(),
    );
    let config = Config::parse("demo", &text, &options.settings(&[&text]))?;
    run::run(config, None, Some(SIMULATED))
}

/// Folder for the state of a simulated household, removed at the end.
struct StateDir(PathBuf);

impl Drop for StateDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
