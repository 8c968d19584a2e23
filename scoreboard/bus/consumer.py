"""Hears the boards of all instances, and offers the hub those that are news.

Each connection declares a fresh exclusive queue, because after a half-open connection the broker
still holds the old name (docs/decisions/0004). What the gap lost, `on_connected` makes the relay
re-read.

Bounds: 64 messages in the queue, the oldest dropped first (any later board replaces them); they
expire after a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Final

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from aiormq.abc import DeliveredMessage

from scoreboard.bus.broker import CONNECT_SECONDS, Exchange, Pace, Side
from scoreboard.bus.bus import Hears
from scoreboard.bus.messages import (
    INSTANCE_HEADER,
    PROBE_TYPE,
    Message,
    Messages,
    Refused,
    announced,
)
from scoreboard.connections.cancellation import raise_if_cancelled
from scoreboard.model import BoardId
from scoreboard.operations.counted import MessageFault
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.bus")

_QUEUE_LENGTH: Final = 64
_SENDER_CHARS_MAX: Final = 64


class Consumer:
    """The work of the side that consumes: it offers `hub` each board that is newer than the hub's
    own. `on_connected` is told of each connection, once boards reach it.
    """

    def __init__(
        self,
        exchange: Exchange,
        messages: Messages,
        hub: Hears,
        on_connected: Callable[[], None],
        metrics: Metrics,
        pace: Pace,
    ) -> None:
        self._exchange = exchange
        self._messages = messages
        self._hub = hub
        self._on_connected = on_connected
        self._metrics = metrics
        self._assert_seconds = pace.assert_seconds
        self._numbers = itertools.count(1)
        self._seldom = Seldom()

    async def work(self, connection: AbstractConnection, side: Side) -> None:
        """Consume until cancelled. Raises what the driver does when the queue or its channel is
        lost.
        """
        channel = await self._exchange.channel(connection, publisher_confirms=False)
        queue = await self._fresh_queue(channel)
        await self._exchange.bind(queue, channel)
        # By aiormq: what aio-pika would make of a message first may fail, and nobody would hear it.
        beneath = await channel.get_underlay_channel()
        await beneath.basic_consume(queue.name, self._receive, no_ack=True, exclusive=True)
        side.note_up()
        self._on_connected()
        while True:
            await asyncio.sleep(self._assert_seconds)
            await self._exchange.bind(queue, channel)  # guard: binding-asserted-again
            raise_if_cancelled()

    async def _fresh_queue(self, channel: AbstractChannel) -> AbstractQueue:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await channel.declare_queue(
                f"scoreboard.stream.{self._messages.instance}.{next(self._numbers)}",
                exclusive=True,
                auto_delete=True,
                arguments={"x-max-length": _QUEUE_LENGTH, "x-overflow": "drop-head"},
            )

    async def _receive(self, delivered: DeliveredMessage) -> None:
        """Take its boards. What is no board of ours is counted and dropped."""
        properties = delivered.header.properties
        if properties.message_type == PROBE_TYPE:
            self._metrics.bus_probes_received.inc()
            return
        message = Message(
            properties.message_type,
            properties.message_id,
            properties.headers or {},
            delivered.body,
        )
        with self._defects_counted():
            self._take(message)

    def _take(self, message: Message) -> None:
        """Offer the hub what is news of a message. What the message says itself to be no news is
        not read. A stranger gains nothing by saying so.
        """
        claims = announced(message)
        are_news = [True] if claims is None else [self._is_news(*claim) for claim in claims]
        self._metrics.events_received.inc(len(are_news))  # guard: boards-received-counted
        if not any(are_news):
            return
        try:
            boards, origin = self._messages.read(message, are_news)
        except Refused as refusal:
            self._note_refused(refusal.fault, message)
            return
        for board in boards:
            with self._defects_counted():  # guard: board-costs-no-other
                self._hub.offer(board, origin)

    def _is_news(self, board_id: BoardId, version: int) -> bool:
        """Whether somebody here follows that board, and it is newer, as no board is that this
        instance sent.
        """
        known = self._hub.known(board_id)
        if known is None:  # guard: unfollowed-boards-unread
            self._metrics.events_unfollowed.inc()
        elif version <= known:
            self._metrics.boards_outdated.inc()
        return known is not None and version > known

    @contextlib.contextmanager
    def _defects_counted(self) -> Iterator[None]:
        """A defect of ours costs no other board: aiormq would end its task without a word."""
        try:
            yield
        except Exception:  # guard: message-cannot-read
            self._metrics.events_refused.labels("failed").inc()
            log.exception("scoreboard.bus.failed")

    def _note_refused(self, fault: MessageFault, message: Message) -> None:
        self._metrics.events_refused.labels(fault).inc()
        if self._seldom.due(fault):
            sender = message.headers.get(INSTANCE_HEADER)
            known = sender[:_SENDER_CHARS_MAX] if isinstance(sender, str) else ""
            log.warning("scoreboard.bus.refused", fault=fault, sender=known)
