"""The application: the parts (`parts`) behind their routes, started, kept running and ended.

Start: the parts, a look at PostgreSQL (`fitness`), background tasks; connections are made when they
are needed.
End (SIGTERM): not ready, but serving for a while; then no new connections, streams end with a
farewell, what was accepted is finished, the bus sends what it holds, tasks end, connections close.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import structlog
from aiohttp import web

from scoreboard import keys
from scoreboard.accounts.registry import Accounts
from scoreboard.api.docs.pages import add_docs
from scoreboard.api.http import limits, middleware, tracing
from scoreboard.api.http.connection import Runner
from scoreboard.api.http.listening import http_address, listening_sockets
from scoreboard.api.http.origins import allow_origins
from scoreboard.api.http.replies import BODY_MAX_BYTES
from scoreboard.api.http.site import Site
from scoreboard.api.leaderboard import ANSWERS, BoardAnswers
from scoreboard.api.routes import add_routes
from scoreboard.configuration.settings import Settings
from scoreboard.connections.cancellation import unless_set
from scoreboard.errors import LedgerUnavailable
from scoreboard.fitness import statements as fitness
from scoreboard.operations.endings import ending_signals
from scoreboard.operations.metrics import Metrics
from scoreboard.parts import Parts, assemble

log = structlog.get_logger("scoreboard.app")

# Longer than the 60 s after which most load balancers drop an idle connection.
_KEEPALIVE_SECONDS: Final = 75.0
_PURGE_SECONDS: Final = 3600.0
_CRASH_PAUSE_SECONDS: Final = 1.0
_COLLECT_AFTER: Final = 20_000  # objects made and not freed; Python's default is 700


def create_app(settings: Settings) -> web.Application:
    """Build the application; nothing is connected before it starts."""
    parts = assemble(settings)
    traced = [tracing.trace] if parts.tracing.on else []
    app = web.Application(
        middlewares=[middleware.observe, *traced, middleware.envelope, limits.limit],
        client_max_size=BODY_MAX_BYTES,
    )
    _publish_parts(app, parts)
    app[ANSWERS] = BoardAnswers(settings)
    add_routes(app.router, settings)
    add_docs(app)
    app.on_response_prepare.append(middleware.write_headers)
    app.on_response_prepare.append(limits.write_limits)
    allow_origins(app)
    app.cleanup_ctx.append(lambda _: _running(parts))
    app.on_shutdown.append(lambda _: _farewell(parts))
    return app


Attend = Callable[[Sequence[socket.socket]], None]


class Supervisor(Protocol):
    """Who hands this process its sockets, where several have one port (`processes.lifeline`)."""

    async def serve(self, attend: Attend, becomes_ready: Callable[[], Awaitable[None]]) -> None:
        """Tell it that we are up, and then that we are ready; attend the sockets that it hands us,
        until cancelled.
        """

    def leave(self) -> None:
        """Tell it that we let nobody in any more."""


async def serve(
    settings: Settings,
    on_listening: Callable[[str], None] = lambda _: None,
    *,
    supervisor: Supervisor | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or the end of the terminal; then end in order. Raises OSError
    when somebody else has the port.
    """
    stop = asyncio.Event()
    for number in ending_signals():
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _allow_files()
    app = create_app(settings)
    health = app[keys.HEALTH]
    runner = make_runner(app, settings)
    try:
        await unless_set(stop, runner.setup())
        if stop.is_set():
            return
        site = Site(runner)
        await site.start()
        _settle_memory()
        port = settings.port
        if supervisor is None:
            site.attend(listening_sockets(settings.host, port))
            port = site.sockets[0].getsockname()[1]
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
            await asyncio.sleep(settings.drain_seconds)
        else:  # our successor has them
            health.be_succeeded()
    finally:
        if supervisor is not None:
            supervisor.leave()
        await runner.cleanup()


def _allow_files() -> None:
    """Raise the limit on open files as far as we may: the usual 1,024 would end the streams at a
    fifteenth of `subscribers_max`. Past the limit new connections are closed at once.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS says "unlimited" and takes less
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _settle_memory() -> None:
    """Keep the garbage collector from looking again and again at what stays until the end: modules,
    and one open stream after the other. What a request leaves behind is mostly freed by counting
    references, so looking less often costs little memory.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 50, 100)


