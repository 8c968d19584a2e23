"""Load of players who ask where they stand, beside those who play: the whole ranking, a page in its
middle, their own place with its window, and that of somebody else; on every board, at every door.

Whatever contradicts itself in one answer, or another answer of the same version, is noted in
`violations`. At the end every place is held against a full count by PostgreSQL.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import orjson

from scoreboard.accounts.access import AccessTokens
from scoreboard.model import MAIN
from tests.eventually import eventually
from tests.five_boards import DAILY, LEAST, LISTED, OTHERS
from tests.instances import test_settings
from tests.load import Load
from tests.subscriber import path_of
from tests.world import sql

_TASKS: Final = 3
_PATIENCE_SECONDS: Final = 15.0
_PAUSE_SECONDS: Final = 0.03
_AROUND: Final = 3
_BOARDS: Final = (MAIN, *OTHERS)
# Of those that no hour changes: what they hold at the end.
_LASTING: Final = (MAIN, DAILY, LISTED, LEAST)
# More than anybody who plays in these tests, so that one page is a whole ranking.
_ALL: Final = 100
# The lines that every board shows. `least` shows no more.
_SHOWN: Final = 3
# Somebody who plays no longer, or does not yet.
_NO_PLACE: Final = {"no_entry", "banned"}
_MAY_RETRY: Final = {"ledger_unavailable", "overloaded", "shutting_down"}

Document = dict[str, Any]


class PlacesLoad:
    """Asks through the doors of another load, for the places of all who have an account."""

    def __init__(self, load: Load, database_url: str) -> None:
        self.violations: list[str] = []
        self.answers = 0
        self._load = load
        self._database_url = database_url
        self._users = [row[0] for row in sql(database_url, "SELECT user_id::text FROM users")]
        self._tokens = AccessTokens(test_settings(access_token_seconds=7 * 86400))
        # Who stood first under a version of a season of a board.
        self._first: dict[tuple[str, int, int], list[tuple[str, int]]] = {}
        self._client: aiohttp.ClientSession
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to ask."""
        self._client = aiohttp.ClientSession()
        self._tasks = [asyncio.create_task(self._go_on()) for _ in range(_TASKS)]

    async def stop(self) -> None:
        """End whatever is under way."""
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def flows(self, *, within_seconds: float = 20.0) -> None:
        """Return when some are answered (again)."""
        before = self.answers
        await eventually(
            lambda: self.answers > before + 2 * _TASKS,
            within_seconds=within_seconds,
            message="places are answered",
        )

    async def agree(self, doors: Sequence[str], *, within_seconds: float) -> None:
        """Return when every door tells of everybody what a full count says; nobody plays."""
        for board_id in _LASTING:
            truth = counted(self._database_url, board_id)
            assert len(truth) < _ALL
            for door in doors:

                async def agrees(board_id: str = board_id, door: str = door) -> bool:
                    return await self._told(door, board_id) == counted(self._database_url, board_id)

                await eventually(agrees, within_seconds=within_seconds, message=f"{board_id}")

    async def _told(self, door: str, board_id: str) -> dict[str, tuple[int, int, int]]:
        """Where a door says that everybody stands, each by their own question."""
        told = {}
        for user in self._users:
            answer = await self._ask(door, f"/api/boards/{board_id}/me?around=0", user)
            if answer is not None and (place := answer["data"]["place"]) is not None:
                told[user] = (place["rank"], place["competitionRank"], place["denseRank"])
        return told

    async def _go_on(self) -> None:
        asks = (self._ask_for_all, self._ask_for_a_page, self._ask_for_mine, self._ask_for_theirs)
        while True:
            await random.choice(asks)(random.choice(self._load.doors), random.choice(_BOARDS))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _ask_for_all(self, door: str, board_id: str) -> None:
        """The whole ranking, and what the board shows under a version that may be the same."""
        if page := await self._ask(door, f"/api/boards/{board_id}/entries?limit={_ALL}"):
            self._require_ranking(page, page["data"])
            if [line["rank"] for line in page["data"]] != list(range(1, page["total"] + 1)):
                self._note("is not all of the ranking", page)
        if board := await self._ask(door, path_of(board_id), of_board=True):
            entries = [(line["userId"], line["score"]) for line in board["data"]]
            self._require_first(board_id, board, entries[:_SHOWN])

    async def _ask_for_a_page(self, door: str, board_id: str) -> None:
        rank, limit = random.randint(1, len(self._users)), random.randint(1, 9)
        path = f"/api/boards/{board_id}/entries?rank={rank}&limit={limit}"
        if page := await self._ask(door, path):
            self._require_ranking(page, page["data"])
            ranks = range(rank, min(rank + limit, page["total"] + 1))
            if [line["rank"] for line in page["data"]] != list(ranks):
                self._note(f"is not {limit} lines from {rank} on", page)

    async def _ask_for_mine(self, door: str, board_id: str) -> None:
        user = random.choice(self._users)
        told = self._load.told(user)
        answer = await self._ask(door, f"/api/boards/{board_id}/me?around={_AROUND}", user)
        if answer is None:
            return
        place, entries = answer["data"]["place"], answer["data"]["entries"]
        if place is None:
            if entries or (board_id == MAIN and told):
                self._note(f"has no place of {user}", answer)
            return
        self._require_ranking(answer, entries)
        if board_id == MAIN and place["score"] < told:
            self._note(f"is older than an answer before it, of {told}", answer)
        size = min(2 * _AROUND + 1, answer["total"])
        own = [line for line in entries if line.items() <= place.items()]
        if len(entries) != size or len(own) != 1:
            self._note("has a window of another size, or without the user", answer)
        self._require_next(answer, entries)

    async def _ask_for_theirs(self, door: str, board_id: str) -> None:
        path = f"/api/boards/{board_id}/users/{random.choice(self._users)}"
        if (answer := await self._ask(door, path)) and answer["data"]["place"] is not None:
            self._require_next(answer, [])

    # What answers must be.

    def _require_ranking(self, answer: Document, lines: Sequence[Document]) -> None:
        """Lines follow one another in the order of the ranking, with the ranks that they say."""
        better = 1 if answer["direction"] == "low" else -1
        for before, line in itertools.pairwise(lines):
            step = better * (line["score"] - before["score"])
            tied = step == 0
            is_right = (
                line["rank"] == before["rank"] + 1
                and step >= 0
                and (tied or line["competitionRank"] == line["rank"])
                and (not tied or line["competitionRank"] == before["competitionRank"])
                and (not tied or before["reachedAt"] <= line["reachedAt"])
                and (line["denseRank"] == before["denseRank"] + (not tied))
            )
            if not is_right:
                self._note(f"has {line} behind {before}", answer)
        if lines and (lines[0]["rank"] < 1 or lines[-1]["rank"] > answer["total"]):
            self._note("has ranks that there are not", answer)
        if lines and lines[0]["rank"] == 1:
            first = [(line["userId"], line["score"]) for line in lines[:_SHOWN]]
            if len(first) == min(_SHOWN, answer["total"]):
                self._require_first(answer["boardId"], answer, first)

    def _require_first(self, board_id: str, answer: Document, first: list[tuple[str, int]]) -> None:
        """The first lines are the same in all answers of one version."""
        season = 0 if board_id == MAIN else answer["season"]["number"]
        before = self._first.setdefault((board_id, season, answer["version"]), first)
        if before != first:
            self._note(f"begins as {first}, and before as {before}", answer)

    def _require_next(self, answer: Document, entries: Sequence[Document]) -> None:
        """Who stands before is told of, with what is missing."""
        place, ahead = answer["data"]["place"], answer["data"]["next"]
        percentile = (10_000 * (answer["total"] - place["rank"]) // answer["total"]) / 100
        if (place["percentile"], place["rankAbove"]) != (percentile, None):
            self._note("has another percentile", answer)
        if (ahead is None) != (place["rank"] == 1):
            self._note("has somebody before the first, or nobody before another", answer)
        for line in entries:
            if line["rank"] == place["rank"] - 1:
                points = abs(line["score"] - place["score"]) + 1
                if (ahead["userId"], ahead["points"]) != (line["userId"], points):
                    self._note("has somebody else before the user", answer)

    def _note(self, what: str, answer: Document) -> None:
        self.violations.append(f"{answer['boardId']} {answer['version']} {what}: {answer}")

    async def _ask(
        self, door: str, path: str, user: str | None = None, *, of_board: bool = False
    ) -> Document | None:
        """The document, None without one: the door is closed, there is no such place, or what is
        away was said.
        """
        headers = {"Authorization": f"Bearer {self._tokens.issue(user)}"} if user else {}
        try:
            async with (
                asyncio.timeout(_PATIENCE_SECONDS),
                self._client.get(f"{door}{path}", headers=headers) as response,
            ):
                document: Document = orjson.loads(await response.read())
        except TimeoutError:
            self.violations.append(f"{door}{path}: no answer in {_PATIENCE_SECONDS} s")
            return None
        except (aiohttp.ClientError, OSError):
            return None
        if response.status == 200:
            self.answers += not of_board
            return document
        code = document["code"]
        is_away = (
            response.status == 503 and code in _MAY_RETRY and "Retry-After" in response.headers
        )
        if not is_away and code not in _NO_PLACE:
            self.violations.append(f"{door}{path}: {response.status} {document}")
        return None


def counted(database_url: str, board_id: str) -> dict[str, tuple[int, int, int]]:
    """The three ranks of everybody who is shown in the season of a board, by a full count."""
    entries = (
        "scores WHERE NOT hidden"
        if board_id == MAIN
        else "season_entries WHERE NOT hidden AND season_id ="
        f" (SELECT season_id FROM boards WHERE board_id = '{board_id}')"
    )
    rows = sql(
        database_url,
        "SELECT user_id::text, row_number() OVER (ORDER BY score DESC, updated_at, user_id),"
        " rank() OVER (ORDER BY score DESC), dense_rank() OVER (ORDER BY score DESC)"
        f" FROM {entries}",
    )
    return {user: (rank, tier, dense) for user, rank, tier, dense in rows}


@asynccontextmanager
async def a_places_load(load: Load, database_url: str) -> AsyncIterator[PlacesLoad]:
    """A load that flows when this begins; nothing contradicted anything when this ends."""
    places = PlacesLoad(load, database_url)
    await places.start()
    try:
        await places.flows(within_seconds=30.0)
        yield places
    finally:
        await places.stop()
    assert places.violations == [], places.violations[:9]
