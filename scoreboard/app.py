"""Puts the parts together, in the order in which a submission meets them, and takes them apart
again.

Start: the parts, a look at the schema, background tasks; each connection is made when it is needed.
End (SIGTERM): not ready, but serving for a while; then no new connections, streams end with a
farewell, what was accepted is finished, the bus sends what it holds, tasks end, connections close.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, get_args

import structlog
from aiohttp import web

from scoreboard import keys, migrations
from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.registry import Accounts
from scoreboard.api import limits, middleware, tracing
from scoreboard.api.connection import Runner
from scoreboard.api.docs import add_docs
from scoreboard.api.leases import StreamLimiter
from scoreboard.api.origins import allow_origins
from scoreboard.api.rates import RateLimiter
from scoreboard.api.replies import BODY_MAX_BYTES
from scoreboard.api.routes import add_routes
from scoreboard.connections.hosts import Hosts
from scoreboard.connections.postgres import Failure, Postgres
from scoreboard.connections.redis import Redis
from scoreboard.errors import LedgerUnavailable
from scoreboard.live.bus import Bus, LocalBus
from scoreboard.live.hub import Hub
from scoreboard.live.rabbit import RabbitBus
from scoreboard.live.relay import Relay
from scoreboard.operations.health import Health, Part, effect
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import OFF, Tracing
from scoreboard.operations.vitals import Vitals
from scoreboard.scoring.board import CachedBoard
from scoreboard.scoring.catalogue import Catalogue
from scoreboard.scoring.ledger import Ledger
from scoreboard.scoring.model import Board, Origin
from scoreboard.scoring.standing import Standings
from scoreboard.scoring.submit import Submissions
from scoreboard.settings import Settings

log = structlog.get_logger("scoreboard.app")

# Longer than the 60 s after which most load balancers drop an idle connection.
_KEEPALIVE_SECONDS: Final = 75.0
_PURGE_SECONDS: Final = 3600.0
_CRASH_PAUSE_SECONDS: Final = 1.0
_COLLECT_AFTER: Final = 20_000  # objects made and not freed; Python's default is 700


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that one process is made of."""

    settings: Settings
    metrics: Metrics
    tracing: Tracing
    writers: Postgres
    queries: Postgres
    redis: Redis
    ledger: Ledger
    board: CachedBoard
    bus: Bus
    hub: Hub
    relay: Relay
    submissions: Submissions
    catalogue: Catalogue
    standings: Standings
    passwords: Passwords
    access: AccessTokens
    accounts: Accounts
    limiter: RateLimiter
    streams: StreamLimiter
    user_streams: StreamLimiter
    health: Health
    vitals: Vitals


def create_app(settings: Settings) -> web.Application:
    """Build the application; nothing is connected before it starts."""
    parts = assemble(settings)
    traced = [tracing.trace] if parts.tracing.on else []
    app = web.Application(
        middlewares=[middleware.observe, *traced, middleware.envelope, limits.limit],
        client_max_size=BODY_MAX_BYTES,
    )
    _publish_parts(app, parts)
    add_routes(app.router, settings)
    add_docs(app)
    app.on_response_prepare.append(middleware.write_headers)
    app.on_response_prepare.append(limits.write_limits)
    allow_origins(app)
    app.cleanup_ctx.append(lambda _: _running(parts))
    app.on_shutdown.append(lambda _: _farewell(parts))
    return app


def assemble(settings: Settings) -> Parts:
    """Make the parts, each with the collaborators that it needs."""
    metrics = Metrics()
    spans = _tracing(settings, metrics)
    hosts = Hosts(settings.database_url)
    writers = _postgres(hosts, settings, settings.ledger_connections, "ledger", metrics)
    queries = _postgres(hosts, settings, settings.query_connections, "queries", metrics)
    redis = Redis(
        settings.redis_url,
        timeout_seconds=settings.redis_timeout_seconds,
        name=f"scoreboard.{settings.instance}",
        on_failure=lambda reason: metrics.redis_failures.labels(reason).inc(),
    )
    ledger = Ledger(writers, queries)
    board = CachedBoard(redis, ledger, metrics)
    hub = Hub(
        metrics,
        push_interval_seconds=settings.push_interval_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        stuck_after_seconds=settings.stuck_after_seconds,
        tracing=spans,
    )
    relay = Relay(
        ledger, {"hub": hub, "redis": board}, metrics, interval_seconds=settings.reconcile_seconds
    )
    on_board = _to_all(hub.offer, lambda new, _: board.notice(new))
    bus = _bus(settings, metrics, spans, on_board, relay.hurry)
    submissions = Submissions(ledger, board, hub.offer, bus, metrics, settings, spans)
    passwords = Passwords(on_overload=metrics.overloads.labels("passwords").inc)
    access = AccessTokens(settings)
    return Parts(
        settings=settings,
        metrics=metrics,
        tracing=spans,
        writers=writers,
        queries=queries,
        redis=redis,
        ledger=ledger,
        board=board,
        bus=bus,
        hub=hub,
        relay=relay,
        submissions=submissions,
        catalogue=Catalogue(queries),
        standings=Standings(queries),
        passwords=passwords,
        access=access,
        accounts=Accounts(queries, access, passwords, settings),
        limiter=RateLimiter(redis, metrics, board.vouched),
        streams=StreamLimiter(
            redis, settings.instance, "address", settings.streams_per_ip, metrics
        ),
        user_streams=StreamLimiter(
            redis, settings.instance, "user", settings.streams_per_user, metrics
        ),
        health=Health(
            settings.instance,
            settings.role,
            lambda: hub.version,
            _dependencies(settings, ledger, redis, bus),
            metrics,
        ),
        vitals=_vitals(settings, metrics, {"ledger": writers, "queries": queries}, redis),
    )


