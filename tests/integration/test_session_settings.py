"""What the environment, the server, the database, the role or a pooler hand down to a session does
not change what ours do; what cannot be changed back is refused in a sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from scoreboard.connections.blocking import MigrationError, UnfitDatabase
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.server import UnfitServer
from scoreboard.database.migrations import migrate, pending
from scoreboard.ledger.ledger import Ledger
from scoreboard.model import Grant, Submission
from tests.world import add_actions, add_users, sql

# Each would change what a statement means, what is promised, or whether a session lives.
HOSTILE = {
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "search_path": "elsewhere, public",
    "timezone": "Asia/Tokyo",
    "datestyle": "German",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "backslash_quote": "on",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "synchronous_commit": "off",
    "statement_timeout": "1",
    "lock_timeout": "1",
    "idle_in_transaction_session_timeout": "1",
    "idle_session_timeout": "1",
    "client_min_messages": "error",
    "exit_on_error": "on",
    "row_security": "on",
    "plan_cache_mode": "force_custom_plan",
    "jit": "on",
    "jit_above_cost": "0",
    "extra_float_digits": "-15",
}
OF_A_SESSION = """
SELECT
    current_setting('transaction_isolation'),
    current_setting('default_transaction_isolation'),
    current_setting('client_encoding'),
    current_setting('synchronous_commit'),
    current_setting('timezone'),
    current_setting('statement_timeout'),
    current_setting('idle_session_timeout'),
    current_setting('row_security'),
    current_schema()::text,
    'é', '\\xff'::bytea, '2026-12-31T23:00:00Z'::timestamptz::text, NULL = NULL
"""
AS_WANTED = (
    *("read committed", "read committed", "UTF8", "on", "UTC", "4500ms", "0", "off", "public"),
    *("é", b"\xff", "2026-12-31 23:00:00+00", None),
)


@asynccontextmanager
async def sessions(database_url: str, count: int = 1) -> AsyncIterator[Postgres]:
    postgres = Postgres(database_url, sessions=count, timeout_seconds=5.0, name="test.settings")
    try:
        yield postgres
    finally:
        postgres.close()


async def of_a_session(database_url: str) -> tuple[Any, ...]:
    """What a session of ours is set to, and how it reads what it is told."""
    async with sessions(database_url) as postgres:
        [row] = await postgres.fetch(OF_A_SESSION)
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)


def hand_down(database_url: str, whom: str, settings: dict[str, str]) -> None:
    """Set these for every session that begins after this one."""
    of = {"database": "DATABASE {}", "role": "ROLE scoreboard IN DATABASE {}"}[whom]
    name = f'"{urlsplit(database_url).path.strip("/")}"'
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        for key, value in settings.items():
            words = value if key == "search_path" else f"'{value}'"
            cursor.execute(f"ALTER {of.format(name)} SET {key} = {words}")
        connection.commit()


@pytest.mark.parametrize("whom", ["database", "role"])
async def test_what_the_database_or_the_role_hands_down_changes_nothing(
    empty_database_url: str, whom: str
) -> None:
    """Migrations too: under these they would end in the middle, or in another schema."""
    url = empty_database_url
    sql(url, "CREATE SCHEMA elsewhere")
    hand_down(url, whom, HOSTILE)

    assert migrate(url)
    assert await pending(url) == []
    assert await of_a_session(url) == AS_WANTED
    async with sessions(url) as postgres:
        [(schema,)] = await postgres.fetch(
            "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'ledger'"
        )
        await asyncio.sleep(0.05)  # longer than an idle session may live there
        assert await postgres.fetch("SELECT 1") == [(1,)]
    assert schema == "public"


async def test_what_the_environment_hands_down_changes_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What libpq reads by itself. PGTZ and PGDATESTYLE come behind all options of an address."""
    elsewhere = {
        "PGCLIENTENCODING": "LATIN1",
        "PGOPTIONS": "-c default_transaction_isolation=serializable -c bytea_output=escape",
        "PGTZ": "Asia/Tokyo",
        "PGDATESTYLE": "German",
        "PGHOSTADDR": "192.0.2.1",  # where nobody answers
        "PGTARGETSESSIONATTRS": "standby",
        "PGAPPNAME": "another",
        "PGCONNECT_TIMEOUT": "1000",
    }
    for name, value in elsewhere.items():
        monkeypatch.setenv(name, value)

    assert await of_a_session(database_url) == AS_WANTED
    assert await pending(database_url) == []
    assert migrate(database_url) == []


