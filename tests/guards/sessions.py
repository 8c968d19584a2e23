"""Sessions of PostgreSQL: how they are lent, how they end, and what is asked once more."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Always, Instead, Never, Removed, Replaced, Value
from tests.guards.guard import COALESCING, CROWDS, LEDGER, LOSSES, POOLS, RESETS, Marked

SESSIONS: Final = (
    Marked(
        "outages: attempts to connect leave no file open",
        "outages-attempts-connect",
        Removed(),
        f"{LOSSES}::test_attempts_to_connect_leave_no_file_open",
    ),
    Marked(
        "a statement timeout is not a cancellation",
        "statement-timeout-not",
        Removed(),
        f"{LEDGER}::test_a_statement_that_takes_too_long_is_unavailability_and_not_cancellation",
    ),
    Marked(
        "nobody inherits an open transaction",
        "nobody-inherits-open",
        Removed(),
        f"{LEDGER}::test_a_session_left_within_a_transaction_is_not_inherited",
    ),
    Marked(
        "a lost connection is not replaced within a transaction",
        "lost-connection-not",
        Removed(),
        f"{LOSSES}::test_a_connection_lost_within_a_transaction_is_not_replaced_by_another",
    ),
    Marked(
        "nothing is rolled back that was not begun",
        "nothing-rolled-back",
        Always(),
        f"{LOSSES}::test_what_is_rolled_back_before_it_began_leaves_no_warning_in_the_servers_log",
    ),
    Marked(
        "sessions are lent in the order of asking",
        "sessions-lent-order",
        Instead("iter", "reversed"),
        f"{POOLS}::test_who_asks_first_is_served_first",
    ),
    Marked(
        "nobody tries again at once when no connection could be made",
        "nobody-tries-again",
        Removed(),
        f"{LOSSES}::test_while_nobody_can_connect_those_who_wait_hear_of_it_at_once",
    ),
    Marked(
        "who waits for a session hears that no connection can be made",
        "waits-session-hears",
        Never(),
        f"{LOSSES}::test_who_waits_for_a_session_hears_of_a_failed_connection_at_once",
    ),
    Marked(
        "sessions that are open go on while no connection can be made",
        "sessions-open-go",
        Instead("not self.has_open", "True"),
        f"{POOLS}::test_sessions_that_are_open_go_on_while_no_connection_can_be_made",
    ),
    Marked(
        "who could not connect goes on with a session that is open",
        "not-connect-goes",
        Always(),
        f"{POOLS}::test_sessions_that_are_open_go_on_while_no_connection_can_be_made",
    ),
    Marked(
        "a session that was lent to who left in that turn is given back",
        "session-lent-left",
        Removed(),
        f"{POOLS}::test_whoever_leaves_in_the_turn_of_being_served_takes_no_session_along",
    ),
    Marked(
        "hanging up costs no connection of PostgreSQL",
        "hanging-up-costs",
        Replaced("""task.cancel()
