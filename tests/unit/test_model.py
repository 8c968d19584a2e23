"""The values that travel: what `to_json` makes `from_json` reads, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreboard.scoring.model import Board, Submission
from tests.properties.strategies import boards, examples, json_values
from tests.samples import a_board


@examples(100)
@given(boards())
def test_a_board_survives_the_way_to_json_and_back(board: Board) -> None:
    assert Board.from_json(board.to_json()) == board


@examples(100)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_board_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which of several, nobody asks
        Board.from_json(text)


@examples(100)
@given(json_values())
def test_json_that_is_no_board_is_refused_and_never_crashes(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which of several, nobody asks
        Board.from_json(orjson.dumps(value))


@examples(100)
@given(boards(), st.sampled_from(["version", "timestamp", "topUsers"]), json_values())
def test_a_board_with_a_wrong_member_is_read_or_refused_and_never_crashes(
    board: Board, member: str, value: Any
) -> None:
    document = orjson.loads(board.to_json()) | {member: value}

    with suppress(ValueError):
        assert isinstance(Board.from_json(orjson.dumps(document)), Board)


def test_clients_see_the_board_as_the_specification_writes_it() -> None:
    board = a_board(7, 1500, 20)

    assert [(user["userId"], user["score"]) for user in board.top_users()] == [
        ("00000000-0000-4000-8000-000000000000", 1500),
        ("00000000-0000-4000-8000-000000000001", 20),
    ]


def test_the_timestamp_is_in_utc_and_without_fractions() -> None:
    in_delhi = datetime(2024, 12, 9, 20, 0, 45, 999_999, timezone(timedelta(hours=5, minutes=30)))

    assert Board(1, in_delhi, ()).timestamp == "2024-12-09T14:30:45Z"
    assert Board(1, in_delhi.astimezone(UTC), ()).timestamp == "2024-12-09T14:30:45Z"


def test_the_key_of_a_submission_is_what_may_be_granted_once() -> None:
    assert Submission("user", "action", "trace").key == Submission("user", "action").key
