"""Proxies that compress rename the tags of what passes: Apache appends, nginx makes them weak."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.instances import Instance
from tests.servers.installation import APACHE, NGINX, Program, ProgramsMissingError, provide
from tests.servers.process import ServerProcess, exchange
from tests.world import add_actions, add_users

# An installation may have to come first.
pytestmark = pytest.mark.timeout(240)

PATHS = ("/api/leaderboard", "/api/actions", "/docs/openapi.json", "/docs", "/")


class CompressingProxy(ServerProcess):
    """A proxy that compresses whatever is not compressed yet."""

    program: Program
    configuration: str

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
        values = {"directory": self.directory, "port": self.port, "upstream": self._upstream}
        self.file.write_text(self.configuration.format(**values))

    def answers(self) -> bool:
        return exchange(self.port, b"GET /healthz HTTP/1.0\r\n\r\n", 5) == b"HTTP/"


class Apache(CompressingProxy):
    """Apache with mod_deflate as it is shipped."""

    name = "apache"
    program = APACHE
    modules = Path("/usr/lib/apache2/modules")
    configuration = """
ServerRoot {directory}
ServerName localhost
PidFile {directory}/apache.pid
DefaultRuntimeDir {directory}
Mutex file:{directory}
ErrorLog /dev/stderr
User #65534
Group #65534
Listen 127.0.0.1:{port}
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
LoadModule filter_module modules/mod_filter.so
LoadModule deflate_module modules/mod_deflate.so
ProxyPass / {upstream}/
SetOutputFilter DEFLATE
"""

    def prepare(self) -> None:
        super().prepare()
        (self.directory / "modules").symlink_to(self.modules)

    def launch(self) -> subprocess.Popen[bytes]:
        return self.spawn([APACHE.path(), "-X", "-f", self.file])


class Nginx(CompressingProxy):
    """nginx with its gzip filter."""

    name = "nginx"
    program = NGINX
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
  gzip on;
  gzip_types *;
  gzip_min_length 1;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass {upstream};
      proxy_set_header Accept-Encoding "";
    }}
  }}
}}
"""

    def launch(self) -> subprocess.Popen[bytes]:
        # -e, because nginx opens the log of its distribution before it reads the configuration.
        return self.spawn([NGINX.path(), "-e", "stderr", "-c", self.file, "-p", self.directory])


@pytest.fixture(params=[Apache, Nginx])
async def through(
    request: pytest.FixtureRequest, instance: Instance
) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that reaches the instance through the proxy, and sees what comes over the line."""
    kind: type[CompressingProxy] = request.param
    try:
        await asyncio.to_thread(provide, [kind.program])
    except ProgramsMissingError:
        pytest.skip(f"needs {kind.name}: apt-get install {kind.program.debian}")
    if kind is Apache and not Apache.modules.is_dir():
        pytest.skip(f"needs Apache's modules in {Apache.modules}, as Debian has them")
    proxy = kind(instance.url)
    try:
        await asyncio.to_thread(proxy.start)
        async with aiohttp.ClientSession(proxy.url, auto_decompress=False) as client:
            yield client
    finally:
        proxy.destroy()


async def test_whoever_names_the_tag_of_the_compressed_answer_has_it(
    through: aiohttp.ClientSession, instance: Instance, database_url: str
) -> None:
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 50, "walk": 5, "climb": 70})
    packed = {"Accept-Encoding": "gzip"}
    for path in PATHS:
        async with instance.client.get(path, headers={"Accept-Encoding": ""}) as answer:
            ours = answer.headers["ETag"]
        async with through.get(path, headers=packed) as answer:
            assert answer.headers["Content-Encoding"] == "gzip", path
            assert await answer.read()
            theirs = answer.headers["ETag"]
        assert theirs != ours
        for method in ("GET", "HEAD"):
            known = {"If-None-Match": theirs, **packed}
            async with through.request(method, path, headers=known) as answer:
                assert (answer.status, await answer.read()) == (304, b""), (path, theirs)
        if path == "/api/leaderboard":
            await instance.submit(user, "run")
            async with through.get(path, headers={"If-None-Match": theirs, **packed}) as answer:
                assert answer.status == 200