def make_runner(app: web.Application, settings: Settings) -> web.AppRunner:
    """The runner that the application is made for: a handler is cancelled when its client leaves,
    which is how a stream notices; what must be finished runs in tasks of its own.
    """
    return Runner(
        app,
        handler_cancellation=True,
        access_log=None,  # `middleware.observe` logs; aiohttp's own one halves the throughput
        keepalive_timeout=_KEEPALIVE_SECONDS,
        read_bufsize=BODY_MAX_BYTES,  # what is kept of a body until somebody reads it
        # aiohttp waits so long twice: for the handler, then for the answer to be read.
        shutdown_timeout=settings.shutdown_seconds / 2,
    )


@contextlib.asynccontextmanager
async def _running(parts: Parts) -> AsyncIterator[None]:
    """Start the background tasks; at the end finish what was accepted, then stop them."""
    await fitness.require(parts.settings.database_url, parts.settings.role)
    await _learn_revocations(parts)
    await _show_copy(parts)
    work: dict[str, Callable[[], Awaitable[None]]] = {
        "hub": parts.hub.run,
        "relay": parts.relay.run,
        "revocations": parts.revocations.run,
        "bus": parts.bus.run,
        "streams": parts.streams.run,
        "user_streams": parts.user_streams.run,
        "health": parts.health.run,
        "vitals": parts.vitals.run,
    }
    if parts.settings.takes_submissions:  # a stream instance may delete nothing
        work["purge"] = lambda: _purge(parts.accounts)
    tasks = [
        asyncio.create_task(_keep_running(name, run, parts.metrics), name=name)
        for name, run in work.items()
    ]
    try:
        yield
    finally:
        await parts.submissions.close()
        await parts.bus.flush()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _disconnect(parts)


async def _disconnect(parts: Parts) -> None:
    """Close every part, also when another one could not be closed: the last pushed is the first."""
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(parts.tracing.close)
        stack.push_async_callback(parts.redis.close)
        stack.callback(parts.passwords.close)
        for pool in (parts.watch, parts.queries, parts.writers):
            stack.push_async_callback(pool.finish)
        for part in (parts.user_streams, parts.streams, parts.limiter, parts.board):
            stack.push_async_callback(part.close)


async def _farewell(parts: Parts) -> None:
    """End the streams first: a server that waits for them never stops."""
    parts.health.leave()
    parts.hub.close(
        "shutting_down", "This instance is shutting down. Reconnect: another one will answer."
    )


async def _keep_running(name: str, run: Callable[[], Awaitable[None]], metrics: Metrics) -> None:
    """Run a background task again when a defect of ours ended it; it is logged and counted."""
    crashes = metrics.task_crashes.labels(
        name
    )  # shown as 0 from the start: a rise from there is seen
    while True:
        try:
            return await run()
        except Exception:
            crashes.inc()
            log.exception("scoreboard.app.task_crashed", task=name)
            await asyncio.sleep(_CRASH_PAUSE_SECONDS)


async def _learn_revocations(parts: Parts) -> None:
    """Know whose access tokens have ended before the first one is taken. Raises
    LedgerUnavailable.
    """
    try:
        await parts.revocations.read()
    except LedgerUnavailable as error:
        raise LedgerUnavailable(
            "PostgreSQL did not say whose access tokens have ended, so none can be taken. "
            "Start again when it answers."
        ) from error


async def _show_copy(parts: Parts) -> None:
    """Have the board that lies in Redis to show, until the ledger was asked: it may be busy, or
    locked, and whoever starts in the place of another one had a board.
    """
    for board in await parts.board.held():
        parts.hub.offer(board)


async def _purge(accounts: Accounts) -> None:
    while True:
        await asyncio.sleep(_PURGE_SECONDS)
        with contextlib.suppress(LedgerUnavailable):  # then the next hour's finds more
            await accounts.purge()


def _publish_parts(app: web.Application, parts: Parts) -> None:
    found: dict[web.AppKey[Any], Any] = {
        keys.SETTINGS: parts.settings,
        keys.METRICS: parts.metrics,
        keys.TRACING: parts.tracing,
        keys.ACCESS: parts.access,
        keys.ACCOUNTS: parts.accounts,
        keys.SUBMISSIONS: parts.submissions,
        keys.CATALOGUE: parts.catalogue,
        keys.STANDINGS: parts.standings,
        keys.BOARD: parts.board,
        keys.BUS: parts.bus,
        keys.HUB: parts.hub,
        keys.LIMITER: parts.limiter,
        keys.STREAMS: parts.streams,
        keys.USER_STREAMS: parts.user_streams,
        keys.HEALTH: parts.health,
    }
    for key, part in found.items():
        app[key] = part
