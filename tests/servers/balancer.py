"""A load balancer before instances: haproxy, which asks each of them whether it is ready."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tests.servers.installation import HAPROXY
from tests.servers.process import ServerProcess, exchange

_HEALTH = b"GET /healthz HTTP/1.0\r\n\r\n"
_CONFIGURATION = """
global
  maxconn 8000
defaults
  mode http
  timeout connect 1s
  timeout check 5s
  timeout client 1h
  timeout server 1h
  retries 3
  option redispatch
  option httpchk GET /readyz
  default-server check inter 100ms fall 1 rise 1
listen scoreboard
  bind 127.0.0.1:{port}
  balance roundrobin
{servers}
"""


class Balancer(ServerProcess):
    """Sends requests and streams to whichever of these ports is ready."""

    name = "haproxy"

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__()
        self._targets = ports

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        servers = "\n".join(f"  server at-{port} 127.0.0.1:{port}" for port in self._targets)
        file = self.directory / "haproxy.cfg"
        file.write_text(_CONFIGURATION.format(port=self.port, servers=servers))

    def launch(self) -> subprocess.Popen[bytes]:
        return self.spawn([HAPROXY.path(), "-db", "-f", self.directory / "haproxy.cfg"])

    def answers(self) -> bool:
        return b" 200 " in exchange(self.port, _HEALTH, 15)

    def reaches(self) -> int:
        """How many instances answer through it now, asked once for each and once more."""
        answers = [exchange(self.port, _HEALTH, 4096) for _ in range(len(self._targets) + 1)]
        return len({answer.partition(b'"instance":')[2] for answer in answers})
