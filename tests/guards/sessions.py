"""Sessions of PostgreSQL: how they are lent, how they end, and what is asked once more."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import COALESCING, CROWDS, LEDGER, LOSSES, POOLS, RESETS, Guard

SESSIONS: Final = (
    Guard(
        "outages: attempts to connect leave no file open",
        "scoreboard/connections/connection.py",
        "    def _ready(weak_self",
        "    def _like_aiopg(weak_self",
        f"{LOSSES}::test_attempts_to_connect_leave_no_file_open",
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
        "        session.settle()\n",
        "",
        f"{LEDGER}::test_a_session_left_within_a_transaction_is_not_inherited",
    ),
    Guard(
        "a lost connection is not replaced within a transaction",
        "scoreboard/connections/session.py",
        "            if self._pinned:\n                raise ConnectionLost\n",
        "",
        f"{LOSSES}::test_a_connection_lost_within_a_transaction_is_not_replaced_by_another",
    ),
    Guard(
        "nothing is rolled back that was not begun",
        "scoreboard/connections/session.py",
        "        if connection is None or not _is_idle(connection):\n",
        "        if True:\n",
        f"{LOSSES}::test_what_is_rolled_back_before_it_began_leaves_no_warning_in_the_servers_log",
    ),
    Guard(
        "sessions are lent in the order of asking",
        "scoreboard/connections/lending.py",
        "            place = next(iter(self._line))\n",
        "            place = next(reversed(self._line))\n",
        f"{POOLS}::test_who_asks_first_is_served_first",
    ),
    Guard(
        "nobody tries again at once when no connection could be made",
        "scoreboard/connections/lending.py",
        "        self._resting = asyncio.get_running_loop()"
        ".call_later(self._rest_seconds, self._go_on)\n",
        "",
        f"{LOSSES}::test_while_nobody_can_connect_those_who_wait_hear_of_it_at_once",
    ),
    Guard(
        "who waits for a session hears that no connection can be made",
        "scoreboard/connections/lending.py",
        "                if self._is_hopeless():\n",
        "                if False:\n",
        f"{LOSSES}::test_who_waits_for_a_session_hears_of_a_failed_connection_at_once",
    ),
    Guard(
        "sessions that are open go on while no connection can be made",
        "scoreboard/connections/lending.py",
        "        return self._resting is not None and not self.has_open\n",
        "        return self._resting is not None\n",
        f"{POOLS}::test_sessions_that_are_open_go_on_while_no_connection_can_be_made",
    ),
    Guard(
        "who could not connect goes on with a session that is open",
        "scoreboard/connections/postgres.py",
        "                if not self._lending.has_open:\n",
        "                if True:\n",
        f"{POOLS}::test_sessions_that_are_open_go_on_while_no_connection_can_be_made",
    ),
    Guard(
        "a session that was lent to who left in that turn is given back",
        "scoreboard/connections/lending.py",
        "                self.give_back(place.result())\n",
        "                pass\n",
        f"{POOLS}::test_whoever_leaves_in_the_turn_of_being_served_takes_no_session_along",
    ),
    Guard(
        "hanging up costs no connection of PostgreSQL",
        "scoreboard/connections/postgres.py",
        "            self._on_abandoned()\n",
        "            self._on_abandoned()\n            task.cancel()\n",
        f"{CROWDS}::test_whoever_hangs_up_costs_no_connection_to_postgresql",
    ),
    Guard(
        "nothing is asked for who left before it began",
        "scoreboard/connections/postgres.py",
        "                if answer.done():\n                    return\n",
        "",
        f"{POOLS}::test_whoever_leaves_while_a_connection_is_made_leaves_it_to_the_next",
    ),
    Guard(
        "what ends a pool ends what is under way",
        "scoreboard/connections/postgres.py",
        "            task.cancel()\n",
        "            pass\n",
        f"{POOLS}::test_what_ends_a_pool_ends_what_is_under_way",
    ),
    Guard(
        "a crowd keeps neither the relay nor readiness waiting",
        "scoreboard/parts.py",
        "        self.ledger = Ledger(self.writers, self.watch)\n",
        "        self.ledger = Ledger(self.writers, self.queries)\n",
        f"{CROWDS}::test_a_crowd_that_holds_every_reader_keeps_nobody_else_waiting",
    ),
    Guard(
        "a crowd does not keep access tokens alive",
        "scoreboard/parts.py",
        "            self.watch, revoked, metrics",
        "            self.queries, revoked, metrics",
        f"{CROWDS}::test_a_crowd_that_holds_every_reader_keeps_nobody_else_waiting",
    ),
    Guard(
        "resets: what comes behind the last words is read",
        "scoreboard/connections/connection.py",
        "        if connection._has_more():\n",
        "        if False:\n",
        f"{RESETS}::test_whoever_waits_for_a_session_that_is_reset_hears_of_it_at_once",
    ),
    Guard(
        "resets: a refusal is one also in a process with many files",
        "scoreboard/connections/connection.py",
        "        socket = select.poll()  # not select(): it refuses files from 1024 on\n"
        "        socket.register(self._fileno, select.POLLIN)\n"
        "        return bool(socket.poll(0))\n",
        "        return bool(select.select([self._fileno], [], [], 0)[0])\n",
        f"{RESETS}::test_a_refusal_is_one_also_in_a_process_with_many_files",
    ),
    Guard(
        "resets: the next address of a host is tried",
        "scoreboard/connections/connection.py",
        "                self._follow()\n",
        "                pass\n",
        f"{RESETS}::test_the_next_address_of_a_host_is_tried_when_the_first_one_refuses",
    ),
    Guard(
        "resets: a session that ended while nobody used it is not used",
        "scoreboard/connections/session.py",
        "            self._connection.catch_up()\n",
        "            pass\n",
        f"{RESETS}::test_a_session_that_ended_while_nobody_used_it_fails_nobody",
    ),
    Guard(
        "resets: what was read is asked again",
        "scoreboard/connections/postgres.py",
        "                    if not repeats:\n",
        "                    if True:\n",
        f"{RESETS}::test_what_was_read_is_asked_again_and_what_may_have_changed_something_is_not",
    ),
    Guard(
        "resets: what may have changed something is not asked again",
        "scoreboard/connections/postgres.py",
        "                    if not repeats:\n",
        "                    if False:\n",
        f"{RESETS}::test_what_was_read_is_asked_again_and_what_may_have_changed_something_is_not",
    ),
    Guard(
        "resets: a batch that was not committed is granted by another session",
        "scoreboard/ledger/batch.py",
        "isinstance(error, ConnectionLost | TransactionAborted)",
        "isinstance(error, TransactionAborted)",
        f"{RESETS}::test_a_batch_whose_session_ends_before_its_commit_is_granted_by_another",
    ),
    Guard(
        "resets: a batch whose COMMIT was lost is not granted again",
        "scoreboard/connections/session.py",
        "        except ConnectionLost as lost:\n",
        "        except ZeroDivisionError as lost:\n",
        f"{RESETS}::test_a_batch_whose_session_ends_before_its_commit_is_granted_by_another",
    ),
    Guard(
        "batches: what was left behind comes after those who wait",
        "scoreboard/connections/coalescing.py",
        "                self._left.append(waiting)\n",
        "                batch.append(waiting)\n",
        f"{COALESCING}::test_what_was_left_behind_comes_after_those_who_wait",
    ),
    Guard(
        "batches: what was left behind makes room for who comes",
        "scoreboard/connections/coalescing.py",
        "        if not self._left:\n",
        "        if True:\n",
        f"{COALESCING}::test_what_was_left_behind_makes_room_for_who_comes",
    ),
    Guard(
        "batches: what was left behind is dropped when it is late",
        "scoreboard/connections/coalescing.py",
        "            elif now > until:\n",
        "            elif queue is self._waiting and now > until:\n",
        f"{COALESCING}::test_what_was_left_behind_is_dropped_like_any_other_when_it_is_late",
    ),
    Guard(
        "batches: too few results are noticed",
        "scoreboard/connections/coalescing.py",
        "            if len(results) != len(batch):\n",
        "            if False:\n",
        f"{COALESCING}::test_nobody_waits_for_ever_when_a_batch_has_too_few_results",
    ),
)
