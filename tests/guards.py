"""Shows that each guard is one: without it, the test that names it fails.

    python -m tests.guards [words in the guard's name]

For each guard, the sources are copied, the guard is taken out of the copy, and its test runs there.
A test that still passes proves nothing about its guard, and the run fails. It takes some minutes,
so it stands beside the test suite and not in it (`make guards`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
COPIED: Final = (
    "scoreboard",
    "tests",
    "migrations",
    "config",
    "pyproject.toml",
    "setup.cfg",
    "docker",
)
SECONDS: Final = 180


@dataclass(frozen=True, slots=True)
class Guard:
    """What protects something: `text` in `file`, what stands there `without` it, and its test."""

    name: str
    file: str
    text: str
    without: str
    test: str


LEDGER: Final = "tests/integration/test_ledger.py"
PROMISES: Final = "tests/service/test_promises.py"
STREAMS: Final = "tests/service/test_streams.py"
CONNECTIONS: Final = "tests/attacks/test_connections.py"
SECRETS: Final = "tests/attacks/test_secrets.py::test_no_secret_is_in_any_output"
OTHER_SITES: Final = "tests/attacks/test_other_sites.py"
LOSSES: Final = "tests/faults/test_locks_and_losses.py"
UNDER_LOAD: Final = "tests/faults/test_under_load.py"
PROMOTION: Final = "tests/faults/test_postgres_promotion.py"
FAILOVER: Final = "tests/faults/test_redis_failover.py"

GUARDS: Final = (
    Guard(
        "outages: a wait for PostgreSQL has a deadline",
        "scoreboard/connections/postgres.py",
        "parameters, timeout=self._timeout_seconds)",
        "parameters, timeout=600.0)",
        f"{UNDER_LOAD}::"
        "test_postgresql_fails_in_every_way_under_load_and_nothing_acknowledged_is_lost",
    ),
    Guard(
        "outages: attempts to connect leave no file open",
        "scoreboard/connections/postgres.py",
        "        except RuntimeError:\n            loop, number",
        "        except ZeroDivisionError:\n            loop, number",
        f"{LOSSES}::test_attempts_to_connect_leave_no_file_open_under_uvloop",
    ),
    Guard(
        "outages: without Redis the ledger is read",
        "scoreboard/scoring/board.py",
        '        except RedisUnavailable:\n            return None, "away"\n',
        "        except ZeroDivisionError:\n            return None, 'away'\n",
        f"{UNDER_LOAD}::test_redis_fails_in_every_way_under_load_and_no_submission_is_refused",
    ),
    Guard(
        "outages: without RabbitMQ versions are compared",
        "scoreboard/live/relay.py",
        "if await copy.is_behind(version)",
        "if False",
        f"{UNDER_LOAD}::test_rabbitmq_fails_in_every_way_under_load_and_no_subscriber_is_two_seconds"
        "_behind",
    ),
    Guard(
        "outages: what a killed instance had committed is found by comparing",
        "scoreboard/live/relay.py",
        "if await copy.is_behind(version)",
        "if False",
        "tests/faults/test_killed_at_each_step.py",
    ),
    Guard(
        "clocks: a token from an instance whose clock is ahead is taken",
        "scoreboard/accounts/access.py",
        "ISSUED_AHEAD_SECONDS: Final = 900\n",
        "ISSUED_AHEAD_SECONDS: Final = 10\n",
        "tests/faults/test_clocks.py",
    ),
    Guard(
        "an instance takes as many files as it may",
        "scoreboard/app.py",
        "    _allow_files()\n",
        "",
        "tests/faults/test_scarcity.py::test_an_instance_takes_as_many_files_as_it_may",
    ),
    Guard(
        "deploy: one that leaves serves on until the balancer has seen it",
        "scoreboard/app.py",
        "        await asyncio.sleep(settings.drain_seconds)\n",
        "",
        "tests/faults/test_deploy.py",
    ),
    Guard(
        "deploy: nothing follows the farewell",
        "scoreboard/live/hub.py",
        "        self.version = sys.maxsize\n",
        "",
        "tests/unit/test_hub.py::test_nothing_follows_the_farewell",
    ),
    Guard(
        "slow subscribers: one that vanished is given up, and counted",
        "scoreboard/live/stream.py",
        "vanished=isinstance(fate.error, TimeoutError)",
        "vanished=False",
        "tests/faults/test_slow_subscribers.py",
    ),
    Guard(
        "slow subscribers: what the kernel holds of a stream is bounded",
        "scoreboard/live/stream.py",
        "    _bound_kernel_buffer(subscriber.transport)\n",
        "",
        "tests/faults/test_slow_subscribers.py",
    ),
    Guard(
        "a pair is granted once: ON CONFLICT on unique_user_action",
        "scoreboard/scoring/queries.sql",
        "    ON CONFLICT ON CONSTRAINT unique_user_action DO NOTHING\n",
        "",
        f"{PROMISES}::test_an_action_raced_over_two_instances_and_many_connections_is_granted_once",
    ),
    Guard(
        "batches lock rows in one order",
        "scoreboard/scoring/queries.sql",
        "    ORDER BY user_id, action_id\n    ON CONFLICT",
        "    ON CONFLICT",
        f"{LEDGER}::test_batches_in_opposite_order_never_deadlock",
    ),
    Guard(
        "versions follow commit order: the row's lock",
        "scoreboard/scoring/queries.sql",
        "SELECT version FROM board FOR UPDATE;\n",
        "",
        f"{LEDGER}::test_versions_follow_commit_order_and_miss_no_commit",
    ),
    Guard(
        "the version rises only when the top 10 changed",
        "scoreboard/scoring/queries.sql",
        "    WHERE EXISTS (SELECT FROM top WHERE top.user_id = ANY (%(user_ids)s::uuid[]))\n",
        "",
        f"{LEDGER}::test_a_tie_with_the_tenth_does_not_change_the_board",
    ),
    Guard(
        "scores may fall only while no grant is under way",
        "scoreboard/scoring/queries.sql",
        "LOCK TABLE ledger, scores IN SHARE ROW EXCLUSIVE MODE\n",
        "SELECT 1\n",
        f"{LEDGER}::test_scores_fall_only_when_no_grant_is_under_way",
    ),
    Guard(
        "a bad row fails alone: the batch is halved",
        "scoreboard/scoring/ledger.py",
        "                if len(part) == 1:\n"
        "                    settled |= Settlement({part[0]: _refused(refusal)})\n"
        "                else:\n"
        "                    half = len(part) // 2\n"
        "                    parts += [part[half:], part[:half]]\n",
        "                settled |= Settlement(dict.fromkeys(part, _refused(refusal)))\n",
        f"{LEDGER}::test_every_refusal_of_a_batch_is_its_own_and_harms_no_neighbour",
    ),
    Guard(
        "the second of two equal submissions in a batch is refused",
        "scoreboard/scoring/submit.py",
        "            answered[submission.key] = verdict\n",
        "            pass\n",
        f"{PROMISES}::test_an_action_raced_over_two_instances_and_many_connections_is_granted_once",
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
        "scoreboard/connections/postgres.py",
        '(issue 537).\n        raise_if_cancelled()\n        on_failure("no_answer")\n'
        "        raise LedgerUnavailable from error\n",
        "(issue 537).\n        raise\n",
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
        "the reply waits for the copy",
        "scoreboard/scoring/submit.py",
        "        await self._board.store(board)\n",
        "        import asyncio\n\n"
        "        self._later = asyncio.create_task(self._board.store(board))\n",
        f"{PROMISES}::test_after_a_200_the_next_read_on_any_instance_is_at_least_that_new",
    ),
    Guard(
        "an older board never replaces a newer one in Redis",
        "scoreboard/scoring/board.py",
        "if present >= tonumber(ARGV[1]) then return 0 end\n",
        "",
        "tests/integration/test_board_copy.py",
    ),
    Guard(
        "a copy is trusted only once compared",
        "scoreboard/scoring/board.py",
        "        if self._redis.generation != self._trusted_generation:\n",
        "        if False:\n",
        "tests/integration/test_board_copy.py",
    ),
    Guard(
        "a check vouches for the board that Redis said it holds, and no other",
        "scoreboard/scoring/board.py",
        """        return board if version == b"%d" % board.version else None
