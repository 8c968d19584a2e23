"""One open stream: aiohttp-sse opens it, keeps it and closes it; the hub writes to it.

The handler only waits. It is cancelled when the client leaves (the server runs with
`handler_cancellation`), and returns when the hub ends the stream.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp_sse import EventSourceResponse
from multidict import CIMultiDict, CIMultiDictProxy

from scoreboard.live.frames import Frame, closing, opening
from scoreboard.live.hub import Hub
from scoreboard.live.subscriber import Subscriber

# What the kernel may hold of a stream that is not read, which it doubles for its own accounts: some
# sixty boards. Left to itself it takes 3 to 4 MB, four minutes of boards: as much memory for each
# stalled client, and as old a board for each slow one.
_KERNEL_BUFFER_BYTES: Final = 32 * 1024
_NO_HEADERS: Final[CIMultiDictProxy[str]] = CIMultiDictProxy(CIMultiDict())


class _Response(EventSourceResponse):
    """aiohttp-sse's response without the task that pings: the hub sends heartbeats to all streams
    in one walk. A future stands in for the task: `wait` awaits it, `stop_streaming` cancels it. Per
    stream that saves 2 KiB and a timer.
    """

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Open the stream. (aiohttp calls this once more at the end.)"""
        opens = not self.prepared
        writer = await super().prepare(request)
        if opens and self._ping_task is not None:
            self._ping_task.cancel()
            stand_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._ping_task = stand_in  # type: ignore[assignment]
        return writer


class _Fate:
    """How a connection ended. It takes the place of the request's body, of which nothing is left:
    that is where aiohttp says it.
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
    """What a token that opened a stream allows: its life that is left, and within `watch` to hear
    of its end before that.
    """

    lasts_seconds: float
    watch: Callable[[End], AbstractContextManager[None]]


async def follow(
    request: web.Request,
    hub: Hub,
    *,
    retry_seconds: tuple[float, float],
    stuck_after_seconds: float,
    admission: Admission | None = None,
) -> web.StreamResponse:
    """Serve a stream until the client leaves, the hub ends it, or what admitted it does (None when
    no token was needed).
    """
    # The kernel's own limit (TCP_USER_TIMEOUT) is for who has vanished without a word while too
    # little was sent for the hub to notice.
    response = _Response(send_timeout=stuck_after_seconds * 2)
    # no-transform: a proxy that compresses also buffers.
    response.headers["Cache-Control"] = "no-cache, no-transform"
    await response.prepare(request)
    subscriber = _subscriber(request, response, hub)
    _bound_kernel_buffer(subscriber.transport)
    fate = _forget_opening(request, response)
    async with response:
        await response.write(_first_events(hub, retry_seconds))
        admitted = None
        try:
            hub.join(subscriber)
            admitted = None if admission is None else _admitted(admission, subscriber)
            await response.wait()
        finally:
            if admitted is not None:
                admitted.close()
            hub.leave(subscriber, vanished=isinstance(fate.error, TimeoutError))
    return response


def _subscriber(request: web.Request, response: EventSourceResponse, hub: Hub) -> Subscriber:
    if request.transport is None:
        raise ConnectionResetError("the client left before its stream began")
    return Subscriber(
        request.transport,
        chunked=request.version >= HttpVersion11,
        version=hub.version,
        end=response.stop_streaming,
    )


def _bound_kernel_buffer(transport: asyncio.Transport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER_BYTES)


def _forget_opening(request: web.Request, response: EventSourceResponse) -> _Fate:
    """Give back what was needed to open the stream and is not needed to keep it: the parser, the
    header fields, the keep-alive timer. Per stream that saves 4 KiB.

    The connection then ends with the stream. Clients send nothing more on it, and reconnect anyway.
    """
    protocol: Any = request.protocol
    protocol.keep_alive(False)
    protocol.close()  # from here on nothing that comes in is parsed
    protocol._messages.clear()  # and what was sent ahead is not answered
    protocol._parser = None  # as aiohttp itself does when the connection is lost
    response.headers.clear()
    kept: Any = request
    kept._headers = _NO_HEADERS
    kept._message = kept._message._replace(headers=_NO_HEADERS, raw_headers=())
    kept._payload = fate = _Fate()
    return fate


def _first_events(hub: Hub, retry_seconds: tuple[float, float]) -> bytes:
    return opening(retry_seconds) + (b"" if hub.frame is None else hub.frame.plain)


def _admitted(admission: Admission, subscriber: Subscriber) -> ExitStack:
    """End the stream with its admission, until this is closed."""

    def end(code: str, message: str) -> None:
        subscriber.dismiss(Frame.of(closing(code, message)))

    expiry = asyncio.get_running_loop().call_later(
        admission.lasts_seconds,
        end,
        "expired_token",
        "The access token expired. Refresh it and reconnect.",
    )
    admitted = ExitStack()
    admitted.callback(expiry.cancel)
    admitted.enter_context(admission.watch(end))
    return admitted
