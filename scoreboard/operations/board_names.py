"""Which boards have a name in metrics: `main`, and the busiest others; the rest are one, `other`.

Prometheus keeps a series for each value of a label, so a thousand boards may not be a thousand
values. A board is named as soon as it is met, while there is room. After that, once a
minute, one that was twice as busy as a named one takes its place. Of several workers on one port
(`PROMETHEUS_MULTIPROC_DIR`) no series can be taken away: there the first ones keep their names.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from scoreboard.model import MAIN, BoardId

NAMED_MAX: Final = 50
OTHER: Final = "other"
_RANKED_EVERY_SECONDS: Final = 60.0


class BoardNames:
    """Says by which name a board is counted. `on_unnamed` is told of one that lost its name."""

    def __init__(
        self, on_unnamed: Callable[[BoardId], None], *, named_max: int = NAMED_MAX
    ) -> None:
        self._on_unnamed = on_unnamed
        self._named_max = named_max
        self._named: set[BoardId] = set()
        self._uses: Counter[BoardId] = Counter()  # since the last ranking
        self._ranked_at = time.monotonic()

    def of(self, board_id: BoardId, uses: int = 1) -> str:
        """The name of a board to which so much has happened just now."""
        if board_id == MAIN:
            return MAIN
        self._uses[board_id] += uses
        if time.monotonic() - self._ranked_at >= _RANKED_EVERY_SECONDS:
            self._rank()
        if board_id not in self._named and len(self._named) < self._named_max:
            self._named.add(board_id)
        return board_id if board_id in self._named else OTHER

    def _rank(self) -> None:
        """Let the busiest of the others take the places of named ones that were half as busy."""
        uses, self._uses, self._ranked_at = self._uses, Counter(), time.monotonic()
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            return
        others = [board_id for board_id, _ in uses.most_common() if board_id not in self._named]
        quietest = sorted(self._named, key=lambda board_id: uses[board_id])
        for board_id, before in zip(others, quietest, strict=False):
            if uses[board_id] <= 2 * uses[before]:
                break
            self._named.remove(before)
            self._on_unnamed(before)
            self._named.add(board_id)
