"""A backup that is taken while people play, and restored: the commands of docs/operations.md."""

from __future__ import annotations

import asyncio
import random
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoreboard.ranks.keys import MAIN_RANKING
from tests.commands import command
from tests.conftest import a_database
from tests.instances import Instance, test_settings
from tests.ranks_world import a_process, add_scores, is_level
from tests.servers import PostgresServer
from tests.servers.installation import INITDB
from tests.world import (
    add_actions,
    add_users,
    board_version,
    grants,
    ledger_sums,
    ranking,
    scores,
    sql,
)


@pytest.fixture
def tools(own_postgres_server: PostgresServer) -> Path:
    """Where pg_dump and pg_restore are, which have to be of the server's version."""
    return INITDB.path().parent


def run(*arguments: str | Path) -> None:
    done = subprocess.run([str(each) for each in arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


async def test_a_backup_taken_under_load_is_restored_and_the_board_follows(
    database_url: str,
    redis_url: str,
    amqp_url: str,
    tools: Path,
    tmp_path: Path,
) -> None:
    dump = tmp_path / "scoreboard.dump"
    users = add_users(database_url, 20)
    add_actions(database_url, {f"a{n}": n + 1 for n in range(10)})
    pairs = [(user, f"a{n}") for user in users for n in range(10)]
    random.shuffle(pairs)

    urls = {"database_url": database_url, "redis_url": redis_url, "amqp_url": amqp_url}
    environment = {"SCOREBOARD_DATABASE_URL": database_url, "SCOREBOARD_REDIS_URL": redis_url}
    weekly = ("weekly", "--title", "This week", "--period", "week")
    assert (await command(environment, "boards", "add", *weekly))[0] == 0
    async with await Instance.start(test_settings(**urls)) as instance:
        assert (await instance.submit(*pairs.pop()))[0] == 200
        dumping = asyncio.create_task(
            asyncio.to_thread(
                run, tools / "pg_dump", "--format=custom", f"--file={dump}", database_url
            )
        )
        # A dump is a snapshot, whatever goes on meanwhile.
        while not dumping.done() and len(pairs) > 20:
            assert (await instance.submit(*pairs.pop()))[0] == 200
        await dumping
        for _ in range(20):
            assert (await instance.submit(*pairs.pop()))[0] == 200
    played, version = grants(database_url), board_version(database_url)

    options = ["--clean", "--if-exists", "--single-transaction", f"--dbname={database_url}"]
    await asyncio.to_thread(run, tools / "pg_restore", *options, dump)

    kept, behind = grants(database_url), board_version(database_url)
    assert 1 <= len(kept) <= len(played) - 20
    assert set(kept) < set(played)
    assert scores(database_url) == ledger_sums(database_url)

    assert await command(environment, "migrate") == (0, "Nothing to do.\n")
    code, said = await command(environment, "board", "verify", "--all")
    assert (code, f"main: Redis holds version {version}, ahead of the ledger's" in said) == (
        1,
        True,
    )
    code, said = await command(environment, "board", "rebuild", "--all")
    main, other = said.splitlines()
    assert (code, main) == (
        0,
        f"main: No score was wrong. Redis held version {version}, ahead of the ledger's {behind}. "
        f"The board has version {version + 1}, here and in Redis.",
    )
    assert other.startswith("weekly: No score was wrong.")
    code, said = await command(environment, "board", "verify", "--all")
    assert (code, said.startswith("All agree: every score of 2 boards")) == (0, True)
    assert (await command(environment, "seasons", "verify", "--all"))[0] == 0

    async with await Instance.start(test_settings(**urls)) as instance:
        lost = next(pair for pair in played if pair not in set(kept))
        assert (await instance.submit(*lost))[0] == 200  # what was lost can be made again
        assert (await instance.submit(*kept[0]))[1]["code"] == "already_granted"
        shown = [(entry["userId"], entry["score"]) for entry in (await instance.board())["data"]]
        assert shown == ranking(database_url)


@pytest.fixture
def elsewhere() -> Iterator[PostgresServer]:
    """Another cluster, where nothing has happened yet."""
    with PostgresServer() as server:
        yield server


@pytest.mark.parametrize("where", ["elsewhere", "beside"])
async def test_ranks_are_right_where_a_backup_is_restored(
    database_url: str, tools: Path, tmp_path: Path, elsewhere: PostgresServer, where: str
) -> None:
    """What was noted and kept is in the backup. In another cluster its ids are others', so nobody
    counts by it, and it is removed; in the same one all of it holds.
    """
    add_scores(database_url, 3000)
    async with a_process(database_url) as process:
        await process.load()
        await process.keeping.keep()
    sql(database_url, "UPDATE scores SET score = score + 10 WHERE random() < 0.5")
    add_scores(database_url, 500)
    dump = tmp_path / "scoreboard.dump"
    await asyncio.to_thread(
        run, tools / "pg_dump", "--format=custom", f"--file={dump}", database_url
    )
    server_url = elsewhere.url if where == "elsewhere" else database_url
    with a_database(server_url, f"restored_{secrets.token_hex(4)}", template="template1") as url:
        await asyncio.to_thread(run, tools / "pg_restore", f"--dbname={url}", dump)
        noted = sql(url, "SELECT count(*) FROM movements, fences")
        assert noted != [(0,)]
        async with a_process(url) as process:
            if where == "elsewhere":
                sql(url, "UPDATE scores SET score = score + 10 WHERE random() < 0.5")
                await process.ranks.load_next()
                assert process.ranks.held(MAIN_RANKING) is None
                await process.ranks.load_next()
                assert process.ranks.held(MAIN_RANKING) is None
                sql(url, "UPDATE movements_removed SET kept_at = '-infinity'")
                await process.keeping.keep()
                assert sql(
                    url, "SELECT (SELECT count(*) FROM movements) + count(*) FROM fences"
                ) == [(0,)]
            assert is_level(await process.load(), url)
            assert process.loads("kept") == (where == "beside")
            sql(url, "UPDATE scores SET score = score + 10 WHERE random() < 0.5")
            await process.ranks.turn()
            assert is_level(process.ranks.held(MAIN_RANKING), url)
            assert process.lost("wrong") == 0
