"""What somebody who iterates has not taken yet: of each kind the newest alone. So a slow consumer
gets what holds now, and never a queue.
"""

from __future__ import annotations

import asyncio
from typing import Generic, Self, TypeVar

from .places import Granted, Overtaken, Place

Told = TypeVar("Told")


class Mailbox(Generic[Told]):
    """An iterator over what is told, of these types, until it is closed. One task takes from it."""

    def __init__(self, kinds: tuple[type[Told], ...]) -> None:
        self._kinds = kinds
        self._slots: dict[tuple[type, str], Told] = {}
        self._changed = asyncio.Event()
        self._error: BaseException | None = None
        self._is_closed = False

    def put(self, told: object) -> None:
        """Take the place of what was told before of this kind. What adds up is added up."""
        slot = _slot(told)
        joined = _joined(self._slots.get(slot), told)
        if isinstance(joined, self._kinds):
            self._slots.pop(slot, None)
            self._slots[slot] = joined  # the newest stands last
            self._changed.set()

    def close(self, error: BaseException | None = None) -> None:
        """End the iteration, by an error if there is one."""
        self._is_closed, self._error = True, error
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Told:
        while not self._is_closed:
            if self._slots:
                return self._slots.pop(next(iter(self._slots)))
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration


def _slot(told: object) -> tuple[type, str]:
    """Places and overtakings are one of each board."""
    return type(told), told.board_id if isinstance(told, Place | Overtaken) else ""


def _joined(before: object, told: object) -> object:
    if isinstance(before, Granted) and isinstance(told, Granted):
        return told.joined(before)
    if isinstance(before, Overtaken) and isinstance(told, Overtaken):
        return told.joined(before)
    return told
