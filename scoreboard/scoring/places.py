"""Places: where anybody stands in the whole ranking of a board, who is around, and its pages.

Each answer is of one snapshot of PostgreSQL: version, season, total, ranks and lines belong
together. Ranks are counted from fences that are held here, which tell of a moment ago, and the same
statement counts what has moved since. So they are exact as of the snapshot, which is of now.

`season` numbers a season of the board; None is the one that it shows. Everything here raises
UnknownBoard, UnknownSeason, EntriesNotKept, LedgerUnavailable.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from scoreboard.connections import statements
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import Row
from scoreboard.connections.statements import Prepared
from scoreboard.errors import EntriesNotKept, Unavailable, UnknownBoard, UnknownSeason
from scoreboard.ledger.queries import IS_KEPT, RANKING
from scoreboard.model import MAIN, BoardId
from scoreboard.ranks.anchors import Anchor, Held
from scoreboard.ranks.keys import BEGINNING, MAIN_RANKING, RankingId, first_of, key_of, score_of
from scoreboard.ranks.queries import WORDS, begin_at
from scoreboard.scoring import counting
from scoreboard.scoring.cursors import Cursor
from scoreboard.scoring.place import Found, Page, Window
from scoreboard.scoring.reading import Answer, Lines, Users, answer_of

Read = TypeVar("Read", Users, Lines)

# So many lines are read on each side of a place, at most.
LINES_MAX: Final = 101
# The best scores are mostly among so many first entries.
_READ_TOGETHER: Final = 128
# From the nearest line on, as an index is walked backwards.
_TURNED_RANKING: Final = "ranked.score, ranked.updated_at DESC, ranked.user_id DESC"


def _statements(entries: str, is_entry: str, is_of_season: str) -> dict[str, str]:
    words = {
        **WORDS,
        "ranking": RANKING,
        "turned_ranking": _TURNED_RANKING,
        "is_kept": IS_KEPT,
        "entries": entries,
        "is_entry": is_entry,
        "is_of_season": is_of_season,
        "lines_max": str(LINES_MAX),
        "read_together": str(_READ_TOGETHER),
    }
    return statements.load("scoreboard.scoring", "places.sql", words=words)


# Each is read along an index of its own, which has nobody who is hidden.
SQL: Final = _statements("scores", "NOT ranked.hidden", "TRUE")
_SQL_OF_OTHERS: Final = _statements(
    "season_entries",
    "ranked.season_id = %(season_id)s AND NOT ranked.hidden",
    "ranked.season_id = seasons.season_id",
)

# Of what their parameters are.
_TYPES: Final = {
    "board_id": "text",
    "season": "bigint",
    "season_id": "integer",
    "user_ids": "uuid[]",
    "ranking_id": "integer",
    "snapshot": "pg_snapshot",
    "server": "text",
    "held_total": "bigint",
    "keys": "bytea[]",
    "befores": "bigint[]",
    "scores": "bigint[]",
    "turned": "bigint[]",
    "moments": "timestamptz[]",
    "users": "uuid[]",
    "counted": "bigint",
    "dense_ranks": "bigint",
    "ahead": "bigint",
    "behind": "bigint",
    "score": "bigint",
    "moment": "timestamptz",
    "user_id": "uuid",
    "rank": "bigint",
}


def _prepared(kind: str, sql: dict[str, str]) -> dict[str, Prepared]:
    return {name: statements.prepared(f"{name}_{kind}", text, _TYPES) for name, text in sql.items()}


# Planning them takes longer than running them.
OF_MAIN: Final = _prepared("of_main", SQL)
OF_OTHERS: Final = _prepared("of_others", _SQL_OF_OTHERS)
# They may be planned while a table is empty that has a million rows a day later.
ALONG_INDEXES: Final = "SET LOCAL enable_seqscan = off;\n"

# For so long a ranking is waited for that somebody is the first to ask about: one of a hundred
# thousand entries is there by then.
_WAIT_SECONDS: Final = 0.25
# Before what moves on and on is answered as it was read.
_ATTEMPTS_MAX: Final = 4
_NOT_COUNTED: Final = (
    "The ranks of this board are being counted, and lines can be asked for by the first 1,000 "
    "alone. Try again shortly."
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a statement is to read of a ranking, and near which keys, users or rank it counts."""

    statement: str
    board_id: BoardId
    season: int | None
    parameters: dict[str, Any]
    user_ids: Sequence[str] = ()
    keys: Sequence[bytes] = ()
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class _Ranking:
    """A ranking that was asked for; a board before its first season has none. `keys` are near
    those that are counted.
    """

    ranking_id: RankingId | None
    season_id: int | None
    keys: Sequence[bytes]


class Rankings(Protocol):
    """What holds rankings: `ranks.ranks.Ranks`."""

    async def wait(self, ranking_id: RankingId, seconds: float, /) -> Held | None:
        """Answer what is held of a ranking, and wait up to so long for one that is to be loaded."""


