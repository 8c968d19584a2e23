"""Who hears of it: bus, relay, hub and streams."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import LOSSES, PROMISES, STREAMS, UNDER_LOAD, Guard

LIVE: Final = (
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
        "an instance is called connected once boards reach it",
        "scoreboard/live/rabbit.py",
        "                    await work(connection, partial(self._note_up, side, broker))\n",
        "                    self._note_up(side, broker)\n"
        "                    await work(connection, lambda: None)\n",
        "tests/integration/test_bus.py::test_it_is_not_connected_before_its_queue_is_bound",
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
        "streams that join after the farewell end as well",
        "scoreboard/live/hub.py",
        "        if self._farewell is not None:",
        "        if False:",
        f"{LOSSES}::test_a_stream_that_joins_after_the_farewell_ends_as_well",
    ),
    Guard(
        "a malformed message is dropped and counted",
        "scoreboard/live/rabbit.py",
        "        except ValueError as error:\n            self._metrics",
        "        except ZeroDivisionError as error:\n            self._metrics",
        "tests/integration/test_bus.py",
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
)
