"""Publishes what the slot holds, until the broker confirms it.

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
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Final

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aio_pika.exceptions import DeliveryError

from scoreboard.bus.broker import Side, is_blocked, lost
from scoreboard.bus.messages import EXCHANGE, Message, Messages, attributes_of
from scoreboard.bus.slot import Slot
from scoreboard.connections.cancellation import raise_if_cancelled
from scoreboard.model import Board, Origin
from scoreboard.operations.logs import Seldom
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Tracing

log = structlog.get_logger("scoreboard.bus")

_MESSAGE_LIFE: Final = timedelta(minutes=1)
# As often as the consumer asserts its binding.
_PROBE_SECONDS: Final = 5.0
# A confirm takes a millisecond. One that takes as long as this may never come.
_LOOK_SECONDS: Final = 0.5


class Publisher:
    """The work of the side that publishes. `channel` opens one with confirms on a connection."""

    def __init__(
        self,
        slot: Slot,
        messages: Messages,
        metrics: Metrics,
        tracing: Tracing,
        channel: Callable[[AbstractConnection], Awaitable[AbstractChannel]],
        *,
        timeout_seconds: float,
    ) -> None:
        self._slot = slot
        self._messages = messages
        self._metrics = metrics
        self._tracing = tracing
        self._channel = channel
        self._timeout_seconds = timeout_seconds
        self._seldom = Seldom()

    async def work(self, connection: AbstractConnection, side: Side) -> None:
        """Publish until the connection is lost."""
        channel = await self._channel(connection)
        exchange = await channel.get_exchange(EXCHANGE, ensure=False)
        ended = lost(connection, self._slot.filled)
        probe_is_due = True
        while not ended.is_set():
            waiting = self._slot.take()
            if waiting is None and not probe_is_due:
                probe_is_due = not await self._a_board_comes()
                continue
            with _watched(connection, side, self._timeout_seconds) as deadline:
                if waiting is None:
                    await self._probe(exchange, deadline)
                else:
                    await self._publish(exchange, deadline, *waiting)
            # Of each connection RabbitMQ reads one message before it blocks it, and confirms that.
            probe_is_due = is_blocked(connection)
            if probe_is_due:
                side.note_blocked()
            else:
                side.note_up()
        raise ConnectionError("the connection was closed")

    async def _a_board_comes(self) -> bool:
        """Answers whether one did before the next probe is due."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._slot.fill()
                return True
        return False

    async def _publish(
        self,
        exchange: AbstractExchange,
        deadline: asyncio.Timeout,
        board: Board,
        origin: Origin | None,
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
                message = self._messages.write(board, origin, span.trace)
                confirmed = await self._send(exchange, deadline, message, board)
        except BaseException:
            self._slot.put(board, origin)
            self._metrics.publish_failures.inc()
            raise
        raise_if_cancelled()
        if confirmed:
            self._metrics.published.inc()
            self._metrics.publish_seconds.observe(time.perf_counter() - started)

    async def _probe(self, exchange: AbstractExchange, deadline: asyncio.Timeout) -> None:
        """Publish what is no board, to see that it is taken."""
        try:
            await self._send(exchange, deadline, self._messages.probe())
        except BaseException:
            self._metrics.publish_failures.inc()
            raise
        raise_if_cancelled()

    async def _send(
        self,
        exchange: AbstractExchange,
        deadline: asyncio.Timeout,
        message: Message,
        board: Board | None = None,
    ) -> bool:
        """Answers whether all queues took it. Where RabbitMQ says that some did not (somebody's,
        that is full), all others have it, and to send it again would only make it twice.
        """
        try:
            async with deadline:
                await exchange.publish(_outgoing(message, board), routing_key="", mandatory=False)
        except DeliveryError as error:
            self._metrics.publish_failures.inc()
            if self._seldom.due("nacked"):
                log.warning("scoreboard.bus.not_taken_by_all", error=str(error))
            return False
        return True


@contextlib.contextmanager
def _watched(
    connection: AbstractConnection, side: Side, seconds: float
) -> Iterator[asyncio.Timeout]:
    """A deadline for what is published within; none while the broker says that it is blocked.
    (That it is not dead then, the heartbeat sees to.)
    """
    loop = asyncio.get_running_loop()
    deadline = asyncio.timeout(seconds)

    def look() -> None:
        if deadline.expired():
            return
        if is_blocked(connection):
            deadline.reschedule(None)
            side.note_blocked()
        elif deadline.when() is None:  # no more: its confirm has as long as any
            deadline.reschedule(loop.time() + seconds)
        timers.append(loop.call_later(_LOOK_SECONDS, look))
        del timers[0]

    timers = [loop.call_later(_LOOK_SECONDS, look)]
    try:
        yield deadline
    finally:
        timers[0].cancel()


def _outgoing(message: Message, board: Board | None) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        content_type="application/json",
        type=message.kind,
        app_id="scoreboard",
        message_id=message.message_id,
        timestamp=None if board is None else board.changed_at,
        expiration=_MESSAGE_LIFE,
        headers=dict(message.headers),
    )
