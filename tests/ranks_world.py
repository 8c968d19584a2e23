"""Rankings for tests of ranks: entries by plain SQL, and what places they have by a full count."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from scoreboard.connections.postgres import Postgres
from scoreboard.operations.metrics import Metrics
from scoreboard.ranks.anchors import Held
from scoreboard.ranks.keeping import Keeping
from scoreboard.ranks.keys import MAIN_RANKING, RankingId
from scoreboard.ranks.ranks import Ranks
from tests.samples import counted
from tests.world import sql


@dataclass(frozen=True)
class Process:
    """Ranks of one process: nothing runs in the background, and each step is taken by hand."""

    ranks: Ranks
    keeping: Keeping
    metrics: Metrics

    async def load(self, ranking_id: RankingId = MAIN_RANKING) -> Held:
        """Ask for a ranking, and load it if it is not held."""
        if (held := self.ranks.held(ranking_id)) is None:
            await self.ranks.load_next()
            held = self.ranks.held(ranking_id)
        assert held is not None
        return held

    def lost(self, why: str) -> float:
        """How many rankings were forgotten for this."""
        return counted(self.metrics, "rankings_lost_total", why=why)

    def loads(self, source: str) -> float:
        """How many rankings were loaded from this."""
        return counted(self.metrics, "rank_loads_total", source=source)


@asynccontextmanager
async def a_process(
    database_url: str, name: str = "one", *, seen_seconds: float = 900.0, long: int = 1000
) -> AsyncIterator[Process]:
    postgres = Postgres(database_url, sessions=2, timeout_seconds=10, name=f"test.{name}")
    metrics = Metrics()
    ranks = Ranks(postgres, metrics)
    keeping = Keeping(postgres, ranks, metrics, name=name, seen_seconds=seen_seconds, long=long)
    try:
        yield Process(ranks, keeping, metrics)
    finally:
        await postgres.finish()


def add_scores(database_url: str, count: int) -> None:
    """Add users of whom each has a score on `main`: many have the same one."""
    sql(
        database_url,
        """
        WITH ids AS MATERIALIZED (
            SELECT gen_random_uuid() AS id FROM generate_series(1, %(count)s)
        ),
        made AS (
            INSERT INTO users (user_id, username, username_key, email, password_hash)
            SELECT id, 'ranked-' || id, 'ranked-' || id, id || '@example.org', '-'
            FROM ids
            RETURNING user_id
        )
        INSERT INTO scores (user_id, score, updated_at)
        SELECT user_id, (random() * 100)::int * 10, now() - random() * interval '10 days'
        FROM made
        """,
        {"count": count},
    )


def keys_of(database_url: str, ranking_id: RankingId = MAIN_RANKING) -> list[bytes]:
    """The keys of a ranking, in its order, by PostgreSQL's own sort."""
    entries = (
        "scores WHERE NOT hidden"
        if ranking_id == MAIN_RANKING
        else f"season_entries WHERE season_id = {ranking_id} AND NOT hidden"
    )
    rows = sql(
        database_url,
        f"SELECT ranking_key(score, updated_at, user_id) FROM {entries}"
        " ORDER BY score DESC, updated_at, user_id",
    )
    return [bytes(key) for (key,) in rows]


def is_level(held: Held | None, database_url: str, ranking_id: RankingId = MAIN_RANKING) -> bool:
    """Whether what is held says what PostgreSQL counts now."""
    return held is not None and counts_right(held, keys_of(database_url, ranking_id))


def counts_right(held: Held, keys: list[bytes]) -> bool:
    """Whether what is held says of each key how many stand before its fence."""
    if held.total != len(keys) or keys != sorted(keys):
        return False
    for place in range(0, len(keys), 97):
        anchor = held.before(keys[place])
        assert anchor.key <= keys[place]
        if anchor.before != bisect_left(keys, anchor.key):
            return False
    return True
