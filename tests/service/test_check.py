"""`scoreboard check` on the real three servers: what is well, and what is not, is listed."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import pytest
import redis

import scoreboard
from scoreboard.commands.check import look
from scoreboard.connections import redis_check
from scoreboard.connections.findings import Finding
from tests.broker import Broker
from tests.commands import command
from tests.eventually import eventually
from tests.instances import SECRET, test_settings
from tests.roles import a_role
from tests.servers import RabbitServer, RedisServer
from tests.servers.installation import REDIS_SERVER
from tests.servers.ports import ReservedPort

PASSWORD = "hush-hush-of-this-test"
PACKAGE = Path(scoreboard.__file__).parent


@dataclass(frozen=True)
class Servers:
    """Where this test's servers are."""

    database_url: str
    redis_url: str
    amqp_url: str

    def environment(self) -> dict[str, str]:
        """The variables of a service on them."""
        urls = {f"SCOREBOARD_{key.upper()}": url for key, url in asdict(self).items()}
        return urls | {"SCOREBOARD_JWT_SECRET": SECRET}

    async def checked(self, role: str = "all", **urls: str) -> dict[str, Finding]:
        """Each finding that is not well, by part and name; the first one of each name."""
        findings = await look(test_settings(role=role, **(asdict(self) | urls)))
        unwell = [finding for finding in findings if finding.state != "ok"]
        return {f"{finding.part} {finding.name}": finding for finding in reversed(unwell)}


@pytest.fixture
def servers(database_url: str, redis_url: str, amqp_url: str) -> Servers:
    return Servers(database_url, redis_url, amqp_url)


def wrong(found: dict[str, Finding]) -> list[str]:
    return [name for name, finding in found.items() if finding.state == "wrong"]


async def test_all_is_well_on_servers_that_are(servers: Servers) -> None:
    """The tests' own PostgreSQL forgets what it wrote when the power is cut: a warning."""
    code, said = await command(servers.environment(), "check")

    assert code == 0, said
    assert "WRONG" not in said
    for part in ("settings", "postgresql", "redis", "rabbitmq"):
        assert f"\n{part}\n" in f"\n{said}"
    assert said.splitlines()[-1] == "nothing wrong, 1 warning"
    assert list(await servers.checked("stream")) == ["postgresql durability"]


async def test_everything_that_is_away_is_named_and_no_secret_is() -> None:
    away = {
        "SCOREBOARD_DATABASE_URL": f"postgresql://ada:{PASSWORD}@127.0.0.1:1/games",
        "SCOREBOARD_REDIS_URL": f"redis://ada:{PASSWORD}@127.0.0.1:1/0",
        "SCOREBOARD_AMQP_URL": f"amqp://ada:{PASSWORD}@127.0.0.1:1/games",
        "SCOREBOARD_JWT_SECRET": PASSWORD,
    }
    code, said = await command(away, "check", "--json")
    document = json.loads(said)

    assert (code, document["ok"], document["role"]) == (1, False, "all")
    assert [(check["part"], check["name"]) for check in document["checks"]] == [
        ("settings", "values"),
        ("postgresql", "connection"),
        ("redis", "connection"),
        ("rabbitmq", "connection"),
    ]
    assert all(check["state"] == "wrong" and check["to_do"] for check in document["checks"])
    assert PASSWORD not in said


async def test_settings_that_cannot_be_read_are_a_finding_too() -> None:
    misspelt = {"SCOREBOARD_PROT": "80", "SCOREBOARD_ROLE": "both"}
    code, said = await command(misspelt, "check")

    assert code == 1
    assert "WRONG    values" in said
    assert "prot (SCOREBOARD_PROT)" in said


async def test_an_address_that_is_none_hides_nothing_else(servers: Servers) -> None:
    found = await servers.checked(redis_url="http://nowhere", database_url="nonsense:hush@x")

    assert set(found) == {"redis address", "postgresql address"}
    assert "hush" not in str(found)


async def test_a_right_that_postgresql_does_not_give_is_named(servers: Servers) -> None:
    with a_role(servers.database_url, "stream") as role:
        assert wrong(await servers.checked("stream", database_url=role.url)) == []
        found = await servers.checked("api", database_url=role.url)
    assert wrong(found) == ["postgresql rights"]
    assert found["postgresql rights"].to_do == f"GRANT SELECT, UPDATE ON actions TO {role.name};"


# --- Redis ---


