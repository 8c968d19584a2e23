"""The statements of the ledger, and the words in which all SQL ranks.

A statement that ranks calls what it ranks `ranked` (scores, or what was selected from them) and
writes `ORDER BY {ranking}`. idx_scores_score_desc and idx_season_entries_ranking have the same
order, so the top is their beginning.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from scoreboard.connections import statements
from scoreboard.model import BOARD_SIZE, FINAL_SIZE, SIZE_MAX

# The highest score first, then who reached it first, then by user id.
RANKING: Final = "ranked.score DESC, ranked.updated_at, ranked.user_id"
# Whether the row of `seasons`, which is of the row of `boards`, has its entries.
IS_KEPT: Final = """NOT seasons.is_purged
AND coalesce(
    seasons.state <> 'final'
    OR seasons.season_id = boards.season_id
    OR seasons.closes_at + make_interval(secs => boards.keep_full_seconds) > clock_timestamp(),
    TRUE
)"""
# Any number will do, as long as nothing else in the database takes the same one.
SEASONS_LOCK: Final = 0x5C0_4EB0A5EA
FALLS_LOCK: Final = 0x5C0_4EB0A5EB

_TEXTS: Final = statements.load(
    "scoreboard.ledger",
    "grant.sql",
    "results.sql",
    "boards.sql",
    "seasons.sql",
    "finals.sql",
    "changes.sql",
    "falling.sql",
    "moderation.sql",
    "definitions.sql",
    words={
        "ranking": RANKING,
        "is_kept": IS_KEPT,
        "size": str(BOARD_SIZE),
        "size_max": str(SIZE_MAX),
        "final_size": str(FINAL_SIZE),
        "seasons_lock": str(SEASONS_LOCK),
        "falls_lock": str(FALLS_LOCK),
        "digest": "{digest}",  # explained below: it follows from these texts
    },
)
_CREATE: Final = "create_"
_PARAMETER: Final = re.compile(r"%\((\w+)\)s")


def _written(name: str, text: str) -> str:
    """The text with the digest. In a function the parameters of statements are its variables."""
    if name.startswith(_CREATE):
        text = _PARAMETER.sub(r"\1", text)
    return text.replace("{digest}", DIGEST)


# A function has the digest of all their texts in its name. So each release calls its own, and two
# releases can grant beside each other.
DIGEST: Final = hashlib.blake2b(
    "".join(text for name, text in _TEXTS.items() if name.startswith(_CREATE)).encode(),
    digest_size=4,
).hexdigest()
SQL: Final = {name: _written(name, text) for name, text in _TEXTS.items()}
# By name, what creates each function; `scoreboard migrate` does.
FUNCTIONS: Final = {
    f"{name.removeprefix(_CREATE)}_{DIGEST}": text
    for name, text in SQL.items()
    if name.startswith(_CREATE)
}
