"""Who may claim an action, and what a grant makes of those who are hidden or banned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing

import psycopg2
import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.errors import AlreadyGranted, Banned, NotClaimable
from scoreboard.ledger.definitions import Definitions
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import MAIN, BoardId, Grant, Submission
from scoreboard.scoring.places import Places
from scoreboard.scoring.standing import Standings
from tests.eventually import eventually
from tests.integration.ledger_world import LEAST, a_ledger
from tests.places_world import Fixed
from tests.world import add_actions, add_users, sql, waits_for_lock

GRANTED = "SELECT user_id::text, action_id FROM ledger ORDER BY 1, 2"


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[Ledger]:
    async with a_ledger(database_url) as opened:
        add_actions(database_url, {"run": 50, "gold": 300})
        sql(database_url, "UPDATE actions SET claim = 'server' WHERE action_id = 'gold'")
        yield opened


async def answers(ledger: Ledger, *batch: Submission) -> list[type]:
    """Grant a batch, and name the kind of each answer."""
    return [type(each) for each in (await ledger.grant(batch)).answers(batch)]


def by_server(user_id: str, action_id: str) -> Submission:
    return Submission(user_id, action_id, by_server=True)


async def test_a_servers_action_is_granted_to_nobody_who_claims_it(
    ledger: Ledger, database_url: str
) -> None:
    [ada] = add_users(database_url, 1)
    assert await answers(ledger, Submission(ada, "gold")) == [NotClaimable]
    assert sql(database_url, GRANTED) == []
    assert await answers(ledger, by_server(ada, "gold"), by_server(ada, "run")) == [Grant, Grant]
    assert await answers(ledger, Submission(ada, "gold")) == [NotClaimable]  # nor told of it
    assert await answers(ledger, by_server(ada, "gold")) == [AlreadyGranted]
    assert await answers(ledger, Submission(ada, "run")) == [AlreadyGranted]


@pytest.mark.parametrize("claimed_as", ["gold", "silver"])
async def test_a_claim_in_one_batch_with_a_servers_grant_gets_nothing_of_it(
    ledger: Ledger, database_url: str, claimed_as: str
) -> None:
    """`silver` is a former id of the action."""
    [ada] = add_users(database_url, 1)
    sql(database_url, "INSERT INTO former_action_ids VALUES ('silver', 'gold', now())")
    batch = (Submission(ada, claimed_as), by_server(ada, claimed_as), by_server(ada, claimed_as))

    assert await answers(ledger, *batch) == [NotClaimable, Grant, AlreadyGranted]
    assert sql(database_url, GRANTED) == [(ada, "gold")]


async def test_a_ban_that_is_not_committed_yet_is_waited_for_and_then_nothing_is_granted(
    ledger: Ledger, database_url: str
) -> None:
    ada, eve = add_users(database_url, 2)
    batch = (by_server(ada, "gold"), Submission(ada, "run"), Submission(eve, "run"))
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM users WHERE user_id = %s FOR UPDATE", (ada,))
        cursor.execute("UPDATE users SET banned_at = now() WHERE user_id = %s", (ada,))
        granting = asyncio.create_task(answers(ledger, *batch))
        await eventually(lambda: granting.done() or waits_for_lock(database_url))
        other.commit()

    assert await granting == [Banned, Banned, Grant]
    assert sql(database_url, GRANTED) == [(eve, "run")]


@pytest.mark.parametrize("with_another_board", [False, True])
async def test_whoever_is_hidden_meanwhile_is_granted_all_and_shown_nowhere(
    ledger: Ledger, database_url: str, postgres: Postgres, *, with_another_board: bool
) -> None:
    ada, eve = add_users(database_url, 2)
    if with_another_board:
        await Definitions(postgres).add([LEAST])
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM users WHERE user_id = %s FOR UPDATE", (ada,))
        cursor.execute("UPDATE users SET hidden_at = now() WHERE user_id = %s", (ada,))
        granting = asyncio.create_task(ledger.grant([Submission(ada, "run")]))
        await eventually(lambda: granting.done() or waits_for_lock(database_url))
        other.commit()
    settlement = await granting

    assert isinstance(settlement.verdicts[ada, "run"], Grant)
    assert settlement.boards == {}
    await ledger.grant([Submission(eve, "run"), by_server(eve, "gold")])
    again = await ledger.grant([by_server(ada, "gold")])
    assert again.boards == {}  # as high as anybody is, and not on the board
    places = Places(postgres, Fixed())
    shown = [MAIN, LEAST.board_id] if with_another_board else [MAIN]
    for board in await ledger.boards(shown):
        assert [entry.user_id for entry in board.entries] == [eve]
        read = await places.page(BoardId(board.board_id), None, limit=10)
        assert [(place.rank, place.user_id) for place in read.entries] == [(1, eve)]
    # They are told their score, and nothing else.
    standings = Standings(postgres, places)
    hidden, seen = await standings.of(ada), await standings.of(eve)
    assert (hidden.score, hidden.rank, hidden.rank_above) == (350, None, None)
    assert (seen.score, seen.rank) == (350, 1)
