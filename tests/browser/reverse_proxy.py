"""An HTTP proxy as they stand in front of services: it passes requests on, and is bad to streams on
command.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import Enum
from typing import Self

import aiohttp
from aiohttp import web

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-encoding", "content-length", "date"}
)


class Streams(Enum):
    PASS = "every byte at once"
    REFUSED = "502"
    MUTE = "kept open, every byte swallowed"


class ReverseProxy:
    """Forwards to `target`, which may change: that is a restart behind it."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.streams = Streams.PASS
        self.heartbeats = 0  # that were passed on
        self.url = ""
        self._open: set[asyncio.BaseTransport] = set()
        self._runner: web.AppRunner
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._forward)
        self._session = aiohttp.ClientSession(auto_decompress=True)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        await self._session.close()
        await self._runner.cleanup()

    def cut(self) -> None:
        """Break every open stream."""
        for transport in list(self._open):
            assert isinstance(transport, asyncio.Transport)
            transport.abort()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        is_stream = request.path.endswith("/stream")
        if is_stream and self.streams is Streams.REFUSED:
            return web.Response(status=502)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "te")}
        try:
            async with self._session.request(
                request.method,
                self.target + request.path_qs,
                data=await request.read(),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as upstream:
                return await self._answer(request, upstream, is_stream)
        except aiohttp.ClientConnectionError:
            return web.Response(status=502)

    async def _answer(
        self, request: web.Request, upstream: aiohttp.ClientResponse, is_stream: bool
    ) -> web.StreamResponse:
        kept = {k: v for k, v in upstream.headers.items() if k.lower() not in _HOP_BY_HOP}
        if not is_stream:
            return web.Response(status=upstream.status, headers=kept, body=await upstream.read())
        response = web.StreamResponse(status=upstream.status, headers=kept)
        await response.prepare(request)
        transport = request.transport
        assert transport is not None
        self._open.add(transport)
        try:
            with suppress(aiohttp.ClientError, ConnectionResetError, asyncio.TimeoutError):
                async for chunk in upstream.content.iter_any():
                    if self.streams is not Streams.MUTE:
                        await response.write(chunk)
                        self.heartbeats += chunk.count(b": heartbeat")
        finally:
            self._open.discard(transport)
        return response
