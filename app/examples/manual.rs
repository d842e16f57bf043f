//! Writes the manual pages and the shell completions into a folder, for packages.
//!
//! ```text
//! cargo run --example manual -- FOLDER
//! ```

use std::{env, fs, io, path::PathBuf};

use clap_complete::Shell;

const NAME: &str = "smartmeter";

/// What clap does not know.
const MORE: &str = r#".SH FILES
.TP
\fI/etc/smartmeter/config.toml\fR
The configuration. \fBsmartmeter sample\fR \fIPLUGIN\fR prints a commented section, \fBsmartmeter check\fR names every
mistake.
.TP
\fI/var/lib/smartmeter\fR
Recorded readings, pulse counts, and the queues of publishers. \fIconfig.d\fR in it has what was set on the page: files
that are read after the configuration.
.SH SIGNALS
.TP
\fBSIGHUP\fR
Read the configuration again. One with mistakes changes nothing.
.TP
\fBSIGTERM\fR, \fBSIGINT\fR
End the program: recordings are saved, connections are closed.
.SH EXIT STATUS
0 after a signal, 2 for a mistake on the command line or in the configuration, 1 for any other error.
.SH SEE ALSO
\fIhttp://127.0.0.1:8080/\fR shows the readings. The documents are in \fI/usr/share/doc/smartmeter\fR.
"#;

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("usage: cargo run --example manual -- FOLDER"))?;
    fs::create_dir_all(&folder)?;
    clap_mangen::generate_to(smartmeter::cli::command().disable_help_subcommand(true), &folder)?;
    let page = folder.join(format!("{NAME}.1"));
    let text = fs::read_to_string(&page)?;
    fs::write(page, text + MORE)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut smartmeter::cli::command(), NAME, &folder)?;
    }
    Ok(())
}
