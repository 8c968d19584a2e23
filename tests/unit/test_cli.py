"""The command line without a server: arguments, files of actions, comparisons, demo parts."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import unicodedata
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

import scoreboard
from scoreboard import cli
from scoreboard.commands import action_file, embedding, serving
from scoreboard.commands.verification import Comparison
from scoreboard.configuration import sources as configuration
from scoreboard.connections import sentinels
from scoreboard.console import exports
from scoreboard.console.arguments import ArgumentsRefused
from scoreboard.console.reports import report_list
from scoreboard.console.screen import Screen
from scoreboard.console.terminal import note, program, say
from scoreboard.embedded.servers import EmbeddedUrls
from scoreboard.operations import logs
from scoreboard.scoring.catalogue import Action
from tests.properties.strategies import action_ids
from tests.samples import a_board

Run = Callable[..., tuple[int, str, str]]

ROOT = Path(scoreboard.__file__).resolve().parent.parent
HEADER = "action_id,points\n"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command with an environment of our own: exit code, standard output, standard error."""
    for name in [name for name in os.environ if name.startswith("SCOREBOARD_")]:
        monkeypatch.delenv(name)

    def run_one(*argv: str, **environment: str) -> tuple[int, str, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        try:
            code = cli.run(argv)
        except SystemExit as end:
            code = int(end.code or 0)
        output = capsys.readouterr()
        return code, output.out, output.err

    yield run_one
    structlog.reset_defaults()  # what it logs to is gone with this test


def test_ctrl_c_ends_a_command_without_a_word() -> None:
    script = "import os, signal; from scoreboard import cli\n"
    script += "cli.run = lambda _: os.kill(os.getpid(), signal.SIGINT)\ncli.main([])"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")


@pytest.mark.parametrize(
    "argv",
    [
        ["actions", "load", "-"],
        ["users", "set-password", "ada", "--password-stdin"],
        ["demo", "--actions", "-"],
    ],
    ids=" ".join,
)
def test_ctrl_c_ends_a_command_that_reads_standard_input(argv: list[str]) -> None:
    """An event loop would take Ctrl-C to itself while a read blocks it."""
    script = "import os, signal, time\nfrom scoreboard import cli\n"
    script += "from scoreboard.configuration import handed_over\n"
    script += "def read(*_): os.kill(os.getpid(), signal.SIGINT); time.sleep(600)\n"
    script += f"handed_over.stream_content = handed_over.password = read\ncli.main({argv})"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")


@pytest.mark.parametrize("word", cli.MODULES)
def test_each_word_leads_to_its_commands(word: str) -> None:
    of_all = cli.declare().declared
    mine = [one for one in of_all if one.words.split()[0] == word]
    alone = cli.declare([word]).declared
    assert mine
    assert [one for one in alone if one.words.split()[0] == word] == mine


def test_no_command_is_without_a_word_that_leads_to_it() -> None:
    words = [one.words.split()[0] for one in cli.declare().declared]
    assert list(dict.fromkeys(words)) == list(cli.MODULES)  # the help keeps this order


@pytest.mark.parametrize("argv", [["--version"], ["board", "show"], ["nonsense"]])
def test_a_command_loads_what_it_needs_and_no_other_one(argv: list[str]) -> None:
    script = f"""
import atexit, sys
from scoreboard import cli
prefix = "scoreboard.commands."
loaded = lambda: [n.removeprefix(prefix) for n in sys.modules if n.startswith(prefix)]
assert not loaded() and "redis" not in sys.modules
atexit.register(lambda: print(*loaded(), file=sys.stderr))
cli.main({argv})
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    loaded = set(ended.stderr.decode().splitlines()[-1].split())
    all_of_them = set(cli.MODULES.values())
    wanted = {cli.MODULES.get(argv[0])} - {None}
    assert loaded & all_of_them == (all_of_them if argv == ["nonsense"] else wanted)


def test_what_is_loaded_at_the_start_is_never_looked_through() -> None:
    """Nor is the collector left off, whatever loading came to."""
    script = """
import gc
from scoreboard.processes import loading
try:
    with loading.for_good():
        loaded = [[] for _ in range(100_000)]
        raise ImportError
except ImportError:
    assert gc.isenabled() and gc.get_freeze_count() > len(loaded)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def problems(text: str | bytes, form: str | None = None) -> list[str]:
    content = text if isinstance(text, bytes) else text.encode()
    return action_file.read(content, form).problems


def points(text: str | bytes, form: str | None = None) -> dict[str, int]:
    content = text if isinstance(text, bytes) else text.encode()
    found = action_file.read(content, form)
    assert found.problems == []
    return found.points


class TestArguments:
    def test_without_a_command_the_help_is_shown(self, run: Run) -> None:
        code, out, _ = run()
        assert code == 0
        assert "scoreboard serve --embedded" in out

    @pytest.mark.parametrize(
        "command",
        [
            ["serve"],
            ["migrate"],
            ["actions", "load"],
            ["actions", "list"],
            ["users", "create"],
            ["users", "list"],
            ["users", "show"],
            ["users", "rename"],
            ["users", "hide"],
            ["users", "correct"],
            ["users", "revoke-result"],
            ["audit", "list"],
            ["audit", "verify"],
            ["users", "set-email"],
            ["users", "set-password"],
            ["users", "revoke"],
            ["users", "export"],
            ["users", "erase"],
            ["board", "show"],
            ["board", "verify"],
            ["board", "rebuild"],
            ["boards", "add"],
            ["boards", "load"],
            ["boards", "list"],
            ["boards", "show"],
            ["boards", "close"],
            ["seasons", "list"],
            ["seasons", "show"],
            ["seasons", "verify"],
            ["seasons", "close"],
            ["demo"],
            ["openapi"],
        ],
        ids=" ".join,
    )
    def test_every_command_shows_examples_of_itself(self, run: Run, command: list[str]) -> None:
        code, out, _ = run(*command, "--help")
        assert code == 0
        assert f"scoreboard {' '.join(command)}" in out.partition("examples:")[2]

    @pytest.mark.parametrize(
        "argv",
        [
            ["fly"],
            ["users"],
            ["users", "erase", "ada", "--y"],
            ["migrate", "--rollback", "0"],
            ["migrate", "--rollback", "-1"],
            ["serve", "--role", "none"],
            ["demo", "--rate", "5"],
            ["demo", "--players", "0"],
            ["demo", "--seconds", "nan"],
            ["demo", "--url", "example.org"],
            ["demo", "--url", "http://example.org:x"],
        ],
        ids=" ".join,
    )
    def test_arguments_that_cannot_work_are_refused_with_code_2(
        self, run: Run, argv: list[str]
    ) -> None:
        code, out, err = run(*argv)
        assert (code, out) == (2, "")
        assert "usage: scoreboard" in err

    def test_what_is_refused_is_repeated_without_its_escape_sequences(self, run: Run) -> None:
        for argv in (
            ["\x1b]0;pwned\x07"],
            ["users", "show", "ada", "\x1b[2J"],
            ["users", "show", "ada", "--\u202eyes"],
            ["serve", "--role", "\x9b31m"],
            ["demo", "--rate", "\x1b[31m"],
        ):
            code, out, err = run(*argv)
            assert (code, out) == (2, "")
            assert err.isascii()
            assert err.replace("\n", "").isprintable()
        code, _, err = run("actions", "load", "no\x1b[2J\n\u202efile.csv")
        assert code == 1
        assert "no\\u001b[2J\\n\\u202efile.csv" in err

    @pytest.mark.parametrize("name", ["--all", "-h", "--help", "--", "-1"])
    def test_a_name_that_looks_like_an_option_is_a_name_after_two_hyphens(self, name: str) -> None:
        parse = cli.declare().root.parse_args
        for command in ("show", "revoke", "set-password", "export"):
            assert parse(["users", command, "--", name]).login == name
        renaming = parse(["users", "rename", "--reason", "Insult", "--", name, "ada"])
        assert (renaming.login, renaming.username) == (name, "ada")

    @pytest.mark.parametrize(
        "wrong",
        [
            ["users", "ban", "ada"],
            ["users", "ban", "ada", "--reason", " "],
            ["users", "ban", "ada", "--reason", "x" * 501],
            ["users", "ban", "ada", "--reason", "cheats\u202e"],
            ["users", "correct", "ada", "--board", "main", "--reason", "x", "--points", "0"],
            ["users", "correct", "ada", "--board", "main", "--reason", "x", "--points", "1_0"],
            [
                "users",
                "correct",
                "ada",
                "--board",
                "main",
                "--reason",
                "x",
                "--points",
                f"-{2**53}",
            ],
            ["users", "correct", "ada", "--reason", "x", "--points", "5"],
            ["users", "revoke-result", "arena", "--reason", "x"],
            ["audit", "verify", "--expect", "0" * 63],
            ["audit", "list", "--after", "x"],
        ],
    )
    def test_nothing_is_moderated_without_a_reason_or_by_a_wrong_number(
        self, wrong: list[str]
    ) -> None:
        with pytest.raises(ArgumentsRefused):
            cli.declare().root.parse_args(wrong)

    def test_points_may_be_taken_as_well_as_added(self) -> None:
        parse = cli.declare().root.parse_args
        for points in (-500, 500, 2**53 - 1):
            said = ["users", "correct", "ada", "--board", "main", "--reason", " why "]
            found = parse([*said, "--points", str(points)])
            assert (found.points, found.reason, found.season) == (points, "why", None)


class TestConfiguration:
    def test_serve_without_servers_says_what_to_set(self, run: Run) -> None:
        code, _, err = run("serve")
        assert code == 2
        assert "SCOREBOARD_DATABASE_URL is not set" in err
        assert "scoreboard serve --embedded" in err

    @pytest.mark.parametrize(
        "argv", [["migrate"], ["actions", "list"], ["users", "list"], ["board", "verify"]]
    )
    def test_a_command_names_the_address_that_it_lacks(self, run: Run, argv: list[str]) -> None:
        code, _, err = run(*argv)
        assert code == 2
        assert err.startswith("scoreboard: SCOREBOARD_DATABASE_URL is not set")

    def test_the_lines_that_a_run_keeps_are_shown_unless_they_are_somebody_elses(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path(".scoreboard").mkdir()
        with exports.kept(["    export SCOREBOARD_DATABASE_URL=postgresql://x"]):
            _, _, err = run("users", "list")
            assert err.endswith("\n    export SCOREBOARD_DATABASE_URL=postgresql://x\n")

            monkeypatch.setattr(os, "geteuid", lambda: 4321)
            _, _, err = run("users", "list")
            assert "export" not in err

    def test_the_welcome_shows_commands_to_copy_and_the_user_of_the_readme(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        terminal = Terminal()
        monkeypatch.setattr("sys.stdout", terminal)
        monkeypatch.setattr("sys.argv", [".venv/bin/scoreboard", "serve"])
        servers = exports.lines(EmbeddedUrls("postgresql://a@/a?host=b", None), Path("/of it/jwt"))
        embedding.welcome("http://127.0.0.1:1", servers)
        shown = terminal.getvalue()
        assert "Open http://127.0.0.1:1 to watch the board live." in shown.strip().splitlines()[0]
        assert ".venv/bin/scoreboard demo --url http://127.0.0.1:1" in shown
        assert "export SCOREBOARD_DATABASE_URL='postgresql://a@/a?host=b'" in shown
        assert "export SCOREBOARD_JWT_SECRET_FILE='/of it/jwt'" in shown
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        [user] = re.findall(r"-d '(\{.*\})'", shown)
        assert f"-d '{user}'" in readme

    def test_without_a_terminal_the_log_has_what_the_welcome_says(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        logs.configure("info", "json", "web")
        servers = exports.lines(EmbeddedUrls("postgresql://a@/a?host=b", None))
        embedding.welcome("http://[::]:1", servers)  # where nobody can go
        structlog.reset_defaults()
        output = capsys.readouterr()
        assert output.out == ""
        facts = json.loads(output.err)
        assert facts["event"] == "scoreboard.serving.embedded"
        assert facts["address"] == "http://127.0.0.1:1"
        assert facts["data"] == str(Path(".scoreboard").resolve())
        assert "demo --url http://127.0.0.1:1" in facts["players"]
        assert facts["other_commands_need"] == [line.strip() for line in servers]
        assert f"kill {os.getpid()}" in facts["end"]

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (OSError(errno.EADDRINUSE, ""), "Port 80 on here is taken"),
            (OSError(errno.EADDRNOTAVAIL, ""), "This machine has no address here"),
            (OSError(errno.EACCES, ""), "those below 1024"),
            (socket.gaierror(socket.EAI_NONAME, "no"), "No address is known of here"),
            (OSError(errno.EIO, "it is broken"), "Cannot listen on here, port 80: it is broken."),
        ],
    )
    def test_why_it_cannot_listen_is_said_with_what_to_do(self, error: OSError, said: str) -> None:
        found = configuration.load({}, host="here", port=80)
        assert said in serving.why_not_listening(found, error)

    @pytest.mark.parametrize("host", ["", " "])
    def test_an_empty_host_is_refused_with_those_that_may_be_meant(
        self, run: Run, host: str
    ) -> None:
        for code, _, err in (run("serve", "--host", host), run("serve", SCOREBOARD_HOST=host)):
            assert code == 2
            assert "127.0.0.1" in err
            assert "0.0.0.0" in err

    @pytest.mark.parametrize(
        "argv",
        [
            ["invitations", "list", "--after", "x"],
            ["invitations", "add", "--count", "0"],
            ["seasons", "list", "main", "--after", "99999999999"],
            ["board", "show", "--limit", "10001"],
        ],
        ids=" ".join,
    )
    def test_a_number_that_is_none_or_too_large_is_refused_with_what_is_expected(
        self, run: Run, argv: list[str]
    ) -> None:
        code, _, err = run(*argv)
        assert code == 2
        assert "a whole number from 1" in err

    def test_the_program_is_named_as_it_was_started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/scoreboard")
        for started, shown in (
            (".venv/bin/scoreboard", ".venv/bin/scoreboard"),
            ("/usr/bin/scoreboard", "scoreboard"),
            ("/my own/scoreboard", "'/my own/scoreboard'"),
            ("/x/scoreboard/__main__.py", f"{shlex.quote(sys.executable)} -m scoreboard"),
        ):
            monkeypatch.setattr("sys.argv", [started])
            assert program() == shown

    def test_an_unknown_setting_stops_every_command(self, run: Run) -> None:
        code, _, err = run("actions", "list", SCOREBOARD_DATABSE_URL="x")
        assert code == 2
        assert "SCOREBOARD_DATABSE_URL" in err

    @pytest.mark.parametrize("argv", [["board", "show"], ["serve"], ["migrate"]])
    def test_an_address_that_is_none_is_refused_without_repeating_its_password(
        self, run: Run, argv: list[str]
    ) -> None:
        code, out, err = run(
            *argv,
            SCOREBOARD_DATABASE_URL="postgres//ada:hush@localhost/x",
            SCOREBOARD_REDIS_URL="redis://localhost",
            SCOREBOARD_JWT_SECRET="s" * 32,
        )
        assert code == 2
        assert "SCOREBOARD_DATABASE_URL is not an address" in err
        assert "hush" not in out + err

    @pytest.mark.parametrize("url", ["http://:hush@localhost", "redis://:hush@localhost:port"])
    def test_so_is_an_address_of_redis(self, run: Run, url: str) -> None:
        code, out, err = run(
            "board",
            "verify",
            SCOREBOARD_DATABASE_URL="postgresql://localhost:1/x",
            SCOREBOARD_REDIS_URL=url,
        )
        assert code == 2
        assert "SCOREBOARD_REDIS_URL is not an address" in err
        assert "hush" not in out + err

    @pytest.mark.parametrize(
        "url", ["amqp://:hush@one,two", "http://:hush@one", "amqp://:hush@one,"]
    )
    def test_so_is_one_of_several_addresses_of_rabbitmq(self, run: Run, url: str) -> None:
        code, out, err = run(
            "serve",
            SCOREBOARD_DATABASE_URL="postgresql://localhost:1/x",
            SCOREBOARD_REDIS_URL="redis://localhost",
            SCOREBOARD_AMQP_URL=url,
            SCOREBOARD_JWT_SECRET="s" * 32,
        )
        assert code == 2
        assert "SCOREBOARD_AMQP_URL is not an address" in err
        assert "hush" not in out + err

    def test_where_redis_is_never_includes_the_password(self) -> None:
        assert sentinels.place("redis://ada:hush@cache:6380/2") == "cache:6380/2"
        assert sentinels.place("redis://:hush@cache") == "cache:6379"
        assert sentinels.place("unix:///run/redis.sock?password=hush") == "/run/redis.sock"


class TestOpenapi:
    def test_the_document_is_written_without_any_server(self, run: Run) -> None:
        code, out, err = run("openapi")
        assert (code, err) == (0, "")
        assert "/api/actions" in json.loads(out)["paths"]


class TestWords:
    def test_no_word_of_others_moves_a_cursor_or_turns_a_line(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        say("a\x1b[2J\x9b31mb\r\u202ec\n\tthe next line")
        note("x\x07")
        output = capsys.readouterr()
        assert output.out == "a\\u001b[2J\\u009b31mb\\r\\u202ec\n\\tthe next line\n"
        assert output.err == "x\\u0007\n"

    async def test_json_stays_the_same_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        hostile = [{"username": "a\x1b\x9b\u202e\u2028\U000e0001é\u200c\\"}, {"username": "\u3164"}]

        async def documents() -> AsyncIterator[dict[str, str]]:
            for document in hostile:
                yield document

        await report_list(documents())
        written = capsys.readouterr().out
        assert json.loads(written) == hostile
        assert "é" in written
        assert not {"\x1b", "\x9b", "\u202e", "\u2028", "\U000e0001", "\u3164"} & set(written)

    def test_what_the_demo_reads_of_a_service_is_escaped(self) -> None:
        users = [{"userId": "u", "username": "a\x1b[2J\nb", "score": 3}]
        for output in (Terminal(), io.StringIO()):
            screen = Screen(output)
            screen.show("7\x1b[2J", users)
            screen.tell("\x1b]0;pwned\x07")
            written = output.getvalue()
            assert "\x1b[2J" not in written
            assert "\x07" not in written
            assert "a\\u001b[2J\\nb" in written


class TestUserRules:
    @pytest.mark.parametrize(
        ("username", "email", "said"),
        [
            ("a", "a@example.org", "username"),
            ("--all", "a@example.org", "username"),
            ("a\u200bda", "a@example.org", "username"),
            ("ada", '"a b"@example.org', "email"),
            ("a b", "a@example.org", "username"),
            ("ada", "nowhere", "email"),
        ],
    )
    def test_operators_are_held_to_the_rules_of_the_api(
        self, run: Run, username: str, email: str, said: str
    ) -> None:
        code, _, err = run("users", "create", "--password-stdin", "--", username, email)
        assert code == 1
        assert err.startswith(f"scoreboard: {said}:")

    def test_a_short_password_is_refused(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"short\n")))
        code, _, err = run("users", "create", "ada", "ada@example.org", "--password-stdin")
        assert code == 1
        assert err.startswith("scoreboard: password:")

    def test_without_a_terminal_there_is_nobody_to_ask(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
        code, _, err = run("users", "set-password", "ada")
        assert code == 1
        assert "--password-stdin" in err

    def test_two_passwords_that_differ_change_nothing(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        typed = iter(["correct horse", "correct house"])
        monkeypatch.setattr("sys.stdin", Terminal())
        monkeypatch.setattr("getpass.getpass", lambda _: next(typed))
        code, out, err = run("users", "create", "ada", "ada@example.org")
        assert (code, out) == (1, "")
        assert err == "scoreboard: The two differ. Nothing was changed.\n"


class TestActionFile:
    def test_csv_is_read(self) -> None:
        assert points("action_id,points\nlogin,10\nwin,20\n") == {"login": 10, "win": 20}

    @pytest.mark.parametrize(
        "header", ["actionId,points", " action_id , points ", "action_id,points"]
    )
    def test_both_spellings_of_the_header_are_read(self, header: str) -> None:
        assert points(f"{header}\nlogin,10") == {"login": 10}

    def test_columns_may_be_the_other_way_round(self) -> None:
        assert points("points,action_id\n10,login") == {"login": 10}

    def test_who_may_claim_is_read_where_it_is_said(self) -> None:
        found = action_file.read(b"points,claim,action_id\n1, server,a\n2,user,b\n")
        assert found.claims == {"a": "server", "b": "user"}
        assert found.of_users == {"b"}
        listed = (
            b'[{"actionId": "a", "points": 1, "claim": "server"}, {"actionId": "b", "points": 2}]'
        )
        assert action_file.read(listed).claims == {"a": "server"}
        assert problems("action_id,points,claim\na,1,\nb,1,Server\nc,1\n") == [
            "line 2: claim must be user or server, not ''",
            "line 3: claim must be user or server, not 'Server'",
            "line 4: 3 columns expected, 2 found",
        ]
        assert problems('[{"actionId": "a", "points": 1, "claim": ["user"]}]') == [
            "entry 1: claim must be user or server, not ['user']"
        ]

    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("bom", ["", "\ufeff"])
    def test_marks_and_ends_of_lines_of_other_systems_are_read(
        self, bom: str, newline: str
    ) -> None:
        text = bom + newline.join(["action_id,points", "login, 10 ", "", '"a,b",020', ""])
        assert points(text) == {"login": 10, "a,b": 20}

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
    def test_what_a_shell_of_windows_wrote_is_read(self, encoding: str) -> None:
        assert points(f"\ufeff{HEADER}é,1\r\n".encode(encoding)) == {"é": 1}
        listed = '\ufeff[\r\n{"actionId": "é", "points": 1}\r\n]'.encode(encoding)
        assert points(listed) == {"é": 1}

    def test_utf_16_without_its_mark_is_named(self) -> None:
        assert problems(HEADER.encode("utf-16-le")) == [
            "line 1: it holds NUL, as UTF-16 without its mark does: save it as UTF-8"
        ]

    def test_json_is_read_by_its_looks_or_by_name(self) -> None:
        text = '\ufeff [\n{"actionId": "login", "points": 10},\n{"points": 2, "actionId": "é"}]\n'
        assert points(text) == points(text, "json") == {"login": 10, "é": 2}
        assert points("[]") == {}

    def test_every_bad_row_of_a_csv_is_reported_by_its_line(self) -> None:
        rows = ["ok,1", "ok,2", "zero,0", "huge,2147483648", "half,0.5", "plus,+1", "ten,1_0"]
        rows += ["arabic,٣", ",5", f"{'x' * 101},5", '"a\tb",5', "three,1,2", "one", 'quote,"5"x']
        rows += ['"two\nlines",5', "good,2147483647", "both\x00,-1"]
        reported = problems(HEADER + "\n".join(rows))
        assert [line.split(":")[0] for line in reported] == [
            *(f"line {number}" for number in range(3, 17)),
            "line 19",
        ]
        assert reported[0] == "line 3: action id 'ok' is on line 2 already"
        assert reported[1].endswith("from 1 to 2147483647, not 0")
        assert reported[9:11] == [
            "line 12: action id 'a\\tb' has U+0009, a control character",
            "line 13: 2 columns expected, 3 found",
        ]
        assert "points must be" in reported[-1]
        assert "a control character" in reported[-1]
        assert not any(unicodedata.category(c) == "Cc" for line in reported for c in line)

    @pytest.mark.parametrize(
        ("action_id", "said"),
        [
            ("weekly-quest\u200b", "has U+200B, an invisible character"),
            ("rtl-\u202etxt.exe", "has U+202E, an invisible character"),
            ("soft\u00adhyphen", "has U+00AD, an invisible character"),
            ("heart\ufe0f", "has U+FE0F, an invisible character"),
            ("\u3164", "has U+3164, an invisible character"),
            ("no\u00a0break", "has U+00A0, a space other than the ordinary one"),
            ("\u3000wide", "has U+3000, a space other than the ordinary one"),
            ("private\ue000", "has U+E000, a character for private use"),
            ("later\U0001fae8", "has U+1FAE8, no character of Unicode 14.0"),
            ("\ufeffx-second", "begins with a byte order mark (U+FEFF)"),
            (" ok", "has spaces at an end"),
            ("e\u0301" * 101, "must have 1 to 100 characters"),
        ],
        ids=ascii,
    )
    def test_an_id_that_nobody_can_see_whole_is_refused_by_its_line(
        self, action_id: str, said: str
    ) -> None:
        listed = [{"actionId": each, "points": 1} for each in ("good", action_id)]
        for text in (f"{HEADER}good,1\n{action_id},5\n", json.dumps(listed)):
            [problem] = problems(text)
            assert problem.startswith(("line 3: action id '", "entry 2: action id '"))
            assert said in problem
            assert problem.isprintable()

    def test_ids_are_composed_and_two_spellings_of_one_are_one(self) -> None:
        assert points(f"{HEADER}Cafe\u0301,10\n") == {"Caf\u00e9": 10}
        assert problems(f"{HEADER}Caf\u00e9,10\nother,1\nCafe\u0301,20\n") == [
            "line 4: action id 'Cafe\\u0301' is on line 2 already, spelled 'Caf\\xe9'"
        ]
        twice = [{"actionId": spelling, "points": 1} for spelling in ("e\u0301", "\u00e9")]
        assert problems(json.dumps(twice)) == [
            "entry 2: action id '\\xe9' is entry 1 already, spelled 'e\\u0301'"
        ]
        longest = "e\u0301" * 100
        assert points(f"{HEADER}{longest},1") == {"\u00e9" * 100: 1}

    def test_files_that_were_joined_are_told_where(self) -> None:
        """As `cat one.csv two.csv` does it with files that begin with a byte order mark."""
        one, two = "\ufeffaction_id,points\r\nx-a,10\r\n", "\ufeffaction_id,points\r\nx-b,10\r\n"
        assert problems(one + two) == [
            "line 3: a second header, as where two files were joined: delete the line"
        ]
        assert problems(one + "\ufeffx-b,10\r\n") == [
            "line 3: action id '\\ufeffx-b' begins with a byte order mark (U+FEFF), as where two "
            "files were joined: delete it"
        ]
        assert points("\ufeff" + one) == {"x-a": 10}

    def test_quotes_around_whole_lines_are_named(self) -> None:
        assert problems('"action_id,points"\n"x,10"\n') == [
            "line 1: the first line must be the header action_id,points or action_id,points,claim; "
            "there are quotes around the whole line: leave them out"
        ]
        assert problems(f'{HEADER}"x,10"\n') == [
            "line 2: 2 columns expected, 1 found; there are quotes around the whole line: leave "
            "them out"
        ]

    @pytest.mark.parametrize(
        "text", ["login,10\n", "action_id;points\nlogin;10", "action_id\nlogin", "id,points\n"]
    )
    def test_a_file_without_the_header_is_told_what_is_expected(self, text: str) -> None:
        [problem] = problems(text)
        assert problem.startswith("line 1: the first line must be the header action_id,points")

    def test_an_open_quote_is_reported_where_it_begins(self) -> None:
        assert problems(HEADER + 'good,1\n"open,2\nnext,3\n') == [
            "line 3: not CSV: unexpected end of data"
        ]

    def test_bytes_that_are_not_utf_8_are_reported_by_their_line(self) -> None:
        assert problems(HEADER.encode() + b"good,1\ncaf\xe9,2\n") == [
            "line 3: it is not UTF-8 text: save it as UTF-8"
        ]

    def test_every_bad_entry_of_a_json_list_is_reported_by_its_number(self) -> None:
        elements: list[Any] = [
            {"actionId": "ok", "points": 1},
            {"actionId": "ok", "points": 1},
            {"actionId": "true", "points": True},
            {"actionId": "text", "points": "5"},
            {"actionId": "half", "points": 5.0},
            {"actionId": 7, "points": 5},
            {"actionId": None, "points": 5},
            {"actionId": "\ud800", "points": 5},
            {"actionId": "a"},
            {},
            {"actionId": "a", "points": 1, "note": "x"},
            ["a", 1],
            {"actionId": "good", "points": 2147483647},
        ]
        text = "[\n" + ",\n".join(map(json.dumps, elements)) + "\n]"
        reported = problems(text)
        assert [line.split(":")[0] for line in reported] == [f"entry {n}" for n in range(2, 13)]
        assert reported[0].endswith("action id 'ok' is entry 1 already")

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ('{"actionId": "a", "points": 1}', 1),
            ('[\n{"actionId": "a", "points": 1}\n{"actionId": "b", "points": 1}]', 3),
            # The comma, or what is missing behind it.
            ('[\n{"actionId": "a", "points": 1},\n]', 2 if sys.version_info >= (3, 13) else 3),
            ('[\n{"actionId": "a", "points": 1}\n', 3),
            ('[{"actionId": "a", "points": 1}]\n\nmore', 3),
            ('{"actionId":\n"a" "points": 1}', 2),
            ('[{"actionId": "a", "points": ' + "9" * 5000 + "}]", 1),
            ("[" * 100_000, 1),
        ],
    )
    def test_broken_json_is_reported_where_it_breaks(self, text: str, line: int) -> None:
        assert [problem.split(":")[0] for problem in problems(text)] == [f"line {line}"]

    @given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-16")))
    def test_no_content_makes_reading_fail(self, content: bytes) -> None:
        for form in ("csv", "json", None):
            found = action_file.read(content, form)
            assert all(problem.startswith(("line ", "entry ")) for problem in found.problems)
            assert len(found.points) == len(found.actions)

    @given(
        st.dictionaries(
            action_ids(),
            st.integers(1, action_file.POINTS_MAX),
        )
    )
    def test_any_good_catalogue_is_read_as_it_was_written(self, catalogue: dict[str, int]) -> None:
        written = io.StringIO()
        csv.writer(written).writerows([("action_id", "points"), *catalogue.items()])
        assert points(written.getvalue(), "csv") == catalogue
        listed = [{"actionId": key, "points": value} for key, value in catalogue.items()]
        assert points(json.dumps(listed), "json") == catalogue

    def test_progress_reaches_the_end_of_the_text(self) -> None:
        text = HEADER + "a,1\nb,2\nc,x"
        advances: list[int] = []
        action_file.read(text.encode(), None, advances.append)
        assert sum(advances) == len(text)

    def test_the_demo_actions_are_good(self) -> None:
        from scoreboard.configuration.sources import shipped

        demo = action_file.read((shipped("config") / "demo-actions.csv").read_bytes())
        assert demo.problems == []
        assert Action("daily-login", 10) in demo.actions
        assert {"daily-login", "first-win"} <= demo.of_users < set(demo.points)
        assert all(5 <= action.points <= 500 for action in demo.actions)

    def test_fifty_bad_lines_are_shown_and_the_rest_counted(self, run: Run, tmp_path: Any) -> None:
        file = tmp_path / "actions.csv"
        file.write_text(HEADER + "".join(f"a{n},0\n" for n in range(60)))
        code, _, err = run("actions", "load", str(file))
        assert code == 1
        assert "60 places" in err
        assert err.count("points must be") == 50
        assert err.endswith("… and 10 more\n")

    def test_spaces_at_an_end_of_an_id_are_said_and_not_kept(self) -> None:
        reported = problems(b"action_id,points\nok, 5\n ok,5\nok ,5\n")
        assert reported == [
            "line 3: action id ' ok' has spaces at an end",
            "line 4: action id 'ok ' has spaces at an end",
        ]

    def test_broken_json_is_named_by_its_line(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "actions.json"
        file.write_text('[{"actionId": "a", "points": 0},\n{"actionId": "b" "points": 1}]')
        code, _, err = run("actions", "load", str(file))
        assert code == 1
        first, second = err.splitlines()
        assert first == f"scoreboard: Nothing was loaded: 1 place of {file} must be mended."
        assert second.startswith("  line 2: not JSON: ")

    def test_a_terminal_sees_how_far_the_reading_is(
        self, run: Run, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "actions.csv"
        file.write_text(HEADER + "a,0\n")
        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)
        code, _, _ = run("actions", "load", str(file))
        assert code == 1
        assert "Checking:" in terminal.getvalue()
        assert "line 2: points must be" in terminal.getvalue()

    @pytest.mark.parametrize("content", ["", HEADER, "[]"])
    def test_a_file_without_actions_is_no_success(
        self, run: Run, tmp_path: Any, content: str
    ) -> None:
        file = tmp_path / "actions"
        file.write_text(content)
        code, _, err = run("actions", "load", str(file))
        assert code == 1
        assert "no actions" in err

    def test_a_file_that_is_not_there_is_named(self, run: Run) -> None:
        code, _, err = run("actions", "load", "nowhere.csv")
        assert code == 1
        assert "nowhere.csv: No such file" in err


class TestComparison:
    def test_a_copy_that_is_late_and_arrives_is_no_difference(self) -> None:
        comparison = Comparison()
        comparison.add(a_board(4), a_board(5))
        assert not comparison.agrees()
        comparison.add(a_board(5), a_board(6))
        assert comparison.agrees()
        assert comparison.differences() == []

    def test_a_copy_that_keeps_up_but_is_never_met_is_no_difference(self) -> None:
        comparison = Comparison()
        for version in range(10, 30, 3):
            comparison.add(a_board(version - 1), a_board(version + 1))
        assert comparison.differences() == []

    def test_a_copy_that_stays_behind_is_one(self) -> None:
        comparison = Comparison()
        comparison.add(a_board(4), a_board(5))
        comparison.add(a_board(4), a_board(7))
        assert comparison.differences() == ["Redis holds version 4 and stays behind the ledger's 7"]

    def test_a_copy_that_is_ahead_is_one(self) -> None:
        comparison = Comparison()
        comparison.add(a_board(9), a_board(5))
        assert "ahead of the ledger's 5" in comparison.differences()[0]

    def test_other_entries_under_one_version_are_one_for_each_rank(self) -> None:
        comparison = Comparison()
        comparison.add(a_board(5, 30, 20, 10), a_board(5, 30, 21))
        first, second = comparison.differences()
        assert first.startswith("rank 2 under version 5")
        assert second.startswith("rank 3")
        assert second.endswith("the ledger nobody")

    def test_a_copy_that_was_mended_meanwhile_is_none(self) -> None:
        comparison = Comparison()
        comparison.add(a_board(5, 30), a_board(5, 31))
        comparison.add("Redis holds no board", a_board(5, 31))
        comparison.add(a_board(6, 31), a_board(6, 31))
        assert comparison.agrees()

    def test_no_board_at_all_is_one_sentence(self) -> None:
        comparison = Comparison()
        comparison.add(a_board(5), a_board(5))
        comparison.add("Redis holds no board", a_board(6))
        assert comparison.differences() == ["Redis holds no board"]


class TestDemo:
    def test_a_file_gets_a_line_for_each_board_and_each_new_remark(self) -> None:
        output = io.StringIO()
        screen = Screen(output)
        screen.show("7", [{"userId": "u", "username": "ada", "score": 30}])
        screen.count("1 player")
        screen.tell("waits")
        screen.tell("waits")
        screen.show("8", [])
        assert output.getvalue() == "version 7: ada 30\nwaits\nversion 8: nobody has a score yet\n"

    def test_the_last_words_stand_once_on_a_terminal_and_in_a_file(self) -> None:
        for output in (Terminal(), io.StringIO()):
            screen = Screen(output)
            screen.show("7", [])
            screen.count("1 player")
            screen.end("1 player")
            last_drawn = output.getvalue().rpartition("\x1b[J")[2]
            assert last_drawn.count("1 player") == 1
            assert output.getvalue().rstrip().endswith("1 player")

    def test_a_terminal_gets_each_board_in_the_place_of_the_last(self) -> None:
        output = Terminal()
        screen = Screen(output)
        screen.show("7", [{"userId": "u", "username": "ada", "score": 30}])
        assert "\x1b" not in output.getvalue()
        screen.count("1 player" + "!" * 100)
        assert "\x1b[5F\x1b[J" in output.getvalue()
        assert max(map(len, output.getvalue().split("\n"))) < 100
