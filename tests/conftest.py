"""What every test may ask for: real servers, and a fresh place on each of them.

| fixture | scope | what it is |
|---|---|---|
| `postgres_server`, `redis_server`, `rabbit_server` | session | the running servers |
| `database_url` | function | a new database with every migration applied |
| `empty_database_url` | function | a new database without any table |
| `redis_url` | function | an empty Redis database |
| `amqp_url` | function | a virtual host without exchanges or queues of anybody else |
| `postgres_under_fault`, `redis_under_fault`, `rabbit_under_fault` | function | the server, to be
  stopped, killed or paused; it runs again after the test |
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest
import redis
from psycopg2 import sql

from tests.servers import (
    GivenServer,
    PostgresServer,
    ProgramsMissingError,
    RabbitServer,
    RedisServer,
    ServerProcess,
    settle,
)

Controlled = TypeVar("Controlled", bound=ServerProcess)

_HERE = Path(__file__).parent
# By name; what each holds is known only to the fixture of that name, hence Any.
_STARTS = pytest.StashKey[dict[str, "Future[Any]"]]()
_NAMES = ("postgres", "redis", "rabbit")
# Unique on a server that several test runs share.
_RUN = secrets.token_hex(4)
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with its directory: `-m unit`, `-m "not faults"`."""
    for item in items:
        kind = item.path.relative_to(_HERE).parts[0]
        if (_HERE / kind).is_dir():
            item.add_marker(kind)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the servers that the collected tests need, side by side, before the first test.

    Here rather than in a fixture, so that an installation does not count against a test's timeout.
    """
    asked = {fixture for item in session.items for fixture in getattr(item, "fixturenames", ())}
    wanted = [name for name in _NAMES if f"{name}_server" in asked]
    if not wanted or session.config.option.collectonly:
        return
    try:
        servers = settle(wanted)
    except ProgramsMissingError as missing:
        pytest.exit(str(missing), returncode=3)
    with_own_thread = ThreadPoolExecutor(len(servers), thread_name_prefix="server-start")
    session.config.stash[_STARTS] = {
        name: with_own_thread.submit(_started, server) for name, server in servers.items()
    }
    with_own_thread.shutdown(wait=False)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers after the last fixture's end, which may still need them.

    An exit without this ends them too (`tests/servers/process.py`).
    """
    for start in config.stash.get(_STARTS, {}).values():
        if start.exception() is None:
            start.result().destroy()


def _started(server: ServerProcess | GivenServer) -> ServerProcess | GivenServer:
    server.start()
    return server


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> PostgresServer | GivenServer:
    server: PostgresServer | GivenServer = _start(request, "postgres")
    return server


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest) -> RedisServer | GivenServer:
    server: RedisServer | GivenServer = _start(request, "redis")
    return server


@pytest.fixture(scope="session")
def rabbit_server(request: pytest.FixtureRequest) -> RabbitServer | GivenServer:
    server: RabbitServer | GivenServer = _start(request, "rabbit")
    return server


def _start(request: pytest.FixtureRequest, name: str) -> Any:
    return request.config.stash[_STARTS][name].result()


# PostgreSQL: a database per test.


@pytest.fixture(scope="session")
def template_database(postgres_server: PostgresServer | GivenServer) -> Iterator[str]:
    """The name of a database that was migrated once, so that tests only clone it."""
    from scoreboard.migrations import migrate

    name = f"scoreboard_template_{_RUN}"
    with a_database(postgres_server.url, name, template="template1") as url:
        migrate(url)
        yield name


@pytest.fixture
def database_url(
    postgres_server: PostgresServer | GivenServer, template_database: str
) -> Iterator[str]:
    name = f"scoreboard_test_{_RUN}_{next(_numbers)}"
    with a_database(postgres_server.url, name, template=template_database) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_server: PostgresServer | GivenServer) -> Iterator[str]:
    name = f"scoreboard_test_{_RUN}_{next(_numbers)}"
    with a_database(postgres_server.url, name, template="template1") as url:
        yield url


@contextmanager
def a_database(server_url: str, name: str, *, template: str) -> Iterator[str]:
    database = sql.Identifier(name)
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    _administer(server_url, create.format(database, sql.Identifier(template)))
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        # FORCE, because a test about lost connections may leave some behind.
        _administer(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


def _administer(server_url: str, statement: sql.Composable) -> None:
    with closing(psycopg2.connect(server_url)) as connection:
        # CREATE DATABASE refuses to run in a transaction.
        connection.autocommit = True
        connection.cursor().execute(statement)


# Redis: a numbered database per test.


@pytest.fixture
def redis_url(redis_server: RedisServer | GivenServer) -> str:
    """An empty database: our 16 in turn, so that stragglers of the last test write elsewhere.

    On a given server only the one that its address names is ever flushed.
    """
    url = redis_server.url
    if isinstance(redis_server, RedisServer):
        number = next(_numbers) % redis_server.databases
        url = urlunsplit(urlsplit(url)._replace(path=f"/{number}"))
    with closing(redis.Redis.from_url(url)) as client:
        client.flushdb()
    return url


# RabbitMQ: a virtual host per test.


@pytest.fixture
def amqp_url(rabbit_server: RabbitServer | GivenServer) -> Iterator[str]:
    """A virtual host; on a given server, where we may create none, the one it names itself."""
    if not isinstance(rabbit_server, RabbitServer):
        yield rabbit_server.url
        return
    name = f"test-{next(_numbers)}"
    yield rabbit_server.add_vhost(name)
    rabbit_server.delete_vhost(name)


# Faults: the session's servers, which the next test needs again.


@pytest.fixture
def postgres_under_fault(postgres_server: PostgresServer | GivenServer) -> Iterator[PostgresServer]:
    yield from _under_fault(postgres_server, PostgresServer)


@pytest.fixture
def redis_under_fault(redis_server: RedisServer | GivenServer) -> Iterator[RedisServer]:
    yield from _under_fault(redis_server, RedisServer)


@pytest.fixture
def rabbit_under_fault(rabbit_server: RabbitServer | GivenServer) -> Iterator[RabbitServer]:
    yield from _under_fault(rabbit_server, RabbitServer)


def _under_fault(
    server: ServerProcess | GivenServer, kind: type[Controlled]
) -> Iterator[Controlled]:
    if not isinstance(server, kind):
        pytest.skip(f"{server.name} belongs to somebody else: it cannot be stopped for a test")
    yield server
    server.heal()
