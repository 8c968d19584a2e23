"""Five boards that people play on: `main` and four more, the end of a season at will, and what
each of them shows by the rules, read from the database by SQL of our own.
"""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from scoreboard.ledger.queries import SEASONS_LOCK
from tests.world import add_board, sql

# Counts every action, and its seasons end while people play.
SPRINT: Final = "sprint"
# Counts every action, in one season that lasts longer than any game: as `main` does.
DAILY: Final = "daily"
# Counts half of the actions, for ever.
LISTED: Final = "listed"
# The least that somebody was granted at once, by three entries.
LEAST: Final = "least"
OTHERS: Final = (SPRINT, DAILY, LISTED, LEAST)

_DAY: Final = timedelta(days=1)
_SEASONS: Final = 400


class Shown(NamedTuple):
    """What a board shows: its version, the number of its season, and users with their scores."""

    version: int
    season: int
    entries: list[tuple[str, int]]


def add_boards(database_url: str, *, season_seconds: float | None = None) -> None:
    """Put them there, beside a catalogue that is complete. A season of `sprint` lasts for so long,
    or else until `end_season`.
    """
    now = datetime.now(UTC)
    length = _DAY if season_seconds is None else timedelta(seconds=season_seconds)
    starts = [now + length * n for n in range(_SEASONS)]
    first = (now - _DAY, starts[1])
    add_board(database_url, SPRINT, first, *itertools.pairwise(starts[1:]), period="dates")
    days = ((now - _DAY, now + _DAY), (now + _DAY, now + 2 * _DAY))
    add_board(database_url, DAILY, *days, period="day", written_until=days[-1][-1])
    add_board(database_url, LISTED, (now - _DAY, None), counts="listed")
    sql(
        database_url,
        "INSERT INTO board_actions SELECT %s, action_id FROM actions WHERE action_id ~ '[02468]$'",
        (LISTED,),
    )
    add_board(database_url, LEAST, (now - _DAY, None), operator="best", direction="low", size=3)


async def end_season(
    database_url: str, board_id: str = SPRINT, *, after_seconds: float = 0.0
) -> int:
    """Let the running season of a board end then, and the next one begin; returns its number.

    Nobody is told: an instance has to find it. No grant is under way while the end is moved, and
    the board gets a version, because it shows when its season ends.
    """
    # In a thread, because the grants that it waits for may be of instances in this process.
    [(number,)] = await asyncio.to_thread(
        sql,
        database_url,
        f"""
        SELECT pg_advisory_xact_lock({SEASONS_LOCK});
        WITH clock AS MATERIALIZED (
            SELECT clock_timestamp() + make_interval(secs => %(after_seconds)s) AS moment
        ),
        running AS MATERIALIZED (
            SELECT number FROM seasons WHERE board_id = %(board_id)s AND state = 'running'
        ),
        moved AS (
            UPDATE seasons
            SET
                ends_at = CASE WHEN seasons.number = running.number THEN moment ELSE ends_at END,
                closes_at =
                    CASE WHEN seasons.number = running.number THEN moment ELSE closes_at END,
                starts_at =
                    CASE WHEN seasons.number = running.number THEN starts_at ELSE moment END,
                previous_ends_at =
                    CASE WHEN seasons.number = running.number THEN previous_ends_at ELSE moment END
            FROM clock, running
            WHERE board_id = %(board_id)s
            AND seasons.number IN (running.number, running.number + 1)
            RETURNING seasons.number
        ),
        changed AS (
            UPDATE boards SET version = version + 1, changed_at = clock_timestamp()
            WHERE board_id = %(board_id)s
        )
        SELECT max(number) FROM moved HAVING count(*) = 2
        """,
        {"board_id": board_id, "after_seconds": after_seconds},
    )
    return int(number)


def shown_by_ledger(database_url: str, board_id: str) -> Shown:
    """What a board shows as of one moment, by the ranking rule written down once more."""
    rows = sql(
        database_url,
        """
        SELECT boards.version, seasons.number, ranked.user_id::text, ranked.score
        FROM boards
        JOIN seasons USING (season_id)
        LEFT JOIN LATERAL (
            SELECT user_id, updated_at, score AS kept,
                CASE boards.direction WHEN 'low' THEN -score ELSE score END AS score
            FROM season_entries
            WHERE season_entries.season_id = boards.season_id AND NOT hidden
            ORDER BY season_entries.score DESC, updated_at, user_id
            LIMIT boards.size
        ) AS ranked ON TRUE
        WHERE boards.board_id = %s
        ORDER BY ranked.kept DESC, ranked.updated_at, ranked.user_id
        """,
        (board_id,),
    )
    version, season, _, _ = rows[0]
    return Shown(version, season, [(user, score) for *_, user, score in rows if user is not None])


def seasons_ended(database_url: str) -> int:
    """How many seasons of any board have ended."""
    [(count,)] = sql(database_url, "SELECT count(*) FROM seasons WHERE state IN ('ended', 'final')")
    return int(count)