class Places:
    """Reads places from the ledger's tables, counted from what `ranks` holds."""

    def __init__(
        self, postgres: Postgres, ranks: Rankings, *, wait_seconds: float = _WAIT_SECONDS
    ) -> None:
        self._postgres = postgres
        self._ranks = ranks
        self._wait_seconds = wait_seconds

    async def find(
        self,
        board_id: BoardId,
        season: int | None,
        user_ids: Collection[str],
        *,
        with_next: bool = False,
    ) -> Found:
        """Where these users stand; 1,000 at once take PostgreSQL 0.1 to 0.3 s. `with_next` looks
        for who stands before each, too.
        """
        users = list(user_ids)
        most = {"user_ids": users, "ahead": int(with_next)}
        asked = _Asked("find_places", board_id, season, most, user_ids=users)
        return (await self._read(asked, Users)).found()

    async def window(
        self, board_id: BoardId, season: int | None, user_id: str, around: int
    ) -> Window:
        """Where a user stands, with so many lines on both sides. At an edge the window shifts: it
        has `2 * around + 1` lines if there are as many. Without an entry it has none. Raises
        ValueError where that is more than LINES_MAX.
        """
        _require_few(2 * around + 1)
        most = {
            "user_ids": [user_id],
            "ahead": max(2 * around, 1),  # who stands before the user, at least
            "behind": 2 * around + 1,
        }
        asked = _Asked("list_around_user", board_id, season, most, user_ids=[user_id])
        return (await self._read(asked, Lines)).window(around)

    async def page(
        self,
        board_id: BoardId,
        season: int | None,
        *,
        after: Cursor | None = None,
        before: Cursor | None = None,
        rank: int = 1,
        limit: int,
    ) -> Page:
        """So many lines behind a cursor, or before one, or else from a rank on. A cursor is of the
        season. Raises Unavailable for a deep rank while the ranking is being counted, ValueError
        where one line more would be more than LINES_MAX.
        """
        _require_few(limit + 1)
        if before is not None:
            asked = _around(board_id, season, before.key, ahead=limit + 1, behind=1)
        elif after is not None:
            key = counting.behind(after.key)
            asked = _around(board_id, season, key, ahead=1, behind=limit + 1)
        elif rank == 1:
            asked = _around(board_id, season, BEGINNING, ahead=0, behind=limit + 1)
        else:
            most = {"rank": rank, "ahead": 1, "behind": limit + 1}
            asked = _Asked("list_from_rank", board_id, season, most, rank=rank)
        lines = await self._read(asked, Lines)
        if lines.are_missing(asked.rank):
            raise Unavailable(_NOT_COUNTED)
        return lines.page(limit, is_ahead=before is not None)

    async def _read(self, asked: _Asked, read: Callable[[Answer], Read]) -> Read:
        """Read until the ranks are counted: what is counted may move meanwhile, and the board may
        show another season.
        """
        ranking = await self._look(asked)
        held = await self._hold(ranking)
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            answer = await self._answer(asked, ranking, held)
            # guard: place-season-turned
            if asked.season is None and answer.shown_id != ranking.season_id:
                ranking = await self._look(asked)
                held = await self._hold(ranking)
                continue
            if not answer.is_kept:
                raise EntriesNotKept
            if held is not None and not answer.is_sound:  # guard: place-unsound
                held = None
                continue
            found = read(answer)
            if held is None or found.is_counted(asked.rank) or attempt == _ATTEMPTS_MAX:
                return found
            ranking = _Ranking(ranking.ranking_id, ranking.season_id, found.keys)
            held = await self._hold(ranking)
        raise Unavailable  # seasons turn as fast as they are read

    async def _look(self, asked: _Asked) -> _Ranking:
        """Find the ranking, and the keys of who is asked for."""
        wanted = {
            "board_id": asked.board_id,
            "season": asked.season,
            "user_ids": list(asked.user_ids),
        }
        rows = await self._run(asked.board_id, "find_ranking", wanted)
        if not rows and asked.board_id == MAIN:
            raise self._postgres.lacks("boards")
        if not rows:
            raise UnknownBoard
        season_id, is_kept = rows[0][:2]
        if season_id is None and asked.season is not None:
            raise UnknownSeason
        if is_kept is False:
            raise EntriesNotKept
        ranking_id = MAIN_RANKING if asked.board_id == MAIN else season_id
        keys = [*asked.keys]
        for score, reached_at, user_id in (row[2:] for row in rows if row[4] is not None):
            keys += key_of(score, reached_at, user_id), first_of(score)
        return _Ranking(ranking_id, season_id, keys)

    async def _hold(self, ranking: _Ranking) -> Held | None:
        if ranking.ranking_id is None:
            return None
        return await self._ranks.wait(ranking.ranking_id, self._wait_seconds)

    async def _answer(self, asked: _Asked, ranking: _Ranking, held: Held | None) -> Answer:
        anchors: list[Anchor] = counting.near(held, ranking.keys)
        if asked.rank is not None:
            anchors += counting.near_rank(held, asked.rank)
        said = {"board_id": asked.board_id, "season_id": ranking.season_id}
        basis = counting.basis(ranking.ranking_id, held, anchors)
        rows = await self._run(asked.board_id, asked.statement, said | asked.parameters | basis)
        if not rows:
            raise UnknownBoard
        return answer_of(rows, asked.board_id, ranking.ranking_id)

    async def _run(self, board_id: BoardId, name: str, parameters: dict[str, Any]) -> list[Row]:
        planned = (OF_MAIN if board_id == MAIN else OF_OTHERS)[name]
        return await self._postgres.read(
            ALONG_INDEXES + planned.execute, parameters, prepared=(planned.prepare,)
        )


def _require_few(lines: int) -> None:
    if lines > LINES_MAX:
        raise ValueError(f"{lines} lines are more than {LINES_MAX}")


def _around(
    board_id: BoardId, season: int | None, key: bytes, *, ahead: int, behind: int
) -> _Asked:
    """The lines on both sides of a key."""
    parameters = {**begin_at(key), "ahead": ahead, "behind": behind}
    keys = (key, first_of(score_of(key)))
    return _Asked("list_around_key", board_id, season, parameters, keys=keys)
