"""The exchange that carries the boards: made by whoever may, and reached by a channel.

A user that may not make it, as that of stream instances, waits for an instance that may.
"""

from __future__ import annotations

import asyncio

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from aiormq.exceptions import ChannelAccessRefused

from scoreboard.bus.broker import CONNECT_SECONDS
from scoreboard.bus.messages import EXCHANGE

log = structlog.get_logger("scoreboard.bus")


class Exchange:
    """The exchange, as both sides of one instance see it."""

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
