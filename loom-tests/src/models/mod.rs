//! The models: one protocol a file, two or three threads, data in cells that the checker watches.

mod canary;
mod crew;
mod epoch_cell;
mod inbox;
mod injector;
mod lane;
mod latch;
mod promise;
mod ring;
mod scope;
mod sleep;
mod token;
mod waker;
pub(crate) mod watched;

use std::sync::OnceLock;

use crate::pool::{gate_models as gate, join_models as join, offer_models as offer};

/// A model by its name, `file::claim`.
type Model = (&'static str, fn());

macro_rules! models {
    ($($file:ident: $($claim:ident),+ $(,)?;)+) => {
        /// Every model.
        pub(crate) const ALL: &[Model] = &[$($(
            (concat!(stringify!($file), "::", stringify!($claim)), $file::$claim),
        )+)+];
    };
}

models! {
    canary: a_load_before_an_exchange_sees_both_values;
    crew:
        the_last_to_go_to_work_replaces_who_blocked,
        two_that_block_are_replaced_twice_and_not_more,
        quiet_sees_that_somebody_joined,
        a_number_goes_from_one_thread_to_the_next,
        the_last_to_leave_sees_what_the_others_left,
        the_last_to_be_dismissed_sees_what_the_others_left;
    epoch_cell:
        a_version_is_whole_when_it_is_seen,
        a_version_lives_as_long_as_its_guard,
        writers_free_what_other_writers_published,
        readers_and_writers_share_the_retired_list;
    gate: a_waiter_takes_nothing_of_what_comes_after;
    inbox:
        two_producers_over_two_blocks,
        blocks_come_back_while_another_produces,
        three_producers_meet_at_a_full_block,
        an_inbox_dropped_with_values_inside_drops_them;
    join:
        the_outermost_frame_is_run_once,
        nested_frames_are_shown_oldest_first;
    lane:
        jobs_of_one_key_from_two_threads,
        a_burst_is_cut_by_the_budgets,
        two_keys_of_one_shard,
        a_wake_overtakes_the_report_of_the_wait,
        a_held_lane_goes_on_when_released,
        lanes_are_closed_while_jobs_come,
        the_pool_ends_while_jobs_come,
        jobs_run_in_place_while_others_come,
        a_shard_is_taken_over_inside_a_job,
        a_job_that_waits_is_taken_over,
        a_job_that_holds_its_lane_is_taken_over,
        the_pool_ends_inside_a_job;
    offer: the_rest_is_had_by_one_and_seen_whole;
    latch:
        the_frame_dies_when_its_latch_is_seen_set,
        a_strangers_token_does_not_end_the_wait,
        a_look_that_finds_it_set_sees_the_result;
    ring: a_reader_sees_a_run_of_the_newest_words;
    scope:
        the_owner_leaves_after_its_closures,
        a_closure_spawns_while_the_owner_parks;
    sleep:
        one_sleeper_one_poster,
        one_sleeper_two_posters,
        two_sleepers_one_poster,
        two_sleepers_two_posters,
        the_end_wakes_everybody,
        quiet_means_that_the_work_has_ended,
        quiet_sees_what_a_sleeper_queued,
        quiet_sees_that_somebody_emptied_the_injector;
    injector:
        two_producers_and_two_consumers,
        an_injector_dropped_with_values_inside_drops_them;
    promise:
        a_waiter_sees_the_value,
        two_waiters_and_a_fulfiller,
        a_poll_again_while_it_is_fulfilled,
        a_seat_left_is_taken_while_it_is_fulfilled,
        one_of_two_fulfillers_wins,
        a_callback_sees_what_the_fulfiller_did,
        a_promise_dropped_after_its_waiters;
    token:
        the_waiter_sees_what_every_finisher_did,
        the_first_of_two_failures_is_kept,
        a_failure_seen_early_is_whole,
        a_success_seen_early_shows_the_work,
        one_of_two_finishers_wins,
        tokens_are_taken_on_two_threads_while_one_ends,
        a_group_is_given_up_while_a_token_ends;
    waker: the_last_wake_brings_a_poll_that_sees_everything;
}

static CURRENT: OnceLock<&'static str> = OnceLock::new();

/// The model of that name, which becomes the current one.
pub(crate) fn find(name: &str) -> Option<fn()> {
    let (name, model) = ALL.iter().find(|(known, _)| *known == name)?;
    CURRENT.set(name).expect("one model a process");
    Some(*model)
}

/// The name of the model of this process.
pub(crate) fn current() -> &'static str {
    CURRENT.get().expect("a model was chosen")
}
