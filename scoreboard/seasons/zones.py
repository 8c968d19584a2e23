"""The time zones of the IANA database, and which moment a local time is.

The names are those that the package `tzdata` lists, so no name is ever a path, and none depends on
the machine, as `localtime` does. The rules are the machine's where it has the zone, as `zoneinfo`
does it (PEP 615), and the package's where it does not. A process that runs goes on with the rules
that it read first.
"""

from __future__ import annotations

import importlib.resources
from bisect import bisect_left
from datetime import UTC, datetime
from functools import cache
from math import ceil, floor
from typing import Final
from zoneinfo import ZoneInfo

ZONE_CHARS_MAX: Final = 64  # the longest name has 32
_UNSET: Final = "Factory"  # what a machine says whose zone nobody has set


class UnknownZone(ValueError):
    """There is no zone of that name; the message says what to write."""


@cache
def names() -> frozenset[str]:
    """The name of every zone, links such as `US/Eastern` among them."""
    listed = importlib.resources.files("tzdata").joinpath("zones").read_text("ascii")
    return frozenset(listed.split()) - {_UNSET}


def problem(name: str) -> str:
    """Say why there is no such zone, so that it follows the name in a sentence. The answer is empty
    if there is one.
    """
    if name in names():
        return ""
    if len(name) <= ZONE_CHARS_MAX and (meant := _spellings().get(name.casefold())):
        return f"is no time zone: write {meant}"
    return "is no time zone: write a name of the IANA database, such as Europe/Berlin, or UTC"


@cache
def _spellings() -> dict[str, str]:
    """What somebody may have meant who wrote a city alone, or a name in other letters."""
    cities = {name.rpartition("/")[2].casefold(): name for name in sorted(names())}
    return cities | {name.casefold(): name for name in names()}


@cache  # bounded by the list of names
def rules(name: str) -> ZoneInfo:
    """Find a zone. Raises UnknownZone."""
    # guard: zone-from-the-list
    if name not in names():
        raise UnknownZone(f"{name[:ZONE_CHARS_MAX]!a} {problem(name)}.")
    return ZoneInfo(name)


def first_moment(zone: ZoneInfo, local: datetime) -> datetime:
    """Find the first moment (in UTC) at which a clock of this zone shows `local` or a later time.

    Usually it shows that time once. If a clock change makes it show that time twice, this is the
    first of the two; if a change skips it, this is the moment of the change. java.time and Noda
    Time let a day begin in this way, too. `local` has no zone, and lies a day or more within the
    years that Python knows.
    """
    # PEP 495: of a repeated time, fold=0 is the earlier moment. Of a skipped one, it is reckoned by
    # the offset before the change, so it lies behind the change, and fold=1 lies before it.
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    # guard: local-time-skipped
    if first <= second:
        return first
    # Clocks change at whole seconds.
    seconds = range(floor(second.timestamp()), ceil(first.timestamp()) + 1)
    change = bisect_left(seconds, True, key=lambda at: _shown(zone, at) >= local)
    return datetime.fromtimestamp(seconds[change], UTC)


def _shown(zone: ZoneInfo, second: int) -> datetime:
    """What a clock of this zone shows at a moment, in seconds since 1970."""
    return datetime.fromtimestamp(second, zone).replace(tzinfo=None, fold=0)
