"""The values that travel: a submission, its grant, and the board with its version.

A board is all that is shown, so any board replaces any older one and a lost one costs nothing once
a newer one arrives. `version` is the one number that runs from the commit to the browser.
"""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, NewType, get_args

import orjson

from scoreboard.timestamps import timestamp

# Which board: lower-case letters, digits and hyphens, 50 characters at most.
BoardId = NewType("BoardId", str)
BOARD_ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?")
# Which scores stand at the top.
Direction = Literal["high", "low"]
SeasonState = Literal["upcoming", "running", "ended", "final"]
# The one that every submission counts on.
MAIN: Final = BoardId("main")
BOARD_SIZE: Final = 10
# Other boards have from one entry to so many; of a season that has ended so many stay in sight.
SIZE_MAX: Final = 100
FINAL_SIZE: Final = 10
SEASON_NUMBER_MAX: Final = 2**31 - 1
# Versions stay below this, where numbers in JavaScript are exact.
VERSION_END: Final = 2**53
# Two versions that are further apart are not of one history: at a thousand changes a second this
# many take fifty days, and no copy is that old.
LEAP_MAX: Final = 2**32
# A board that was committed is in Redis and in the hubs a few ms later. For so long it is on its
# way; after that it is missing.
ON_ITS_WAY_SECONDS: Final = 0.1
# The largest board of 10 has some 4 KiB: names of 50 letters that take four bytes each. One of 100
# brings the last ten of the season before.
MAIN_BYTES_MAX: Final = 8 * 1024
BOARD_BYTES_MAX: Final = 48 * 1024

_MAIN_SCORE_MAX: Final = 2**31 - 1  # PostgreSQL's integer
_SCORE_MAX: Final = 2**53 - 1
_USERNAME_CHARS_MAX: Final = 50
_TIMESTAMP_CHARS_MAX: Final = 40
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_BOARD_MEMBERS: Final = {"version", "timestamp", "topUsers"}
_SEASON_MEMBERS: Final = {"number", "startsAt", "endsAt", "state"}
_ENTRY_MEMBERS: Final = {"userId", "username", "score"}
# A message's timestamp counts from there, and cannot be earlier.
_FIRST_MOMENT: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Submission:
    """Somebody says that `user_id` (a UUID as text) completed `action_id`. `trace` is the W3C
    traceparent of the request, or None; `began` when it came in, by the monotonic clock.
    """

    user_id: str
    action_id: str
    trace: str | None = None
    began: float = field(default_factory=time.monotonic, compare=False)

    @property
    def key(self) -> tuple[str, str]:
        """What may be granted once."""
        return (self.user_id, self.action_id)


@dataclass(frozen=True, slots=True)
class Grant:
    """A row of the ledger, and the user's score once its batch was committed."""

    action_id: str
    points: int
    granted_at: datetime
    score: int


