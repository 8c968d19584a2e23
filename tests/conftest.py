"""What every test may ask for: real servers, and a fresh place on each of them.

| fixture | scope | what it is |
|---|---|---|
| `postgres_server`, `redis_server`, `rabbit_server` | session | the running servers |
| `database_url` | function | a new database with every migration applied |
| `empty_database_url` | function | a new database without any table |
| `redis_url` | function | an empty Redis database |
| `amqp_url` | function | a virtual host without exchanges or queues of anybody else |
| `shared_database_url`, `shared_redis_url`, `shared_amqp_url` | module | the same places, for
  `shared_instance` (`tests/service/conftest.py`) |
| `own_postgres_server`, `own_redis_server`, `own_rabbit_server` | session | the server, to be
  looked into and changed; a test that asks for one is skipped where it belongs to somebody else |
| `postgres_under_fault`, `redis_under_fault`, `rabbit_under_fault` | function | the server, to be
  stopped, killed or paused; it runs again after the test |

`make test` runs several processes, each with servers of its own (`pytest_xdist_auto_num_workers`).
"""

from __future__ import annotations

import gc
import itertools
import secrets
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest
import redis
from hypothesis import HealthCheck, settings
from psycopg2 import sql

from tests.logs import logging_as_it_was
from tests.machine import cores
from tests.process_signals import signals_as_they_were
from tests.schedule import in_turns
from tests.servers import (
    GivenServer,
    PostgresServer,
    ProgramsMissingError,
    RabbitServer,
    RedisServer,
    ServerProcess,
    provide_for,
    settle,
)
from tests.servers.given import given_url

__all__ = ["logging_as_it_was", "signals_as_they_were"]

Controlled = TypeVar("Controlled", bound=ServerProcess)

_HERE = Path(__file__).parent
# By name; what each holds is known only to the fixture of that name, hence Any.
_STARTS = pytest.StashKey[dict[str, "Future[Any]"]]()
_NAMES = ("postgres", "redis", "rabbit")
# Unique on a server that several test runs share.
_RUN = secrets.token_hex(4)
_numbers = itertools.count(1)
# Each process takes 300 MB for its servers, and no run is shorter than its longest file.
_PROCESSES_MAX = 4


@pytest.hookimpl(optionalhook=True)  # a venv without pytest-xdist runs single tests all the same
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many processes `-n auto` starts, each with servers of its own; with 0 it runs as without.

    The whole suite takes three for two cores, because tests wait much: for deadlines, fail-overs,
    the next look. A selection takes none: servers for a second process cost more than it saves. Nor
    do given servers, of whose Redis two processes would flush one database.
    """
    if _is_selection(config) or any(given_url(name) for name in _NAMES):
        return 0
    processes = min(cores() * 3 // 2, _PROCESSES_MAX)
    return processes if processes > 1 else 0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Say what is missing once, before there are several processes to say it."""
    with _or_exit():
        provide_for(name for name in _NAMES if not given_url(name))


def _is_selection(config: pytest.Config) -> bool:
    narrowed = ("keyword", "markexpr", "lf", "stepwise")
    return config.args_source is pytest.Config.ArgsSource.ARGS or any(
        config.getoption(option, None) for option in narrowed
    )


