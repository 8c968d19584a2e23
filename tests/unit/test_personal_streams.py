"""Personal streams without servers: what adds up, what is bounded, and what an outage leaves."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from scoreboard.connections.session import Row
from scoreboard.errors import LedgerUnavailable
from scoreboard.operations.metrics import Metrics
from scoreboard.personal_streams import followers as followers_module
from scoreboard.personal_streams import heard as heard_module
from scoreboard.personal_streams.followers import Followers
from scoreboard.personal_streams.grants import WINDOW_SECONDS, GrantsOfUsers
from scoreboard.personal_streams.heard import Heard
from scoreboard.personal_streams.overtaking import Pass
from scoreboard.personal_streams.reading import NewGrants
from scoreboard.personal_streams.room import PersonalStreams
from scoreboard.personal_streams.serving import passing
from scoreboard.personal_streams.slots import Passed, User
from scoreboard.personal_streams.telling import (
    GRANTS_MAX,
    Grant,
    Granted,
    Overtaken,
    Overtaker,
)
from scoreboard.personal_streams.watching import Watching
from scoreboard.ranks.anchors import Moves
from scoreboard.ranks.keys import MAIN_RANKING, RankingId, key_of
from scoreboard.scoring.places import Places
from tests.unit.test_personal_turns import stream, user_id

NOW = datetime(2024, 12, 9, tzinfo=UTC)


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


class SomeFollows:
    """What a ledger answers: whom users follow by now."""

    def __init__(self) -> None:
        self.of: dict[str, frozenset[bytes]] = {}
        self.is_away = False

    async def followed(self, user_ids: Collection[str]) -> dict[str, frozenset[bytes]]:
        if self.is_away:
            raise LedgerUnavailable
        return {each: self.of.get(each, frozenset()) for each in user_ids}


async def test_follows_that_could_not_be_read_anew_are_read_later() -> None:
    ledger, friend = SomeFollows(), UUID(int=100).bytes
    known = Followers(ledger, Metrics())  # type: ignore[arg-type]
    ada = User(user_id(1), UUID(int=1).bytes, streams={stream(1)})
    ledger.of, ledger.is_away = {ada.user_id: frozenset([friend])}, True
    known.be_due(ada)
    with pytest.raises(LedgerUnavailable):
        await known.renew(())
    ledger.is_away = False
    await known.renew(())
    assert list(known.followed({friend: 1}.keys())) == [(friend, ada)]


def test_follows_that_are_held_are_bounded_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers_module, "FOLLOWS_HELD_MAX", 10)
    metrics = Metrics()
    known = Followers(SomeFollows(), metrics)  # type: ignore[arg-type]
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
        self.answers = 100

    async def new_grants(self, user_ids: Collection[str], seconds: float) -> dict[str, NewGrants]:
        if not self.answers:
            raise LedgerUnavailable
        self.answers -= 1
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
    ledger.answers = 0
    now[0] += 100.0
    grants.be_due([ada])
    with pytest.raises(LedgerUnavailable):
        await grants.read()
    ledger.answers = 100
    assert await grants.read() == []
    [(asked, seconds)] = ledger.asked[-1:]
    assert (list(asked), round(seconds - WINDOW_SECONDS)) == ([ada.user_id], 100)
    now[0] += 3 * WINDOW_SECONDS
    ledger.of_late = {ada.user_id: [Grant("new", 5, NOW)]}
    grants.be_due([ada])
    assert [each.grants for _, each in await grants.read()] == [[Grant("new", 5, NOW)]]
    assert list(ada.granted) == ["new"]  # what cannot come back is forgotten


async def test_grants_that_were_found_before_an_outage_are_told_after_it() -> None:
    """More users are due than one question asks for, and the second one is not answered."""
    ledger = SomeGrants()
    grants = GrantsOfUsers(ledger)  # type: ignore[arg-type]
    users = [User(user_id(number), UUID(int=number).bytes) for number in range(1_500)]
    ledger.of_late = {user.user_id: [Grant("a", 5, NOW)] for user in users}
    ledger.answers = 1
    grants.be_due(users)
    with pytest.raises(LedgerUnavailable):
        await grants.read()
    ledger.answers = 100
    told = [user for user, _ in await grants.read()]
    assert (len(told), set(told)) == (1_500, set(users))
    assert await grants.read() == []


class Away:
    """PostgreSQL, which does not answer, and ranks, which hold nothing."""

    async def read(self, *_: object, **__: object) -> list[Row]:
        raise LedgerUnavailable

    def held(self, _: RankingId) -> None:
        return None

    def on_moves(self, _: object) -> None:
        """Nothing moves."""


async def test_a_place_that_could_not_be_read_is_read_next() -> None:
    away: Any = Away()
    room = PersonalStreams(
        away, Places(away, away), away, lambda: (), Metrics(), stuck_after_seconds=1.0
    )
    room.join(stream(1, "main", "weekly"))
    slots = room._watching.take_new(1, 10)
    assert len(slots) == 2
    with pytest.raises(LedgerUnavailable):
        await room._serve(slots)
    assert room._watching.take(2, now=0.0, most=10) == slots


def test_who_was_unfollowed_since_they_overtook_is_not_told_of() -> None:
    made = Watching()
    made.join(one := stream(1))
    [slot] = one.slots
    key = key_of(5, NOW, user_id(2))
    slot.passed = Passed(followed={key[16:]: key})
    slot.user.follows = frozenset([key[16:]])
    assert passing([slot]) == [user_id(2)]
    slot.user.follows = frozenset()
    assert passing([slot]) == []
