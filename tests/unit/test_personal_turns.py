"""Personal streams without servers: who is read next, and how many."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

import pytest

from scoreboard.model import BoardId
from scoreboard.personal_streams.pace import PLACES_FIRST, PLACES_MAX, PLACES_MIN, Pace
from scoreboard.personal_streams.slots import Asked, PersonalSubscriber
from scoreboard.personal_streams.watching import NEAR_MAX, OTHERS_SHARE, Watching
from scoreboard.ranks.keys import key_of
from tests.unit.test_hub import FakeTransport

NOW = datetime(2024, 12, 9, tzinfo=UTC)
BOARD = BoardId("weekly")
MOST = 500


def user_id(number: int) -> str:
    return str(UUID(int=number))


def stream(number: int, *boards: str) -> PersonalSubscriber:
    board_ids = tuple(BoardId(each) for each in boards or ("main",))
    return PersonalSubscriber(
        FakeTransport(),
        chunked=False,
        end=lambda: None,
        asked=Asked(user_id(number), board_ids, frozenset(), frozenset()),
    )


def watching(streams: Collection[PersonalSubscriber]) -> Watching:
    made = Watching()
    for each in streams:
        made.join(each)
    while made.new:
        made.take_new(0, MOST)
    return made


def moved(made: Watching, turn: int) -> None:
    for board in made.boards.values():
        board.moved_in = turn


def test_who_comes_is_read_first_then_who_moved_then_others_in_turn() -> None:
    streams = [stream(number) for number in range(2_000)]
    made = watching(streams)
    late = stream(5_000)
    made.join(late)
    mover = next(iter(streams[1_999].slots))
    made.hurry(mover)
    moved(made, 1)
    taken = made.take(1, now=0.0, most=MOST)
    assert taken[:2] == [*late.slots, mover]
    assert len(taken) == MOST


def test_nobody_waits_for_ever_however_many_move() -> None:
    """Those who move have the first word; some others are read all the same."""
    streams = [stream(number) for number in range(3_000)]
    made = watching(streams)
    movers = [next(iter(each.slots)) for each in streams[:2_000]]
    read: set[str] = set()
    for turn in range(1, 3_000 // int(MOST * OTHERS_SHARE) + 1):
        for slot in movers:
            made.hurry(slot)
        moved(made, turn)
        taken = made.take(turn, now=0.0, most=MOST)
        assert len(taken) == len(set(taken)) <= MOST * (1 + OTHERS_SHARE)
        read |= {slot.user.user_id for slot in taken}
    assert len(read) == 3_000


def test_who_moved_first_is_read_first_however_often_others_move() -> None:
    made = watching([stream(number) for number in range(1_000)])
    slots = [slot for user in made.users.values() for slot in user.slots.values()]
    for slot in slots:
        made.hurry(slot)
    assert made.take(1, now=0.0, most=300) == slots[:300]
    for slot in slots[:300]:
        made.hurry(slot)  # again, and behind the others
    assert made.take(2, now=0.0, most=300) == slots[300:600]
    assert made.take(3, now=0.0, most=800)[:700] == [*slots[600:], *slots[:300]]


def test_many_boards_take_turns_and_a_turn_asks_about_few() -> None:
    streams = [stream(number, f"board-{number % 300}") for number in range(3_000)]
    made = watching(streams)
    seen: set[str] = set()
    for turn in range(1, 20):
        moved(made, turn)
        boards = {slot.board.board_id for slot in made.take(turn, now=0.0, most=MOST)}
        assert len(boards) <= 50
        seen |= boards
    assert len(seen) == 300


def test_where_nothing_moved_nobody_is_read() -> None:
    streams = [stream(number, "main", "weekly") for number in range(100)]
    made = watching(streams)
    made.boards[BOARD].moved_in = 1
    taken = made.take(1, now=0.0, most=MOST)
    assert {slot.board.board_id for slot in taken} == {BOARD}
    assert len(taken) == 100
    assert made.take(2, now=0.0, most=MOST) == []


def test_a_slot_that_was_read_a_moment_ago_waits_for_the_next_turn() -> None:
    """So nobody is told twice within a second, and nothing is forgotten."""
    made = watching([stream(1)])
    [slot] = made.users[UUID(int=1).bytes].slots.values()
    slot.rests_until = 10.0
    moved(made, 1)
    made.hurry(slot)
    assert made.take(1, now=9.5, most=MOST) == []
    assert made.take(2, now=10.0, most=MOST) == [slot]


def test_hidden_users_are_read_in_turn_though_no_move_tells_of_them() -> None:
    made = watching([stream(number) for number in range(100)])
    slots = [slot for user in made.users.values() for slot in user.slots.values()]
    for slot in slots:
        made.place(slot, is_hidden=True)
    read = {slot for turn in range(1, 5) for slot in made.take(turn, now=0.0, most=MOST)}
    assert len(read) == 100
    made.place(slots[0], is_hidden=False)
    assert slots[0] not in {
        slot for turn in range(5, 10) for slot in made.take(turn, now=0.0, most=MOST)
    }


def test_who_leaves_is_forgotten_with_all_that_nobody_else_watches() -> None:
    one, other = stream(1, "main", "weekly"), stream(1, "weekly")
    made = watching([one, other])
    [slot] = other.slots
    slot.rank, slot.entry = NEAR_MAX, key_of(1, NOW, user_id(1))
    made.place(slot, is_hidden=False)
    made.hurry(slot)
    assert made.leave(one) is None
    assert (list(made.boards), list(made.boards[BOARD].near.values())) == ([BOARD], [slot])
    assert (gone := made.leave(other)) is not None
    assert gone.user_id == user_id(1)
    assert (made.boards, made.urgent, made.new, made.users) == ({}, {}, {}, {})
    made.hurry(slot)
    assert made.urgent == {}


def test_places_take_the_same_time_whatever_one_costs() -> None:
    for seconds_of_one, places in ((0.0004, 250), (0.0008, 125), (0.0002, 500)):
        pace = Pace()
        for _ in range(10):
            pace.note(pace.places, pace.places * seconds_of_one)
        assert pace.places == pytest.approx(places, rel=0.02)


def test_only_as_many_places_as_might_be_tell_that_there_is_time_for_more() -> None:
    pace = Pace()
    pace.note(10, 0.001)
    pace.note(0, 0.0)
    assert pace.places == PLACES_FIRST
    pace.note(10, 3.0)
    assert pace.places == PLACES_FIRST // 2
    for _ in range(20):
        pace.note(pace.places, 3.0)
    assert pace.places == PLACES_MIN
    for _ in range(20):
        pace.note(pace.places, 0.0)
    assert pace.places == PLACES_MAX
