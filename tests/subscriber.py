"""Somebody who follows a board in fault tests: keeps what came, and says what should not have."""

from __future__ import annotations

import itertools
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from scoreboard.model import MAIN


@dataclass
class Subscriber:
    """Follows a board, reconnects when the stream ends, and keeps what came."""

    board_id: str = MAIN
    door: str = ""
    versions: array[int] = field(default_factory=lambda: array("q"))
    moments: array[float] = field(default_factory=lambda: array("d"))
    # Where in `versions` each stream began: within a stream, versions only rise.
    begins: list[int] = field(default_factory=list)
    board: list[dict[str, Any]] = field(default_factory=list)
    farewells: int = 0
    # The season that is shown, 0 before the first; and of each that it was told the end of, how it
    # ended.
    season: int = 0
    finals: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    # Whose lines on final boards may change, because somebody moderates these users.
    moderated: frozenset[str] = frozenset()
    # The season that was told to have begun, until its board comes.
    _begun: int = 0

    @property
    def path(self) -> str:
        """Where its stream is."""
        at = "leaderboard" if self.board_id == MAIN else f"boards/{self.board_id}"
        return f"/api/{at}/stream"

    @property
    def version(self) -> int:
        """The version that is shown, -1 before the first."""
        return self.versions[-1] if self.versions else -1

    @property
    def streams(self) -> int:
        """How many streams it has opened so far."""
        return len(self.begins)

    def went_back(self) -> bool:
        """Whether a version was not above the one before it in the same stream."""
        ends = [*self.begins[1:], len(self.versions)]
        streams = (self.versions[begin:end] for begin, end in zip(self.begins, ends, strict=True))
        return any(a >= b for one in streams for a, b in itertools.pairwise(one))

    def is_alike(self, final: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
        """Whether both may be of one final board, but for what moderation changed since: whoever
        is not moderated keeps their score and their order. Fewer of them may find a place.
        """
        moderated = self.moderated
        lines, others = (
            [(line["userId"], line["score"]) for line in one if line["userId"] not in moderated]
            for one in (final, other)
        )
        if not moderated:
            return lines == others
        return all(a == b for a, b in zip(lines, others, strict=False))

    def connected(self) -> None:
        """A stream begins."""
        self.begins.append(len(self.versions))
        self._begun = 0

    def take(self, event: dict[str, str]) -> Iterator[str]:
        """Keep an event, given by its fields. Yields what is wrong with it."""
        name = event.get("event")
        if name == "closing":
            self.farewells += 1
        elif name == "season:ended":
            data = orjson.loads(event["data"])
            number, final = data["season"]["number"], data["topUsers"]
            if not self.is_alike(self.finals.setdefault(number, final), final):
                yield f"season {number} of {self.board_id} ended twice, and not alike: {final}"
        elif name == "season:started":
            self._begun = orjson.loads(event["data"])["season"]["number"]
        elif name == "score:update":
            data = orjson.loads(event["data"])
            if self.board_id != MAIN:
                yield from self._turn_to(data["season"]["number"])
            self.moments.append(time.monotonic())
            self.versions.append(int(event["id"]))
            self.board = data["topUsers"]

    def _turn_to(self, number: int) -> Iterator[str]:
        """A season may only follow an earlier one, whose end and successor were told before; the
        first board of a stream is of whatever season it is.
        """
        is_first = self.begins[-1] == len(self.versions)
        if number < self.season:
            yield f"{self.board_id} on {self.door}: season {number} after {self.season}"
        if number > self.season and not is_first:
            if number - 1 not in self.finals:
                yield f"{self.board_id} on {self.door}: nobody told that season {number} follows"
            if self._begun != number:
                yield f"{self.board_id} on {self.door}: nobody told that season {number} began"
        self.season = number


def path_of(board_id: str) -> str:
    """Where a board is read."""
    return "/api/leaderboard" if board_id == MAIN else f"/api/boards/{board_id}/leaderboard"
