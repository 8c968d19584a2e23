"""A private PostgreSQL with a streaming replica, which can be promoted."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Any

import psycopg2

from tests.servers.group import ServerGroup
from tests.servers.postgres import PostgresServer

_REPLICA = "scoreboard_replica"


class PostgresReplica(PostgresServer):
    """Follows `primary`, which must be running when this is started for the first time."""

    name = "postgres-replica"

    def __init__(self, primary: PostgresServer) -> None:
        super().__init__()
        self._primary = primary

    def prepare(self) -> None:
        source = f"host=127.0.0.1 port={self._primary.port} user=scoreboard"
        self.fill(
            "pg_basebackup",
            f"--dbname={source} application_name={_REPLICA}",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        )


class PostgresPair(ServerGroup):
    """A primary and its replica. Synchronous unless said otherwise: a commit is on both."""

    def __init__(self, *, synchronous: bool = True) -> None:
        super().__init__()
        self._synchronous = synchronous
        self.primary = PostgresServer()
        self.replica = PostgresReplica(self.primary)

    def url_of(self, database: str) -> str:
        """Answer the address of one database, with both hosts in it."""
        ports = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.replica.port}"
        return f"postgresql://scoreboard@{ports}/{database}"

    def start_each(self, stack: ExitStack) -> None:
        """Start both, and return when the replica follows."""
        stack.callback(self.primary.destroy)
        self.primary.start()
        stack.callback(self.replica.destroy)
        self.replica.start()
        if self._synchronous:
            self.replicate_synchronously()

    def replicate_synchronously(self) -> None:
        """Let each commit wait for the replica, from here on."""
        command(self.primary, f"ALTER SYSTEM SET synchronous_standby_names = '{_REPLICA}'")
        command(self.primary, "SELECT pg_reload_conf()")
        state = "SELECT sync_state FROM pg_stat_replication"
        self.primary.until(lambda: command(self.primary, state) == [("sync",)])

    def part(self) -> None:
        """Cut the replica off from its primary, for good."""
        command(self.replica, "ALTER SYSTEM SET primary_conninfo = ''")
        command(self.replica, "SELECT pg_reload_conf()")
        followers = "SELECT count(*) FROM pg_stat_replication"
        self.primary.until(lambda: command(self.primary, followers) == [(0,)])

    def promote(self) -> None:
        """Make the replica a primary, and return when it takes writes."""
        assert command(self.replica, "SELECT pg_promote(true, 30)") == [(True,)]


def command(server: PostgresServer, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement outside of a transaction, as administrators do."""
    with closing(psycopg2.connect(server.url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
