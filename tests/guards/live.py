"""Who hears of it: bus, relay, hub and streams."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import FORGED, LOSSES, PROMISES, STREAMS, UNDER_LOAD, Guard

BUS: Final = "tests/integration/test_bus.py"
HUB: Final = "tests/unit/test_hub.py"

LIVE: Final = (
    Guard(
        "outages: without RabbitMQ versions are compared",
        "scoreboard/live/relay.py",
        "                if await copy.take(truth):\n",
        "                if False:\n",
        f"{UNDER_LOAD}::test_rabbitmq_fails_in_every_way_under_load_and_no_subscriber_is_two_seconds"
        "_behind",
    ),
    Guard(
        "outages: what a killed instance had committed is found by comparing",
        "scoreboard/live/relay.py",
        "                if await copy.take(truth):\n",
        "                if False:\n",
        "tests/faults/test_killed_at_each_step.py",
    ),
    Guard(
        "an instance is called connected once boards reach it",
        "scoreboard/bus/broker.py",
        "            await unless_set(_loss_of(connection), work(connection, self))\n",
        "            self.note_up()\n"
        "            await unless_set(_loss_of(connection), work(connection, self))\n",
        "tests/integration/test_bus.py::test_it_is_not_connected_before_its_queue_is_bound",
    ),
    Guard(
        "an instance is called connected once a message of it was confirmed",
        "scoreboard/bus/publisher.py",
        "        probe_after_seconds = 0.0\n        while True:\n",
        "        side.note_up()\n        probe_after_seconds = 0.0\n        while True:\n",
        f"{BUS}::test_whoever_may_not_publish_is_never_called_connected",
    ),
    Guard(
        "a broker that takes no messages is waited for on one connection",
        "scoreboard/bus/publisher.py",
        "            if is_blocked(connection):\n                deadline.reschedule(None)\n",
        "            if False:\n                deadline.reschedule(None)\n",
        f"{BUS}::test_while_the_broker_takes_no_messages_the_bus_is_not_connected_and_says_why",
    ),
    Guard(
        "the one message that a blocked connection confirms proves nothing",
        "scoreboard/bus/publisher.py",
        "            if is_blocked(connection):\n                side.note_blocked()\n",
        "            if False:\n                side.note_blocked()\n",
        f"{BUS}::test_who_connects_during_an_alarm_is_not_connected_before_its_end",
    ),
    Guard(
        "a broker is asked now and then whether it takes messages",
        "scoreboard/bus/publisher.py",
        "                if waiting is None:\n",
        "                if waiting is None and probe_after_seconds:\n"
        "                    continue\n"
        "                if waiting is None:\n",
        f"{BUS}::test_while_the_broker_takes_no_messages_the_bus_is_not_connected_and_says_why",
    ),
    Guard(
        "whoever may make the exchange again does",
        "scoreboard/bus/exchange.py",
        "        try:\n            await self._declare(channel)\n",
        "        if not self._makes_it:\n            return channel\n"
        "        try:\n            await self._declare(channel)\n",
        f"{BUS}::test_whoever_may_make_the_exchange_again_does",
    ),
    Guard(
        "a full queue of somebody else costs the bus nothing",
        "scoreboard/bus/publisher.py",
        "        except DeliveryError as error:\n",
        "        except ZeroDivisionError as error:\n",
        f"{BUS}::test_a_full_queue_of_somebody_else_costs_no_board_and_no_connection",
    ),
    Guard(
        "a heartbeat ends no event",
        "scoreboard/live/frames.py",
        'Frame.of(b": heartbeat\\n")',
        'Frame.of(b": heartbeat\\n\\n")',
        "tests/unit/test_frames.py::test_only_events_with_data_end_with_an_empty_line",
    ),
    Guard(
        "deploy: nothing follows the farewell",
        "scoreboard/live/subscriber.py",
        "        self.version = sys.maxsize\n",
        "",
        "tests/unit/test_hub.py::test_nothing_follows_the_farewell",
    ),
    Guard(
        "slow subscribers: one that vanished is given up, and counted",
        "scoreboard/live/stream.py",
        "vanished=isinstance(end.error, TimeoutError)",
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
        "                if await copy.take(truth):\n",
        "                if False:\n",
        f"{PROMISES}::"
        "test_a_board_that_was_never_published_reaches_the_other_instances_within_two_seconds",
    ),
    Guard(
        "the hub never takes an older board",
        "scoreboard/live/channel.py",
        "        if board.version <= self.version:\n"
        "            self._metrics.boards_outdated.inc()\n"
        "            return False\n",
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
        "scoreboard/live/audience.py",
        "        if subscriber.has_unsent_bytes:\n"
        "            self._metrics.deliveries_skipped.inc()\n",
        "        if False:\n            self._metrics.deliveries_skipped.inc()\n",
        f"{STREAMS}::test_a_stalled_client_is_skipped_then_cut_off_and_disturbs_nobody",
    ),
    Guard(
        "a stuck subscriber is cut off",
        "scoreboard/live/audience.py",
        "        subscriber.transport.abort()\n",
        "",
        f"{STREAMS}::test_a_stalled_client_is_skipped_then_cut_off_and_disturbs_nobody",
    ),
    Guard(
        "streams that join after the farewell end as well",
        "scoreboard/live/channel.py",
        "        if self._farewell is not None:",
        "        if False:",
        f"{LOSSES}::test_a_stream_that_joins_after_the_farewell_ends_as_well",
    ),
    Guard(
        "a message is believed only if one of us has signed it",
        "scoreboard/bus/messages.py",
        "        if not isinstance(signature, str) or not self._is_ours(message, signature):\n",
        "        if False:\n",
        f"{FORGED}::test_no_message_of_a_stranger_is_shown_or_harms_anybody",
    ),
    Guard(
        "what is read of a message is what was signed",
        "scoreboard/bus/messages.py",
        "    values = [message.kind, message.message_id, "
        "*(message.headers.get(name) for name in headers)]\n",
        "    values = [headers and None]\n",
        f"{BUS}::test_a_message_that_is_no_board_of_ours_is_dropped_and_counted",
    ),
    Guard(
        "a message is bounded before anybody looks into it",
        "scoreboard/bus/messages.py",
        "        if len(message.body) > BOARD_BYTES_MAX:\n",
        "        if False:\n",
        f"{BUS}::test_a_message_that_is_no_board_of_ours_is_dropped_and_counted",
    ),
    Guard(
        "a message that cannot be read costs no other",
        "scoreboard/bus/consumer.py",
        "        except Exception:  # of ours",
        "        except BufferError:  # of ours",
        f"{BUS}::test_a_defect_while_a_board_is_taken_is_counted_and_costs_no_other",
    ),
    Guard(
        "a board that cannot be sent is not taken",
        "scoreboard/live/channel.py",
        "        except (TypeError, ValueError, OverflowError):\n",
        "        except ZeroDivisionError:\n",
        f"{HUB}::test_a_board_that_cannot_be_sent_is_refused_and_the_hub_goes_on",
    ),
    Guard(
        "a version of no history is not taken from the bus",
        "scoreboard/live/channel.py",
        "        if self.board is not None and board.version - self.board.version > LEAP_MAX:\n",
        "        if False:\n",
        f"{FORGED}::test_a_board_of_whoever_has_the_secret_is_overtaken_by_the_ledgers",
    ),
    Guard(
        "a stream that was on its way in when the board began anew ends as well",
        "scoreboard/live/channel.py",
        "        elif subscriber.version - self.version > LEAP_MAX:\n",
        "        elif False:\n",
        f"{HUB}::"
        "test_where_the_board_begins_anew_each_stream_ends_and_the_next_one_has_the_lower_board",
    ),
    Guard(
        "a board that the ledger does not know is overtaken",
        "scoreboard/live/relay.py",
        "        shown = _ahead(held, truth)\n",
        "        shown = None\n",
        f"{FORGED}::test_a_ledger_that_was_set_back_goes_on_above_what_was_shown",
    ),
    Guard(
        "another board under the ledger's version is overtaken too",
        "scoreboard/live/relay.py",
        "board.version >= truth.version and board != truth",
        "board.version > truth.version",
        f"{FORGED}::test_a_ledger_that_was_set_back_goes_on_above_what_was_shown",
    ),
    Guard(
        "copies are looked at before the ledger",
        "scoreboard/live/relay.py",
        "        held = [board for copy in self._copies.values() for board in await copy.held()]\n"
        "        try:\n"
        "            truths = [await self._overtake(held, truth) "
        "for truth in await self._truth.boards()]\n",
        "        try:\n"
        "            read = await self._truth.boards()\n"
        "            held = [b for copy in self._copies.values() for b in await copy.held()]\n"
        "            truths = [await self._overtake(held, truth) for truth in read]\n",
        "tests/unit/test_relay.py::test_a_commit_during_the_comparison_is_no_divergence",
    ),
    Guard(
        "a primary that was is no ledger that went back",
        "scoreboard/live/relay.py",
        "        if written.version > truth.version + 1 and _ahead(held, written) is None:\n",
        "        if False:\n",
        "tests/unit/test_relay.py::test_a_primary_that_was_and_still_answers_is_no_divergence",
    ),
    Guard(
        "no version of no history lifts the ledger",
        "scoreboard/live/relay.py",
        "        if shown - truth.version > LEAP_MAX or shown + 1 >= VERSION_END:\n",
        "        if not (LEAP_MAX, VERSION_END):\n",
        "tests/unit/test_relay.py::"
        "test_a_version_that_no_history_leads_to_lifts_nothing_and_all_begin_anew",
    ),
    Guard(
        "an instance whose user may not make the exchange goes on without",
        "scoreboard/bus/exchange.py",
        "        except ChannelAccessRefused:\n",
        "        except ZeroDivisionError:\n",
        "tests/deployment/test_rabbit_definitions.py::test_instances_need_no_more_rights",
    ),
    Guard(
        "the next node of RabbitMQ is tried",
        "scoreboard/bus/broker.py",
        "itertools.cycle(random.sample(self._addresses, len(self._addresses)))",
        "itertools.repeat(self._addresses[0])",
        "tests/faults/test_rabbit_cluster.py",
    ),
    Guard(
        "a cancellation that nobody asked for ends no side of the bus",
        "scoreboard/bus/broker.py",
        "            except (*BROKER_ERRORS, asyncio.CancelledError) as error:\n",
        "            except BROKER_ERRORS as error:\n",
        "tests/integration/test_bus.py::"
        "test_a_broker_that_falls_silent_while_a_board_is_under_way_ends_no_side",
    ),
    Guard(
        "a trace that is none costs no board",
        "scoreboard/bus/messages.py",
        "    known = trace if isinstance(trace, str) and is_valid(trace) else None\n",
        "    known = trace if isinstance(trace, str) else None\n",
        "tests/integration/test_bus.py::test_a_trace_that_is_none_costs_no_board",
    ),
    Guard(
        "the binding is asserted again",
        "scoreboard/bus/consumer.py",
        "            await self._exchange.bind(queue, channel)\n            raise_if_cancelled()\n",
        "            raise_if_cancelled()\n",
        "tests/integration/test_bus.py",
    ),
    Guard(
        "a sender whose clock is ahead sends no board from the future",
        "scoreboard/bus/messages.py",
        "    elapsed = max(0.0, time.time() - began / 1000)\n",
        "    elapsed = time.time() - began / 1000\n",
        "tests/integration/test_bus.py::"
        "test_a_sender_whose_clock_is_ahead_sends_no_board_from_the_future",
    ),
    Guard(
        "a board that waits to be published gives way to newer ones only",
        "scoreboard/bus/slots.py",
        "            if before[0].version >= board.version:\n",
        "            if False:\n",
        "tests/integration/test_bus.py::"
        "test_an_older_board_does_not_replace_a_newer_one_that_waits",
    ),
    Guard(
        "the trace goes along on the bus",
        "scoreboard/bus/messages.py",
        "return headers if trace is None else headers | {TRACE_HEADER: trace}",
        "return headers",
        "tests/service/test_tracing.py::"
        "test_one_trace_leads_from_the_request_to_the_push_on_every_instance",
    ),
    Guard(
        "boards that were conflated are timed too",
        "scoreboard/live/arrivals.py",
        "            self._on_their_way.append((origin, self._span(board, origin)))\n",
        "            self._on_their_way = [(origin, self._span(board, origin))]\n",
        "tests/unit/test_hub.py::"
        "test_each_board_is_timed_once_when_it_is_pushed_conflated_ones_too",
    ),
    Guard(
        "who takes what is written is not stuck",
        "scoreboard/live/subscriber.py",
        "            self.behind_since = None  # it has taken all that was written before\n",
        "",
        "tests/unit/test_hub.py::test_who_takes_each_board_before_the_next_is_never_cut_off",
    ),
    Guard(
        "boards of several ids wait in slots of their own",
        "scoreboard/bus/slots.py",
        "        before = self._waiting.get(board.board_id)\n",
        "        before = next(iter(self._waiting.values()), None)\n",
        f"{BUS}::test_boards_of_several_ids_are_each_published_with_their_newest",
    ),
    Guard(
        "the boards that wait to be published are bounded",
        "scoreboard/bus/slots.py",
        "        elif len(self._waiting) >= self._slots_max:\n",
        "        elif False:\n",
        "tests/unit/test_slots.py::"
        "test_one_board_too_many_takes_the_place_of_the_one_that_has_waited_longest",
    ),
    Guard(
        "the channels of the hub are bounded",
        "scoreboard/live/hub.py",
        "            if len(self._channels) >= self._channels_max:\n",
        "            if False:\n",
        f"{HUB}::test_there_are_so_many_channels_and_no_more",
    ),
    Guard(
        "a board is told to the copy of its own id",
        "scoreboard/live/hub.py",
        "        if (told := self._on_newer.get(board.board_id)) is not None:\n",
        "        if (told := next(iter(self._on_newer.values()), None)) is not None:\n",
        f"{HUB}::test_a_copy_is_told_of_the_newer_boards_of_its_id_alone",
    ),
    Guard(
        "a version of one board says nothing of another",
        "scoreboard/live/relay.py",
        "if board.board_id == truth.board_id and ",
        "if ",
        "tests/unit/test_relay.py::test_a_version_of_one_board_says_nothing_of_another",
    ),
    Guard(
        "a message is outdated by the version of its own board",
        "scoreboard/bus/messages.py",
        "message.headers.get(BOARD_HEADER, MAIN)",
        "MAIN",
        f"{BUS}::test_a_message_that_names_another_board_says_nothing_of_main",
    ),
)
