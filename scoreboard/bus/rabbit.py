"""The bus over RabbitMQ: a fanout exchange carries each new board to every instance.

`publish` never waits and never fails: it puts the board into its slot (`bus.slots`), and
`bus.publisher` publishes what the slots hold until the broker confirms it. So a broker that is away
costs one board of memory for each id, and what it gets first on return is the newest.

Each side has a connection of its own (`bus.broker`): one publishes, one consumes (`bus.consumer`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from scoreboard.bus.broker import Exchange, Pace, Side
from scoreboard.bus.bus import Bus, Hears, addresses
from scoreboard.bus.consumer import Consumer
from scoreboard.bus.messages import Messages
from scoreboard.bus.publisher import Publisher
from scoreboard.bus.slots import Slots
from scoreboard.model import Board, Origin
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Tracing

log = structlog.get_logger("scoreboard.bus")


class RabbitBus(Bus):
    """The bus of several instances. `hub` is offered each board that arrives and is newer than its
    own, `on_connected` is told of each new connection that consumes. One that `publishes` nothing
    has no connection for that.

    Raises ValueError when the address cannot be read.
    """

    def __init__(
        self,
        url: str,
        messages: Messages,
        hub: Hears,
        on_connected: Callable[[], None],
        metrics: Metrics,
        tracing: Tracing,
        *,
        publishes: bool,
        pace: Pace,
    ) -> None:
        brokers = addresses(url)
        if not brokers:
            raise ValueError("the address of RabbitMQ cannot be read")
        self._metrics = metrics
        self._flush_seconds = pace.flush_seconds
        self._slots = Slots(metrics, tracing, apart_seconds=pace.apart_seconds)
        exchange = Exchange()
        consumer = Consumer(exchange, messages, hub, on_connected, metrics, pace)
        publisher = Publisher(exchange, self._slots, messages, metrics, tracing, pace)
        works = {"consume": consumer.work} | ({"publish": publisher.work} if publishes else {})
        self._sides = [
            (Side(name, messages.instance, brokers, metrics), work) for name, work in works.items()
        ]

    @property
    def connected(self) -> bool:
        """Whether boards get through on each side that this instance has."""
        return all(side.up for side, _ in self._sides)

    @property
    def refused(self) -> str:
        """What the broker refuses while it can be reached, in words; "" if nothing."""
        if not any(side.blocked for side, _ in self._sides):
            return ""
        return "it takes no messages, because its memory or its disk is nearly full"

    def publish(self, board: Board, origin: Origin | None = None) -> None:
        """Put the board into its slot, unless that holds a newer one."""
        self._slots.put(board, origin)

    async def flush(self) -> None:
        """Wait until the broker confirmed what was published, but not for long: the other instances
        notice by the version what they missed.
        """
        try:
            async with asyncio.timeout(self._flush_seconds):
                await self._slots.emptied()
        except TimeoutError:
            self._metrics.events_unconfirmed.inc(self._slots.unconfirmed)
            log.warning("scoreboard.bus.unconfirmed", waited_seconds=self._flush_seconds)

    async def run(self) -> None:
        """Publish and consume until cancelled; reconnect whenever the broker is lost."""
        async with asyncio.TaskGroup() as tasks:
            for side, work in self._sides:
                tasks.create_task(side.run(work))
