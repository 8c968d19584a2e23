"""A board as JSON for the cache and the bus: written, and read from whoever may have written it.

Clients see other JSON of a board, with whole seconds (`model.Board.top_users`, `Season.as_json`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, cast, get_args

import orjson

from scoreboard.model import (
    BOARD_ID,
    BOARD_SIZE,
    FINAL_SIZE,
    MAIN,
    SEASON_NUMBER_MAX,
    SIZE_MAX,
    VERSION_END,
    Board,
    BoardId,
    Direction,
    Ended,
    Entry,
    Season,
    SeasonState,
)

# The largest board of 10 has some 4 KiB: names of 50 letters that take four bytes each. One of 100
# brings the last ten of the season before.
MAIN_BYTES_MAX: Final = 8 * 1024
BOARD_BYTES_MAX: Final = 48 * 1024

_MAIN_SCORE_MAX: Final = 2**31 - 1  # PostgreSQL's integer
_SCORE_MAX: Final = 2**53 - 1
_USERNAME_CHARS_MAX: Final = 50
_TIMESTAMP_CHARS_MAX: Final = 40
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_MAIN_MEMBERS: Final = {"version", "timestamp", "topUsers"}
_BOARD_MEMBERS: Final = _MAIN_MEMBERS | {"boardId", "direction", "season", "before"}
_SEASON_MEMBERS: Final = {"number", "startsAt", "endsAt", "state"}
_ENDED_MEMBERS: Final = {"season", "topUsers"}
_ENTRY_MEMBERS: Final = {"userId", "username", "score"}
# Of what was read before, less than a megabyte.
_ENTRIES_KEPT: Final = 2_000
_SEASONS_KEPT: Final = 500
_OF_ANOTHER_KIND: Final = "there is a list or an object where a word or a number is"
_DIRECTIONS: Final = get_args(Direction)
_STATES: Final = get_args(SeasonState)
# A message's timestamp counts from there, and cannot be earlier.
_FIRST_MOMENT: Final = datetime(1970, 1, 1, tzinfo=UTC)


def encode(board: Board) -> bytes:
    """Write a board. `main` is not named: earlier releases read that too."""
    document: dict[str, Any] = {
        "version": board.version,
        "timestamp": board.changed_at,
        "topUsers": board.top_users(),
    }
    if board.board_id != MAIN:
        document |= {
            "boardId": board.board_id,
            "direction": board.direction,
            "season": _season_document(board.season),
            "before": _ended_document(board.before),
        }
    return orjson.dumps(document)


def decode(text: bytes) -> Board:
    """Read what `encode` made. Raises ValueError on anything else, also on a member that we do not
    know: it may change what all the others mean.
    """
    if len(text) > BOARD_BYTES_MAX:
        raise ValueError(f"not a board: {len(text)} bytes")
    document = orjson.loads(text)
    if type(document) is dict and "boardId" in document:
        return _named_board(document)
    if len(text) > MAIN_BYTES_MAX:
        raise ValueError(f"not the board {MAIN}: {len(text)} bytes")
    return _main_board(document)


def _season_document(season: Season | None) -> dict[str, Any] | None:
    """A season with its exact times, of which clients see whole seconds."""
    if season is None:
        return None
    return {
        "number": season.number,
        "startsAt": season.starts_at,
        "endsAt": season.ends_at,
        "state": season.state,
    }


def _ended_document(ended: Ended | None) -> dict[str, Any] | None:
    if ended is None:
        return None
    return {
        "season": _season_document(ended.season),
        "topUsers": [entry.as_json() for entry in ended.entries],
    }


def _main_board(value: Any) -> Board:
    document = _object(value, _MAIN_MEMBERS)
    entries = _entries(document["topUsers"], BOARD_SIZE, _MAIN_SCORE_MAX, is_low=False)
    return Board(MAIN, *_state(document), entries)


def _named_board(value: Any) -> Board:
    document = _object(value, _BOARD_MEMBERS)
    is_low = _direction(document["direction"]) == "low"
    entries = _entries(document["topUsers"], SIZE_MAX, _SCORE_MAX, is_low=is_low)
    return Board(
        _board_id(document["boardId"]),
        *_state(document),
        entries,
        _season(document["season"]),
        _ended(document["before"], is_low=is_low),
        is_low,
    )


def _board_id(value: Any) -> BoardId:
    """Read the id of a board. Raises ValueError."""
    if type(value) is not str or not BOARD_ID.fullmatch(value):
        raise ValueError("a boardId is not of lower-case letters, digits and hyphens")
    return BoardId(value)


def _state(document: dict[str, Any]) -> tuple[int, datetime]:
    return _whole(document["version"], VERSION_END - 1), _moment(document["timestamp"])


def _direction(value: Any) -> Direction:
    if value not in _DIRECTIONS:
        raise ValueError("a direction is neither high nor low")
    return cast(Direction, value)


def _season(value: Any) -> Season | None:
    if value is None:
        return None
    member = _object(value, _SEASON_MEMBERS)
    try:
        return _season_of(member["number"], member["startsAt"], member["endsAt"], member["state"])
    except TypeError:
        raise ValueError(_OF_ANOTHER_KIND) from None


# Each of thousands of boards that come shows the season of the one before.
@lru_cache(maxsize=_SEASONS_KEPT, typed=True)
def _season_of(number: Any, starts_at: Any, ends_at: Any, state: Any) -> Season:
    if state not in _STATES:
        raise ValueError("a season has no such state")
    ends = None if ends_at is None else _moment(ends_at)
    return Season(_whole(number, SEASON_NUMBER_MAX), _moment(starts_at), ends, state)


def _ended(value: Any, *, is_low: bool) -> Ended | None:
    if value is None:
        return None
    member = _object(value, _ENDED_MEMBERS)
    season = _season(member["season"])
    if season is None:
        raise ValueError("a season that has ended is none")
    return Ended(season, _entries(member["topUsers"], FINAL_SIZE, _SCORE_MAX, is_low=is_low))


def _object(value: Any, members: set[str]) -> dict[str, Any]:
    if type(value) is not dict or value.keys() != members:
        raise ValueError(f"not an object of {', '.join(sorted(members))}")
    return value


def _whole(value: Any, most: int) -> int:
    # guard: whole-number-one
    if type(value) is not int or not 0 <= value <= most:  # True is an int to isinstance
        raise ValueError(f"not a whole number from 0 to {most}")
    return value


def _moment(value: Any) -> datetime:
    """Read a time, in UTC. One without an offset would fail only when the board is pushed."""
    if type(value) is not str or len(value) > _TIMESTAMP_CHARS_MAX:
        raise ValueError("not a time")
    moment = datetime.fromisoformat(value)
    try:
        in_utc = moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("not a time in UTC") from error
    if moment.tzinfo is None or in_utc < _FIRST_MOMENT:
        raise ValueError("a time without its offset from UTC, or before 1970")
    return in_utc


def _entries(value: Any, most: int, score_max: int, *, is_low: bool) -> tuple[Entry, ...]:
    """Read them, best first and each user once; how ties are ordered only the ledger knows."""
    if type(value) is not list or len(value) > most:
        raise ValueError(f"not a list of {most} entries at most")
    members = [_object(each, _ENTRY_MEMBERS) for each in value]
    try:
        entries = [_entry(each["userId"], each["username"], each["score"]) for each in members]
    except TypeError:
        raise ValueError(_OF_ANOTHER_KIND) from None
    scores = [entry.score for entry in entries]
    # Below 0 are results where the best counts, and sums of which something was revoked after a
    # correction.
    if max(map(abs, scores), default=0) > score_max:
        raise ValueError(f"a score is beyond {score_max}")
    if scores != sorted(scores, reverse=not is_low):
        raise ValueError("the entries are not in their order")
    if len({entry.user_id for entry in entries}) < len(entries):
        raise ValueError("a user has two entries")
    return tuple(entries)


# A board that comes has nearly all the lines of the one before.
@lru_cache(maxsize=_ENTRIES_KEPT, typed=True)
def _entry(user_id: Any, username: Any, score: Any) -> Entry:
    if type(user_id) is not str or not _UUID.fullmatch(user_id):
        raise ValueError("a userId is not a UUID as PostgreSQL writes it")
    # What PostgreSQL can keep. Lone surrogates are no JSON in the first place.
    if type(username) is not str or len(username) > _USERNAME_CHARS_MAX or "\0" in username:
        raise ValueError("a username is not a text of 50 characters at most")
    if type(score) is not int:
        raise ValueError("a score is not a whole number")
    return Entry(user_id, username, score)
