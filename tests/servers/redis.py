"""A private Redis."""

from __future__ import annotations

import subprocess

from tests.servers.installation import REDIS_SERVER
from tests.servers.process import ServerProcess, exchange


class RedisServer(ServerProcess):
    """Redis in memory only: a restart comes back empty, as after a fail-over without a replica."""

    name = "redis"
    databases = 16

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def options(self) -> dict[str, str]:
        """What stands in its configuration."""
        return {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "databases": str(self.databases),
            "save": "",
            "appendonly": "no",
        }

    def launch(self) -> subprocess.Popen[bytes]:
        flags = [part for key, value in self.options().items() for part in (f"--{key}", value)]
        return self.spawn([REDIS_SERVER.path(), *flags])

    def answers(self) -> bool:
        return exchange(self.port, b"PING\r\n", 7) == b"+PONG\r\n"
