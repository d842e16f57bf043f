//! Harness for async tests that need programs of this machine.

use std::{future::Future, pin::Pin};

use libtest_mimic::{Arguments, Trial};

use crate::is_installed;

/// Async test.
#[derive(Debug)]
pub struct Test {
    /// Module and function.
    pub name: &'static str,
    /// Program without which the test counts as ignored; empty if it needs none.
    pub program: &'static str,
    /// The test.
    pub run: fn() -> Pin<Box<dyn Future<Output = ()>>>,
}

/// Lists async tests by the program that they need.
///
/// ```text
/// tests!["" { responses::a_test }, "influxd" { servers::another, servers::a_third }]
/// ```
#[macro_export]
macro_rules! tests {
    ($($program:literal { $($module:ident::$name:ident),* $(,)? }),* $(,)?) => {
        &[$($($crate::trials::Test {
            name: concat!(stringify!($module), "::", stringify!($name)),
            program: $program,
            run: || Box::pin($module::$name()),
        },)*)*]
    };
}

/// Runs the tests, each on a runtime of its own, and exits.
pub fn run(tests: &'static [Test]) -> ! {
    let trials = tests.iter().map(|Test { name, program, run }| {
        let body = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.unwrap().block_on(run());
            Ok(())
        };
        let note = if program.is_empty() { String::new() } else { format!(" (needs {program})") };
        let is_missing = !program.is_empty() && !is_installed(program);
        Trial::test(format!("{name}{note}"), body).with_ignored_flag(is_missing)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}
