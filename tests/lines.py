"""Lines to the servers that can be broken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from tests.proxy import TcpProxy


@dataclass(frozen=True, slots=True)
class Line:
    """A proxied address: give `url` to an instance, and break `proxy`."""

    proxy: TcpProxy
    url: str


@asynccontextmanager
async def a_line(url: str) -> AsyncIterator[Line]:
    """Put a proxy before the server at this address."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    async with TcpProxy(parts.hostname, parts.port) as proxy:
        login, at, _ = parts.netloc.rpartition("@")
        through = parts._replace(netloc=f"{login}{at}127.0.0.1:{proxy.port}")
        yield Line(proxy, urlunsplit(through))
