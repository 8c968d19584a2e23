"""The comparison of one copy with the ledger, once a second by the relay: what lies in Redis is
looked at, the ledger is asked after that, and an older board gives way to the ledger's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from scoreboard.connections.redis import RedisUnavailable
from scoreboard.copies.copy import Found, RedisCopy, read_together
from scoreboard.copies.questions import Questions
from scoreboard.copies.trust import Look, Trust
from scoreboard.model import Board
from scoreboard.operations.metrics import Metrics


class Comparison:
    """Looks at a copy, and mends it. `judged` knows of what was found, and finds fault with it."""

    def __init__(
        self,
        copy: RedisCopy,
        questions: Questions,
        metrics: Metrics,
        trust: Trust,
        judged: Callable[[Found], Found],
    ) -> None:
        self.copy = copy
        self._questions = questions
        self._metrics = metrics
        self._trust = trust
        self._judged = judged
        # What the last look found in Redis; None if Redis was away.
        self._look: Look | None = None
        self._looking, self._looked_at = (0.0, 0, False), 0.0

    def begin_look(self) -> None:
        """Note what has to be known from before the look."""
        generation = self.copy.redis.generation
        self._looking = time.monotonic(), generation, self._trust.has_settled(generation)

    async def end_look(self, found: Found | None) -> list[Board]:
        """The boards that reads may have shown, if this was found; None if Redis was away. What is
        no board of ours is taken away.
        """
        self._looked_at, generation, has_settled = self._looking
        self._look = None  # there is nothing to mend while Redis is away
        latest = self._trust.latest
        if found is not None:
            found = self._judged(found)
            latest = self._trust.latest
            try:
                if found.fault is not None:  # guard: no-board-taken
                    await self.copy.drop()
            except RedisUnavailable:
                found = None
        if found is None:
            return [] if latest is None else [latest]
        version = found.board.version if found.board else -1
        self._metrics.show_version("redis", self.copy.board_id, version)
        claimed = found.claimed if found.fault is None else -1
        self._look = Look(generation, found.board, claimed, has_settled)
        # guard: every-board-reads
        return [board for board in (latest, found.board) if board is not None]

    def lacks(self) -> bool:
        """Whether there was no board, neither here nor in Redis, at the last look."""
        is_missing = self._look is not None and self._look.board is None
        return is_missing or self._trust.latest is None

    def lags(self, board: Board) -> bool:
        """Whether Redis had an older one at the last look, and may be given this one by whoever
        committed it: a copy that is trusted lost nothing.
        """
        look = self._look
        if look is None or look.board is None or look.board.version >= board.version:
            return False
        return self._trust.holds(look.generation)

    async def take(self, board: Board) -> bool:
        """Put the ledger's board, read after the last look, in the place of an older one, and trust
        the copy from here on. Answers whether it had to. A store that is under way takes no trust
        away: until it has succeeded nobody was told 200.
        """
        self._trust.hear_of(board)
        self._questions.note_confirmed(self._looked_at)
        look = self._look
        if look is None:
            return False
        changed = False
        if look.claimed > board.version:
            return await self._begin_anew()
        if look.board != board:
            try:  # guard: store-comparison-meets
                changed = await self.copy.store(board)
            except RedisUnavailable:
                self._metrics.cache_stores_failed.inc()
                return False
        self._trust.begin(look, self.copy.redis.generation)
        return changed

    async def _begin_anew(self) -> bool:
        """Take away what goes by a version that nobody has committed. What was stored meanwhile may
        not have been taken because of it, so whoever reads asks the ledger.
        """
        try:
            await self.copy.drop()  # guard: claimed-by-nobody
        except RedisUnavailable:
            return False
        return True

    def rest(self) -> None:
        """The copy is not compared for now, so it is not trusted before it is."""
        self._trust.end()  # guard: rested-copy-compared
        self._look = None


async def look_together(comparisons: Sequence[Comparison]) -> list[Board]:
    """Look at several copies in one call, and answer as `Comparison.end_look` for all of them."""
    for comparison in comparisons:
        comparison.begin_look()
    found: Sequence[Found | None]
    try:
        found = await read_together([comparison.copy for comparison in comparisons])
    except RedisUnavailable:
        found = [None] * len(comparisons)
    looks = zip(comparisons, found, strict=True)
    return [board for comparison, each in looks for board in await comparison.end_look(each)]
