"""The values that travel: a submission, its grant, and the board with its version.

A board is all that is shown, so any board replaces any older one and a lost one costs nothing once
a newer one arrives. `version` is the one number that runs from the commit to the browser.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, NewType

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
# A board that was committed is in Redis a few ms later and in the hubs in 30. For so long it is on
# its way; after that it is missing.
ON_ITS_WAY_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Submission:
    """Somebody says that `user_id` (a UUID as text) completed `action_id`: the user, or a server
    that is trusted (`by_server`). `trace` is the W3C traceparent of the request, or None; `began`
    when it came in, by the monotonic clock.
    """

    user_id: str
    action_id: str
    trace: str | None = None
    began: float = field(default_factory=time.monotonic, compare=False)
    by_server: bool = False

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


class Entry(NamedTuple):
    """One line of the board: the value that is made most often, for which a tuple is quickest."""

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

    @property
    def is_over(self) -> bool:
        """Whether it has ended: its last entries are kept, and it may be final."""
        return self.state in ("ended", "final")

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


def direction_of(*, is_low: bool) -> Direction:
    """The word for whether the lowest score is the best."""
    return "low" if is_low else "high"
