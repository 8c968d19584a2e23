"""Publishes what the slots hold, until the broker confirms it.

RabbitMQ tells nobody that it takes no messages (its memory or its disk is nearly full) before
somebody publishes; then it confirms that one message and reads nothing more of that connection. So
a connection is up once something was confirmed on it that did not block it, and where there is no
board to publish, a probe is published now and then: a message that instances of any version pass
over unread. While the broker is blocked, the connection is kept and waited for: each new one would
leave a message of its own to be read later.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import DeliveryError

from scoreboard.bus.broker import Exchange, Pace, Side, is_blocked
from scoreboard.bus.messages import (
    BOARDS_HEADER,
    EXCHANGE,
    Message,
    Messages,
    attributes_of,
    fitting,
)
from scoreboard.bus.slots import Slots
from scoreboard.connections.cancellation import raise_if_cancelled
from scoreboard.model import Board, Origin
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Tracing

log = structlog.get_logger("scoreboard.bus")

_MESSAGE_LIFE: Final = timedelta(minutes=1)


class Publisher:
    """The work of the side that publishes."""

    def __init__(
        self,
        exchange: Exchange,
        slots: Slots,
        messages: Messages,
        metrics: Metrics,
        tracing: Tracing,
        pace: Pace,
    ) -> None:
        self._exchange = exchange
        self._slots = slots
        self._messages = messages
        self._metrics = metrics
        self._tracing = tracing
        self._pace = pace
        self._seldom = Seldom()

    async def work(self, connection: AbstractConnection, side: Side) -> None:
        """Publish until cancelled. Raises what the driver does, and TimeoutError without a
        confirm.
        """
        channel = await self._exchange.channel(connection, publisher_confirms=True)
        exchange = await channel.get_exchange(EXCHANGE, ensure=False)
        probe_after_seconds = 0.0  # guard: instance-called-connected
        while True:
            waiting = await self._slots.next(probe_after_seconds)
            with self._watched(connection, side) as deadline:
                if waiting is None:  # guard: broker-asked-now
                    await self._send(exchange, deadline, self._messages.probe())
                else:
                    await self._publish(exchange, deadline, *waiting)
            raise_if_cancelled()
            # Of each connection RabbitMQ reads one message before it blocks it, and confirms that.
            if is_blocked(connection):  # guard: one-message-blocked
                side.note_blocked()
                probe_after_seconds = 0.0
            else:
                side.note_up()
                probe_after_seconds = self._pace.probe_seconds

    async def _publish(
        self,
        exchange: AbstractExchange,
        deadline: asyncio.Timeout,
        boards: Sequence[Board],
        origin: Origin | None,
    ) -> None:
        """Publish as many of these boards as a message has room for, and wait for the confirm. The
        others go back into their slots, and without a confirm all do, unless newer ones wait there.
        """
        started = time.perf_counter()
        trace = None if origin is None else origin.trace
        lines = fitting(boards)
        sent, others = boards[: len(lines)], boards[len(lines) :]
        self._slots.note_sent(sent)
        self._put_back(others, origin)
        try:
            with self._tracing.span(
                "scoreboard.publish", trace, kind="producer", attributes=attributes_of(sent)
            ) as span:
                message = self._messages.write(sent, lines, origin, span.trace)
                confirmed = await self._send(exchange, deadline, message, sent[0].changed_at)
        except BaseException:
            self._put_back(sent, origin)
            raise
        if confirmed:
            self._metrics.published.inc(len(sent))  # guard: boards-published-counted
            self._metrics.publish_seconds.observe(time.perf_counter() - started)

    def _put_back(self, boards: Sequence[Board], origin: Origin | None) -> None:
        for board in boards:
            self._slots.put(board, origin)

    async def _send(
        self,
        exchange: AbstractExchange,
        deadline: asyncio.Timeout,
        message: Message,
        changed_at: datetime | None = None,
    ) -> bool:
        """Publish a message. Answers whether all queues took it: if RabbitMQ says that one did not
        (somebody else's, that is full), all others have it and must not get it twice.
        """
        try:
            async with deadline:
                await exchange.publish(
                    _outgoing(message, changed_at), routing_key="", mandatory=False
                )
        except DeliveryError as error:  # guard: full-queue-somebody
            self._metrics.publish_failures.inc()
            if self._seldom.due("nacked"):
                log.warning("scoreboard.bus.not_taken_by_all", error=str(error))
            return False
        except BaseException:
            self._metrics.publish_failures.inc()
            raise
        return True

    @contextlib.contextmanager
    def _watched(self, connection: AbstractConnection, side: Side) -> Iterator[asyncio.Timeout]:
        """Give a deadline for what is published within; none while the broker says that it is
        blocked. (Whether it is dead then, the heartbeat finds out.)
        """
        loop = asyncio.get_running_loop()
        deadline = asyncio.timeout(self._pace.publish_timeout_seconds)
        timer: asyncio.TimerHandle

        def look() -> None:
            nonlocal timer
            if deadline.expired():
                return
            if is_blocked(connection):  # guard: broker-takes-no
                deadline.reschedule(None)
                side.note_blocked()
            elif deadline.when() is None:  # no more: its confirm has as long as any
                deadline.reschedule(loop.time() + self._pace.publish_timeout_seconds)
            timer = loop.call_later(self._pace.look_seconds, look)

        timer = loop.call_later(self._pace.look_seconds, look)
        try:
            yield deadline
        finally:
            timer.cancel()


def _outgoing(message: Message, changed_at: datetime | None) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        content_type=f"application/{'x-ndjson' if BOARDS_HEADER in message.headers else 'json'}",
        type=message.kind,
        app_id="scoreboard",
        message_id=message.message_id,
        timestamp=changed_at,
        expiration=_MESSAGE_LIFE,
        headers=dict(message.headers),
    )
