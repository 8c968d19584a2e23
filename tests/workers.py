"""`scoreboard serve --workers N` as real processes, to be looked at, renewed and killed."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

import scoreboard
from tests.instances import SECRET, UNLIMITED

PATIENCE = 60.0


class Group:
    """A supervisor and its workers."""

    def __init__(self, supervisor: subprocess.Popen[bytes], port: int) -> None:
        self.supervisor = supervisor
        self.port = port

    def workers(self) -> set[int]:
        """The process ids of the workers that are there now."""
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.supervisor.pid).children()
            return {child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE}
        return set()

    def get(self, path: str) -> bytes:
        """The answer over a connection of its own, so whichever worker the kernel chooses."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == 200
            return response.read()
        finally:
            connection.close()

    def instances(self) -> set[str]:
        """Who answers, asked often enough to hear everybody."""
        return {json.loads(self.get("/healthz"))["instance"] for _ in range(40)}

    def answers(self, path: str = "/healthz") -> bool:
        with suppress(OSError, http.client.HTTPException, AssertionError):
            return bool(self.get(path))
        return False

    def metric(self, pattern: str) -> float:
        found = re.search(rf"^scoreboard_{pattern} (\S+)$", self.get("/metrics").decode(), re.M)
        return float(found[1]) if found else 0.0


def environment_of(database_url: str, redis_url: str, amqp_url: str) -> dict[str, str]:
    """What surrounds a group on these servers."""
    inherited = {key: value for key, value in os.environ.items() if "SCOREBOARD_" not in key}
    return inherited | {
        "PYTHONPATH": str(Path(scoreboard.__file__).parents[1]),
        "SCOREBOARD_DATABASE_URL": database_url,
        "SCOREBOARD_REDIS_URL": redis_url,
        "SCOREBOARD_AMQP_URL": amqp_url,
        "SCOREBOARD_JWT_SECRET": SECRET,
        "SCOREBOARD_RATE_LIMIT_PER_IP": UNLIMITED,
        "SCOREBOARD_INSTANCE": "web",
    }


@contextmanager
def serving(environment: dict[str, str], port: int, workers: int = 2) -> Iterator[Group]:
    command = [sys.executable, "-m", "scoreboard", "serve", "--workers", str(workers)]
    with subprocess.Popen(
        [*command, "--port", str(port)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as supervisor:
        group = Group(supervisor, port)
        try:
            yield group
        finally:
            supervisor.terminate()
            with suppress(subprocess.TimeoutExpired):
                supervisor.communicate(timeout=PATIENCE)
            supervisor.kill()
