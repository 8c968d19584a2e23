"""The functions that statements call: `migrate` makes them, each release its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import orjson
import psycopg2
import pytest

from scoreboard.connections.blocking import DatabaseRefuses, UnfitDatabase
from scoreboard.database import functions
from scoreboard.database.migrations import migrate, names, pending, roll_back
from scoreboard.fitness import fitness
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.queries import DIGEST, FUNCTIONS, SQL
from scoreboard.model import Grant, Submission
from tests.integration.ledger_world import a_ledger
from tests.roles import a_role
from tests.world import add_actions, add_users, ledger_sums, ranking, scores, sql

OTHER = "0123abcd"
OURS = "left(proname, -9) IN ('grant_batch', 'count_corrected', 'raise_boards')"


@contextmanager
def as_release(digest: str) -> Iterator[None]:
    """Within, `migrate` is that of a release whose functions have this digest."""
    with pytest.MonkeyPatch.context() as patch:
        texts = {of(digest, name): of(digest, text) for name, text in FUNCTIONS.items()}
        patch.setattr(functions, "FUNCTIONS", texts)
        patch.setattr(functions, "DIGEST", digest)
        patch.setattr(functions, "NAME", f"functions.{digest}")
        yield


def of(digest: str, text: str) -> str:
    return text.replace(DIGEST, digest)


def found(database_url: str, schema: str = "public") -> dict[str, int]:
    """The functions of all releases: their numbers, by name."""
    return dict(
        sql(
            database_url,
            f"SELECT proname, oid::integer FROM pg_proc WHERE {OURS}"
            " AND pronamespace = %s::regnamespace",
            (schema,),
        )
    )


def digests(database_url: str, schema: str = "public") -> set[str]:
    return {name[-8:] for name in found(database_url, schema)}


async def grants_all(ledger: Ledger, user: str, *actions: str) -> bool:
    settled = await ledger.grant([Submission(user, action) for action in actions])
    return all(isinstance(verdict, Grant) for verdict in settled.verdicts.values())


def test_the_functions_are_made_once(database_url: str) -> None:
    made = found(database_url)

    assert made.keys() == FUNCTIONS.keys()
    assert migrate(database_url) == []
    assert found(database_url) == made


@pytest.mark.parametrize("name", FUNCTIONS)
async def test_a_function_that_is_gone_is_named_and_made_again(
    ledger: Ledger, database_url: str, name: str
) -> None:
    sql(database_url, f"DROP FUNCTION {name}")

    assert await pending(database_url) == [functions.NAME]
    with pytest.raises(UnfitDatabase, match=f"lacks {functions.NAME}"):
        await fitness.require(database_url, "api")
    assert migrate(database_url) == [functions.NAME]
    assert await pending(database_url) == []
    await fitness.require(database_url, "api")
    [user] = add_users(database_url, 1)
    add_actions(database_url, {"run": 5})
    assert await grants_all(ledger, user, "run")


def test_the_functions_of_the_three_latest_releases_are_kept(database_url: str) -> None:
    for digest in ("ffffffff", "00000001", "eeeeeeee"):
        with as_release(digest):
            assert migrate(database_url) == [f"functions.{digest}"]

    assert digests(database_url) == {"ffffffff", "00000001", "eeeeeeee"}
    assert migrate(database_url) == [functions.NAME]  # this release comes back
    assert digests(database_url) == {"00000001", "eeeeeeee", DIGEST}


def test_which_release_is_the_latest_is_known_after_a_restore(database_url: str) -> None:
    """A backup brings functions back in the order of their names."""
    for digest in ("ffffffff", "00000001"):
        with as_release(digest):
            migrate(database_url)
    kept = sql(
        database_url,
        "SELECT pg_get_functiondef(oid), format('COMMENT ON FUNCTION %%s IS %%L',"
        " oid::regprocedure, obj_description(oid, 'pg_proc')), oid::regprocedure::text"
        f" FROM pg_proc WHERE {OURS} ORDER BY proname",
        (),
    )
    for text, comment, name in kept:
        sql(database_url, f"DROP FUNCTION {name}; {text}; {comment}".replace("%", "%%"), ())
    with as_release("00000002"):
        migrate(database_url)

    assert digests(database_url) == {"ffffffff", "00000001", "00000002"}


def test_rolling_back_removes_the_functions_of_this_release_alone(database_url: str) -> None:
    with as_release(OTHER):
        migrate(database_url)

    assert roll_back(database_url) == names()[-1:]
    assert digests(database_url) == {OTHER}
    assert migrate(database_url) == names()[-1:]
    assert digests(database_url) == {OTHER, DIGEST}


async def test_a_role_that_may_make_nothing_is_told_who_may(database_url: str) -> None:
    sql(database_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    sql(database_url, f"DROP FUNCTION raise_boards_{DIGEST}")
    with a_role(database_url, "api") as role:
        with pytest.raises(
            DatabaseRefuses, match=r"denied for schema public.* as the role that owns the tables"
        ):
            migrate(role.url)
        with pytest.raises(UnfitDatabase, match=f"migrate, by a role that may.* TO {role.name};"):
            await fitness.require(role.url, "api")


async def test_two_releases_grant_beside_each_other(ledger: Ledger, database_url: str) -> None:
    users = add_users(database_url, 4)
    add_actions(database_url, {f"a{n}": n + 1 for n in range(6)})
    with as_release(OTHER):
        migrate(database_url)
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        for n in range(6):
            pairs = {
                "user_ids": users,
                "action_ids": [f"a{n}"] * 4,
                "by_server": [False] * 4,
            }
            if n % 2:
                assert all([await grants_all(ledger, user, f"a{n}") for user in users])
            else:
                cursor.execute(of(OTHER, SQL["grant"]), pairs)
                [(text,)] = cursor.fetchall()
                assert len(orjson.loads(text)["granted_users"]) == 4
                connection.commit()

    assert scores(database_url) == ledger_sums(database_url)
    board = await ledger.board()
    assert [(entry.user_id, entry.score) for entry in board.entries] == ranking(database_url)
    assert board.version == 1 + 3 + 3 * len(users)


async def test_each_schema_has_its_own_functions(empty_database_url: str) -> None:
    games = f"{empty_database_url}?options=-csearch_path%3D%22The%5C%20Games%22"
    sql(empty_database_url, 'CREATE SCHEMA "The Games"')
    migrate(games)

    assert found(empty_database_url) == {}
    assert digests(empty_database_url, '"The Games"') == {DIGEST}
    [user] = add_users(games, 1)
    add_actions(games, {"run": 5})
    async with a_ledger(games) as ledger:
        assert await grants_all(ledger, user, "run")
    await fitness.require(games, "all")

    migrate(f"{empty_database_url}?options=-csearch_path%3Dpublic")
    roll_back(games)
    assert digests(empty_database_url) == {DIGEST}
    assert found(empty_database_url, '"The Games"') == {}
