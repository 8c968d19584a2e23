"""A private Redis."""

from __future__ import annotations

import subprocess
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis

from tests.servers.installation import REDIS_SERVER
from tests.servers.process import ServerProcess


class RedisServer(ServerProcess):
    """Redis in memory only: a restart comes back empty, as after a fail-over without a replica.

    With a `certificate`, a directory that has one and its key, it listens for TLS and nothing else.
    """

    name = "redis"
    databases = 16

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__()
        self.certificate = certificate

    @property
    def url(self) -> str:
        return address(f"127.0.0.1:{self.port}/0", self.certificate)

    def options(self) -> dict[str, str]:
        """What stands in its configuration."""
        return listening(self.port, self.certificate) | {
            "dir": str(self.directory),
            "databases": str(self.databases),
            "save": "",
            "appendonly": "no",
        }

    def launch(self) -> subprocess.Popen[bytes]:
        flags = [part for key, value in self.options().items() for part in (f"--{key}", value)]
        return self.spawn([REDIS_SERVER.path(), *flags])

    def answers(self) -> bool:
        with suppress(redis.RedisError):
            return bool(ask(self, "PING"))
        return False


def ask(server: ServerProcess, *command: str) -> Any:
    """Send one command."""
    with closing(redis.Redis.from_url(server.url, socket_timeout=2)) as client:
        return client.execute_command(*command)


def address(rest: str, certificate: Path | None, scheme: str = "") -> str:
    """An address of Redis, or of another `scheme` that goes with it; with TLS, whom to believe."""
    if certificate is None:
        return f"redis{scheme}://{rest}"
    return f"rediss{scheme}://{rest}?ssl_ca_certs={quote(str(certificate / 'certificate.pem'))}"


def listening(port: int, certificate: Path | None) -> dict[str, str]:
    """How a server, or a Sentinel, listens and speaks to the others."""
    if certificate is None:
        return {"port": str(port), "bind": "127.0.0.1"}
    return {
        "port": "0",
        "tls-port": str(port),
        "bind": "127.0.0.1",
        "tls-cert-file": str(certificate / "certificate.pem"),
        "tls-key-file": str(certificate / "key.pem"),
        "tls-ca-cert-file": str(certificate / "certificate.pem"),
        "tls-auth-clients": "no",
        "tls-replication": "yes",
    }
