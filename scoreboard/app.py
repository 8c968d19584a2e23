"""The application: the parts (`parts`) behind their routes, started and ended (`lifetime`).

Start: the parts, a look at PostgreSQL (`fitness`), background tasks; connections are made when they
are needed.
End (SIGTERM): not ready, but serving for a while; then no new connections, streams end with a
farewell, what was accepted is finished, the bus sends what it holds, tasks end, connections close.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Callable
from typing import Final

import structlog
from aiohttp import web

from scoreboard.api.answers import ANSWERS, Answers
from scoreboard.api.docs.pages import add_docs
from scoreboard.api.http import middleware, own_fields, tracing
from scoreboard.api.http.connection import Runner
from scoreboard.api.http.listening import http_address, listening_sockets
from scoreboard.api.http.origins import allow_origins
from scoreboard.api.http.prepared import HEADS, Heads
from scoreboard.api.http.replies import BODY_MAX_BYTES
from scoreboard.api.http.site import Site
from scoreboard.api.routes import add_routes
from scoreboard.configuration.settings import Settings
from scoreboard.connections.cancellation import unless_set
from scoreboard.connections.lending import REST_SECONDS
from scoreboard.connections.refusals import PostgresRefused
from scoreboard.errors import LedgerUnavailable
from scoreboard.fitness import fitness
from scoreboard.operations import memory
from scoreboard.operations.endings import ending_signals
from scoreboard.parts import PARTS, Parts
from scoreboard.processes.lifeline import Lifeline

log = structlog.get_logger("scoreboard.app")

# Longer than the 60 s after which most load balancers drop an idle connection.
_KEEPALIVE_SECONDS: Final = 75.0
# After which an instance that starts asks no more whose access tokens have ended.
_START_SECONDS: Final = 10.0


def create_app(settings: Settings) -> web.Application:
    """Build the application; nothing is connected before it starts."""
    parts = Parts(settings)
    traced = [tracing.trace] if parts.tracing.on else []
    app = web.Application(middlewares=[*traced, middleware.surround])
    app[PARTS] = parts
    app[ANSWERS] = Answers(settings)
    app[HEADS] = Heads()
    add_routes(app, settings)
    add_docs(app)
    app.on_response_prepare.append(middleware.write_headers)
    app.on_response_prepare.append(own_fields.write_own_fields)
    allow_origins(app)
    app.cleanup_ctx.append(lambda _: _running(parts))
    app.on_shutdown.append(lambda _: _say_farewell(parts))
    return app


async def serve(
    settings: Settings,
    on_listening: Callable[[str], None],
    *,
    supervisor: Lifeline | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or the end of the terminal; then end in order. `on_listening` is
    told the address. Where several processes have one port, `supervisor` hands us its sockets.
    Raises OSError when somebody else has the port.
    """
    stop = _told_to_end()
    _allow_files()  # guard: instance-takes-many
    app = create_app(settings)
    health = app[PARTS].health
    runner = make_runner(app, settings)
    memory.settle()  # before anybody waits for an answer with a deadline: it takes a while
    try:
        await unless_set(stop, runner.setup())  # guard: start-waits-postgresql
        if stop.is_set():
            return
        site = Site(runner)
        await site.start()
        port = _listen(site, settings) if supervisor is None else settings.port
        address = http_address(settings.host, port)
        log.info("scoreboard.app.listening", address=address, role=settings.role)
        on_listening(address)
        if supervisor is None:
            await stop.wait()
        else:
            await unless_set(stop, supervisor.serve(site.attend, health.becomes_ready))
        log.info("scoreboard.app.stopping")
        if site.sockets:
            health.leave()
            await asyncio.sleep(settings.drain_seconds)  # guard: deploy-one-leaves
        else:  # our successor has them
            health.be_succeeded()  # guard: worker-succeeded-says
    finally:
        if supervisor is not None:
            supervisor.leave()
        await runner.cleanup()


def _told_to_end() -> asyncio.Event:
    """The event that is set once a signal says that we are to end."""
    told = asyncio.Event()
    for number in ending_signals():
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


def _listen(site: Site, settings: Settings) -> int:
    """Listen where the settings say, and answer on which port: they may have asked for a free one.
    Raises OSError.
    """
    site.attend(listening_sockets(settings.host, settings.port))
    port: int = site.sockets[0].getsockname()[1]
    return port


def _allow_files() -> None:
    """Raise the limit on open files as far as we may: the usual 1,024 would end the streams at a
    fifteenth of `subscribers_max`. Past the limit new connections are closed at once.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS says "unlimited" and takes less
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def make_runner(app: web.Application, settings: Settings) -> web.AppRunner:
    """The runner that the application is made for: a handler is cancelled when its client leaves,
    which is how a stream notices; what must be finished runs in tasks of its own.
    """
    return Runner(
        app,
        handler_cancellation=True,  # guard: client-leaves-noticed
        access_log=None,  # `middleware.surround` logs; aiohttp's own one halves the throughput
        keepalive_timeout=_KEEPALIVE_SECONDS,
        tcp_keepalive=False,  # a connection has that from the socket that listens
        read_bufsize=BODY_MAX_BYTES,  # what is kept of a body until somebody reads it
        # aiohttp waits so long twice: for the handler, then for the answer to be read.
        shutdown_timeout=settings.shutdown_seconds / 2,  # guard: client-reads-nothing
    )


@contextlib.asynccontextmanager
async def _running(parts: Parts) -> AsyncIterator[None]:
    """Look at PostgreSQL, learn what has to be known before anybody is served, then run. Raises
    LedgerUnavailable.
    """
    await fitness.require(parts.settings.database_url, parts.settings.role)  # guard: start-looks
    await _learn_revocations(parts)  # guard: revoked-known-before
    # The ledger may be busy or locked, and an instance that starts in the place of another one
    # must not show less than that one did.
    for board in await parts.board.held():  # guard: start-shows-copy
        parts.hub.offer(board)
    async with parts.lifetime.begun():
        yield


async def _learn_revocations(parts: Parts) -> None:
    """Ask until PostgreSQL answers: longer than for a client. Raises LedgerUnavailable."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _START_SECONDS
    while True:
        try:
            return await parts.revocations.read()
        except LedgerUnavailable as error:
            is_over = isinstance(error, PostgresRefused) or loop.time() >= until
            if is_over:  # guard: start-asks-silent
                raise LedgerUnavailable(
                    "PostgreSQL did not say whose access tokens have ended, so none can be taken. "
                    "Start again when it answers."
                ) from error
        await asyncio.sleep(REST_SECONDS)  # so long nobody connects after a failure


async def _say_farewell(parts: Parts) -> None:
    """End the streams first: a server that waits for them never stops."""
    parts.health.leave()
    parts.hub.close(  # guard: streams-end-first
        "shutting_down", "This instance is shutting down. Reconnect: another one will answer."
    )
