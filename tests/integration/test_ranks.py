"""Fences of rankings, kept level with a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scoreboard.ranks.anchors import Held
from scoreboard.ranks.keys import MAIN_RANKING, RankingId
from scoreboard.ranks.ranks import Ranks
from tests.ranks_world import add_scores, counts_right, keys_of, some_ranks
from tests.world import sql


@asynccontextmanager
async def loading(ranks: Ranks) -> AsyncIterator[None]:
    """Within, rankings are loaded; turns are taken by hand."""
    task = asyncio.create_task(ranks._load())
    try:
        yield
    finally:
        task.cancel()


async def load(ranks: Ranks, ranking_id: RankingId = MAIN_RANKING) -> Held:
    async with loading(ranks):
        held = await ranks.wait(ranking_id, 10)
    assert held is not None
    return held


async def test_a_loaded_ranking_counts_as_postgresql_does(database_url: str) -> None:
    add_scores(database_url, 150_000)
    async with some_ranks(database_url) as ranks:
        held = await load(ranks)
        keys = keys_of(database_url)
        assert counts_right(held, keys)


async def test_a_turn_follows_what_has_moved(database_url: str) -> None:
    add_scores(database_url, 5000)
    async with some_ranks(database_url) as ranks:
        await load(ranks)
        add_scores(database_url, 5000)
        sql(database_url, "UPDATE scores SET score = score + 5 WHERE random() < 0.1")
        sql(database_url, "UPDATE scores SET hidden = TRUE WHERE random() < 0.1")
        sql(database_url, "DELETE FROM scores WHERE random() < 0.1")
        for _ in range(10):
            await ranks.turn()
            held = ranks.held(MAIN_RANKING)
            assert held is not None
            assert counts_right(held, keys_of(database_url))
