"""Whose access tokens ended: what is remembered, for how long, and who is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from scoreboard.accounts import revocations
from scoreboard.accounts.revocations import Revocation, RevocationReader, Revocations
from scoreboard.errors import NotAuthorized, RevokedToken, UnknownUser
from scoreboard.operations.metrics import Metrics
from tests.samples import counted

LIFE_SECONDS = 1000
ADA, BOB = "ada", "bob"


class Clock:
    """That of revocations: PostgreSQL's. The one here says something else."""

    reading = int(time.time() * 1000) - 365 * 86_400_000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def revoked(metrics: Metrics) -> Revocations:
    return Revocations(LIFE_SECONDS, metrics)


def refused(revoked: Revocations, user_id: str, reading: int) -> type[NotAuthorized] | None:
    refusal = revoked.refusal(user_id, reading)
    return None if refusal is None else type(refusal)


def test_of_two_revocations_the_later_one_holds_in_whatever_order_they_are_heard_of(
    revoked: Revocations, clock: Clock
) -> None:
    now = clock.reading
    for reading in (now + 5, now + 3, now + 5):
        revoked.take({ADA: Revocation(reading)})
    assert refused(revoked, ADA, now + 4) is RevokedToken
    assert refused(revoked, ADA, now + 5) is None
    revoked.take({ADA: Revocation(now + 6, deleted=True)})
    assert refused(revoked, ADA, now + 7) is UnknownUser


def test_a_revocation_is_forgotten_when_no_token_from_before_can_be_alive(
    revoked: Revocations, clock: Clock, metrics: Metrics
) -> None:
    then = clock.reading
    revoked.take({ADA: Revocation(then, deleted=True)})
    revoked.take({BOB: Revocation(then + 1)})
    revoked.forget_before(then)
    assert refused(revoked, ADA, then + 1) is UnknownUser
    revoked.forget_before(then + 1)
    assert refused(revoked, ADA, then - 1) is None
    assert refused(revoked, BOB, then) is RevokedToken
    assert len(revoked) == 1
    assert counted(metrics, "revocations_remembered") == 1


async def test_what_the_databases_clock_made_us_forget_is_read_again_once_it_is_set_right(
    revoked: Revocations,
) -> None:
    nobody = (None, None, None, None)
    answers: Iterator[list[tuple[object, ...]]] = iter(
        [
            [(10, ADA, 50, False, None)],
            [(1000, *nobody)],  # it leapt
            [(20, *nobody)],
            [(21, ADA, 50, False, None)],
        ]
    )
    asked = []

    class Database:
        async def read(self, _: str, parameters: dict[str, int]) -> list[tuple[object, ...]]:
            asked.append(parameters["after"])
            return next(answers)

    database: Any = Database()
    reader = RevocationReader(database, revoked, Metrics(), interval_seconds=1)
    forgotten = []
    for _ in range(4):
        await reader.read()
        forgotten.append(refused(revoked, ADA, 49) is None)
    assert asked == [0, 50, 50, 0]
    assert forgotten == [False, True, True, False]


def test_who_is_read_again_stands_in_the_order_of_readings(revoked: Revocations) -> None:
    """What is forgotten goes by that order."""
    revoked.take({ADA: Revocation(10), BOB: Revocation(20)})
    revoked.forget_before(11)
    revoked.take({ADA: Revocation(10), BOB: Revocation(20)})
    revoked.forget_before(11)
    assert refused(revoked, ADA, 9) is None
    assert refused(revoked, BOB, 19) is RevokedToken


def test_of_too_many_the_oldest_is_forgotten_with_everybodys_tokens_from_before(
    revoked: Revocations, clock: Clock, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody who is revoked is let in for it; others refresh once more."""
    monkeypatch.setattr(revocations, "REMEMBERED_MAX", 3)
    first = clock.reading
    told: list[NotAuthorized] = []
    with revoked.watch(BOB, first, told.append):
        for n in range(5):
            revoked.take({f"user{n}": Revocation(first + 10 * n)})
        assert len(revoked) == 3
        for n in range(5):
            assert refused(revoked, f"user{n}", first + 10 * n - 1) is RevokedToken
            assert refused(revoked, f"user{n}", first + 100) is None
        assert [type(refusal) for refusal in told] == [RevokedToken]
    assert refused(revoked, BOB, first + 9) is RevokedToken
    assert refused(revoked, BOB, first + 10) is None
    assert counted(metrics, "revocations_forgotten_total") == 2


def test_who_watches_a_token_hears_of_its_end_once_and_of_no_other(
    revoked: Revocations, clock: Clock
) -> None:
    now = clock.reading
    told: dict[str, list[NotAuthorized]] = {"old": [], "new": [], "bob": [], "gone": []}
    with revoked.watch(ADA, now, told["gone"].append):
        pass
    with (
        revoked.watch(ADA, now, told["old"].append),
        revoked.watch(ADA, now + 10, told["new"].append),
        revoked.watch(BOB, now, told["bob"].append),
    ):
        for reading in (now, now + 5, now + 6):
            revoked.take({ADA: Revocation(reading)})
        assert {who: len(refusals) for who, refusals in told.items()} == {
            "old": 1,
            "new": 0,
            "bob": 0,
            "gone": 0,
        }
    assert not revoked._watchers


def test_who_begins_to_watch_a_token_that_was_revoked_meanwhile_hears_of_it_at_once(
    revoked: Revocations, clock: Clock
) -> None:
    """A stream is on its way in while its user logs out everywhere."""
    told: list[NotAuthorized] = []
    revoked.take({ADA: Revocation(clock.reading)})
    with revoked.watch(ADA, clock.reading - 1, told.append):
        assert [type(refusal) for refusal in told] == [RevokedToken]


def test_watchers_that_leave_while_they_are_told_disturb_nobody(
    revoked: Revocations, clock: Clock
) -> None:
    told: list[str] = []
    leaving = revoked.watch(ADA, clock.reading - 1, lambda _: told.append("second"))

    def first(_: NotAuthorized) -> None:
        told.append("first")
        leaving.__exit__(None, None, None)

    with revoked.watch(ADA, clock.reading - 1, first):
        leaving.__enter__()
        revoked.take({ADA: Revocation(clock.reading)})
    assert told == ["first"]
    assert not revoked._watchers
