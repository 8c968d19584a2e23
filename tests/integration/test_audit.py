"""The audit in PostgreSQL: what keeps its rows, and what finds out that they were not kept."""

from __future__ import annotations

import json

import psycopg2
import pytest

from scoreboard.audit import chain, rows
from scoreboard.audit.chain import Verified
from scoreboard.audit.rows import Sought
from scoreboard.connections.postgres import Postgres
from tests.integration.account_world import Database
from tests.roles import a_role
from tests.world import sql

USER = "5f0c1f8e-6b0a-4c58-9d3e-0f7a3f1b2c4d"
# All that JSON writes in another way, and what nobody should have to guess about.
HOSTILE = "".join(map(chr, range(1, 160))) + "\u2028\u202e\ud7ff\uffff😀 - null"


def write(database_url: str, *acts: str, reason: str = "cheats", made_by: str = "key_1") -> None:
    """Write rows, each saying itself that it is number 7 of long ago with a digest of its own."""
    for act in acts:
        sql(
            database_url,
            "INSERT INTO audit (audit_id, at, made_by, act, user_id, details, reason, digest)"
            " VALUES (7, '2001-01-01', %s, %s, %s, %s, %s, repeat('a', 64))",
            (made_by, act, USER, json.dumps({"points": -5, "text": reason}), reason),
        )


def cheat(database_url: str, *statements: str) -> None:
    """What the owner of the tables can do: switch triggers off, and on again."""
    off = "ALTER TABLE audit DISABLE TRIGGER ALL;"
    on = "ALTER TABLE audit ENABLE TRIGGER ALL"
    sql(database_url, f"{off}{';'.join(statements)};{on}")


@pytest.fixture
def written(database_url: str) -> str:
    """A database whose audit has four rows."""
    write(database_url, "hide", "ban", "unban", "show")
    return database_url


async def test_each_row_gets_its_number_its_time_and_its_place_in_the_chain(
    written: str, postgres: Postgres
) -> None:
    write(written, "hide", reason=HOSTILE, made_by="operator:\n-")
    found = [row async for row in rows.everything(postgres)]
    assert [row.audit_id for row in found] == [1, 2, 3, 4, 5]
    assert all(row.at > "2020" for row in found)
    assert found[-1].reason == HOSTILE
    verified = await chain.verify(postgres, found[1].digest)
    assert verified == Verified(5, found[-1].digest, kept_id=2)
    # The function of the database makes the same.
    derived = sql(
        written,
        "SELECT audit_digest(coalesce(lag(digest) OVER w, repeat('0', 64)), audit)"
        " FROM audit WINDOW w AS (ORDER BY audit_id)",
    )
    assert [digest for (digest,) in derived] == [row.digest for row in found]


async def test_what_is_sought_is_found_a_page_at_a_time(written: str, postgres: Postgres) -> None:
    write(written, "rename", made_by="operator:root")
    about = Sought(user_id=USER)
    assert len([row async for row in rows.everything(postgres, about, after=1, limit=3)]) == 3
    [(at,)] = sql(written, "SELECT at FROM audit WHERE audit_id = 3")
    for sought, wanted in [
        (Sought(act="ban"), [2]),
        (Sought(made_by="operator:root"), [5]),
        (Sought(since=at), [3, 4, 5]),
        (Sought(user_id=USER.replace("5", "6")), []),
        (Sought(board_ids=["main"]), []),
    ]:
        assert [row.audit_id for row in await rows.page(postgres, sought, 0, 10)] == wanted


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET reason = 'none'",
        "DELETE FROM audit WHERE audit_id = 4",
        "TRUNCATE audit CASCADE",
        "INSERT INTO audit SELECT * FROM audit WHERE audit_id = 1"
        " ON CONFLICT (audit_id) DO UPDATE SET reason = 'none'",
        "SET session_replication_role = replica; DELETE FROM audit",
    ],
)
def test_no_statement_changes_or_removes_a_row(written: str, statement: str) -> None:
    before = sql(written, "SELECT * FROM audit ORDER BY 1")
    with pytest.raises(psycopg2.errors.RestrictViolation):
        sql(written, statement)
    assert sql(written, "SELECT * FROM audit ORDER BY 1") == before


