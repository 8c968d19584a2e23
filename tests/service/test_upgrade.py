"""Upgrades without downtime: the schema of the next version comes first, while this one serves."""

from __future__ import annotations

import asyncio
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from scoreboard.configuration.sources import shipped
from scoreboard.connections.blocking import MigrationError
from scoreboard.database import migrations
from scoreboard.database.migrations import migrate, pending
from tests.instances import Instance
from tests.service.conftest import Start
from tests.world import add_actions, add_users, grants, holding, ledger_sums, scores, sql

SHIPPED = shipped("migrations")
# Those of the first version, which nothing ran before.
FIRST_VERSION = 5

# All that a migration may do to a table of ours while code that does not know of it runs.
NEXT_VERSION = """
ALTER TABLE users ADD COLUMN motto TEXT;
ALTER TABLE scores ADD COLUMN season INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN source TEXT DEFAULT 'api';
ALTER TABLE actions ADD COLUMN retired_at TIMESTAMPTZ;
ALTER TABLE boards ADD COLUMN name TEXT NOT NULL DEFAULT 'all time';
ALTER TABLE seasons ADD COLUMN motto TEXT;
ALTER TABLE season_entries ADD COLUMN later BOOLEAN NOT NULL DEFAULT FALSE;
CREATE TABLE badges (user_id UUID NOT NULL REFERENCES users ON DELETE CASCADE, name TEXT NOT NULL);
CREATE INDEX idx_ledger_points_granted ON ledger (points_granted);
"""


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations of a version that is yet to come."""
    shutil.copytree(SHIPPED, tmp_path / "migrations")
    (tmp_path / "migrations" / "9999.next.sql").write_text(NEXT_VERSION)
    return tmp_path


async def plays(instance: Instance, user: str, action: str) -> None:
    """All that writes, and all that reads."""
    assert (await instance.submit(user, action))[0] == 200
    assert (await instance.board())["data"][0]["userId"] == user
    account = {"username": f"{action}-fan", "password": "long enough"}
    email = {"email": f"{action}@example.org"}
    async with instance.client.post("/api/auth/register", json=account | email) as response:
        assert response.status == 201
        token = (await response.json())["refreshToken"]
    async with instance.client.post("/api/auth/refresh", json={"refreshToken": token}) as response:
        assert response.status == 200
    async with instance.client.get("/api/me", headers=instance.bearer(user)) as response:
        assert response.status == 200
    async with instance.client.get("/api/actions") as response:
        assert response.status == 200


async def test_this_version_serves_on_the_schema_of_the_next_one(
    start: Start, database_url: str, next_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names every column that it reads or writes, and asks for no migration that is newer."""
    running = await start()
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"before": 5, "after": 5, "restarted": 5})
    await plays(running, user, "before")
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "shipped", lambda name: next_version / name)
        assert migrate(database_url) == ["9999.next"]

    await plays(running, user, "after")
    assert await pending(database_url) == []  # so this version may be started again as well
    await plays(await start(), user, "restarted")
    assert len(grants(database_url)) == 3
    assert scores(database_url) == ledger_sums(database_url)
    assert sql(database_url, "SELECT count(*) FROM badges") == [(0,)]


def test_a_migration_that_has_to_wait_gives_up_before_it_holds_up_all_who_write(
    database_url: str, next_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup reads every table for as long as it takes; grants would queue behind us."""
    monkeypatch.setattr(migrations, "shipped", lambda name: next_version / name)
    with holding(database_url, "LOCK TABLE users IN ACCESS SHARE MODE") as backup:
        end = threading.Timer(20, backup.rollback)
        end.start()
        with pytest.raises(MigrationError, match="run it again"):
            migrate(database_url)
        end.cancel()
    assert asyncio.run(pending(database_url)) == ["9999.next"]
    assert migrate(database_url) == ["9999.next"]


# What may break code that runs: it comes a version after the code that stopped to need it.
TAKES_AWAY = re.compile(
    r"\b(DROP\s+(TABLE|COLUMN|CONSTRAINT)|(?<!_next )RENAME|SET\s+NOT\s+NULL|ALTER\s+(COLUMN\s+)?"
    r"\w+\s+(SET\s+DATA\s+)?TYPE|(?<!')TRUNCATE(?!\s+ON))\b",
    re.IGNORECASE,
)
# What these change, the release before goes on without: tests/migrations/test_boards_and_seasons.py
# has its statements.
TRIED_BESIDE = {"0010.boards-and-seasons"}
UNUSED_SINCE = re.compile(r"^-- unused since \d+\.\d+\.\d+: ", re.MULTILINE)


def test_a_migration_after_the_first_version_only_adds_unless_it_says_since_when_it_may() -> None:
    for migration in migrations._shipped_migrations():
        if int(migration.id[:4]) <= FIRST_VERSION or migration.id in TRIED_BESIDE:
            continue
        text = Path(migration.path).read_text(encoding="utf-8")
        statements = "\n".join(applied_by(migration))
        assert statements, migration.id
        assert not TAKES_AWAY.search(statements) or UNUSED_SINCE.search(text), migration.id


def applied_by(migration: Any) -> list[str]:
    """The statements of a migration, in SQL or in Python, without those of its way back."""
    migration.load()
    steps = [getattr(step, "step", step) for step in migration.steps]
    return [step._apply for step in steps if isinstance(step._apply, str)]


@pytest.mark.parametrize(
    ("statement", "takes_away"),
    [
        ("ALTER TABLE users DROP COLUMN email", True),
        ("ALTER TABLE users RENAME COLUMN email TO mail", True),
        ("ALTER TABLE users ALTER COLUMN score TYPE BIGINT", True),
        ("ALTER TABLE users ALTER email SET NOT NULL", True),
        ("DROP TABLE users", True),
        ("DROP INDEX idx_users_email", False),
        ("ALTER TABLE users ADD COLUMN motto TEXT NOT NULL DEFAULT ''", False),
        ("CREATE TABLE drops (renamed INTEGER)", False),
    ],
)
def test_what_takes_away_is_told_from_what_adds(statement: str, takes_away: bool) -> None:
    assert bool(TAKES_AWAY.search(statement)) is takes_away