""",
        "        return board\n",
        "tests/integration/test_board_copy.py",
    ),
    Guard(
        "a check vouches only for a copy that was compared",
        "scoreboard/scoring/board.py",
        "if board is None or self._redis.generation != self._trusted_generation:",
        "if board is None:",
        "tests/integration/test_board_copy.py",
    ),
    Guard(
        "what another site's page asks for is not answered with what was prepared for all",
        "scoreboard/api/prepared.py",
        """            and "Origin" not in request.headers
""",
        "",
        "tests/service/test_prepared_answers.py",
    ),
    Guard(
        "an answer for one client is prepared for nobody",
        "scoreboard/api/prepared.py",
        "            self._is_shared\n            and request.version",
        "            request.version",
        "tests/service/test_prepared_answers.py",
    ),
    Guard(
        "an older copy is not served once the bus brought a newer board",
        "scoreboard/parts.py",
        "on_board = _to_all(hub.offer, lambda new, _: board.notice(new))",
        "on_board = _to_all(hub.offer)",
        f"{PROMISES}::"
        "test_a_copy_that_missed_a_board_is_not_served_by_an_instance_that_the_bus_told",
    ),
    Guard(
        "instances compare versions with the ledger",
        "scoreboard/live/relay.py",
        "if await copy.is_behind(version)",
        "if False",
        f"{PROMISES}::"
        "test_a_board_that_was_never_published_reaches_the_other_instances_within_two_seconds",
    ),
    Guard(
        "the hub never takes an older board",
        "scoreboard/live/hub.py",
        "        if board.version <= self.version:\n"
        "            self._metrics.boards_outdated.inc()\n"
        "            return\n",
        "",
        "tests/unit/test_hub.py",
    ),
    Guard(
        "the last of a burst is never lost",
        "scoreboard/live/hub.py",
        "            await asyncio.sleep(self._push_interval_seconds)\n",
        "            await asyncio.sleep(self._push_interval_seconds)\n"
        "            self._changed.clear()\n",
        "tests/unit/test_hub.py",
    ),
    Guard(
        "a subscriber with unsent bytes is skipped",
        "scoreboard/live/hub.py",
        "        if subscriber.has_unsent_bytes:\n"
        "            self._metrics.deliveries_skipped.inc()\n",
        "        if False:\n            self._metrics.deliveries_skipped.inc()\n",
        f"{STREAMS}::test_a_stalled_client_is_skipped_then_cut_off_and_disturbs_nobody",
    ),
    Guard(
        "a stuck subscriber is cut off",
        "scoreboard/live/hub.py",
        "            subscriber.transport.abort()\n",
        "",
        f"{STREAMS}::test_a_stalled_client_is_skipped_then_cut_off_and_disturbs_nobody",
    ),
    Guard(
        "a client that leaves is noticed: handlers are cancelled",
        "scoreboard/app.py",
        "        handler_cancellation=True,\n",
        "",
        f"{STREAMS}::test_a_client_that_leaves_is_forgotten_at_once",
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
        "accepted submissions are finished at the end",
        "scoreboard/app.py",
        "        await parts.submissions.close()\n",
        "        for task in list(parts.submissions._batches._running):\n"
        "            task.cancel()\n",
        "tests/service/test_shutdown.py::"
        "test_submissions_whose_client_left_are_finished_at_the_end",
    ),
    Guard(
        "streams end first",
        "scoreboard/app.py",
        "    parts.hub.close(",
        "    (lambda *_: None)(",
        "tests/service/test_shutdown.py::test_streams_get_a_farewell_and_a_clean_end",
    ),
    Guard(
        "streams that join after the farewell end as well",
        "scoreboard/live/hub.py",
        "        if self._farewell is not None:",
        "        if False:",
        f"{LOSSES}::test_a_stream_that_joins_after_the_farewell_ends_as_well",
    ),
    Guard(
        "a lost connection is not replaced within a transaction",
        "scoreboard/connections/postgres.py",
        "            if self._pinned:\n                raise LedgerUnavailable\n",
        "",
        f"{LOSSES}::test_a_connection_lost_within_a_transaction_is_not_replaced_by_another",
    ),
    Guard(
        "what is committed is answered so: an abort behind the commit is not the batch's",
        "scoreboard/scoring/ledger.py",
        "        except LedgerUnavailable as error:\n"
        "            return dict.fromkeys(refused, error)\n",
        "        except ZeroDivisionError as error:\n            raise error\n",
        f"{LOSSES}::test_a_lock_right_behind_the_commit_takes_no_neighbours_200",
    ),
    Guard(
        "the half of a batch that was committed is answered so",
        "scoreboard/scoring/ledger.py",
        "                return settled | Settlement(dict.fromkeys(rest, error))\n",
        "                raise error\n",
        f"{LOSSES}::test_the_half_of_a_batch_that_was_committed_is_answered_so",
    ),
    Guard(
        "an operator's lock gives up soon",
        "scoreboard/scoring/queries.sql",
        "SET LOCAL lock_timeout = '2s';\n",
        "",
        f"{LOSSES}::test_an_operators_command_does_not_hold_all_grants_up",
    ),
    Guard(
        "nobody tries again at once when no connection could be made",
        "scoreboard/connections/postgres.py",
        "            self._resting_until = asyncio.get_running_loop().time() + _REST_SECONDS\n",
        "",
        f"{LOSSES}::test_while_nobody_can_connect_those_who_wait_hear_of_it_at_once",
    ),
    Guard(
        "only trusted hops are believed",
        "scoreboard/api/addresses.py",
        "        while hops and _is_trusted(peer, tuple(trusted)):\n",
        "        while hops:\n",
        "tests/service/test_limits.py::test_only_what_a_trusted_hop_added_counts",
    ),
    Guard(
        "limits go on without Redis",
        "scoreboard/api/rates.py",
        "            left = [self._local.left_us(check) for check in checks]\n",
        "            left = [check.burst_us for check in checks]\n",
        "tests/service/test_limits.py::test_limits_go_on_per_instance_while_redis_is_away",
    ),
    Guard(
        "a first header has its time",
        "scoreboard/api/connection.py",
        "self._loop.time() + HEAD_SECONDS",
        "self._loop.time() + self._keepalive_timeout",
        f"{CONNECTIONS}::test_a_head_that_never_ends_is_given_up",
    ),
    Guard(
        "a body has its time",
        "scoreboard/api/replies.py",
        "asyncio.timeout(BODY_SECONDS)",
        "asyncio.timeout(None)",
        f"{CONNECTIONS}::test_a_body_that_never_ends_is_given_up",
    ),
    Guard(
        "an unread answer has its time",
        "scoreboard/api/connection.py",
        "int(UNREAD_SECONDS * 1000)",
        "0",
        f"{CONNECTIONS}::test_a_client_that_never_reads_its_answers_is_cut_off",
    ),
    Guard(
        "what is not HTTP is neither repeated nor logged",
        "scoreboard/api/connection.py",
        "        if not isinstance(exc, HttpProcessingError):\n",
        "        if True:\n",
        "tests/attacks/test_smuggling.py::test_what_is_not_http_is_counted_and_not_logged",
    ),
    Guard(
        "a login is one in all its spellings",
        "scoreboard/api/limits.py",
        'check_of("login", _who(login), rate)',
        'check_of("login", login.casefold(), rate)',
        "tests/attacks/test_guessing.py::test_no_spelling_of_a_name_gives_further_attempts",
    ),
    Guard(
        "a log that cannot be written costs nothing but its lines",
        "scoreboard/operations/logs.py",
        "        except (OSError, ValueError):  # ValueError: it was closed",
        "        except ZeroDivisionError:  # ValueError: it was closed",
        "tests/service/test_logs.py::test_a_log_that_cannot_be_written_costs_no_request",
    ),
    Guard(
        "tracebacks in JSON hold no local variables",
        "scoreboard/operations/logs.py",
        "ExceptionDictTransformer(show_locals=False)",
        "ExceptionDictTransformer()",
        f"{SECRETS}[json]",
    ),
    Guard(
        "no e-mail address lies in Redis",
        "scoreboard/api/limits.py",
        "    return hashlib.blake2b(plain.encode(), digest_size=16).hexdigest()\n",
        "    return plain\n",
        f"{SECRETS}[json]",
    ),
    Guard(
        "tracebacks for people hold no local variables",
        "scoreboard/operations/logs.py",
        "exception_formatter=structlog.dev.plain_traceback",
        "",
        f"{SECRETS}[console]",
    ),
    Guard(
        "a refusal does not bring the row that PostgreSQL quotes",
        "scoreboard/connections/postgres.py",
        "error.diag.constraint_name) from None",
        "error.diag.constraint_name) from error",
        f"{SECRETS}[json]",
    ),
    Guard(
        "origins are compared whole",
        "scoreboard/api/origins.py",
        'if (origin := request.headers.get("Origin")) not in self._allowed:',
        'if not (origin := request.headers.get("Origin", "")).startswith(tuple(self._allowed)):',
        f"{OTHER_SITES}::test_an_origin_that_only_looks_like_an_allowed_one_reads_nothing",
    ),
    Guard(
        "a cache keeps an answer per origin",
        "scoreboard/api/origins.py",
        'response.headers.add("Vary", "Origin")',
        "pass",
        f"{OTHER_SITES}::test_a_cache_keeps_an_answer_per_origin",
    ),
    Guard(
        "streams of a user are counted whatever the address",
        "scoreboard/api/leaderboard.py",
        "    await request.app[USER_STREAMS].enter(user.user_id)\n",
        "",
        f"{OTHER_SITES}::test_one_user_cannot_hold_streams_without_end_from_ever_new_addresses",
    ),
    Guard(
        "what caches share bears nothing of whoever asked",
        "scoreboard/api/replies.py",
        'return headers.get(CACHE_CONTROL, "").startswith("public")',
        "return False",
        "tests/attacks/test_caches.py",
    ),
    Guard(
        "a path is logged without its line breaks",
        "scoreboard/api/middleware.py",
        "path=request.rel_url.raw_path",
        "path=request.path",
        "tests/attacks/test_injection.py"
        "::test_a_line_break_in_a_path_makes_no_second_line_of_the_log",
    ),
    Guard(
        "a log-out ends every successor",
        "scoreboard/accounts/registry.py",
        'self._fetch("revoke_family", {"token_hash": token_hash})',
        'self._fetch("revoke_family", {"token_hash": b""})',
        "tests/attacks/test_tokens.py::test_a_log_out_ends_what_a_thief_has_made_of_the_token",
    ),
    Guard(
        "one algorithm, whatever a token asks for",
        "scoreboard/accounts/access.py",
        "            algorithms=[ALGORITHM],\n",
        '            algorithms=[ALGORITHM, "HS512"],\n',
        "tests/attacks/test_tokens.py::test_no_forgery_submits_anything",
    ),
    Guard(
        "an unknown user costs a verification as well",
        "scoreboard/accounts/passwords.py",
        "        return await self._on_a_thread(lambda: self._matches(known, password))\n",
        "        if known is self._nobodys_hash:\n            return False\n"
        "        return await self._on_a_thread(lambda: self._matches(known, password))\n",
        "tests/attacks/test_guessing.py"
        "::test_an_unknown_user_and_a_wrong_password_are_the_same_work",
    ),
    Guard(
        "accounts have a limit of their own",
        "scoreboard/api/limits.py",
        '    if path.startswith("/api/auth/"):\n',
        '    if path == "/api/auth/":\n',
        "tests/attacks/test_limit_bypass.py"
        "::test_a_path_that_reaches_an_account_counts_as_one_however_it_is_spelt",
    ),
    Guard(
        "a malformed message is dropped and counted",
        "scoreboard/live/rabbit.py",
        "        except ValueError as error:\n            self._metrics",
        "        except ZeroDivisionError as error:\n            self._metrics",
        "tests/integration/test_bus.py",
    ),
    Guard(
        "every host of PostgreSQL is tried",
        "scoreboard/connections/postgres.py",
        "        for host in self._hosts.in_turn():\n",
        "        for host in self._hosts.in_turn()[:1]:\n",
        f"{PROMOTION}::test_what_an_asynchronous_promotion_lost_is_healed_by_a_rebuild",
    ),
    Guard(
        "a server that takes no writes any more is left",
        "scoreboard/connections/postgres.py",
        "        return len(self._dsns) > 1 and any(",
        "        return False and any(",
        f"{PROMOTION}::"
        "test_a_promotion_under_load_loses_nothing_that_was_acknowledged[takes no writes]",
    ),
    Guard(
        "a primary that commits nothing is doubted",
        "scoreboard/connections/postgres.py",
        "                self._hosts.doubt(self._host)\n",
        "                pass\n",
        f"{PROMOTION}::"
        "test_a_promotion_under_load_loses_nothing_that_was_acknowledged[was left alive]",
    ),
    Guard(
        "all sessions follow to the new primary",
        "scoreboard/connections/postgres.py",
        "        if not self._pinned and self._host != self._hosts.present:\n",
        "        if False:\n",
        f"{PROMOTION}::"
        "test_a_promotion_under_load_loses_nothing_that_was_acknowledged[was left alive]",
    ),
    Guard(
        "a commit that the replica has not is no grant",
        "scoreboard/connections/postgres.py",
        "        if connection is not None and connection.notices:\n",
        "        if False:\n",
        f"{PROMOTION}::test_a_commit_that_gave_up_waiting_for_the_replica_is_not_acknowledged",
    ),
    Guard(
        "a Redis that is a replica by now is not the primary",
        "scoreboard/connections/redis.py",
        "            await _check_is_primary(connection)\n",
        "            pass\n",
        f"{FAILOVER}::test_a_server_that_is_a_replica_by_now_is_not_taken_for_the_primary",
    ),
    Guard(
        "the next Sentinel is asked while there is time",
        "scoreboard/connections/sentinels.py",
        "        each = timeout_seconds / (len(self.addresses) + 1)\n",
        "        each = timeout_seconds\n",
        f"{FAILOVER}::test_a_sentinel_that_hangs_costs_a_moment_and_not_the_answer",
    ),
    Guard(
        "the next node of RabbitMQ is tried",
        "scoreboard/live/rabbit.py",
        "        for broker in itertools.cycle(brokers):\n",
        "        for broker in itertools.repeat(brokers[0]):\n",
        "tests/faults/test_rabbit_cluster.py",
    ),
    Guard(
        "a cancellation that nobody asked for ends no side of the bus",
        "scoreboard/live/rabbit.py",
        "            except (*_BROKER_ERRORS, asyncio.CancelledError) as error:\n",
        "            except _BROKER_ERRORS as error:\n",
        "tests/integration/test_bus.py::"
        "test_a_broker_that_falls_silent_while_a_board_is_under_way_ends_no_side",
    ),
    Guard(
        "a trace that is none costs no board",
        "scoreboard/live/messages.py",
        "    known = trace if isinstance(trace, str) and is_valid(trace) else None\n",
        "    known = trace if isinstance(trace, str) else None\n",
        "tests/integration/test_bus.py::test_a_trace_that_is_none_costs_no_board",
    ),
    Guard(
        "the binding is asserted again",
        "scoreboard/live/rabbit.py",
        "            await self._bind(queue, channel)\n            raise_if_cancelled()\n",
        "            raise_if_cancelled()\n",
        "tests/integration/test_bus.py",
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
        "a sender whose clock is ahead sends no board from the future",
        "scoreboard/live/messages.py",
        "    elapsed = max(0.0, time.time() - began / 1000)\n",
        "    elapsed = time.time() - began / 1000\n",
        "tests/integration/test_bus.py::"
        "test_a_sender_whose_clock_is_ahead_sends_no_board_from_the_future",
    ),
    Guard(
        "a board that waits to be published gives way to newer ones only",
        "scoreboard/live/slot.py",
        "            if self._waiting[0].version >= board.version:\n",
        "            if False:\n",
        "tests/integration/test_bus.py::"
        "test_an_older_board_does_not_replace_a_newer_one_that_waits",
    ),
    Guard(
        "the trace goes along on the bus",
        "scoreboard/live/messages.py",
        "return headers if trace is None else headers | {TRACE_HEADER: trace}",
        "return headers",
        "tests/service/test_tracing.py::"
        "test_one_trace_leads_from_the_request_to_the_push_on_every_instance",
    ),
    Guard(
        "an outage of a server takes no instance away",
        "scoreboard/operations/health.py",
        'return "ready" if self._version() >= 0 else "starting"',
        'return "ready" if all(part.up for part in self._parts) else "starting"',
        "tests/service/test_health.py",
    ),
    Guard(
        "what many requests share is not logged as one of them",
        "scoreboard/connections/coalescing.py",
        "asyncio.create_task(self._run(), context=Context())",
        "asyncio.create_task(self._run())",
        "tests/unit/test_coalescing.py::test_a_batch_runs_in_a_context_of_its_own",
    ),
    Guard(
        "a caller that does not want its trace recorded is not traced",
        "scoreboard/operations/tracing.py",
        "if not is_sampled(given) and (given or ",
        "if not is_sampled(given) and (",
        "tests/service/test_tracing.py::"
        "test_the_callers_flag_decides_and_chance_where_there_is_none",
    ),
    Guard(
        "spans that wait have a bound, and what is past it is counted",
        "scoreboard/operations/otlp.py",
        "if self._closed or len(self._waiting) >= _WAITING_MAX:",
        "if self._closed:",
        "tests/unit/test_tracing.py::test_more_spans_than_may_wait_are_dropped_and_counted",
    ),
    Guard(
        "no room for a thread costs no submission",
        "scoreboard/operations/otlp.py",
        "            with contextlib.suppress(RuntimeError):  # no room",
        "            if True:  # no room",
        "tests/unit/test_tracing.py::"
        "test_no_room_for_a_thread_costs_spans_time_and_whoever_ends_them_nothing",
    ),
    Guard(
        "spans under way when the end comes are counted",
        "scoreboard/operations/otlp.py",
        "        left, self._under_way = self._under_way, 0\n",
        "        left = 0\n",
        "tests/unit/test_tracing.py::test_an_exporter_that_hangs_does_not_hold_up_the_end",
    ),
    Guard(
        "boards that were conflated are timed too",
        "scoreboard/live/hub.py",
        "            self._on_their_way.append((origin, self._span(board, origin)))\n",
        "            self._on_their_way = [(origin, self._span(board, origin))]\n",
        "tests/unit/test_hub.py::"
        "test_each_board_is_timed_once_when_it_is_pushed_conflated_ones_too",
    ),
    Guard(
        "who takes what is written is not stuck",
        "scoreboard/live/hub.py",
        "            self.behind_since = None  # it has taken all that was written before\n",
        "",
        "tests/unit/test_hub.py::test_who_takes_each_board_before_the_next_is_never_cut_off",
    ),
    Guard(
        "an instance that ends gives its streams' places up",
        "scoreboard/api/leases.py",
        "        await self._write_down()\n        await self._leases.close()\n",
        "        await self._leases.close()\n",
        "tests/integration/test_leases.py::test_an_instance_that_ends_in_order_gives_its_places_up",
    ),
    Guard(
        "releases wait for Redis",
        "scoreboard/api/leases.py",
        "                self._released.update(released[start : start + _RELEASES_KEPT_MAX])\n",
        "",
        "tests/integration/test_leases.py"
        "::test_a_release_that_redis_did_not_take_is_told_when_it_is_back",
    ),
    Guard(
        "prepared answers that nobody reads do not pile up",
        "scoreboard/api/prepared.py",
        "            await writer.drain()\n",
        "",
        "tests/service/test_prepared_answers.py::test_answers_that_nobody_reads_do_not_pile_up",
    ),
    Guard(
        "HEAD gets no prepared body",
        "scoreboard/api/prepared.py",
        "            and request.method == METH_GET\n",
        "",
        "tests/service/test_hostile_input.py"
        "::test_whatever_can_be_read_is_answered_to_head_with_the_same_head_and_no_body",
    ),
    Guard(
        "nginx makes a submission elsewhere that went down with its instance",
        "docker/nginx/nginx.conf",
        "            error_page 502 504 = @actions;\n",
        "",
        "tests/deployment/test_nginx.py::"
        "test_a_submission_that_an_instance_takes_with_it_is_made_elsewhere",
    ),
    Guard(
        "nginx begins a request once more when nobody was there",
        "docker/nginx/nginx.conf",
        "            error_page 502 504 = @stream;\n",
        "",
        "tests/deployment/test_nginx.py::test_a_request_begins_once_more_when_nobody_was_there",
    ),
    Guard(
        "nginx makes no account twice",
        "docker/nginx/nginx.conf",
        "            if ($request_method = POST) {  # an account, say: it may have been made\n"
        "                return 502;\n            }\n",
        "",
        "tests/deployment/test_nginx.py::test_a_request_begins_once_more_when_nobody_was_there",
    ),
    Guard(
        "the image's account has a name to migrate under",
        "docker/Dockerfile",
        "LOGNAME=scoreboard ",
        "",
        "tests/deployment/test_compose.py::"
        "test_the_schema_can_be_made_under_an_account_without_a_name",
    ),
    Guard(
        "RabbitMQ's user may touch nothing else",
        "docker/rabbitmq/definitions.json",
        '      "write": "^scoreboard\\\\..*",\n',
        '      "write": ".*",\n',
        "tests/deployment/test_rabbit_definitions.py::"
        "test_nothing_else_may_be_made_read_or_written",
    ),
    Guard(
        "RabbitMQ bounds a queue whoever makes it",
        "docker/rabbitmq/definitions.json",
        '"max-length": 64, ',
        "",
        "tests/deployment/test_rabbit_definitions.py::"
        "test_every_queue_of_ours_is_bounded_whoever_makes_it",
    ),
    Guard(
        "the imitation of Redis goes on after an error",
        "scoreboard/operations/embedded/redis.py",
        "    server.RequestHandlerClass = _that_goes_on_after_errors(server.RequestHandlerClass)\n",
        "",
        "tests/service/test_imitation.py",
    ),
    Guard(
        "a frozen tab is not waited for",
        "scoreboard/web/scoreboard-client.js",
        "expect(this.#greeted ? ANSWER_MS : GREETING_MS)",
        "expect(this.#greeted ? 60_000 : GREETING_MS)",
        "tests/browser/test_client.py::"
        "test_a_frozen_leader_loses_its_place_as_soon_as_somebody_looks_at_another_tab",
    ),
    Guard(
        "a tab that nobody sees holds no connection",
        "scoreboard/web/scoreboard-client.js",
        '      document.addEventListener("visibilitychange", this.#look);\n',
        "",
        "tests/browser/test_client.py::"
        "test_without_locks_a_tab_that_nobody_sees_gives_its_connection_back",
    ),
    Guard(
        "clients that are sent away together return apart",
        "scoreboard/web/scoreboard-client.js",
        "const jitter = 1 + Math.random() / 2;",
        "const jitter = 1;",
        "tests/browser/test_client.py::test_retry_is_obeyed_and_spread",
    ),
    Guard(
        "a migration and its row are one transaction",
        "scoreboard/migrations.py",
        "                with backend.transaction():\n"
        '                    migration.process_steps(backend, "apply")\n'
        "                    backend.mark_one(migration)\n",
        "                backend.apply_one(migration)\n",
        "tests/migrations/test_stairway.py::"
        "test_a_runner_that_dies_before_it_wrote_down_a_migration_leaves_nothing_of_it",
    ),
)


def main(words: list[str]) -> int:
    """Try the guards whose names hold all of these words; the exit status says whether all were."""
    chosen = [guard for guard in GUARDS if all(word in guard.name for word in words)]
    failed = [guard for guard in chosen if not is_noticed(guard)]
    sys.stdout.write(f"{len(chosen) - len(failed)} of {len(chosen)} guards are proven by a test\n")
    return 1 if failed else 0


def is_noticed(guard: Guard) -> bool:
    """Whether the guard's test fails without the guard."""
    with tempfile.TemporaryDirectory(prefix="guards-") as directory:
        copy = Path(directory)
        _copy_to(copy)
        _take_out(guard, copy / guard.file)
        outcome = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "--timeout", "40", guard.test],
            cwd=copy,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    noticed = outcome.returncode == 1  # 1: tests ran and failed; anything else is another mistake
    word = "noticed" if noticed else f"NOT NOTICED (pytest said {outcome.returncode})"
    sys.stdout.write(f"{word}: {guard.name}\n")
    if not noticed:
        sys.stdout.write(outcome.stdout[-2000:])
    sys.stdout.flush()
    return noticed


def _copy_to(copy: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)


def _take_out(guard: Guard, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    if text.count(guard.text) != 1:
        raise SystemExit(f"{guard.name}: its text is not (once) in {guard.file}; mend the list")
    file.write_text(text.replace(guard.text, guard.without), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
