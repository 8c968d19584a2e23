"""Server-Sent Events as bytes, read back by the rules of the WHATWG's specification."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scoreboard.live import frames
from scoreboard.live.frames import HEARTBEAT, Frame
from scoreboard.model import MAIN, Board
from tests.properties.strategies import boards, examples, json_values
from tests.samples import a_board


def parsed(events: bytes) -> list[dict[str, str]]:
    """The fields of each event; a line ends where the specification lets it: CR, LF or CRLF."""
    blocks = re.split(r"(?:\r\n|\r|\n){2}", events.decode())
    assert blocks.pop() == "", "an event that no empty line ends is thrown away by the client"
    fields = [re.findall(r"^(\w+): (.*)$", block, re.MULTILINE) for block in blocks]
    return [dict(pairs) for pairs in fields]


def unchunked(chunk: bytes) -> bytes:
    """The data of one chunk of a chunked HTTP/1.1 body (RFC 9112, 7.1)."""
    size, _, rest = chunk.partition(b"\r\n")
    assert rest[int(size, 16) :] == b"\r\n"
    return rest[: int(size, 16)]


@examples(100)
@given(st.binary(min_size=1, max_size=5000))
def test_a_frame_holds_the_same_bytes_with_and_without_chunks(events: bytes) -> None:
    frame = Frame.of(events)

    assert frame.plain == events
    assert unchunked(frame.chunked) == events


@examples(100)
@given(json_values())
def test_no_data_whatever_it_holds_breaks_out_of_its_line(data: Any) -> None:
    [event] = parsed(frames.event("name", data, 5))

    assert event["event"] == "name"
    assert event["id"] == "5"
    assert json.loads(event["data"]) == data


@examples(100)
@given(boards())
def test_an_update_carries_the_whole_board_and_its_version_as_id(board: Board) -> None:
    [event] = parsed(frames.score_update(board))

    assert event["event"] == "score:update"
    assert event["id"] == str(board.version)
    data: dict[str, object] = {"topUsers": board.top_users(), "timestamp": board.timestamp}
    if board.board_id != MAIN:
        direction = "low" if board.is_low else "high"
        season = board.season and board.season.as_json()
        data |= {"boardId": board.board_id, "direction": direction, "season": season}
    assert json.loads(event["data"]) == data


def test_the_update_is_as_the_specification_writes_it() -> None:
    text = frames.score_update(a_board(7, 1500)).decode()

    assert text.startswith('id: 7\nevent: score:update\ndata: {"topUsers":[{"userId":')
    assert text.endswith('],"timestamp":"2024-12-09T14:30:52Z"}\n\n')


def test_a_stream_opens_with_a_retry_and_the_greeting_of_the_specification() -> None:
    [event] = parsed(frames.opening((1.0, 5.0)))

    assert 1000 <= int(event["retry"]) <= 5000
    assert event["event"] == "connected"
    assert event["data"] == '{"message":"Connected to leaderboard stream"}'
    assert "id" not in event


def test_clients_are_told_different_times_to_come_back_after() -> None:
    """Else all that lose an instance together come back together."""
    assert len({frames.opening((1.0, 5.0)) for _ in range(50)}) > 10


def test_the_farewell_says_why() -> None:
    [event] = parsed(frames.closing("shutting_down", "Reconnect."))

    assert event["event"] == "closing"
    assert json.loads(event["data"]) == {"code": "shutting_down", "message": "Reconnect."}


def test_a_heartbeat_is_a_comment_and_ends_no_event() -> None:
    """Some clients make an event without data of each empty line."""
    assert HEARTBEAT.plain.startswith(b":")
    assert HEARTBEAT.plain.count(b"\n") == 1
    assert HEARTBEAT.plain.endswith(b"\n")


def test_only_events_with_data_end_with_an_empty_line() -> None:
    """Whatever comes first, and whatever stands between two of them."""
    board = frames.score_update(a_board(7, 1500))
    farewell = frames.closing("shutting_down", "Reconnect.")
    heartbeat = HEARTBEAT.plain
    stream = frames.opening((1.0, 5.0)) + heartbeat + board + heartbeat * 3 + farewell + heartbeat

    *events, rest = stream.split(b"\n\n")

    assert rest == heartbeat
    assert all(len(re.findall(rb"^data: ", event, re.MULTILINE)) == 1 for event in events)
    assert [event.count(heartbeat) for event in events] == [0, 1, 3]
