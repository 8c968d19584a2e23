"""The sides of the bus and their exchange. Each side is a connection to RabbitMQ that is made anew
whenever it is lost.

Of several brokers, each side takes the next one, in an order of its own, so that instances spread
over a cluster and leave a node that is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue, TimeoutType
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import AMQPError as AiormqError
from aiormq.exceptions import ChannelAccessRefused

from scoreboard.bus.messages import EXCHANGE
from scoreboard.connections.cancellation import raise_if_cancelled, unless_set
from scoreboard.operations.metrics import Metrics

log = structlog.get_logger("scoreboard.bus")

CONNECT_SECONDS: Final = 5
_HEARTBEAT_SECONDS: Final = 5
_BACKOFF_FIRST_SECONDS: Final = 0.1
_BACKOFF_LAST_SECONDS: Final = 2.0

# What aio-pika and aiormq raise when the broker is away, refuses, or closes on us.
BROKER_ERRORS: Final = (
    AMQPError,
    AiormqError,
    OSError,
    TimeoutError,
    RuntimeError,
    asyncio.InvalidStateError,
)

# What a side does with a connection until that is lost. The work says when boards get through and
# when they are blocked, and raises when the connection is of no more use.
Work = Callable[[AbstractConnection, "Side"], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the bus waits, and how often it looks after itself."""

    publish_timeout_seconds: float  # for the confirm of a message
    # Between two assertions of the binding: somebody may delete it, or the exchange, in the
    # management UI.
    assert_seconds: float = 5.0
    # Without a board to publish, until a probe is published.
    probe_seconds: float = 5.0
    # Between two looks whether the broker is blocked. A confirm takes a millisecond; one that takes
    # as long as this may never come.
    look_seconds: float = 0.5
    flush_seconds: float = 1.0  # at an end, for all confirms
    apart_seconds: float = 0.0  # between two messages of one board


class Side:
    """One side of an instance's bus, by the name of `publish` or `consume`."""

    def __init__(
        self, name: str, instance: str, addresses: Sequence[str], metrics: Metrics
    ) -> None:
        self._name = name
        self._connection_name = f"scoreboard.{instance}.{name}"
        self._addresses = addresses
        self._metrics = metrics
        self._broker = ""
        self._is_lost = False
        self.up = False
        self.blocked = False

    async def run(self, work: Work) -> None:
        """Do the work, with one connection after the other, until cancelled."""
        backoff = _BACKOFF_FIRST_SECONDS
        self._note_down()
        # guard: next-node-rabbitmq
        for broker in itertools.cycle(random.sample(self._addresses, len(self._addresses))):
            began = time.monotonic()
            try:
                async with connecting(broker, self._connection_name) as connection:
                    await self._work_with(connection, broker, work)
            # aiormq cancels a task that waits for a broker which was silent for too long. Nobody
            # asked for that; unnoticed it would end this side for good.
            except (*BROKER_ERRORS, asyncio.CancelledError) as error:  # guard: cancellation-nobody
                raise_if_cancelled()
                self._note_lost(error)
            if time.monotonic() - began > _BACKOFF_LAST_SECONDS:  # else it may never have worked
                backoff = _BACKOFF_FIRST_SECONDS
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load
            backoff = min(backoff * 2, _BACKOFF_LAST_SECONDS)

    async def _work_with(self, connection: AbstractConnection, broker: str, work: Work) -> None:
        self._broker = broker.rpartition("@")[2]
        self._metrics.bus_connects.labels(self._name).inc()
        try:
            await unless_set(_loss_of(connection), work(connection, self))  # guard: instance-called
        except Exception as error:
            # aiormq ends what waits on a connection that closed for no known reason by this.
            if type(error) is not Exception:  # guard: loss-without-reason
                raise
        finally:
            self._note_down()
        raise ConnectionError("the connection was closed")

    def note_up(self) -> None:
        """Boards get through. (A connection alone carries nothing: what is sent before a queue is
        bound is lost, and what a broker does not confirm may never be read.)
        """
        if self.up:
            return
        self._set(up=True, blocked=False)
        self._is_lost = False
        log.info("scoreboard.bus.connected", side=self._name, broker=self._broker)

    def note_blocked(self) -> None:
        """The broker can be reached, and takes no messages until it says so."""
        if self.blocked:
            return
        self._set(up=False, blocked=True)
        log.warning("scoreboard.bus.blocked", side=self._name, broker=self._broker)

    def _note_down(self) -> None:
        self._set(up=False, blocked=False)

    def _set(self, *, up: bool, blocked: bool) -> None:
        self.up, self.blocked = up, blocked
        self._metrics.bus_connected.labels(self._name).set(up)
        self._metrics.bus_blocked.labels(self._name).set(blocked)

    def _note_lost(self, error: BaseException) -> None:
        """Log that the broker is lost, once until it is back."""
        if not self._is_lost:
            self._is_lost = True
            why = str(error) or type(error).__name__
            log.warning("scoreboard.bus.lost", side=self._name, error=why)