@contextmanager
def a_redis_user(url: str, *rules: str) -> Iterator[str]:
    name = f"user-{secrets.token_hex(4)}"
    with closing(redis.Redis.from_url(url)) as client:
        client.execute_command("ACL", "SETUSER", name, "on", f">{PASSWORD}", *rules)
        parts = urlsplit(url)
        yield urlunsplit(parts._replace(netloc=f"{name}:{PASSWORD}@{parts.netloc}"))
        client.execute_command("ACL", "DELUSER", name)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (("~*", "+@all", "-hset"), "HSET leaderboard"),
        (("~*", "+@all", "-evalsha"), "EVALSHA"),
        (("~*", "+@all", "-script"), "SCRIPT LOAD"),
        (("~*", "+@all", "-hmget"), "HMGET"),
        (("~*", "+@all", "-time"), "TIME"),
        (("~*", "+@all", "-memory"), "MEMORY USAGE"),
        (("~leaderboard*", "~limit:*", "+@all"), "HSET streams:"),
        # What was enough for one board.
        (("~leaderboard", "~limit:*", "~streams:*", "+@all"), "HGET leaderboard:"),
    ],
)
async def test_a_command_or_key_that_redis_does_not_allow_is_named(
    servers: Servers, redis_server: RedisServer, rules: tuple[str, ...], said: str
) -> None:
    with a_redis_user(servers.redis_url, *rules) as url:
        found = await servers.checked(redis_url=url)

    assert wrong(found) == ["redis commands"]
    assert said in found["redis commands"].what
    assert "Give its user" in found["redis commands"].to_do
    assert PASSWORD not in str(found)


async def test_the_rights_that_the_documentation_gives_are_enough_for_redis(
    servers: Servers, redis_server: RedisServer
) -> None:
    page = (PACKAGE.parent / "docs" / "operations.md").read_text("utf-8")
    [rules] = re.findall(r"ACL SETUSER scoreboard on '>…' (.*)$", page, re.MULTILINE)
    with a_redis_user(servers.redis_url, *rules.split()) as url:
        assert wrong(await servers.checked(redis_url=url)) == []


def test_every_command_of_our_scripts_is_tried() -> None:
    """A right that nobody looks at is found out by whoever needs it."""
    called = {
        name
        for path in PACKAGE.rglob("*.py")
        if path.stem != "redis_check"
        for name in re.findall(r"\bp?call\('([A-Z]+)'", path.read_text("utf-8"))
    }
    tried = set(re.findall(r"(?:try|pcall)\('([A-Z]+)'", redis_check.PROBE))

    assert {"SET", "HSET", "TIME"} <= called <= tried


async def test_what_redis_refuses_for_one_reason_is_named_with_it_and_with_what_mends_it(
    servers: Servers, redis_under_fault: RedisServer
) -> None:
    with closing(redis.Redis.from_url(servers.redis_url)) as client:
        client.config_set("min-replicas-to-write", "3")
        try:
            finding = (await servers.checked())["redis commands"]
        finally:
            client.config_set("min-replicas-to-write", "0")
        client.config_set("requirepass", PASSWORD)
        try:
            closed = (await servers.checked())["redis connection"]
        finally:
            client.config_set("requirepass", "")

    assert finding.what.count("NOREPLICAS") == 1
    assert "SET limit:" in finding.what
    assert "Start replicas" in finding.to_do
    assert closed.to_do == "Put user and password into SCOREBOARD_REDIS_URL."


@pytest.mark.parametrize("answer", [b"+OK\r\n", b"%1\r\n%0\r\n:1\r\n", b"HTTP/1.1 400\r\n\r\n"])
async def test_what_is_no_redis_is_named(servers: Servers, answer: bytes) -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(answer * 3)
        writer.close()

    listening = await asyncio.start_server(answers, "127.0.0.1")
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        found = await servers.checked(redis_url=f"redis://127.0.0.1:{port}/0")

    assert wrong(found) in (["redis connection"], ["redis commands"])


class ClusterNode(RedisServer):
    """A node of Redis Cluster, alone in it."""

    def __init__(self) -> None:
        super().__init__()
        self._nodes = ReservedPort()

    def options(self) -> dict[str, str]:
        version = subprocess.check_output([REDIS_SERVER.path(), "--version"], text=True)
        # Before 7.0 nodes speak to each other by the port that is 10,000 higher.
        nodes = {} if "v=6." in version else {"cluster-port": str(self._nodes.number)}
        return super().options() | {"cluster-enabled": "yes"} | nodes

    def destroy(self) -> None:
        super().destroy()
        self._nodes.release()


async def test_a_node_of_redis_cluster_is_named(servers: Servers) -> None:
    """One that has all keys takes each command that is tried, and no script of ours."""
    with ClusterNode() as node:
        with closing(redis.Redis.from_url(node.url)) as client:
            client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
            state = client.execute_command
            await eventually(lambda: state("CLUSTER INFO")["cluster_state"] == "ok")
        found = await servers.checked(redis_url=node.url)

    assert wrong(found) == ["redis mode"]
    assert "name a single server" in found["redis mode"].to_do


