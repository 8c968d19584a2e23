"""docker/rabbitmq/definitions.json in a real RabbitMQ: the user of each role can do all that its
instances do, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused

from scoreboard.bus.messages import EXCHANGE
from scoreboard.parts import PARTS
from tests.broker import Broker
from tests.deployment.files import DOCKER, rabbit_hash
from tests.eventually import eventually
from tests.instances import hears_by_the_bus_alone, starting_instances
from tests.servers import RabbitServer
from tests.world import add_actions, add_users

# Not the names that the file has: the user of that name is the broker's own here.
NAME = "least-privileged"
PASSWORD = "a-password-for-tests"


def definitions() -> dict[str, Any]:
    """The file, with another name and with its passwords, as docker/make_secrets.py fills it in."""
    text = (DOCKER / "rabbitmq" / "definitions.json").read_text("utf-8")
    for name in ("scoreboard", "scoreboard-stream", "operator"):
        renamed = name.replace("scoreboard", NAME) if "scoreboard" in name else f"{NAME}-{name}"
        text = text.replace(f'"{name}"', f'"{renamed}"')
    document: dict[str, Any] = json.loads(text)
    for user in document["users"]:
        user["password_hash"] = rabbit_hash(PASSWORD)
        user["hashing_algorithm"] = "rabbit_password_hashing_sha256"
    return document


@pytest.fixture
def least_urls(own_rabbit_server: RabbitServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The address of each role's user, by which it is at home and nobody else."""
    file = tmp_path / "definitions.json"
    file.write_text(json.dumps(definitions()))
    read = f'rabbit_definitions:import_raw(element(2, file:read_file("{file}")))'
    assert own_rabbit_server.evaluate(read) == "ok"
    place = f"{PASSWORD}@127.0.0.1:{urlsplit(own_rabbit_server.url).port}/{NAME}"
    yield {"api": f"amqp://{NAME}:{place}", "stream": f"amqp://{NAME}-stream:{place}"}
    own_rabbit_server.delete_vhost(NAME)
    for user in definitions()["users"]:
        own_rabbit_server.evaluate(
            f'rabbit_auth_backend_internal:delete_user(<<"{user["name"]}">>, <<"scoreboard">>)'
        )


async def test_instances_need_no_more_rights(
    least_urls: dict[str, str],
    own_rabbit_server: RabbitServer,
    database_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users = add_users(database_url, 2)
    add_actions(database_url, {"run": 50})
    async with starting_instances(database_url, redis_url, "") as start:
        api, other = [await start(role=role, amqp_url=url) for role, url in least_urls.items()]
        stream = await other.open_stream()
        version = (await other.board())["version"]
        await stream.until(version)
        await hears_by_the_bus_alone(other, monkeypatch)
        assert (await api.submit(users[0], "run"))[0] == 200
        await stream.until(version + 1)
        assert stream.boards[-1].data["topUsers"][0]["score"] == 50
        assert other.metric("events_received_total") == 1

        # One that somebody deletes is made by those who may, and waited for by the others.
        for instance in (api, other):
            instance.app[PARTS].metrics.bus_connects.clear()
        Broker(own_rabbit_server, least_urls["api"]).close_connections()
        Broker(own_rabbit_server, least_urls["api"]).delete_exchange()
        await eventually(lambda: other.metric("bus_connects_total", side="consume") >= 1)
        buses = api.app[PARTS].bus, other.app[PARTS].bus
        await eventually(lambda: all(bus.connected for bus in buses), within_seconds=20.0)
        assert (await api.submit(users[1], "run"))[0] == 200
        await stream.until(version + 2)


async def bind_elsewhere(channel: AbstractChannel) -> None:
    queue = await channel.declare_queue("scoreboard.stream.x", exclusive=True)
    await queue.bind("amq.topic", "#")


async def publish_elsewhere(channel: AbstractChannel) -> None:
    await channel.default_exchange.publish(aio_pika.Message(b""), "scoreboard.stream.x")


async def publish(channel: AbstractChannel) -> None:
    exchange = await channel.get_exchange(EXCHANGE, ensure=False)
    await exchange.publish(aio_pika.Message(b""), "")


async def publish_by_what_dies(channel: AbstractChannel) -> None:
    """What expires in a queue of ours would go on to the exchange, sent by the broker itself."""
    dies_into: Any = {"x-dead-letter-exchange": EXCHANGE}
    await channel.declare_queue("scoreboard.stream.y", exclusive=True, arguments=dies_into)


async def publish_by_what_is_not_routed(channel: AbstractChannel) -> None:
    leads_on: Any = {"alternate-exchange": EXCHANGE}
    await channel.declare_exchange("scoreboard.stream.z", auto_delete=True, arguments=leads_on)


async def publish_by_way_of_another_exchange(channel: AbstractChannel) -> None:
    other = await channel.declare_exchange("scoreboard.stream.w", "fanout", auto_delete=True)
    target = await channel.get_exchange(EXCHANGE, ensure=False)
    try:
        await target.bind(other)
    finally:
        if not channel.is_closed:
            await other.delete()


async def delete(channel: AbstractChannel) -> None:
    await channel.exchange_delete(EXCHANGE)


nobodys = [
    lambda channel: channel.declare_exchange("somebodys", "fanout"),
    lambda channel: channel.declare_queue("somebodys"),
    bind_elsewhere,
    publish_elsewhere,
]
of_those_who_publish = [
    publish,
    publish_by_what_dies,
    publish_by_what_is_not_routed,
    publish_by_way_of_another_exchange,
    lambda channel: channel.declare_exchange(EXCHANGE, "fanout", durable=True),
    delete,
]


async def test_nothing_else_may_be_made_read_or_written(least_urls: dict[str, str]) -> None:
    refused = [("api", attempt) for attempt in nobodys]
    refused += [("stream", attempt) for attempt in (*nobodys, *of_those_who_publish)]
    for role, attempt in refused:
        async with await aio_pika.connect(least_urls[role]) as connection:
            channel = await connection.channel()
            with pytest.raises(ChannelAccessRefused):
                await attempt(channel)


async def test_every_queue_of_ours_is_bounded_whoever_makes_it(
    least_urls: dict[str, str],
) -> None:
    async with await aio_pika.connect(least_urls["api"]) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("scoreboard.stream.unbounded")
        exchange = await channel.get_exchange(EXCHANGE)
        await queue.bind(exchange)
        for _ in range(70):
            await exchange.publish(aio_pika.Message(b"x"), "", mandatory=False)
        declared = await channel.declare_queue(queue.name, passive=True)
        assert declared.declaration_result.message_count == 64
        await queue.delete(if_empty=False, if_unused=False)


def test_the_operator_of_the_ui_is_somebody_else() -> None:
    tags = {user["name"]: user["tags"] for user in definitions()["users"]}
    assert tags == {NAME: [], f"{NAME}-stream": [], f"{NAME}-operator": ["administrator"]}
