"""A private PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import psycopg2

from tests.servers.installation import INITDB
from tests.servers.process import ServerFailedError, ServerProcess, identity

# A cluster with a few databases takes 100 MB, and its log of changes up to 1 GB.
_ROOM_BYTES = 2 * 2**30


class PostgresServer(ServerProcess):
    """PostgreSQL as a cluster of its own; `fsync=True` makes commits cost what they really cost.

    Its files are in `room`, a directory; else in memory where that is roomy. `environment` is added
    to that of its process.
    """

    name = "postgres"
    # SIGINT is PostgreSQL's "fast" shutdown; SIGTERM would wait for every client to leave.
    stop_signal = signal.SIGINT
    # "Immediate": no last checkpoint, but the shared memory is given back, as SIGKILL would not.
    end_signal = signal.SIGQUIT

    def __init__(
        self,
        *,
        fsync: bool = False,
        room: Path | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(room=room or (None if fsync else _memory()))
        self.fsync = fsync
        self._environment = environment
        self._account = _unprivileged_account()
        self._data = self.directory / "data"

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Answer the address of one database of this server."""
        return f"postgresql://scoreboard@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        self.fill(
            "initdb",
            "--username=scoreboard",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )

    def fill(self, program: str, *options: str) -> None:
        """Let one of PostgreSQL's own programs lay out the data directory."""
        if self._account:
            shutil.chown(self.directory, self._account)
        path = INITDB.path().with_name(program)
        made = subprocess.run(
            [str(path), f"--pgdata={self._data}", *options],
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **identity(self._account),
        )
        if made.returncode:
            raise ServerFailedError(f"{program} failed:\n{made.stdout}")

    def launch(self) -> subprocess.Popen[bytes]:
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self.fsync:
            # Only durability over a power cut is given up: a killed server still recovers.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        program = INITDB.path().with_name("postgres")
        return self.spawn(
            [program, "-D", self._data, *flags],
            environment={**os.environ, **self._environment},
            account=self._account,
        )

    def answers(self) -> bool:
        try:
            psycopg2.connect(self.url, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True


def _memory() -> Path | None:
    """Answer a file system in memory with room to spare, if there is one.

    A database is 300 files; creating one takes 0.25 s on a slow disk and 0.02 s in memory, and each
    test has its own.
    """
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > _ROOM_BYTES
    return memory if roomy and os.access(memory, os.W_OK | os.X_OK) else None


def _unprivileged_account() -> str | None:
    """Answer who runs the server when we are root, whom PostgreSQL refuses; None for ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
