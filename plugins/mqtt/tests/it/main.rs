//! Tests with a real Mosquitto. Without one installed they count as ignored.

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

use test_servers::{tests, trials};

fn main() {
    log::begin();
    trials::run(tests![
        "mosquitto" {
            delivery::every_record_arrives_once_and_in_order,
            delivery::a_test_of_the_connection_logs_in_and_disturbs_nobody,
            delivery::the_newest_state_is_retained,
            delivery::a_state_does_not_go_back_after_a_kill,
            delivery::a_state_does_not_go_back_if_the_broker_forgets,
            delivery::after_a_week_the_newest_state_comes_first_and_older_records_go_to_the_history,
            delivery::the_newest_record_of_a_silent_source_becomes_its_state_after_a_restart,
            delivery::late_records_go_to_the_history,
            delivery::late_records_may_be_skipped_or_go_to_the_state,
            delivery::a_register_with_a_time_of_its_own_joins_the_state,
            delivery::averages_of_the_past_leave_registers_and_texts_in_the_state,
            delivery::the_last_will_is_sent_for_a_killed_program,
            delivery::a_program_that_ends_is_offline,
            delivery::a_broker_may_start_later,
            delivery::nothing_is_lost_while_the_broker_is_restarted,
            delivery::a_frozen_broker_is_given_up,
            delivery::retries_back_off_if_the_broker_closes_at_once,
            delivery::a_silent_source_is_offline,
            delivery::a_source_without_a_batch_is_offline,
            delivery::a_source_of_texts_has_a_state,
            delivery::a_source_that_is_gone_is_offline,
            certificates::a_wrong_password_is_reported,
            certificates::tls_trusts_the_configured_authority,
            certificates::a_certificate_of_an_authority_is_explained,
            certificates::a_client_presents_its_certificate,
            discovery::a_source_is_announced_and_again_when_home_assistant_starts,
            discovery::the_other_form_is_handed_over,
            discovery::nothing_is_announced_if_discovery_is_off,
            commands::a_button_runs_its_command,
            commands::every_kind_of_value_is_entered_and_checked,
            commands::a_source_that_has_commands_only_is_announced,
            commands::commands_are_run_in_order,
            commands::a_retained_command_is_ignored,
            commands::commands_are_ignored_unless_allowed,
            commands::only_selected_sources_take_commands,
            selection::unselected_readings_appear_nowhere,
            faults::a_forgotten_state_is_sent_again,
            faults::a_message_beyond_the_limit_does_not_stop_the_delivery,
            faults::a_broker_that_is_restarted_is_not_taken_for_another_client,
            faults::two_clients_with_one_id_are_reported_once,
        },
    ])
}
