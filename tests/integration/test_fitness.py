"""Whether a database is fit for an instance: what is missing is named before anybody meets it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg2
import pytest

import scoreboard
from scoreboard import fitness
from scoreboard.accounts import queries
from scoreboard.migrations import DatabaseRefuses, UnfitDatabase
from scoreboard.scoring import ledger
from tests.roles import Role, a_role
from tests.world import sql

# What only commands of operators run, as the owner of the tables.
OF_OPERATORS: Final = {
    *("lock_scores", "correct_scores", "renew_board", "delete_user", "compare_scores"),
    *("compare_tenth", "load_actions"),
}
# `grant` executes what `prepare_grant` prepares, and is explained as that.
PREPARED: Final = "grant"


@pytest.fixture
def api(database_url: str) -> Iterator[Role]:
    with a_role(database_url, "api") as role:
        yield role


async def wrong(url: str, role: str = "api") -> str:
    """What a start says."""
    with pytest.raises(UnfitDatabase) as refused:
        await fitness.require(url, role)
    return str(refused.value)


@pytest.mark.parametrize("serves_as", ["api", "stream"])
async def test_each_right_that_is_missing_is_named_with_what_gives_it(
    database_url: str, serves_as: str
) -> None:
    with a_role(database_url, serves_as) as role:
        await fitness.require(role.url, serves_as)
        for relation, rights in fitness.RIGHTS[serves_as].items():
            for right in rights:
                role.revoke(right, relation)
                said = await wrong(role.url, serves_as)
                role.grant(right, relation)
                kind = "SEQUENCE " if relation.endswith("_seq") else ""
                assert f"The role {role.name} lacks {right} on {relation}." in said
                assert f"GRANT {right} ON {kind}{relation} TO {role.name};" in said
        await fitness.require(role.url, serves_as)


async def test_all_that_is_missing_is_named_at_once(api: Role) -> None:
    api.revoke("INSERT", "ledger")
    api.revoke("UPDATE, INSERT", "scores")
    api.revoke("USAGE", "ledger_ledger_id_seq")

    said = await wrong(api.url)

    assert "lacks INSERT on ledger." in said
    assert "lacks INSERT, UPDATE on scores." in said
    assert "lacks USAGE on ledger_ledger_id_seq." in said


def test_the_rights_that_are_listed_are_all_that_the_statements_need(api: Role) -> None:
    """PostgreSQL looks at rights, tables, columns and functions when it explains a statement."""
    statements = {**ledger.SQL, **queries.SQL}
    with closing(psycopg2.connect(api.url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for name in statements.keys() - OF_OPERATORS - {PREPARED}:
            text = statements[name].replace("PREPARE grant_batch (uuid[], text[]) AS\n", "")
            text = text.replace("unnest($1, $2)", "unnest(NULL::uuid[], NULL::text[])")
            for statement in re.sub(r"%\(\w+\)s", "NULL", text).split(";\n"):
                cursor.execute(f"EXPLAIN {statement}")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("DROP TABLE ledger", "The schema lacks ledger and ledger_ledger_id_seq."),
        ("DROP TABLE board", "The schema lacks board."),
        ("DROP SEQUENCE ledger_ledger_id_seq CASCADE", "The schema lacks ledger_ledger_id_seq."),
        ("ALTER TABLE scores ENABLE ROW LEVEL SECURITY", "would hide rows of scores from"),
        ("REVOKE USAGE ON SCHEMA public FROM PUBLIC", "may not use the schema public."),
    ],
)
async def test_what_was_broken_is_named(api: Role, broken: str, said: str) -> None:
    sql(api.owner_url, broken)

    assert said in await wrong(api.url)


async def test_a_schema_that_is_not_there_is_named(api: Role) -> None:
    assert "There is no schema games." in await wrong(f"{api.url}?options=-csearch_path%3Dgames")


@pytest.mark.parametrize(
    ("whom", "said"), [("DATABASE {1}", "for the database"), ("ROLE {0}", "for the role")]
)
async def test_a_database_that_is_to_take_no_writes_is_not_overruled(
    api: Role, whom: str, said: str
) -> None:
    """It may be about to move, or have a full disk. Who only shows the board is not concerned."""
    name = urlsplit(api.url).path.strip("/")
    sql(
        api.owner_url, f"ALTER {whom.format(api.name, name)} SET default_transaction_read_only = on"
    )

    assert f"default_transaction_read_only is on ({said})" in await wrong(api.url)
    await fitness.require(api.url, "stream")


async def test_a_role_that_may_not_connect_is_refused_and_not_away(api: Role) -> None:
    name = urlsplit(api.url).path.strip("/")
    sql(api.owner_url, f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")

    with pytest.raises(DatabaseRefuses, match=r"permission denied for database .* \(42501\)"):
        await fitness.require(api.url, "api")


async def test_too_few_connections_and_a_disk_that_forgets_are_warnings(database_url: str) -> None:
    found = {finding.name: finding for finding in await fitness.findings(database_url, "all", 500)}

    assert found["room"].state == found["durability"].state == "warning"
    assert "an instance holds 500" in found["room"].what
    assert [f.name for f in found.values() if f.state == "wrong"] == []


@pytest.mark.parametrize("serves_as", ["api", "stream"])
def test_the_rights_that_the_documentation_gives_are_those_that_are_needed(
    serves_as: str,
) -> None:
    given: dict[str, set[str]] = {}
    for rights, names in re.findall(
        rf"GRANT ([A-Z]+) ON (?:SEQUENCE )?([\w,\s]+?)\s+TO scoreboard_{serves_as};",
        (Path(scoreboard.__file__).parents[1] / "docs" / "operations.md").read_text("utf-8"),
    ):
        for name in re.split(r",\s+", names):
            given.setdefault(name, set()).add(rights)

    assert given == {name: set(rights) for name, rights in fitness.RIGHTS[serves_as].items()}
