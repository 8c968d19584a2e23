"""How many places are read in a turn, by how long the last ones took.

What a place costs PostgreSQL depends on the ranking, on its machine and on what else it does. So
time is bounded, not their number: an instance has PostgreSQL count for it for `READ_SECONDS` of a
turn, which is less than a tenth of a core. Where answers are slow, for whatever reason, fewer are
asked for, but for a few.
"""

from __future__ import annotations

from typing import Final

# Reading in a turn, beside a pause of 1 s.
READ_SECONDS: Final = 0.1
PLACES_FIRST: Final = 200
# Where a machine is so busy that time says nothing of cost: some 30 ms of PostgreSQL.
PLACES_MIN: Final = 100
# A place costs 30 µs of this process, so these a thirtieth of a core.
PLACES_MAX: Final = 1_000
# From one turn to the next: one slow answer says little.
_FACTOR_MAX: Final = 2.0


class Pace:
    """Knows how many `places` to read next."""

    def __init__(self) -> None:
        self.places = PLACES_FIRST

    def note(self, places: int, seconds: float) -> None:
        """So many were read, and took so long. Those that are fewer than might have been say
        nothing of how many more there is time for.
        """
        factor = min(READ_SECONDS / max(seconds, 0.001), _FACTOR_MAX)
        if factor < 1 or places >= self.places:  # guard: places-take-a-share-of-time
            changed = int(self.places * max(factor, 1 / _FACTOR_MAX))
            self.places = max(PLACES_MIN, min(changed, PLACES_MAX))
