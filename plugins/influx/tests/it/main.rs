//! Tests with servers. Those that need a program that is not installed count as ignored.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test without the harness is not seen to be one")]

mod responses;
mod servers;
mod support;

use test_servers::{tests, trials};

fn main() {
    trials::run(tests![
        "" {
            responses::each_version_has_its_own_requests,
            responses::the_response_decides_the_error,
            responses::a_test_of_the_connection_understands_what_versions_2_and_3_answer,
            responses::readings_too_old_for_version_2_are_dropped,
            responses::a_busy_server_gets_its_pause,
            responses::a_server_that_closes_the_connection_is_unavailable,
        },
        "influxd" {
            servers::a_test_of_the_connection_checks_login_and_database_and_writes_nothing,
            servers::repeated_readings_are_stored_once,
            servers::names_survive_the_round_trip,
            servers::the_preset_writes_the_fields_of_the_original,
            servers::a_missing_database_is_reported,
            servers::only_authorized_users_write,
            servers::a_partial_write_stores_the_other_records,
            servers::readings_that_are_too_old_are_dropped,
        },
        "victoria-metrics" {
            servers::victoria_metrics_accepts_both_interfaces,
        },
    ])
}
