"""A database that is not ours, or ours in part: `migrate` and a start refuse it in a sentence that
says what to do, before anything is touched.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

from scoreboard.connections.blocking import MigrationError, UnfitDatabase
from scoreboard.connections.refusals import CONSTRAINTS
from scoreboard.database import migrations
from scoreboard.database.migrations import migrate
from scoreboard.fitness import fitness
from tests.world import sql

# Everything that there is, and every row of yoyo's.
THERE = """
    SELECT relname::text, relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT proname::text, 'f' FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    ORDER BY 1, 2
"""
MAKES_BOARD = "0004.board-version"
GRANT = re.compile(r"GRANT [^;]*;")


@contextmanager
def a_stranger(database_url: str, name: str = "") -> Iterator[tuple[str, str]]:
    """A role that owns nothing: its name, and the address by which it connects."""
    name = name or f"scoreboard_test_{secrets.token_hex(4)}"
    quoted = '"{}"'.format(name.replace('"', '""'))
    sql(database_url, f"CREATE ROLE {quoted} LOGIN")
    parts = urlsplit(database_url)
    where = parts.netloc.rpartition("@")[2]
    try:
        yield name, urlunsplit(parts._replace(netloc=f"{quote(name)}@{where}"))
    finally:
        sql(database_url, f"DROP OWNED BY {quoted}; DROP ROLE {quoted}")


def refusal(url: str) -> str:
    with pytest.raises(MigrationError) as refused:
        migrate(url)
    return str(refused.value)


async def start(url: str) -> str:
    """What a start says."""
    with pytest.raises(UnfitDatabase) as refused:
        await fitness.require(url, "all")
    return str(refused.value)


@pytest.mark.parametrize("role", ["scoreboard_test_plain", 'Score-Board "test"', "user"])
@pytest.mark.parametrize("schema", ["public", "The Games"])
async def test_a_role_that_may_make_no_tables_is_told_what_gives_it_the_right(
    empty_database_url: str, role: str, schema: str
) -> None:
    """From PostgreSQL 15 on nobody may in `public` but whoever owns the database."""
    sql(empty_database_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    if schema != "public":
        sql(empty_database_url, f'CREATE SCHEMA "{schema}"')
    there = "" if schema == "public" else "?options=-csearch_path%3D%22The%5C%20Games%22"
    with a_stranger(empty_database_url, role) as (_, base):
        url = f"{base}{there}"
        said = refusal(url)
        assert "may make no tables in the schema" in said
        assert GRANT.search(await start(url))
        [grant] = GRANT.findall(said)
        sql(empty_database_url, grant)
        assert migrate(url) == migrations.names()
        await fitness.require(url, "all")


def test_a_schema_that_is_not_there_is_told_how_to_make_it(empty_database_url: str) -> None:
    url = f"{empty_database_url}?options=-csearch_path%3Dgames"
    [create] = re.findall(r"CREATE SCHEMA [^;]*;", refusal(url))
    sql(empty_database_url, create)
    assert migrate(url) == migrations.names()


@pytest.mark.parametrize(
    ("foreign", "named"),
    [
        ("CREATE TABLE users (id integer)", "the table users (of {owner})"),
        ("CREATE VIEW users AS SELECT 1 AS user_id", "the view users"),
        ("CREATE MATERIALIZED VIEW scores AS SELECT 1", "the materialized view scores"),
        ("CREATE SEQUENCE board", "the sequence board"),
        ("CREATE SEQUENCE ledger_ledger_id_seq", "the sequence ledger_ledger_id_seq"),
        ("CREATE TYPE revocations AS ENUM ('a')", "the type revocations"),
        ("CREATE TYPE actions AS (a integer)", "the type actions"),
        ("CREATE DOMAIN refresh_tokens AS text", "the type refresh_tokens"),
        (
            "CREATE FUNCTION revoke_access (uuid) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "the function revoke_access",
        ),
        (
            "CREATE TABLE other (a integer); CREATE INDEX idx_scores_score_desc ON other (a)",
            "the index idx_scores_score_desc",
        ),
    ],
)
async def test_what_another_application_has_made_is_left_as_it_is(
    empty_database_url: str, foreign: str, named: str
) -> None:
    sql(empty_database_url, foreign)
    before = sql(empty_database_url, THERE)
    [(owner,)] = sql(empty_database_url, "SELECT quote_ident(current_user)")

    said = refusal(empty_database_url)

    assert named.format(owner=owner) in said
    assert "another application's" in said
    assert "CREATE SCHEMA scoreboard AUTHORIZATION" in said
    assert said.endswith("Nothing was changed.")
    assert sql(empty_database_url, THERE) == before
    assert named.format(owner=owner) in await start(empty_database_url)


async def test_a_later_migration_meets_what_somebody_made_meanwhile(
    empty_database_url: str,
) -> None:
    applied = migrate(empty_database_url)
    left = applied[applied.index(MAKES_BOARD) :]
    migrations.roll_back(empty_database_url, len(left))
    sql(empty_database_url, "CREATE VIEW board AS SELECT 1 AS version")
    before = sql(empty_database_url, THERE)

    assert "the view board" in refusal(empty_database_url)
    assert sql(empty_database_url, THERE) == before
    sql(empty_database_url, "DROP VIEW board")
    assert migrate(empty_database_url) == left


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("DROP TABLE scores", "scores that they made is gone from the schema public"),
        ("DROP TABLE ledger, scores CASCADE", "ledger and scores that they made is gone"),
        (
            "DROP TABLE scores; CREATE VIEW scores AS SELECT 1 AS score",
            "the view scores (of {owner}) stands in public where a table of ours was",
        ),
        ("DROP TABLE _yoyo_migration", "or ours without the table _yoyo_migration"),
    ],
)
async def test_half_a_schema_of_ours_is_named(database_url: str, broken: str, said: str) -> None:
    sql(database_url, broken)
    [(owner,)] = sql(database_url, "SELECT quote_ident(current_user)")
    assert said.format(owner=owner) in refusal(database_url)
    assert await start(database_url)


async def test_a_view_in_the_place_of_a_table_starts_no_instance(database_url: str) -> None:
    sql(
        database_url,
        "ALTER TABLE actions RENAME TO kept; CREATE VIEW actions AS SELECT * FROM kept",
    )
    assert "actions is no table of ours" in await start(database_url)


def test_who_does_not_own_the_tables_is_told_who_does(database_url: str) -> None:
    migrations.roll_back(database_url)
    [(owner,)] = sql(database_url, "SELECT quote_ident(current_user)")
    with a_stranger(database_url) as (name, url):
        assert "Migrate as the role that owns the tables." in refusal(url)
        sql(
            database_url,
            f"GRANT CREATE ON SCHEMA public TO {name}; GRANT SELECT ON _yoyo_migration TO {name}",
        )
        assert f"run this as the owner, {owner}, or GRANT {owner} TO {name};" in refusal(url)


async def test_what_a_newer_release_applied_is_named_and_serves(database_url: str) -> None:
    sql(
        database_url,
        "INSERT INTO _yoyo_migration (migration_hash, migration_id, applied_at_utc) "
        "VALUES ('x', '9999.of-the-next-version', now())",
    )
    await fitness.require(database_url, "all")
    found = {each.name: each for each in await fitness.findings(database_url, "all", 9)}
    assert found["schema"].state == "warning"
    assert "9999.of-the-next-version" in found["schema"].what
    assert await migrations.newer(database_url) == ["9999.of-the-next-version"]


def test_a_database_that_takes_no_writes_is_named_and_not_overruled(
    empty_database_url: str,
) -> None:
    name = urlsplit(empty_database_url).path.strip("/")
    sql(empty_database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert "default_transaction_read_only is on (for the database)" in refusal(empty_database_url)


@pytest.mark.parametrize(
    ("addition", "what", "to_do"),
    [
        (
            "CREATE UNIQUE INDEX theirs ON users (length(password_hash))",
            "unique index theirs of users",
            "DROP INDEX theirs;",
        ),
        (
            "ALTER TABLE users ADD CONSTRAINT theirs UNIQUE (created_at)",
            "constraint theirs of users",
            "ALTER TABLE users DROP CONSTRAINT theirs;",
        ),
        (
            "CREATE TRIGGER theirs BEFORE UPDATE ON scores FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "trigger theirs of scores",
            "DROP TRIGGER theirs ON scores;",
        ),
        (
            "CREATE RULE theirs AS ON INSERT TO actions DO INSTEAD NOTHING",
            "rule theirs of actions",
            "DROP RULE theirs ON actions;",
        ),
    ],
)
async def test_what_somebody_put_on_our_tables_is_a_warning(
    database_url: str, addition: str, what: str, to_do: str
) -> None:
    found = {each.name: each for each in await fitness.findings(database_url, "all", 9)}
    assert found.get("additions") is None
    sql(database_url, addition)
    await fitness.require(database_url, "all")
    found = {each.name: each for each in await fitness.findings(database_url, "all", 9)}
    assert found["additions"].state == "warning"
    assert what in found["additions"].what
    assert to_do in found["additions"].to_do
    sql(database_url, found["additions"].to_do.partition(": ")[2])
    found = {each.name: each for each in await fitness.findings(database_url, "all", 9)}
    assert "additions" not in found


def test_every_constraint_of_ours_is_known_by_name(database_url: str) -> None:
    made = sql(
        database_url,
        "SELECT conname FROM pg_constraint WHERE conrelid::regclass::text !~ 'yoyo'"
        " AND connamespace = 'public'::regnamespace AND contype <> 't' AND conparentid = 0"
        " UNION SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE indisunique AND relnamespace = 'public'::regnamespace AND relname !~ 'yoyo'",
    )
    assert {name for (name,) in made} == CONSTRAINTS
