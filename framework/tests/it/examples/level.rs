//! A number in a file: a source that is polled, with a key and a command.

use std::{fs, path::PathBuf, time::Duration};

use framework::{
    AcquireError, Arg, Batch, CommandError, CommandSpec, ConfigError, Decimal, Mode, Reading, Source,
    SourceContext, SourcePlugin,
};

struct Level;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    path: PathBuf,
}

impl SourcePlugin for Level {
    const KIND: &'static str = "level";
    const ABOUT: &'static str = "a number in a file";
    const SAMPLE: &'static str = "[sources.tank]\nplugin = \"level\"\npath = \"/run/level\"\n";
    type Config = Config;

    fn mode(_: &Config) -> Mode {
        Mode::Poll(Duration::from_secs(60))
    }

    fn build(Config { path }: Config, _: &SourceContext) -> Result<Source, ConfigError> {
        let file = path.clone();
        let set = CommandSpec::new("set_level", "sets the level")
            .arg(Arg::number("value", "the level").unit("L").min(0))
            .run(async move |args| {
                fs::write(&file, args.number("value")?.to_string())
                    .map_err(|error| CommandError::Failed(error.to_string()))
            });
        let source = Source::blocking(move || {
            let level = Decimal::parse(fs::read_to_string(&path)?.trim().as_bytes());
            let level = level.ok_or_else(|| AcquireError::malformed("it is not a number"))?;
            Ok(Some(Batch::now(vec![Reading::gauge("level", level).unit("L")])))
        });
        Ok(source.command(set))
    }
}

framework::register_source!(Level);
