"""What one process is made of: each part is made once, with what it needs, runs and is closed by.

Handlers find all parts under one key: `request.app[PARTS].hub`.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from typing import Any, Final, get_args

from aiohttp import web

from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.bans import read_bans
from scoreboard.accounts.first_sight import FirstSight
from scoreboard.accounts.follows import Follows
from scoreboard.accounts.page_log_ins import PageLogIns
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.registry import Accounts
from scoreboard.accounts.revocations import RevocationReader
from scoreboard.bus.broker import Pace
from scoreboard.bus.bus import Bus
from scoreboard.bus.messages import PURPOSE as BUS_PURPOSE
from scoreboard.bus.messages import Messages
from scoreboard.bus.rabbit import RabbitBus
from scoreboard.bus.slots import seconds_apart
from scoreboard.configuration.settings import RANK_CONNECTIONS, WATCH_CONNECTIONS, Settings
from scoreboard.configuration.signatures import Signatures
from scoreboard.connections.hosts import Hosts
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.redis import Redis
from scoreboard.connections.refusals import Refusals
from scoreboard.connections.server import Failure
from scoreboard.copies.board import CachedBoard
from scoreboard.copies.boards import Boards
from scoreboard.copies.copy import PURPOSE as COPY_PURPOSE
from scoreboard.copies.copy import RedisCopy
from scoreboard.copies.delivery import Delivery, noticed_after
from scoreboard.copies.questions import Questions, Silence, Truth
from scoreboard.copies.trust import Generations, Trust, settled_after
from scoreboard.errors import LedgerUnavailable
from scoreboard.keys.answered import Answered
from scoreboard.keys.keyring import KeyReader, Keyring
from scoreboard.keys.sealing import Seal
from scoreboard.ledger.definitions import Definitions
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.moderation import Moderation
from scoreboard.ledger.results import Results
from scoreboard.lifetime import Lifetime
from scoreboard.limits.leases import StreamLimiter
from scoreboard.limits.rates import RateLimiter
from scoreboard.live.announcer import Announcer
from scoreboard.live.hub import Hub
from scoreboard.live.relay import Relay
from scoreboard.live.turns import Turns
from scoreboard.model import MAIN, BoardId
from scoreboard.operations.health import Health, Part, effect
from scoreboard.operations.memory import Rush
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import OFF, Tracing
from scoreboard.operations.vitals import Vitals
from scoreboard.personal.export import PersonalData
from scoreboard.personal_streams.room import PersonalStreams
from scoreboard.ranks.keeping import Keeping
from scoreboard.ranks.ranks import Ranks
from scoreboard.scoring.board_orders import BoardOrders
from scoreboard.scoring.catalogue import Catalogue
from scoreboard.scoring.following import Following
from scoreboard.scoring.orders import Orders
from scoreboard.scoring.own_grants import OwnGrants
from scoreboard.scoring.places import Places
from scoreboard.scoring.players import Players
from scoreboard.scoring.results import ResultBatches
from scoreboard.scoring.standing import Standings
from scoreboard.scoring.submit import Submissions

# A comparison that comes a moment too early brings no trust.
_MOMENT_SECONDS: Final = 0.1
_PURGE_SECONDS: Final = 3600.0


class Parts:
    """Everything that one process is made of; nothing is connected before `lifetime` begins."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.lifetime = Lifetime(self.metrics)
        self.tracing = _tracing(settings, self.metrics)
        self.lifetime.close(self.tracing.close)
        # Each of these uses what was made before it.
        self._make_connections()
        self._make_boards()
        self._make_live()
        self._make_scoring()
        self._make_accounts()
        self._make_limits()
        self._make_operations()

    def _make_connections(self) -> None:
        settings, metrics = self.settings, self.metrics
        self.refusals, hosts = Refusals(), Hosts(settings.database_url)
        self.writers = self._postgres(hosts, settings.ledger_connections, "ledger")
        self.queries = self._postgres(hosts, settings.query_connections, "queries")
        # A crowd of clients, and what holds it up, keeps nobody waiting here: promise 5, readiness
        # and the end of access tokens do not depend on how many ask for their standing.
        self.watch = self._postgres(hosts, WATCH_CONNECTIONS, "watch")
        # A long ranking takes seconds to count, and those do not wait for it either.
        self.counters = self._postgres(hosts, RANK_CONNECTIONS, "ranks")
        self.redis = Redis(
            settings.redis_url,
            timeout_seconds=settings.redis_timeout_seconds,
            name=f"scoreboard.{settings.instance}",
            on_failure=lambda reason: metrics.redis_failures.labels(reason).inc(),
            on_repeat=metrics.redis_repeats.inc,
            on_connected=self._redis_connected,
            on_change=self._redis_changed,
            on_malformed=lambda what, values: metrics.redis_malformed.labels(what).inc(values),
        )
        self.lifetime.close(self.redis.close)

    def _make_boards(self) -> None:
        """The boards: the ledger, and its copies."""
        self.ledger = Ledger(self.writers, self.watch)  # guard: crowd-keeps-neither
        self.definitions = Definitions(self.queries)
        silence = Silence()
        self.truth = Truth(self.ledger, silence)
        make_copy = self._copies(silence)
        self.boards = Boards(
            self.ledger,
            Definitions(self.watch),
            make_copy,
            self.metrics,
            shown=lambda board_id: self.hub.newest(board_id),  # noqa: PLW0108 - it is made below
        )
        self.lifetime.close(self.boards.close)
        self.board = self.boards.main

    def _make_live(self) -> None:
        """Who hears of a board: streams, other instances, and who missed it."""
        settings, metrics = self.settings, self.metrics
        self.hub = Hub(  # guard: instance-shows-streams
            metrics,
            self.tracing,
            push_interval_seconds=settings.push_interval_seconds,
            heartbeat_seconds=settings.heartbeat_seconds,
            stuck_after_seconds=settings.stuck_after_seconds,
            copies=self.boards,  # guard: older-copy-not
        )
        self.lifetime.run("hub", self.hub.run)
        self.relay = Relay(
            self.truth,
            {"hub": self.hub, "redis": self.boards},
            metrics,
            interval_seconds=settings.reconcile_seconds,
            # A stream instance may change nothing.
            on_due=self._season_due if settings.takes_submissions else None,
        )
        self.lifetime.run("relay", self.relay.run)
        self.bus = self._bus()
        self.lifetime.run("bus", self.bus.run)
        self.lifetime.close(self.bus.flush)
        self.announcer = Announcer(self.hub, self.bus, self.boards, metrics)
        self.turns = Turns(self.ledger, self.announcer, metrics)
        self.lifetime.run("turns", self.turns.run)
        self.lifetime.close(self.turns.finish)

    def _copies(self, silence: Silence) -> Callable[[BoardId], CachedBoard]:
        """What makes the copy of a board. All of them see the same servers come and go."""
        settings = self.settings
        signatures = Signatures(settings.secrets, COPY_PURPOSE)
        timeout_seconds = settings.redis_timeout_seconds
        generations = Generations(settle_seconds=settled_after(timeout_seconds))
        noticed_seconds = noticed_after(settings.reconcile_seconds, timeout_seconds)
        delivery = Delivery(self.redis, noticed_seconds)
        return lambda board_id: CachedBoard(
            RedisCopy(self.redis, signatures, board_id),
            Questions(self.ledger, board_id, silence=silence),
            self.metrics,
            Trust(generations),
            delivery,
        )

    def _make_scoring(self) -> None:
        settings, metrics = self.settings, self.metrics
        following = Following(self.boards, self.announcer, metrics, on_due=self.turns.be_due)
        self.submissions = Submissions(self.ledger, following, metrics, settings, self.tracing)
        self.lifetime.close(self.submissions.close)  # guard: accepted-submissions-finished
        receipts = Results(self.writers, self.queries)
        self.results = ResultBatches(receipts, following, metrics, settings, self.tracing)
        self.lifetime.close(self.results.close)
        self.moderation = Moderation(self.writers)
        self.orders = Orders(self.moderation, self.announcer)
        self.lifetime.close(self.orders.close)
        self.ranks = Ranks(self.counters, metrics)  # guard: ranks-keep-neither
        self.lifetime.run("ranks", self.ranks.run)
        if settings.takes_submissions:  # a stream instance may write nothing
            # Others may have the same name, and would take themselves for the one that keeps.
            name = f"{settings.instance[:150]}/{secrets.token_hex(4)}"
            keeping = Keeping(self.counters, self.ranks, metrics, name=name)
            self.lifetime.run("keeping", keeping.run)
        self.catalogue = Catalogue(self.queries)
        self.places = Places(self.queries, self.ranks)
        self.standings = Standings(self.queries, self.places)
        self.own_grants = OwnGrants(self.queries)
        self.personal_streams = PersonalStreams(
            self.queries,
            self.places,
            self.ranks,
            self.boards.all,
            metrics,
            stuck_after_seconds=settings.stuck_after_seconds,
        )
        self.hub.attend(self.personal_streams)
        self.lifetime.run("personal_streams", self.personal_streams.run)
        self.lifetime.close(self.personal_streams.finish)

    def _make_accounts(self) -> None:
        settings, metrics = self.settings, self.metrics
        self.passwords = Passwords(on_overload=metrics.overloads.labels("passwords").inc)
        self.lifetime.close(self.passwords.close)
        self.access = AccessTokens(settings, metrics)
        self.accounts = Accounts(settings, self.queries, self.access, self.passwords, metrics)
        self.personal = PersonalData(self.queries)
        self.follows = Follows(self.queries)
        self.keyring = Keyring()
        keys = KeyReader(self.watch, self.keyring, Seal(settings.secrets), metrics)
        lists = {"bans": self._read_bans}  # guard: banned-instances-know
        of_writers = {
            "refused_names": lambda: self.accounts.users.refused.read(self.watch),
            "server_keys": keys.read,
        }
        self.revocations = RevocationReader(  # guard: crowd-not-keep
            self.watch,
            self.access.revocations,
            metrics,
            interval_seconds=settings.reconcile_seconds,
            lists=lists | of_writers if settings.takes_submissions else lists,
        )
        self.lifetime.run("revocations", self.revocations.run)
        refused = self.accounts.users.refused
        self.first_sight = FirstSight(self.queries, refused, metrics)
        self.answered = Answered(self.queries)
        self.board_orders = BoardOrders(self.definitions, self.announcer, self.answered)
        self.lifetime.close(self.board_orders.finish)
        self.players = Players(self.queries, self.first_sight, refused, self.orders, self.answered)
        providers, families = self.access.providers, self.accounts.families
        self.page_log_ins = PageLogIns(
            settings, self.queries, providers, self.first_sight, families
        )
        if settings.oidc_issuers:
            self.lifetime.close(self.access.providers.close)
            self.lifetime.run("providers", self.access.providers.run)
        if settings.takes_submissions:  # a stream instance may delete nothing
            self.lifetime.run("purge", self._purge)

    def _make_limits(self) -> None:
        settings, metrics, redis = self.settings, self.metrics, self.redis
        self.limiter = RateLimiter(redis, metrics)
        self.lifetime.close(self.limiter.close)
        instance = settings.instance
        self.streams = StreamLimiter(redis, instance, "address", settings.streams_per_ip, metrics)
        self.lifetime.close(self.streams.close)
        self.lifetime.run("streams", self.streams.run)
        self.rush = Rush()
        most = settings.streams_per_user
        self.user_streams = StreamLimiter(redis, instance, "user", most, metrics)
        self.lifetime.close(self.user_streams.close)
        self.lifetime.run("user_streams", self.user_streams.run)

    def _make_operations(self) -> None:
        settings, metrics = self.settings, self.metrics
        name, role, servers = settings.instance, settings.role, self._servers()
        self.health = Health(name, role, lambda: self.hub.version(MAIN), servers, metrics)
        self.lifetime.run("health", self.health.run)
        metrics.subscribers_max.set(settings.subscribers_max if settings.serves_streams else 0)
        self.vitals = Vitals(
            metrics,
            instance=name,
            role=role,
            postgres={
                "ledger": self.writers,
                "queries": self.queries,
                "watch": self.watch,
                "ranks": self.counters,
            },
            redis=self.redis.pool,
            submissions_waiting=lambda: self.submissions.waiting,
        )
        self.lifetime.run("vitals", self.vitals.run)

    def _postgres(self, hosts: Hosts, sessions: int, pool: str) -> Postgres:
        settings, metrics = self.settings, self.metrics
        failures = {
            reason: metrics.postgres_failures.labels(pool, reason) for reason in get_args(Failure)
        }
        made = Postgres(
            hosts,
            sessions=sessions,
            timeout_seconds=settings.database_timeout_seconds,
            name=f"scoreboard.{settings.instance}.{pool}",
            on_wait=metrics.postgres_wait_seconds.labels(pool).observe,
            on_failure=lambda reason: failures[reason].inc(),
            on_refusal=self.refusals.note,
            on_abandoned=metrics.postgres_abandoned.labels(pool).inc,
        )
        self.lifetime.close(made.finish)
        return made

    def _bus(self) -> Bus:
        settings = self.settings
        if not settings.amqp_url:
            return Bus()
        return RabbitBus(
            settings.amqp_url,
            Messages(Signatures(settings.secrets, BUS_PURPOSE), settings.instance),
            self.hub,
            self.relay.compare_now,
            self.metrics,
            self.tracing,
            publishes=settings.takes_submissions,
            pace=Pace(
                settings.publish_timeout_seconds,
                apart_seconds=seconds_apart(settings.push_interval_seconds),
            ),
        )

    def _servers(self) -> list[Part]:
        """What readiness tells of, each with what it refused of late."""
        writes, bus = self.settings.takes_submissions, self.bus

        def part(name: str, probe: Callable[[], Any], refused: Callable[[], str]) -> Part:
            return Part(name, effect(name, takes_submissions=writes), probe, refused)

        parts = [
            part("postgresql", self.ledger.version, lambda: self.refusals.recent),
            part("redis", self.redis.ping, lambda: self.redis.refused),
        ]
        if isinstance(bus, RabbitBus):

            async def bus_is_connected() -> None:
                if not bus.connected:
                    raise ConnectionError(bus.refused)

            parts.append(part("rabbitmq", bus_is_connected, lambda: bus.refused))
        return parts

    async def _read_bans(self) -> None:
        self.access.revocations.take_bans(await read_bans(self.watch))

    def _season_due(self) -> None:
        """The relay tells of it, which is made before the turns: their announcer needs the bus."""
        self.turns.be_due()

    def _redis_connected(self) -> None:
        """It may have come back with an older board, and may be trusted once it has settled."""
        self.relay.compare_now()
        settled_seconds = settled_after(self.settings.redis_timeout_seconds) + _MOMENT_SECONDS
        # guard: redis-came-back
        asyncio.get_running_loop().call_later(settled_seconds, self.relay.compare_now)

    def _redis_changed(self) -> None:
        self.health.probe_now("redis")  # guard: readiness-knows-once
        self._redis_connected()

    async def _purge(self) -> None:
        while True:
            await asyncio.sleep(_PURGE_SECONDS)
            with contextlib.suppress(LedgerUnavailable):  # then the next hour's finds more
                await self.accounts.families.purge()
                await self.definitions.purge()
                await self.answered.purge()


PARTS: Final = web.AppKey("parts", Parts)


def _tracing(settings: Settings, metrics: Metrics) -> Tracing:
    if not settings.otlp_endpoint:
        return OFF
    from scoreboard.operations.otlp import OtlpRecorder  # brings OpenTelemetry, half a second of it

    recorder = OtlpRecorder(settings.otlp_endpoint, settings.instance, settings.role, metrics)
    return Tracing(recorder, settings.trace_sample_ratio)