def pytest_configure() -> None:
    """Let what tests start be interrupted, and told of the end of its terminal, also where this run
    was started in the background or by `nohup`: there these signals are ignored, and so they would
    be by each process that inherits that. And let generated cases take the time that they take
    beside another process.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        # The run itself goes on: only a process that is started has no use for a handler of ours.
        signal.signal(signal.SIGHUP, lambda *_: None)
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("patient", patient)
    settings.load_profile("patient")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test with its directory (`-m unit`, `-m "not faults"`), and with its loop. Of
    several processes, let each have the same order (`tests/schedule.py`).
    """
    if hasattr(config, "workerinput"):
        order = in_turns({item.path for item in items}, _HERE)
        places = {path: place for place, path in enumerate(order)}
        items.sort(key=lambda item: places[item.path])
    for item in items:
        kind = item.path.relative_to(_HERE).parts[0]
        if (_HERE / kind).is_dir():
            item.add_marker(kind)
        if "shared_instance" in getattr(item, "fixturenames", ()):
            # What is shared by the tests of a file lives on one loop, and they run on it.
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the servers that the collected tests need, side by side, before the first test. And
    leave the tests themselves, half a million objects, out of every collection.

    Here rather than in a fixture, so that an installation does not count against a test's timeout.
    """
    gc.freeze()
    asked = {fixture for item in session.items for fixture in getattr(item, "fixturenames", ())}
    wanted = [name for name in _NAMES if f"{name}_server" in asked]
    if not wanted or session.config.option.collectonly:
        return
    with _or_exit():
        servers = settle(wanted, own=[name for name in wanted if f"own_{name}_server" in asked])
    with_own_thread = ThreadPoolExecutor(len(servers), thread_name_prefix="server-start")
    session.config.stash[_STARTS] = {
        name: with_own_thread.submit(_started, server) for name, server in servers.items()
    }
    with_own_thread.shutdown(wait=False)


@contextmanager
def _or_exit() -> Iterator[None]:
    """End the run, saying what to install, when a program is missing."""
    try:
        yield
    except ProgramsMissingError as missing:
        pytest.exit(str(missing), returncode=3)


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


@pytest.fixture(scope="session")
def own_postgres_server(postgres_server: PostgresServer | GivenServer) -> PostgresServer:
    return _own(postgres_server, PostgresServer)


@pytest.fixture(scope="session")
def own_redis_server(redis_server: RedisServer | GivenServer) -> RedisServer:
    return _own(redis_server, RedisServer)


@pytest.fixture(scope="session")
def own_rabbit_server(rabbit_server: RabbitServer | GivenServer) -> RabbitServer:
    return _own(rabbit_server, RabbitServer)


def _own(server: ServerProcess | GivenServer, kind: type[Controlled]) -> Controlled:
    if not isinstance(server, kind):
        pytest.skip(f"{server.name} belongs to somebody else: it is neither stopped nor changed")
    return server


# PostgreSQL: a database per test.


@pytest.fixture(scope="session")
def template_database(postgres_server: PostgresServer | GivenServer) -> Iterator[str]:
    """The name of a database that was migrated once, so that tests only clone it."""
    from scoreboard.database.migrations import migrate

    name = f"scoreboard_template_{_RUN}"
    with a_database(postgres_server.url, name, template="template1") as url:
        migrate(url)
        yield name


@pytest.fixture
def database_url(
    postgres_server: PostgresServer | GivenServer, template_database: str
) -> Iterator[str]:
    with _a_numbered_database(postgres_server.url, template_database) as url:
        yield url


@pytest.fixture(scope="module")
def shared_database_url(
    postgres_server: PostgresServer | GivenServer, template_database: str
) -> Iterator[str]:
    with _a_numbered_database(postgres_server.url, template_database) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_server: PostgresServer | GivenServer) -> Iterator[str]:
    with _a_numbered_database(postgres_server.url, "template1") as url:
        yield url


def _a_numbered_database(server_url: str, template: str) -> AbstractContextManager[str]:
    name = f"scoreboard_test_{_RUN}_{next(_numbers)}"
    return a_database(server_url, name, template=template)


@contextmanager
def a_database(server_url: str, name: str, *, template: str) -> Iterator[str]:
    database = sql.Identifier(name)
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} {}")
    with _administering(server_url) as connection:
        # As files: through the log, as PostgreSQL 15 would, it takes half as long again.
        copied = "STRATEGY FILE_COPY" if connection.server_version >= 150_000 else ""
        connection.cursor().execute(
            create.format(database, sql.Identifier(template), sql.SQL(copied))
        )
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        # FORCE, because a test about lost connections may leave some behind.
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database)
        with _administering(server_url) as connection:
            connection.cursor().execute(drop)


@contextmanager
def _administering(server_url: str) -> Iterator[psycopg2.extensions.connection]:
    with closing(psycopg2.connect(server_url)) as connection:
        # CREATE DATABASE refuses to run in a transaction.
        connection.autocommit = True
        yield connection


# Redis: a numbered database per test.


@pytest.fixture
def redis_url(redis_server: RedisServer | GivenServer) -> str:
    """An empty database: all of ours but the last in turn, so that stragglers of the last test
    write elsewhere.
    """
    return _empty(redis_server, next(_numbers) % (RedisServer.databases - 1))


@pytest.fixture(scope="module")
def shared_redis_url(redis_server: RedisServer | GivenServer) -> str:
    """An empty database, which no single test is given."""
    return _empty(redis_server, RedisServer.databases - 1)


def _empty(server: RedisServer | GivenServer, number: int) -> str:
    """The address of this database; of a given server only the one that its address names is ever
    flushed.
    """
    url = server.url
    if isinstance(server, RedisServer):
        url = urlunsplit(urlsplit(url)._replace(path=f"/{number}"))
    with closing(redis.Redis.from_url(url)) as client:
        client.flushdb()
    return url


# RabbitMQ: a virtual host per test.


@pytest.fixture
def amqp_url(rabbit_server: RabbitServer | GivenServer) -> Iterator[str]:
    with _a_vhost(rabbit_server) as url:
        yield url


@pytest.fixture(scope="module")
def shared_amqp_url(rabbit_server: RabbitServer | GivenServer) -> Iterator[str]:
    with _a_vhost(rabbit_server) as url:
        yield url


@contextmanager
def _a_vhost(server: RabbitServer | GivenServer) -> Iterator[str]:
    """A virtual host; on a given server, where we may create none, the one it names itself."""
    if not isinstance(server, RabbitServer):
        yield server.url
        return
    name = f"test-{next(_numbers)}"
    yield server.add_vhost(name)
    server.delete_vhost(name)


# Faults: the session's servers, which the next test needs again.


@pytest.fixture
def postgres_under_fault(own_postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    yield own_postgres_server
    own_postgres_server.heal()


@pytest.fixture
def redis_under_fault(own_redis_server: RedisServer) -> Iterator[RedisServer]:
    yield own_redis_server
    own_redis_server.heal()


@pytest.fixture
def rabbit_under_fault(own_rabbit_server: RabbitServer) -> Iterator[RabbitServer]:
    yield own_rabbit_server
    own_rabbit_server.heal()
