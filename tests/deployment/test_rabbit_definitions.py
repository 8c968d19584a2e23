"""docker/rabbitmq/definitions.json in a real RabbitMQ: its user can do all that an instance does,
and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused

from scoreboard.live.messages import EXCHANGE
from tests.deployment.files import DOCKER, rabbit_hash
from tests.instances import hears_by_the_bus_alone, starting_instances
from tests.servers import RabbitServer
from tests.world import add_actions, add_users

# Not the names that the file has: the user of that name is the broker's own here.
NAME = "least-privileged"
PASSWORD = "a-password-for-tests"


def definitions() -> dict[str, Any]:
    """The file, with another name and with its passwords, as docker/make_secrets.py fills it in."""
    text = (DOCKER / "rabbitmq" / "definitions.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(
        text.replace('"scoreboard"', f'"{NAME}"').replace('"operator"', f'"{NAME}-operator"')
    )
    for user in document["users"]:
        user["password_hash"] = rabbit_hash(PASSWORD)
        user["hashing_algorithm"] = "rabbit_password_hashing_sha256"
    return document


@pytest.fixture
def least_url(own_rabbit_server: RabbitServer, tmp_path: Path) -> Iterator[str]:
    """The address by which the user of the definitions is at home, and no other."""
    file = tmp_path / "definitions.json"
    file.write_text(json.dumps(definitions()))
    read = f'rabbit_definitions:import_raw(element(2, file:read_file("{file}")))'
    assert own_rabbit_server.evaluate(read) == "ok"
    yield f"amqp://{NAME}:{PASSWORD}@127.0.0.1:{urlsplit(own_rabbit_server.url).port}/{NAME}"
    own_rabbit_server.delete_vhost(NAME)
    for user in definitions()["users"]:
        own_rabbit_server.evaluate(
            f'rabbit_auth_backend_internal:delete_user(<<"{user["name"]}">>, <<"scoreboard">>)'
        )


async def test_instances_need_no_more_rights(
    least_url: str, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50})
    async with starting_instances(database_url, redis_url, least_url) as start:
        api, other = await start(role="api"), await start(role="stream")
        stream = await other.open_stream()
        version = (await other.board())["version"]
        await stream.until(version)
        await hears_by_the_bus_alone(other, monkeypatch)
        assert (await api.submit(user, "run"))[0] == 200
        await stream.until(version + 1)
        assert stream.boards[-1].data["topUsers"][0]["score"] == 50
        assert other.metric("events_received_total") == 1


Attempt = Callable[[AbstractChannel], Awaitable[Any]]


async def bind_elsewhere(channel: AbstractChannel) -> None:
    queue = await channel.declare_queue("scoreboard.stream.x", exclusive=True)
    await queue.bind("amq.topic", "#")


async def publish_elsewhere(channel: AbstractChannel) -> None:
    await channel.default_exchange.publish(aio_pika.Message(b""), "scoreboard.stream.x")


@pytest.mark.parametrize(
    "attempt",
    [
        lambda channel: channel.declare_exchange("somebodys", "fanout"),
        lambda channel: channel.declare_queue("somebodys"),
        bind_elsewhere,
        publish_elsewhere,
    ],
)
async def test_nothing_else_may_be_made_read_or_written(least_url: str, attempt: Attempt) -> None:
    async with await aio_pika.connect(least_url) as connection:
        channel = await connection.channel()
        with pytest.raises(ChannelAccessRefused):
            await attempt(channel)


async def test_every_queue_of_ours_is_bounded_whoever_makes_it(least_url: str) -> None:
    async with await aio_pika.connect(least_url) as connection:
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
    assert tags == {NAME: [], f"{NAME}-operator": ["administrator"]}
