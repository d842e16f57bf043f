//! Configurations: right ones are read, every mistake of wrong ones is reported.

mod diagnostics;
mod drop_ins;
mod endpoints;
mod file;
mod journal;
mod paths;
mod publishers;
mod registers;
mod server;
mod sources;
mod tariffs;
mod types;

use framework::Config;

pub(crate) fn parse(text: &str) -> Result<Config, String> {
    Config::parse("config.toml", text, &[]).map_err(|mistakes| mistakes.to_string())
}

pub(crate) fn mistakes(text: &str) -> String {
    match parse(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(mistakes) => mistakes,
    }
}