async def test_how_to_get_there_and_who_to_be_may_come_from_the_environment(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = urlsplit(database_url)
    for name, value in {
        "PGHOST": parts.hostname,
        "PGPORT": str(parts.port),
        "PGUSER": parts.username,
        "PGDATABASE": parts.path.strip("/"),
    }.items():
        monkeypatch.setenv(name, str(value))

    assert await of_a_session("postgresql://") == AS_WANTED
    assert await pending("postgresql://") == []


async def test_options_of_the_address_go_before_ours_and_ours_count(database_url: str) -> None:
    url = f"{database_url}?options=-cwork_mem%3D5MB%20-cstatement_timeout%3D1%20-cjit%3Don"

    assert await of_a_session(url) == AS_WANTED
    async with sessions(url) as postgres:
        assert await postgres.fetch("SHOW work_mem") == [("5MB",)]


# --- schemas ---


async def test_a_table_of_that_name_in_the_roles_own_schema_is_not_ours(database_url: str) -> None:
    """The default search_path looks there first."""
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    sql(
        database_url,
        "CREATE SCHEMA scoreboard; CREATE TABLE scoreboard.scores (LIKE public.scores)",
    )
    async with sessions(database_url) as postgres:
        ledger = Ledger(postgres, postgres)
        verdicts = (await ledger.grant([Submission(user, "run")])).verdicts

    assert isinstance(verdicts[user, "run"], Grant)
    assert sql(database_url, "SELECT count(*) FROM scoreboard.scores") == [(0,)]
    assert sql(database_url, "SELECT score FROM public.scores") == [(5,)]


async def test_the_address_may_name_the_schema(empty_database_url: str) -> None:
    sql(empty_database_url, "CREATE SCHEMA games; CREATE TABLE public.scores (nonsense TEXT)")
    url = f"{empty_database_url}?options=-csearch_path%3Dgames"

    assert migrate(url)
    assert await pending(url) == []
    async with sessions(url) as postgres:
        assert (await Ledger(postgres, postgres).board()).version == 1
    found = sql(empty_database_url, "SELECT schemaname FROM pg_tables WHERE tablename = 'ledger'")
    assert found == [("games",)]


async def test_tables_that_an_older_version_put_into_the_roles_schema_are_not_made_anew(
    empty_database_url: str,
) -> None:
    """A second, empty set of them would look as if everything were lost."""
    sql(empty_database_url, "CREATE SCHEMA scoreboard")
    migrate(f"{empty_database_url}?options=-csearch_path%3Dscoreboard")

    for attempt in (migrate, lambda url: asyncio.run(pending(url))):
        with pytest.raises(UnfitDatabase, match="in the schema scoreboard, and none in public"):
            await asyncio.to_thread(attempt, empty_database_url)
    assert await pending(f"{empty_database_url}?options=-csearch_path%3Dscoreboard") == []
    # Whoever names it means it.
    assert migrate(f"{empty_database_url}?options=-csearch_path%3Dpublic")


@pytest.mark.parametrize("path", ["games%2Cpublic", "%22%24user%22", "a%22b", ""])
async def test_a_search_path_that_is_not_one_schema_is_refused(
    database_url: str, path: str
) -> None:
    url = f"{database_url}?options=-csearch_path%3D{path}"
    with pytest.raises(MigrationError, match="has to be one schema"):
        await pending(url)
    with pytest.raises(MigrationError, match="has to be one schema"):
        migrate(url)


# --- what cannot be set ---


async def test_foreign_keys_that_are_switched_off_are_refused(database_url: str) -> None:
    """By a superuser, for a role that loads data: of a deleted user the grants would stay."""
    hand_down(database_url, "database", {"session_replication_role": "replica"})
    said = "session_replication_role is replica (for the database) and has to be origin"

    with pytest.raises(UnfitDatabase) as refused:
        await pending(database_url)
    assert said in str(refused.value)
    with pytest.raises(UnfitDatabase):
        migrate(database_url)
    async with sessions(database_url) as postgres:
        with pytest.raises(UnfitServer) as unfit:
            await postgres.fetch("SELECT 1")
    assert said in str(unfit.value)
    assert "foreign keys" not in unfit.value.message  # what a client hears


async def test_a_pooler_that_keeps_our_settings_to_itself_is_found_out(database_url: str) -> None:
    """As PgBouncer does with `ignore_startup_parameters = options`. What it hands on is what the
    next session has, and the one after it.
    """
    async with a_pooler(database_url) as url:
        with pytest.raises(UnfitDatabase) as refused:
            await pending(url)
    for name in ("statement_timeout", "row_security", "search_path"):
        assert f"{name} is " in str(refused.value)
    assert "Connect directly" in str(refused.value)


@asynccontextmanager
async def a_pooler(database_url: str) -> AsyncIterator[str]:
    """A proxy that leaves `options` out of what a session says as it connects."""
    parts = urlsplit(database_url)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            while data := await reader.read(65536):
                writer.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            while (code := (head := await reader.readexactly(8))[4:]) != b"\0\3\0\0":
                writer.write(b"N")  # neither TLS nor GSS
            said = (await reader.readexactly(int.from_bytes(head[:4], "big") - 8)).split(b"\0")
            pairs = zip(said[::2], said[1::2], strict=False)
            kept = b"".join(k + b"\0" + v + b"\0" for k, v in pairs if k not in (b"", b"options"))
            there, back = await asyncio.open_connection(parts.hostname, parts.port)
            back.write((len(kept) + 9).to_bytes(4, "big") + code + kept + b"\0")
            await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield database_url.replace(f":{parts.port}/", f":{port}/")
