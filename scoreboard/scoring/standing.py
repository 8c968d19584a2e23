"""Standings: where a user stands on `main`, with score and rank, and what kind of account it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from scoreboard.accounts import names
from scoreboard.accounts.users import NO_PASSWORD
from scoreboard.connections import statements
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import UnknownUser
from scoreboard.model import MAIN
from scoreboard.scoring.place import rank_above
from scoreboard.scoring.places import Places

SQL: Final = statements.load("scoreboard.scoring", "standing.sql")


@dataclass(frozen=True, slots=True)
class Standing:
    """A user's score and rank. `rank` is None without a score and for who is hidden; and while it
    lies deep in a ranking that is not counted yet, which `rank_above` says. `created_at` is when
    the user was made. Who comes from an identity provider has no password, and perhaps no `email`;
    `source` names the provider, empty for who registered here.
    """

    user_id: str
    username: str
    score: int
    rank: int | None
    rank_above: int | None
    created_at: datetime
    has_password: bool
    email: str | None = field(repr=False)
    source: str


class Standings:
    """Reads standings from the ledger's tables, because no copy holds more than the top 10."""

    def __init__(self, postgres: Postgres, places: Places) -> None:
        self._postgres = postgres
        self._places = places

    async def of(self, user_id: str) -> Standing:
        """Read a user's standing. Raises UnknownUser, LedgerUnavailable."""
        found = await self._places.find(MAIN, None, [user_id])
        # After that, so that a score is never older than the rank.
        rows = await self._postgres.read(
            SQL["read_account"], {"user_id": user_id, "no_password": NO_PASSWORD}
        )
        if not rows:
            raise UnknownUser
        [(read_id, username, score, created_at, has_password, address, source)] = rows
        email = None if address.endswith(names.NO_ADDRESS) else address
        place = found.places.get(read_id)
        standing = Standing(
            read_id, username, score, None, None, created_at, has_password, email, source
        )
        if place is None:
            return standing
        # Score and rank are of one snapshot.
        return replace(standing, score=place.score, rank=place.rank, rank_above=rank_above([place]))
