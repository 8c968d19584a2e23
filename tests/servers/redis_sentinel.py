"""A private Redis with a replica, and three Sentinels that promote it when the primary is gone."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path

import redis

from tests.servers.group import ServerGroup
from tests.servers.installation import REDIS_SERVER
from tests.servers.process import ServerProcess
from tests.servers.redis import RedisServer, address, ask, listening

PRIMARY = "games"  # what the Sentinels call it
# Far below what a deployment takes (5 to 30 s): nobody wants to wait for that in a test.
_DOWN_AFTER_MS = 1_000
_FAILOVER_MS = 5_000


class RedisReplica(RedisServer):
    """Follows `primary`."""

    name = "redis-replica"

    def __init__(self, primary: RedisServer) -> None:
        super().__init__(primary.certificate)
        self._primary = primary

    def options(self) -> dict[str, str]:
        return super().options() | {"replicaof": f"127.0.0.1 {self._primary.port}"}


class RedisSentinel(ServerProcess):
    """One of those who watch; two of three have to agree."""

    name = "redis-sentinel"

    def __init__(self, primary: RedisServer) -> None:
        super().__init__()
        self._primary = primary

    @property
    def url(self) -> str:
        return address(f"127.0.0.1:{self.port}", self._primary.certificate)

    @property
    def _file(self) -> Path:
        return self.directory / "sentinel.conf"

    def prepare(self) -> None:
        listens = listening(self.port, self._primary.certificate)
        self._file.write_text(
            "".join(f"{key} {value}\n" for key, value in listens.items())
            + f"dir {self.directory}\n"
            f"sentinel monitor {PRIMARY} 127.0.0.1 {self._primary.port} 2\n"
            f"sentinel down-after-milliseconds {PRIMARY} {_DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {PRIMARY} {_FAILOVER_MS}\n"
        )

    def launch(self) -> subprocess.Popen[bytes]:
        return self.spawn([REDIS_SERVER.path(), self._file, "--sentinel"])

    def answers(self) -> bool:
        """Say whether it knows the replica and the other two: before that it promotes nobody."""
        with suppress(redis.RedisError):
            state = ask(self, "SENTINEL MASTER", PRIMARY)
            return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == 2)
        return False


class RedisTrio(ServerGroup):
    """Primary, replica and Sentinels; with a `certificate`, by TLS alone."""

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__()
        self.primary = RedisServer(certificate)
        self.replica = RedisReplica(self.primary)
        self.sentinels = [RedisSentinel(self.primary) for _ in range(3)]

    @property
    def url(self) -> str:
        """The address that names the Sentinels."""
        watchers = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return address(f"{watchers}/{PRIMARY}/0", self.primary.certificate, "+sentinel")

    def start_each(self, stack: ExitStack) -> None:
        """Start all, and return when the Sentinels would promote the replica."""
        for server in (self.primary, self.replica):
            stack.callback(server.destroy)
            server.start()
        for sentinel in self.sentinels:
            # They find each other through the primary, so none is ready before the last runs.
            stack.callback(sentinel.destroy)
            sentinel.begin()
        for sentinel in self.sentinels:
            sentinel.until(sentinel.answers)

    def promoted(self) -> bool:
        """Say whether the replica is the primary now, by its own word and by that of each Sentinel:
        one that has not heard of it sends clients to a primary that is started again.
        """
        with suppress(redis.RedisError):
            return bool(ask(self.replica, "ROLE")[0] == b"master") and all(
                ask(sentinel, "SENTINEL MASTER", PRIMARY)["port"] == self.replica.port
                for sentinel in self.sentinels
            )
        return False

    def demoted(self) -> bool:
        """Say whether the primary that was is a replica now, by its own word."""
        with suppress(redis.RedisError):
            return bool(ask(self.primary, "ROLE")[0] == b"slave")
        return False
