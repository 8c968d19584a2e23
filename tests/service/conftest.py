"""Instances for tests through HTTP: `start` makes as many as a test wants on the same three
servers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.instances import PATIENCE, Instance, Start, starting_instances

__all__ = ["Start", "instance", "start"]


@pytest.fixture
async def start(database_url: str, redis_url: str, amqp_url: str) -> AsyncIterator[Start]:
    """Start an instance; keyword arguments are settings."""
    async with starting_instances(database_url, redis_url, amqp_url, **PATIENCE) as start_one:
        yield start_one


@pytest.fixture
async def instance(start: Start) -> Instance:
    """One instance."""
    return await start()
