"""Whom users follow: friends, of whom their personal stream tells when they are overtaken by them.

Nobody is asked whether they are followed, and nobody is told: a board shows the same to everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from scoreboard.accounts.queries import SQL
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import FollowsFull, NobodyToFollow, UnknownUser

# Of one user. The page of all of them is one answer, of 100 KB at most.
FOLLOWS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Followed:
    """Somebody who is followed, and since when."""

    user_id: str
    username: str
    followed_at: datetime


class Follows:
    """Everything here raises LedgerUnavailable, and UnknownUser unless the user who asks is here.
    Ids are UUIDs.
    """

    def __init__(self, queries: Postgres) -> None:
        self._queries = queries

    async def add(self, user_id: str, followed_id: str) -> None:
        """Let a user follow another; who does already goes on to. Raises NobodyToFollow,
        FollowsFull.
        """
        asked = {"user_id": user_id, "followed_id": followed_id, "limit": FOLLOWS_MAX}
        [(is_here, is_there, is_followed)] = await self._queries.fetch(SQL["follow"], asked)
        if not is_here:
            raise UnknownUser
        if not is_there:
            raise NobodyToFollow
        if not is_followed:
            raise FollowsFull

    async def remove(self, user_id: str, followed_id: str) -> None:
        """Let a user follow another no longer; who does not stays as they are."""
        asked = {"user_id": user_id, "followed_id": followed_id}
        if not await self._queries.fetch(SQL["unfollow"], asked):
            raise UnknownUser

    async def of(self, user_id: str) -> list[Followed]:
        """Whom a user follows, by name, without those who are hidden."""
        rows = await self._queries.read(SQL["list_follows"], {"user_id": user_id})
        if not rows:
            raise UnknownUser
        return [Followed(*row) for row in rows if row[0] is not None]
