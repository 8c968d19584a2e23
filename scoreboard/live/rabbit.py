"""The border to RabbitMQ: a fanout exchange carries each new board to every instance.

`publish` never waits and never fails: it puts the board into a slot (`live.slot`), and a task
publishes what the slot holds until the broker confirms it. So a broker that is away costs one board
of memory, and the first thing it gets on return is the newest.

Consuming, each connection declares a fresh exclusive queue, for after a half-open connection the
broker still holds the old name (docs/decisions/0004). What the gap lost, `on_connected` makes the
relay re-read.

Of several brokers, each connection takes the next one, in an order of its own, so that instances
spread over a cluster and leave a node that is lost.

Bounds: queue length 64, oldest dropped first (any later board replaces them); messages are
transient and expire after a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Final

import aio_pika
import structlog
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractQueue,
    HeadersType,
)
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import AMQPError as AiormqError

from scoreboard.connections.cancellation import raise_if_cancelled
from scoreboard.live.bus import addresses
from scoreboard.live.messages import EVENT_TYPE, EXCHANGE, attributes_of, headers_of, origin_in
from scoreboard.live.slot import Slot
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import OFF, Tracing
from scoreboard.scoring.model import Board, Origin

log = structlog.get_logger("scoreboard.bus")

_QUEUE_LENGTH: Final = 64
_MESSAGE_LIFE: Final = timedelta(minutes=1)
_CONNECT_SECONDS: Final = 5
_HEARTBEAT_SECONDS: Final = 5
# The binding is asserted this often: somebody may delete it, or the exchange, in the management UI.
_ASSERT_SECONDS: Final = 5
_FLUSH_SECONDS: Final = 1.0
_BACKOFF_FIRST_SECONDS: Final = 0.1
_BACKOFF_LAST_SECONDS: Final = 2.0

# What aio-pika and aiormq raise when the broker is away, refuses, or closes on us.
_BROKER_ERRORS: Final = (
    AMQPError,
    AiormqError,
    OSError,
    TimeoutError,
    RuntimeError,
    asyncio.InvalidStateError,
)


class RabbitBus:
    """The bus of several instances. `on_board` gets each board that arrives, `on_connected` is told
    of each new connection that consumes; without `on_board` this instance only publishes.
    """

    def __init__(
        self,
        url: str,
        instance: str,
        metrics: Metrics,
        *,
        publish_timeout_seconds: float,
        publishes: bool = True,
        on_board: Callable[[Board, Origin | None], None] | None = None,
        on_connected: Callable[[], None] = lambda: None,
        tracing: Tracing = OFF,
    ) -> None:
        self._tracing = tracing
        self._addresses = addresses(url)
        if not self._addresses:
            raise ValueError("the address of RabbitMQ cannot be read")
        self._instance = instance
        self._metrics = metrics
        self._publish_timeout_seconds = publish_timeout_seconds
        self._publishes = publishes
        self._on_board = on_board
        self._on_connected = on_connected
        self._slot = Slot(metrics, tracing)
        self._sides_up: dict[str, bool] = {}
        self._lost: set[str] = set()
        self._numbers = itertools.count(1)

    @property
    def connected(self) -> bool:
        """Whether boards get through on each side that this instance has."""
        return bool(self._sides_up) and all(self._sides_up.values())

    def publish(self, board: Board, origin: Origin | None = None) -> None:
        """Put the board into the slot, unless it holds a newer one."""
        self._slot.put(board, origin)

    async def flush(self) -> None:
        """Wait until the broker confirmed what was published, but not for long: the other instances
        notice by the version what they missed.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._slot.emptied()

    async def run(self) -> None:
        """Publish and consume until cancelled; reconnect whenever the broker is lost."""
        async with asyncio.TaskGroup() as tasks:
            if self._publishes:
                tasks.create_task(self._stay_connected("publish", self._publish_from_slot))
            if self._on_board is not None:
                tasks.create_task(self._stay_connected("consume", self._consume))

    async def _stay_connected(
        self,
        side: str,
        work: Callable[[AbstractConnection, Callable[[], None]], Awaitable[None]],
    ) -> None:
        backoff = _BACKOFF_FIRST_SECONDS
        brokers = random.sample(self._addresses, len(self._addresses))
        self._note_down(side)
        for broker in itertools.cycle(brokers):
            began = time.monotonic()
            try:
                async with self._connection(side, broker) as connection:
                    await work(connection, partial(self._note_up, side, broker))
            # Who waits for a broker that was silent for too long gets a cancellation from aiormq
            # that nobody asked for; unnoticed it would end this side for good.
            except (*_BROKER_ERRORS, asyncio.CancelledError) as error:
                raise_if_cancelled()
                self._note_lost(side, error)
            if time.monotonic() - began > _BACKOFF_LAST_SECONDS:  # else it may never have worked
                backoff = _BACKOFF_FIRST_SECONDS
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load
            backoff = min(backoff * 2, _BACKOFF_LAST_SECONDS)

    @contextlib.asynccontextmanager
    async def _connection(self, side: str, broker: str) -> AsyncIterator[AbstractConnection]:
        async with asyncio.timeout(_CONNECT_SECONDS):
            connection = await aio_pika.connect(
                broker,
                heartbeat=_HEARTBEAT_SECONDS,
                client_properties={"connection_name": f"scoreboard.{self._instance}.{side}"},
            )
        self._metrics.bus_connects.labels(side).inc()
        try:
            yield connection
        finally:
            self._note_down(side)
            with contextlib.suppress(*_BROKER_ERRORS):
                async with asyncio.timeout(1):  # a frozen broker answers no goodbye
                    await connection.close()

    def _note_up(self, side: str, broker: str) -> None:
        """A connection alone carries nothing: what is sent before a queue is bound is lost."""
        self._sides_up[side] = True
        self._metrics.bus_connected.labels(side).set(1)
        self._lost.discard(side)
        log.info("scoreboard.bus.connected", side=side, broker=broker.rpartition("@")[2])

    def _note_down(self, side: str) -> None:
        self._sides_up[side] = False
        self._metrics.bus_connected.labels(side).set(0)

    def _note_lost(self, side: str, error: BaseException) -> None:
        """Log that the broker is lost, once until it is back."""
        if side not in self._lost:
            self._lost.add(side)
            log.warning("scoreboard.bus.lost", side=side, error=str(error) or type(error).__name__)

    # Publishing

    async def _publish_from_slot(
        self, connection: AbstractConnection, note_up: Callable[[], None]
    ) -> None:
        channel = await self._channel(connection, publisher_confirms=True)
        exchange = await self._declare_exchange(channel)
        note_up()
        lost = _lost(connection, self._slot.filled)
        while not lost.is_set():
            if waiting := self._slot.take():
                await self._publish_one(exchange, *waiting)
            else:
                await self._slot.fill()
        raise ConnectionError("the connection was closed")

    async def _publish_one(
        self, exchange: AbstractExchange, board: Board, origin: Origin | None
    ) -> None:
        """Publish and wait for the confirm; without one, the board goes back unless a newer one
        waits.
        """
        started = time.perf_counter()
        trace = None if origin is None else origin.trace
        try:
            with self._tracing.span(
                "scoreboard.publish", trace, kind="producer", attributes=attributes_of(board)
            ) as span:
                async with asyncio.timeout(self._publish_timeout_seconds):
                    message = self._message(board, origin, span.trace)
                    await exchange.publish(message, routing_key="", mandatory=False)
        except BaseException:
            self._slot.put(board, origin)
            self._metrics.publish_failures.inc()
            raise
        raise_if_cancelled()
        self._metrics.published.inc()
        self._metrics.publish_seconds.observe(time.perf_counter() - started)

    def _message(self, board: Board, origin: Origin | None, trace: str | None) -> aio_pika.Message:
        headers: HeadersType = {"version": board.version, "instance": self._instance}
        if origin is not None:
            headers |= headers_of(origin, trace)
        return aio_pika.Message(
            board.to_json(),
            content_type="application/json",
            type=EVENT_TYPE,
            app_id="scoreboard",
            message_id=f"board-{board.version}",
            timestamp=board.changed_at,
            expiration=_MESSAGE_LIFE,
            headers=headers,
        )

    # Consuming

    async def _consume(self, connection: AbstractConnection, note_up: Callable[[], None]) -> None:
        channel = await self._channel(connection, publisher_confirms=False)
        queue = await self._bind_fresh_queue(channel)
        await queue.consume(self._receive, no_ack=True, exclusive=True)
        note_up()
        self._on_connected()
        lost = _lost(connection)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ASSERT_SECONDS):
                    await lost.wait()
            if lost.is_set():
                raise ConnectionError("the connection was closed")
            await self._bind(queue, channel)
            raise_if_cancelled()

    async def _bind_fresh_queue(self, channel: AbstractChannel) -> AbstractQueue:
        async with asyncio.timeout(_CONNECT_SECONDS):
            queue = await channel.declare_queue(
                f"scoreboard.stream.{self._instance}.{next(self._numbers)}",
                exclusive=True,
                auto_delete=True,
                arguments={"x-max-length": _QUEUE_LENGTH, "x-overflow": "drop-head"},
            )
        await self._bind(queue, channel)
        return queue

    async def _bind(self, queue: AbstractQueue, channel: AbstractChannel) -> None:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await queue.bind(await self._declare_exchange(channel))

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        self._metrics.events_received.inc()
        try:
            board = Board.from_json(message.body)
        except ValueError as error:
            self._metrics.events_malformed.inc()
            log.warning("scoreboard.bus.malformed", error=str(error), sender=str(message.app_id))
            return
        if self._on_board is not None:
            self._on_board(board, origin_in(message.headers))

    # Both

    @staticmethod
    async def _channel(
        connection: AbstractConnection, *, publisher_confirms: bool
    ) -> AbstractChannel:
        async with asyncio.timeout(_CONNECT_SECONDS):
            return await connection.channel(publisher_confirms=publisher_confirms)

    @staticmethod
    async def _declare_exchange(channel: AbstractChannel) -> AbstractExchange:
        async with asyncio.timeout(_CONNECT_SECONDS):
            return await channel.declare_exchange(
                EXCHANGE, aio_pika.ExchangeType.FANOUT, durable=True
            )


def _lost(connection: AbstractConnection, *wakes: asyncio.Event) -> asyncio.Event:
    """An event that is set when the connection closes, whoever closes it; `wakes` are set with it.
    (`is_closed` may still be false by then.)
    """
    event = asyncio.Event()
    for each in (event, *wakes):
        connection.close_callbacks.add(lambda *_, each=each: each.set())
    return event
