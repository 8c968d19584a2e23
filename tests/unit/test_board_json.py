"""A board as JSON for the cache and the bus: what is written is read, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreboard import board_json
from scoreboard.model import MAIN, Board, BoardId, Entry, Season
from tests.properties.strategies import boards, examples, json_values
from tests.samples import a_board


@examples(100)
@given(boards())
def test_a_board_survives_the_way_to_json_and_back(board: Board) -> None:
    assert board_json.decode(board_json.encode(board)) == board


@examples(100)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_board_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which of several, nobody asks
        board_json.decode(text)


@examples(100)
@given(json_values())
def test_json_that_is_no_board_is_refused_and_never_crashes(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which of several, nobody asks
        board_json.decode(orjson.dumps(value))


@examples(100)
@given(boards(), st.sampled_from(["version", "timestamp", "topUsers"]), json_values())
def test_a_board_with_a_wrong_member_is_read_or_refused_and_never_crashes(
    board: Board, member: str, value: Any
) -> None:
    document = orjson.loads(board_json.encode(board)) | {member: value}

    with suppress(ValueError):
        assert isinstance(board_json.decode(orjson.dumps(document)), Board)


GOOD: dict[str, Any] = orjson.loads(board_json.encode(a_board(7, 1500, 20, 20)))


def changed(**members: Any) -> bytes:
    return orjson.dumps(GOOD | members)


def with_version(version: Any) -> bytes:
    return changed(version=version)


def with_entry(**members: Any) -> bytes:
    """With these in its first entry."""
    return changed(topUsers=[GOOD["topUsers"][0] | members, *GOOD["topUsers"][1:]])


def entries(count: int) -> list[dict[str, Any]]:
    return orjson.loads(board_json.encode(a_board(7, *range(count, 0, -1))))["topUsers"]


@pytest.mark.parametrize(
    "text",
    [
        *map(with_version, (-1, 2**53, 2**63 - 1, 2**64 - 1, 1.0, True, "7", None)),
        changed(version=0).replace(b'"version":0', b'"version":1e30'),
        *(with_entry(score=value) for value in (2**31, 1e30, 1500.0, True, "1500", None)),
        changed(topUsers=[GOOD["topUsers"][0], GOOD["topUsers"][1] | {"score": -(2**31)}]),
        *(with_entry(userId=value) for value in (7, "", "ada", "0" * 36, None, ["x"])),
        with_entry(userId="00000000-0000-4000-8000-00000000000A"),  # not as PostgreSQL writes it
        with_entry(userId=GOOD["topUsers"][1]["userId"]),
        *(with_entry(username=value) for value in ("x" * 51, "a\0b", 7, None, ["x"])),
        *(with_entry(rank=1), changed(topUsers=[{"userId": "x"}])),
        *(changed(board="weekly"), changed(topUsers={}), changed(topUsers=entries(11))),
        changed(topUsers=GOOD["topUsers"][::-1]),
        *(
            changed(timestamp=value)
            for value in (
                7,
                "",
                "yesterday",
                "2024-12-09T14:30:45",  # without an offset it is another moment on each machine
                "1969-12-31T23:59:59Z",
                "0001-01-01T00:00:00+23:59",
                "2024-12-09T14:30:45.000000+00:00" + " " * 9,
            )
        ),
        changed(topUsers=[*GOOD["topUsers"], *[[[[]]]] * 2]),
        b"[" * 8000,
        b'{"version":1,"a":' * 400,
        b" " * 8192 + board_json.encode(a_board(7)),
        b'{"version": 7}',
        b"\xff\xfe",
    ],
    ids=lambda text: text[:60].decode(errors="replace"),
)
def test_what_is_no_board_in_one_way_only_is_refused(text: bytes) -> None:
    """Each of these was taken, or failed whoever pushed or stored it."""
    assert board_json.decode(orjson.dumps(GOOD)) == a_board(7, 1500, 20, 20)

    with pytest.raises(ValueError):  # noqa: PT011 - which of several, nobody asks
        board_json.decode(text)


def test_the_largest_board_that_there_may_be_is_read() -> None:
    names = ["\U0001f3c6" * 50, '"' * 50, "\x1f" * 50]
    largest = Board(
        MAIN,
        2**53 - 1,
        datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
        tuple(Entry(str(UUID(int=n)), names[n % 3], 2**31 - 1) for n in range(10)),
    )

    assert board_json.decode(board_json.encode(largest)) == largest


def test_scores_that_were_corrected_below_zero_are_read() -> None:
    corrected = a_board(7, 1500, 0, -20, -(2**31) + 1)

    assert board_json.decode(board_json.encode(corrected)) == corrected


def test_main_is_written_without_its_name_as_earlier_releases_read_it() -> None:
    text = board_json.encode(a_board(7, 1500))

    assert orjson.loads(text).keys() == {"version", "timestamp", "topUsers"}
    assert board_json.decode(text).board_id == MAIN


def test_every_other_board_is_written_with_its_name() -> None:
    weekly = replace(a_board(7, 1500), board_id=BoardId("weekly-2"))

    assert board_json.decode(board_json.encode(weekly)) == weekly


@pytest.mark.parametrize("board_id", ["", "-a", "a-", "A", "a_b", "a" * 51, "a\n", 1, None, ["a"]])
def test_a_board_id_that_no_board_can_have_is_refused(board_id: object) -> None:
    with pytest.raises(ValueError, match="boardId"):
        board_json.decode(orjson.dumps({**GOOD, "boardId": board_id}))


@pytest.mark.parametrize("score", [True, 1.0])
def test_what_was_read_as_a_score_before_makes_no_score_of_its_equal(score: Any) -> None:
    """Lines that were read are kept, and True equals 1."""
    one = a_board(7, 1)
    assert board_json.decode(board_json.encode(one)) == one

    with pytest.raises(ValueError):  # noqa: PT011 - which of several, nobody asks
        board_json.decode(changed(topUsers=[one.top_users()[0] | {"score": score}]))


SEASON = Season(1, datetime(2024, 12, 9, tzinfo=UTC), None, "running")


WRONG: list[dict[str, Any]] = [
    *({"number": number} for number in (True, 1.0, "1", -1, 2**31, None, [1])),
    *({"startsAt": moment} for moment in (None, 7, "yesterday", ["2024-12-09"])),
    *({"endsAt": moment} for moment in (7, "", ["2024-12-09"])),
    *({"state": state} for state in (None, "over", ["running"])),
]


@pytest.mark.parametrize("members", WRONG, ids=str)
def test_a_season_with_a_wrong_member_is_none_also_beside_one_that_was_read(
    members: dict[str, Any],
) -> None:
    board = replace(a_board(7), board_id=BoardId("weekly"), season=SEASON)
    assert board_json.decode(board_json.encode(board)) == board
    document = orjson.loads(board_json.encode(board))

    with pytest.raises(ValueError):  # noqa: PT011 - which of several, nobody asks
        board_json.decode(orjson.dumps(document | {"season": document["season"] | members}))
