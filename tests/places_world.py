"""Rankings for tests of places: fences as close together as a test wants, and where everybody
stands by a full count, in the snapshot of a transaction or as of now.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import Row
from scoreboard.ledger.transaction import Transaction, snapshot
from scoreboard.model import BoardId
from scoreboard.ranks.anchors import START, Anchor, Held
from scoreboard.ranks.keys import MAIN_RANKING, RankingId
from scoreboard.ranks.queries import SERVER
from scoreboard.scoring.counting import DENSE_RANKS_MAX
from scoreboard.scoring.place import Place
from scoreboard.scoring.places import Places


@dataclass
class Fenced:
    """A ranking with a fence at every `size`-th entry, as of a snapshot."""

    snapshot: str
    server: str
    total: int
    fences: list[Anchor]

    def before(self, key: bytes) -> Anchor:
        return self.fences[bisect_right(self.fences, key, key=lambda fence: fence.key) - 1]

    def at(self, rank: int) -> Anchor:
        return [fence for fence in self.fences if fence.before < rank][-1]


@dataclass
class Fixed:
    """Holds what it was given, for as long as nothing else is put in its place."""

    held: dict[RankingId, Held | None] = field(default_factory=dict)
    asked: int = 0

    async def wait(self, ranking_id: RankingId, _seconds: float) -> Held | None:
        self.asked += 1
        return self.held.get(ranking_id)


class Inside:
    """Reads within a transaction, as a pool does."""

    def __init__(self, begun: Transaction) -> None:
        self.begun = begun

    async def read(
        self,
        statement: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        prepared: tuple[str, ...] = (),
    ) -> list[Row]:
        return await self.begun.run(statement, parameters, prepared=prepared)


def entries_of(ranking_id: RankingId) -> str:
    """The entries of a ranking that are shown."""
    if ranking_id == MAIN_RANKING:
        return "scores WHERE NOT hidden"
    return f"season_entries WHERE season_id = {ranking_id} AND NOT hidden"


async def fenced(postgres: Postgres, ranking_id: RankingId, size: int) -> Fenced:
    """Put a fence at every `size`-th entry, as of now."""
    async with postgres.session() as session, snapshot(session) as begun:
        [(as_of, server)] = await begun.run(f"SELECT pg_current_snapshot()::text, {SERVER}")
        keys = [
            bytes(key)
            for (key,) in await begun.run(
                "SELECT ranking_key(score, updated_at, user_id)"
                f" FROM {entries_of(ranking_id)} ORDER BY score DESC, updated_at, user_id"
            )
        ]
    ends = [*keys[size::size], None]
    fences = [
        Anchor(key, before, until)
        for key, before, until in zip(
            (START.key, *keys[size::size]), range(0, len(keys) + 1, size), ends, strict=False
        )
    ]
    return Fenced(as_of, server, len(keys), fences)


async def counted(reader: Any, ranking_id: RankingId) -> dict[str, tuple[int, int, int, int]]:
    """Everybody's score as it is kept and three ranks, best first, by PostgreSQL's own count."""
    rows = await reader.read(
        "SELECT user_id::text, score, row_number() OVER (ORDER BY score DESC, updated_at, user_id),"
        " rank() OVER (ORDER BY score DESC), dense_rank() OVER (ORDER BY score DESC)"
        f" FROM {entries_of(ranking_id)} ORDER BY score DESC, updated_at, user_id"
    )
    return {user_id: tuple(rest) for user_id, *rest in rows}


async def require_agreement(
    places: Places, inside: Inside, board_id: BoardId, ranking_id: RankingId, *, limit: int = 5
) -> None:
    """Hold every answer about a ranking against the full count in the same snapshot."""
    truth = await counted(inside, ranking_id)
    lines = [(user_id, rank, tier) for user_id, (_, rank, tier, _) in truth.items()]
    order = list(truth)
    found = await places.find(board_id, None, order, with_next=True)
    assert (list(found.places), found.total) == (order, len(order))
    sign = -1 if found.is_low else 1
    for at, (user_id, (score, rank, tier, dense)) in enumerate(truth.items()):
        place = found.places[user_id]
        assert (place.score, place.rank, place.competition_rank) == (sign * score, rank, tier)
        assert place.dense_rank == (dense if dense <= DENSE_RANKS_MAX else None)
        ahead = order[at - 1] if at else None
        expected = None if ahead is None else (ahead, truth[ahead][0] - score + 1)
        assert expected == (place.next and (place.next.user_id, place.next.points))
    for at in range(0, len(order), max(1, len(order) // 12)):
        window = await places.window(board_id, None, order[at], limit)
        first = max(0, min(at - limit, len(order) - 2 * limit - 1))
        assert ranks_of(window.entries) == lines[first : first + 2 * limit + 1]
        assert window.place == found.places[order[at]]
        page = await places.page(board_id, None, rank=at + 1, limit=limit)
        assert ranks_of(page.entries) == lines[at : at + limit]
    page = await places.page(board_id, None, limit=limit)
    walked = [*page.entries]
    while page.next is not None:
        page = await places.page(board_id, None, after=page.next, limit=limit)
        walked += page.entries
    assert ranks_of(walked) == lines
    back = [*page.entries]
    while page.previous is not None:
        page = await places.page(board_id, None, before=page.previous, limit=limit)
        back[:0] = page.entries
    assert back == walked


def ranks_of(places: Iterable[Place]) -> list[tuple[str, int | None, int | None]]:
    """Who stands there, with the ordinal and the competition rank."""
    return [(place.user_id, place.rank, place.competition_rank) for place in places]


@asynccontextmanager
async def one_snapshot(postgres: Postgres, rankings: Fixed) -> AsyncIterator[tuple[Places, Inside]]:
    """Places whose answers are of one snapshot, and what else reads in it."""
    async with postgres.session() as session, snapshot(session) as begun:
        inside = Inside(begun)
        yield Places(inside, rankings, wait_seconds=0), inside  # type: ignore[arg-type]
