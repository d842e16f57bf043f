//! See the library: a binary of its own, so that tests link the same plugins.

fn main() -> std::process::ExitCode {
    smartmeter::main()
}
