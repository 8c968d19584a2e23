"""Wherever somebody stands, every answer says so: ranks, windows and pages equal a full count."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreboard.connections.postgres import Postgres
from scoreboard.model import MAIN, BoardId
from scoreboard.ranks.keys import MAIN_RANKING, RankingId
from tests.places_world import Fixed, fenced, one_snapshot, require_agreement
from tests.properties.strategies import examples
from tests.world import add_board, add_users, sql

BEGIN = datetime(2024, 12, 9, tzinfo=UTC)
PLAYERS = 40
# What happens to one entry: it gets a score, other points, is hidden, shown or removed. There are
# few scores and few moments, so most are tied.
_CHANGES = {
    "score": "INSERT INTO {entries} ({columns}) VALUES ({values}) ON CONFLICT ({key})"
    " DO UPDATE SET score = excluded.score, updated_at = excluded.updated_at",
    "correct": "UPDATE {entries} SET score = score + %(score)s - 3 WHERE {found}",
    "hide": "UPDATE {entries} SET hidden = TRUE WHERE {found}",
    "show": "UPDATE {entries} SET hidden = FALSE WHERE {found}",
    "erase": "DELETE FROM {entries} WHERE {found}",
}
_OF_MAIN = {
    "entries": "scores",
    "columns": "user_id, score, updated_at",
    "values": "%(user)s, %(score)s, %(at)s",
    "key": "user_id",
    "found": "user_id = %(user)s",
}
_OF_SEASONS = {
    "entries": "season_entries",
    "columns": "season_id, user_id, score, updated_at",
    "values": "%(season_id)s, %(user)s, %(score)s, %(at)s",
    "key": "user_id, season_id",
    "found": "user_id = %(user)s AND season_id = %(season_id)s",
}

changes = st.lists(
    st.tuples(
        st.sampled_from(["score"] * 6 + list(_CHANGES)),
        st.integers(0, PLAYERS - 1),
        st.integers(0, 6),
        st.integers(0, 3),
    ),
    max_size=40,
)


@pytest.fixture
async def postgres(database_url: str) -> AsyncIterator[Postgres]:
    made = Postgres(database_url, sessions=2, timeout_seconds=5.0, name="test.places")
    yield made
    await made.finish()


@pytest.fixture(params=["main", "high", "low"])
def ranking(
    request: pytest.FixtureRequest, database_url: str
) -> tuple[BoardId, RankingId, list[str]]:
    """A board, its ranking, and who may stand on it."""
    users = add_users(database_url, PLAYERS)
    if request.param == MAIN:
        return MAIN, MAIN_RANKING, users
    add_board(database_url, request.param, (BEGIN, None), direction=request.param, operator="best")
    [(season_id,)] = sql(
        database_url, "SELECT season_id FROM boards WHERE board_id = %s", (request.param,)
    )
    return BoardId(request.param), RankingId(season_id), users


def make(database_url: str, ranking: tuple[BoardId, RankingId, list[str]], drawn: Any) -> None:
    """Make changes, each in a transaction of its own."""
    board_id, ranking_id, users = ranking
    names = _OF_MAIN if board_id == MAIN else _OF_SEASONS
    with closing(psycopg2.connect(database_url)) as connection:
        connection.autocommit = True
        for kind, player, score, second in drawn:
            said = {
                "season_id": ranking_id,
                "user": users[player],
                "score": -score if board_id == "low" else score,
                "at": BEGIN + timedelta(seconds=second),
            }
            connection.cursor().execute(_CHANGES[kind].format(**names), said)


@given(changes, changes, st.integers(1, 6))
@examples(25)
async def test_every_answer_equals_a_full_count(
    database_url: str,
    postgres: Postgres,
    ranking: tuple[BoardId, RankingId, list[str]],
    held: Any,
    unseen: Any,
    size: int,
) -> None:
    """`unseen` is what happens after the fences were set, one at every `size`-th entry."""
    board_id, ranking_id, _ = ranking
    sql(database_url, "DELETE FROM scores")
    sql(database_url, "DELETE FROM season_entries")
    make(database_url, ranking, held)
    fences = await fenced(postgres, ranking_id, size)
    make(database_url, ranking, unseen)

    async with one_snapshot(postgres, Fixed({ranking_id: fences})) as (places, inside):
        await require_agreement(places, inside, board_id, ranking_id, limit=size)
