"""Proxies as clients: a program of requests follows the stream through each of them."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from tests.clients.client import Client, Heard, NotHereError, Told, output_of
from tests.clients.kinds import PythonProgram, number_in
from tests.servers.installation import HAPROXY as HAPROXY_PROGRAM
from tests.servers.installation import Program
from tests.servers.process import running
from tests.servers.proxies import HttpProxy, NginxProxy

_FOLLOWER = PythonProgram("requests", "loop", "", needs=("requests==2.34.2",))


class _Nginx(NginxProxy):
    before = ""
    location = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;'


class _Haproxy(HttpProxy):
    name = "haproxy"
    program = HAPROXY_PROGRAM
    configuration = """
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
listen scoreboard
  bind 127.0.0.1:{port}
  server one {address}
"""

    def launch(self) -> subprocess.Popen[bytes]:
        return self.spawn([self.program.path(), "-db", "-f", self.file])


class _Varnish(HttpProxy):
    name = "varnish"
    program = Program("varnishd", ("/usr/sbin/varnishd",), debian="varnish", homebrew="varnish")
    configuration = """
vcl 4.1;
backend default {{ .host = "{host}"; .port = "{upstream_port}"; .between_bytes_timeout = 60s; }}
"""

    def launch(self) -> subprocess.Popen[bytes]:
        own = ("-j", "none", "-n", self.directory / "own", "-s", "malloc,16m")
        listen = ("-a", f"127.0.0.1:{self.port}", "-f", self.file)
        return self.spawn([self.program.path(), "-F", *own, *listen])


class _Squid(HttpProxy):
    name = "squid"
    program = Program("squid", ("/usr/sbin/squid",), debian="squid", homebrew="squid")
    configuration = """
http_port 127.0.0.1:{port} accel no-vhost defaultsite={host}
cache_peer {host} parent {upstream_port} 0 no-query originserver login=PASSTHRU
http_access allow all
cache deny all
pid_filename {directory}/squid.pid
access_log none
cache_log {directory}/cache.log
coredump_dir {directory}
shutdown_lifetime 0 seconds
"""

    def prepare(self) -> None:
        super().prepare()
        self.directory.chmod(0o777)  # as root it becomes the user `proxy`

    def launch(self) -> subprocess.Popen[bytes]:
        return self.spawn([self.program.path(), "-N", "-f", self.file])


class _Caddy(HttpProxy):
    name = "caddy"
    program = Program("caddy", ("/usr/bin/caddy",), debian="caddy", homebrew="caddy")
    configuration = """
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  reverse_proxy {address}
}}
"""

    def launch(self) -> subprocess.Popen[bytes]:
        file = ("--config", self.file, "--adapter", "caddyfile")
        return self.spawn([self.program.path(), "run", *file])


@dataclass(frozen=True, slots=True)
class Proxy(Client):
    """A proxy in front of the service."""

    server: type[HttpProxy] = HttpProxy
    asked: tuple[str, ...] = field(default=("-v",))  # for its version
    kind: ClassVar[str] = "Proxy"

    @property
    def place(self) -> str:
        return self.kind

    async def version(self) -> str:
        found = self.server.program.find()
        if found is None:
            raise NotHereError(f"{self.name} is not installed")
        return number_in(await output_of(found, *self.asked))

    @asynccontextmanager
    async def following(self, told: Told) -> AsyncIterator[Heard]:
        parts = urlsplit(told.url)
        async with running(self.server(f"{parts.scheme}://{parts.netloc}")) as proxy:
            through = Told(proxy.url + parts.path, told.token)
            async with _FOLLOWER.following(through) as heard:
                yield heard


NGINX = Proxy(
    "nginx",
    "loop",
    "`proxy_http_version 1.1`, `proxy_buffering off`; `proxy_read_timeout` above "
    "`heartbeat_seconds`",
    server=_Nginx,
)
HAPROXY = Proxy(
    "haproxy",
    "loop",
    "`timeout server` and `timeout client` above `heartbeat_seconds`",
    server=_Haproxy,
)
VARNISH = Proxy(
    "varnish",
    "loop",
    "`between_bytes_timeout` above `heartbeat_seconds`",
    server=_Varnish,
    asked=("-V",),
)
SQUID = Proxy("squid", "loop", "`login=PASSTHRU`, else tokens do not pass", server=_Squid)
CADDY = Proxy("caddy", "loop", "nothing", server=_Caddy, asked=("version",))
