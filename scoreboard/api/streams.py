"""Streams, of boards and personal ones: who may open one, and how many."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from aiohttp import HttpVersion11, web

from scoreboard import errors
from scoreboard.accounts.access import Identity
from scoreboard.api.http.addresses import client_networks
from scoreboard.api.http.connection import accepted_of
from scoreboard.api.http.kernel import bound_stream
from scoreboard.api.http.own_fields import own_lines
from scoreboard.api.http.prepared import HEADS
from scoreboard.live.crowd import SubscriberT
from scoreboard.live.stream import HEADERS, Admission, End, Entrance, follow
from scoreboard.parts import PARTS, Parts

# An answer like that of every stream of HTTP/1.1.
_CHUNKED: Final = web.Response(headers={**HEADERS, "Transfer-Encoding": "chunked"})


async def open_stream(
    request: web.Request, find: Callable[[], Entrance[SubscriberT]], user: Identity | None
) -> web.StreamResponse:
    """Serve a stream, for this user if it needs a token, by the entrance that is found once it may
    be opened. Raises Overloaded, TooManyStreams, and what `find` does.
    """
    parts = request.app[PARTS]
    if len(parts.streams) >= parts.settings.subscribers_max:  # guard: stream-counts-against
        parts.metrics.streams_refused.labels("instance").inc()
        raise errors.Overloaded(
            "This instance serves as many streams as it may. Try again: another one may have room."
        )
    networks = client_networks(request, parts.settings.trusted_proxies)
    await parts.streams.enter(networks)
    parts.rush.note(len(parts.streams))
    try:
        if user is None:
            return await _open(parts, request, find)
        return await _open_for(user, parts, request, find)
    finally:
        parts.streams.leave(networks)


async def _open_for(
    user: Identity,
    parts: Parts,
    request: web.Request,
    find: Callable[[], Entrance[SubscriberT]],
) -> web.StreamResponse:
    """Open a stream that needs a token: it counts as the user's, from any address, and ends with
    the token, or when that is revoked.
    """
    holders = [(user.user_id, 1)]

    def watch(end: End) -> AbstractContextManager[None]:
        def on_refused(refusal: errors.NotAuthorized) -> None:
            parts.metrics.streams_revoked.inc()
            end(refusal.code, refusal.message)

        return parts.access.revocations.watch(user.user_id, user.reading, on_refused)

    await parts.user_streams.enter(holders)  # guard: streams-user-counted
    try:
        lasts_seconds = max(0.0, user.expires_at - time.time())
        return await _open(parts, request, find, Admission(lasts_seconds, watch))
    finally:
        parts.user_streams.leave(holders)


async def _open(
    parts: Parts,
    request: web.Request,
    find: Callable[[], Entrance[SubscriberT]],
    admission: Admission | None = None,
) -> web.StreamResponse:
    settings = parts.settings
    head, entrance = await _head(request), find()
    # guard: slow-subscribers-kernel
    bound_stream(accepted_of(request), vanished_after_seconds=settings.stuck_after_seconds * 2)
    return await follow(
        request,
        entrance,
        head=head,
        retry_seconds=(settings.reconnect_min_seconds, settings.reconnect_max_seconds),
        admission=admission,
    )


async def _head(request: web.Request) -> bytes | None:
    """The head of the answer, of which most was encoded before; None where aiohttp has to build it:
    for another site, and for HTTP/1.0, which knows no chunks.
    """
    if request.version != HttpVersion11 or "Origin" in request.headers:  # guard: stream-of-site
        return None
    heads = request.app[HEADS]
    fixed = await heads.fixed_of_route(request, _CHUNKED)
    return b"".join((fixed, own_lines(request), heads.date(), b"\r\n"))
