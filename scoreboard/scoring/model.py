"""The values that travel: a submission, its grant, and the board with its version.

A board is the whole top 10, so any board replaces any older one and a lost one costs nothing once a
newer one arrives. `version` is the one number that runs from the commit to the browser.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson

from scoreboard.timestamps import timestamp

BOARD_SIZE: Final = 10


@dataclass(frozen=True, slots=True)
class Submission:
    """Somebody says that `user_id` (a UUID as text) completed `action_id`.

    `trace` is the W3C traceparent of the request, or None; `began` the moment at which it came in,
    by this process's monotonic clock.
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
    """How a new board came to this instance, for those who measure its way and trace it.

    `began` is when the oldest submission behind it came in, by this process's monotonic clock; of a
    board that came over the bus it is reckoned from the sender's wall clock and ours. `trace` is a
    W3C traceparent.
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
    """The top 10 as of one version, highest first; ties as `queries.sql` orders them."""

    version: int
    changed_at: datetime
    entries: tuple[Entry, ...]

    def __hash__(self) -> int:  # without the entries: boards are looked up with every read
        return hash((self.version, self.changed_at))

    @property
    def timestamp(self) -> str:
        """When the board changed, as clients see it."""
        return timestamp(self.changed_at)

    def top_users(self) -> list[dict[str, Any]]:
        """The entries as clients see them."""
        return [entry.as_json() for entry in self.entries]

    def to_json(self) -> bytes:
        """Encode for the cache and the bus."""
        return orjson.dumps(
            {"version": self.version, "timestamp": self.changed_at, "topUsers": self.top_users()}
        )

    @classmethod
    def from_json(cls, text: bytes) -> Board:
        """Decode what `to_json` made. Raises ValueError on anything else."""
        try:
            document = orjson.loads(text)
            entries = tuple(
                Entry(str(user["userId"]), str(user["username"]), int(user["score"]))
                for user in document["topUsers"]
            )
            # In UTC from here on: a time that has none would fail only when the board is pushed.
            changed_at = datetime.fromisoformat(document["timestamp"]).astimezone(UTC)
            return cls(int(document["version"]), changed_at, entries)
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"not a board: {error!r}") from error
