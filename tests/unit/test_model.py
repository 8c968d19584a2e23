"""The values that travel: what clients see of them, and what may be granted once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from scoreboard.model import MAIN, Board, Submission
from tests.samples import a_board


def test_clients_see_the_board_as_the_specification_writes_it() -> None:
    board = a_board(7, 1500, 20)

    assert [(user["userId"], user["score"]) for user in board.top_users()] == [
        ("00000000-0000-4000-8000-000000000000", 1500),
        ("00000000-0000-4000-8000-000000000001", 20),
    ]


def test_the_timestamp_is_in_utc_and_without_fractions() -> None:
    in_delhi = datetime(2024, 12, 9, 20, 0, 45, 999_999, timezone(timedelta(hours=5, minutes=30)))

    assert Board(MAIN, 1, in_delhi, ()).timestamp == "2024-12-09T14:30:45Z"
    assert Board(MAIN, 1, in_delhi.astimezone(UTC), ()).timestamp == "2024-12-09T14:30:45Z"


def test_the_key_of_a_submission_is_what_may_be_granted_once() -> None:
    assert Submission("user", "action", "trace").key == Submission("user", "action").key
