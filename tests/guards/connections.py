"""The borders to PostgreSQL and Redis, and group commit."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import (
    FAILOVER,
    LEDGER,
    LOSSES,
    PROMISES,
    PROMOTION,
    SECRETS,
    UNDER_LOAD,
    Guard,
)

CONNECTIONS: Final = (
    Guard(
        "outages: a wait for PostgreSQL has a deadline",
        "scoreboard/connections/session.py",
        "parameters, timeout=self._timeout_seconds)",
        "parameters, timeout=600.0)",
        f"{UNDER_LOAD}::"
        "test_postgresql_fails_in_every_way_under_load_and_nothing_acknowledged_is_lost",
    ),
    Guard(
        "outages: attempts to connect leave no file open",
        "scoreboard/connections/session.py",
        "        except RuntimeError:\n            loop, number",
        "        except ZeroDivisionError:\n            loop, number",
        f"{LOSSES}::test_attempts_to_connect_leave_no_file_open_under_uvloop",
    ),
    Guard(
        "commits are synchronous",
        "scoreboard/connections/hosts.py",
        '        "synchronous_commit": "on",\n',
        "",
        f"{PROMISES}::test_commits_are_synchronous_whatever_the_server_defaults_to",
    ),
    Guard(
        "a statement timeout is not a cancellation",
        "scoreboard/connections/session.py",
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
        "error.diag.constraint_name) from None",
        "error.diag.constraint_name) from error",
        f"{SECRETS}[json]",
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
        "scoreboard/connections/hosts.py",
        '        "client_min_messages": "warning",\n',
        "",
        "tests/integration/test_ledger.py::"
        "test_a_commit_is_doubted_for_a_warning_and_for_nothing_less",
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
