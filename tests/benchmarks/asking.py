"""Who asks for places, one question at a time: over HTTP, in the process, and of PostgreSQL alone.

Each answers with the seconds that a question took, and looks at what it was told: an answer without
a rank would be a quick one.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from types import TracebackType
from typing import Any, Self, cast

from scoreboard.accounts.access import AccessTokens
from scoreboard.connections.postgres import Postgres
from scoreboard.ledger.transaction import Transaction, snapshot
from scoreboard.model import MAIN, BoardId
from scoreboard.operations.metrics import Metrics
from scoreboard.ranks.keys import MAIN_RANKING
from scoreboard.ranks.ranks import Ranks
from scoreboard.scoring.places import Places
from tests.benchmarks.processes import Service
from tests.benchmarks.world import user_id
from tests.instances import test_settings

SEASON = BoardId("season")
IN_SEASON = 10  # one of so many users has an entry in the season
ANCHOR = "Scoreboard, the board alone"
_COMPARED = 300
_PATIENCE_SECONDS = 600.0

_COUNT = """
SELECT
    (SELECT count(*) FROM scores AS ranked WHERE NOT ranked.hidden AND ranked.score > line.score)
    + (
        SELECT count(*)
        FROM scores AS ranked
        WHERE NOT ranked.hidden
        AND ranked.score = line.score
        AND (ranked.updated_at, ranked.user_id) < (line.updated_at, line.user_id)
    )
