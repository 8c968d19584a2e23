"""Whether the copy in Redis may be shown: it has missed no board that somebody was told of."""

from __future__ import annotations

import time
from typing import Final

from scoreboard.connections.redis_presence import REST_SECONDS
from scoreboard.model import ON_ITS_WAY_SECONDS

# For so long after Redis is back, another instance may still answer 200 to what it did not store:
# its last call hung (half a second, as shipped), and it rests after that.
SETTLE_SECONDS: Final = 2 * REST_SECONDS


class Trust:
    """Goes by the generation of Redis' connections, which moves when Redis may have lost boards, or
    instances have lost Redis (`connections.redis`). One that was compared with the ledger is
    trusted; all others are in doubt, and may be trusted again once they have settled.
    """

    def __init__(self, settle_seconds: float = SETTLE_SECONDS) -> None:
        self._settle_seconds = settle_seconds
        self._generation = -1
        # A generation that is not trusted, and when it was noticed.
        self._doubted = (-1, 0.0)
        # The version that Redis was found without though we know it, and since when.
        self._awaited = (-1, 0.0)

    def holds(self, generation: int) -> bool:
        """Whether what Redis holds in this generation is at least what was acknowledged."""
        if generation == self._generation:
            return True
        if self._doubted[0] != generation:
            self._doubted = generation, time.monotonic()
        return False

    def has_settled(self, generation: int) -> bool:
        """Whether a comparison that begins now, in this generation, may bring trust. The first one
        of a process may: it has lost nothing yet.
        """
        if self.holds(generation) or self._generation < 0:
            return True
        return time.monotonic() - self._doubted[1] >= self._settle_seconds

    def begin(self, generation: int) -> None:
        """Trust this generation: it was compared, and Redis has the ledger's board."""
        self._generation = generation

    def end(self) -> None:
        """Trust no generation before the next comparison."""
        self._generation, self._awaited = -1, (-1, 0.0)

    def is_on_its_way(self, latest: int, version: int) -> bool:
        """Whether the version that we know is about to be in Redis, which has this older one: one
        of us is storing it, and nobody was told yet. If that takes longer, somebody does not reach
        Redis, and may have told of more than we know.
        """
        if version >= latest:
            return False
        awaited, since = self._awaited
        if version >= awaited:  # what was missing last time has come
            since = time.monotonic()
            self._awaited = latest, since
        return time.monotonic() - since < ON_ITS_WAY_SECONDS
