"""How cost grows with the number of users and of ledger rows (one row per user at the start).

All sizes are there at once and measured in turn, round after round, so that what shakes the machine
shakes them all. What is compared is the middle of a checkpoint interval, which is where a server is
nearly always: the pages that grants touch are in memory and were written to the log since the last
checkpoint. So each database first lives through grants of a twentieth of its users. What a grant
costs right after a checkpoint, when each page it touches goes whole into the log once more, stands
beside it.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from scoreboard.connections.postgres import Postgres
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import Grant, Submission
from tests.benchmarks.world import ACTIONS, settle_down, user_id
from tests.world import sql

BATCH = 50
_TIMES = 60  # batches, and reads of the board, in a round
_WARM_SHARE = 20  # one grant for so many users: some for each page of 8 KiB
_WARM_BATCH = 1_000


@dataclass(frozen=True)
class Cost:
    """What things cost at this size; what is done once only is None in later rounds."""

    users: int
    grant_us: float  # of one submission, in batches of 50
    fresh_grant_us: float | None  # the same, right after a checkpoint
    top_us: float
    rank_index_mib: float
    rebuild_seconds: float | None


class Place:
    """One database, and what happens in it."""

    def __init__(self, users: int, url: str) -> None:
        self.users = users
        self.url = url
        self._postgres = Postgres(url, sessions=1, timeout_seconds=3600, name="benchmarks")
        self._ledger = Ledger(self._postgres, self._postgres)
        self._randomness = random.Random(users)

    def close(self) -> None:
        self._postgres.close()

    async def warm(self) -> None:
        """Live for a while."""
        for _ in range(max(1, self.users // _WARM_SHARE // _WARM_BATCH)):
            await self._ledger.grant(self._batch(_WARM_BATCH))

    async def grant_us(self) -> float:
        """Time a grant, as a share of its batch."""
        return await _median(self._grant) / BATCH * 1e6

    async def top_us(self) -> float:
        """Time a read of the top 10."""
        return await _median(self._ledger.board) * 1e6

    async def rebuild_seconds(self) -> float:
        """Time `board rebuild`."""
        began = time.perf_counter()
        await self._ledger.rebuild()
        return time.perf_counter() - began

    def rank_index_mib(self) -> float:
        """Measure the index that holds the ranking."""
        [(index,)] = sql(self.url, "SELECT pg_relation_size('idx_scores_score_desc')")
        return float(index) / 2**20

    async def _grant(self) -> None:
        settlement = await self._ledger.grant(self._batch(BATCH))
        assert any(isinstance(verdict, Grant) for verdict in settlement.verdicts.values())

    def _batch(self, size: int) -> list[Submission]:
        draw = self._randomness.randint
        return [
            Submission(user_id(draw(1, self.users)), f"a{draw(0, ACTIONS - 1)}")
            for _ in range(size)
        ]


def measure(urls: Mapping[int, str], rounds: int) -> list[Cost]:
    """Measure on databases that were filled with so many users."""
    with _places(urls) as places:
        return asyncio.run(_measure(places, rounds))


@contextmanager
def _places(urls: Mapping[int, str]) -> Iterator[list[Place]]:
    places = [Place(users, url) for users, url in urls.items()]
    try:
        yield places
    finally:
        for place in places:
            place.close()


async def _measure(places: list[Place], rounds: int) -> list[Cost]:
    fresh: dict[int, float] = {}
    for place in places:
        settle_down(place.url)
        fresh[place.users] = await place.grant_us()
        await place.warm()
    steady = [await _round(place) for _ in range(rounds) for place in places]
    rebuilt = {place.users: await place.rebuild_seconds() for place in places}
    return [
        Cost(
            place.users,
            grant_us,
            fresh.pop(place.users, None),
            top_us,
            place.rank_index_mib(),
            rebuilt.pop(place.users, None),
        )
        for place, grant_us, top_us in steady
    ]


async def _round(place: Place) -> tuple[Place, float, float]:
    return place, await place.grant_us(), await place.top_us()


async def _median(act: Callable[[], Awaitable[object]]) -> float:
    durations = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        await act()
        durations.append(time.perf_counter() - began)
    return statistics.median(durations)
