"""The service itself as a process that can be stopped, killed and paused like any other server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.instances import SECRET, UNLIMITED
from tests.servers.process import ServerProcess, exchange, is_gone

_CHECKOUT = Path(__file__).parents[2]
_READY = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


class ScoreboardServer(ServerProcess):
    """`scoreboard serve` as shipped, but for limits that stay out of the way."""

    name = "scoreboard"

    def __init__(
        self,
        database_url: str,
        redis_url: str,
        amqp_url: str,
        *,
        environment: dict[str, str] | None = None,
        workers: int = 1,
        **settings: object,
    ) -> None:
        """Keyword arguments are settings; `environment` is for what surrounds the process."""
        super().__init__()
        self._workers = workers
        given = {
            "database_url": database_url,
            "redis_url": redis_url,
            "amqp_url": amqp_url,
            "jwt_secret": SECRET,
            "port": self.port,
            "instance": f"test-{self.port}",
            "log_format": "json",
            "rate_limit_per_ip": UNLIMITED,
            "rate_limit_per_user": UNLIMITED,
            "rate_limit_accounts_per_ip": UNLIMITED,
            "connections_per_ip": 100_000,
            "streams_per_ip": 100_000,
        } | settings
        # Nothing of the caller's settings, and the package of this checkout.
        inherited = {key: value for key, value in os.environ.items() if "SCOREBOARD_" not in key}
        self._environment = (
            inherited
            | {"PYTHONPATH": str(_CHECKOUT)}
            | {f"SCOREBOARD_{key.upper()}": str(value) for key, value in given.items()}
            | (environment or {})
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def itself(self) -> psutil.Process:
        """The process, to be looked at."""
        return psutil.Process(self.pid)

    def launch(self) -> subprocess.Popen[bytes]:
        return self.spawn(
            [sys.executable, "-m", "scoreboard", "serve", "--workers", str(self._workers)],
            environment=self._environment,
        )

    def answers(self) -> bool:
        return b" 200 " in exchange(self.port, _READY, 15)

    def is_ready(self) -> bool:
        """Whether /readyz says so; one that nobody gets through to is not."""
        try:
            return self.answers()
        except OSError:
            return False

    def renew(self) -> None:
        """SIGHUP: each worker is replaced, one after the other."""
        os.kill(self.pid, signal.SIGHUP)

    def workers(self) -> set[int]:
        """The process ids of the workers that have not ended."""
        return {child.pid for child in self.itself.children() if not is_gone(child)}

    def leave(self, within_seconds: float) -> int:
        """SIGTERM, and its exit status. Raises ServerFailedError when it takes longer."""
        assert self._process is not None
        self._process.terminate()
        self._await(lambda: not self.running, within_seconds, "did not leave")
        status = self._process.returncode
        self._forget()
        return status
