"""Instances whose lines to the three servers can be cut, with the deadlines that are shipped."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.instances import Start, starting_instances
from tests.lines import Line, a_line
from tests.operator import operator

__all__ = ["Line", "Start", "operator", "start"]


@pytest.fixture
async def start(database_url: str, redis_url: str, amqp_url: str) -> AsyncIterator[Start]:
    """Start an instance; keyword arguments are settings."""
    async with starting_instances(database_url, redis_url, amqp_url) as start_one:
        yield start_one


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
