"""Instances for tests through HTTP: `start` makes as many as a test wants on the same three
servers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.instances import PATIENCE, Instance, Start, starting_instances
from tests.operator import operator

__all__ = ["Start", "instance", "operator", "shared_instance", "start"]


@pytest.fixture
async def start(database_url: str, redis_url: str, amqp_url: str) -> AsyncIterator[Start]:
    """Start an instance; keyword arguments are settings."""
    async with starting_instances(database_url, redis_url, amqp_url, **PATIENCE) as start_one:
        yield start_one


@pytest.fixture
async def instance(start: Start) -> Instance:
    """One instance."""
    return await start()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_instance(
    shared_database_url: str, shared_redis_url: str, shared_amqp_url: str
) -> AsyncIterator[Instance]:
    """One instance for all tests of a file that ask for it: tests that change nothing in it, or
    only what belongs to users of their own.

    A file whose tests all do so defines `instance` as this one. Its database is
    `shared_database_url`.
    """
    async with starting_instances(
        shared_database_url, shared_redis_url, shared_amqp_url, **PATIENCE
    ) as start_one:
        yield await start_one()
