"""Whether RabbitMQ is fit for an instance of some role: each broker reached, the exchange there and
of the right kind, a queue to listen by, and for an instance that publishes the right to do so.

Nothing that is tried reaches an instance: the message that is published claims another sender,
which RabbitMQ refuses after it has looked at the rights.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from scoreboard.bus.broker import BROKER_ERRORS, CONNECT_SECONDS, connecting
from scoreboard.bus.bus import addresses
from scoreboard.bus.messages import EXCHANGE
from scoreboard.connections.findings import Finding
from scoreboard.connections.hints import RABBIT, in_words

PART: Final = "rabbitmq"
_BLOCKED_SECONDS: Final = 2.0
_NOBODY: Final = "scoreboard.check"
_RIGHTS: Final = "Give its user the rights of docs/operations.md."


async def findings(url: str, *, publishes: bool) -> list[Finding]:
    """Look at every broker of the address, all at once."""
    looked = await asyncio.gather(*(_broker(broker, publishes) for broker in addresses(url)))
    return [finding for broker in looked for finding in broker]


async def _broker(url: str, publishes: bool) -> list[Finding]:
    where = _place(url)
    try:
        async with asyncio.timeout(2 * CONNECT_SECONDS), connecting(url, _NOBODY) as connection:
            found = [Finding(PART, "connection", "ok", f"RabbitMQ at {where}.")]
            found.append(await _exchange(connection))
            found.append(await _queue(connection))
            if publishes:
                found.append(await _publishing(connection))
            return found
    except BROKER_ERRORS as error:
        words = _words(error)
        what = f"RabbitMQ at {where} cannot be used: {words}."
        return [Finding(PART, "connection", "wrong", what, RABBIT.to_do(words, url))]


async def _exchange(connection: AbstractConnection) -> Finding:
    try:
        async with _channel(connection) as channel:
            await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.FANOUT, durable=True)
    except ChannelAccessRefused:
        return await _exchange_of_others(connection)
    except ChannelPreconditionFailed as error:
        to_do = "Delete it: instances make it anew."
        what = f"The exchange {EXCHANGE} is of another kind: {_words(error)}."
        return Finding(PART, "exchange", "wrong", what, to_do)
    what = f"The exchange {EXCHANGE} is there, fanout and durable."
    return Finding(PART, "exchange", "ok", what)


async def _exchange_of_others(connection: AbstractConnection) -> Finding:
    """Whether it is there, for a user that may not make it: an instance waits for one that may."""
    try:
        async with _channel(connection) as channel:
            await channel.get_exchange(EXCHANGE, ensure=True)
    except ChannelNotFoundEntity:
        what = f"There is no exchange {EXCHANGE}, and this user may not make it."
        return Finding(PART, "exchange", "warning", what, "Start an instance that may.")
    return Finding(PART, "exchange", "ok", f"The exchange {EXCHANGE} is there; others make it.")


async def _queue(connection: AbstractConnection) -> Finding:
    name = f"scoreboard.stream.check-{secrets.token_hex(4)}.1"
    try:
        async with _channel(connection) as channel:
            queue = await channel.declare_queue(name, exclusive=True, auto_delete=True)
            with contextlib.suppress(ChannelNotFoundEntity):  # which `exchange` says
                await queue.bind(EXCHANGE)
                await queue.consume(_pass_over, no_ack=True, exclusive=True)
    except ChannelAccessRefused as error:
        what = f"Its user may not listen: {_words(error)}."
        return Finding(PART, "queue", "wrong", what, _RIGHTS)
    except ChannelPreconditionFailed as error:
        to_do = "Raise that limit, or take away the policy that sets it."
        return Finding(PART, "queue", "wrong", f"No queue can be made: {_words(error)}.", to_do)
    return Finding(PART, "queue", "ok", "A queue can be made, bound and listened by.")


async def _pass_over(_: object) -> None:
    """A board that comes while we look is everybody's but ours."""


async def _publishing(connection: AbstractConnection) -> Finding:
    # guard: check-publishes-reaches
    message = aio_pika.Message(b"", user_id=f"{_NOBODY}.{secrets.token_hex(8)}")
    try:
        async with _channel(connection) as channel:
            exchange = await channel.get_exchange(EXCHANGE, ensure=False)
            await exchange.publish(message, routing_key="", mandatory=False)
    except ChannelAccessRefused as error:
        what = f"Its user may not publish: {_words(error)}."
        return Finding(PART, "publishing", "wrong", what, _RIGHTS)
    except (ChannelPreconditionFailed, ChannelNotFoundEntity):
        pass  # it looked at the rights before
    if await _is_blocked(connection):  # guard: check-notices-broker
        what = "It takes no messages just now, because its memory or its disk is nearly full."
        return Finding(PART, "publishing", "wrong", what, "Look at its alarms, and make room.")
    return Finding(PART, "publishing", "ok", "Its user may publish.")


async def _is_blocked(connection: AbstractConnection) -> bool:
    """Whether nothing is read any more of a connection that has published."""
    try:
        async with asyncio.timeout(_BLOCKED_SECONDS), _channel(connection):
            return False
    except TimeoutError:
        return True


@contextlib.asynccontextmanager
async def _channel(connection: AbstractConnection) -> AsyncIterator[AbstractChannel]:
    """One for each trial, because a refusal ends it."""
    async with asyncio.timeout(CONNECT_SECONDS):
        channel = await connection.channel(publisher_confirms=True)
        try:
            yield channel
        finally:
            with contextlib.suppress(*BROKER_ERRORS):
                await channel.close()


def _place(url: str) -> str:
    parts = urlsplit(url)
    return (
        f"{parts.hostname}:{parts.port or (5671 if parts.scheme == 'amqps' else 5672)}{parts.path}"
    )


def _words(error: BaseException) -> str:
    words = in_words(" ".join(str(error).split())).rstrip(".")
    if words.startswith("Expected one of"):  # what aiormq makes of a broker that closes at once
        return "there is no such virtual host, or its user may not use it"
    return words or "no answer in time"