async def serve(
    settings: Settings,
    on_listening: Callable[[str], None] = lambda _: None,
    *,
    reuse_port: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT; then end in order. Processes that all say `reuse_port` share
    one port. Raises OSError when somebody else has it.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _allow_files()
    app = create_app(settings)
    runner = make_runner(app, settings)
    try:
        await runner.setup()
        site = web.TCPSite(
            runner, settings.host, settings.port, backlog=4096, reuse_port=reuse_port or None
        )
        await site.start()
        host, port = runner.addresses[0][:2]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        _settle_memory()
        log.info("scoreboard.app.listening", address=address, role=settings.role)
        on_listening(address)
        await stop.wait()
        log.info("scoreboard.app.stopping")
        app[keys.HEALTH].leave()
        await asyncio.sleep(settings.drain_seconds)
    finally:
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
        shutdown_timeout=settings.shutdown_seconds,
    )


@contextlib.asynccontextmanager
async def _running(parts: Parts) -> AsyncIterator[None]:
    """Start the background tasks; at the end finish what was accepted, then stop them."""
    await _check_schema(parts.settings)
    work: dict[str, Callable[[], Awaitable[None]]] = {
        "hub": parts.hub.run,
        "relay": parts.relay.run,
        "bus": parts.bus.run,
        "streams": parts.streams.run,
        "user_streams": parts.user_streams.run,
        "health": parts.health.run,
        "vitals": parts.vitals.run,
        "purge": lambda: _purge(parts.accounts),
    }
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
    for part in (parts.board, parts.limiter, parts.streams, parts.user_streams):
        await part.close()
    parts.passwords.close()
    parts.writers.close()
    parts.queries.close()
    await parts.redis.close()
    await parts.tracing.close()


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


async def _check_schema(settings: Settings) -> None:
    """Refuse to serve on an older schema. Raises MigrationError, also when PostgreSQL is away."""
    missing = await asyncio.to_thread(migrations.pending, settings.database_url)
    if missing:
        raise migrations.MigrationError(
            f"The database lacks {', '.join(missing)}. Bring it up to date: scoreboard migrate"
        )


async def _purge(accounts: Accounts) -> None:
    while True:
        await asyncio.sleep(_PURGE_SECONDS)
        with contextlib.suppress(LedgerUnavailable):  # then the next hour's finds more
            await accounts.purge()


def _postgres(
    hosts: Hosts, settings: Settings, sessions: int, pool: str, metrics: Metrics
) -> Postgres:
    failures = {
        reason: metrics.postgres_failures.labels(pool, reason) for reason in get_args(Failure)
    }
    return Postgres(
        hosts,
        sessions=sessions,
        timeout_seconds=settings.database_timeout_seconds,
        name=f"scoreboard.{settings.instance}.{pool}",
        on_wait=metrics.postgres_wait_seconds.labels(pool).observe,
        on_failure=lambda reason: failures[reason].inc(),
    )


def _vitals(
    settings: Settings, metrics: Metrics, postgres: dict[str, Postgres], redis: Redis
) -> Vitals:
    metrics.subscribers_max.set(settings.subscribers_max if settings.serves_streams else 0)
    return Vitals(
        metrics, instance=settings.instance, role=settings.role, postgres=postgres, redis=redis
    )


_Listener = Callable[[Board, Origin | None], None]


def _to_all(*listeners: _Listener) -> _Listener:
    def tell(board: Board, origin: Origin | None) -> None:
        for listener in listeners:
            listener(board, origin)

    return tell


def _tracing(settings: Settings, metrics: Metrics) -> Tracing:
    if not settings.otlp_endpoint:
        return OFF
    from scoreboard.operations.otlp import OtlpRecorder  # brings OpenTelemetry, half a second of it

    recorder = OtlpRecorder(settings.otlp_endpoint, settings.instance, settings.role, metrics)
    return Tracing(recorder, settings.trace_sample_ratio)


def _bus(
    settings: Settings,
    metrics: Metrics,
    spans: Tracing,
    on_board: _Listener,
    on_connected: Callable[[], None],
) -> Bus:
    if not settings.amqp_url:
        return LocalBus()
    return RabbitBus(
        settings.amqp_url,
        settings.instance,
        metrics,
        publish_timeout_seconds=settings.publish_timeout_seconds,
        publishes=settings.takes_submissions,
        on_board=on_board,
        on_connected=on_connected,
        tracing=spans,
    )


def _dependencies(settings: Settings, ledger: Ledger, redis: Redis, bus: Bus) -> list[Part]:
    async def bus_is_connected() -> None:
        if not bus.connected:
            raise ConnectionError

    probes: dict[str, Callable[[], Awaitable[object]]] = {
        "postgresql": ledger.version,
        "redis": redis.ping,
    }
    if isinstance(bus, RabbitBus):
        probes["rabbitmq"] = bus_is_connected
    writes = settings.takes_submissions
    return [
        Part(name, effect(name, takes_submissions=writes), probe) for name, probe in probes.items()
    ]


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
