"""Reads what personal streams tell and places do not say, of many users in one statement each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from scoreboard.connections import statements
from scoreboard.connections.postgres import Postgres
from scoreboard.personal_streams.telling import Grant
from scoreboard.ranks.keys import MAIN_RANKING
from scoreboard.scoring.place import Found

SQL: Final = statements.load("scoreboard.personal_streams")

_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class NewGrants:
    """What a user was granted of late, in the order of moments, and the score on `main` now."""

    grants: list[Grant]
    score: int


class Reader:
    """Everything here raises LedgerUnavailable."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def followed(self, user_ids: Collection[str]) -> dict[str, frozenset[bytes]]:
        """Whom each of these users follows, by the 16 bytes of their ids."""
        found = dict.fromkeys(user_ids, frozenset[bytes]())
        rows = await self._postgres.read(SQL["read_followed"], {"user_ids": list(user_ids)})
        for user_id, followed in rows:
            ids = bytes(followed)
            found[user_id] = frozenset(
                ids[at : at + _ID_BYTES] for at in range(0, len(ids), _ID_BYTES)
            )
        return found

    async def new_grants(self, user_ids: Collection[str], seconds: float) -> dict[str, NewGrants]:
        """What each of these users was granted within so many seconds; of none, nothing."""
        asked = {"user_ids": list(user_ids), "seconds": seconds}
        found: dict[str, NewGrants] = {}
        for user_id, *grant, score in await self._postgres.read(SQL["read_new_grants"], asked):
            found.setdefault(user_id, NewGrants([], score)).grants.append(Grant(*grant))
        return found

    async def hidden(self, found: Found, user_ids: Collection[str]) -> dict[str, int]:
        """The scores, as they are shown, of those of these users whose entries are hidden, in the
        ranking where they were not found.
        """
        missing = [user_id for user_id in user_ids if user_id not in found.places]
        if not missing or found.ranking_id is None:
            return {}
        on = "_on_main" if found.ranking_id == MAIN_RANKING else ""
        asked = {"user_ids": missing, "season_id": found.ranking_id}
        rows = await self._postgres.read(SQL[f"read_hidden{on}"], asked)
        sign = -1 if found.is_low else 1
        return {user_id: sign * score for user_id, score in rows}

    async def names(self, user_ids: Collection[str]) -> dict[str, str]:
        """What these users are called, but for those who are hidden."""
        if not user_ids:
            return {}
        rows = await self._postgres.read(SQL["read_names"], {"user_ids": list(user_ids)})
        return dict(rows)
