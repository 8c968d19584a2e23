"""One open stream: aiohttp-sse opens it, keeps it and closes it; its crowd writes to it.

The handler only waits. It is cancelled when the client leaves (the server runs with
`handler_cancellation`), and returns when the crowd ends the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp_sse import EventSourceResponse

from scoreboard.live.crowd import SubscriberT
from scoreboard.live.frames import Frame, chunk, closing, opening
from scoreboard.live.subscriber import Subscriber

# What the head of every stream says. (no-transform: a proxy that compresses also buffers.)
HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache, no-transform",
    "Connection": "keep-alive",
    "X-Accel-Buffering": "no",
}
# Of a stream that needs no token.
_NOBODYS: Final = nullcontext()


class _ConnectionEnd:
    """How a connection ended. It stands in for the request's body, which was read: aiohttp tells
    the body of the error that ended the connection.
    """

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def set_exception(self, error: BaseException) -> None:
        self.error = error


# Ends a stream: a machine code, and why in words.
End = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Admission:
    """What a token that opened a stream allows: it lasts for so long, unless it ends before that.
    Within the context that `watch` gives, it then ends the stream by what it was given.
    """

    lasts_seconds: float
    watch: Callable[[End], AbstractContextManager[None]]


class Entrance(Protocol[SubscriberT]):
    """The way into a crowd: that of a board, which is its channel, or a user's own."""

    @property
    def newest(self) -> bytes:
        """What is written behind `connected`, as events."""

    def subscriber(
        self, transport: asyncio.Transport, *, chunked: bool, end: Callable[[], None]
    ) -> SubscriberT:
        """Make a subscriber that is told `newest` as it is now; `end` makes its handler return."""

    def opening(self) -> AbstractContextManager[None]:
        """Somebody is about to join, and does so or not within this."""

    def join(self, subscriber: SubscriberT) -> None:
        """Write to it from now on."""

    def leave(self, subscriber: SubscriberT, *, vanished: bool = False) -> None:
        """Forget it. One that `vanished` acknowledged nothing until the kernel gave it up."""


async def follow(
    request: web.Request,
    entrance: Entrance[SubscriberT],
    *,
    head: bytes | None,
    retry_seconds: tuple[float, float],
    admission: Admission | None,
) -> web.StreamResponse:
    """Serve a stream until the client leaves, its crowd ends it, or what admitted it does (None
    when no token was needed). `head` is that of the answer, of HTTP/1.1 and in chunks; None lets
    aiohttp build it. Raises ConnectionResetError when the client has left before.
    """
    response = _Response(head)
    await response.prepare(request)
    subscriber = _subscriber(request, response, entrance)
    end = _release_opening(request, response)
    async with response:
        with entrance.opening():
            await response.begin(opening(retry_seconds) + entrance.newest)
        try:
            entrance.join(subscriber)
            with _NOBODYS if admission is None else _admitted(admission, subscriber):
                await response.wait()
        finally:
            # guard: slow-subscribers-one
            entrance.leave(subscriber, vanished=isinstance(end.error, TimeoutError))
    return response


class _Response(EventSourceResponse):
    """aiohttp-sse's, but the head goes out with the first events, in one write, and nobody pings:
    the hub sends heartbeats to all streams in one walk.
    """

    _send_headers_immediately = False

    def __init__(self, head: bytes | None) -> None:
        super().__init__()
        self._head = head
        self._writer: AbstractStreamWriter | None = None

    @property
    def prepared(self) -> bool:
        """Whether there is a head."""
        return self._writer is not None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Prepare the head. A future stands in for the task that would ping: `wait` awaits it,
        `stop_streaming` cancels it. That saves 2 KiB and a timer for each stream.
        """
        if self._writer is None:
            stand_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._ping_task = stand_in  # type: ignore[assignment]
            if self._head is None:
                self.headers.update(HEADERS)
                await web.StreamResponse.prepare(self, request)
            self._writer = request.writer
        return self._writer

    async def begin(self, events: bytes) -> None:
        """Write the first events behind the head."""
        if self._head is None or self._writer is None:
            await self.write(events)
        else:
            await self._writer.write(self._head + chunk(events))
            self._writer.enable_chunking()  # by which `write_eof` knows how a body ends
            self._head = b""

    async def write_eof(self, data: bytes = b"") -> None:
        """Write the end of the body."""
        if self._head is None or self._writer is None:
            await super().write_eof(data)
        else:
            await self._writer.write_eof()


def _subscriber(
    request: web.Request, response: EventSourceResponse, entrance: Entrance[SubscriberT]
) -> SubscriberT:
    if request.transport is None:
        raise ConnectionResetError("the client left before its stream began")
    return entrance.subscriber(
        request.transport,
        chunked=request.version >= HttpVersion11,
        end=response.stop_streaming,
    )


def _release_opening(request: web.Request, response: EventSourceResponse) -> _ConnectionEnd:
    """Free what opens a stream and does not keep it: the parser, the keep-alive timer. (The header
    fields of the request stay, because aiohttp's loop of requests has them too.)

    The connection then ends with the stream. Clients send nothing more on it, and reconnect anyway.
    """
    protocol: Any = request.protocol
    protocol.keep_alive(False)
    protocol.close()  # from here on nothing that comes in is parsed
    protocol._messages.clear()  # and what was sent ahead is not answered
    protocol._parser = None  # as aiohttp itself does when the connection is lost
    response.headers.clear()
    kept: Any = request
    kept._payload = end = _ConnectionEnd()
    return end


@contextmanager
def _admitted(admission: Admission, subscriber: Subscriber) -> Iterator[None]:
    """End the stream with its admission."""

    def end(code: str, message: str) -> None:
        subscriber.dismiss(Frame.of(closing(code, message)))

    expiry = asyncio.get_running_loop().call_later(
        admission.lasts_seconds,
        end,
        "expired_token",
        "The access token expired. Refresh it and reconnect.",
    )
    try:
        with admission.watch(end):  # guard: revoked-streams-end
            yield
    finally:
        expiry.cancel()
