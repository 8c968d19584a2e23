"""What one process is made of: every part is made here, with the collaborators that it needs.

`app` puts them behind the routes, starts and ends them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, get_args

from scoreboard.account_parts import make_access_tokens, make_accounts
from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.registry import Accounts
from scoreboard.accounts.revocations import RevocationReader
from scoreboard.bus.broker import Pace
from scoreboard.bus.bus import Bus, LocalBus
from scoreboard.bus.messages import PURPOSE as BUS_PURPOSE
from scoreboard.bus.messages import Messages
from scoreboard.bus.rabbit import RabbitBus
from scoreboard.configuration.settings import WATCH_CONNECTIONS, Settings
from scoreboard.configuration.signatures import Signatures
from scoreboard.connections.hosts import Hosts
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.redis import Redis
from scoreboard.connections.redis_presence import REST_SECONDS
from scoreboard.connections.refusals import Refusals
from scoreboard.connections.server import Failure
from scoreboard.copies.board import CachedBoard
from scoreboard.copies.copy import PURPOSE as COPY_PURPOSE
from scoreboard.copies.copy import RedisCopy
from scoreboard.copies.questions import Questions
from scoreboard.copies.trust import SETTLE_SECONDS, Trust
from scoreboard.ledger.ledger import Ledger
from scoreboard.limits.leases import StreamLimiter
from scoreboard.limits.rates import RateLimiter
from scoreboard.live.hub import Hub
from scoreboard.live.relay import Relay
from scoreboard.model import MAIN
from scoreboard.operations.health import Health, Part, effect
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import OFF, Tracing
from scoreboard.operations.vitals import Vitals
from scoreboard.scoring.catalogue import Catalogue
from scoreboard.scoring.standing import Standings
from scoreboard.scoring.submit import Submissions

# A comparison that comes a moment too early brings no trust.
_SETTLED_SECONDS: Final = SETTLE_SECONDS + 0.1


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that one process is made of."""

    settings: Settings
    metrics: Metrics
    tracing: Tracing
    writers: Postgres
    queries: Postgres
    watch: Postgres
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
    revocations: RevocationReader
    limiter: RateLimiter
    streams: StreamLimiter
    user_streams: StreamLimiter
    health: Health
    vitals: Vitals


def assemble(settings: Settings) -> Parts:
    """Make the parts, each with the collaborators that it needs."""
    metrics = Metrics()
    spans = _tracing(settings, metrics)
    hosts, refusals = Hosts(settings.database_url), Refusals()
    writers = _postgres(hosts, settings, settings.ledger_connections, "ledger", metrics, refusals)
    queries = _postgres(hosts, settings, settings.query_connections, "queries", metrics, refusals)
    # A crowd of clients, and what holds it up, keeps nobody waiting here: promise 5, readiness and
    # the end of access tokens do not depend on how many ask for their standing.
    watch = _postgres(hosts, settings, WATCH_CONNECTIONS, "watch", metrics, refusals)

    def redis_connected() -> None:
        """It may have come back with an older board, and may be trusted once it has settled."""
        relay.compare_now()
        asyncio.get_running_loop().call_later(_SETTLED_SECONDS, relay.compare_now)

    def redis_changed() -> None:
        health.probe_now("redis")
        redis_connected()

    redis = Redis(
        settings.redis_url,
        timeout_seconds=settings.redis_timeout_seconds,
        name=f"scoreboard.{settings.instance}",
        on_failure=lambda reason: metrics.redis_failures.labels(reason).inc(),
        on_repeat=metrics.redis_repeats.inc,
        on_connected=redis_connected,
        on_change=redis_changed,
        on_malformed=lambda what, values: metrics.redis_malformed.labels(what).inc(values),
    )
    ledger = Ledger(writers, watch)
    copy = RedisCopy(redis, Signatures(settings.secrets, COPY_PURPOSE))
    questions = Questions(ledger)
    board = CachedBoard(
        copy,
        questions,
        metrics,
        Trust(),
        noticed_seconds=settings.reconcile_seconds + REST_SECONDS,
    )
    hub = Hub(
        metrics,
        spans,
        on_newer={MAIN: board.notice},
        push_interval_seconds=settings.push_interval_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        stuck_after_seconds=settings.stuck_after_seconds,
    )
    relay = Relay(
        questions,
        {"hub": hub, "redis": board},
        metrics,
        interval_seconds=settings.reconcile_seconds,
    )
    bus = _bus(settings, metrics, spans, hub, relay.compare_now)
    submissions = Submissions(ledger, {MAIN: board}, hub, bus, metrics, settings, spans)
    passwords = Passwords(on_overload=metrics.overloads.labels("passwords").inc)
    access = make_access_tokens(settings, metrics)
    revoked = access.revocations
    limiter = RateLimiter(redis, metrics, board.vouched)
    health = Health(
        settings.instance,
        settings.role,
        lambda: hub.version(MAIN),
        _dependencies(settings, ledger, refusals, redis, bus),
        metrics,
    )
    return Parts(
        settings=settings,
        metrics=metrics,
        tracing=spans,
        writers=writers,
        queries=queries,
        watch=watch,
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
        accounts=make_accounts(settings, queries, access, passwords, metrics),
        revocations=RevocationReader(
            watch, revoked, metrics, interval_seconds=settings.reconcile_seconds
        ),
        limiter=limiter,
        streams=StreamLimiter(
            redis, settings.instance, "address", settings.streams_per_ip, metrics
        ),
        user_streams=StreamLimiter(
            redis, settings.instance, "user", settings.streams_per_user, metrics
        ),
        health=health,
        vitals=_vitals(
            settings, metrics, {"ledger": writers, "queries": queries, "watch": watch}, redis
        ),
    )


def _postgres(
    hosts: Hosts,
    settings: Settings,
    sessions: int,
    pool: str,
    metrics: Metrics,
    refusals: Refusals,
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
        on_refusal=refusals.note,
        on_abandoned=metrics.postgres_abandoned.labels(pool).inc,
    )


def _vitals(
    settings: Settings, metrics: Metrics, postgres: dict[str, Postgres], redis: Redis
) -> Vitals:
    metrics.subscribers_max.set(settings.subscribers_max if settings.serves_streams else 0)
    return Vitals(
        metrics, instance=settings.instance, role=settings.role, postgres=postgres, redis=redis
    )


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
    hub: Hub,
    on_connected: Callable[[], None],
) -> Bus:
    if not settings.amqp_url:
        return LocalBus()
    return RabbitBus(
        settings.amqp_url,
        Messages(Signatures(settings.secrets, BUS_PURPOSE), settings.instance),
        hub,
        on_connected,
        metrics,
        spans,
        publishes=settings.takes_submissions,
        pace=Pace(settings.publish_timeout_seconds),
    )


def _dependencies(
    settings: Settings, ledger: Ledger, refusals: Refusals, redis: Redis, bus: Bus
) -> list[Part]:
    async def bus_is_connected() -> None:
        if not bus.connected:
            raise ConnectionError(bus.refused)

    probes: dict[str, Callable[[], Awaitable[object]]] = {
        "postgresql": ledger.version,
        "redis": redis.ping,
    }
    if isinstance(bus, RabbitBus):
        probes["rabbitmq"] = bus_is_connected
    writes = settings.takes_submissions
    parts = {
        name: Part(name, effect(name, takes_submissions=writes), probe)
        for name, probe in probes.items()
    }
    parts["postgresql"].refused = lambda: refusals.recent
    parts["redis"].refused = lambda: redis.refused
    if "rabbitmq" in parts:
        parts["rabbitmq"].refused = lambda: bus.refused
    return list(parts.values())
