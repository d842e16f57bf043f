//! Programs in Python. Without it, the tests count as ignored.

#![allow(clippy::unwrap_used, reason = "a test without the harness is not seen to be one")]

mod heat_pump;
#[allow(dead_code, reason = "the other executable needs all of it")]
#[path = "../it/support.rs"]
mod support;

fn main() {
    test_servers::trials::run(test_servers::tests!["python3" {
        heat_pump::the_python_example_polls_and_streams,
        heat_pump::the_python_example_says_why_it_failed,
        heat_pump::the_python_example_takes_commands_both_ways,
        heat_pump::a_stream_in_python_needs_no_flush,
    }]);
}
