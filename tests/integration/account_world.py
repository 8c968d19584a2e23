"""A database with accounts in it: for looking, for moving time, for being in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2

from scoreboard.accounts.registry import Accounts
from scoreboard.errors import InvalidRefreshToken
from tests.eventually import eventually

SECRET = "a secret of today that is long enough"
NEWER = "a secret of tomorrow, long enough too"
PASSWORD = "correct horse battery staple"
OTHER_PASSWORD = "lantern over quiet water"
GRACE_SECONDS = 60

MakeAccounts = Callable[..., Accounts]


class Database:
    """The database behind the accounts: for looking, for moving time, for being in the way."""

    def __init__(self, url: str) -> None:
        self._url = url

    def run(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self._url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
            return rows

    def one(self, statement: str, **parameters: Any) -> Any:
        return self.run(statement, **parameters)[0][0]

    @contextmanager
    def in_the_middle_of(self, statement: str, **parameters: Any) -> Iterator[None]:
        """Another transaction has run this statement; it commits at the end."""
        with closing(psycopg2.connect(self._url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            yield
            connection.commit()

    async def held_up(self, *tasks: asyncio.Task[Any]) -> None:
        """Wait until each of these tasks waits for a lock, or is done because nothing held it."""
        waiting = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        await eventually(
            lambda: self.one(waiting) + sum(task.done() for task in tasks) == len(tasks),
            message=f"{len(tasks)} wait for a lock",
        )

    def pass_time(self, seconds: float) -> None:
        """Make all refresh tokens and their families older."""
        self.run(
            "UPDATE refresh_families SET"
            " created_at = created_at - make_interval(secs => %(seconds)s);"
            "UPDATE refresh_tokens SET"
            " issued_at = issued_at - make_interval(secs => %(seconds)s),"
            " expires_at = expires_at - make_interval(secs => %(seconds)s),"
            " replaced_at = replaced_at - make_interval(secs => %(seconds)s)",
            seconds=seconds,
        )


async def refused(accounts: Accounts, token: str) -> bool:
    try:
        await accounts.families.refresh(token)
    except InvalidRefreshToken:
        return True
    return False
