"""Whether the copy of a board in Redis may be believed: it has all that anybody was told of.

Pure reckoning, without a call. docs/consistency.md has the table of all cases, below promise 4.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from scoreboard.connections.redis_presence import REST_SECONDS
from scoreboard.copies.copy import Found
from scoreboard.model import LEAP_MAX, ON_ITS_WAY_SECONDS, Board

# Why nothing that is at hand may be shown before the ledger was asked: Redis does not answer, has
# nothing, has no board of ours, was not compared since, or has an older board than we know or than
# somebody has seen.
Doubt = Literal["away", "missing", "refused", "unconfirmed", "older"]


def settled_after(redis_timeout_seconds: float) -> float:
    """For how many seconds after Redis is back another instance may still answer 200 to what it did
    not store: its last call hung, and it rests after that.
    """
    return redis_timeout_seconds + REST_SECONDS


@dataclass(frozen=True, slots=True)
class Look:
    """What a comparison found in Redis, in which generation, and whether that had settled.
    `claimed` is the version that it goes by there, -1 for none.
    """

    generation: int
    board: Board | None
    claimed: int
    has_settled: bool


class Generations:
    """What a process has noticed of the generations of Redis' connections, for all its boards.

    A generation moves when Redis may have lost boards, or instances have lost Redis
    (`connections.redis`). A comparison brings trust only once its generation has settled.
    """

    def __init__(self, *, settle_seconds: float) -> None:
        self._settle_seconds = settle_seconds
        self._settled: int | None = None  # one in which a comparison has brought trust
        self._noticed = (-1, 0.0)  # the latest, and since when

    def notice(self, generation: int) -> None:
        """Remember since when there is this generation."""
        if self._noticed[0] != generation:
            self._noticed = generation, time.monotonic()

    def has_settled(self, generation: int) -> bool:
        """Whether a comparison that begins now, in this generation, may bring trust. The first one
        of a process may: it has lost nothing yet.
        """
        self.notice(generation)
        if self._settled is None or self._settled == generation:
            return True
        return time.monotonic() - self._noticed[1] >= self._settle_seconds

    def settle(self, generation: int) -> None:
        """A comparison of this generation has brought trust."""
        self._settled = generation


class Trust:
    """Knows the `latest` board that this instance has heard of, and whether the copy may be shown.

    A generation of Redis' connections in which the copy was compared with the ledger is trusted:
    Redis has at least what was acknowledged. All others are in doubt.
    """

    def __init__(
        self,
        generations: Generations,
        *,
        on_its_way_seconds: float = ON_ITS_WAY_SECONDS,
    ) -> None:
        self.latest: Board | None = None
        self._generations = generations
        self._on_its_way_seconds = on_its_way_seconds
        self._generation = -1
        # The version that Redis was found without though we know it, and since when.
        self._awaited = (-1, 0.0)

    def hear_of(self, board: Board) -> None:
        """Know of a board, unless the one that we know is as new."""
        if self.latest is None or board.version > self.latest.version:
            self.latest = board

    def checked(self, found: Found) -> Found:
        """Find fault with a version that no history leads to from the one that we know."""
        board, latest = found.board, self.latest
        # guard: version-no-history
        if board is not None and latest is not None and board.version - latest.version > LEAP_MAX:
            return Found(fault="leap", claimed=found.claimed)
        return found

    def confirmed(self, version: bytes | None, generation: int) -> Board | None:
        """The board to show, if the copy bears this version and may be trusted, and we know a board
        as new.
        """
        board = self.latest
        if board is None or version is None or not self.holds(generation):  # guard: check-vouches
            return None
        if version == b"%d" % board.version:
            return board
        # guard: check-vouches-board
        is_older = version.isdigit() and self._is_on_its_way(board.version, int(version))
        return board if is_older else None

    def doubt(self, found: Found, generation: int) -> Doubt | None:
        """Why the latest board may not be shown, though this was found in Redis; None if it may."""
        if found.board is None or self.latest is None:
            return "missing" if found.fault is None else "refused"
        if not self.holds(generation):  # guard: copy-trusted-only
            return "unconfirmed"
        latest, version = self.latest.version, found.claimed
        # guard: claimed-is-newer
        return None if version == latest or self._is_on_its_way(latest, version) else "older"

    def holds(self, generation: int) -> bool:
        """Whether what Redis holds in this generation is at least what was acknowledged."""
        if generation == self._generation:
            return True
        self._generations.notice(generation)
        return False

    def has_settled(self, generation: int) -> bool:
        """Whether a comparison that begins now, in this generation, may bring trust."""
        return self.holds(generation) or self._generations.has_settled(generation)

    def begin(self, look: Look, generation: int) -> None:
        """Trust the generation of this look, if it had settled and no other has begun since."""
        if look.has_settled and generation == look.generation:  # guard: after-outage-redis
            self._generation = generation
            self._generations.settle(generation)

    def end(self) -> None:
        """Trust the copy no more, before the next comparison."""
        self._generation = -1

    def begin_anew(self, board: Board) -> None:
        """Know this board alone, though it is older, and trust none before the next comparison."""
        self.latest, self._generation, self._awaited = board, -1, (-1, 0.0)

    def _is_on_its_way(self, latest: int, version: int) -> bool:
        """Whether the version that we know is about to be in Redis, which has this older one: it is
        being stored, and nobody was told yet. If that takes longer, somebody does not reach Redis.
        """
        if version >= latest:
            return False
        awaited, since = self._awaited
        if version >= awaited:  # what was missing last time has come  # guard: each-board-own
            since = time.monotonic()
            self._awaited = latest, since
        # guard: board-redis-not
        return time.monotonic() - since < self._on_its_way_seconds  # guard: about-redis-may