class _Connection(aio_pika.Connection):
    """A connection that is closed if it could not be made. Else aio-pika closes it when it is
    collected, which may be when no loop runs to do so.
    """

    async def connect(self, timeout: TimeoutType = None) -> None:  # noqa: ASYNC109
        try:
            await super().connect(timeout)
        except BaseException:
            await self.close()
            raise


@contextlib.asynccontextmanager
async def connecting(url: str, name: str) -> AsyncIterator[AbstractConnection]:
    """Connect, under a name that the management UI shows, and close at the end. Raises one of
    BROKER_ERRORS.
    """
    async with asyncio.timeout(CONNECT_SECONDS):
        connection = await aio_pika.connect(
            url,
            connection_class=_Connection,
            heartbeat=_HEARTBEAT_SECONDS,
            client_properties={"connection_name": name},
        )
    try:
        yield connection
    finally:
        with contextlib.suppress(*BROKER_ERRORS):
            async with asyncio.timeout(1):  # a frozen broker answers no goodbye
                await connection.close()


class Exchange:
    """The exchange that carries the boards, as both sides of one instance see it. A user that may
    not make it, as that of stream instances, waits for an instance that may.
    """

    def __init__(self) -> None:
        self._makes_it = True  # until RabbitMQ says that our user may not, at a connection

    async def channel(
        self, connection: AbstractConnection, *, publisher_confirms: bool
    ) -> AbstractChannel:
        """Open a channel, and make the exchange if we may. A refusal ends the channel."""
        channel = await _opened(connection, publisher_confirms)
        try:  # guard: may-make-exchange
            await self._declare(channel)
        except ChannelAccessRefused:  # guard: instance-whose-user
            if self._makes_it:
                log.info("scoreboard.bus.exchange_of_others", exchange=EXCHANGE)
            self._makes_it = False
            return await _opened(connection, publisher_confirms)
        self._makes_it = True
        return channel

    async def bind(self, queue: AbstractQueue, channel: AbstractChannel) -> None:
        """Assert that the exchange is there, if we may make it, and that it fills this queue."""
        if self._makes_it:
            await self._declare(channel)
        async with asyncio.timeout(CONNECT_SECONDS):
            await queue.bind(EXCHANGE)

    @staticmethod
    async def _declare(channel: AbstractChannel) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.FANOUT, durable=True)


async def _opened(connection: AbstractConnection, publisher_confirms: bool) -> AbstractChannel:
    async with asyncio.timeout(CONNECT_SECONDS):
        return await connection.channel(publisher_confirms=publisher_confirms)


def is_blocked(connection: AbstractConnection) -> bool:
    """Whether the broker has said that it reads nothing more of this connection, because its
    memory or its disk is nearly full. The driver shows that nowhere but in `ready`, which waits
    until it is over: so we take one step of that, to see whether it waits.
    """
    if connection.transport is None:
        return False
    ready = connection.transport.connection.ready()
    try:
        ready.send(None)
    except StopIteration:
        return False
    ready.close()
    return True


def _loss_of(connection: AbstractConnection) -> asyncio.Event:
    """An event that is set when the connection closes, whoever closes it. (`is_closed` may still be
    false by then.)
    """
    event = asyncio.Event()
    connection.close_callbacks.add(lambda *_: event.set())
    return event
