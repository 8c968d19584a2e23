"""Signed requests that were answered: what says how something is to be is done once, although its
signature is good for minutes and a later request may have said otherwise since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scoreboard.connections.postgres import Postgres
from scoreboard.keys.queries import SQL


@dataclass(frozen=True, slots=True)
class Asked:
    """A signed request: which key signed it, whose that is, and the SHA-256 of its `webhook-id`, in
    hexadecimal digits: a nonce that is used on two targets makes two requests.
    """

    key_id: str
    source: str
    request_id: str


class Answered:
    """Remembers them, for an hour. Everything here raises LedgerUnavailable."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres: Final = postgres

    async def has(self, asked: Asked) -> bool:
        """Whether it was answered before."""
        return bool(await self._postgres.read(SQL["find_answered"], _row(asked)))

    async def note(self, asked: Asked) -> None:
        """Remember it, once all of it is done: who hears nothing before that asks again, and what
        is done twice then is the same.
        """
        await self._postgres.fetch(SQL["note_answered"], _row(asked))

    async def purge(self) -> None:
        """Forget those whose signatures have grown stale."""
        await self._postgres.fetch(SQL["forget_answered"])


def _row(asked: Asked) -> dict[str, str]:
    return {"key_id": asked.key_id, "request_id": asked.request_id}
