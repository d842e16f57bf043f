//! Thin binary: the code is in the library, so tests link the same plugins.

fn main() -> std::process::ExitCode {
    smartmeter::main()
}
