"""Submissions that share a batch: what is wrong with one of them costs the others nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import Row, Session
from scoreboard.errors import AlreadyGranted, LedgerUnavailable, ScoreOutOfRange
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.verdicts import Verdict
from scoreboard.model import Grant, Submission
from tests.eventually import eventually
from tests.granting import grant_by
from tests.world import (
    add_actions,
    add_users,
    grants,
    holding,
    ledger_sums,
    scores,
    sql,
    waits_for_lock,
)

MOST = 2_147_483_647


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[Ledger]:
    postgres = Postgres(database_url, sessions=2, timeout_seconds=2.0, name="test.neighbours")
    yield Ledger(postgres, postgres)
    postgres.close()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that is sent, the real one."""
    sent: list[str] = []
    run = Session.run

    async def noting(self: Session, statement: str, *args: Any, **kwargs: Any) -> list[Row]:
        sent.append(statement)
        return await run(self, statement, *args, **kwargs)

    monkeypatch.setattr(Session, "run", noting)
    return sent


async def grant(ledger: Ledger, *pairs: tuple[str, str]) -> list[Verdict]:
    """The verdicts of one batch, in its order."""
    settlement = await ledger.grant([Submission(*pair) for pair in pairs])
    return [settlement.verdicts[pair] for pair in pairs]


def kinds(verdicts: Sequence[Verdict]) -> list[type]:
    return [type(verdict) for verdict in verdicts]


async def test_who_would_pass_the_largest_score_is_refused_in_the_statement_that_grants_the_rest(
    ledger: Ledger, database_url: str, statements: list[str]
) -> None:
    """A batch that is rolled back and halved until the bad one stands alone costs everybody."""
    rich, *others = add_users(database_url, 21)
    add_actions(database_url, {"huge": MOST - 5, "run": 6})
    await grant(ledger, (rich, "huge"))
    statements.clear()

    verdicts = await grant(ledger, *((user, "run") for user in others), (rich, "run"))

    assert kinds(verdicts) == [Grant] * 20 + [ScoreOutOfRange]
    assert sum("EXECUTE grant_batch" in statement for statement in statements) == 1
    assert "ROLLBACK" not in statements
    assert (rich, "run") not in grants(database_url)
    assert scores(database_url) == ledger_sums(database_url)


async def test_of_one_users_submissions_the_smallest_are_granted_as_far_as_they_fit(
    ledger: Ledger, database_url: str
) -> None:
    """Whatever the order: each that is refused would not fit beside those that are granted."""
    ada, bob = add_users(database_url, 2)
    points = {"huge": MOST - 10, "three": 3, "four": 4, "five": 5, "again-five": 5}
    add_actions(database_url, points)
    for user in (ada, bob):
        await grant(ledger, (user, "huge"))

    forth = await grant(ledger, *((ada, action) for action in points))
    back = await grant(ledger, *((bob, action) for action in reversed(points)))

    expected = [AlreadyGranted, Grant, Grant, ScoreOutOfRange, ScoreOutOfRange]
    assert kinds(forth) == kinds(back[::-1]) == expected
    assert scores(database_url) == ledger_sums(database_url) == {ada: MOST - 3, bob: MOST - 3}


async def test_who_stands_at_the_largest_score_is_told_what_was_granted_before(
    ledger: Ledger, database_url: str
) -> None:
    """A repeat adds nothing, so it passes nothing; nor does it leave less room to what is new."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"huge": MOST - 1, "one": 1, "another": 1})
    assert kinds(await grant(ledger, (user, "huge"))) == [Grant]

    assert kinds(await grant(ledger, (user, "huge"), (user, "one"))) == [AlreadyGranted, Grant]
    assert kinds(await grant(ledger, (user, "one"), (user, "another"))) == [
        AlreadyGranted,
        ScoreOutOfRange,
    ]
    assert scores(database_url) == {user: MOST}


async def test_two_actions_that_together_pass_the_largest_score_are_not_a_first_grant(
    ledger: Ledger, database_url: str
) -> None:
    """Who has no score yet has one of 0."""
    ada, bob = add_users(database_url, 2)
    add_actions(database_url, {"most": MOST, "as-much": MOST, "run": 1})

    verdicts = await grant(ledger, (ada, "most"), (ada, "as-much"), (bob, "run"))

    assert kinds(verdicts) == [ScoreOutOfRange, Grant, Grant]
    assert scores(database_url) == ledger_sums(database_url) == {ada: MOST, bob: 1}


async def test_a_score_that_another_transaction_raises_meanwhile_costs_the_others_no_grant(
    ledger: Ledger, database_url: str
) -> None:
    """Nobody could foresee it, so that batch is halved."""
    rich, *others = add_users(database_url, 4)
    add_actions(database_url, {"huge": MOST - 5, "four": 4, "run": 2})
    await grant(ledger, (rich, "huge"))
    with closing(psycopg2.connect(database_url)) as elsewhere, elsewhere.cursor() as cursor:
        grant_by(cursor, rich, "four")
        granting = asyncio.create_task(
            grant(ledger, (rich, "run"), *((user, "run") for user in others))
        )
        await eventually(lambda: waits_for_lock(database_url))
        elsewhere.commit()

    assert kinds(await granting) == [ScoreOutOfRange, Grant, Grant, Grant]
    assert scores(database_url) == ledger_sums(database_url)


@pytest.mark.parametrize("table", ["users", "scores"])
async def test_a_user_whom_somebody_else_holds_is_left_out_and_the_others_are_granted(
    ledger: Ledger, database_url: str, table: str
) -> None:
    """The whole batch waited for that row, in vain twice, and nobody in it was granted."""
    held, *others = add_users(database_url, 4)
    add_actions(database_url, {"run": 5, "swim": 7})
    await grant(ledger, (held, "run"))
    lock = f"SELECT FROM {table} WHERE user_id = '{held}' FOR UPDATE"
    with holding(database_url, lock):
        verdicts = await grant(ledger, (held, "swim"), *((user, "run") for user in others))

    assert kinds(verdicts) == [LedgerUnavailable, Grant, Grant, Grant]
    assert kinds(await grant(ledger, (held, "swim"))) == [Grant]


async def test_a_user_who_is_deleted_by_hand_meanwhile_costs_the_others_no_grant(
    ledger: Ledger, database_url: str
) -> None:
    gone, *others = add_users(database_url, 3)
    add_actions(database_url, {"run": 5})
    with holding(database_url, f"DELETE FROM users WHERE user_id = '{gone}'") as deleting:
        granting = asyncio.create_task(
            grant(ledger, (gone, "run"), *((user, "run") for user in others))
        )
        await eventually(lambda: waits_for_lock(database_url))
        deleting.commit()

    first, *rest = await granting
    assert not isinstance(first, Grant)
    assert kinds(rest) == [Grant, Grant]
    assert sql(database_url, "SELECT count(*) FROM ledger") == [(2,)]
