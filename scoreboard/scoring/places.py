"""Places: pages of the whole ranking of a board, which begins with the board's entries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from scoreboard.connections import statements
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import UnknownBoard
from scoreboard.ledger.queries import RANKING
from scoreboard.ledger.shown import season_of
from scoreboard.model import MAIN, BoardId, Season

# Each is walked along an index of its own, which has nobody who is hidden.
_ENTRIES_OF_MAIN: Final = "(SELECT * FROM scores WHERE NOT scores.hidden)"
_ENTRIES_OF_OTHERS: Final = (
    "(SELECT * FROM season_entries WHERE season_entries.season_id = boards.season_id"
    " AND NOT season_entries.hidden)"
)


def _statements(ranked_entries: str) -> dict[str, str]:
    words = {"ranking": RANKING, "ranked_entries": ranked_entries}
    return statements.load("scoreboard.scoring", "places.sql", words=words)


SQL: Final = _statements(_ENTRIES_OF_MAIN)
_SQL_OF_OTHERS: Final = _statements(_ENTRIES_OF_OTHERS)


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the whole ranking."""

    rank: int
    user_id: str
    username: str
    score: int
    reached_at: datetime


@dataclass(frozen=True, slots=True)
class Places:
    """Places as of one version of a board, in the order of ranks, of the season that it shows;
    `main` names none.
    """

    version: int
    changed_at: datetime
    is_low: bool
    season: Season | None
    places: tuple[Place, ...]


async def read(
    postgres: Postgres,
    board_id: BoardId,
    *,
    after: int,
    limit: int,
    part: str = "",
    since: datetime | None = None,
) -> Places:
    """Read places of a board behind a rank: those with `part` in the key of the name, and whose
    score was reached `since`. Raises UnknownBoard, LedgerUnavailable.
    """
    wanted = {"board_id": board_id, "after": after, "limit": limit, "part": part, "since": since}
    texts = SQL if board_id == MAIN else _SQL_OF_OTHERS
    rows = await postgres.read(texts["find_places" if part else "read_places"], wanted)
    if not rows and board_id == MAIN:
        raise postgres.lacks("boards")
    if not rows:
        raise UnknownBoard
    version, changed_at, is_low, *season = rows[0][:7]
    found = tuple(Place(*row[7:]) for row in rows if row[7] is not None)
    return Places(version, changed_at, is_low, season_of(season), found)
