"""docker/nginx/nginx.conf in a real nginx; only the places that are Docker's are others here."""

from __future__ import annotations

import asyncio
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.deployment.files import DOCKER, make_secrets, services
from tests.servers.installation import NGINX, ProgramsMissingError, provide
from tests.servers.process import ServerProcess, exchange, running


class LoadBalancer(ServerProcess):
    """nginx before these addresses; `changed` is what a test puts in the place of some text."""

    name = "nginx"

    def __init__(
        self,
        api: list[str],
        stream: list[str],
        *,
        changed: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._upstreams = {"api": api, "stream": stream}
        self._changed = changed or {}
        self._variables = variables or {}
        make_secrets(self.directory / "secrets")

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def certificate(self) -> Path:
        return self.directory / "secrets" / "nginx" / "certificate.pem"

    @property
    def command(self) -> list[str | Path]:
        # -e, because nginx opens the log of its distribution before it reads the configuration.
        file = self.directory / "nginx.conf"
        return [NGINX.path(), "-e", "stderr", "-p", self.directory, "-c", file]

    def prepare(self) -> None:
        text = (DOCKER / "nginx" / "nginx.conf").read_text("utf-8")
        # Relative ones begin at -p, whatever characters that has.
        text = text.replace("/tmp/", "")
        text = text.replace("/run/secrets", "secrets/nginx")
        text = text.replace("/dev/stdout", "access.log").replace("/dev/stderr", "error.log")
        text = text.replace("worker_processes auto", "worker_processes 1")
        text = text.replace("listen 8443 ssl", f"listen 127.0.0.1:{self.port} ssl")
        for role, addresses in self._upstreams.items():
            servers = "".join(f"server {address};" for address in addresses)
            text, found = re.subn(rf"server {role}:8080 resolve [^;]*;", servers, text)
            assert found == 1
        if _version() < (1, 25, 1):
            text = text.replace("http2 on;", "").replace(" ssl;", " ssl http2;")
        for before, after in self._changed.items():
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        (self.directory / "nginx.conf").write_text(text)
        self._fill_in()

    def _fill_in(self) -> None:
        """Make the files that nginx's image makes of templates: `envsubst`, and the ending gone."""
        environment = services()["nginx"]["environment"]
        assert environment["NGINX_ENVSUBST_OUTPUT_DIR"] == "/tmp"
        for template in (DOCKER / "nginx" / "templates").glob("*.template"):
            text = template.read_text("utf-8")
            for name, value in (environment | dict(self._variables)).items():
                text = text.replace(f"${{{name}}}", value)
            assert "${" not in text
            (self.directory / template.stem).write_text(text)

    def launch(self) -> subprocess.Popen[bytes]:
        return self.spawn([*self.command, "-g", "daemon off; master_process off;"])

    def answers(self) -> bool:
        return bool(exchange(self.port, b"GET / HTTP/1.0\r\n\r\n", 5))

    def trust(self) -> ssl.SSLContext:
        """Believe its certificate, and no other."""
        return ssl.create_default_context(cafile=str(self.certificate))


def _version() -> tuple[int, ...]:
    shown = subprocess.run([NGINX.path(), "-v"], capture_output=True, check=True).stderr.decode()
    return tuple(int(number) for number in re.findall(r"\d+", shown)[:3])


async def provide_nginx() -> None:
    """Install it where that may be done; skip the test where there is none."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl, as docker/make_secrets.py does")
    try:
        await asyncio.to_thread(provide, [NGINX])
    except ProgramsMissingError:
        pytest.skip("needs nginx: apt-get install nginx, or brew install nginx")


@asynccontextmanager
async def balancing(
    api: list[str],
    stream: list[str],
    *,
    changed: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> AsyncIterator[tuple[LoadBalancer, aiohttp.ClientSession]]:
    """Run it while the context lasts, with a client that speaks HTTP/1.1 over TLS to it."""
    proxy = LoadBalancer(api, stream, changed=changed, variables=variables)
    async with running(proxy):
        connector = aiohttp.TCPConnector(ssl=proxy.trust(), limit=0)
        async with aiohttp.ClientSession(proxy.url, connector=connector) as client:
            yield proxy, client
