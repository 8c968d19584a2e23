"""The bytes of a stream as they come. httpx-sse makes events of them, and hides two things: the
comments by which a service shows that it lives, and an event that has no end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

import httpx

# Far more than any event of a scoreboard has.
_EVENT_BYTES_MAX: Final = 1_000_000
_ENDS: Final = (b"\n\n", b"\r\r", b"\r\n\r\n")


class EventTooLong(Exception):
    """An event does not end."""


class Bytes(httpx.AsyncByteStream):
    """Those of a response. `on_bytes` hears of each piece, and whether it is a heartbeat."""

    def __init__(self, source: httpx.AsyncByteStream, on_bytes: Callable[[bool], None]) -> None:
        self._source = source
        self._on_bytes = on_bytes
        self._unfinished = 0  # so many bytes of an event have come

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Raises EventTooLong."""
        async for piece in self._source:
            heartbeat = self._unfinished == 0 and _is_comment(piece)
            if not heartbeat:
                self._count(piece)
            self._on_bytes(heartbeat)
            yield piece

    async def aclose(self) -> None:
        """Give the connection back."""
        await self._source.aclose()

    def _count(self, piece: bytes) -> None:
        ends = [at + len(end) for end in _ENDS if (at := piece.rfind(end)) >= 0]
        before = 0 if ends else self._unfinished
        self._unfinished = before + len(piece) - max(ends, default=0)
        if self._unfinished > _EVENT_BYTES_MAX:  # guard: event-without-end
            raise EventTooLong(f"{self._unfinished} bytes")


def _is_comment(piece: bytes) -> bool:
    return piece.startswith(b":") and piece.endswith(b"\n") and piece.count(b"\n") == 1
