"""A private RabbitMQ, with its own Erlang port mapper and no wrapper scripts around it."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import subprocess
import threading
import time

from tests.servers.installation import EPMD, RABBITMQ_SERVER
from tests.servers.ports import ReservedPort
from tests.servers.process import ServerFailedError, ServerProcess, exchange

USER = "scoreboard"
_AMQP_HEADER = b"AMQP\x00\x00\x09\x01"


class RabbitServer(ServerProcess):
    """RabbitMQ with its Erlang shell on a pipe.

    The pipe does two things. Through it a virtual host costs 12 ms instead of the second that
    `rabbitmqctl` takes to start an Erlang of its own. And when the pipe closes, the node ends.
    """

    name = "rabbit"

    def __init__(self, *, management: bool = False) -> None:
        super().__init__()
        self.management = management
        self._ports = {use: ReservedPort() for use in ("epmd", "distribution", "management")}
        self._cookie = secrets.token_hex(16)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._shell_lock = threading.Lock()
        self._tags = itertools.count()

    @property
    def url(self) -> str:
        return self.url_of("/")

    def url_of(self, vhost: str) -> str:
        """Answer the address of one virtual host."""
        return f"amqp://{USER}:{USER}@127.0.0.1:{self.port}/{vhost.replace('/', '%2F')}"

    @property
    def management_url(self) -> str:
        """The address of the management UI, user and password `scoreboard`."""
        if not self.management:
            raise ServerFailedError("start it as RabbitServer(management=True)")
        return f"http://127.0.0.1:{self._ports['management'].number}"

    def prepare(self) -> None:
        cookie = self.directory / ".erlang.cookie"
        cookie.write_text(self._cookie)
        cookie.chmod(0o400)
        plugins = "rabbitmq_management" if self.management else ""
        (self.directory / "enabled_plugins").write_text(f"[{plugins}].")
        (self.directory / "environment.conf").touch()
        (self.directory / "rabbitmq.conf").write_text("\n".join([*self.configuration(), ""]))

    @property
    def node(self) -> str:
        """What Erlang calls it."""
        return f"scoreboard-{self.port}@localhost"

    def configuration(self) -> list[str]:
        """The lines of its rabbitmq.conf."""
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            f"default_user = {USER}",
            f"default_pass = {USER}",
            "log.console = false",
        ]
        if self.management:
            lines.append("management.tcp.ip = 127.0.0.1")
            lines.append(f"management.tcp.port = {self._ports['management'].number}")
        return lines

    def launch(self) -> subprocess.Popen[bytes]:
        environment = self._environment()
        if self._epmd is None:
            # Ours, in the foreground: the one that a node starts by itself would never end.
            self._epmd = self.spawn([EPMD.path()], environment=environment)
        return self.spawn([RABBITMQ_SERVER.path()], environment=environment, stdin=subprocess.PIPE)

    def _environment(self) -> dict[str, str]:
        # Nothing of the caller's: a RABBITMQ_* or ERL_* of his would lead us to his own broker.
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("RABBITMQ_", "ERL_"))
        }
        return inherited | {
            "HOME": str(self.directory),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._ports["epmd"].number),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(self._ports["distribution"].number),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "data"),
            "RABBITMQ_LOG_BASE": str(self.directory / "logs"),
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.directory / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self.directory / "environment.conf"),
            # Keeps the Erlang shell on standard input, and the node in this very process.
            "RABBITMQ_ALLOW_INPUT": "1",
        }

    def answers(self) -> bool:
        """Say whether it opens the conversation: frame type 1 is its Connection.Start."""
        return exchange(self.port, _AMQP_HEADER, 1) == b"\x01"

    def add_vhost(self, name: str) -> str:
        """Create a virtual host that the user may use freely; answer its address."""
        every = '<<".*">>'
        self.evaluate(
            f'ok = rabbit_vhost:add(<<"{name}">>, <<"{USER}">>), '
            f"ok = rabbit_auth_backend_internal:set_permissions("
            f'<<"{USER}">>, <<"{name}">>, {every}, {every}, {every}, <<"{USER}">>)'
        )
        return self.url_of(name)

    def delete_vhost(self, name: str) -> None:
        """Delete a virtual host with all in it, closing its connections."""
        self.evaluate(f'ok = rabbit_vhost:delete(<<"{name}">>, <<"{USER}">>)')

    def evaluate(self, expression: str, *, within_seconds: float = 10) -> str:
        """Evaluate an Erlang expression in the broker and answer its printed value."""
        with self._shell_lock:
            tag = f"answer-{next(self._tags)}"
            start = self.log.stat().st_size
            self._type(f'io:format("~n<{tag}>~0p</{tag}>~n", [catch begin {expression} end]).\n')
            answer = self._read_answer(tag, start, time.monotonic() + within_seconds)
        if answer.startswith("{'EXIT'"):
            raise ServerFailedError(f"{expression}: {answer}")
        return answer

    def _type(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()

    def _read_answer(self, tag: str, start: int, deadline: float) -> str:
        pattern = re.compile(f"<{tag}>(.*)</{tag}>", re.DOTALL)
        while time.monotonic() < deadline:
            with self.log.open("rb") as log:
                log.seek(start)
                if found := pattern.search(log.read().decode(errors="replace")):
                    return found[1]
            time.sleep(0.001)
        raise ServerFailedError(f"rabbit's shell gave no answer:\n{self.log_tail()}")

    def destroy(self) -> None:
        self.kill()
        if self._epmd is not None:
            self.end(self._epmd)
        for port in self._ports.values():
            port.release()
        super().destroy()
