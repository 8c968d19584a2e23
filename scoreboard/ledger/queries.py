"""The statements of the ledger, and the words in which all SQL ranks.

A statement that ranks calls what it ranks `ranked` (scores, or what was selected from them) and
writes `ORDER BY {ranking}`. idx_scores_score_desc and idx_season_entries_ranking have the same
order, so the top is their beginning.
"""

from __future__ import annotations

from typing import Final

from scoreboard.connections import statements
from scoreboard.model import BOARD_SIZE, FINAL_SIZE, SIZE_MAX

# The highest score first, then who reached it first, then by user id.
RANKING: Final = "ranked.score DESC, ranked.updated_at, ranked.user_id"
# Any number will do, as long as nothing else in the database takes the same one.
SEASONS_LOCK: Final = 0x5C0_4EB0A5EA
FALLS_LOCK: Final = 0x5C0_4EB0A5EB

SQL: Final = statements.load(
    "scoreboard.ledger",
    "grant.sql",
    "boards.sql",
    "seasons.sql",
    "finals.sql",
    "changes.sql",
    "falling.sql",
    "moderation.sql",
    "definitions.sql",
    words={
        "ranking": RANKING,
        "size": str(BOARD_SIZE),
        "size_max": str(SIZE_MAX),
        "final_size": str(FINAL_SIZE),
        "seasons_lock": str(SEASONS_LOCK),
        "falls_lock": str(FALLS_LOCK),
    },
)
