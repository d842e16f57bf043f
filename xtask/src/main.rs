//! Tasks of developers. It is no part of the product, and depends on nothing, so that it is compiled in a second.
//!
//! ```text
//! cargo xtask new-plugin source|publisher|endpoint NAME
//! ```

mod new_plugin;
mod workspace;

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
};

use crate::new_plugin::{NewPlugin, Role};

const USAGE: &str = "usage: cargo xtask new-plugin source|publisher|endpoint NAME\n\n\
                     Writes plugins/NAME, which compiles, is linked, documented and tested.\n";

fn main() -> ExitCode {
    let args: Vec<_> = env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["new-plugin", role, name] => new_plugin(role, name),
        [] | ["help" | "--help" | "-h"] => Ok(USAGE.to_owned()),
        _ => Err(USAGE.to_owned()),
    };
    // Nothing helps if nobody reads the answer.
    let _ = match &done {
        Ok(text) => io::stdout().write_all(text.as_bytes()),
        Err(text) => io::stderr().write_all(text.as_bytes()),
    };
    ExitCode::from(if done.is_ok() { 0 } else { 2 })
}

fn new_plugin(role: &str, name: &str) -> Result<String, String> {
    let role = Role::parse(role).ok_or_else(|| {
        format!(
            "error: `{role}` is not a kind of plugin: expected `source`, `publisher` or `endpoint`\n\n{USAGE}"
        )
    })?;
    let root = workspace::root()?;
    let plugin = NewPlugin::new(&root, role, name)?;
    plugin.write()?;
    Ok(plugin.next_steps())
}
