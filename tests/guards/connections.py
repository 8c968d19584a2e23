"""The borders to PostgreSQL and Redis, and group commit."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import (
    FAILOVER,
    LEDGER,
    LOSSES,
    PROMISES,
    PROMOTION,
    REFUSED,
    SECRETS,
    SETTINGS,
    Guard,
)

CONNECTIONS: Final = (
    Guard(
        "outages: a wait for PostgreSQL has a deadline",
        "scoreboard/connections/session.py",
        "parameters, timeout=self._timeout_seconds)",
        "parameters, timeout=600.0)",
        "tests/faults/test_outages.py"
        "::test_without_postgresql_writes_get_503_and_the_board_and_streams_go_on",
    ),
    Guard(
        "outages: attempts to connect leave no file open",
        "scoreboard/connections/connection.py",
        "        except RuntimeError:\n            loop, number",
        "        except ZeroDivisionError:\n            loop, number",
        f"{LOSSES}::test_attempts_to_connect_leave_no_file_open_under_uvloop",
    ),
    Guard(
        "commits are synchronous",
        "scoreboard/connections/session_settings.py",
        '    "synchronous_commit": "on",\n',
        "",
        f"{PROMISES}::test_commits_are_synchronous_whatever_the_server_defaults_to",
    ),
    Guard(
        "a statement timeout is not a cancellation",
        "scoreboard/connections/connection.py",
        "    async def _poll(self",
        "    async def _like_aiopg(self",
        f"{LEDGER}::test_a_statement_that_takes_too_long_is_unavailability_and_not_cancellation",
    ),
    Guard(
        "nobody inherits an open transaction",
        "scoreboard/connections/postgres.py",
        "            session.settle()\n",
        "",
        f"{LEDGER}::test_a_session_left_within_a_transaction_is_not_inherited",
    ),
    Guard(
        "a lost cancellation still ends a task",
        "scoreboard/connections/cancellation.py",
        "    if is_cancelled():\n",
        "    if False:\n",
        "tests/service/test_shutdown.py::test_an_instance_stops_at_whatever_moment_of_its_start",
    ),
    Guard(
        "commit and push outlive the client: the batch has its own task",
        "scoreboard/connections/coalescing.py",
        "        return await future\n",
        "        try:\n            return await future\n        except asyncio.CancelledError:\n"
        "            for task in self._running:\n                task.cancel()\n"
        "            raise\n",
        f"{PROMISES}::test_a_client_that_hangs_up_changes_nothing_about_its_grant",
    ),
    Guard(
        "a lost connection is not replaced within a transaction",
        "scoreboard/connections/session.py",
        "            if self._pinned:\n                raise LedgerUnavailable\n",
        "",
        f"{LOSSES}::test_a_connection_lost_within_a_transaction_is_not_replaced_by_another",
    ),
    Guard(
        "nobody tries again at once when no connection could be made",
        "scoreboard/connections/postgres.py",
        "            self._resting_until = asyncio.get_running_loop().time() + _REST_SECONDS\n",
        "",
        f"{LOSSES}::test_while_nobody_can_connect_those_who_wait_hear_of_it_at_once",
    ),
    Guard(
        "a refusal does not bring the row that PostgreSQL quotes",
        "scoreboard/connections/session.py",
        "self._data_refused(error) from None",
        "self._data_refused(error) from error",
        f"{SECRETS}[json]",
    ),
    Guard(
        "a constraint of somebody else is named, and no 500",
        "scoreboard/connections/session.py",
        "        if text := constraint_refusing(error):\n",
        '        if text := "":\n',
        "tests/service/test_refused.py::test_a_constraint_of_somebody_else_is_503_and_named",
    ),
    Guard(
        "a constraint of somebody else is not told by what a trigger says",
        "scoreboard/connections/refusals.py",
        '    return "a constraint"\n',
        "    return str(told.message_primary)\n",
        f"{REFUSED}::test_neither_a_statement_nor_what_a_trigger_says_is_repeated",
    ),
    Guard(
        "nothing is granted while the board has no row",
        "scoreboard/scoring/ledger.py",
        "            if not rows:  # one for each",
        "            if False:  # one for each",
        f"{REFUSED}::test_what_a_grant_is_refused_for_is_told_and_counted_apart",
    ),
    Guard(
        "a board without a row ends no task",
        "scoreboard/scoring/ledger.py",
        "    def _present_board(self, rows: list[Row]) -> Board:\n        if not rows:\n",
        "    def _present_board(self, rows: list[Row]) -> Board:\n        if False:\n",
        "tests/service/test_refused.py"
        "::test_a_board_that_lost_its_row_is_named_and_goes_on_above_what_was_shown",
    ),
    Guard(
        "a start tries every statement",
        "scoreboard/fitness.py",
        "    return [*found, *await _contents(postgres, role, server)]\n",
        "    return found\n",
        "tests/integration/test_fitness.py::test_what_was_broken_is_named",
    ),
    Guard(
        "a start waits for one table that somebody changes, and not for each",
        "scoreboard/trials.py",
        "contextlib.suppress(TransactionAborted)",
        "contextlib.suppress(ZeroDivisionError)",
        "tests/integration/test_fitness.py"
        "::test_a_table_that_somebody_changes_just_now_is_not_called_missing",
    ),
    Guard(
        "every host of PostgreSQL is tried",
        "scoreboard/connections/session.py",
        "        for host in self._hosts.in_turn():\n",
        "        for host in self._hosts.in_turn()[:1]:\n",
        f"{PROMOTION}::test_what_an_asynchronous_promotion_lost_is_overtaken_by_the_ledger",
    ),
    Guard(
        "a server that takes no writes any more is left",
        "scoreboard/connections/session.py",
        "        return len(self._dsns) > 1 and any(",
        "        return False and any(",
        f"{PROMOTION}::"
        "test_a_promotion_under_load_loses_nothing_that_was_acknowledged[takes no writes]",
    ),
    Guard(
        "a primary that commits nothing is doubted",
        "scoreboard/connections/session.py",
        "                self._hosts.doubt(self._host)\n",
        "                pass\n",
        f"{PROMOTION}::"
        "test_a_promotion_under_load_loses_nothing_that_was_acknowledged[was left alive]",
    ),
    Guard(
        "all sessions follow to the new primary",
        "scoreboard/connections/session.py",
        "        if not self._pinned and self._host != self._hosts.present:\n",
        "        if False:\n",
        f"{PROMOTION}::"
        "test_a_promotion_under_load_loses_nothing_that_was_acknowledged[was left alive]",
    ),
    Guard(
        "a commit that the replica has not is no grant",
        "scoreboard/connections/session.py",
        "        if connection is not None and connection.notices:\n",
        "        if False:\n",
        f"{PROMOTION}::test_a_commit_that_gave_up_waiting_for_the_replica_is_not_acknowledged",
    ),
    Guard(
        "whoever may hear of no warning hears of that one",
        "scoreboard/connections/session_settings.py",
        '    "client_min_messages": "warning",\n',
        "",
        "tests/integration/test_ledger.py::"
        "test_a_commit_is_doubted_for_a_warning_and_for_nothing_less",
    ),
    Guard(
        "a refusal is not taken for silence",
        "scoreboard/connections/session.py",
        "            if refusal is not None:  # not",
        "            if False:  # not",
        f"{REFUSED}::test_what_a_grant_is_refused_for_is_told_and_counted_apart",
    ),
    Guard(
        "a refusal costs no connection",
        "scoreboard/scoring/ledger.py",
        "        except (StatementRefused, TransactionAborted, PostgresRefused):\n",
        "        except (StatementRefused, TransactionAborted):\n",
        f"{REFUSED}::test_a_refusal_costs_no_connection_and_ends_when_its_cause_does",
    ),
    Guard(
        "of a refusal only what names no data is repeated",
        "scoreboard/connections/refusals.py",
        "    is_telling = sqlstate[:2] in _TELLING and sqlstate != _SYNTAX\n",
        "    is_telling = True\n",
        f"{REFUSED}::test_neither_a_statement_nor_what_a_trigger_says_is_repeated",
    ),
    Guard(
        "a start looks at what PostgreSQL gives this role",
        "scoreboard/app.py",
        "    await fitness.require(parts.settings.database_url, parts.settings.role)\n",
        "",
        "tests/service/test_refused.py::test_no_instance_starts_without_a_right_that_it_needs",
    ),
    Guard(
        "what a check publishes reaches nobody",
        "scoreboard/live/rabbit_check.py",
        ', user_id=f"{_NOBODY}.{secrets.token_hex(8)}")',
        ")",
        "tests/service/test_check.py::test_nothing_that_is_tried_reaches_an_instance",
    ),
    Guard(
        "what a check writes beside the board's copy is taken away",
        "scoreboard/connections/redis_check.py",
        "try('HDEL', board, field)\n",
        "",
        "tests/service/test_check.py::test_the_boards_copy_is_as_it_was_after_a_check",
    ),
    Guard(
        "handed down: transactions are read committed",
        "scoreboard/connections/session_settings.py",
        '    "default_transaction_isolation": "read committed",\n',
        "",
        f"{SETTINGS}::test_what_the_database_or_the_role_hands_down_changes_nothing",
    ),
    Guard(
        "handed down: what is sent is UTF-8",
        "scoreboard/connections/session_settings.py",
        '            client_encoding="UTF8",\n',
        "",
        f"{SETTINGS}::test_what_the_environment_hands_down_changes_nothing",
    ),
    Guard(
        "handed down: what the environment says behind our options is said once more",
        "scoreboard/connections/queries.sql",
        "SET timezone = 'UTC';\n",
        "",
        f"{SETTINGS}::test_what_the_environment_hands_down_changes_nothing",
    ),
    Guard(
        "handed down: the environment leads nowhere but to the host of the address",
        "scoreboard/connections/session_settings.py",
        '            parts.setdefault("hostaddr", "")\n',
        "            pass\n",
        f"{SETTINGS}::test_what_the_environment_hands_down_changes_nothing",
    ),
    Guard(
        "handed down: a quiet night ends no session",
        "scoreboard/connections/session_settings.py",
        '    "idle_session_timeout": "0",\n',
        "",
        f"{SETTINGS}::test_what_the_database_or_the_role_hands_down_changes_nothing",
    ),
    Guard(
        "handed down: tables of the same name elsewhere are not ours",
        "scoreboard/connections/session_settings.py",
        '        own = {"search_path": f\'"{named or PUBLIC}",pg_temp\'}\n',
        "        own: dict[str, str] = {}\n",
        f"{SETTINGS}::test_a_table_of_that_name_in_the_roles_own_schema_is_not_ours",
    ),
    Guard(
        "what was set is read back",
        "scoreboard/connections/session.py",
        "        if problems:\n",
        "        if False:\n",
        f"{SETTINGS}::test_foreign_keys_that_are_switched_off_are_refused",
    ),
    Guard(
        "tables in another schema are not made a second time",
        "scoreboard/migrations.py",
        "    if others and schema_named(database_url) is None:\n",
        "    if False:\n",
        f"{SETTINGS}::"
        "test_tables_that_an_older_version_put_into_the_roles_schema_are_not_made_anew",
    ),
    Guard(
        "a Redis that is a replica by now is not the primary",
        "scoreboard/connections/redis.py",
        "            await _check_is_primary(connection)\n",
        "            pass\n",
        f"{FAILOVER}::test_a_server_that_is_a_replica_by_now_is_not_taken_for_the_primary",
    ),
    Guard(
        "a connection to the primary that was is not used again",
        "scoreboard/connections/redis.py",
        "            connection.mark_for_reconnect()\n",
        "            pass\n",
        f"{FAILOVER}::test_a_connection_that_was_in_use_when_the_primary_changed_is_not_used_again",
    ),
    Guard(
        "Sentinels are asked by one caller at a time",
        "scoreboard/connections/redis.py",
        "            async with self._asking:\n",
        "            if True:\n",
        f"{FAILOVER}::test_no_sentinel_is_forgotten_when_many_ask_and_the_first_one_hangs",
    ),
    Guard(
        "the next Sentinel is asked while there is time",
        "scoreboard/connections/sentinels.py",
        "        each = timeout_seconds / (len(self.addresses) + 1)\n",
        "        each = timeout_seconds\n",
        f"{FAILOVER}::test_a_sentinel_that_hangs_costs_a_moment_and_not_the_answer",
    ),
    Guard(
        "sessions are lent in the order of asking",
        "scoreboard/connections/postgres.py",
        "                await self._turns.acquire()\n",
        "                while not self._free:\n"
        "                    await asyncio.sleep(0)\n"
        "                self._turns._value -= 1\n",
        f"{LEDGER}::test_who_waits_for_a_session_gets_it_before_who_comes_later",
    ),
    Guard(
        "who waits for a session hears that no connection can be made",
        "scoreboard/connections/postgres.py",
        "            self._raise_if_resting()  # since while this one was waiting\n",
        "            pass\n",
        f"{LOSSES}::test_who_waits_for_a_session_hears_of_a_failed_connection_at_once",
    ),
    Guard(
        "what many requests share is not logged as one of them",
        "scoreboard/connections/coalescing.py",
        "asyncio.create_task(self._run(), context=Context())",
        "asyncio.create_task(self._run())",
        "tests/unit/test_coalescing.py::test_a_batch_runs_in_a_context_of_its_own",
    ),
)