async def test_a_key_of_another_kind_and_a_memory_that_drops_boards_are_named(
    servers: Servers, redis_under_fault: RedisServer
) -> None:
    url = servers.redis_url
    with closing(redis.Redis.from_url(url)) as client:
        client.set("leaderboard", "of somebody else")
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            found = await servers.checked()
        finally:
            client.config_set("maxmemory", "0")
            client.config_set("maxmemory-policy", "noeviction")
        assert client.get("leaderboard") == b"of somebody else"
    assert "WRONGTYPE" in found["redis commands"].what
    assert found["redis eviction"].state == "warning"


async def test_the_boards_copy_is_as_it_was_after_a_check(servers: Servers) -> None:
    with closing(redis.Redis.from_url(servers.redis_url)) as client:
        assert wrong(await servers.checked()) == []
        assert client.exists("leaderboard") == 0
        client.hset("leaderboard", mapping={"version": "7", "board": "{}"})
        assert wrong(await servers.checked()) == []
        assert client.hgetall("leaderboard") == {b"version": b"7", b"board": b"{}"}


# --- RabbitMQ ---


@contextmanager
def a_rabbit_user(
    server: RabbitServer, url: str, configure: str, write: str, read: str
) -> Iterator[str]:
    name, vhost = f"user-{secrets.token_hex(4)}", urlsplit(url).path.strip("/")
    rights = ", ".join(f'<<"{right}">>' for right in (configure, write, read))
    server.evaluate(
        f'ok = rabbit_auth_backend_internal:add_user(<<"{name}">>, <<"{PASSWORD}">>, <<"test">>), '
        f'ok = rabbit_auth_backend_internal:set_permissions(<<"{name}">>, <<"{vhost}">>, '
        f'{rights}, <<"test">>)'
    )
    parts = urlsplit(url)
    where = parts.netloc.rpartition("@")[2]
    yield urlunsplit(parts._replace(netloc=f"{name}:{PASSWORD}@{where}"))
    server.evaluate(f'ok = rabbit_auth_backend_internal:delete_user(<<"{name}">>, <<"test">>)')


OURS = "^scoreboard[.].*"
QUEUES = "^scoreboard[.]stream[.].*"


@pytest.mark.parametrize(
    ("rights", "role", "lacking"),
    [
        ((OURS, OURS, OURS), "api", []),
        ((OURS, QUEUES, OURS), "api", ["rabbitmq publishing"]),
        ((QUEUES, QUEUES, OURS), "stream", []),
        ((OURS, OURS, "^$"), "stream", ["rabbitmq queue"]),
        (("^$", OURS, OURS), "stream", ["rabbitmq queue"]),
    ],
)
async def test_a_right_that_rabbitmq_does_not_give_is_named(
    servers: Servers,
    rabbit_server: RabbitServer,
    rights: tuple[str, str, str],
    role: str,
    lacking: list[str],
) -> None:
    assert wrong(await servers.checked()) == []  # which makes the exchange
    with a_rabbit_user(rabbit_server, servers.amqp_url, *rights) as url:
        found = await servers.checked(role, amqp_url=url)

    assert wrong(found) == lacking
    assert PASSWORD not in str(found)


async def test_an_exchange_of_another_kind_is_named(
    servers: Servers,
) -> None:
    async with await aio_pika.connect(servers.amqp_url) as connection:
        channel = await connection.channel()
        await channel.declare_exchange("scoreboard.events", "topic", durable=True)
        found = await servers.checked()

    assert wrong(found)[-1:] == ["rabbitmq exchange"]
    assert "is of another kind" in found["rabbitmq exchange"].what
    assert "Delete it" in found["rabbitmq exchange"].to_do


async def test_a_broker_that_takes_no_messages_or_no_queue_is_named(
    servers: Servers, rabbit_under_fault: RabbitServer
) -> None:
    broker = Broker(rabbit_under_fault, servers.amqp_url)
    broker.alarm("disk")
    try:
        full = await servers.checked()
    finally:
        broker.clear_alarm("disk")
    broker.limit_queues(0)
    limited = await servers.checked()

    assert wrong(full) == ["rabbitmq publishing"]
    assert "its memory or its disk is nearly full" in full["rabbitmq publishing"].what
    assert wrong(limited) == ["rabbitmq queue"]
    assert "queue limit in vhost" in limited["rabbitmq queue"].what
    assert wrong(await servers.checked("stream")) == ["rabbitmq queue"]


async def test_a_virtual_host_that_is_not_there_is_named(servers: Servers) -> None:
    url = servers.amqp_url.rpartition("/")[0] + "/not-there"
    found = await servers.checked(amqp_url=url)

    assert "no such virtual host" in found["rabbitmq connection"].what


async def test_nothing_that_is_tried_reaches_an_instance(
    servers: Servers,
) -> None:
    async with await aio_pika.connect(servers.amqp_url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange("scoreboard.events", "fanout", durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange)
        assert wrong(await servers.checked()) == []
        await exchange.publish(aio_pika.Message(b"the first one"), routing_key="")
        message = await queue.get(no_ack=True, timeout=10)
    assert message.body == b"the first one"
