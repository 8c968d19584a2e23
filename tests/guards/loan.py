"""Servers for the tests of one guard after another: a RabbitMQ takes longer to start than most of
those tests take.
"""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from typing import Self

from tests.servers import PostgresServer, RabbitServer, RedisServer
from tests.servers.given import ENVIRONMENT, LENT


class Loan:
    """A PostgreSQL, a Redis and a RabbitMQ, started by the first `lend`, for one run at a time.

    A test that stops a server, or changes it, starts one of its own all the same (`LENT`).
    """

    def __init__(self) -> None:
        with ExitStack() as stack:
            self._postgres = PostgresServer()
            stack.callback(self._postgres.destroy)
            self._redis = RedisServer()
            stack.callback(self._redis.destroy)
            self._rabbit = RabbitServer()
            stack.callback(self._rabbit.destroy)
            self._stack = stack.pop_all()
        self._numbers = itertools.count(1)

    def lend(self) -> dict[str, str]:
        """The variables that name the servers, whatever the last run left behind on them.

        Raises ServerFailedError.
        """
        self._postgres.heal()
        self._redis.restart()
        self._rabbit.heal()
        urls = {
            "postgres": self._postgres.url,
            "redis": self._redis.url,
            "rabbit": self._rabbit.add_vhost(f"guard-{next(self._numbers)}"),
        }
        return {ENVIRONMENT[name]: url for name, url in urls.items()} | {LENT: "1"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
