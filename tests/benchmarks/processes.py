"""The measured programs as processes: the service, its peer, nginx with nchan."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.benchmarks.installation import NCHAN, NODE, NPM
from tests.benchmarks.processor import tree_seconds
from tests.instances import SECRET, UNLIMITED
from tests.servers import PostgresServer, RabbitServer, RedisServer
from tests.servers.installation import NGINX
from tests.servers.process import ServerProcess, exchange

SECRET_OF_ALL = SECRET
_READY = b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
_CHECKOUT = Path(__file__).parents[2]
_PEER = Path(__file__).with_name("peer")


@dataclass(frozen=True)
class Stage:
    """The servers that everything measured runs on, and what is in use on them; without an address
    of its own, the first database of Redis and the first virtual host of RabbitMQ.
    """

    postgres: PostgresServer
    redis: RedisServer
    rabbit: RabbitServer
    database_url: str = ""
    redis_url: str = ""
    amqp_url: str = ""

    @property
    def server_pids(self) -> dict[str, int]:
        """The first process of each server, by the column that shows its processor time."""
        servers = {"postgres": self.postgres, "redis": self.redis, "broker": self.rabbit}
        return {f"{name}_us": server.pid for name, server in servers.items()}


class Measured(ServerProcess):
    """A program whose processor time and memory can be read."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """Processor time of the process and its children so far."""
        return tree_seconds(self.pid)

    def rss_bytes(self) -> int:
        """Memory that the process and its children hold."""
        process = psutil.Process(self.pid)
        tree = [process, *process.children(recursive=True)]
        return sum(process.memory_info().rss for process in tree)


class Service(Measured):
    """`scoreboard serve` as it ships, but for limits that are high enough never to refuse."""

    name = "scoreboard"

    def __init__(self, stage: Stage, *options: str, **settings: object) -> None:
        super().__init__()
        self._options = options
        self._environment = {
            "SCOREBOARD_DATABASE_URL": stage.database_url,
            "SCOREBOARD_REDIS_URL": stage.redis_url or stage.redis.url,
            "SCOREBOARD_AMQP_URL": stage.amqp_url or stage.rabbit.url,
            "SCOREBOARD_JWT_SECRET": SECRET_OF_ALL,
            "SCOREBOARD_PORT": str(self.port),
            "SCOREBOARD_RATE_LIMIT_PER_IP": UNLIMITED,
            "SCOREBOARD_RATE_LIMIT_PER_USER": UNLIMITED,
            "SCOREBOARD_STREAMS_PER_IP": "100000",
            "SCOREBOARD_CONNECTIONS_PER_IP": "100000",
            "SCOREBOARD_INSTANCE": f"bench-{self.port}",
        } | {f"SCOREBOARD_{key.upper()}": str(value) for key, value in settings.items()}

    def launch(self) -> subprocess.Popen[bytes]:
        command: list[str | Path] = [sys.executable, "-m", "scoreboard", "serve", *self._options]
        return self.spawn(command, environment=clean_environment() | self._environment)

    def answers(self) -> bool:
        return b" 200 " in exchange(self.port, _READY % b"/readyz", 15)


def clean_environment() -> dict[str, str]:
    """Nothing of the caller's settings; the package of this checkout."""
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith("SCOREBOARD_")
    }
    return inherited | {"PYTHONPATH": str(_CHECKOUT)}


class Peer(Measured):
    """The Fastify peer; `grant` is `transaction` or `statement`, see peer/server.js."""

    name = "peer"

    def __init__(self, stage: Stage, home: Path, grant: str = "transaction") -> None:
        super().__init__()
        self._home = home
        self._environment = {
            "DATABASE_URL": stage.database_url,
            "REDIS_URL": stage.redis.url,
            "AMQP_URL": stage.rabbit.url,
            "JWT_SECRET": SECRET_OF_ALL,
            "PORT": str(self.port),
            "GRANT": grant,
            "NODE_ENV": "production",
        }

    def launch(self) -> subprocess.Popen[bytes]:
        command: list[str | Path] = [NODE.path(), self._home / "server.js"]
        return self.spawn(command, environment=clean_environment() | self._environment)

    def answers(self) -> bool:
        return b" 200 " in exchange(self.port, _READY % b"/api/leaderboard", 15)


class Nchan(Measured):
    """nginx with nchan: one worker, one channel, EventSource subscribers."""

    name = "nchan"
    stop_signal = signal.SIGTERM

    def prepare(self) -> None:
        (self.directory / "nginx.conf").write_text(
            f"""
            load_module {NCHAN.path()};
            daemon off;
            master_process off;
            pid {self.directory}/nginx.pid;
            error_log stderr crit;
            worker_rlimit_nofile 20000;
            events {{ worker_connections 19000; }}
            http {{
                access_log off;
                client_body_temp_path {self.directory}/body;
                nchan_shared_memory_size 64M;
                server {{
                    listen 127.0.0.1:{self.port} backlog=4096;
                    location = /publish {{
                        nchan_publisher;
                        nchan_channel_id board;
                        nchan_message_buffer_length 1;
                    }}
                    location = /api/leaderboard/stream {{
                        nchan_subscriber eventsource;
                        nchan_channel_id board;
                    }}
                    location = /healthz {{ return 200; }}
                }}
            }}
            """
        )

    def launch(self) -> subprocess.Popen[bytes]:
        return self.spawn([NGINX.path(), "-p", self.directory, "-c", "nginx.conf"])

    def answers(self) -> bool:
        return b" 200 " in exchange(self.port, _READY % b"/healthz", 15)


class BareSender(Measured):
    """The loop of non-blocking `send`."""

    name = "bare"

    def launch(self) -> subprocess.Popen[bytes]:
        return self.spawn(
            [sys.executable, "-m", "tests.benchmarks.bare_sender", str(self.port)],
            environment=clean_environment(),
            stdin=subprocess.PIPE,
        )

    def answers(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), timeout=2):
            return True

    def send(self, rate: float, seconds: float) -> None:
        """Send to all connections, `rate` times a second."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(b"%f %f\n" % (rate, seconds))
        self._process.stdin.flush()
        time.sleep(seconds)


def install_peer(stage_directory: Path) -> Path:
    """Install the peer's packages, in the exact versions that package.json names."""
    home = stage_directory / "peer"
    shutil.copytree(_PEER, home)
    flags = ["--no-package-lock", "--no-audit", "--no-fund", "--omit=dev", "--silent"]
    subprocess.run([str(NPM.path()), "install", *flags], cwd=home, check=True, timeout=300)
    return home
