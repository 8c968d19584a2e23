"""The commands against real servers: in this process, and as processes where signals matter."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import structlog

import scoreboard
from scoreboard import cli
from scoreboard.commands import verification
from scoreboard.configuration.signatures import Signatures
from scoreboard.copies.copy import PURPOSE
from scoreboard.model import LEAP_MAX
from tests.eventually import eventually
from tests.instances import SECRET, Instance, test_settings
from tests.migrations.test_stairway import climb
from tests.proxy import TcpProxy
from tests.world import add_actions, add_users, board_version, ranking, scores, sql

Run = Callable[..., tuple[int, str, str]]
Environment = dict[str, str]

ROOT = Path(scoreboard.__file__).parent.parent
HEADER = "action_id,points\n"
PASSWORD = "correct horse battery"
WHY = ("--reason", "Asked for it")
# For a process that only has to start and end, on a machine that is busy with something else.
PATIENCE_SECONDS = 60
PATIENCE_AS_SHIPPED = verification._MENDED_WITHIN_SECONDS


@pytest.fixture
def environment(database_url: str, redis_url: str) -> Environment:
    """The variables of a service on this test's servers."""
    return {
        "SCOREBOARD_DATABASE_URL": database_url,
        "SCOREBOARD_REDIS_URL": redis_url,
        "SCOREBOARD_JWT_SECRET": SECRET,
        "SCOREBOARD_REDIS_TIMEOUT_SECONDS": "10",  # a busy machine may miss what is shipped
    }


