"""The borders to PostgreSQL and Redis, and group commit."""

from __future__ import annotations

from typing import Final

from tests.guards.change import (
    Always,
    Entry,
    Instead,
    Keyword,
    Never,
    Removed,
    Replaced,
    Text,
    Unwrapped,
    Value,
)
from tests.guards.guard import (
    FAILOVER,
    OUTAGES,
    PROMISES,
    PROMOTION,
    REDIS_FAULTS,
    REFUSED,
    SECRETS,
    SETTINGS,
    Guard,
    Marked,
)

CONNECTIONS: Final = (
    Marked(
        "a Redis that came back is compared again once it has settled",
        "redis-came-back",
        Removed(),
        "tests/faults/test_outages.py::"
        "test_the_return_of_redis_is_known_at_once_and_its_copy_is_trusted_again",
    ),
    Marked(
        "outages: a wait for PostgreSQL has a deadline",
        "outages-wait-postgresql",
        Instead("self._timeout_seconds", "600.0"),
        "tests/faults/test_outages.py"
        "::test_without_postgresql_writes_get_503_and_the_board_and_streams_go_on",
    ),
    Marked(
        "commits are synchronous",
        "commits-synchronous",
        Entry("synchronous_commit"),
        f"{PROMISES}::test_commits_are_synchronous_whatever_the_server_defaults_to",
    ),
    Marked(
        "a lost cancellation still ends a task",
        "lost-cancellation-still",
        Removed(),
        "tests/service/test_shutdown.py::test_an_instance_stops_at_whatever_moment_of_its_start",
    ),
    Marked(
        "commit and push outlive the client: the batch has its own task",
        "commit-push-outlive",
        Replaced("""try:
    return await future
except asyncio.CancelledError:
    for task in self._running:
        task.cancel()
    raise"""),
        f"{PROMISES}::test_a_client_that_hangs_up_changes_nothing_about_its_grant",
    ),
    Marked(
        "a refusal does not bring the row that PostgreSQL quotes",
        "refusal-not-bring",
        Instead("None", "error"),
        f"{SECRETS}[json]",
    ),
    Marked(
        "a constraint of somebody else is named, and no 500",
        "constraint-somebody-else",
        Instead("constraint_refusing($error)", "''"),
        "tests/service/test_refused.py::test_a_constraint_of_somebody_else_is_503_and_named",
    ),
    Marked(
        "a constraint of somebody else is not told by what a trigger says",
        "constraint-somebody-else-not",
        Instead("'a constraint'", "str(told.message_primary)"),
        f"{REFUSED}::test_neither_a_statement_nor_what_a_trigger_says_is_repeated",
    ),
    Marked(
        "a submission that nobody could foresee to be refused is named, and no 500",
        "submission-nobody-foresee",
        Value("errors.ScoreboardError()"),
        f"{REFUSED}::test_what_a_grant_is_refused_for_is_told_and_counted_apart",
    ),
    Marked(
        "a start notices a sequence that is behind",
        "start-notices-sequence",
        Instead("(_rows, _triggers, _sequence, _additions)", "(_rows, _triggers, _additions)"),
        "tests/integration/test_fitness.py::test_what_was_broken_is_named",
    ),
    Marked(
        "nothing is granted while the board has no row",
        "nothing-granted-board",
        Removed(),
        f"{REFUSED}::test_what_a_grant_is_refused_for_is_told_and_counted_apart",
    ),
    Marked(
        "a board without a row ends no task",
        "board-without-row",
        Removed(),
        "tests/service/test_refused.py"
        "::test_a_board_that_lost_its_row_is_named_and_goes_on_above_what_was_shown",
    ),
    Marked(
        "a start tries every statement",
        "start-tries-every",
        Removed(),
        "tests/integration/test_fitness.py::test_what_was_broken_is_named",
    ),
    Marked(
        "a start goes on though somebody changes a table whose rows it looks for",
        "start-goes-though",
        Instead("TransactionAborted", "ZeroDivisionError"),
        "tests/integration/test_fitness.py"
        "::test_a_table_that_somebody_changes_just_now_is_not_called_missing",
    ),
    Marked(
        "a start waits for one table that somebody changes, and not for each",
        "start-waits-one",
        Instead("TransactionAborted", "ZeroDivisionError"),
        "tests/integration/test_fitness.py"
        "::test_a_table_that_somebody_changes_just_now_is_not_called_missing",
    ),
    Marked(
        "every host of PostgreSQL is tried",
        "every-host-postgresql",
        Instead("$in_turn()", "$in_turn()[:1]"),
        f"{PROMOTION}::test_what_an_asynchronous_promotion_lost_is_overtaken_by_the_ledger",
    ),
    Marked(
        "a server that takes no writes any more is left",
        "server-takes-no",
        Instead("len(self._dsns) > 1", "False"),
        f"{PROMOTION}::"
        "test_a_promotion_under_load_loses_nothing_that_was_acknowledged[takes no writes]",
    ),
    Marked(
        "a primary that commits nothing is doubted",
        "primary-commits-nothing",
        Removed(),
        f"{PROMOTION}::"
        "test_a_promotion_under_load_loses_nothing_that_was_acknowledged[was left alive]",
    ),
    Marked(
        "all sessions follow to the new primary",
        "all-sessions-follow",
        Removed(),
        f"{PROMOTION}::"
        "test_a_promotion_under_load_loses_nothing_that_was_acknowledged[was left alive]",
    ),
    Marked(
        "a commit that the replica has not is no grant",
        "commit-replica-not",
        Removed(),
        f"{PROMOTION}::test_a_commit_that_gave_up_waiting_for_the_replica_is_not_acknowledged",
    ),
    Marked(
        "whoever may hear of no warning hears of that one",
        "may-hear-no",
        Entry("client_min_messages"),
        "tests/integration/test_ledger.py::"
        "test_a_commit_is_doubted_for_a_warning_and_for_nothing_less",
    ),
    Marked(
        "a refusal is not taken for silence",
        "refusal-not-taken",
        Removed(),
        f"{REFUSED}::test_what_a_grant_is_refused_for_is_told_and_counted_apart",
    ),
    Marked(
        "a refusal costs no connection",
        "refusal-costs-no",
        Instead(
            "(RolledBack, StatementRefused, TransactionAborted, PostgresRefused)",
            "(RolledBack, StatementRefused, TransactionAborted)",
        ),
        f"{REFUSED}::test_a_refusal_costs_no_connection_and_ends_when_its_cause_does",
    ),
    Marked(
        "of a refusal only what names no data is repeated",
        "refusal-only-names",
        Value("True"),
        f"{REFUSED}::test_neither_a_statement_nor_what_a_trigger_says_is_repeated",
    ),
    Marked(
        "a start looks at what PostgreSQL gives this role",
        "start-looks",
        Removed(),
        "tests/service/test_refused.py::test_no_instance_starts_without_a_right_that_it_needs",
    ),
    Marked(
        "a check notices a node of Redis Cluster",
        "check-notices-node",
        Instead(
            "[$finding, $version, *_mode($info), $commands, $eviction]",
            "[$finding, $version, $commands, $eviction]",
        ),
        "tests/service/test_check.py::test_a_node_of_redis_cluster_is_named",
    ),
    Marked(
        "a check notices a broker that takes no messages",
        "check-notices-broker",
        Removed(),
        "tests/service/test_check.py::test_a_broker_that_takes_no_messages_or_no_queue_is_named",
    ),
    Marked(
        "what a check publishes reaches nobody",
        "check-publishes-reaches",
        Keyword("user_id"),
        "tests/service/test_check.py::test_nothing_that_is_tried_reaches_an_instance",
    ),
    Marked(
        "what a check writes beside the board's copy is taken away",
        "check-writes-beside",
        Text(
            """try('HDEL', board, field)
""",
            "",
        ),
        "tests/service/test_check.py::test_the_boards_copy_is_as_it_was_after_a_check",
    ),
    Marked(
        "handed down: transactions are read committed",
        "handed-down-transactions",
        Entry("default_transaction_isolation"),
        f"{SETTINGS}::test_what_the_database_or_the_role_hands_down_changes_nothing",
    ),
    Marked(
        "handed down: what is sent is UTF-8",
        "handed-down-sent",
        Keyword("client_encoding"),
        f"{SETTINGS}::test_what_the_environment_hands_down_changes_nothing",
    ),
    Guard(
        "handed down: what the environment says behind our options is said once more",
        "scoreboard/connections/queries.sql",
        "SET timezone = 'UTC';\n",
        "",
        f"{SETTINGS}::test_what_the_environment_hands_down_changes_nothing",
    ),
    Marked(
        "handed down: the environment leads nowhere but to the host of the address",
        "handed-down-environment",
        Removed(),
        f"{SETTINGS}::test_what_the_environment_hands_down_changes_nothing",
    ),
    Marked(
        "handed down: a quiet night ends no session",
        "handed-down-quiet",
        Entry("idle_session_timeout"),
        f"{SETTINGS}::test_what_the_database_or_the_role_hands_down_changes_nothing",
    ),
    Marked(
        "handed down: tables of the same name elsewhere are not ours",
        "handed-down-tables",
        Replaced("own: dict[str, str] = {}"),
        f"{SETTINGS}::test_a_table_of_that_name_in_the_roles_own_schema_is_not_ours",
    ),
    Marked(
        "what was set is read back",
        "set-read-back",
        Removed(),
        f"{SETTINGS}::test_foreign_keys_that_are_switched_off_are_refused",
    ),
    Marked(
        "tables in another schema are not made a second time",
        "tables-another-schema",
        Removed(),
        f"{SETTINGS}::"
        "test_tables_that_an_older_version_put_into_the_roles_schema_are_not_made_anew",
    ),
    Marked(
        "a Redis that is a replica by now is not the primary",
        "redis-replica-now",
        Removed(),
        f"{FAILOVER}::test_a_server_that_is_a_replica_by_now_is_not_taken_for_the_primary",
    ),
    Marked(
        "a connection to the primary that was is not used again",
        "connection-primary",
        Removed(),
        f"{FAILOVER}::test_a_connection_that_was_in_use_when_the_primary_changed_is_not_used_again",
    ),
    Marked(
        "Sentinels are asked by one caller at a time",
        "sentinels-asked-one",
        Unwrapped(),
        f"{FAILOVER}::test_no_sentinel_is_forgotten_when_many_ask_and_the_first_one_hangs",
    ),
    Marked(
        "the next Sentinel is asked while there is time",
        "next-sentinel-asked",
        Instead("$timeout_seconds / (len(self.addresses) + 1)", "$timeout_seconds"),
        f"{FAILOVER}::test_a_sentinel_that_hangs_costs_a_moment_and_not_the_answer",
    ),
    Marked(
        "the end of a connection to Redis is looked for before it is used",
        "end-connection-redis",
        Keyword("enabled"),
        f"{REDIS_FAULTS}::test_the_end_of_an_idle_connection_is_seen_before_it_is_used",
    ),
    Marked(
        "redis-py looks for the end of a connection once we have seen that there is something",
        "redis-connection-looked",
        Instead(
            "not $connection.is_connected or await $connection.can_read()",
            "not $connection.is_connected",
        ),
        f"{REDIS_FAULTS}::test_the_end_of_an_idle_connection_is_seen_before_it_is_used",
    ),
    Marked(
        "a deadline that comes after another one is waited for",
        "deadline-after-another",
        Removed(),
        "tests/unit/test_deadlines.py"
        "::test_each_is_ended_though_the_timer_waits_for_the_first_alone",
    ),
    Marked(
        "who is cancelled at a deadline ends by that",
        "deadline-and-cancelled",
        Instead(
            "$self._has_expired and $self._task.uncancel() <= $self._cancelling",
            "$self._has_expired",
        ),
        "tests/unit/test_deadlines.py::test_who_is_cancelled_as_well_ends_by_that",
    ),
    Marked(
        "a call whose connection to Redis had ended is asked once more",
        "call-whose-connection",
        Always(),
        f"{REDIS_FAULTS}::test_calls_go_on_when_all_connections_were_closed_and_nobody_has_seen_it",
    ),
    Marked(
        "what counts is not asked twice",
        "counts-not-asked",
        Keyword("repeatable", "True"),
        f"{REDIS_FAULTS}::test_what_counts_is_not_asked_twice_and_is_no_outage",
    ),
    Marked(
        "connections to Redis of one era are given up together",
        "connections-redis-one",
        Always(),
        f"{REDIS_FAULTS}"
        "::test_one_connection_that_is_lost_without_a_word_costs_one_wait_and_not_one_each",
    ),
    Marked(
        "a pool of Redis that grows makes nobody doubt",
        "pool-redis-grows",
        Value("False"),
        f"{REDIS_FAULTS}::test_a_pool_that_grows_makes_nobody_doubt_what_redis_holds",
    ),
    Marked(
        "a connection to Redis in the place of one that ended is a new one",
        "connection-redis-place",
        Instead("$made_in != self.era", "True"),
        f"{REDIS_FAULTS}::test_a_pool_that_grows_makes_nobody_doubt_what_redis_holds",
    ),
    Marked(
        "one more connection to another Redis than the others is a new one",
        "one-more-connection",
        Instead("$latest == self._latest", "$latest[1] == self._latest[1]"),
        f"{REDIS_FAULTS}::test_one_more_connection_to_another_redis_than_the_others_is_a_new_one",
    ),
    Marked(
        "every connection to Redis is used in its turn",
        "every-connection-redis",
        Instead(
            "$available_connections.insert(0, $connection)",
            "$available_connections.append($connection)",
        ),
        f"{REDIS_FAULTS}::test_every_connection_is_used_in_its_turn",
    ),
    Marked(
        "a board is stored in a Redis that is away for us alone",
        "board-stored-redis",
        Keyword("urgent"),
        f"{REDIS_FAULTS}::test_what_is_urgent_is_tried_while_redis_is_away_and_finds_it_first",
    ),
    Marked(
        "somebody looks whether Redis is back",
        "somebody-looks-whether",
        Removed(),
        f"{REDIS_FAULTS}::test_its_return_is_found_though_nobody_asks",
    ),
    Marked(
        "a wait that began before all connections were given up is no second outage",
        "wait-began-before",
        Always(),
        f"{REDIS_FAULTS}"
        "::test_one_connection_that_is_lost_without_a_word_costs_one_wait_and_not_one_each",
    ),
    Marked(
        "one that stays a replica does not cost two connections a call",
        "one-stays-replica",
        Instead("$was_refused and $is_new", "False"),
        f"{REDIS_FAULTS}::test_a_primary_that_became_a_replica_is_looked_for_anew_and_told",
    ),
    Marked(
        "a Redis that refuses is up",
        "redis-refuses-up",
        Never(),
        f"{REDIS_FAULTS}::test_a_right_that_is_missing_is_told_and_stops_nothing_else",
    ),
    Marked(
        "a mistake of ours is no outage of Redis",
        "mistake-no-outage",
        Never(),
        f"{REDIS_FAULTS}::test_a_mistake_of_ours_is_logged_with_its_traceback_and_is_no_outage",
    ),
    Marked(
        "readiness knows at once that Redis is back",
        "readiness-knows-once",
        Removed(),
        f"{OUTAGES}::test_the_return_of_redis_is_known_at_once_and_its_copy_is_trusted_again",
    ),
    Marked(
        "what many requests share is not logged as one of them",
        "many-requests-share",
        Keyword("context"),
        "tests/unit/test_coalescing.py::test_a_batch_runs_in_a_context_of_its_own",
    ),
    Marked(
        "migrate looks whose a schema is before it touches anything",
        "migrate-looks-whose",
        Removed(),
        "tests/integration/test_schema.py::test_what_another_application_has_made_is_left_as_it_is",
    ),
    Marked(
        "a key that is not ours is a refusal, and no clash of ours",
        "key-not",
        Instead("$constraint_name in CONSTRAINTS", "$constraint_name != CONSTRAINTS"),
        "tests/service/test_refused.py::test_what_somebody_put_on_our_tables_is_503_and_named",
    ),
)
