//! Several replicas of one gateway or proxy, in this process, with their sessions in a real Redis.
//!
//! The tests need `redis-server` (Debian's package `redis-server`), found on `PATH` or named by `REDIS_SERVER`. Where there
//! is none they are ignored, and their names say why.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "shared with the tests of one gateway")]
#[path = "../it/in_backend.rs"]
mod in_backend;
#[allow(dead_code, unused_imports, reason = "shared with the tests of one gateway")]
#[path = "../it/in_oidc.rs"]
mod in_oidc;
#[allow(dead_code, reason = "shared with the tests of one gateway")]
#[path = "../it/in_support.rs"]
mod in_support;

#[allow(dead_code, reason = "shared with the tests of one gateway")]
#[path = "../it/out_api.rs"]
mod out_api;
#[allow(dead_code, unused_imports, reason = "shared with the tests of one gateway")]
#[path = "../it/out_support.rs"]
mod out_support;
#[allow(dead_code, unused_imports, reason = "shared with the tests of one proxy")]
#[path = "../it/proxy_support.rs"]
mod proxy_support;

mod away;
mod backends;
mod gateways;
mod http_sse;
mod lifetime;
mod messages;
mod path;
mod proxies;
mod redis_server;

use libtest_mimic::{Arguments, Trial};
use redis_server::RedisServer;
use std::process::ExitCode;
use std::sync::Arc;

/// The name of a test, and what it does with a Redis that all of them share.
type Test = (&'static str, fn(Arc<RedisServer>));

/// Rows of tests: each is named by its function.
macro_rules! tests {
    ($($module:ident: [$($name:ident),* $(,)?])*) => {
        [$($((
            concat!(stringify!($module), "::", stringify!($name)),
            (|redis| run($module::$name(redis))) as fn(Arc<RedisServer>),
        )),*),*]
    };
}

const TESTS: &[Test] = &tests! {
    lifetime: [
        a_session_of_one_replica_is_served_by_all,
        a_session_that_ends_at_one_replica_ends_at_all,
        to_anyone_else_a_session_does_not_exist_at_any_replica,
        a_session_lives_while_any_replica_uses_it,
        a_long_call_keeps_its_session_alive_everywhere,
        there_are_no_more_sessions_than_all_replicas_together_may_have,
        gateways_with_another_key_do_not_find_each_others_sessions,
        a_replica_that_ends_leaves_its_sessions_to_the_others,
        nothing_in_redis_can_be_read,
    ]
    messages: [
        a_question_of_one_replica_is_answered_through_another,
        a_request_of_one_replica_is_cancelled_through_another,
        a_stream_of_one_replica_is_read_on_at_another,
        the_rest_of_a_stream_is_told_elsewhere_after_its_replica_has_ended,
        the_clients_own_stream_tells_what_any_replica_hears,
        the_clients_own_stream_moves_with_the_client,
        the_clients_own_stream_is_kept_as_long_as_its_session,
        who_names_a_message_that_was_never_told_is_told_what_is_new,
    ]
    http_sse: [
        clients_post_to_any_replica,
        an_answer_outlives_the_connection_with_redis,
        an_answer_that_redis_may_have_got_is_told_once,
        messages_do_not_wait_for_each_other_on_a_slow_way_to_redis,
        a_client_that_redis_is_away_from_loses_its_session_and_no_answer,
        a_session_that_has_ended_is_not_initialized,
    ]
    backends: [
        replicas_go_on_with_each_others_sessions,
        of_replicas_that_need_a_session_at_once_one_opens_it,
        a_session_that_cannot_be_opened_here_is_opened_elsewhere,
        a_session_that_the_backend_has_lost_is_opened_again_once,
        the_end_of_a_clients_session_is_told_once,
        one_replica_listens_and_when_it_ends_another_one_does,
        a_backend_asks_at_one_replica_and_its_client_is_asked_at_another,
        lists_that_one_replica_has_served_change_by_what_another_hears,
    ]
    proxies: [
        a_session_with_the_server_is_one_for_all_replicas,
        a_session_outlives_its_replica_and_ends_once,
        requests_that_reach_another_replica_together_go_on_in_one_way,
        a_session_that_the_server_has_lost_is_lost_at_all_replicas,
        what_the_server_says_reaches_the_client_at_any_replica,
        a_session_goes_on_with_other_headers_and_not_at_another_place,
        sessions_before_a_server_without_any_are_shared_too,
        a_client_that_read_at_a_replica_that_is_gone_is_asked_elsewhere,
    ]
    away: [
        without_redis_requests_are_refused_for_now_and_calls_go_on,
        sessions_that_redis_has_lost_are_lost,
        a_stream_ends_with_a_session_that_redis_has_lost,
        a_connection_that_goes_silent_is_replaced_once,
        a_gateway_is_not_ready_before_it_has_reached_redis,
        a_password_comes_from_a_file,
        its_name_leads_where_the_flags_say,
    ]
};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let program = redis_server::find();
    let shared = program
        .clone()
        .map(|program| Arc::new(std::sync::LazyLock::new(move || Arc::new(RedisServer::start(&program, &[])))));
    let trials = TESTS.iter().map(|(name, test)| match &shared {
        Ok(redis) => {
            let redis = Arc::clone(redis);
            Trial::test(*name, move || {
                test(Arc::clone(&redis));
                Ok(())
            })
        }
        Err(reason) => Trial::test(format!("{name} (skipped: {reason})"), || Ok(())).with_ignored_flag(true),
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Runs a test to its end.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test);
}
