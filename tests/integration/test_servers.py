"""The servers that the other tests stand on: each answers, and each test has a place of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import aio_pika
import psutil
import psycopg2
import pytest
import redis

from tests.servers import (
    PostgresServer,
    RabbitServer,
    RedisServer,
    ServerFailedError,
)
from tests.servers.installation import Program, ProgramsMissingError, provide


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
        connection.commit()
        return rows


def test_postgres_answers(empty_database_url: str) -> None:
    assert query(empty_database_url, "SELECT 1") == [(1,)]


def test_redis_answers_and_is_empty(redis_url: str) -> None:
    with closing(redis.Redis.from_url(redis_url)) as client:
        assert client.ping()
        assert client.dbsize() == 0


async def test_rabbit_passes_a_message_on(amqp_url: str) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await channel.default_exchange.publish(aio_pika.Message(b"hello"), queue.name)
        message = await queue.get()
        await message.ack()
        assert message.body == b"hello"


def test_two_databases_from_the_template_are_independent(
    database_url: str, request: pytest.FixtureRequest, postgres_server: PostgresServer
) -> None:
    from tests.conftest import a_database

    template = request.getfixturevalue("template_database")
    with a_database(postgres_server.url, "scoreboard_second", template=template) as second_url:
        query(database_url, "INSERT INTO actions (action_id, points) VALUES ('only-here', 1)")
        count = "SELECT count(*) FROM actions WHERE action_id = 'only-here'"
        assert query(database_url, count) == [(1,)]
        assert query(second_url, count) == [(0,)]


def test_a_migrated_database_has_the_tables_and_an_empty_one_has_none(
    database_url: str, empty_database_url: str
) -> None:
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert {"users", "scores", "actions", "ledger"} <= {
        name for (name,) in query(database_url, tables)
    }
    assert query(empty_database_url, tables) == []


async def test_what_one_vhost_declares_another_does_not_know(
    amqp_url: str, own_rabbit_server: RabbitServer
) -> None:
    other_url = own_rabbit_server.add_vhost("other")
    async with await aio_pika.connect(amqp_url) as here, await aio_pika.connect(other_url) as there:
        await (await here.channel()).declare_exchange("scoreboard.events", "fanout")
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await (await there.channel()).get_exchange("scoreboard.events")
    own_rabbit_server.delete_vhost("other")


def test_a_mistake_in_the_brokers_shell_is_reported(own_rabbit_server: RabbitServer) -> None:
    with pytest.raises(ServerFailedError, match="badmatch"):
        own_rabbit_server.evaluate("ok = wrong")


def test_a_restarted_redis_keeps_its_port_and_loses_its_data(
    redis_under_fault: RedisServer,
) -> None:
    port, pid = redis_under_fault.port, redis_under_fault.pid
    with closing(redis.Redis(port=port)) as client:
        client.set("key", "value")
        redis_under_fault.restart()
        assert redis_under_fault.port == port
        assert redis_under_fault.pid != pid
        assert client.get("key") is None


def test_a_killed_postgres_comes_back_with_what_was_committed(
    empty_database_url: str, postgres_under_fault: PostgresServer
) -> None:
    query(empty_database_url, "CREATE TABLE kept AS SELECT 7 AS number")
    postgres_under_fault.kill()
    with pytest.raises(psycopg2.OperationalError):
        query(empty_database_url, "SELECT 1")
    postgres_under_fault.start()
    assert query(empty_database_url, "SELECT number FROM kept") == [(7,)]


def test_a_paused_server_keeps_connections_open_and_answers_after_resuming(
    redis_url: str, redis_under_fault: RedisServer
) -> None:
    with closing(redis.Redis.from_url(redis_url, socket_timeout=0.2, retry=None)) as client:
        client.ping()
        redis_under_fault.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        redis_under_fault.resume()
        assert client.ping()


def test_a_paused_postgres_freezes_open_sessions_too(
    empty_database_url: str, postgres_under_fault: PostgresServer
) -> None:
    with closing(psycopg2.connect(empty_database_url)) as connection:
        backend = psutil.Process(connection.info.backend_pid)
        postgres_under_fault.pause()
        assert backend.status() == psutil.STATUS_STOPPED
        postgres_under_fault.resume()
        connection.cursor().execute("SELECT 1")


def test_a_healed_broker_still_has_its_vhosts(
    amqp_url: str, rabbit_under_fault: RabbitServer
) -> None:
    rabbit_under_fault.kill()
    rabbit_under_fault.heal()
    assert amqp_url.rsplit("/", 1)[1] in rabbit_under_fault.evaluate("rabbit_vhost:list_names()")


def test_two_servers_of_a_kind_run_side_by_side(own_redis_server: RedisServer) -> None:
    with RedisServer() as second:
        assert second.port != own_redis_server.port
        assert second.answers()


def test_a_killed_test_run_leaves_no_server_and_no_file_behind() -> None:
    script = (
        "from tests.servers import RedisServer; import os, signal\n"
        "server = RedisServer().start(); print(server.pid, server.directory, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=os.getcwd()
    )
    pid, directory = run.stdout.split()
    deadline = time.monotonic() + 5
    while Path(directory).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(directory).exists()
    assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == "zombie"


def test_a_missing_program_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    nowhere = Program("no-such-server", (), debian="some-package", homebrew="some-formula")
    with pytest.raises(ProgramsMissingError) as raised:
        provide([nowhere])
    assert "no-such-server" in str(raised.value)
    assert "apt-get install --no-install-recommends some-package" in str(raised.value)
    assert "brew install some-formula" in str(raised.value)
