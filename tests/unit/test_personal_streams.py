"""Personal streams without servers: who is read next, what adds up, and what is bounded."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

import pytest

from scoreboard.errors import LedgerUnavailable
from scoreboard.model import BoardId
from scoreboard.operations.metrics import Metrics
from scoreboard.personal_streams import followers as followers_module
from scoreboard.personal_streams import heard as heard_module
from scoreboard.personal_streams.followers import Followers
from scoreboard.personal_streams.grants import WINDOW_SECONDS, GrantsOfUsers
from scoreboard.personal_streams.heard import Heard
from scoreboard.personal_streams.overtaking import Pass
from scoreboard.personal_streams.reading import NewGrants
from scoreboard.personal_streams.slots import Asked, Passed, PersonalSubscriber, User
from scoreboard.personal_streams.telling import (
    GRANTS_MAX,
    Grant,
    Granted,
    Overtaken,
    Overtaker,
)
from scoreboard.personal_streams.watching import (
    NEAR_MAX,
    OTHERS_MAX,
    OTHERS_MIN,
    URGENT_MAX,
    Watching,
)
from scoreboard.ranks.anchors import Moves
from scoreboard.ranks.keys import MAIN_RANKING, RankingId, key_of
from tests.unit.test_hub import FakeTransport

NOW = datetime(2024, 12, 9, tzinfo=UTC)
BOARD = BoardId("weekly")


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
        made.take_new(0)
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
    taken = made.take(1, now=0.0)
    assert taken[:2] == [*late.slots, mover]
    assert len(taken) == OTHERS_MAX


def test_nobody_waits_for_ever_however_many_move() -> None:
    """Those who move have the first word; a hundred others are read all the same."""
    streams = [stream(number) for number in range(3_000)]
    made = watching(streams)
    movers = [next(iter(each.slots)) for each in streams[:2_000]]
    read: set[str] = set()
    for turn in range(1, 1_000 // OTHERS_MIN + 3):
        for slot in movers:
            made.hurry(slot)
        moved(made, turn)
        taken = made.take(turn, now=0.0)
        assert len(taken) == len(set(taken)) <= URGENT_MAX + OTHERS_MIN
        read |= {slot.user.user_id for slot in taken}
        movers = movers[1_000:] + movers[:1_000]
    assert len(read) >= 2_900


def test_many_boards_take_turns_and_a_turn_asks_about_few() -> None:
    streams = [stream(number, f"board-{number % 300}") for number in range(3_000)]
    made = watching(streams)
    seen: set[str] = set()
    for turn in range(1, 20):
        moved(made, turn)
        boards = {slot.board.board_id for slot in made.take(turn, now=0.0)}
        assert len(boards) <= 50
        seen |= boards
    assert len(seen) == 300


def test_where_nothing_moved_nobody_is_read() -> None:
    streams = [stream(number, "main", "weekly") for number in range(100)]
    made = watching(streams)
    made.boards[BOARD].moved_in = 1
    taken = made.take(1, now=0.0)
    assert {slot.board.board_id for slot in taken} == {BOARD}
    assert len(taken) == 100
    assert made.take(2, now=0.0) == []


def test_a_slot_that_was_read_a_moment_ago_waits_for_the_next_turn() -> None:
    """So nobody is told twice within a second, and nothing is forgotten."""
    made = watching([stream(1)])
    [slot] = made.users[UUID(int=1).bytes].slots.values()
    slot.rests_until = 10.0
    moved(made, 1)
    made.hurry(slot)
    assert made.take(1, now=9.5) == []
    assert made.take(2, now=10.0) == [slot]


def test_hidden_users_are_read_in_turn_though_no_move_tells_of_them() -> None:
    made = watching([stream(number) for number in range(100)])
    slots = [slot for user in made.users.values() for slot in user.slots.values()]
    for slot in slots:
        made.place(slot, is_hidden=True)
    read = {slot for turn in range(1, 5) for slot in made.take(turn, now=0.0)}
    assert len(read) == 100
    made.place(slots[0], is_hidden=False)
    assert slots[0] not in {slot for turn in range(5, 10) for slot in made.take(turn, now=0.0)}


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


def test_overtakings_add_up_and_the_best_placed_are_named() -> None:
    keys = [key_of(score, NOW, user_id(score)) for score in (90, 80, 70, 60)]
    overtakers = [Overtaker(key, user_id(n), f"player{n}") for n, key in enumerate(keys)]
    told = Overtaken(2, overtakers[2:], 7)
    told.add(Overtaken(2, overtakers[:2], 9))
    assert (told.count, told.rank, told.by) == (4, 9, overtakers[:3])
    passed = Passed()
    passed.add(Pass(b"", 2, tuple(keys[2:])))
    passed.add(Pass(b"", 3, tuple(keys[:2])))
    assert (passed.count, passed.keys) == (5, keys[:3])


def test_grants_add_up_and_the_newest_are_listed() -> None:
    told = Granted()
    for number in range(GRANTS_MAX + 5):
        told.add([Grant(f"a{number}", 2, NOW)], 100 + number)
    assert (told.count, told.points, told.score) == (GRANTS_MAX + 5, 2 * (GRANTS_MAX + 5), 114)
    assert [grant.action_id for grant in told.grants] == [f"a{n}" for n in range(5, 15)]


def test_what_moves_at_once_is_bounded_and_then_nothing_is_known_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heard_module, "MOVES_MAX", 10)
    metrics, keys = Metrics(), [key_of(n, NOW, user_id(n)) for n in range(20)]
    heard = Heard(metrics)
    heard.rankings = {MAIN_RANKING}
    heard.hear([Moves(RankingId(7), (), tuple(keys))])
    heard.hear([Moves(MAIN_RANKING, (), tuple(keys[:5]))])
    [(ranking_id, known)] = heard.take().items()
    assert (ranking_id, known and len(known.after)) == (MAIN_RANKING, 5)
    for _ in range(5):
        heard.hear([Moves(MAIN_RANKING, (), tuple(keys))])
    assert heard.take() == {MAIN_RANKING: None}
    assert metrics.registry.get_sample_value("scoreboard_personal_moves_left_out_total") == 20
    heard.hear([Moves(MAIN_RANKING, (), ())])  # loaded anew
    assert heard.take() == {MAIN_RANKING: None}
    assert heard.take() == {}


def test_follows_that_are_held_are_bounded_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers_module, "FOLLOWS_HELD_MAX", 10)
    metrics = Metrics()
    known = Followers(metrics)
    ada, bob = User(user_id(1), UUID(int=1).bytes), User(user_id(2), UUID(int=2).bytes)
    friends = [UUID(int=number).bytes for number in range(100, 120)]
    known.set(ada, frozenset(friends[:8]))
    known.set(bob, frozenset(friends[:8]))
    assert len(bob.follows) == 2
    assert metrics.registry.get_sample_value("scoreboard_personal_follows_left_out_total") == 6
    assert {user for _, user in known.followed({friends[0]: 1}.keys())} >= {ada}
    known.set(ada, frozenset(friends[8:9]))
    known.set(bob, frozenset(friends[:8]))
    assert len(bob.follows) == 8
    assert list(known.followed({friends[8]: 1}.keys())) == [(friends[8], ada)]
    known.set(ada, frozenset())
    assert list(known.followed({friends[8]: 1}.keys())) == []


class SomeGrants:
    """What a ledger answers: all of late, in whatever order it was committed."""

    def __init__(self) -> None:
        self.of_late: dict[str, list[Grant]] = {}
        self.asked: list[tuple[Collection[str], float]] = []
        self.is_away = False

    async def new_grants(self, user_ids: Collection[str], seconds: float) -> dict[str, NewGrants]:
        if self.is_away:
            raise LedgerUnavailable
        self.asked.append((list(user_ids), seconds))
        return {each: NewGrants(self.of_late[each], 7) for each in user_ids if each in self.of_late}


async def test_each_grant_is_told_once_however_late_its_commit_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ledger = SomeGrants()
    grants = GrantsOfUsers(ledger)  # type: ignore[arg-type]
    ada = User(user_id(1), UUID(int=1).bytes)
    early, late, before = (Grant(name, 5, NOW) for name in ("early", "late", "before"))
    ledger.of_late = {ada.user_id: [before]}
    grants.begin(ada, {"before"})
    assert await grants.read() == []
    ledger.of_late = {ada.user_id: [before, late]}
    grants.be_due([ada])
    assert await grants.read() == [(ada, NewGrants([late], 7))]
    ledger.of_late = {ada.user_id: [before, early, late]}
    grants.be_due([ada])
    assert await grants.read() == [(ada, NewGrants([early], 7))]
    grants.be_due([ada])
    assert await grants.read() == []
    ledger.is_away = True
    now[0] += 100.0
    grants.be_due([ada])
    with pytest.raises(LedgerUnavailable):
        await grants.read()
    ledger.is_away = False
    assert await grants.read() == []
    [(asked, seconds)] = ledger.asked[-1:]
    assert (list(asked), round(seconds - WINDOW_SECONDS)) == ([ada.user_id], 100)
    now[0] += 3 * WINDOW_SECONDS
    ledger.of_late = {ada.user_id: [Grant("new", 5, NOW)]}
    grants.be_due([ada])
    assert [each.grants for _, each in await grants.read()] == [[Grant("new", 5, NOW)]]
    assert list(ada.granted) == ["new"]  # what cannot come back is forgotten
