//! The plugin against a real Mosquitto. Where that is not installed, each trial counts as ignored.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test without the harness is not seen to be one")]

mod certificates;
mod commands;
mod delivery;
mod discovery;
mod faults;
mod log;
mod mosquitto;
mod selection;
mod support;
mod watcher;

use std::{future::Future, pin::Pin};

use libtest_mimic::{Arguments, Trial};

type Test = (&'static str, fn() -> Pin<Box<dyn Future<Output = ()>>>);

/// Name and function of each test.
macro_rules! tests {
    ($($module:ident::$name:ident),* $(,)?) => {
        &[$((concat!(stringify!($module), "::", stringify!($name)), || Box::pin($module::$name()))),*]
    };
}

const TESTS: &[Test] = tests![
    delivery::every_record_arrives_once_and_in_order,
    delivery::the_newest_state_is_kept,
    delivery::late_records_are_not_taken_for_current_ones,
    delivery::late_records_go_where_the_user_wants,
    delivery::a_register_with_a_time_of_its_own_joins_the_state,
    delivery::the_will_speaks_for_a_program_that_was_killed,
    delivery::a_program_that_ends_says_so,
    delivery::a_broker_that_is_away_at_the_start_is_found_later,
    delivery::nothing_is_lost_while_the_broker_is_restarted,
    delivery::a_broker_that_is_frozen_is_given_up,
    delivery::a_broker_that_closes_at_once_is_not_pestered,
    delivery::a_silent_source_is_offline,
    delivery::a_source_that_never_gave_anything_is_offline,
    certificates::a_wrong_password_is_said_clearly,
    certificates::tls_with_an_authority_of_ones_own,
    certificates::a_certificate_that_is_an_authority_s_is_told_apart,
    certificates::a_client_shows_its_certificate,
    discovery::a_section_is_announced_and_again_when_home_assistant_starts,
    discovery::the_other_form_is_handed_over,
    discovery::nothing_is_announced_where_it_is_off,
    commands::a_button_runs_its_command,
    commands::commands_are_run_in_order,
    commands::a_command_that_the_broker_kept_is_ignored,
    commands::nothing_runs_where_commands_are_not_allowed,
    commands::only_selected_sources_take_commands,
    selection::what_is_not_selected_is_said_nowhere,
    faults::a_broker_that_forgot_the_state_is_told_again,
    faults::a_message_that_is_too_long_does_not_stop_the_delivery,
    faults::two_clients_of_one_name_are_told_once,
];

fn main() {
    log::begin();
    let installed = test_servers::is_installed("mosquitto");
    let note = if installed { "" } else { " (needs mosquitto)" };
    let trials = TESTS.iter().map(|(name, test)| {
        let run = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.unwrap().block_on(test());
            Ok(())
        };
        Trial::test(format!("{name}{note}"), run).with_ignored_flag(!installed)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}
