"""The border to RabbitMQ: a fanout exchange carries each new board to every instance.

`publish` never waits and never fails: it puts the board into a slot (`bus.slot`), and
`bus.publisher` publishes what the slot holds until the broker confirms it. So a broker that is
away costs one board of memory, and the first thing it gets on return is the newest.

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
from collections.abc import Callable
from functools import partial
from typing import Final

import aio_pika
import structlog
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractQueue,
)
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelAccessRefused

from scoreboard.bus.broker import CONNECT_SECONDS, Side, Work, lost, open_channel
from scoreboard.bus.bus import Hears, addresses
from scoreboard.bus.messages import (
    EXCHANGE,
    INSTANCE_HEADER,
    PROBE_TYPE,
    VERSION_HEADER,
    Fault,
    Message,
    Messages,
    Refused,
)
from scoreboard.bus.publisher import Publisher
from scoreboard.bus.slot import Slot
from scoreboard.connections.cancellation import raise_if_cancelled
from scoreboard.model import Board, Origin
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import OFF, Tracing

log = structlog.get_logger("scoreboard.bus")

_QUEUE_LENGTH: Final = 64
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
        brokers = addresses(url)
        if not brokers:
            raise ValueError("the address of RabbitMQ cannot be read")
        self._messages = messages
        self._metrics = metrics
        self._hub = hub
        self._on_connected = on_connected
        self._slot = Slot(metrics, tracing)
        self._seldom = Seldom()
        self._makes_exchange = True  # until RabbitMQ says that our user may not, at a connection
        self._numbers = itertools.count(1)
        self._sides: list[tuple[Side, Work]] = []
        if publishes:
            side = Side("publish", messages.instance, brokers, metrics)
            publisher = Publisher(
                self._slot,
                messages,
                metrics,
                tracing,
                partial(self._channel, publisher_confirms=True),
                timeout_seconds=publish_timeout_seconds,
            )
            self._sides.append((side, publisher.work))
        if hub is not None:
            side = Side("consume", messages.instance, brokers, metrics)
            self._sides.append((side, self._consume))

    @property
    def connected(self) -> bool:
        """Whether boards get through on each side that this instance has."""
        return all(side.up for side, _ in self._sides)

    @property
    def refused(self) -> str:
        """What the broker refuses while it can be reached, in words; "" if nothing."""
        blocked = any(side.blocked for side, _ in self._sides)
        if not blocked:
            return ""
        return "it takes no messages, because its memory or its disk is nearly full"

    def publish(self, board: Board, origin: Origin | None = None) -> None:
        """Put the board into the slot, unless it holds a newer one."""
        self._slot.put(board, origin)

    async def flush(self) -> None:
        """Wait until the broker confirmed what was published, but not for long: the other instances
        notice by the version what they missed.
        """
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._slot.emptied()
        except TimeoutError:
            self._metrics.events_unconfirmed.inc()
            log.warning("scoreboard.bus.unconfirmed", waited_seconds=_FLUSH_SECONDS)

    async def run(self) -> None:
        """Publish and consume until cancelled; reconnect whenever the broker is lost."""
        async with asyncio.TaskGroup() as tasks:
            for side, work in self._sides:
                tasks.create_task(side.run(work))

    # Consuming

    async def _consume(self, connection: AbstractConnection, side: Side) -> None:
        channel = await self._channel(connection, publisher_confirms=False)
        queue = await self._bind_fresh_queue(channel)
        # By aiormq: what aio-pika would make of a message first may fail, and nobody would hear it.
        beneath = await channel.get_underlay_channel()
        await beneath.basic_consume(queue.name, self._receive, no_ack=True, exclusive=True)
        side.note_up()
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
        properties = delivered.header.properties
        if properties.message_type == PROBE_TYPE:
            self._metrics.bus_probes_received.inc()
            return
        self._metrics.events_received.inc()
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
