"""The values that travel: a submission, its grant, and the board with its version.

A board is the whole top 10, so any board replaces any older one and a lost one costs nothing once a
newer one arrives. `version` is the one number that runs from the commit to the browser.
"""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, NewType

import orjson

from scoreboard.timestamps import timestamp

# Which board: lower-case letters, digits and hyphens, 50 characters at most.
BoardId = NewType("BoardId", str)
BOARD_ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?")
# The one that every submission counts on.
MAIN: Final = BoardId("main")
BOARD_SIZE: Final = 10
# Versions stay below this, where numbers in JavaScript are exact.
VERSION_END: Final = 2**53
# Two versions that are further apart are not of one history: at a thousand changes a second this
# many take fifty days, and no copy is that old.
LEAP_MAX: Final = 2**32
# A board that was committed is in Redis and in the hubs a few ms later. For so long it is on its
# way; after that it is missing.
ON_ITS_WAY_SECONDS: Final = 0.1
# The largest board has some 4 KiB: names of 50 letters that take four bytes each.
BOARD_BYTES_MAX: Final = 8 * 1024

_SCORE_MAX: Final = 2**31 - 1  # PostgreSQL's integer
_USERNAME_CHARS_MAX: Final = 50
_TIMESTAMP_CHARS_MAX: Final = 40
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_BOARD_MEMBERS: Final = {"version", "timestamp", "topUsers"}
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
class Board:
    """The top 10 as of one version, highest first; ties as `queries.sql` orders them.

    Versions are compared between boards of one `board_id` only.
    """

    board_id: BoardId
    version: int
    changed_at: datetime
    entries: tuple[Entry, ...]

    def __hash__(self) -> int:  # without the entries: boards are looked up with every read
        return hash((self.board_id, self.version, self.changed_at))

    @property
    def timestamp(self) -> str:
        """When the board changed, as clients see it."""
        return timestamp(self.changed_at)

    def top_users(self) -> list[dict[str, Any]]:
        """The entries as clients see them."""
        return [entry.as_json() for entry in self.entries]

    def to_json(self) -> bytes:
        """Encode for the cache and the bus. `main` is not named: earlier releases read that too."""
        document = {
            "version": self.version,
            "timestamp": self.changed_at,
            "topUsers": self.top_users(),
        }
        if self.board_id != MAIN:
            document["boardId"] = self.board_id
        return orjson.dumps(document)

    @classmethod
    def from_json(cls, text: bytes) -> Board:
        """Decode what `to_json` made. Raises ValueError on anything else, also on a member that we
        do not know: it may change what all the others mean.
        """
        if len(text) > BOARD_BYTES_MAX:
            raise ValueError(f"not a board: {len(text)} bytes")
        document = orjson.loads(text)
        board_id = _board_id(document.pop("boardId", MAIN)) if type(document) is dict else MAIN
        document = _object(document, _BOARD_MEMBERS)
        version = _whole(document["version"], VERSION_END - 1)
        entries = _entries(document["topUsers"])
        return cls(board_id, version, _moment(document["timestamp"]), entries)


def _board_id(value: Any) -> BoardId:
    if type(value) is not str or not BOARD_ID.fullmatch(value):
        raise ValueError("a boardId is not of lower-case letters, digits and hyphens")
    return BoardId(value)


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


def _entries(value: Any) -> tuple[Entry, ...]:
    """Read them, highest first and each user once; how ties are ordered only the ledger knows."""
    if type(value) is not list or len(value) > BOARD_SIZE:
        raise ValueError(f"not a list of {BOARD_SIZE} entries at most")
    entries = tuple(_entry(each) for each in value)
    if any(above.score < below.score for above, below in itertools.pairwise(entries)):
        raise ValueError("the entries are not in their order")
    if len({entry.user_id for entry in entries}) < len(entries):
        raise ValueError("a user has two entries")
    return entries


def _entry(value: Any) -> Entry:
    member = _object(value, _ENTRY_MEMBERS)
    user_id, username = member["userId"], member["username"]
    if type(user_id) is not str or not _UUID.fullmatch(user_id):
        raise ValueError("a userId is not a UUID as PostgreSQL writes it")
    # What PostgreSQL can keep. Lone surrogates are no JSON in the first place.
    if type(username) is not str or len(username) > _USERNAME_CHARS_MAX or "\0" in username:
        raise ValueError("a username is not a text of 50 characters at most")
    return Entry(user_id, username, _whole(member["score"], _SCORE_MAX))
