"""One open stream, as its crowd sees it: where to write, and what was written last."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from scoreboard.live.frames import Frame


class Subscriber:
    """One open stream. `end` makes its handler return; `version` is that of the board that was
    written to it last, or that it has otherwise. `behind_since` is by the loop's clock.
    """

    __slots__ = ("_chunked", "behind_since", "end", "transport", "version")

    def __init__(
        self, transport: asyncio.Transport, *, chunked: bool, version: int, end: Callable[[], None]
    ) -> None:
        self.transport = transport
        self.version = version
        self.behind_since: float | None = None
        self.end = end
        self._chunked = chunked

    @property
    def is_dismissed(self) -> bool:
        """Whether it was told that this is the end."""
        return self.version == sys.maxsize

    @property
    def has_unsent_bytes(self) -> bool:
        """Whether the kernel has not yet taken all that was written."""
        return self.transport.get_write_buffer_size() > 0

    def write(self, frame: Frame) -> None:
        """Hand the frame to the transport, which never blocks."""
        if not self.transport.is_closing():
            # guard: takes-written-not
            self.behind_since = None  # it has taken all that was written before
            self.transport.write(frame.chunked if self._chunked else frame.plain)

    def dismiss(self, farewell: Frame) -> None:
        """Say that this is the end, and end the stream: nothing newer follows, though a push that
        is under way may still come by.
        """
        self.write(farewell)
        self.version = sys.maxsize  # guard: deploy-nothing-follows
        self.end()
