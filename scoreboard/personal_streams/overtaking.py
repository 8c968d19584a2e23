"""Who has overtaken whom, of those who moved in a ranking.

A user is overtaken by an entry that stood behind theirs, or was not there, and now stands before.
Whoever falls by a correction is overtaken by nobody who stayed where they were.

All who watch are looked at in two walks along the ranking, beside those who moved: so it costs what
sorting both does, some 4 ms for the first 1,000 and 1,000 who moved.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from scoreboard.personal_streams.telling import NAMED_MAX
from scoreboard.ranks.keys import KEY_BYTES

# Behind every key: where entries come from that were not there.
_NOWHERE: Final = b"\xff" * (KEY_BYTES + 1)


@dataclass(frozen=True, slots=True)
class Moved:
    """What moved in a ranking since the last turn: keys of users (by the 16 bytes of their ids)
    before and after. Who was not there is not in `before`, who is no more not in `after`.
    """

    before: Mapping[bytes, bytes]
    after: Mapping[bytes, bytes]

    @classmethod
    def of(cls, removed: set[bytes], added: set[bytes]) -> Moved:
        """What statements removed and added, in whatever order they were heard of: what one added
        and another removed was on the way.
        """
        return cls(
            {key[16:]: key for key in removed - added}, {key[16:]: key for key in added - removed}
        )

    def users(self) -> set[bytes]:
        """Who moved, came or went."""
        return self.before.keys() | self.after.keys()

    def watcher(self, user: bytes, now: bytes | None) -> Watcher | None:
        """A user who has this key, unless the moves say more; None unless they had an entry before
        and have one now.
        """
        was = now
        if user in self.before or user in self.after:
            was, now = self.before.get(user), self.after.get(user)
        return None if was is None or now is None else Watcher(user, was, now)

    def overtook(self, overtaker: bytes, watcher: Watcher) -> bool:
        """Whether somebody who moved overtook this one."""
        was, now = self.before.get(overtaker, _NOWHERE), self.after.get(overtaker, _NOWHERE)
        return now < watcher.now and watcher.was < was


@dataclass(frozen=True, slots=True)
class Watcher:
    """A user who wants to hear of it: the key before and now."""

    user: bytes
    was: bytes
    now: bytes


@dataclass(frozen=True, slots=True)
class Pass:
    """A user was overtaken by so many; `keys` are those of the best placed, as they are now."""

    user: bytes
    count: int
    keys: tuple[bytes, ...]


def passes(watchers: Collection[Watcher], moved: Moved) -> Iterator[Pass]:
    """Who of these was overtaken."""
    last = max((each.now for each in watchers), default=b"")
    movers = [
        (now, moved.before.get(user, _NOWHERE)) for user, now in moved.after.items() if now < last
    ]
    best = _best(watchers, movers)
    movers.sort()
    came_from: list[bytes] = []  # of those who now stand before the watcher, in order
    next_one = 0
    for watcher in sorted(watchers, key=lambda each: each.now):
        while next_one < len(movers) and movers[next_one][0] < watcher.now:
            bisect.insort(came_from, movers[next_one][1])
            next_one += 1
        count = len(came_from) - bisect.bisect_right(came_from, watcher.was)
        if count:
            yield Pass(watcher.user, count, best[watcher.user])


def _best(
    watchers: Iterable[Watcher], movers: Iterable[tuple[bytes, bytes]]
) -> dict[bytes, tuple[bytes, ...]]:
    """The best placed of those who stood behind each watcher, as far as they now stand before: in a
    walk up the ranking as it was, on which the best ones are kept.
    """
    up = sorted(movers, key=lambda mover: mover[1], reverse=True)
    found: dict[bytes, tuple[bytes, ...]] = {}
    best: list[bytes] = []
    next_one = 0
    for watcher in sorted(watchers, key=lambda each: each.was, reverse=True):
        while next_one < len(up) and up[next_one][1] > watcher.was:
            bisect.insort(best, up[next_one][0])
            del best[NAMED_MAX:]
            next_one += 1
        found[watcher.user] = tuple(now for now in best if now < watcher.now)
    return found
