"""The boards that wait to be published: which of them, in which order, and how many."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from scoreboard.bus.messages import BOARDS_MAX
from scoreboard.bus.slots import Slots, seconds_apart
from scoreboard.model import Board, BoardId, Origin
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import OFF
from tests.clock import jumping_clock, now
from tests.samples import a_board, counted


def of(name: str, version: int) -> Board:
    return replace(a_board(version), board_id=BoardId(name))


async def taken(slots: Slots) -> list[list[Board]]:
    """All that wait, in their order, with those beside each other that go out together."""
    bunches = []
    while (waiting := await slots.next(0.0)) is not None:
        bunches.append(waiting[0])
    return bunches


async def sent(slots: Slots) -> list[Board]:
    """What a message takes that has room for all."""
    waiting = await slots.next(5.0)
    assert waiting is not None
    slots.note_sent(waiting[0])
    return waiting[0]


def a_batch() -> Origin:
    return Origin("submit", 1.0)


async def test_each_board_waits_with_its_newest_version_in_its_turn() -> None:
    metrics = Metrics()
    slots = Slots(metrics, OFF)
    for board in (of("a", 7), of("b", 1), of("a", 9), of("b", 2), of("a", 8)):
        slots.put(board, None)

    assert await taken(slots) == [[of("a", 9), of("b", 2)]]
    assert counted(metrics, "events_superseded_total") == 3


async def test_a_board_that_changes_all_the_time_keeps_no_other_waiting() -> None:
    slots = Slots(Metrics(), OFF)
    slots.put(of("busy", 1), a_batch())
    slots.put(of("quiet", 1), a_batch())
    first, _ = await slots.next(0.0) or (None, None)
    slots.put(of("busy", 2), a_batch())
    second, _ = await slots.next(0.0) or (None, None)

    assert (first, second) == ([of("busy", 1)], [of("quiet", 1)])


async def test_boards_of_one_batch_go_out_together_and_main_by_itself() -> None:
    slots = Slots(Metrics(), OFF)
    one, another = a_batch(), a_batch()
    for board, origin in (
        (of("a", 1), one),
        (a_board(5), one),
        (of("b", 1), another),
        (of("c", 1), one),
        (of("d", 1), one),
        (of("d", 2), another),
    ):
        slots.put(board, origin)
    assert slots.unconfirmed == 5

    assert await taken(slots) == [
        [of("a", 1), of("c", 1)],
        [a_board(5)],
        [of("b", 1), of("d", 2)],
    ]


async def test_of_many_boards_so_many_go_out_together_as_a_message_may_hold() -> None:
    slots = Slots(Metrics(), OFF)
    boards = [of(f"board{n}", 1) for n in range(BOARDS_MAX + 1)]
    for board in boards:
        slots.put(board, None)

    assert await taken(slots) == [boards[:BOARDS_MAX], boards[BOARDS_MAX:]]


async def test_one_board_too_many_takes_the_place_of_the_one_that_has_waited_longest() -> None:
    metrics = Metrics()
    slots = Slots(metrics, OFF, slots_max=2)
    for board in (of("a", 1), of("b", 1), of("a", 2), of("c", 1)):
        slots.put(board, None)

    assert await taken(slots) == [[of("b", 1), of("c", 1)]]
    assert counted(metrics, "events_crowded_out_total") == 1


@jumping_clock
async def test_who_takes_waits_for_a_board_and_no_longer_than_it_says() -> None:
    slots = Slots(Metrics(), OFF)
    asyncio.get_running_loop().call_later(1.5, slots.put, a_board(1), None)

    assert await slots.next(1.0) is None
    assert (await slots.next(1.0), now()) == (([a_board(1)], None), 1.5)


@jumping_clock
async def test_the_first_change_goes_out_at_once_and_the_last_of_a_burst_a_moment_later() -> None:
    slots = Slots(Metrics(), OFF, apart_seconds=0.1)
    slots.put(a_board(1), None)
    assert await sent(slots) == [a_board(1)]
    found = []
    for version in (2, 3):
        slots.put(a_board(version), None)
        found.append(await slots.next(0.0))
    assert found == [None, None]

    assert (await sent(slots), now()) == ([a_board(3)], 0.1)
    assert await slots.next(5.0) is None
    slots.put(a_board(4), None)
    assert await slots.next(0.0) == ([a_board(4)], None)


@jumping_clock
async def test_whoever_takes_is_woken_by_no_board_that_went_out_just_now() -> None:
    """Else each change of a busy board would be a probe of the broker."""
    slots = Slots(Metrics(), OFF, apart_seconds=0.1)
    slots.put(a_board(1), None)
    await sent(slots)
    asyncio.get_running_loop().call_later(0.05, slots.put, a_board(2), None)

    assert (await slots.next(5.0), now()) == (([a_board(2)], None), 0.1)


@jumping_clock
async def test_a_board_for_which_a_message_had_no_room_goes_out_at_once() -> None:
    slots = Slots(Metrics(), OFF, apart_seconds=0.1)
    for board in (of("a", 1), of("b", 1)):
        slots.put(board, None)
    taken = await slots.next(0.0)
    assert taken == ([of("a", 1), of("b", 1)], None)
    slots.note_sent([of("a", 1)])
    slots.put(of("b", 1), None)

    assert await slots.next(0.0) == ([of("b", 1)], None)


async def test_a_board_is_timed_from_the_oldest_submission_that_it_stands_for() -> None:
    slots = Slots(Metrics(), OFF)
    oldest, later, last = (Origin("submit", began) for began in (1.0, 2.0, 3.0))
    slots.put(of("a", 1), oldest)
    slots.put(of("a", 2), later)
    slots.put(of("b", 1), later)
    slots.put(a_board(5), last)
    slots.put(a_board(4), oldest)  # which came late

    assert await slots.next(0.0) == ([of("a", 2), of("b", 1)], replace(later, began=1.0))
    assert await slots.next(0.0) == ([a_board(5)], replace(last, began=1.0))


@pytest.mark.parametrize(
    ("interval", "apart"), [(0.0, 0.0), (0.04, 0.01), (0.1, 0.025), (60.0, 0.025)]
)
def test_two_messages_are_less_apart_than_hubs_push_and_than_a_board_is_on_its_way(
    interval: float, apart: float
) -> None:
    assert seconds_apart(interval) == pytest.approx(apart)


@jumping_clock
async def test_a_board_that_went_out_just_now_keeps_no_other_waiting() -> None:
    slots = Slots(Metrics(), OFF, apart_seconds=0.1)
    one = a_batch()
    slots.put(of("busy", 1), None)
    assert await sent(slots) == [of("busy", 1)]
    slots.put(of("busy", 2), one)
    slots.put(of("quiet", 1), one)

    assert await slots.next(0.0) == ([of("quiet", 1)], one)
    assert (await slots.next(5.0), now()) == (([of("busy", 2)], one), 0.1)
    assert slots.unconfirmed == 1


async def test_all_is_published_once_the_next_is_asked_for_and_what_came_back_is_not() -> None:
    slots = Slots(Metrics(), OFF)
    slots.put(a_board(1), None)
    assert slots.unconfirmed == 1
    await slots.next(0.0)
    emptied = asyncio.create_task(slots.emptied())
    await asyncio.sleep(0)
    assert (slots.unconfirmed, emptied.done()) == (1, False)  # under way

    slots.put(a_board(1), None)  # without a confirm
    assert slots.unconfirmed == 1
    await slots.next(0.0)
    await slots.next(0.0)
    await emptied
    assert slots.unconfirmed == 0
