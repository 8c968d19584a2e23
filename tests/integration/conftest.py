"""Accounts and a ledger on a database of their own, a client of Redis that is none of ours, and
Prometheus' own judge of rules and metrics.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.families import TokenPair
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.registry import Accounts
from scoreboard.configuration.settings import Settings
from scoreboard.configuration.sources import load
from scoreboard.connections.postgres import Postgres
from scoreboard.ledger.definitions import Definitions
from scoreboard.ledger.ledger import Ledger
from scoreboard.operations.metrics import Metrics
from tests.integration.account_world import PASSWORD, SECRET, Database, MakeAccounts
from tests.integration.ledger_world import a_ledger
from tests.servers.installation import PROMTOOL, ProgramsMissingError, provide

_PROMTOOL = pytest.StashKey[Path | str]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Look for it before the first test, whose timeout an installation would exceed."""
    asked = any("promtool" in getattr(item, "fixturenames", ()) for item in session.items)
    if not asked or session.config.option.collectonly:
        return
    try:
        provide([PROMTOOL])
        session.config.stash[_PROMTOOL] = PROMTOOL.path()
    except ProgramsMissingError as missing:
        session.config.stash[_PROMTOOL] = str(missing)


@pytest.fixture
def promtool(request: pytest.FixtureRequest) -> Path:
    path = request.config.stash[_PROMTOOL]
    if isinstance(path, str):
        pytest.skip(path)
    return path


@pytest.fixture
async def admin(redis_url: str) -> AsyncIterator[Any]:
    """A client of Redis that is none of ours."""
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


@pytest.fixture
def settings(database_url: str) -> Settings:
    return load({}, database_url=database_url, jwt_secret=SECRET)


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords()
    yield made
    made.close()


@pytest.fixture
async def postgres(database_url: str) -> AsyncIterator[Postgres]:
    made = Postgres(database_url, sessions=8, timeout_seconds=5, name="test")
    yield made
    made.close()


@pytest.fixture
def instance(postgres: Postgres, passwords: Passwords, settings: Settings) -> MakeAccounts:
    """Another instance on the same database, with settings of its own."""

    def make(**overrides: Any) -> Accounts:
        its_own = load({}, **{"jwt_secret": SECRET} | overrides)
        return Accounts(its_own, postgres, AccessTokens(its_own), passwords, Metrics())

    return make


@pytest.fixture
def access(settings: Settings) -> AccessTokens:
    """What `accounts` tells of revocations."""
    return AccessTokens(settings)


@pytest.fixture
def accounts(
    postgres: Postgres, passwords: Passwords, settings: Settings, access: AccessTokens
) -> Accounts:
    return Accounts(settings, postgres, access, passwords, Metrics())


@pytest.fixture
async def ada(accounts: Accounts) -> TokenPair:
    return await accounts.register("Ada", "ada@example.org", PASSWORD)


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[Ledger]:
    async with a_ledger(database_url) as ledger:
        yield ledger


@pytest.fixture
async def definitions(database_url: str) -> AsyncIterator[Definitions]:
    postgres = Postgres(database_url, sessions=1, timeout_seconds=5.0, name="test.definitions")
    yield Definitions(postgres)
    await postgres.finish()
