"""The statements of ranks, and the words that other statements read `movements` with."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from scoreboard.connections import statements
from scoreboard.ledger.queries import RANKING
from scoreboard.ranks.keys import MAIN_RANKING, RankingId, moment_of, score_of, user_of

# Which server answers: another one, or the same after its restart, may have committed something
# else under the same transaction id. So may a database that was restored in its place; and a server
# that recovered by itself after one of its processes was killed, whose statistics begin anew: it
# gives ids out again that were rolled back. A standby has none, because its snapshots do not say
# what is under way.
SERVER: Final = """CASE WHEN NOT pg_is_in_recovery() THEN
    (SELECT system_identifier FROM pg_control_system())::text
    || '/' || extract(epoch FROM pg_postmaster_start_time())::text
    || '/' || extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time())::text
    || '/' || 'movements'::regclass::oid::text
END"""
# The rows of `movements` that the snapshot of the parameter `snapshot` does not see. Whoever sees
# them now sees each exactly once after it, whatever the order of commits.
UNSEEN: Final = """movements.xid >= pg_snapshot_xmin(%(snapshot)s::pg_snapshot)
AND (
    movements.xid >= pg_snapshot_xmax(%(snapshot)s::pg_snapshot)
    OR movements.xid = ANY (ARRAY(SELECT pg_snapshot_xip(%(snapshot)s::pg_snapshot)))
)"""
# What a key is made of (`ranking_key`).
KEYED: Final = "score, updated_at, user_id"
WORDS: Final[Mapping[str, str]] = MappingProxyType({"server": SERVER, "unseen": UNSEEN})

# What is ranked: entries of `main`, and of a season.
_OF_MAIN: Final = "scores WHERE NOT hidden"
_OF_SEASONS: Final = "season_entries WHERE season_id = %(ranking_id)s AND NOT hidden"
_END: Final = (1 << 63) - 1
_NEVER: Final = "-infinity"
_ALWAYS: Final = "infinity"
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


def _statements(ranked_entries: str) -> dict[str, str]:
    words = {**WORDS, "ranking": RANKING, "keyed": KEYED, "ranked_entries": ranked_entries}
    return statements.load("scoreboard.ranks", words=words)


SQL: Final = _statements(_OF_MAIN)
_SQL_OF_SEASONS: Final = _statements(_OF_SEASONS)


def of_ranking(ranking_id: RankingId) -> dict[str, str]:
    """The statements that read the entries of a ranking."""
    return SQL if ranking_id == MAIN_RANKING else _SQL_OF_SEASONS


def begin_at(key: bytes) -> dict[str, Any]:
    """The parameters of statements that begin at a key."""
    return {"score": score_of(key), "moment": _moment(key), "user_id": user_of(key)}


def end_at(key: bytes | None, begin: bytes) -> dict[str, Any]:
    """The parameters of statements that end before a key, and began at another one. Without one
    they end nowhere.

    `tie` is the end among those who have the score of the beginning.
    """
    end: dict[str, Any] = {"end_score": -_END, "end_moment": _NEVER, "end_user_id": _NOBODY}
    tie = {"tie_moment": _ALWAYS, "tie_user_id": _NOBODY}
    if key is not None:
        end = {f"end_{name}": value for name, value in begin_at(key).items()}
        if score_of(key) == score_of(begin):
            tie = {"tie_moment": end["end_moment"], "tie_user_id": end["end_user_id"]}
    return end | tie


def _moment(key: bytes) -> str:
    """When the score of a key was reached, as PostgreSQL reads it."""
    try:
        return moment_of(key).isoformat()
    except OverflowError:
        return _NEVER if key[8] < 128 else _ALWAYS