FROM scores AS line
WHERE line.user_id = %(user_id)s::uuid
"""
_FROM_TOP = """
SELECT ranked.user_id::text, users.username, ranked.score
FROM (
    SELECT * FROM scores AS ranked
    WHERE NOT ranked.hidden
    ORDER BY ranked.score DESC, ranked.updated_at, ranked.user_id
    OFFSET %(skipped)s LIMIT 50
) AS ranked
JOIN users ON users.user_id = ranked.user_id
"""
_ALL_RANKS = """
SELECT user_id::text, rank, competition_rank
FROM (
    SELECT
        user_id,
        row_number() OVER (ORDER BY score DESC, updated_at, user_id) AS rank,
        rank() OVER (ORDER BY score DESC) AS competition_rank
    FROM scores
    WHERE NOT hidden
) AS ranked
WHERE user_id = ANY (%(user_ids)s::uuid[]) OR rank BETWEEN %(first)s AND %(last)s
"""


class Plain:
    """One connection to an instance, kept open."""

    def __init__(self, service: Service) -> None:
        self._connection = HTTPConnection("127.0.0.1", service.port, timeout=60)
        self._tokens = AccessTokens(test_settings(access_token_seconds=86_400))

    def __enter__(self) -> Self:
        self._connection.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def read(self, path: str, user: str = "") -> bytes:
        """Read what is there, as this user. Raises RuntimeError on an error."""
        headers = {"Authorization": f"Bearer {self._tokens.issue(user)}"} if user else {}
        self._connection.request("GET", path, headers=headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body!r}")
        return body

    def json(self, path: str, user: str = "") -> Any:
        return json.loads(self.read(path, user))

    def rank(self, board_id: str, user: str) -> int | None:
        """The rank of a user, None while it is being counted."""
        rank: int | None = self.json(f"/api/boards/{board_id}/users/{user}")["data"]["place"][
            "rank"
        ]
        return rank

    def metric(self, name: str) -> float:
        """A metric of the service, by the name that it has there."""
        found = re.search(
            rf"^scoreboard_{name} (\S+)$", self.read("/metrics").decode(), re.MULTILINE
        )
        if found is None:
            raise RuntimeError(f"there is no metric {name}")
        return float(found[1])


class Asking:
    """Questions about random users and ranks, by program; `slow` ones take seconds where entries
    are many.
    """

    def __init__(self, database_url: str, service: Service, users: int) -> None:
        self._users = users
        self._plain = Plain(service)
        self._cursor = ""
        self._inside = _Inside(database_url)
        self.programs: Mapping[str, Callable[[], float]] = {
            ANCHOR: lambda: self._timed("/api/leaderboard"),
            "Scoreboard, rank": self._rank,
            "Scoreboard, rank in a season": self._rank_in_season,
            "Scoreboard, window": self._window,
            "Scoreboard, page from a rank": self._page,
            "Scoreboard, page by cursor": self._next_page,
            "Scoreboard, rank without HTTP": lambda: self._inside.rank(self._user()),
            "PostgreSQL, SELECT 1": lambda: self._inside.query("SELECT 1", {}),
        }
        self.slow: Mapping[str, Callable[[], float]] = {
            "PostgreSQL, counting alone": lambda: self._inside.query(
                _COUNT, {"user_id": self._user()}
            ),
            "PostgreSQL, page by OFFSET": lambda: self._inside.query(
                _FROM_TOP, {"skipped": random.randrange(self._users)}
            ),
        }

    def __enter__(self) -> Self:
        self._plain.__enter__()
        self._inside.start()
        for board in (MAIN, SEASON):  # until its fences are there
            until = time.monotonic() + _PATIENCE_SECONDS
            while not self._plain.rank(board, user_id(1 + self._users - IN_SEASON)):
                if time.monotonic() > until:
                    raise RuntimeError(f"{board} is not counted after ten minutes")
                time.sleep(0.05)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._inside.stop()
        self._plain.__exit__(kind, error, trace)

    def compare(self) -> None:
        """Hold ranks against a full count of the same snapshot, with all that has moved since the
        fences were counted. Raises RuntimeError when they differ.
        """
        first = random.randrange(1, self._users - _COMPARED)
        users = [self._user() for _ in range(_COMPARED)]
        self._inside.compare(users, first, first + 99)

    def _user(self) -> str:
        return user_id(random.randrange(1, self._users + 1))

    def _rank(self) -> float:
        return self._timed(f"/api/boards/main/users/{self._user()}", is_place=True)

    def _rank_in_season(self) -> float:
        number = random.randrange(1, self._users + 1, IN_SEASON)
        return self._timed(f"/api/boards/{SEASON}/users/{user_id(number)}", is_place=True)

    def _window(self) -> float:
        return self._timed("/api/boards/main/me?around=5", self._user(), is_place=True)

    def _page(self) -> float:
        rank = random.randrange(1, self._users - 100)
        return self._timed(f"/api/boards/main/entries?rank={rank}")

    def _next_page(self) -> float:
        if not self._cursor:
            rank = random.randrange(1, self._users // 2)
            self._cursor = self._plain.json(f"/api/boards/main/entries?rank={rank}")["next"]
        return self._timed(f"/api/boards/main/entries?after={self._cursor}")

    def _timed(self, path: str, user: str = "", *, is_place: bool = False) -> float:
        began = time.perf_counter()
        body = self._plain.read(path, user)
        seconds = time.perf_counter() - began
        answer = json.loads(body)
        if is_place and not answer["data"]["place"]["rank"]:
            raise RuntimeError(f"{path} told no rank")
        if "/entries" in path:
            if not answer["data"][0]["rank"]:
                raise RuntimeError(f"{path} told no rank")
            self._cursor = answer["next"] or ""
        return seconds


class _Inside:
    """The same without HTTP: places and fences of this process, on a loop in a thread."""

    def __init__(self, database_url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._postgres = Postgres(
            database_url, sessions=3, timeout_seconds=_PATIENCE_SECONDS, name="benchmarks.ranks"
        )
        self._ranks = Ranks(self._postgres, Metrics())
        # Whose fences stay as they were counted, so that all that moves has to be added to them.
        self._lasting = Ranks(self._postgres, Metrics(), interval_seconds=86_400)
        self._places = Places(self._postgres, self._ranks)

    def start(self) -> None:
        self._thread.start()
        self._wait(self._run())
        for ranks in (self._ranks, self._lasting):
            if self._wait(ranks.wait(MAIN_RANKING, _PATIENCE_SECONDS)) is None:
                raise RuntimeError("the ranking is not counted after ten minutes")

    def stop(self) -> None:
        self._wait(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def rank(self, user: str) -> float:
        """Find a place."""

        async def find() -> float:
            began = time.perf_counter()
            found = await self._places.find(MAIN, None, [user])
            seconds = time.perf_counter() - began
            if found.places[user].rank is None:
                raise RuntimeError("there is no rank")
            return seconds

        return self._wait(find())

    def query(self, statement: str, parameters: Mapping[str, Any]) -> float:
        """Ask PostgreSQL alone."""

        async def read() -> float:
            began = time.perf_counter()
            await self._postgres.read(statement, parameters)
            return time.perf_counter() - began

        return self._wait(read())

    def compare(self, users: list[str], first: int, last: int) -> None:
        """Find the places of these users and from this rank to that one."""
        self._wait(self._compare(users, first, last))

    async def _run(self) -> None:
        self._tasks = [asyncio.create_task(ranks.run()) for ranks in (self._ranks, self._lasting)]

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._postgres.finish()

    async def _compare(self, users: list[str], first: int, last: int) -> None:
        async with self._postgres.session() as session, snapshot(session) as begun:
            # Places only read; so they may read in this transaction.
            places = Places(cast(Postgres, _Snapshot(begun)), self._lasting)
            found = await places.find(MAIN, None, users)
            page = await places.page(MAIN, None, rank=first, limit=last - first + 1)
            rows = await begun.run(_ALL_RANKS, {"user_ids": users, "first": first, "last": last})
        counted = {user: (rank, competition_rank) for user, rank, competition_rank in rows}
        told = {
            place.user_id: (place.rank, place.competition_rank)
            for place in (*found.places.values(), *page.entries)
        }
        if told != counted:
            raise RuntimeError(f"ranks differ: {dict(told.items() ^ counted.items())}")

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class _Snapshot:
    """What `Places` reads from, as of one snapshot."""

    def __init__(self, begun: Transaction) -> None:
        self._begun = begun

    async def read(
        self,
        statement: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        prepared: tuple[str, ...] = (),
    ) -> list[tuple[Any, ...]]:
        return await self._begun.run(statement, parameters, prepared=prepared)
