"""Grants of users with open streams: each is told once, however its commit was ordered.

A row of the ledger has the moment at which it was written, and may be committed, and seen, long
after others of a later moment. So each question reaches back for longer than any transaction lasts,
before the last question that was answered. What was told, or was there before the stream, is
remembered for as long as it may come back.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from scoreboard.personal_streams.reading import NewGrants, Reader
from scoreboard.personal_streams.slots import User

# A transaction that waits for others ends after 10 s (`connections.postgres`).
WINDOW_SECONDS: Final = 30.0
_AT_ONCE: Final = 1_000


class GrantsOfUsers:
    """Knows who may have been granted something, and what is known of it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._due: set[User] = set()
        self._found: list[tuple[User, NewGrants]] = []  # and told by nobody yet
        self._users = 0
        self._level_at = time.monotonic()  # all before was answered, but for the window

    @property
    def reach_seconds(self) -> float:
        """How far back the next question reaches."""
        now = time.monotonic()
        if not self._users:
            self._level_at = now
        return WINDOW_SECONDS + now - self._level_at

    def be_due(self, users: Iterable[User]) -> None:
        """They may have been granted something."""
        self._due.update(users)

    def begin(self, user: User, granted: Collection[str]) -> None:
        """A user comes who had been granted these of late."""
        self._users += 1
        user.granted |= dict.fromkeys(granted, time.monotonic())
        self._due.add(user)  # a grant may have come between that look and now

    def forget(self, user: User) -> None:
        """The last stream of a user has ended."""
        self._users -= 1
        self._due.discard(user)

    async def read(self) -> list[tuple[User, NewGrants]]:
        """What is new, by user. It asks each time, if only whether anybody answers. Raises
        LedgerUnavailable: then the next one answers what this one found, and asks for the others.
        """
        asked_at, seconds = time.monotonic(), self.reach_seconds
        due = list(self._due)
        for users in _chunks(due):
            of_users = {user.user_id: user for user in users}
            for user_id, all_of_late in (await self._reader.new_grants(of_users, seconds)).items():
                user = of_users[user_id]
                new = self._unknown(user, all_of_late, seconds)
                if new.grants:
                    self._found.append((user, new))  # guard: found-before-outage
            self._due.difference_update(users)
        self._level_at = asked_at
        found, self._found = self._found, []
        return found

    def _unknown(self, user: User, all_of_late: NewGrants, seconds: float) -> NewGrants:
        """Those that the user has not been told of, who counts as told from now on."""
        now = time.monotonic()
        new = [each for each in all_of_late.grants if each.action_id not in user.granted]
        kept_since = now - seconds - WINDOW_SECONDS
        user.granted = {each: at for each, at in user.granted.items() if at >= kept_since}
        user.granted |= {each.action_id: now for each in new}  # guard: grant-told-once
        return NewGrants(new, all_of_late.score)


def _chunks(users: list[User]) -> Iterator[list[User]]:
    for begin in range(0, max(1, len(users)), _AT_ONCE):
        yield users[begin : begin + _AT_ONCE]
