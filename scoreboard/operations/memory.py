"""What the garbage collector need not look at, because it stays: modules, and open streams.

What requests and streams leave behind is freed by counting references, but for very little, so
looking less often costs little memory. (docs/decisions/0070)
"""

from __future__ import annotations

import gc
import time
from typing import Final

# Objects made and not freed. Python's default is 700, from 3.13 on 2,000.
_COLLECT_AFTER: Final = 20_000
# Streams that are opened together are some 60 objects each, so that they are left out two or three
# times before a collection is due.
TOGETHER = 128
_TOGETHER_SECONDS: Final = 1.0


def settle() -> None:
    """Leave out what was loaded by now, and look seldom at the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 50, 100)


class Rush:
    """Leaves out streams that are opened many at once, as after a restart: a collection would look
    at each object of theirs, and find that it stays. They are freed when they end, like all else.

    What is there at such a moment, and is ever part of a circle, is never found. So this is for
    streams in a number that was not open before, of which there are so many and no more, and not
    for those that come and go.
    """

    def __init__(self) -> None:
        self._most = 0
        self._since = time.monotonic()

    def note(self, streams: int) -> None:
        """So many are open now, or on their way in."""
        if streams < self._most + TOGETHER:  # guard: rush-once
            return
        now = time.monotonic()
        came_together = now - self._since < _TOGETHER_SECONDS
        self._most, self._since = streams, now
        if came_together:  # guard: rush-at-once
            gc.freeze()