def test_an_instance_may_not_even_try(written: str) -> None:
    with a_role(written, "api") as role:
        for statement in (
            "UPDATE audit SET reason = 'none'",
            "DELETE FROM audit",
            "TRUNCATE audit",
            "ALTER TABLE audit DISABLE TRIGGER ALL",
            "ALTER FUNCTION audit_refuse() RENAME TO no_refusal",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                sql(role.url, statement)


@pytest.mark.parametrize(
    ("statement", "wrong_id", "said"),
    [
        ("UPDATE audit SET reason = 'none' WHERE audit_id = 2", 2, "changed"),
        ("UPDATE audit SET at = 'infinity' WHERE audit_id = 2", 2, "changed"),
        # Not asked: nothing is there where there was a text, and a text that looks like nothing.
        ("UPDATE audit SET request_id = '-' WHERE audit_id = 2", 2, "changed"),
        # What one column loses another one gains.
        ("UPDATE audit SET made_by = 'key', act = '_1' || act WHERE audit_id = 2", 2, "changed"),
        ("DELETE FROM audit WHERE audit_id = 1", 2, "Row 1 is missing"),
        ("DELETE FROM audit WHERE audit_id IN (2, 3)", 4, "Rows from 2 are missing"),
        (
            "DELETE FROM audit WHERE audit_id = 2;"
            " UPDATE audit SET audit_id = audit_id - 1 WHERE audit_id > 2",
            2,
            "changed",
        ),
        (
            "UPDATE audit SET audit_id = -2 WHERE audit_id = 2;"
            " UPDATE audit SET audit_id = 2 WHERE audit_id = 3;"
            " UPDATE audit SET audit_id = 3 WHERE audit_id = -2",
            2,
            "moved",
        ),
        (
            "INSERT INTO audit (audit_id, at, made_by, act, reason, digest)"
            " VALUES (0, now(), 'key_1', 'ban', 'none', repeat('0', 64))",
            0,
            "put in",
        ),
        # One row anew, with the digest that it should have: the row behind it does not follow.
        (
            "UPDATE audit SET reason = 'none' WHERE audit_id = 2;"
            " UPDATE audit SET digest = audit_digest((SELECT digest FROM audit WHERE audit_id = 1),"
            " audit) WHERE audit_id = 2",
            3,
            "changed",
        ),
        # The owner's own function, which finds everything well.
        (
            "UPDATE audit SET reason = 'none' WHERE audit_id = 2;"
            " CREATE OR REPLACE FUNCTION audit_digest(before CHAR(64), said audit) RETURNS CHAR(64)"
            " LANGUAGE sql AS 'SELECT said.digest'",
            2,
            "changed",
        ),
    ],
)
async def test_the_first_row_that_the_owner_tampered_with_is_named(
    written: str, postgres: Postgres, statement: str, wrong_id: int, said: str
) -> None:
    cheat(written, statement)
    found = await chain.verify(postgres)
    assert (found.wrong_id, said in found.problem) == (wrong_id, True), found


async def test_a_digest_kept_elsewhere_finds_the_end_removed_and_a_chain_written_anew(
    written: str, postgres: Postgres, database: Database
) -> None:
    kept = str(database.one("SELECT digest FROM audit WHERE audit_id = 4"))
    assert (await chain.verify(postgres, kept)).kept_id == 4

    cheat(written, "DELETE FROM audit WHERE audit_id = 4")
    assert (await chain.verify(postgres)).problem == ""  # nobody can tell by the rows alone
    assert (await chain.verify(postgres, kept)).kept_id is None

    cheat(written, "DELETE FROM audit")
    write(written, "hide", "ban", "unban", "show", "hide")
    assert await chain.verify(postgres, kept) == Verified(
        5, str(database.one("SELECT digest FROM audit WHERE audit_id = 5"))
    )