@dataclass(frozen=True, slots=True)
class Origin:
    """How a new board came to this instance. `trace` is a W3C traceparent.

    `began` is when the oldest submission behind it came in, by this process's monotonic clock; of a
    board that came over the bus it is reckoned from the sender's wall clock and ours.
    """

    via: Literal["submit", "bus"]
    began: float
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the board."""

    user_id: str
    username: str
    score: int

    def as_json(self) -> dict[str, Any]:
        """The entry as clients see it."""
        return {"userId": self.user_id, "score": self.score, "username": self.username}


@dataclass(frozen=True, slots=True)
class Season:
    """A half-open time of a board, `[starts_at, ends_at)`; `ends_at` is None without an end."""

    number: int
    starts_at: datetime
    ends_at: datetime | None
    state: SeasonState

    def as_json(self) -> dict[str, Any]:
        """The season as clients see it."""
        return {
            "number": self.number,
            "startsAt": timestamp(self.starts_at),
            "endsAt": self.ends_at and timestamp(self.ends_at),
            "state": self.state,
        }


@dataclass(frozen=True, slots=True)
class Ended:
    """A season that has ended, with its first entries: ten, or less on a smaller board."""

    season: Season
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """What a board shows as of one version, best first; ties as the ledger orders them.

    `season` is the one that it shows and `before` the one before that; `main`, whose season has no
    end, names neither. Where `is_low` the lowest score is the best. Versions are compared between
    boards of one `board_id` only.
    """

    board_id: BoardId
    version: int
    changed_at: datetime
    entries: tuple[Entry, ...]
    season: Season | None = None
    before: Ended | None = None
    is_low: bool = False

    def __hash__(self) -> int:  # without the entries: boards are looked up with every read
        return hash((self.board_id, self.version, self.changed_at))

    @property
    def timestamp(self) -> str:
        """When the board changed, as clients see it."""
        return timestamp(self.changed_at)

    @property
    def direction(self) -> Direction:
        """Which score is the best, as clients see it."""
        return direction_of(is_low=self.is_low)

    def top_users(self) -> list[dict[str, Any]]:
        """The entries as clients see them."""
        return [entry.as_json() for entry in self.entries]

    def to_json(self) -> bytes:
        """Encode for the cache and the bus. `main` is not named: earlier releases read that too."""
        document: dict[str, Any] = {
            "version": self.version,
            "timestamp": self.changed_at,
            "topUsers": self.top_users(),
        }
        if self.board_id != MAIN:
            document |= {
                "boardId": self.board_id,
                "direction": self.direction,
                "season": _season_document(self.season),
                "before": self.before
                and {
                    "season": _season_document(self.before.season),
                    "topUsers": [entry.as_json() for entry in self.before.entries],
                },
            }
        return orjson.dumps(document)

    @classmethod
    def from_json(cls, text: bytes) -> Board:
        """Decode what `to_json` made. Raises ValueError on anything else, also on a member that we
        do not know: it may change what all the others mean.
        """
        if len(text) > BOARD_BYTES_MAX:
            raise ValueError(f"not a board: {len(text)} bytes")
        document = orjson.loads(text)
        if type(document) is not dict or "boardId" not in document:
            if len(text) > MAIN_BYTES_MAX:
                raise ValueError(f"not the board {MAIN}: {len(text)} bytes")
            document = _object(document, _BOARD_MEMBERS)
            entries = _entries(document["topUsers"], BOARD_SIZE, _MAIN_SCORE_MAX, is_low=False)
            return cls(MAIN, *_state(document), entries)
        document = _object(document, _BOARD_MEMBERS | {"boardId", "direction", "season", "before"})
        is_low = _direction(document["direction"]) == "low"
        entries = _entries(document["topUsers"], SIZE_MAX, _SCORE_MAX, is_low=is_low)
        return cls(
            board_id_of(document["boardId"]),
            *_state(document),
            entries,
            _season(document["season"]),
            _ended(document["before"], is_low=is_low),
            is_low,
        )


def direction_of(*, is_low: bool) -> Direction:
    """The word for whether the lowest score is the best."""
    return "low" if is_low else "high"


def board_id_of(value: Any) -> BoardId:
    """Read the id of a board. Raises ValueError."""
    if type(value) is not str or not BOARD_ID.fullmatch(value):
        raise ValueError("a boardId is not of lower-case letters, digits and hyphens")
    return BoardId(value)


def _state(document: dict[str, Any]) -> tuple[int, datetime]:
    return _whole(document["version"], VERSION_END - 1), _moment(document["timestamp"])


def _direction(value: Any) -> str:
    if value not in ("high", "low"):
        raise ValueError("a direction is neither high nor low")
    return str(value)


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


def _season(value: Any) -> Season | None:
    if value is None:
        return None
    member = _object(value, _SEASON_MEMBERS)
    ends_at = None if member["endsAt"] is None else _moment(member["endsAt"])
    if member["state"] not in get_args(SeasonState):
        raise ValueError("a season has no such state")
    number = _whole(member["number"], SEASON_NUMBER_MAX)
    return Season(number, _moment(member["startsAt"]), ends_at, member["state"])


def _ended(value: Any, *, is_low: bool) -> Ended | None:
    if value is None:
        return None
    member = _object(value, {"season", "topUsers"})
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
    entries = tuple(_entry(each, score_max) for each in value)
    scores = [-entry.score if is_low else entry.score for entry in entries]
    if any(above < below for above, below in itertools.pairwise(scores)):
        raise ValueError("the entries are not in their order")
    if len({entry.user_id for entry in entries}) < len(entries):
        raise ValueError("a user has two entries")
    return entries


def _entry(value: Any, score_max: int) -> Entry:
    member = _object(value, _ENTRY_MEMBERS)
    user_id, username = member["userId"], member["username"]
    if type(user_id) is not str or not _UUID.fullmatch(user_id):
        raise ValueError("a userId is not a UUID as PostgreSQL writes it")
    # What PostgreSQL can keep. Lone surrogates are no JSON in the first place.
    if type(username) is not str or len(username) > _USERNAME_CHARS_MAX or "\0" in username:
        raise ValueError("a username is not a text of 50 characters at most")
    return Entry(user_id, username, _whole(member["score"], score_max))
