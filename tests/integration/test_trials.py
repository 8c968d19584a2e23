"""Instances of tests try no statement again that PostgreSQL took, until something is changed."""

from __future__ import annotations

import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.refusals import PostgresRefused
from scoreboard.fitness import trials
from tests import trials as trials_of_tests
from tests.roles import a_role
from tests.trials import not_repeated
from tests.world import sql


async def refused(url: str) -> dict[str, PostgresRefused]:
    """What an instance that starts here would hear."""
    postgres = Postgres(url, sessions=1, timeout_seconds=30.0, name="test.trials")
    try:
        with not_repeated():
            return await trials.refused(postgres, "all")
    finally:
        await postgres.finish()


async def test_what_was_taken_is_not_tried_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await refused(database_url) == {}

    async def tried(_: Postgres, __: str) -> dict[str, PostgresRefused]:
        raise AssertionError("it is tried again")

    monkeypatch.setattr(trials_of_tests, "_tried_in_full", tried)
    assert await refused(database_url) == {}


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE users RENAME COLUMN username TO called",
        "ALTER TABLE users DROP COLUMN username CASCADE",
        "DROP TABLE follows",
        "ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE",
    ],
)
async def test_what_is_changed_is_tried_again(database_url: str, change: str) -> None:
    assert await refused(database_url) == {}
    sql(database_url, change)
    assert await refused(database_url) != {}


async def test_a_right_that_is_taken_is_noticed(database_url: str) -> None:
    with a_role(database_url, "api") as role:
        assert await refused(role.url) == {}
        role.revoke("SELECT", "follows")
        assert await refused(role.url) != {}
        role.grant("SELECT", "follows")
        assert await refused(role.url) == {}
