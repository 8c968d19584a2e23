"""What a batch has seen, beside what it raised itself."""

from __future__ import annotations

from scoreboard.ledger.verdicts import Settlement
from scoreboard.model import MAIN, BoardId
from tests.samples import a_board

DAILY = BoardId("daily")


def test_what_a_batch_raised_itself_it_has_not_seen_of_others() -> None:
    """That was stored, or could not be: nobody waits for it twice."""
    settled = Settlement({}, {MAIN: a_board(7)}, {MAIN: 7, DAILY: 3})
    assert settled.seen_of_others == {DAILY: 3}


def test_a_board_that_somebody_raised_above_that_of_a_batch_is_one_of_others() -> None:
    settled = Settlement({}, {MAIN: a_board(7)}, {MAIN: 7}) | Settlement({}, seen={MAIN: 8})
    assert settled.seen_of_others == {MAIN: 8}
