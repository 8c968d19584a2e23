"""Proxies before an instance: a real Apache or nginx, each with a configuration of a few lines."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from tests.servers.installation import NGINX, Program
from tests.servers.process import ServerProcess, exchange


class HttpProxy(ServerProcess):
    """A proxy before one address, of `configuration` with `{directory}`, `{port}`, `{upstream}` and
    its parts `{address}`, `{host}`, `{upstream_port}`.
    """

    program: ClassVar[Program]
    configuration: ClassVar[str]

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self._upstream = upstream

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def file(self) -> Path:
        return self.directory / "proxy.conf"

    def prepare(self) -> None:
        parts = urlsplit(self._upstream)
        values = {
            "directory": self.directory,
            "port": self.port,
            "upstream": self._upstream,
            "address": parts.netloc,
            "host": parts.hostname,
            "upstream_port": parts.port,
        }
        self.file.write_text(self.configuration.format(**values))

    def answers(self) -> bool:
        return exchange(self.port, b"GET /healthz HTTP/1.0\r\n\r\n", 5) == b"HTTP/"


class NginxProxy(HttpProxy):
    """nginx; a kind of it adds `before` the server and what stands in its `location`."""

    name = "nginx"
    program = NGINX
    before: ClassVar[str]
    location: ClassVar[str]
    configuration = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  fastcgi_temp_path {directory}/fastcgi;
  proxy_temp_path {directory}/proxy;
  scgi_temp_path {directory}/scgi;
  uwsgi_temp_path {directory}/uwsgi;
  include {directory}/before.conf;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass {upstream};
      include {directory}/location.conf;
    }}
  }}
}}
"""

    def prepare(self) -> None:
        super().prepare()
        (self.directory / "before.conf").write_text(self.before.format(directory=self.directory))
        (self.directory / "location.conf").write_text(self.location)

    def launch(self) -> subprocess.Popen[bytes]:
        # -e, because nginx opens the log of its distribution before it reads the configuration.
        return self.spawn([NGINX.path(), "-e", "stderr", "-c", self.file, "-p", self.directory])
