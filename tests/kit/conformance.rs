//! The suite that every backend passes, unchanged: local processes, containers, pods.
//!
//! A case is a function of a [`TestBackend`]; [`conformance!`](crate::conformance!) makes each of them a test of its own over
//! one backend, so that they run in parallel and fail by name:
//!
//! ```ignore
//! parallax_testkit::conformance!(parallax_testkit::local::LocalBackend);
//! parallax_testkit::conformance!(parallax_testkit::docker::DockerBackend, #[ignore = "needs an engine"]);
//! ```
//!
//! Each case gets a backend of its own and leaves nothing in it: [`run`] stops every agent, ends the server, and looks for
//! what is left. The agent is the fake one, whose prompts say what happens (`do ask && say done`).

pub mod attention;
pub mod chaos;
pub mod crowd;
pub mod events;
pub mod files;
pub mod lifecycle;
pub mod refusals;
pub mod survival;
pub mod talk;
pub mod terminal;

use std::time::Duration;

use parallax_api::agent::StopRequest;
use parallax_api::client::ListFilter;

use crate::backend::TestBackend;
use crate::wait::until;

/// Runs one case over a new backend, and leaves nothing.
pub async fn run<P: TestBackend>(case: impl AsyncFnOnce(&P)) {
    let backend = P::start().await;
    case(&backend).await;
    let user = backend.user();
    let agents = user.client.list_all(&ListFilter::default()).await.expect("the server lists its agents");
    for agent in agents {
        let stop = StopRequest { force: true, ..StopRequest::default() };
        user.client
            .stop(&agent.id, &stop)
            .await
            .unwrap_or_else(|problem| panic!("{}: {problem:?}", agent.id));
    }
    nothing_is_left(&backend).await;
    backend.end_server().await;
}

/// Waits until the agents that were stopped have left nothing.
pub async fn nothing_is_left(backend: &impl TestBackend) {
    until("everything that agents left behind to be gone", Duration::from_secs(15), async || {
        let left = backend.leftovers().await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

/// Makes every case of the suite a test over this [`TestBackend`], named by its whole path.
#[macro_export]
macro_rules! conformance {
    ($backend:ty $(, #[$meta:meta])?) => {
        $crate::conformance!($backend, [$($meta)?], lifecycle {
            starts_and_stops, stopping_twice_is_no_error, force_stops, insists_after_the_grace,
            ends_by_itself, is_killed, is_left_by_a_person, a_failed_start_is_told,
            a_restart_keeps_the_conversation, a_restart_can_forget, stops_when_idle, stops_when_old,
            takes_its_children_with_it, a_child_with_the_terminal_delays_nothing, holds_its_own_terminal_only,
            gets_its_environment_and_no_other,
        });
        $crate::conformance!($backend, [$($meta)?], talk {
            answers, fifty_messages, waits_while_starting, queues_while_busy, rejects_while_busy,
            interrupts_when_told, is_interrupted, a_late_answer_is_not_lost, a_retried_message_is_one,
            a_retried_spawn_is_one, a_swallowed_enter_is_repeated, a_prompt_is_the_first_message,
            answers_without_reports, a_failed_turn_is_told, a_crash_fails_the_message, a_full_queue_refuses,
            what_is_printed_changes_nothing, messages_go_on_from_one, images_come_before_the_text,
        });
        $crate::conformance!($backend, [$($meta)?], attention {
            permission_is_asked_and_given, permission_is_refused, a_choice_takes_an_option,
            a_choice_takes_text, a_dialog_at_the_start, a_login_with_its_whole_url,
            credentials_need_no_login, what_is_approved_is_not_asked, a_question_comes_before_messages,
            what_was_not_asked_is_not_answered, an_answer_names_its_question, a_stalled_agent_needs_a_person,
        });
        $crate::conformance!($backend, [$($meta)?], terminal {
            the_five_lines, a_late_viewer_sees_the_same, a_viewer_only_watches, resumes_by_offset,
            the_size_is_held_and_comes_back, queries_are_answered_once, a_slow_viewer_slows_nobody, an_unknown_agent_is_closed,
            everything_comes_before_the_end, logs_in_every_format,
        });
        $crate::conformance!($backend, [$($meta)?], events {
            in_order_and_once, only_those_asked_for, resumes_by_id, an_unknown_id_is_told, both_transports_agree,
        });
        $crate::conformance!($backend, [$($meta)?], files {
            a_file_goes_in_and_comes_out, a_directory_goes_in_and_comes_out,
        });
        $crate::conformance!($backend, [$($meta)?], survival {
            the_server_is_killed_in_mid_answer, an_answer_without_a_server_is_kept, every_byte_across_a_kill,
            an_agent_dies_without_a_server, many_are_adopted, the_server_ends_and_agents_go_on,
        });
        $crate::conformance!($backend, [$($meta)?], refusals {
            unknown_agents, unknown_fields, broken_json, huge_bodies, foreign_names_and_pages, unknown_types,
            too_many_agents, bad_fields,
        });
        $crate::conformance!($backend, [$($meta)?], chaos {
            killed_again_and_again,
        });
        $crate::conformance!($backend, [$($meta)?], crowd {
            hundred_agents_twice,
        });
    };
    ($backend:ty, [], $group:ident { $($case:ident),+ $(,)? }) => {
        mod $group {
            $(
                $crate::conformance!(@test $backend, $group, $case, );
            )+
        }
    };
    ($backend:ty, [$meta:meta], $group:ident { $($case:ident),+ $(,)? }) => {
        mod $group {
            $(
                $crate::conformance!(@test $backend, $group, $case, #[$meta]);
            )+
        }
    };
    (@test $backend:ty, $group:ident, $case:ident, $(#[$meta:meta])?) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$meta])?
        async fn $case() {
            $crate::conformance::run(async |backend: &$backend| {
                $crate::conformance::$group::$case(backend).await;
            })
            .await;
        }
    };
}
