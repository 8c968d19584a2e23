"""The border to RabbitMQ: a fanout exchange carries each new board to every instance.

`publish` never waits and never fails: it puts the board into a slot (`live.slot`), and a task
publishes what the slot holds until the broker confirms it. So a broker that is away costs one board
of memory, and the first thing it gets on return is the newest.

Consuming, each connection declares a fresh exclusive queue, for after a half-open connection the
broker still holds the old name (docs/decisions/0004). What the gap lost, `on_connected` makes the
relay re-read.

Bounds: queue length 64, oldest dropped first (any later board replaces them); messages are
transient and expire after a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import aio_pika
import structlog
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractQueue,
)
from aio_pika.exceptions import DeliveryError
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelAccessRefused

from scoreboard.connections.cancellation import raise_if_cancelled
from scoreboard.live.broker import CONNECT_SECONDS, Side, Work, lost, open_channel
from scoreboard.live.bus import Hears, addresses
from scoreboard.live.messages import (
    EXCHANGE,
    INSTANCE_HEADER,
    VERSION_HEADER,
    Fault,
    Message,
    Messages,
    Refused,
    attributes_of,
)
from scoreboard.live.slot import Slot
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import OFF, Tracing
from scoreboard.scoring.model import Board, Origin

log = structlog.get_logger("scoreboard.bus")

_QUEUE_LENGTH: Final = 64
_MESSAGE_LIFE: Final = timedelta(minutes=1)
# The binding is asserted this often: somebody may delete it, or the exchange, in the management UI.
_ASSERT_SECONDS: Final = 5
_FLUSH_SECONDS: Final = 1.0
_SENDER_CHARS_MAX: Final = 64


class RabbitBus:
    """The bus of several instances. `hub` is offered each board that arrives and is newer than its
    own, `on_connected` is told of each new connection that consumes; without a hub this instance
    only publishes.

    The exchange is made by whoever may make it. A user that may not, as that of stream instances,
    waits for somebody who may.
    """

    def __init__(
        self,
        url: str,
        messages: Messages,
        metrics: Metrics,
        *,
        publish_timeout_seconds: float,
        publishes: bool = True,
        hub: Hears | None = None,
        on_connected: Callable[[], None] = lambda: None,
        tracing: Tracing = OFF,
    ) -> None:
        self._tracing = tracing
        brokers = addresses(url)
        if not brokers:
            raise ValueError("the address of RabbitMQ cannot be read")
        self._messages = messages
        self._metrics = metrics
        self._publish_timeout_seconds = publish_timeout_seconds
        self._hub = hub
        self._on_connected = on_connected
        self._slot = Slot(metrics, tracing)
        self._seldom = Seldom()
        self._makes_exchange = True  # until RabbitMQ says that our user may not, at a connection
        self._numbers = itertools.count(1)
        self._sides: list[tuple[Side, Work]] = []
        if publishes:
            side = Side("publish", messages.instance, brokers, metrics)
            self._sides.append((side, self._publish_from_slot))
        if hub is not None:
            side = Side("consume", messages.instance, brokers, metrics)
            self._sides.append((side, self._consume))

    @property
    def connected(self) -> bool:
        """Whether boards get through on each side that this instance has."""
        return all(side.up for side, _ in self._sides)

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
            for side, work in self._sides:
                tasks.create_task(side.run(work))

    # Publishing

    async def _publish_from_slot(
        self, connection: AbstractConnection, note_up: Callable[[], None]
    ) -> None:
        channel = await self._channel(connection, publisher_confirms=True)
        exchange = await channel.get_exchange(EXCHANGE, ensure=False)
        note_up()
        ended = lost(connection, self._slot.filled)
        while not ended.is_set():
            if waiting := self._slot.take():
                await self._publish_one(exchange, *waiting)
            else:
                await self._slot.fill()
        raise ConnectionError("the connection was closed")

    async def _publish_one(
        self, exchange: AbstractExchange, board: Board, origin: Origin | None
    ) -> None:
        """Publish and wait for the confirm; without one, the board goes back unless a newer one
        waits. Where RabbitMQ says that some queue did not take it (somebody's, that is full), all
        others have it, and to send it again would only make it twice.
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
        except DeliveryError as error:
            self._metrics.publish_failures.inc()
            if self._seldom.due("nacked"):
                log.warning("scoreboard.bus.not_taken_by_all", error=str(error))
            raise_if_cancelled()
            return
        except BaseException:
            self._slot.put(board, origin)
            self._metrics.publish_failures.inc()
            raise
        raise_if_cancelled()
        self._metrics.published.inc()
        self._metrics.publish_seconds.observe(time.perf_counter() - started)

    def _message(self, board: Board, origin: Origin | None, trace: str | None) -> aio_pika.Message:
        message = self._messages.write(board, origin, trace)
        return aio_pika.Message(
            message.body,
            content_type="application/json",
            type=message.kind,
            app_id="scoreboard",
            message_id=message.message_id,
            timestamp=board.changed_at,
            expiration=_MESSAGE_LIFE,
            headers=dict(message.headers),
        )

    # Consuming

    async def _consume(self, connection: AbstractConnection, note_up: Callable[[], None]) -> None:
        channel = await self._channel(connection, publisher_confirms=False)
        queue = await self._bind_fresh_queue(channel)
        # By aiormq: what aio-pika would make of a message first may fail, and nobody would hear it.
        beneath = await channel.get_underlay_channel()
        await beneath.basic_consume(queue.name, self._receive, no_ack=True, exclusive=True)
        note_up()
        self._on_connected()
        ended = lost(connection)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ASSERT_SECONDS):
                    await ended.wait()
            if ended.is_set():
                raise ConnectionError("the connection was closed")
            await self._bind(queue, channel)
            raise_if_cancelled()

    async def _bind_fresh_queue(self, channel: AbstractChannel) -> AbstractQueue:
        async with asyncio.timeout(CONNECT_SECONDS):
            queue = await channel.declare_queue(
                f"scoreboard.stream.{self._messages.instance}.{next(self._numbers)}",
                exclusive=True,
                auto_delete=True,
                arguments={"x-max-length": _QUEUE_LENGTH, "x-overflow": "drop-head"},
            )
        await self._bind(queue, channel)
        return queue

    async def _bind(self, queue: AbstractQueue, channel: AbstractChannel) -> None:
        if self._makes_exchange:
            await self._declare_exchange(channel)
        async with asyncio.timeout(CONNECT_SECONDS):
            await queue.bind(EXCHANGE)

    async def _receive(self, delivered: DeliveredMessage) -> None:
        self._metrics.events_received.inc()
        properties = delivered.header.properties
        message = Message(
            properties.message_type,
            properties.message_id,
            properties.headers or {},
            delivered.body,
        )
        try:
            if self._hub is None or self._is_outdated(message, self._hub):
                return
            self._hub.offer(*self._messages.read(message))
        except Refused as refusal:
            self._note_refused(refusal.fault, message)
        except Exception:  # of ours: aiormq would end its task without a word
            self._metrics.events_refused.labels("failed").inc()
            log.exception("scoreboard.bus.failed")

    def _is_outdated(self, message: Message, hub: Hears) -> bool:
        """Whether it says itself that it is no news, as all do that this instance sent. To say so
        proves nothing, and gains nobody anything.
        """
        version = message.headers.get(VERSION_HEADER)
        outdated = type(version) is int and version <= hub.version
        if outdated:
            self._metrics.boards_outdated.inc()
        return outdated

    def _note_refused(self, fault: Fault, message: Message) -> None:
        self._metrics.events_refused.labels(fault).inc()
        if self._seldom.due(fault):
            sender = message.headers.get(INSTANCE_HEADER)
            known = sender[:_SENDER_CHARS_MAX] if isinstance(sender, str) else ""
            log.warning("scoreboard.bus.refused", fault=fault, sender=known)

    # Both

    async def _channel(
        self, connection: AbstractConnection, *, publisher_confirms: bool
    ) -> AbstractChannel:
        """Open a channel, and make the exchange if we may. A refusal ends the channel."""
        channel = await open_channel(connection, publisher_confirms=publisher_confirms)
        try:
            await self._declare_exchange(channel)
        except ChannelAccessRefused:
            if self._makes_exchange:
                log.info("scoreboard.bus.exchange_of_others", exchange=EXCHANGE)
            self._makes_exchange = False
            return await open_channel(connection, publisher_confirms=publisher_confirms)
        self._makes_exchange = True
        return channel

    @staticmethod
    async def _declare_exchange(channel: AbstractChannel) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.FANOUT, durable=True)
