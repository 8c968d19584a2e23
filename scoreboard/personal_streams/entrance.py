"""The way into the crowd: what has to be known of a user before their stream begins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from scoreboard.connections.coalescing import Coalescer
from scoreboard.live.crowd import Crowd
from scoreboard.model import BoardId
from scoreboard.operations.metrics import Metrics
from scoreboard.personal_streams.grants import GrantsOfUsers
from scoreboard.personal_streams.reading import Reader
from scoreboard.personal_streams.slots import Asked, PersonalSubscriber

# Each may follow 1,000.
_AT_ONCE: Final = 50
_WAITING_MAX: Final = 20_000
# Between this clock and PostgreSQL's, while a question is on its way.
_MARGIN_SECONDS: Final = 10.0
# Whom a user follows, and what they were granted of late.
_Known = tuple[frozenset[bytes], frozenset[str]]


@dataclass(frozen=True, slots=True)
class PersonalEntrance:
    """The way into the crowd for one stream (`live.stream.Entrance`)."""

    streams: Crowd[PersonalSubscriber]
    asked: Asked
    newest: bytes = b""  # places are read once it has joined

    def opening(self) -> AbstractContextManager[None]:
        """As every crowd does."""
        return self.streams.opening()

    def subscriber(
        self, transport: asyncio.Transport, *, chunked: bool, end: Callable[[], None]
    ) -> PersonalSubscriber:
        """Make the stream's subscriber."""
        return PersonalSubscriber(transport, chunked=chunked, end=end, asked=self.asked)

    def join(self, subscriber: PersonalSubscriber) -> None:
        """Let it in."""
        self.streams.join(subscriber)

    def leave(self, subscriber: PersonalSubscriber, *, vanished: bool = False) -> None:
        """Forget it."""
        self.streams.leave(subscriber, vanished=vanished)


class Arrivals:
    """Reads what is known of those who come, of all who come at once together."""

    def __init__(self, reader: Reader, grants: GrantsOfUsers, metrics: Metrics) -> None:
        self._reader = reader
        self._grants = grants
        self._coming: Coalescer[str, _Known] = Coalescer(
            self._read,
            batch_max=_AT_ONCE,
            waiting_max=_WAITING_MAX,
            on_overload=metrics.overloads.labels("personal_streams").inc,
        )

    async def of(self, user_id: str, board_ids: Sequence[BoardId]) -> Asked:
        """What a user asks for, with what is known. Raises LedgerUnavailable, Overloaded."""
        follows, granted = await self._coming.join(user_id)
        return Asked(user_id, tuple(board_ids), follows, granted)

    async def finish(self) -> None:
        """Finish what is under way."""
        await self._coming.close()

    async def _read(self, user_ids: Sequence[str]) -> Sequence[_Known | Exception]:
        follows = await self._reader.followed(user_ids)
        # As far back as anything may be looked for: what a user has by now is nothing new.
        seconds = self._grants.reach_seconds + _MARGIN_SECONDS
        new = await self._reader.new_grants(user_ids, seconds)
        known: dict[str, frozenset[str]] = {
            user_id: frozenset(grant.action_id for grant in found.grants)
            for user_id, found in new.items()
        }
        return [(follows[user_id], known.get(user_id, frozenset())) for user_id in user_ids]
