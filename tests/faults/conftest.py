"""Instances whose lines to the three servers can be cut: `start` is that of the service tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.proxy import TcpProxy
from tests.service.conftest import instance, start

__all__ = ["instance", "start"]


@dataclass(frozen=True, slots=True)
class Line:
    """A proxied address: give `url` to an instance, and break `proxy`."""

    proxy: TcpProxy
    url: str


async def _line(url: str) -> AsyncIterator[Line]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    async with TcpProxy(parts.hostname, parts.port) as proxy:
        login, at, _ = parts.netloc.rpartition("@")
        through = parts._replace(netloc=f"{login}{at}127.0.0.1:{proxy.port}")
        yield Line(proxy, urlunsplit(through))


@pytest.fixture
async def database_line(database_url: str) -> AsyncIterator[Line]:
    async for line in _line(database_url):
        yield line


@pytest.fixture
async def redis_line(redis_url: str) -> AsyncIterator[Line]:
    async for line in _line(redis_url):
        yield line


@pytest.fixture
async def amqp_line(amqp_url: str) -> AsyncIterator[Line]:
    async for line in _line(amqp_url):
        yield line
