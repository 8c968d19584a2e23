"""Proxies that compress rename the tags of what passes: Apache appends, nginx makes them weak."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.instances import Instance
from tests.servers.installation import APACHE, ProgramsMissingError, provide
from tests.servers.process import running
from tests.servers.proxies import HttpProxy, NginxProxy
from tests.world import add_actions, add_users

# An installation may have to come first.
pytestmark = pytest.mark.timeout(240)

PATHS = ("/api/leaderboard", "/api/actions", "/docs/openapi.json", "/docs", "/")


class Apache(HttpProxy):
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


class Nginx(NginxProxy):
    """nginx with its gzip filter."""

    before = "gzip on; gzip_types *; gzip_min_length 1;"
    location = 'proxy_set_header Accept-Encoding "";'


@pytest.fixture(params=[Apache, Nginx])
async def through(
    request: pytest.FixtureRequest, instance: Instance
) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that reaches the instance through the proxy, and sees what comes over the line."""
    kind: type[HttpProxy] = request.param
    try:
        await asyncio.to_thread(provide, [kind.program])
    except ProgramsMissingError:
        pytest.skip(f"needs {kind.name}: apt-get install {kind.program.debian}")
    if kind is Apache and not Apache.modules.is_dir():
        pytest.skip(f"needs Apache's modules in {Apache.modules}, as Debian has them")
    async with (
        running(kind(instance.url)) as proxy,
        aiohttp.ClientSession(proxy.url, auto_decompress=False) as client,
    ):
        yield client


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
