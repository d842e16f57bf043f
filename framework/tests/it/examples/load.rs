//! Load of this machine: the shortest source that is polled.
use framework::{AcquireError, Batch, ConfigError, Decimal, NoConfig, Reading, Source, SourceContext};
struct Load;
impl framework::SourcePlugin for Load {
    const KIND: &'static str = "load";
    const ABOUT: &'static str = "load of this machine";
    const SAMPLE: &'static str = "[sources.machine]\nplugin = \"load\"\n";
    type Config = NoConfig;
    fn build(_: NoConfig, _: &SourceContext) -> Result<Source, ConfigError> {
        Ok(Source::blocking(|| {
            let text = std::fs::read_to_string("/proc/loadavg")?;
            let load = Decimal::parse(text.split(' ').next().unwrap_or_default().as_bytes());
            let load = load.ok_or_else(|| AcquireError::malformed("/proc/loadavg begins with no number"))?;
            Ok(Some(Batch::now(vec![Reading::gauge("load", load)])))
        }))
    }
}
framework::register_source!(Load);