$it"""),
        f"{CROWDS}::test_whoever_hangs_up_costs_no_connection_to_postgresql",
    ),
    Marked(
        "nothing is asked for who left before it began",
        "nothing-asked-left",
        Removed(),
        f"{POOLS}::test_whoever_leaves_while_a_connection_is_made_leaves_it_to_the_next",
    ),
    Marked(
        "what ends a pool ends what is under way",
        "ends-pool-ends",
        Removed(),
        f"{POOLS}::test_what_ends_a_pool_ends_what_has_not_begun",
    ),
    Marked(
        "a crowd keeps neither the relay nor readiness waiting",
        "crowd-keeps-neither",
        Instead("self.watch", "self.queries"),
        f"{CROWDS}::test_a_crowd_that_holds_every_reader_keeps_nobody_else_waiting",
    ),
    Marked(
        "rankings that are counted keep neither the relay nor access tokens waiting",
        "ranks-keep-neither",
        Instead("self.counters", "self.watch"),
        f"{CROWDS}::test_rankings_that_are_counted_keep_nobody_else_waiting",
    ),
    Marked(
        "a crowd does not keep access tokens alive",
        "crowd-not-keep",
        Instead("self.watch", "self.queries"),
        f"{CROWDS}::test_a_crowd_that_holds_every_reader_keeps_nobody_else_waiting",
    ),
    Marked(
        "resets: what comes behind the last words is read",
        "resets-comes-behind",
        Removed(),
        f"{RESETS}::test_whoever_waits_for_a_session_that_is_reset_hears_of_it_at_once",
    ),
    Marked(
        "resets: a refusal is one also in a process with many files",
        "resets-refusal-one",
        Replaced("return bool(select.select([self._fileno], [], [], 0)[0])"),
        f"{RESETS}::test_a_refusal_is_one_also_in_a_process_with_many_files",
    ),
    Marked(
        "resets: the next address of a host is tried",
        "resets-next-address",
        Removed(),
        f"{RESETS}::test_the_next_address_of_a_host_is_tried_when_the_first_one_refuses",
    ),
    Marked(
        "resets: a session that ended while nobody used it is not used",
        "resets-session-ended",
        Removed(),
        f"{RESETS}::test_a_session_that_ended_while_nobody_used_it_fails_nobody",
    ),
    Marked(
        "resets: what was read is asked again",
        "resets-read-asked",
        Replaced("raise"),
        f"{RESETS}::test_what_was_read_is_asked_again_and_what_may_have_changed_something_is_not",
    ),
    Marked(
        "resets: what may have changed something is not asked again",
        "resets-may-changed",
        Value("await self.read(statement, parameters)"),
        f"{RESETS}::test_what_was_read_is_asked_again_and_what_may_have_changed_something_is_not",
    ),
    Marked(
        "resets: a batch whose session ended is granted by another",
        "resets-batch-not",
        Instead(
            "(ConnectionLost, TransactionAborted, SeasonsOver)", "(TransactionAborted, SeasonsOver)"
        ),
        f"{RESETS}::test_a_batch_whose_session_ends_is_granted_once_by_that_or_by_another",
    ),
    Marked(
        "resets: what a lost batch may have granted is neither granted nor refused",
        "resets-batch-whose",
        Removed(),
        f"{RESETS}::test_a_batch_whose_session_ends_is_granted_once_by_that_or_by_another",
    ),
    Marked(
        "resets: what a lost batch may have granted is not refused for what changed since",
        "doubt-is-no-refusal",
        Instead("$key in $in_doubt", "False"),
        f"{RESETS}::test_what_a_lost_batch_may_have_granted_is_not_refused_for_what_changed_since",
    ),
    Marked(
        "resets: what a lost batch may have granted is so under the action's new id",
        "doubt-under-former",
        Removed(),
        f"{RESETS}::test_what_a_lost_batch_may_have_granted_is_not_refused_for_what_changed_since",
    ),
    Marked(
        "resets: a warning to whoever connects anew is not the commit's",
        "warning-is-no-answers",
        Removed(),
        f"{RESETS}::test_a_warning_to_who_grants_by_a_new_session_is_not_the_commits",
    ),
    Marked(
        "results whose COMMIT was lost are not recorded again as if they had been sent again",
        "commit-may-be",
        Removed(),
        "tests/faults/test_trust_outages.py"
        "::test_a_result_and_an_act_count_once_though_the_answers_to_their_commits_were_lost",
    ),
    Marked(
        "batches: what was left behind comes after those who wait",
        "batches-left-behind",
        Instead("self._left", "batch"),
        f"{COALESCING}::test_what_was_left_behind_comes_after_those_who_wait",
    ),
    Marked(
        "batches: what was left behind makes room for who comes",
        "batches-left-behind-makes",
        Always(),
        f"{COALESCING}::test_what_was_left_behind_makes_room_for_who_comes",
    ),
    Marked(
        "batches: what was left behind is dropped when it is late",
        "batches-left-behind-dropped",
        Instead("$now > $until", "queue is self._waiting and $now > $until"),
        f"{COALESCING}::test_what_was_left_behind_is_dropped_like_any_other_when_it_is_late",
    ),
    Marked(
        "batches: too few results are noticed",
        "batches-too-few",
        Removed(),
        f"{COALESCING}::test_nobody_waits_for_ever_when_a_batch_has_too_few_results",
    ),
)
