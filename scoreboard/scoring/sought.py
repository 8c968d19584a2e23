"""What operators look for in the whole ranking of a board: names, and scores reached of late."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from scoreboard.connections import statements
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import UnknownBoard
from scoreboard.ledger.queries import RANKING
from scoreboard.ledger.shown import season_of
from scoreboard.model import MAIN, BoardId
from scoreboard.scoring.place import Page, Place


def _statements(entries: str, is_entry: str) -> dict[str, str]:
    words = {"ranking": RANKING, "entries": entries, "is_entry": is_entry}
    return statements.load("scoreboard.scoring", "sought.sql", words=words)


SQL: Final = _statements("scores", "NOT ranked.hidden")
_SQL_OF_OTHERS: Final = _statements(
    "season_entries", "ranked.season_id = boards.season_id AND NOT ranked.hidden"
)


async def seek(
    postgres: Postgres,
    board_id: BoardId,
    *,
    after: int,
    limit: int,
    part: str = "",
    since: datetime | None = None,
) -> Page:
    """Read places of the season that a board shows, behind a rank: those with `part` in the key of
    the name, and whose score was reached `since`. Their ranks are ordinal, and the only ones that
    are counted. Raises UnknownBoard, LedgerUnavailable.
    """
    wanted = {"board_id": board_id, "after": after, "limit": limit, "part": part, "since": since}
    texts = SQL if board_id == MAIN else _SQL_OF_OTHERS
    rows = await postgres.read(texts["seek_named_places" if part else "seek_places"], wanted)
    if not rows and board_id == MAIN:
        raise postgres.lacks("boards")
    if not rows:
        raise UnknownBoard
    version, changed_at, is_low, *season = rows[0][:7]
    named = None if board_id == MAIN else season_of(season)
    entries = tuple(
        Place(rank, None, None, user_id, username, score, reached_at)
        for rank, user_id, username, score, reached_at in (row[7:] for row in rows)
        if rank is not None
    )
    return Page(None, board_id, version, changed_at, is_low, named, None, entries, None, None)
