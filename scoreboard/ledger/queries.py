"""The statements of the ledger, and the words in which all SQL ranks.

A statement that ranks calls what it ranks `ranked` (scores, or what was selected from them) and
writes `ORDER BY {ranking}`. idx_scores_score_desc has the same order, so the top is its beginning.
"""

from __future__ import annotations

from typing import Final

from scoreboard.connections import statements
from scoreboard.model import BOARD_SIZE

# The highest score first, then who reached it first, then by user id.
RANKING: Final = "ranked.score DESC, ranked.updated_at, ranked.user_id"

SQL: Final = statements.load(
    "scoreboard.ledger", words={"ranking": RANKING, "size": str(BOARD_SIZE)}
)
