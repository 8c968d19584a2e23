"""The process as a whole: wiring, start and end, settings, operations, migrations."""

from __future__ import annotations

from typing import Final

from tests.guards.change import (
    Always,
    Instead,
    Keyword,
    Never,
    NotEntered,
    Removed,
    Replaced,
    Unwrapped,
)
from tests.guards.guard import PROMISES, SECRETS, STREAMS, Guard, Marked

PROCESS: Final = (
    Marked(
        "an instance takes as many files as it may",
        "instance-takes-many",
        Removed(),
        "tests/faults/test_scarcity.py::test_an_instance_takes_as_many_files_as_it_may",
    ),
    Marked(
        "a migration does not queue for a table, with every grant behind it",
        "migration-not-queue",
        Instead("LOCK_SECONDS", "60"),
        "tests/service/test_upgrade.py::"
        "test_a_migration_that_has_to_wait_gives_up_before_it_holds_up_all_who_write",
    ),
    Marked(
        "deploy: one that leaves serves on until the balancer has seen it",
        "deploy-one-leaves",
        Removed(),
        "tests/faults/test_deploy.py"
        "::test_sigterm_with_two_thousand_streams_and_submissions_in_flight_ends_clean",
    ),
    Marked(
        "an older copy is not served once the bus brought a newer board",
        "older-copy-not",
        Keyword("copies", "Boards(self.ledger, Definitions(self.watch), make_copy, self.metrics)"),
        f"{PROMISES}::"
        "test_a_copy_that_missed_a_board_is_not_served_by_an_instance_that_the_bus_told",
    ),
    Marked(
        "what an instance shows to its streams it also answers, when all else is away",
        "instance-shows-streams",
        Keyword("copies", "Boards(self.ledger, Definitions(self.watch), make_copy, self.metrics)"),
        "tests/faults/test_outages.py"
        "::test_a_fresh_instance_without_postgresql_and_redis_answers_what_its_streams_show",
    ),
    Marked(
        "a client that leaves is noticed: handlers are cancelled",
        "client-leaves-noticed",
        Keyword("handler_cancellation"),
        f"{STREAMS}::test_a_client_that_leaves_is_forgotten_at_once",
    ),
    Marked(
        "streams that come and go are not left out of collections again and again",
        "rush-once",
        Removed(),
        "tests/unit/test_memory.py::"
        "test_streams_that_come_and_go_are_left_out_as_often_as_they_were_more_than_ever",
    ),
    Marked(
        "streams that are opened one by one are not left out of collections",
        "rush-at-once",
        Always(),
        "tests/unit/test_memory.py::test_streams_that_are_opened_one_by_one_are_looked_at_as_ever",
    ),
    Marked(
        "accepted submissions are finished at the end",
        "accepted-submissions-finished",
        Removed(),
        "tests/service/test_shutdown.py::"
        "test_submissions_whose_client_left_are_finished_at_the_end",
    ),
    Marked(
        "streams end first",
        "streams-end-first",
        Instead("$parts.hub.close", "lambda *_: None"),
        "tests/service/test_shutdown.py::test_streams_get_a_farewell_and_a_clean_end",
    ),
    Marked(
        "a client that reads nothing holds no end up",
        "client-reads-nothing",
        Instead("$shutdown_seconds / 2", "$shutdown_seconds"),
        "tests/service/test_shutdown.py::"
        "test_a_client_that_reads_nothing_holds_the_end_up_no_longer_than_was_set",
    ),
    Marked(
        "a start that waits for PostgreSQL ends when it is told to",
        "start-waits-postgresql",
        Instead("unless_set($stop, $setup)", "$setup"),
        "tests/service/test_commands.py::TestServe::"
        "test_sigterm_while_postgresql_is_silent_ends_it_with_code_0",
    ),
    Marked(
        "a worker ends when its successor is ready, not when it is up",
        "worker-ends-when",
        Instead("$state == 'ready'", "$state != 'starting'"),
        "tests/service/test_workers.py::test_nobody_ends_who_is_not_succeeded_by_one_that_is_ready",
    ),
    Marked(
        "successors that die are given up after a few",
        "successors-die",
        Instead("self._attempts_left <= 0", "False"),
        "tests/service/test_workers.py::test_successors_that_die_are_given_up_after_a_few_and_the_older_ones_go_on",
    ),
    Marked(
        "a successor that does not become ready is given up",
        "successor-not",
        Instead("self._clock() > self._deadline", "False"),
        "tests/service/test_workers.py::test_a_successor_that_does_not_become_ready_is_given_up",
    ),
    Marked(
        "a worker that a renewal has started takes the place of one that has died",
        "worker-renewal-started",
        Instead("$holders($seat)", "[w for w in $holders($seat) if not self.renewal]"),
        "tests/service/test_workers.py::test_both_die_while_they_are_renewed_and_their_successors_stay",
    ),
    Marked(
        "the seat of a worker that died is attended meanwhile",
        "seat-worker-died",
        Instead("able", "self.workers"),
        "tests/service/test_workers.py::test_the_seat_of_a_worker_that_died_is_attended_by_another_one_meanwhile",
    ),
    Marked(
        "a renewal ends the pause of a crash loop",
        "renewal-ends-pause",
        Removed(),
        "tests/service/test_workers.py::test_a_renewal_ends_a_crash_loop_at_once_when_its_cause_is_mended",
    ),
    Marked(
        "a crash loop of many hours keeps its pause",
        "crash-loop-many",
        Instead("min($early_deaths, _DOUBLED_MAX)", "$early_deaths"),
        "tests/unit/test_patience.py::test_a_crash_loop_of_many_hours_goes_on_as_slowly_as_before",
    ),
    Marked(
        "a renewal does not wait for successors of an earlier one",
        "renewal-not-wait",
        Removed(),
        "tests/service/test_workers.py::test_a_renewal_does_not_wait_for_successors_that_an_earlier_one_has_started",
    ),
    Marked(
        "the time of a worker that leaves is not its successor's",
        "time-worker-leaves",
        Replaced("self.begin_attempt()"),
        "tests/service/test_workers.py::test_a_worker_that_takes_long_to_end_takes_no_time_from_the_next_successor",
    ),
    Marked(
        "a worker that has just begun does not end by SIGHUP",
        "worker-just-begun",
        NotEntered("_without_hang_ups()"),
        "tests/service/test_workers.py::test_a_worker_that_is_told_to_renew_like_its_supervisor_goes_on",
    ),
    Marked(
        "a port that workers are about to listen on is nobody else's",
        "port-workers-about",
        Removed(),
        "tests/unit/test_listening.py::test_a_port_that_workers_are_about_to_listen_on_is_taken",
    ),
    Marked(
        "a port whose connections have just ended is free",
        "port-whose-connections",
        Removed(),
        "tests/unit/test_listening.py::test_a_port_whose_connections_have_just_ended_is_free",
    ),
    Marked(
        "workers load no modules from where their supervisor was started",
        "workers-load-no",
        Instead("is_module", "True"),
        "tests/service/test_workers.py::test_workers_load_no_modules_from_the_directory_where_they_are",
    ),
    Marked(
        "what asks again does not interrupt the end that was begun",
        "asks-again-not",
        Removed(),
        "tests/unit/test_unwinding.py::test_what_asks_again_does_not_interrupt_the_end",
    ),
    Marked(
        "an end that was dropped while an object was finalized comes once more",
        "end-dropped-comes",
        Removed(),
        "tests/unit/test_unwinding.py::test_a_signal_that_comes_while_an_object_is_finalized_ends_the_process",
    ),
    Marked(
        "a loop that closes lets no signal end the process",
        "loop-closes-lets",
        Removed(),
        "tests/unit/test_unwinding.py::test_a_loop_that_closes_lets_no_signal_end_the_process",
    ),
    Marked(
        "a killed run's Redis ends with the next run, whatever that needs",
        "killed-runs-redis",
        Removed(),
        "tests/integration/test_embedded.py::test_a_killed_runs_redis_ends_with_a_next_run_that_needs_none",
    ),
    Marked(
        "a worker that cannot start is not taken for one that leaves",
        "worker-cannot-start",
        Always(),
        "tests/unit/test_lifeline.py::test_a_worker_says_that_it_leaves_only_if_it_was_up",
    ),
    Marked(
        "gauges that cannot be forgotten cost no worker",
        "gauges-cannot-forgotten",
        Replaced("""multiprocess.mark_process_dead(worker.process.pid, self._metrics_directory)
$it"""),
        "tests/service/test_workers.py::test_gauges_that_cannot_be_forgotten_cost_no_worker",
    ),
    Marked(
        "the end of their terminal ends workers, and renews none",
        "end-terminal-ends",
        Never(),
        "tests/service/test_terminals.py::test_workers_end_with_their_terminal_and_are_not_renewed",
    ),
    Marked(
        "what nohup said stays so",
        "nohup-said-stays",
        Removed(),
        "tests/service/test_terminals.py::test_under_nohup_a_service_goes_on_without_its_terminal",
    ),
    Marked(
        "the end of a terminal ends embedded servers too",
        "end-terminal-ends-embedded",
        Instead("(*$asked, signal.SIGHUP)", "$asked"),
        "tests/service/test_terminals.py::test_an_embedded_run_ends_with_its_terminal_and_takes_its_servers_along",
    ),
    Marked(
        "a start shows the copy in Redis until it has asked the ledger",
        "start-shows-copy",
        Removed(),
        "tests/service/test_health.py::"
        "test_an_instance_has_the_copy_to_show_before_it_has_asked_the_ledger",
    ),
    Marked(
        "a worker that was succeeded says nothing of its end",
        "worker-succeeded-says",
        Instead("$health.be_succeeded", "$health.leave"),
        "tests/faults/test_renewals.py::test_nobody_is_reset_by_the_end_of_a_worker_that_many_connect_to",
    ),
    Marked(
        "who stands in the queue at the end is let in",
        "stands-queue-end",
        Instead("BACKLOG // AT_ONCE", "0"),
        "tests/service/test_shutdown.py::test_who_stood_in_the_queue_at_the_end_is_answered",
    ),
    Marked(
        "who came in a moment before the end is heard",
        "came-moment-before",
        Removed(),
        "tests/service/test_shutdown.py::test_who_came_in_a_moment_before_the_end_is_heard",
    ),
    Marked(
        "an IPv4 client of :: has an IPv4 address",
        "ipv4-client-ipv4",
        Instead("1", "0"),
        "tests/unit/test_listening.py::test_two_colons_are_every_address_and_a_client_has_its_own",
    ),
    Marked(
        "an answer that cannot be written is a failure, and no traceback",
        "answer-cannot-written",
        Removed(),
        "tests/unit/test_standard_streams.py::test_an_answer_that_cannot_be_written_is_said_in_one_line",
    ),
    Marked(
        "a log that cannot be written costs nothing but its lines",
        "log-cannot-written",
        Removed(),
        "tests/service/test_logs.py::test_a_log_that_cannot_be_written_costs_no_request",
    ),
    Marked(
        "tracebacks in JSON hold no local variables",
        "tracebacks-json-hold",
        Keyword("show_locals"),
        f"{SECRETS}[json]",
    ),
    Marked(
        "tracebacks for people hold no local variables",
        "tracebacks-people-hold",
        Keyword("exception_formatter"),
        f"{SECRETS}[console]",
    ),
    Marked(
        "an outage of a server takes no instance away",
        "outage-server-takes",
        Instead("self._version() >= 0", "all((part.up for part in self._parts))"),
        "tests/service/test_health.py",
    ),
    Marked(
        "a caller that does not want its trace recorded is not traced",
        "caller-not-want",
        Instead("$given or $other", "$other"),
        "tests/service/test_tracing.py::"
        "test_the_callers_flag_decides_and_chance_where_there_is_none",
    ),
    Marked(
        "spans that wait have a bound, and what is past it is counted",
        "spans-wait-bound",
        Instead("len(self._waiting) >= _WAITING_MAX", "False"),
        "tests/unit/test_tracing.py::test_more_spans_than_may_wait_are_dropped_and_counted",
    ),
    Marked(
        "no room for a thread costs no submission",
        "no-room",
        Unwrapped(),
        "tests/unit/test_tracing.py::"
        "test_no_room_for_a_thread_costs_spans_time_and_whoever_ends_them_nothing",
    ),
    Marked(
        "spans under way when the end comes are counted",
        "spans-under-way",
        Replaced("left = 0"),
        "tests/unit/test_tracing.py::test_an_exporter_that_hangs_does_not_hold_up_the_end",
    ),
    Marked(
        "the imitation of Redis goes on after an error",
        "imitation-redis-goes",
        Removed(),
        "tests/service/test_imitation.py",
    ),
    Marked(
        "a migration and its row are one transaction",
        "migration-row-one",
        Replaced("backend.apply_one(migration)"),
        "tests/migrations/test_stairway.py::"
        "test_a_runner_that_dies_before_it_wrote_down_a_migration_leaves_nothing_of_it",
    ),
    Guard(
        "an index that was left half built is built anew",
        "migrations/0011.ledger-by-time.py",
        'step("DROP INDEX CONCURRENTLY IF EXISTS idx_ledger_submitted_at")\n',
        "",
        "tests/migrations/test_boards_and_seasons.py::"
        "test_an_index_that_was_left_half_built_is_built_anew_while_people_play",
    ),
)
