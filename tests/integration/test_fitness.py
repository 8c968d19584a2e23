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
from scoreboard.accounts import queries
from scoreboard.audit import queries as audit
from scoreboard.connections.blocking import DatabaseRefuses, UnfitDatabase
from scoreboard.connections.postgres import Postgres
from scoreboard.database import migrations
from scoreboard.fitness import fitness, trials
from scoreboard.keys import queries as keys
from scoreboard.ledger import queries as ledger
from scoreboard.personal import export
from scoreboard.personal_streams import reading
from scoreboard.ranks import queries as ranks
from scoreboard.scoring import catalogue, places, sought, standing
from tests.roles import Role, a_role
from tests.world import holding, sql

# Two rows of the ledger, as somebody else's copy of it brings them.
GRANTED: Final = """
    INSERT INTO users (user_id, username, username_key, email, password_hash)
    VALUES ('00000000-0000-4000-8000-000000000001', 'ada', 'ada', 'ada@example.org', '-');
    INSERT INTO actions (action_id, points) VALUES ('run', 5), ('jump', 5);
    INSERT INTO ledger (ledger_id, user_id, action_id, points_granted, submitted_at)
    SELECT row_number() OVER (), user_id, action_id, points, now() FROM users, actions
"""
# What a table lacks that always has one row.
NO_ROW: Final = "The row of {} is gone. INSERT INTO {} "


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


@pytest.mark.parametrize("serves_as", ["api", "stream"])
async def test_the_rights_that_are_listed_are_all_that_the_statements_need(
    database_url: str, serves_as: str
) -> None:
    with a_role(database_url, serves_as) as role:
        found = {each.name: each for each in await fitness.findings(role.url, serves_as, 7)}
    assert found["statements"].state == "ok"


async def test_only_what_operators_run_is_not_tried(database_url: str) -> None:
    """In a schema without tables everything that is tried is refused."""
    empty = f"{database_url}?options=-csearch_path%3Dnothing"
    sql(database_url, "CREATE SCHEMA nothing")
    postgres = Postgres(empty, sessions=1, timeout_seconds=5.0, name="test.trials")
    try:
        refused = await trials.refused(postgres, "api")
    finally:
        postgres.close()

    known = {*ledger.SQL, *catalogue.SQL, *queries.SQL, *keys.SQL, *audit.SQL}
    known |= {*places.SQL, *sought.SQL, *standing.SQL}
    known |= export.SQL.keys() | ranks.SQL.keys() | reading.SQL.keys()
    assert known >= trials.OF_OPERATORS
    without_tables = {
        *("record_results", "lock_seasons", "join_grants"),
        *("hold_definitions", "begin_look", "end_look", "keep_falls_out"),
        *("hold_falls", "leave_falls", "begin_change", "grants_under_way", "walk_indexes"),
    }
    made = {f"create_{name.rpartition('_')[0]}" for name in ledger.FUNCTIONS}
    assert refused.keys() == known - trials.OF_OPERATORS - without_tables - made


