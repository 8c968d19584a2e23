"""Instances whose lines to the three servers can be cut: `start` is that of the service tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.lines import Line, a_line
from tests.service.conftest import instance, start

__all__ = ["Line", "instance", "start"]


@pytest.fixture
async def database_line(database_url: str) -> AsyncIterator[Line]:
    async with a_line(database_url) as line:
        yield line


@pytest.fixture
async def redis_line(redis_url: str) -> AsyncIterator[Line]:
    async with a_line(redis_url) as line:
        yield line


@pytest.fixture
async def amqp_line(amqp_url: str) -> AsyncIterator[Line]:
    async with a_line(amqp_url) as line:
        yield line
