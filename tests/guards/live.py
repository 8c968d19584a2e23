"""Who hears of it: bus, relay, hub and streams."""

from __future__ import annotations

from typing import Final

from tests.guards.change import (
    Always,
    Instead,
    Keyword,
    Never,
    Removed,
    Replaced,
    Unwrapped,
    Value,
)
from tests.guards.guard import FORGED, LIVE_BOARDS, LOSSES, PROMISES, STREAMS, UNDER_LOAD, Marked

BUS: Final = "tests/integration/test_bus.py"
HUB: Final = "tests/unit/test_hub.py"

LIVE: Final = (
    Marked(
        "outages: without RabbitMQ versions are compared",
        "outages-without-rabbitmq",
        Removed(),
        f"{UNDER_LOAD}::test_rabbitmq_fails_in_every_way_under_load_and_no_subscriber_is_two_seconds"
        "_behind",
    ),
    Marked(
        "outages: what a killed instance had committed is found by comparing",
        "outages-killed-instance",
        Removed(),
        "tests/faults/test_killed_at_each_step.py",
    ),
    Marked(
        "an instance is called connected once boards reach it",
        "instance-called",
        Replaced("""self.note_up()
$it"""),
        "tests/integration/test_bus.py::test_it_is_not_connected_before_its_queue_is_bound",
    ),
    Marked(
        "an instance is called connected once a message of it was confirmed",
        "instance-called-connected",
        Replaced("""side.note_up()
$it"""),
        f"{BUS}::test_whoever_may_not_publish_is_never_called_connected",
    ),
    Marked(
        "a broker that takes no messages is waited for on one connection",
        "broker-takes-no",
        Never(),
        f"{BUS}::test_while_the_broker_takes_no_messages_the_bus_is_not_connected_and_says_why",
    ),
    Marked(
        "the one message that a blocked connection confirms proves nothing",
        "one-message-blocked",
        Never(),
        f"{BUS}::test_who_connects_during_an_alarm_is_not_connected_before_its_end",
    ),
    Marked(
        "a broker is asked now and then whether it takes messages",
        "broker-asked-now",
        Replaced("""if waiting is None and probe_after_seconds:
    continue
$it"""),
        f"{BUS}::test_while_the_broker_takes_no_messages_the_bus_is_not_connected_and_says_why",
    ),
    Marked(
        "whoever may make the exchange again does",
        "may-make-exchange",
        Replaced("""if not self._makes_it:
    return channel
$it"""),
        f"{BUS}::test_whoever_may_make_the_exchange_again_does",
    ),
    Marked(
        "a full queue of somebody else costs the bus nothing",
        "full-queue-somebody",
        Removed(),
        f"{BUS}::test_a_full_queue_of_somebody_else_costs_no_board_and_no_connection",
    ),
    Marked(
        "a heartbeat ends no event",
        "heartbeat-ends-no",
        Value("Frame.of(b': heartbeat\\n\\n')"),
        "tests/unit/test_frames.py::test_only_events_with_data_end_with_an_empty_line",
    ),
    Marked(
        "deploy: nothing follows the farewell",
        "deploy-nothing-follows",
        Removed(),
        "tests/unit/test_hub.py::test_nothing_follows_the_farewell",
    ),
    Marked(
        "slow subscribers: one that vanished is given up, and counted",
        "slow-subscribers-one",
        Keyword("vanished", "False"),
        "tests/faults/test_slow_subscribers.py",
    ),
    Marked(
        "slow subscribers: what the kernel holds of a stream is bounded",
        "slow-subscribers-kernel",
        Removed(),
        f"{STREAMS}::test_what_the_kernel_may_hold_of_a_stream_is_bounded",
    ),
    Marked(
        "streams: a head that was encoded before is not for other sites, and not for HTTP/1.0",
        "stream-of-site",
        Never(),
        f"{STREAMS}::test_the_head_of_a_stream_says_what_aiohttp_would_say",
    ),
    Marked(
        "instances compare versions with the ledger",
        "instances-compare-versions",
        Removed(),
        f"{PROMISES}::"
        "test_a_board_that_was_never_published_reaches_the_other_instances_within_two_seconds",
    ),
    Marked(
        "the hub never takes an older board",
        "hub-never-takes",
        Removed(),
        "tests/unit/test_hub.py",
    ),
    Marked(
        "the last of a burst is never lost",
        "last-burst-never",
        Never(),
        "tests/unit/test_hub.py",
    ),
    Marked(
        "a subscriber with unsent bytes is skipped",
        "subscriber-unsent-bytes",
        Removed(),
        f"{STREAMS}::test_a_stalled_client_is_skipped_then_cut_off_and_disturbs_nobody",
    ),
    Marked(
        "a stuck subscriber is cut off",
        "stuck-subscriber-cut",
        Removed(),
        f"{STREAMS}::test_a_stalled_client_is_skipped_then_cut_off_and_disturbs_nobody",
    ),
    Marked(
        "streams that join after the farewell end as well",
        "streams-join-after",
        Never(),
        f"{LOSSES}::test_a_stream_that_joins_after_the_farewell_ends_as_well",
    ),
    Marked(
        "a message is believed only if one of us has signed it",
        "message-believed-only",
        Removed(),
        f"{FORGED}::test_no_message_of_a_stranger_is_shown_or_harms_anybody",
    ),
    Marked(
        "what is read of a message is what was signed",
        "read-message-signed",
        Instead(
            "[message.kind, message.message_id, *(message.headers.get(name) for name in headers)]",
            "[headers and None]",
        ),
        f"{BUS}::test_a_message_that_is_no_board_of_ours_is_dropped_and_counted",
    ),
    Marked(
        "a message is bounded before anybody looks into it",
        "message-bounded-before",
        Removed(),
        f"{BUS}::test_a_message_that_is_no_board_of_ours_is_dropped_and_counted",
    ),
    Marked(
        "a message that cannot be read costs no other",
        "message-cannot-read",
        Removed(),
        f"{BUS}::test_a_defect_while_a_board_is_taken_is_counted_and_costs_no_other",
    ),
    Marked(
        "a board that cannot be sent is not taken",
        "board-cannot-sent",
        Removed(),
        f"{HUB}::test_a_board_that_cannot_be_sent_is_refused_and_the_hub_goes_on",
    ),
    Marked(
        "a version of no history is not taken from the bus",
        "version-no-history-not",
        Removed(),
        f"{FORGED}::test_a_board_of_whoever_has_the_secret_is_overtaken_by_the_ledgers",
    ),
    Marked(
        "a stream that was on its way in when the board began anew ends as well",
        "stream-way-when",
        Removed(),
        f"{HUB}::"
        "test_where_the_board_begins_anew_each_stream_ends_and_the_next_one_has_the_lower_board",
    ),
    Marked(
        "a board that the ledger does not know is overtaken",
        "board-ledger-not",
        Value("None"),
        f"{FORGED}::test_a_ledger_that_was_set_back_goes_on_above_what_was_shown",
    ),
    Marked(
        "another board under the ledger's version is overtaken too",
        "another-board-under",
        Instead(
            "$other and $version >= $version2 and ($board != $truth)",
            "$other and $version > $version2",
        ),
        f"{FORGED}::test_a_ledger_that_was_set_back_goes_on_above_what_was_shown",
    ),
    Marked(
        "copies are looked at before the ledger",
        "copies-looked-before",
        Replaced(
            """try:
    versions = await self._truth.versions()
    held = [b for copy in self._copies.values() for b in await copy.held()]
    truths = [await self._overtake(held, t) for t in await self._truths(held, versions)]
except LedgerUnavailable:
    self._metrics.reconcile_failures.inc()
    return None""",
            many=2,
        ),
        "tests/unit/test_relay.py"
        "::test_a_commit_that_missed_a_copy_while_that_was_looked_at_is_found_at_once",
    ),
    Marked(
        "a primary that was is no ledger that went back",
        "primary-no-ledger",
        Removed(),
        "tests/unit/test_relay.py::test_a_primary_that_was_and_still_answers_is_no_divergence",
    ),
    Marked(
        "no version of no history lifts the ledger",
        "no-version-no",
        Instead(
            "$shown - $truth.version > LEAP_MAX or $shown + 1 >= VERSION_END",
            "not (LEAP_MAX, VERSION_END)",
        ),
        "tests/unit/test_relay.py::"
        "test_a_version_that_no_history_leads_to_lifts_nothing_and_all_begin_anew",
    ),
    Marked(
        "an instance whose user may not make the exchange goes on without",
        "instance-whose-user",
        Removed(),
        "tests/deployment/test_rabbit_definitions.py::test_instances_need_no_more_rights",
    ),
    Marked(
        "the next node of RabbitMQ is tried",
        "next-node-rabbitmq",
        Instead(
            "itertools.cycle(random.sample($addresses, len($addresses)))",
            "itertools.repeat($addresses[0])",
        ),
        "tests/faults/test_rabbit_cluster.py",
    ),
    Marked(
        "a cancellation that nobody asked for ends no side of the bus",
        "cancellation-nobody",
        Instead("(*BROKER_ERRORS, asyncio.CancelledError)", "BROKER_ERRORS"),
        "tests/integration/test_bus.py::"
        "test_a_broker_that_falls_silent_while_a_board_is_under_way_ends_no_side",
    ),
    Marked(
        "a connection that is lost for no known reason ends no side of the bus",
        "loss-without-reason",
        Always(),
        "tests/integration/test_bus.py::test_a_loss_for_which_aiormq_has_no_reason_ends_no_side",
    ),
    Marked(
        "a trace that is none costs no board",
        "trace-none-costs",
        Instead("is_valid($trace)", "True"),
        "tests/integration/test_bus.py::test_a_trace_that_is_none_costs_no_board",
    ),
    Marked(
        "the binding is asserted again",
        "binding-asserted-again",
        Removed(),
        "tests/integration/test_bus.py",
    ),
    Marked(
        "a sender whose clock is ahead sends no board from the future",
        "sender-whose-clock",
        Instead("max(0.0, $other)", "$other"),
        "tests/integration/test_bus.py::"
        "test_a_sender_whose_clock_is_ahead_sends_no_board_from_the_future",
    ),
    Marked(
        "a board that waits to be published gives way to newer ones only",
        "board-waits-published",
        Removed(),
        "tests/integration/test_bus.py::"
        "test_an_older_board_does_not_replace_a_newer_one_that_waits",
    ),
    Marked(
        "whoever publishes is woken by no board that went out just now",
        "just-sent-wakes-nobody",
        Instead("board.board_id not in self._just_sent", "True"),
        "tests/unit/test_slots.py::test_whoever_takes_is_woken_by_no_board_that_went_out_just_now",
    ),
    Marked(
        "a board is timed from the oldest submission that it stands for",
        "superseded-timed",
        Instead("replace(origin, began=began)", "origin"),
        "tests/unit/test_slots.py::"
        "test_a_board_is_timed_from_the_oldest_submission_that_it_stands_for",
    ),
    Marked(
        "the last board of a burst is published",
        "last-burst-published",
        Removed(),
        "tests/unit/test_slots.py::"
        "test_the_first_change_goes_out_at_once_and_the_last_of_a_burst_a_moment_later",
    ),
    Marked(
        "the trace goes along on the bus",
        "trace-goes-along",
        Instead("$trace is None", "True"),
        "tests/service/test_tracing.py::"
        "test_one_trace_leads_from_the_request_to_the_push_on_every_instance",
    ),
    Marked(
        "boards that were conflated are timed too",
        "boards-conflated-timed",
        Replaced("self._on_their_way = [(origin, self._span(board, origin))]"),
        "tests/unit/test_hub.py::"
        "test_each_board_is_timed_once_when_it_is_pushed_conflated_ones_too",
    ),
    Marked(
        "who takes what is written is not stuck",
        "takes-written-not",
        Removed(),
        "tests/unit/test_hub.py::test_who_takes_each_board_before_the_next_is_never_cut_off",
    ),
    Marked(
        "boards of several ids wait in slots of their own",
        "boards-several-ids",
        Value("next(iter(self._waiting.values()), None)"),
        f"{BUS}::test_boards_of_several_ids_are_each_published_with_their_newest",
    ),
    Marked(
        "the boards that wait to be published are bounded",
        "boards-wait-published",
        Removed(),
        "tests/unit/test_slots.py::"
        "test_one_board_too_many_takes_the_place_of_the_one_that_has_waited_longest",
    ),
    Marked(
        "a push gives others their turn",
        "push-gives-turns",
        Never(),
        f"{HUB}::test_others_get_their_turn_among_many_boards_as_among_many_subscribers_of_one",
    ),
    Marked(
        "the channels of the hub are bounded",
        "channels-hub-bounded",
        Removed(),
        f"{HUB}::test_there_are_so_many_channels_and_no_more",
    ),
    Marked(
        "a board that is streamed is told to its copy",
        "board-told-copy",
        Removed(),
        f"{HUB}::test_copies_are_told_of_each_newer_board",
    ),
    Marked(
        "a board that nobody streams is told to its copy",
        "copies-hear-unstreamed",
        Removed(),
        f"{HUB}::test_a_board_that_nobody_follows_is_told_to_its_copy_alone",
    ),
    Marked(
        "a channel that nobody follows is dropped",
        "channels-idle-dropped",
        Removed(),
        f"{HUB}::test_a_channel_that_nobody_follows_is_dropped_and_others_stay",
    ),
    Marked(
        "who was there at a season's end is told of it",
        "season-events-told",
        Value("True"),
        f"{HUB}::"
        "test_at_a_boundary_what_ended_and_what_began_come_once_in_one_frame_with_the_board",
    ),
    Marked(
        "who has no board yet is told of no season that ended before",
        "season-events-newcomers",
        Instead("0 <= $subscriber.version < $version", "$subscriber.version < $version"),
        f"{HUB}::test_who_joins_before_the_board_is_there_is_told_of_no_season_that_ended_before",
    ),
    Marked(
        "a board that copies have in two forms is read",
        "unlike-boards-read",
        Instead("len($boards) == 1", "$boards"),
        "tests/unit/test_relay.py::test_another_board_under_its_version_is_found_on_any_board",
    ),
    Marked(
        "what operators said may be unreadable, and boards are compared all the same",
        "definitions-unreadable",
        Removed(),
        "tests/unit/test_relay.py"
        "::test_what_operators_said_may_be_unreadable_and_boards_are_compared_all_the_same",
    ),
    Marked(
        "seasons that are due are turned by whoever looks",
        "due-seasons-turned",
        Removed(),
        f"{LIVE_BOARDS}::test_a_season_ends_on_every_instance_within_a_second_and_is_turned_once",
    ),
    Marked(
        "how due seasons were turned is seen soon",
        "turned-seasons-seen",
        Instead("_TURNED_AFTER_SECONDS", "None"),
        "tests/unit/test_relay.py"
        "::test_a_season_that_is_due_is_told_and_the_relay_comes_in_time_for_the_next",
    ),
    Marked(
        "what turned is told to everybody",
        "turned-boards-announced",
        Removed(),
        f"{LIVE_BOARDS}::test_a_batch_that_sees_a_season_due_starts_its_turn_and_waits_for_nothing",
    ),
    Marked(
        "who comes to a turn looks again before it queues for the lock",
        "turn-looked-before",
        Never(),
        f"{LIVE_BOARDS}::test_a_turn_that_is_seen_by_many_is_made_once",
    ),
    Marked(
        "earlier releases pass over boards that they do not know",
        "earlier-releases-pass",
        Removed(),
        f"{BUS}::test_a_message_of_other_boards_names_them_and_is_no_news_to_earlier_releases",
    ),
    Marked(
        "a message of a board that nobody here follows is not read",
        "unfollowed-boards-unread",
        Instead("$known is None", "False"),
        f"{BUS}::test_a_board_that_nobody_follows_is_passed_over_unread",
    ),
    Marked(
        "of a message only those boards are read that are news",
        "outdated-lines-unread",
        Instead("compress($lines, $are_news)", "$lines"),
        f"{BUS}::"
        "test_of_a_message_only_what_is_news_to_somebody_here_is_read_and_each_board_counts",
    ),
    Marked(
        "a message of boards is bounded in bytes",
        "sent-messages-bounded",
        Never(),
        f"{BUS}::test_a_message_has_room_for_so_many_bytes_and_the_other_boards_go_out_in_the_next",
    ),
    Marked(
        "a message of boards is bounded in boards",
        "boards-message-bounded",
        Value("list(others)"),
        "tests/unit/test_slots.py::"
        "test_of_many_boards_so_many_go_out_together_as_a_message_may_hold",
    ),
    Marked(
        "each board of a message counts when it is published",
        "boards-published-counted",
        Replaced("self._metrics.published.inc()"),
        f"{BUS}::test_a_hundred_boards_that_turn_together_are_a_few_messages_and_each_board_counts",
    ),
    Marked(
        "each board of a message counts when it is received",
        "boards-received-counted",
        Replaced("self._metrics.events_received.inc()"),
        f"{BUS}::test_a_hundred_boards_that_turn_together_are_a_few_messages_and_each_board_counts",
    ),
    Marked(
        "a defect of one board costs no other of its message",
        "board-costs-no-other",
        Unwrapped(),
        f"{BUS}::test_a_defect_of_one_board_costs_no_other_of_its_message",
    ),
    Marked(
        "a version of one board says nothing of another",
        "version-one-board",
        Instead("$board.board_id == $truth.board_id", "True"),
        "tests/unit/test_relay.py::test_a_version_of_one_board_says_nothing_of_another",
    ),
    Marked(
        "a message is outdated by the version of its own board",
        "message-outdated-version",
        Instead("BoardId($board_id)", "MAIN"),
        f"{BUS}::test_a_message_that_names_another_board_says_nothing_of_main",
    ),
)