@pytest.fixture
def run(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run a command in this process: exit code, standard output, standard error."""
    for name in [name for name in os.environ if name.startswith("SCOREBOARD_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # A difference in Redis is reported after this long; nothing in these tests mends it meanwhile.
    monkeypatch.setattr(verification, "_MENDED_WITHIN_SECONDS", 0.3)

    def run_one(*argv: str, stdin: str = "", **variables: str) -> tuple[int, str, str]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = cli.run(argv)
        output = capsys.readouterr()
        return code, output.out, output.err

    yield run_one
    structlog.reset_defaults()  # what it logs to is gone with this test


@contextmanager
def process(
    *argv: str, environment: Environment, directory: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a command as a process of its own, which does not outlive the block."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SCOREBOARD_")}
    source = str(Path(scoreboard.__file__).parent.parent)
    with subprocess.Popen(
        [sys.executable, "-m", "scoreboard", *argv],
        env=clean | {"PYTHONPATH": source} | environment,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def address_of(started: subprocess.Popen[str]) -> str:
    """Read the log of `serve` until it says where it listens."""
    assert started.stderr is not None
    for line in started.stderr:
        if "scoreboard.app.listening" in line:
            address: str = json.loads(line)["address"]
            return address
    raise AssertionError("it ended without listening")


@asynccontextmanager
async def an_instance(environment: Environment, **settings: Any) -> AsyncIterator[Instance]:
    """An instance in this process, with the bus in process too."""
    urls = {
        "database_url": environment["SCOREBOARD_DATABASE_URL"],
        "redis_url": environment["SCOREBOARD_REDIS_URL"],
    }
    async with await Instance.start(test_settings(**urls, **settings)) as instance:
        yield instance


@asynccontextmanager
async def before_postgres(environment: Environment) -> AsyncIterator[tuple[TcpProxy, Environment]]:
    """A proxy before PostgreSQL, and the variables of a service behind it."""
    url = environment["SCOREBOARD_DATABASE_URL"]
    port = int(url.split("@127.0.0.1:")[1].split("/")[0]) if "@127.0.0.1:" in url else 0
    if not port:
        pytest.skip("PostgreSQL was given at an address that no proxy can stand before")
    async with TcpProxy("127.0.0.1", port) as proxy:
        through = url.replace(f":{port}/", f":{proxy.port}/")
        yield proxy, environment | {"SCOREBOARD_DATABASE_URL": through}


async def waits_and_then_serves(environment: Environment, proxy: TcpProxy, said: str) -> None:
    """A service says so while PostgreSQL does not answer, and serves once the proxy is healed."""
    with process("serve", "--port", "0", environment=environment) as started:
        assert started.stderr is not None
        waiting = await asyncio.to_thread(started.stderr.readline)
        assert said in waiting
        await proxy.heal()
        assert await asyncio.to_thread(address_of, started)
        started.terminate()
        assert await asyncio.to_thread(started.wait, PATIENCE_SECONDS) == 0


def grant_by_hand(database_url: str, user_id: str, action_id: str) -> None:
    """Add a ledger row and its score behind the service's back, consistent with each other."""
    sql(
        database_url,
        "INSERT INTO ledger (user_id, action_id, points_granted, submitted_at) "
        "SELECT %s, action_id, points, now() FROM actions WHERE action_id = %s",
        (user_id, action_id),
    )
    sql(
        database_url,
        "INSERT INTO scores (user_id, score, updated_at) "
        "SELECT user_id, sum(points_granted), now() FROM ledger WHERE user_id = %s "
        "GROUP BY user_id ON CONFLICT (user_id) DO UPDATE SET score = excluded.score",
        (user_id,),
    )


class TestMigrate:
    def test_it_says_what_it_applied_and_then_that_nothing_is_left(
        self, run: Run, empty_database_url: str
    ) -> None:
        code, out, _ = run("migrate", SCOREBOARD_DATABASE_URL=empty_database_url)
        assert code == 0
        assert out.startswith("Applied 0001.seed-schema.\n")
        assert run("migrate") == (0, "Nothing to do.\n", "")

    def test_users_who_have_one_name_in_two_spellings_are_named(
        self, run: Run, empty_database_url: str
    ) -> None:
        climb(empty_database_url, 5)
        first, second = (
            sql(
                empty_database_url,
                "INSERT INTO users (username, email, password_hash, created_at) "
                "VALUES (%s, md5(%s) || '@example.org', '!', clock_timestamp()) "
                "RETURNING user_id::text",
                (name, name),
            )[0][0]
            for name in ("strasse", "Straße")
        )
        code, out, err = run("migrate", SCOREBOARD_DATABASE_URL=empty_database_url)
        assert code == 0
        assert out.startswith("Applied 0006.")
        [head, line] = err.splitlines()
        assert "scoreboard users rename" in head
        assert line == (
            f"  id:{second}  Straße: Somebody else had this name first, in another spelling."
        )
        assert f"id:{second})" in run("users", "list")[1]
        assert first in run("users", "show", "STRASSE")[1]
        assert second in run("users", "show", "Straße")[1]
        assert run("users", "rename", f"id:{second}", "Straße_2", *WHY)[0] == 0
        assert run("migrate") == (0, "Nothing to do.\n", "")

    def test_without_a_yes_a_rollback_says_what_it_would_delete(
        self, run: Run, database_url: str
    ) -> None:
        add_actions(database_url, {"walk": 5})
        [user, _] = add_users(database_url, 2)
        grant_by_hand(database_url, user, "walk")
        code, out, err = run("migrate", "--rollback", "2")
        assert (code, out) == (1, "")
        newest, older = [line for line in err.splitlines() if line.startswith("  0")]
        assert newest > older > "  0001"
        assert "2 users and 1 grant." in err
        assert "--yes" in err
        assert len(sql(database_url, "SELECT user_id FROM users")) == 2
        assert run("migrate") == (0, "Nothing to do.\n", "")

    def test_more_than_was_applied_is_not_rolled_back(
        self, run: Run, database_url: str, empty_database_url: str
    ) -> None:
        code, out, err = run("migrate", "--rollback", "999", "--yes")
        assert (code, out) == (1, "")
        assert "so 999 cannot be undone" in err
        assert sql(database_url, "SELECT user_id FROM users") == []
        code, _, err = run("migrate", "--rollback", "1", SCOREBOARD_DATABASE_URL=empty_database_url)
        assert code == 1
        assert "No migration is applied" in err

    def test_a_rollback_undoes_the_newest(self, run: Run) -> None:
        code, out, _ = run("migrate", "--rollback", "1", "--yes")
        assert code == 0
        assert out.startswith("Undid 0")
        assert run("migrate")[1] == out.replace("Undid", "Applied")

    def test_commands_on_an_older_schema_say_what_to_run(
        self, run: Run, empty_database_url: str
    ) -> None:
        code, _, err = run("board", "show", SCOREBOARD_DATABASE_URL=empty_database_url)
        assert code == 1
        assert "scoreboard migrate" in err
        assert "Traceback" not in err


class TestActions:
    def test_a_file_is_loaded_and_said_what_changed(
        self, run: Run, database_url: str, tmp_path: Path
    ) -> None:
        add_actions(database_url, {"same": 1, "changes": 2})
        file = tmp_path / "actions.csv"
        file.write_text(HEADER + "same,1\nchanges,3\nnew,4\n")
        code, out, err = run("actions", "load", str(file))
        assert (code, err) == (0, "")
        assert "Loaded 3 actions: 1 added, 1 changed, 1 unchanged." in out
        assert run("actions", "list")[1].split() == ["3", "changes", "4", "new", "1", "same"]

    def test_a_load_is_all_or_nothing(self, run: Run, database_url: str, tmp_path: Path) -> None:
        add_actions(database_url, {"before": 1})
        file = tmp_path / "actions.csv"
        file.write_text(HEADER + "good,1\nbefore,9\nbad,0\nworse,-1\n")
        code, out, err = run("actions", "load", str(file))
        assert (code, out) == (1, "")
        assert "2 places" in err
        assert "line 4: points" in err
        assert "line 5: points" in err
        assert sql(database_url, "SELECT action_id, points FROM actions") == [("before", 1)]

    async def test_an_action_is_granted_in_either_spelling_and_once(
        self, run: Run, environment: Environment, database_url: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "actions.csv"
        file.write_text(HEADER + "Cafe\u0301,10\n", encoding="utf-8")
        assert (await asyncio.to_thread(run, "actions", "load", str(file)))[0] == 0
        assert sql(database_url, "SELECT action_id FROM actions") == [("Caf\u00e9",)]
        one, other = add_users(database_url, 2)
        async with an_instance(environment) as instance:
            for user, spellings in ((one, "Cafe\u0301 Caf\u00e9"), (other, "Caf\u00e9 Cafe\u0301")):
                found = [await instance.submit(user, each) for each in spellings.split()]
                assert [status for status, _ in found] == [200, 400]
                assert found[0][1]["data"]["actionId"] == "Caf\u00e9"
                assert found[1][1]["code"] == "already_granted"
            assert instance.metric("refusals_total", code="unknown_action") == 0

    async def test_an_id_that_breaks_the_rule_goes_on_and_is_marked(
        self, run: Run, environment: Environment, database_url: str
    ) -> None:
        """An older version loaded these without a word."""
        older = {"soft\u00adhyphen": 1, "Cafe\u0301": 2}
        add_actions(database_url, older | {"good": 3})
        [user] = add_users(database_url, 1)
        async with an_instance(environment) as instance:
            for action_id in older:
                assert (await instance.submit(user, action_id))[0] == 200
        _, shown, _ = await asyncio.to_thread(run, "actions", "list")
        marked = [line for line in shown.splitlines() if "older id" in line]
        assert len(marked) == 2
        assert "soft\\u00adhyphen" in marked[1]
        assert "has U+00AD, an invisible character" in marked[1]
        assert "not composed" in marked[0]
        _, listed, _ = await asyncio.to_thread(run, "actions", "list", "--json")
        assert {action["actionId"] for action in json.loads(listed)} >= set(older)

    def test_a_hundred_thousand_actions_go_out_as_they_came_in(
        self, run: Run, database_url: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "actions.csv"
        file.write_text(HEADER + "".join(f"a{n},{n % 500 + 1}\n" for n in range(100_000)))
        assert run("actions", "load", str(file))[0] == 0
        assert sql(database_url, "SELECT count(*) FROM actions") == [(100_000,)]
        listed = run("actions", "list", "--json")[1]
        assert len(json.loads(listed)) == 100_000
        code, out, _ = run("actions", "load", "-", stdin=listed)
        assert code == 0
        assert "Loaded 100000 actions: the catalogue had them already." in out

    def test_a_reader_that_has_enough_ends_a_listing_quietly(
        self, environment: Environment, database_url: str
    ) -> None:
        sql(
            database_url,
            "INSERT INTO actions (action_id, points) "
            "SELECT 'action-' || n, 1 FROM generate_series(1, 20000) AS n",
        )
        with process("actions", "list", environment=environment) as started:
            assert started.stdout is not None
            started.stdout.readline()
            started.stdout.close()
            assert started.wait(PATIENCE_SECONDS) == 1
            assert started.stderr is not None
            assert started.stderr.read() == ""


class TestUsers:
    def test_a_user_is_created_found_and_listed(self, run: Run) -> None:
        created = run(
            "users", "create", "Ada", "Ada@example.org", "--password-stdin", stdin=PASSWORD
        )
        assert created[0] == 0
        [listed] = json.loads(run("users", "list", "--json")[1])
        assert listed["username"] == "Ada"
        assert listed["email"] == "Ada@example.org"
        assert listed["userId"] in created[1]
        for login in ("ada", "ADA@EXAMPLE.ORG"):
            assert listed["userId"] in run("users", "show", login)[1]
        assert "Ada@example.org" in run("users", "list")[1]

    async def test_a_new_name_is_on_the_board_and_the_old_one_is_free(
        self, run: Run, environment: Environment, database_url: str
    ) -> None:
        add_actions(database_url, {"walk": 5})
        [user] = add_users(database_url, 1)
        async with an_instance(environment) as instance:
            assert (await instance.submit(user, "walk"))[0] == 200
            stream = await instance.open_stream()
            renamed = await asyncio.to_thread(
                run, "users", "rename", "PLAYER0", "Ju\u0308rgen", *WHY
            )
            assert renamed[0] == 0
            assert "Renamed player0 to Jürgen." in renamed[1]
            await stream.until(board_version(database_url), within_seconds=3)
            assert stream.boards[-1].data["topUsers"][0]["username"] == "Jürgen"
            assert (await instance.board())["data"][0]["username"] == "Jürgen"

    def test_who_is_not_on_the_board_gets_a_new_name_without_a_new_board(
        self, run: Run, database_url: str
    ) -> None:
        [user] = add_users(database_url, 1)
        run("board", "rebuild")
        version = board_version(database_url)
        for new in ("player_0", "PLAYER_0"):  # another case of one's own name is no clash
            assert run("users", "rename", f"id:{user}", new, *WHY)[0] == 0
        assert user in run("users", "show", "player_0")[1]
        assert board_version(database_url) == version
        assert run("board", "verify")[0] == 0

    def test_a_name_that_is_taken_or_bad_is_given_to_nobody(
        self, run: Run, database_url: str
    ) -> None:
        add_users(database_url, 2)
        for name, said in (
            ("PLAYER1", "taken already"),
            ("pl\u200bayer", "U+200B (an invisible character)"),
        ):
            code, out, err = run("users", "rename", "player0", name, *WHY)
            assert (code, out) == (1, "")
            assert said in err
        code, _, err = run("users", "rename", "nobody", "somebody", *WHY)
        assert code == 1
        assert "Nobody is registered" in err

    def test_an_address_is_changed(self, run: Run, database_url: str) -> None:
        add_users(database_url, 2)
        assert run("users", "set-email", "player0", "Ada@MÜNCHEN.example")[0] == 0
        assert "player0" in run("users", "show", "ada@xn--mnchen-3ya.example")[1]
        code, _, err = run("users", "set-email", "player1", "ada@münchen.example")
        assert code == 1
        assert "taken already" in err

    def test_a_name_that_looks_like_an_option_is_found(self, run: Run, database_url: str) -> None:
        """An older version let these in."""
        for name in ("--all", "-h"):
            sql(
                database_url,
                "INSERT INTO users (username, email, password_hash) "
                "VALUES (%s, %s || '@example.org', '!')",
                (name, name),
            )
            assert f"username   {name}\n" in run("users", "show", "--", name)[1]
        assert "not allowed any more. Do not begin with -" in run("users", "list")[1]
        assert run("users", "rename", *WHY, "--", "--all", "all")[0] == 0
        assert run("users", "erase", "--yes", *WHY, "--", "-h")[0] == 0
        assert [user["username"] for user in json.loads(run("users", "list", "--json")[1])] == [
            "all"
        ]

    def test_what_somebody_hid_in_a_name_reaches_no_terminal(
        self, run: Run, database_url: str
    ) -> None:
        """Whoever writes to the database may write anything; the rules are older than some rows."""
        hostile = "a\x1b[2J\x9b31m\u202eb\nroot"
        add_actions(database_url, {f"{hostile}!": 5})
        [user] = add_users(database_url, 1)
        sql(
            database_url,
            "UPDATE users SET username = %(text)s, username_key = NULL, email = %(text)s || '@x'",
            {"text": hostile},
        )
        grant_by_hand(database_url, user, f"{hostile}!")
        run("board", "rebuild")
        plain = "a\\u001b[2J\\u009b31m\\u202eb\\nroot"
        for argv in (
            ("users", "list"),
            ("users", "show", f"id:{user}"),
            ("users", "erase", f"id:{user}", "--reason", "x"),
            ("board", "show"),
            ("actions", "list"),
        ):
            _, out, err = run(*argv)
            assert plain in out + err, argv
            assert (out + err).replace("\n", "").isprintable(), argv
        for argv in (("users", "list"), ("board", "show"), ("actions", "list")):
            _, out, _ = run(*argv, "--json")
            assert out.replace("\n", "").isprintable(), argv
            assert hostile in str(json.loads(out)).encode().decode("unicode_escape"), argv
        _, out, err = run("users", "show", hostile + "\x07")
        assert (out + err).replace("\n", "").isprintable()

    def test_every_page_of_users_is_listed(self, run: Run, database_url: str) -> None:
        add_users(database_url, 2500)
        assert len(json.loads(run("users", "list", "--json")[1])) == 2500

    def test_a_name_that_is_taken_is_refused(self, run: Run, database_url: str) -> None:
        add_users(database_url, 1)
        code, _, err = run(
            "users", "create", "PLAYER0", "new@example.org", "--password-stdin", stdin=PASSWORD
        )
        assert code == 1
        assert "taken already" in err

    @pytest.mark.parametrize("command", ["show", "revoke", "set-password", "export"])
    def test_somebody_who_is_not_there_is_not_found(self, run: Run, command: str) -> None:
        options = ["--password-stdin"] if command == "set-password" else []
        code, _, err = run("users", command, "nobody", *options, stdin=PASSWORD)
        assert code == 1
        assert "Nobody is registered" in err

    async def test_a_new_password_works_and_ends_every_log_in(
        self, run: Run, environment: Environment
    ) -> None:
        async with an_instance(environment) as instance:

            async def is_known(tokens: dict[str, str]) -> bool:
                bearer = {"Authorization": f"Bearer {tokens['accessToken']}"}
                async with instance.client.get("/api/me", headers=bearer) as response:
                    return response.status == 200

            async def is_put_out(tokens: dict[str, str]) -> bool:
                return not await is_known(tokens)

            body = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
            async with instance.client.post("/api/auth/register", json=body) as response:
                tokens = await response.json()
            assert await is_known(tokens)
            argv = ("users", "set-password", "ada", "--password-stdin")
            changed = await asyncio.to_thread(run, *argv, stdin="another one\n")
            assert changed[0] == 0
            assert changed[1].endswith("The password is changed; 1 log-in ended.\n")
            await eventually(lambda: is_put_out(tokens))
            body = {"refreshToken": tokens["refreshToken"]}
            async with instance.client.post("/api/auth/refresh", json=body) as response:
                assert response.status == 401
            body = {"username": "ada", "password": "another one"}
            async with instance.client.post("/api/auth/login", json=body) as response:
                assert response.status == 200
                again = await response.json()
            assert await is_known(again)
            revoked = await asyncio.to_thread(run, "users", "revoke", "ada")
            assert revoked[0] == 0
            assert "1 log-in ended." in revoked[1]
            await eventually(lambda: is_put_out(again))

    @pytest.mark.parametrize("password", ["password1", "Ada-1815", "ScoreBoard!"])
    def test_operators_choose_no_password_that_is_tried_first_either(
        self, run: Run, database_url: str, password: str
    ) -> None:
        add_users(database_url, 1, "ada-")
        before = sql(database_url, "SELECT * FROM users")
        for argv in (
            ("users", "create", "ada", "ada@example.org"),
            ("users", "set-password", "ada-0"),
        ):
            code, out, err = run(*argv, "--password-stdin", stdin=password)
            assert (code, out) == (1, "")
            assert "password: " in err
            assert password not in err
        assert sql(database_url, "SELECT * FROM users") == before

    def test_nobody_is_erased_without_a_yes(self, run: Run, database_url: str) -> None:
        add_users(database_url, 1)
        code, _, err = run("users", "erase", "player0", "--reason", "x")
        assert code == 1
        assert "--yes" in err
        assert len(sql(database_url, "SELECT user_id FROM users")) == 1

    def test_who_is_erased_is_on_no_board_and_their_grants_are_nobodys(
        self, run: Run, database_url: str, redis_url: str
    ) -> None:
        add_actions(database_url, {"walk": 5})
        [first, second] = add_users(database_url, 2)
        for user in (first, second):
            grant_by_hand(database_url, user, "walk")
        run("board", "rebuild")
        version = board_version(database_url)
        assert run("users", "erase", "player0", "--yes", "--reason", "x")[0] == 0
        assert board_version(database_url) > version
        owners = {user for (user,) in sql(database_url, "SELECT user_id::text FROM ledger")}
        assert len(owners) == 2
        assert first not in owners
        assert run("board", "verify")[0] == 0
        with closing(redis.Redis.from_url(redis_url)) as client:
            assert first not in str(client.hget("leaderboard", "board"))

    def test_an_export_is_json_of_one_user_and_hides_nothing_from_the_eye(
        self, run: Run, database_url: str
    ) -> None:
        add_actions(database_url, {"walk": 5})
        [user, _] = add_users(database_url, 2)
        grant_by_hand(database_url, user, "walk")
        hostile = "\x1b[2J\u202e"
        sql(database_url, "UPDATE users SET username = %s WHERE user_id = %s", (hostile, user))
        code, out, _ = run("users", "export", f"id:{user}")
        assert code == 0
        assert out.replace("\n", "").isprintable()
        document = json.loads(out)
        assert document["account"]["username"] == hostile
        assert [grant["actionId"] for grant in document["grants"]] == ["walk"]
        assert "player1" not in out

    def test_an_erasure_without_redis_is_done_and_says_what_is_left(
        self, run: Run, database_url: str
    ) -> None:
        add_users(database_url, 1)
        code, out, err = run(
            "users",
            "erase",
            "player0",
            "--yes",
            "--reason",
            "x",
            SCOREBOARD_REDIS_URL="redis://127.0.0.1:1/0",
        )
        assert code == 0
        assert "Erased player0" in out
        assert "Redis did not take the new board" in err
        assert sql(database_url, "SELECT user_id FROM users WHERE username = 'player0'") == []


def _plant_sql(statement: str) -> Callable[[str, Any], Any]:
    return lambda database_url, _: sql(database_url, statement)


def _plant_entries(_: str, client: Any) -> None:
    board = json.loads(client.hget("leaderboard", "board"))
    board["topUsers"][0]["score"] += 1
    _plant(client, board)


def _plant_older(_: str, client: Any) -> None:
    _plant_version(client, -1)


def _plant_newer(_: str, client: Any) -> None:
    _plant_version(client, 1000)


def _plant_version(client: Any, difference: int) -> None:
    board = json.loads(client.hget("leaderboard", "board"))
    _plant(client, board | {"version": board["version"] + difference})


def _plant(client: Any, board: dict[str, Any]) -> None:
    """As if one of our instances had stored it."""
    text = json.dumps(board).encode()
    signature = Signatures([SECRET], PURPOSE).of(text)
    fields = {"version": board["version"], "board": text, "signature": signature}
    client.hset("leaderboard", mapping=fields)


PLANTED: dict[str, tuple[Callable[[str, Any], Any], str]] = {
    "a score that is too high": (
        _plant_sql("UPDATE scores SET score = score + 1 WHERE score = 12"),
        "score 13, ledger 12",
    ),
    "a score that is missing": (
        _plant_sql("DELETE FROM scores WHERE score = 1"),
        "score None, ledger 1",
    ),
    "a score out of nothing": (
        _plant_sql("DELETE FROM ledger WHERE action_id = 'a1'"),
        "score 1, ledger None",
    ),
    "another tenth score": (
        _plant_sql("UPDATE board SET tenth_score = 999"),
        "tenth score: kept 999, ranking 3",
    ),
    "no board in Redis": (lambda _, client: client.delete("leaderboard"), "Redis holds no board"),
    "half a board in Redis": (
        lambda _, client: client.hdel("leaderboard", "board"),
        "Redis holds something that is no board",
    ),
    "a board of somebody else's": (
        lambda _, client: client.hset("leaderboard", "board", "[]"),
        "Redis holds a board that none of our secrets has signed",
    ),
    "a board without a signature": (
        lambda _, client: client.hdel("leaderboard", "signature"),
        "Redis holds a board that nobody has signed",
    ),
    "a key of another kind": (
        lambda _, client: (client.delete("leaderboard"), client.set("leaderboard", "a text")),
        "Redis holds something that is no hash",
    ),
    "a version that is no number": (
        lambda _, client: client.hset("leaderboard", "version", "new"),
        "Redis holds something that is no board",
    ),
    "a version unlike its board's": (
        lambda _, client: client.hset("leaderboard", "version", "77"),
        ", where version 77 is to be",
    ),
    "a board that is older": (_plant_older, "stays behind"),
    "a board that is ahead": (_plant_newer, "ahead of the ledger"),
    "other entries in Redis": (_plant_entries, "rank 1 under version"),
}


class TestBoard:
    @pytest.fixture
    def planted(self, run: Run, database_url: str, redis_url: str) -> Iterator[Any]:
        """Twelve users with a point more each, everything in agreement, and a client of Redis."""
        add_actions(database_url, {f"a{n}": n for n in range(1, 13)})
        for n, user in enumerate(add_users(database_url, 12), 1):
            grant_by_hand(database_url, user, f"a{n}")
        assert run("board", "rebuild")[0] == 0
        assert run("board", "verify")[0] == 0
        with closing(redis.Redis.from_url(redis_url)) as client:
            yield client

    @pytest.mark.parametrize("name", PLANTED)
    def test_verify_finds_what_differs_and_rebuild_mends_it(
        self, run: Run, database_url: str, planted: Any, name: str
    ) -> None:
        plant, said = PLANTED[name]
        plant(database_url, planted)
        code, out, _ = run("board", "verify")
        assert code == 1
        assert said in out
        code, out, err = run("board", "rebuild")
        assert (code, err) == (0, "")
        assert f"version {board_version(database_url)}" in out
        code, out, _ = run("board", "verify")
        assert (code, out.startswith("All agree")) == (0, True), out

    def test_verify_says_each_difference_of_several(
        self, run: Run, database_url: str, planted: Any
    ) -> None:
        sql(database_url, "UPDATE scores SET score = score + 5 WHERE score IN (1, 2)")
        planted.delete("leaderboard")
        code, out, _ = run("board", "verify")
        assert code == 1
        assert out.count("score 6, ledger 1") == out.count("score 7, ledger 2") == 1
        assert "Redis holds no board" in out
        assert "2 scores were wrong" in run("board", "rebuild")[1]

    @pytest.mark.usefixtures("planted")
    def test_rebuild_exceeds_the_version_in_redis_after_a_restore(
        self, run: Run, database_url: str
    ) -> None:
        version = board_version(database_url)
        sql(database_url, "UPDATE board SET version = 1")
        code, out, _ = run("board", "rebuild")
        assert code == 0
        assert f"Redis held version {version}, ahead of the ledger's 1." in out
        assert board_version(database_url) == version + 1

    @pytest.mark.parametrize(
        "version", [2 + LEAP_MAX, 2**53 - 1, 2**53 + 1, 2**63 - 1, 2**70, -1, "NaN"]
    )
    def test_rebuild_believes_no_version_that_no_history_leads_to(
        self, run: Run, database_url: str, planted: Any, version: Any
    ) -> None:
        """The largest ones ended it with an error, the next ones ended up in PostgreSQL."""
        sql(database_url, "UPDATE board SET version = 1")
        board = json.loads(planted.hget("leaderboard", "board"))
        _plant(planted, board | {"version": version})
        code, out, err = run("board", "rebuild")
        assert (code, err) == (0, "")
        assert "Redis held" in out
        assert board_version(database_url) == 2
        assert run("board", "verify")[0] == 0

    def test_rebuild_without_the_secret_replaces_the_copy_and_an_instance_takes_it_from_there(
        self, run: Run, database_url: str, planted: Any
    ) -> None:
        """An operator's shell may not have it."""
        planted.hset("leaderboard", "version", "77")
        assert run("board", "rebuild", SCOREBOARD_JWT_SECRET="")[0] == 0
        assert run("board", "verify")[0] == 0
        assert planted.hget("leaderboard", "signature") == b""
        code, out, _ = run("board", "verify", SCOREBOARD_JWT_SECRET=SECRET)
        assert (code, "nobody has signed" in out) == (1, True)

    @pytest.mark.usefixtures("planted")
    def test_a_version_that_leapt_is_brought_down_when_that_is_asked_for(
        self, run: Run, database_url: str
    ) -> None:
        newest = sql(database_url, "SELECT max(ledger_id) FROM ledger")[0][0]
        sql(database_url, "UPDATE board SET version = 9007199254740991")
        code, out, _ = run("board", "rebuild")
        assert code == 1  # there is no number above it
        code, out, err = run("board", "rebuild", "--renumber")
        assert (code, err) == (0, "")
        assert "numbered anew, because its version was 9007199254740991" in out
        assert board_version(database_url) == newest + 2
        assert run("board", "verify")[0] == 0
        code, out, _ = run("board", "rebuild", "--renumber")
        assert (code, "had not leapt" in out) == (0, True)
        assert board_version(database_url) == newest + 3

    @pytest.mark.usefixtures("planted")
    def test_rebuild_without_redis_changes_nothing(self, run: Run, database_url: str) -> None:
        version = board_version(database_url)
        code, _, err = run("board", "rebuild", SCOREBOARD_REDIS_URL="redis://:hush@127.0.0.1:1/0")
        assert code == 1
        assert "Redis at 127.0.0.1:1/0 cannot be used" in err
        assert "hush" not in err
        assert board_version(database_url) == version

    def test_a_sum_that_no_score_can_hold_stops_rebuild(
        self, run: Run, database_url: str, planted: Any
    ) -> None:
        sql(database_url, "UPDATE ledger SET points_granted = 2147483647")
        sql(
            database_url, "UPDATE ledger SET user_id = (SELECT min(user_id::text)::uuid FROM users)"
        )
        before = scores(database_url)
        code, _, err = run("board", "rebuild")
        assert code == 1
        assert "refused a value (22003)" in err
        assert scores(database_url) == before

    @pytest.mark.usefixtures("planted")
    def test_show_is_the_ranking(self, run: Run, database_url: str) -> None:
        shown = json.loads(run("board", "show", "--json")[1])
        assert [(user["userId"], user["score"]) for user in shown["topUsers"]] == ranking(
            database_url
        )
        assert [user["rank"] for user in shown["topUsers"]] == list(range(1, 11))
        assert shown["version"] == board_version(database_url)
        lines = run("board", "show")[1].splitlines()
        assert lines[1].split() == ["1", "12", "player11"]
        assert len(lines) == 12

    async def test_verify_sees_no_difference_while_grants_run(
        self,
        run: Run,
        environment: Environment,
        database_url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(verification, "_MENDED_WITHIN_SECONDS", PATIENCE_AS_SHIPPED)
        add_actions(database_url, {f"a{n}": n for n in range(1, 200)})
        users = add_users(database_url, 12)
        async with an_instance(environment) as instance:
            await eventually(
                lambda: instance.metric("board_version", where="hub", board="main") >= 1
            )

            async def play(user: str) -> None:
                for n in range(1, 200):
                    status, _ = await instance.submit(user, f"a{n}")
                    assert status == 200

            playing = asyncio.gather(*map(play, users))
            verified = 0
            while not playing.done():
                code, out, err = await asyncio.to_thread(run, "board", "verify")
                assert (code, err) == (0, ""), out
                verified += 1
            await playing
        assert verified
        assert sum(scores(database_url).values()) == 12 * sum(range(1, 200))

    async def test_running_instances_take_a_rebuilt_board(
        self, run: Run, environment: Environment, database_url: str
    ) -> None:
        add_actions(database_url, {"walk": 5})
        [user] = add_users(database_url, 1)
        async with an_instance(environment) as instance:
            assert (await instance.submit(user, "walk"))[0] == 200
            stream = await instance.open_stream()
            sql(database_url, "UPDATE scores SET score = 500")
            assert (await asyncio.to_thread(run, "board", "rebuild"))[0] == 0
            await stream.until(board_version(database_url), within_seconds=3)
            assert stream.boards[-1].data["topUsers"][0]["score"] == 5
            assert (await instance.board())["data"][0]["score"] == 5


class TestServe:
    def test_sigterm_ends_it_with_code_0_also_with_an_open_stream(
        self, environment: Environment
    ) -> None:
        patient = environment | {"SCOREBOARD_SHUTDOWN_SECONDS": str(2 * PATIENCE_SECONDS)}
        with process("serve", "--port", "0", environment=patient) as started:
            host, port = address_of(started).removeprefix("http://").split(":")
            with socket.create_connection((host, int(port)), timeout=10) as stream:
                stream.sendall(b"GET /api/leaderboard/stream HTTP/1.0\r\nHost: x\r\n\r\n")
                assert b"200" in stream.recv(100)
                started.send_signal(signal.SIGTERM)
                assert started.wait(PATIENCE_SECONDS) == 0  # half of the grace that requests have
                received = b"".join(iter(lambda: stream.recv(65536), b""))
            assert b"event: closing" in received

    def test_ctrl_c_ends_it_with_code_0(self, environment: Environment) -> None:
        with process("serve", "--port", "0", environment=environment) as started:
            address_of(started)
            started.send_signal(signal.SIGINT)
            assert started.wait(PATIENCE_SECONDS) == 0
            assert started.stderr is not None
            assert "Traceback" not in started.stderr.read()

    def test_an_older_schema_is_refused_with_the_command_to_run(
        self, environment: Environment, empty_database_url: str
    ) -> None:
        older = environment | {"SCOREBOARD_DATABASE_URL": empty_database_url}
        with process("serve", "--port", "0", environment=older) as started:
            _, err = started.communicate(timeout=PATIENCE_SECONDS)
        assert started.returncode == 1
        assert "scoreboard migrate" in err
        assert "Traceback" not in err

    def test_without_a_database_it_says_which_where_and_what_to_do(
        self, environment: Environment
    ) -> None:
        away = {"SCOREBOARD_DATABASE_URL": "postgresql://ada:hush@127.0.0.1:1/scores"}
        with process("serve", "--wait", "1", environment=environment | away) as started:
            _, err = started.communicate(timeout=PATIENCE_SECONDS)
        assert started.returncode == 1
        [waiting, given_up] = err.splitlines()
        assert waiting == (
            "scoreboard: PostgreSQL at 127.0.0.1:1/scores cannot be reached (Connection refused); "
            "waiting up to 1 s"
        )
        assert given_up.startswith("scoreboard: PostgreSQL at 127.0.0.1:1/scores cannot be reached")
        assert "Connection refused. Start PostgreSQL there" in given_up
        assert "set SCOREBOARD_DATABASE_URL" in given_up
        assert "serve --embedded" in given_up
        assert "hush" not in err

    async def test_it_waits_for_a_database_that_comes_later(self, environment: Environment) -> None:
        async with before_postgres(environment) as (proxy, late):
            await proxy.cut()
            await waits_and_then_serves(late, proxy, "waiting up to 30 s")

    def test_sigterm_while_it_waits_ends_it_with_code_0(self, environment: Environment) -> None:
        away = {"SCOREBOARD_DATABASE_URL": "postgresql://127.0.0.1:1/scores"}
        with process("serve", environment=environment | away) as started:
            assert started.stderr is not None
            assert "waiting" in started.stderr.readline()
            started.terminate()
            assert started.wait(PATIENCE_SECONDS) == 0

    async def test_it_does_not_wait_for_an_answer_that_never_comes(
        self, environment: Environment
    ) -> None:
        async with before_postgres(environment) as (proxy, silent):
            proxy.black_hole_from(lambda sent: b"SELECT 1\0" in sent)
            said = "(no answer in time); waiting up to 30 s"
            await waits_and_then_serves(silent, proxy, said)

    # Before the service starts, as it looks at the schema, and while it connects.
    @pytest.mark.parametrize("look", [b"SELECT 1\0", b"'_yoyo_migration'", b"pg_settings"])
    async def test_sigterm_while_postgresql_is_silent_ends_it_with_code_0(
        self, environment: Environment, look: bytes
    ) -> None:
        async with before_postgres(environment) as (proxy, silent):
            proxy.black_hole_from(lambda sent: look in sent)
            with process("serve", "--port", "0", environment=silent) as started:
                await eventually(lambda: proxy.swallows, within_seconds=PATIENCE_SECONDS)
                started.terminate()
                _, err = await asyncio.to_thread(started.communicate, timeout=PATIENCE_SECONDS)
        assert started.returncode == 0
        assert "Traceback" not in err

    def test_a_port_that_is_taken_is_said_so(self, environment: Environment) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            with process("serve", "--port", port, environment=environment) as started:
                _, err = started.communicate(timeout=PATIENCE_SECONDS)
        assert started.returncode == 1
        assert f"Port {port} on 127.0.0.1 is taken" in err
        assert "Traceback" not in err

    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_an_address_that_is_not_ours_is_said_so(
        self, environment: Environment, workers: str
    ) -> None:
        argv = ("serve", "--host", "192.0.2.1", "--workers", workers)  # RFC 5737: nobody's
        with process(*argv, environment=environment) as started:
            _, err = started.communicate(timeout=PATIENCE_SECONDS)
        assert started.returncode == 1
        said = "This machine has no address 192.0.2.1: set --host or SCOREBOARD_HOST.\n"
        assert err.endswith(said)

    def test_embedded_is_not_advised_to_who_has_asked_for_it(self, tmp_path: Path) -> None:
        away = {
            "SCOREBOARD_DATABASE_URL": "postgresql://127.0.0.1:1/x",
            "SCOREBOARD_REDIS_URL": "redis://127.0.0.1:1",
        }
        argv = ("serve", "--embedded", "--wait", "0")
        with process(*argv, environment=away, directory=tmp_path) as started:
            _, err = started.communicate(timeout=PATIENCE_SECONDS)
        assert started.returncode == 1
        assert "Start PostgreSQL there" in err
        assert "--embedded" not in err

    def test_embedded_brings_what_is_not_set_and_takes_it_along(self, tmp_path: Path) -> None:
        with process(
            "serve", "--embedded", "--port", "0", environment={}, directory=tmp_path
        ) as started:
            host, port = address_of(started).removeprefix("http://").split(":")
            with socket.create_connection((host, int(port)), timeout=10) as client:
                client.sendall(b"GET /api/leaderboard HTTP/1.0\r\nHost: x\r\n\r\n")
                assert b" 200 " in client.recv(100)
            for argv in (["users", "list"], ["serve", "--embedded"]):
                with process(*argv, environment={}, directory=tmp_path) as beside:
                    told = beside.communicate(timeout=PATIENCE_SECONDS)[1]
                # Commands beside it are told where its servers are, in lines to copy.
                lines = [line for line in told.splitlines() if line.startswith("    export ")]
                assert len(lines) == 3, told
                script = "\n".join(
                    [*lines, f"{shlex.quote(sys.executable)} -m scoreboard board verify"]
                )
                verified = subprocess.run(
                    ["sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
                )
                assert verified.returncode == 0, verified.stderr
            sockets = tmp_path / ".scoreboard" / "sockets"
            found = {
                "SCOREBOARD_DATABASE_URL": f"postgresql://scoreboard@/scoreboard?host={sockets}"
            }
            if sockets.is_dir():  # else its path was too long, and they are elsewhere
                with process("actions", "list", environment=found) as listing:
                    assert "daily-login" in listing.communicate(timeout=PATIENCE_SECONDS)[0]
            started.terminate()
            assert started.wait(PATIENCE_SECONDS) == 0
        assert not sockets.exists()


class TestDemo:
    async def test_players_play_through_the_public_api_and_somebody_watches(
        self, environment: Environment, database_url: str, tmp_path: Path
    ) -> None:
        add_actions(database_url, {f"a{n}": n for n in range(1, 4)})
        file = tmp_path / "actions.csv"
        file.write_text(HEADER + "a1,1\na2,2\na3,3\nunknown,4\n")
        # Tokens that last a second must be refreshed while somebody plays.
        async with an_instance(environment, access_token_seconds=1) as instance:
            argv = ("demo", "--url", instance.url, "--actions", str(file), "--rate", "8/second")
            with process(*argv, "--players", "2", "--seconds", "8", environment={}) as started:
                out, err = await asyncio.to_thread(started.communicate, timeout=PATIENCE_SECONDS)
        assert (started.returncode, err) == (0, "")
        granted = sql(database_url, "SELECT count(*) FROM ledger")[0][0]
        assert granted >= 5
        # One more may have been on its way when the time was over.
        counted = re.search(r"(\d+) actions granted", out.splitlines()[-1])
        assert counted is not None
        assert int(counted[1]) in (granted, granted - 1)
        assert "version " in out
        assert len(sql(database_url, "SELECT user_id FROM users")) > 2  # who ran out was replaced

    async def test_it_waits_as_long_as_it_is_told_to(
        self, environment: Environment, database_url: str, tmp_path: Path
    ) -> None:
        add_actions(database_url, {"a1": 1})
        file = tmp_path / "actions.csv"
        file.write_text(HEADER + "a1,1\n")
        async with an_instance(environment, rate_limit_accounts_per_ip="2/minute") as instance:
            argv = ("demo", "--url", instance.url, "--actions", str(file))
            with process(*argv, "--seconds", "8", environment={}) as started:
                out, _ = await asyncio.to_thread(started.communicate, timeout=PATIENCE_SECONDS)
            assert started.returncode == 0
            assert "/api/auth/register waits" in out
            assert len(sql(database_url, "SELECT user_id FROM users")) == 2
            assert instance.metric("rate_limited_total", limit="accounts") == 1

    async def test_ctrl_c_ends_it_with_what_was_done(
        self, environment: Environment, database_url: str, tmp_path: Path
    ) -> None:
        add_actions(database_url, {"a1": 1})
        file = tmp_path / "actions.csv"
        file.write_text(HEADER + "a1,1\n")
        async with an_instance(environment) as instance:
            argv = ("demo", "--url", instance.url, "--actions", str(file))
            with process(*argv, environment={}) as started:
                assert started.stdout is not None
                await asyncio.to_thread(started.stdout.readline)
                started.send_signal(signal.SIGINT)
                out, err = await asyncio.to_thread(started.communicate, timeout=PATIENCE_SECONDS)
        assert (started.returncode, err) == (0, "")
        assert "actions granted" in out

    async def test_a_service_without_these_actions_is_told_apart_from_success(
        self, environment: Environment, tmp_path: Path
    ) -> None:
        file = tmp_path / "actions.csv"
        file.write_text(HEADER + "a1,1\n")
        async with an_instance(environment) as instance:
            argv = ("demo", "--url", instance.url, "--actions", str(file))
            with process(*argv, environment={}) as started:
                _, err = await asyncio.to_thread(started.communicate, timeout=PATIENCE_SECONDS)
        assert started.returncode == 1
        assert f"scoreboard actions load {file}" in err

    def test_a_service_that_is_not_there_is_named(self) -> None:
        with process("demo", "--url", "http://127.0.0.1:1", environment={}) as started:
            _, err = started.communicate(timeout=PATIENCE_SECONDS)
        assert started.returncode == 1
        assert "Nothing answers at http://127.0.0.1:1" in err
