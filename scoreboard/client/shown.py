"""What a board shows, as values. Each is made of what a service says, which may be anybody: what
has another form raises ValueError. No text is trusted to be short or harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

# The board that an answer is of when it names none.
MAIN: Final = "main"
# So many entries are kept in sight of a season that has ended.
FINAL_SIZE: Final = 10
# Further back than any cache or instance can be: the service numbered its board anew.
_RENUMBERED: Final = 2**32
_SCORE_MAX: Final = 2**63

Direction = Literal["high", "low"]
SeasonState = Literal["upcoming", "running", "ended", "final"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a board. `reached_at` is said of seasons that are over."""

    user_id: str
    username: str
    score: int
    reached_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Season:
    """A half-open time of a board; one without an end has no `ends_at`."""

    number: int
    starts_at: datetime
    ends_at: datetime | None
    state: SeasonState

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state in ("ended", "final")


@dataclass(frozen=True, slots=True)
class Board:
    """A board as of one version, best entry first in both directions. `season` is None for `main`,
    and before the first one; `changed_at` is when it became so.
    """

    board_id: str
    version: int
    direction: Direction
    season: Season | None
    entries: tuple[Entry, ...]
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class SeasonEnded:
    """A season has ended. `entries` are its first ten, None if they are not to be had; until
    `closes_at` late results may still change them. A final one has a `digest`.
    """

    board_id: str
    season: Season
    entries: tuple[Entry, ...] | None
    closes_at: datetime | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class SeasonStarted:
    """A season has begun; its board comes next."""

    board_id: str
    season: Season


def is_newer(version: int, than: int) -> bool:
    """Whether a board of `version` replaces one of version `than`. One that is lower by a distance
    that no history leads over belongs to a board that was numbered anew.
    """
    return version > than or than - version > _RENUMBERED


def has_ended(before: Season | None, now: Season | None) -> bool:
    """Whether the season that was shown before has ended by now."""
    if before is None or before.state != "running" or now is None:
        return False
    return now.number > before.number or (now.number == before.number and now.is_over)


def has_started(before: Season | None, now: Season | None) -> bool:
    """Whether a season runs now that did not before."""
    if now is None or now.state != "running":
        return False
    return before is None or now.number > before.number or before.state == "upcoming"


def board(said: Mapping[str, Any], entries: Any, version: Any) -> Board:
    """Read a board. Raises ValueError."""
    return Board(
        text(said.get("boardId", MAIN)),
        whole(version),
        direction(said),
        season(said.get("season")),
        _entries(entries),
        moment(said.get("timestamp")),
    )


def season_ended(said: Mapping[str, Any], entries: Any) -> SeasonEnded:
    """Read a season that has ended. Raises ValueError."""
    ended = season(said.get("season"))
    if ended is None:
        raise ValueError("no season")
    closes_at, digest = said.get("closesAt"), said.get("digest")
    return SeasonEnded(
        text(said.get("boardId", MAIN)),
        ended,
        _entries(entries),
        None if closes_at is None else moment(closes_at),
        None if digest is None else text(digest),
    )


def season(said: Any) -> Season | None:
    """Read a season, or that there is none. Raises ValueError."""
    match said:
        case None:
            return None
        case {"number": int(number), "startsAt": str(starts_at), "state": state}:
            ends_at = said.get("endsAt")
            if state not in ("upcoming", "running", "ended", "final"):
                raise ValueError(f"{state!r} is no state of a season")
            end = None if ends_at is None else moment(ends_at)
            return Season(number, moment(starts_at), end, state)
    raise ValueError("this is no season")


def direction(said: Mapping[str, Any]) -> Direction:
    """Read which scores are the best: the highest, unless it is said. Raises ValueError."""
    match said.get("direction", "high"):
        case "high":
            return "high"
        case "low":
            return "low"
    raise ValueError("this is no direction")


def moment(said: Any) -> datetime:
    """Read a moment, in UTC. Raises ValueError."""
    found = datetime.fromisoformat(text(said))
    if found.utcoffset() is None:
        raise ValueError("a moment without a zone")
    return found.astimezone(UTC)


def text(said: Any) -> str:
    """Read a text. Raises ValueError."""
    if not isinstance(said, str):
        raise ValueError("no text where one is expected")
    return said


def whole(said: Any) -> int:
    """Read a whole number that a column of PostgreSQL holds. Raises ValueError."""
    if isinstance(said, bool) or not isinstance(said, int) or abs(said) > _SCORE_MAX:
        raise ValueError("no number where one is expected")
    return said


def sequence(said: Any) -> Sequence[Any]:
    """Read a list. Raises ValueError."""
    if not isinstance(said, list):
        raise ValueError("no list where one is expected")
    return said


def mapping(said: Any) -> Mapping[str, Any]:
    """Read an object. Raises ValueError."""
    if not isinstance(said, dict):
        raise ValueError("no object where one is expected")
    return said


def _entries(said: Any) -> tuple[Entry, ...]:
    return tuple(_entry(mapping(each)) for each in sequence(said))


def _entry(said: Mapping[str, Any]) -> Entry:
    reached_at = said.get("reachedAt")
    return Entry(
        text(said.get("userId")),
        text(said.get("username", "")),
        whole(said.get("score")),
        None if reached_at is None else moment(reached_at),
    )
