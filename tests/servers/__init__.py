"""Real servers for tests: PostgreSQL, Redis and RabbitMQ, private to one test run.

Each comes from an installed program, listens on a free loopback port, keeps its files in a
temporary directory and is ended with the run, however the run ends. `settle` decides, before
anything starts, which of the three are given by the environment and which are to be started, and
sees to it that the programs are there.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.servers.given import GivenServer, are_lent, given_url
from tests.servers.installation import POSTGRES, RABBITMQ, REDIS, ProgramsMissingError, provide
from tests.servers.postgres import PostgresServer
from tests.servers.process import ServerFailedError, ServerProcess
from tests.servers.rabbit import RabbitServer
from tests.servers.redis import RedisServer

__all__ = [
    "GivenServer",
    "PostgresServer",
    "ProgramsMissingError",
    "RabbitServer",
    "RedisServer",
    "ServerFailedError",
    "ServerProcess",
    "provide_for",
    "settle",
]

_KINDS = {
    "postgres": (PostgresServer, POSTGRES),
    "redis": (RedisServer, REDIS),
    "rabbit": (RabbitServer, RABBITMQ),
}


def settle(
    wanted: Iterable[str], own: Iterable[str] = ()
) -> dict[str, ServerProcess | GivenServer]:
    """Answer one server per name in `wanted`; those of this run's own are not started yet.

    Those named in `own` are never ones that were only lent. Installing is done here, once for all,
    because two package installations cannot run at once.
    """
    not_lent = set(own) if are_lent() else set()
    given = {name: url for name in wanted if name not in not_lent and (url := given_url(name))}
    started = [name for name in wanted if name not in given]
    provide_for(started)
    return {name: GivenServer(name, url) for name, url in given.items()} | {
        name: _KINDS[name][0]() for name in started
    }


def provide_for(names: Iterable[str]) -> None:
    """See to it that the programs of these servers are there. Raises ProgramsMissingError."""
    provide(program for name in names for program in _KINDS[name][1])