@pytest.mark.parametrize("table", ["actions", "boards", "ledger"])
async def test_a_table_that_somebody_changes_just_now_is_not_called_missing(
    api: Role, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr(migrations, "_ANSWER_SECONDS", 1.0)
    with closing(psycopg2.connect(api.owner_url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        await fitness.require(api.url, "api")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("DROP TABLE ledger CASCADE", "The schema lacks ledger and ledger_ledger_id_seq."),
        ("DROP TABLE boards CASCADE", "The schema lacks boards."),
        ("DROP SEQUENCE ledger_ledger_id_seq CASCADE", "The schema lacks ledger_ledger_id_seq."),
        ("ALTER TABLE scores ENABLE ROW LEVEL SECURITY", "would hide rows of scores from"),
        ("REVOKE USAGE ON SCHEMA public FROM PUBLIC", "may not use the schema public."),
        ("DELETE FROM boards", "The row of boards is gone. WITH main AS (INSERT INTO board "),
        ("DELETE FROM revocation_clock", NO_ROW.format("revocation_clock", "revocation_clock")),
        (
            "ALTER TABLE users RENAME COLUMN email_given TO given",
            'read_password, read_kept_account: column "email_given" does not exist (42703)',
        ),
        (
            "ALTER FUNCTION revoke_access (uuid, boolean) RENAME TO revoke",
            "end_families, set_password, change_password: function revoke_access(uuid, boolean)",
        ),
        (
            "REVOKE EXECUTE ON FUNCTION revoke_access (uuid, boolean) FROM PUBLIC",
            "permission denied for function revoke_access (42501). GRANT it TO {role}, ",
        ),
        (
            f"REVOKE EXECUTE ON FUNCTION grant_batch_{ledger.DIGEST} FROM PUBLIC",
            f"refuses grant: permission denied for function grant_batch_{ledger.DIGEST} (42501). "
            "GRANT it TO {role}, ",
        ),
        (
            f"REVOKE EXECUTE ON FUNCTION raise_boards_{ledger.DIGEST} FROM PUBLIC",
            f"refuses raise_boards: permission denied for function raise_boards_{ledger.DIGEST} ",
        ),
        (
            "ALTER TABLE ledger RENAME CONSTRAINT unique_user_action TO renamed",
            "PostgreSQL refuses explained_granting: "
            'constraint "unique_user_action" for table "ledger"',
        ),
        (
            "ALTER TABLE scores DROP CONSTRAINT scores_pkey",
            "there is no unique or exclusion constraint matching",
        ),
        (
            "REVOKE SELECT ON users FROM {role}; GRANT SELECT (username) ON users TO {role}",
            "permission denied for table users (42501). GRANT it TO {role}, of a table for all",
        ),
        (
            "ALTER TABLE refused_names DISABLE TRIGGER ALL",
            "Triggers of refused_names are switched off that keep its rows true",
        ),
        (
            "ALTER TABLE ledger DISABLE TRIGGER ALL",
            "Triggers of ledger are switched off that keep its rows true, as foreign keys do. "
            "ALTER TABLE ledger ENABLE TRIGGER ALL;",
        ),
        (
            "DROP TRIGGER audit_is_chained ON audit",
            "audit_is_chained is gone: nothing is moderated",
        ),
        ("DROP TRIGGER audit_is_kept ON audit", "is gone: rows of the audit can be changed unseen"),
        (
            "ALTER TABLE audit DISABLE TRIGGER audit_is_kept",
            "Triggers of audit are switched off that keep its rows true",
        ),
        ("DROP TRIGGER users_banned ON users", "The trigger users_banned is gone: who is banned"),
        ("DROP TRIGGER bans_changed ON bans", "The trigger bans_changed is gone: instances do not"),
        ("DROP TRIGGER users_deleted ON users", "The trigger users_deleted is gone"),
        (
            "DROP TRIGGER server_keys_changed ON server_keys",
            "The trigger server_keys_changed is gone: instances go on to take a server key",
        ),
        (
            "DROP TRIGGER refused_names_changed ON refused_names",
            "The trigger refused_names_changed is gone",
        ),
        ("DROP TRIGGER scores_changed ON scores", "The trigger scores_changed is gone: ranks are"),
        ("TRUNCATE movements_removed", "The row of movements_removed is gone. INSERT INTO"),
        (
            f"{GRANTED}; SELECT setval('ledger_ledger_id_seq', 1)",
            "ledger_ledger_id_seq is behind the ledger, which refuses submissions until it has "
            "caught up. SELECT setval('ledger_ledger_id_seq', (SELECT max(ledger_id) FROM ledger))",
        ),
    ],
)
async def test_what_was_broken_is_named(api: Role, broken: str, said: str) -> None:
    sql(api.owner_url, broken.format(role=api.name))

    assert said.format(role=api.name) in await wrong(api.url)


async def test_what_is_missing_within_a_function_is_named(api: Role) -> None:
    """PostgreSQL explains a call, and not what the function does."""
    sql(api.owner_url, "ALTER TABLE season_entries RENAME COLUMN updated_at TO reached_at")

    said = await wrong(api.url)

    for name in ("explained_counting", "count_corrected", "raise_boards"):
        assert name in said


def test_a_function_that_is_tried_writes_nothing_and_waits_for_nobody(database_url: str) -> None:
    held = f"SELECT FROM boards FOR UPDATE; SELECT pg_advisory_xact_lock({ledger.SEASONS_LOCK})"
    with (
        holding(database_url, held),
        closing(psycopg2.connect(database_url)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SET lock_timeout = 1")
        for name in ("raise_boards", "count_corrected"):
            cursor.execute(ledger.SQL[name], {"board_ids": None, "user_ids": None})
        cursor.execute("SELECT pg_current_xact_id_if_assigned()")
        assert cursor.fetchall() == [(None,)]


async def test_a_session_may_not_switch_off_what_notes_moves(api: Role) -> None:
    sql(api.owner_url, "ALTER TABLE scores ENABLE TRIGGER ALL")

    found = {each.name: each for each in await fitness.findings(api.url, "api", 7)}
    assert found["triggers"].state == "warning"
    sql(api.owner_url, found["triggers"].to_do)
    found = {each.name: each for each in await fitness.findings(api.url, "api", 7)}
    assert "triggers" not in found


async def test_a_trigger_of_somebody_else_may_be_switched_off(api: Role) -> None:
    sql(
        api.owner_url,
        "CREATE TRIGGER audit BEFORE UPDATE ON scores FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger();"
        " ALTER TABLE scores DISABLE TRIGGER audit",
    )
    await fitness.require(api.url, "api")


async def test_a_sequence_that_never_gave_a_number_is_a_warning(api: Role) -> None:
    """Its owner may have set it to begin with a high one."""
    sql(api.owner_url, GRANTED)

    await fitness.require(api.url, "api")
    found = {each.name: each for each in await fitness.findings(api.url, "api", 7)}
    assert found["sequence"].state == "warning"
    sql(api.owner_url, found["sequence"].to_do)
    found = {each.name: each for each in await fitness.findings(api.url, "api", 7)}
    assert "sequence" not in found


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
