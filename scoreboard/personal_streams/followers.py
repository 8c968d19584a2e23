"""Who of those with open streams follows whom, by who is followed.

Bound: `FOLLOWS_HELD_MAX` of all users together, some 250 bytes each. Of a user whose follows have
no room any more as many are kept as there is room for, and the others are counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Final

from scoreboard.operations.metrics import Metrics
from scoreboard.personal_streams.reading import Reader
from scoreboard.personal_streams.slots import User

FOLLOWS_HELD_MAX: Final = 200_000
# Users in one question, each of whom may follow 1,000.
_AT_ONCE: Final = 50


class Followers:
    """Knows them. Ids are keys of 16 bytes."""

    def __init__(self, reader: Reader, metrics: Metrics) -> None:
        self._reader = reader
        self._metrics = metrics
        self._due: dict[User, None] = {}
        self._followers: dict[bytes, set[User]] = {}
        self._held = 0

    def set(self, user: User, followed: frozenset[bytes]) -> None:
        """Let a user follow these, and nobody else."""
        for gone in user.follows - followed:
            self._remove(user, gone)
        added = followed - user.follows
        room = FOLLOWS_HELD_MAX - self._held
        if len(added) > room:  # guard: follows-held-bounded
            self._metrics.personal_follows_left_out.inc(len(added) - room)
            added = frozenset(islice(added, room))
        for each in added:
            self._followers.setdefault(each, set()).add(user)
        self._held += len(added)
        user.follows = (user.follows & followed) | added

    def be_due(self, user: User) -> None:
        """A user follows others now: it is read anew before the next turn is told."""
        self._due[user] = None

    def forget(self, user: User) -> None:
        """The last stream of a user has ended."""
        self._due.pop(user, None)
        self.set(user, frozenset())

    async def renew(self, users: Iterable[User]) -> None:
        """Read anew whom these follow, and those who are due. Raises LedgerUnavailable."""
        these = list(self._due | dict.fromkeys(users))
        for begin in range(0, len(these), _AT_ONCE):
            some = these[begin : begin + _AT_ONCE]
            found = await self._reader.followed([user.user_id for user in some])
            for user in some:
                self._due.pop(user, None)
                if user.streams:  # it may have ended meanwhile
                    self.set(user, found[user.user_id])

    def followed(self, movers: Collection[bytes]) -> Iterator[tuple[bytes, User]]:
        """Each of those who moved, with each who follows them."""
        few, many = sorted((movers, self._followers.keys()), key=len)
        for mover in few:
            if mover in many:
                for user in self._followers[mover]:
                    yield mover, user

    def _remove(self, user: User, followed: bytes) -> None:
        followers = self._followers[followed]
        followers.discard(user)
        if not followers:
            del self._followers[followed]
        self._held -= 1
