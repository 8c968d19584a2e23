"""`make run` and its like on other people's machines: real makes in a small checkout with locks of
its own, whose packages come from a directory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# What shells, make, format strings and URLs each take for something of theirs.
STRANGE = "score $b `x` (1) #2 100%s bòard's"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

_MAKER = f"""\
import sys, venv
from pathlib import Path
venv.create(sys.argv[1], symlinks=True)
pip = Path(sys.argv[1], "lib", "python{PYTHON}", "site-packages", "pip")
pip.mkdir()
(pip / "__init__.py").touch()
(pip / "__main__.py").write_text('''
import json, sys
from pathlib import Path
if "config" not in sys.argv:
    with Path(sys.prefix, "calls").open("a") as calls:
        print(json.dumps(sys.argv[1:]), file=calls)
    sys.exit(Path("pip-fails").exists())
''')
"""

needs_make = pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")


class Checkout:
    """A checkout in which running needs the package `alpha`, and testing `beta` as well."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.venv = directory / ".venv"
        self.index = directory.parent / "index"
        self.index.mkdir(parents=True)
        shutil.copytree(ROOT / ".make", directory / ".make")
        shutil.copy(ROOT / "Makefile", directory)
        for folder in ("docs", "migrations", "scoreboard", "tests"):
            (directory / folder).mkdir()
        (directory / "scoreboard" / "__init__.py").touch()
        (directory / "scoreboard" / "cli.py").write_text(
            "import alpha, sys\ndef main(): print('scoreboard', *sys.argv[1:])\n"
        )
        self.lock("alpha")

    def lock(self, *run: str) -> None:
        lines = {
            name: f"{name}==1.0 --hash=sha256:{self._wheel(name)}\n" for name in (*run, "beta")
        }
        run_lock = "".join(lines[name] for name in run)
        (self.directory / "requirements-embedded.lock").write_text(run_lock)
        (self.directory / "requirements-dev.lock").write_text(run_lock + lines["beta"])

    def _wheel(self, name: str) -> str:
        path = self.index / f"{name}-1.0-py3-none-any.whl"
        about = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(path, "w") as wheel:
            for file, text in {
                f"{name}.py": "",
                f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
                f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                f"{about}/RECORD": f"{name}.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n",
            }.items():
                wheel.writestr(zipfile.ZipInfo(file), text)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Call make as this Python's user would, with nothing else in the environment."""
        ours = {
            "PATH": f"{Path(sys.executable).resolve().parent}:{os.defpath}:/usr/sbin:/sbin",
            "HOME": str(self.directory.parent),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": self.index.as_uri(),
        }
        return subprocess.run(
            ["make", *arguments],
            cwd=self.directory,
            env=ours | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    @property
    def packages(self) -> Path:
        [python] = (self.venv / "lib").glob("python3.*")
        return python / "site-packages"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / STRANGE)


@pytest.fixture
def environment(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """`.make/environment.py` of that checkout. Its environments are made at once, for their pip
    installs nothing and writes down how it was called.
    """
    monkeypatch.syspath_prepend(str(checkout.directory / ".make"))
    monkeypatch.chdir(checkout.directory)
    module = importlib.import_module("environment")
    maker = checkout.directory.parent / "maker.py"
    maker.write_text(_MAKER)
    content = importlib.import_module("content")
    monkeypatch.setattr(content, "_maker", lambda: [sys.executable, str(maker)])
    yield module
    for name in ("environment", "content", "directory", "pip_settings"):
        sys.modules.pop(name, None)


def calls(checkout: Checkout) -> list[list[str]]:
    """How pip was called since the environment was made."""
    return [json.loads(line) for line in (checkout.venv / "calls").read_text().splitlines()]


# Whole


@needs_make
def test_a_checkout_runs_whatever_its_path_and_its_caller_s_shell_hold(checkout: Checkout) -> None:
    victim, elsewhere = checkout.directory.parent / "victim", checkout.directory.parent / "target"
    victim.mkdir()
    (victim / "thesis").write_text("precious")
    shadow = checkout.directory.parent / "shadow"
    shadow.mkdir()
    (shadow / "alpha.py").write_text("raise SystemExit('of somebody else')")
    pip_conf = checkout.directory.parent / "pip.conf"
    pip_conf.write_text(
        f"[global]\nquiet = 2\nfind-links = /nowhere\n[install]\nuser = 1\nprefix = {elsewhere}\n"
    )
    hostile = {
        **dict.fromkeys(("VENV", "BIN", "PIP", "LOCK", "IN", "ENVIRONMENT"), str(victim)),
        **dict.fromkeys(("PYTHON", "UNIT", "PYTEST", "GUARDS", "UPGRADE"), "/nonexistent"),
        **dict.fromkeys(("PYTHONHOME", "PIP_PYTHON", "PIP_CONSTRAINT"), "/nonexistent"),
        **dict.fromkeys(("PIP_TARGET", "PIP_ROOT"), str(elsewhere)),
        "PIP_CONFIG_FILE": str(pip_conf),
        "PIP_USER": "1",
        "PYTHONPATH": str(shadow),
        "PYTHONSAFEPATH": "1",
        "VIRTUAL_ENV": "/nowhere",
        "MAKEFLAGS": "-j4",
        "MAKELEVEL": "2",
        "LC_ALL": "C",
    }

    made = checkout.make("run", **hostile)
    assert made.returncode == 0, made.stdout
    assert "Installing requirements-embedded.lock: about" in made.stdout
    assert "\nscoreboard serve --embedded\n" in made.stdout
    assert (victim / "thesis").read_text() == "precious"
    assert not elsewhere.exists()
    assert (checkout.packages / "alpha.py").exists()
    assert not (checkout.packages / "beta.py").exists(), "that is for tests"

    first = (checkout.packages / "alpha.py").stat()
    grown = checkout.make("venv", **hostile)
    assert grown.returncode == 0, grown.stdout
    assert (checkout.packages / "beta.py").exists()
    again = checkout.make("run", **hostile)
    assert again.returncode == 0, again.stdout
    assert "Making" not in grown.stdout + again.stdout
    assert "Installing" not in again.stdout
    assert (checkout.packages / "alpha.py").stat() == first

    moved = checkout.directory.rename(checkout.directory.with_name("moved"))
    shown = subprocess.run(
        [moved / ".venv/bin/scoreboard", "serve"], capture_output=True, text=True, check=False
    )
    assert shown.stdout == "scoreboard serve\n", shown.stderr


@needs_make
@pytest.mark.parametrize("verb", ["run", "unit"])
def test_a_python_that_is_named_and_does_not_fit_is_told_in_a_sentence(
    checkout: Checkout, verb: str
) -> None:
    for version in ("2.7.18", "3.10.13", "3.14.0"):
        other = checkout.directory.parent / f"python {version}"
        other.write_text(f"#!/bin/sh\necho {version}\n")
        other.chmod(0o755)
        told = checkout.make(verb, f"PYTHON={other}")
        assert told.returncode
        assert f"is Python {version}. Scoreboard needs 3.11, 3.12 or 3.13." in told.stdout
    told = checkout.make(verb, "PYTHON=/nonexistent/python")
    assert told.returncode
    assert "PYTHON=/nonexistent/python does not run as a Python." in told.stdout
    assert not checkout.venv.exists()


def test_what_a_shell_tells_another_python_or_pytest_reaches_no_verb() -> None:
    shell = dict.fromkeys(("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONPATH"), "-p no:asyncio")
    shown = subprocess.run(
        ["sh", ROOT / ".make/in", sys.prefix, "-c", "import os; print(*os.environ)"],
        env={"PATH": os.defpath} | shell,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not shell.keys() & set(shown.stdout.split())


@needs_make
def test_clean_removes_what_make_made_and_nothing_else(
    checkout: Checkout, environment: ModuleType
) -> None:
    environment.make(Path(".venv"), "run", python_is_named=False)
    (checkout.venv / "notes").write_text("mine")
    by_hand = checkout.directory / ".venv-mine"
    by_hand.mkdir()
    (by_hand / "pyvenv.cfg").touch()
    (checkout.directory / "build").mkdir()
    (checkout.directory / "build" / "plan").touch()
    (checkout.directory / "htmlcov").mkdir()

    cleaned = checkout.make("clean")

    assert cleaned.returncode == 0, cleaned.stdout
    assert {path.name for path in checkout.venv.iterdir()} == {"calls", "notes"}
    assert (by_hand / "pyvenv.cfg").exists()
    assert ".venv-mine was not made by make and stays." in cleaned.stdout
    assert (checkout.directory / "build" / "plan").exists()
    assert not (checkout.directory / "htmlcov").exists()


@needs_make
def test_clean_leaves_the_data_of_servers_that_run(checkout: Checkout) -> None:
    data = checkout.directory / ".scoreboard"
    data.mkdir()
    with open(data / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = checkout.make("-i", "clean")
        assert "Scoreboard runs in this checkout. Stop it first." in refused.stdout
        assert data.exists()
        assert checkout.make("clean").returncode
    assert checkout.make("clean").returncode == 0
    assert not data.exists()


@pytest.mark.skipif(not shutil.which("bmake"), reason="there is no BSD make here")
def test_bsd_make_reads_the_makefile() -> None:
    shown = subprocess.run(
        ["bmake", "-n", "run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "serve --embedded" in shown.stdout, shown.stderr


# The directory


@pytest.mark.parametrize("content", ["pyvenv.cfg", "thesis", "bin/python", ".hidden"])
def test_a_directory_that_make_did_not_make_stays_as_it_is(
    checkout: Checkout, environment: ModuleType, content: str
) -> None:
    (checkout.venv / content).parent.mkdir(parents=True)
    (checkout.venv / content).write_text("mine")

    with pytest.raises(environment.FailedError, match="was not made by make, so it stays"):
        environment.make(Path(".venv"), "run", python_is_named=False)

    assert (checkout.venv / content).read_text() == "mine"
    assert len(list(checkout.venv.iterdir())) == 1


def test_a_file_named_like_an_earlier_mark_makes_no_directory_ours(
    checkout: Checkout, environment: ModuleType
) -> None:
    (checkout.venv / "lib").mkdir(parents=True)
    (checkout.venv / "lib" / "thesis").write_text("mine")
    (checkout.venv / ".locked").touch()

    with pytest.raises(environment.FailedError, match="was not made by make, so it stays"):
        environment.make(Path(".venv"), "run", python_is_named=False)
    environment.remove(Path(".venv"))

    assert (checkout.venv / "lib" / "thesis").read_text() == "mine"


def test_a_link_to_a_directory_elsewhere_is_followed_and_stays(
    checkout: Checkout, environment: ModuleType
) -> None:
    elsewhere = checkout.directory.parent / "large disk"
    elsewhere.mkdir()
    checkout.venv.symlink_to(elsewhere)
    for _ in range(2):
        environment.make(Path(".venv"), "run", python_is_named=False)
        assert (elsewhere / "pyvenv.cfg").exists()
        (elsewhere / "calls").unlink()

        environment.remove(Path(".venv"))

        assert checkout.venv.is_symlink()
        assert not list(elsewhere.iterdir())


def test_an_environment_of_an_earlier_makefile_is_made_anew(
    checkout: Checkout, environment: ModuleType
) -> None:
    (checkout.venv / "lib" / "old").mkdir(parents=True)
    for name in ("pyvenv.cfg", ".locked", ".linked"):
        (checkout.venv / name).touch()

    environment.make(Path(".venv"), "run", python_is_named=False)

    assert not (checkout.venv / "lib" / "old").exists()
    assert not (checkout.venv / ".locked").exists()
    assert calls(checkout)[0][-1] == "requirements-embedded.lock"


@pytest.mark.parametrize("left", ["", '{"python": "3.1', '{"python": "3.11", "locks": {}}'])
def test_what_a_killed_make_left_is_made_anew_and_what_is_not_of_it_stays(
    checkout: Checkout, environment: ModuleType, left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.make(Path(".venv"), "dev", python_is_named=False)
    (checkout.packages / "half").touch()
    (checkout.venv / "notes").write_text("mine")
    (checkout.venv / environment.MARK).write_text(left)

    environment.make(Path(".venv"), "dev", python_is_named=False)

    assert "because it was not finished" in capsys.readouterr().err
    assert not (checkout.packages / "half").exists()
    assert (checkout.venv / "notes").read_text() == "mine"


def test_what_pip_could_not_finish_is_made_anew(
    checkout: Checkout, environment: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.make(Path(".venv"), "run", python_is_named=False)
    (checkout.directory / "pip-fails").touch()
    with pytest.raises(environment.FailedError, match="The next make tries again"):
        environment.make(Path(".venv"), "dev", python_is_named=False)
    (checkout.directory / "pip-fails").unlink()
    capsys.readouterr()

    environment.make(Path(".venv"), "run", python_is_named=False)

    assert "because it was not finished" in capsys.readouterr().err


def test_it_is_made_anew_when_what_is_locked_changes(
    checkout: Checkout, environment: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.make(Path(".venv"), "run", python_is_named=False)
    checkout.lock("alpha", "gamma")

    environment.make(Path(".venv"), "run", python_is_named=False)

    assert "because what is locked has changed" in capsys.readouterr().err


def test_it_is_not_made_anew_beneath_servers_that_run_in_it(
    checkout: Checkout, environment: ModuleType
) -> None:
    environment.make(Path(".venv"), "run", python_is_named=False)
    python = (checkout.venv / "pyvenv.cfg").stat().st_ino
    checkout.lock("alpha", "gamma")
    data = checkout.directory / ".scoreboard"
    data.mkdir()
    with open(data / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(environment.FailedError, match="Stop it first"):
            environment.make(Path(".venv"), "run", python_is_named=False)
    assert (checkout.venv / "pyvenv.cfg").stat().st_ino == python


def test_it_is_made_anew_for_another_python_that_is_named_and_kept_for_one_that_is_found(
    checkout: Checkout,
    environment: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment.make(Path(".venv"), "run", python_is_named=False)
    for base in (environment.THIS_BASE, "/opt/other"):
        monkeypatch.setattr(environment, "THIS_BASE", base)
        environment.make(Path(".venv"), "run", python_is_named=False)
        assert len(calls(checkout)) == 1
    capsys.readouterr()

    environment.make(Path(".venv"), "run", python_is_named=True)

    assert f"because it has Python {PYTHON} of" in capsys.readouterr().err


def test_it_is_made_anew_when_its_python_is_gone(
    checkout: Checkout, environment: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.make(Path(".venv"), "run", python_is_named=False)
    (checkout.venv / "bin" / "python").unlink()
    (checkout.venv / "bin" / "python").symlink_to("/nonexistent/python")

    environment.make(Path(".venv"), "run", python_is_named=False)

    assert f"because its Python {PYTHON} is gone" in capsys.readouterr().err
    environment.make(Path(".venv"), "run", python_is_named=False)
    assert "Making" not in capsys.readouterr().err


def test_two_makes_at_once_make_one_environment(
    checkout: Checkout, environment: ModuleType
) -> None:
    script = "import sys, environment; sys.exit(environment.main())"
    arguments = [sys.executable, "-c", script, "run", "found", ".venv"]
    mark = environment.claimed(Path(".venv"))
    with mark:
        waits = subprocess.Popen(
            arguments,
            cwd=checkout.directory,
            env=os.environ | {"PYTHONPATH": ".make"},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert waits.stderr is not None
        assert waits.stderr.readline() == "Another make works on .venv: waiting for it.\n"
        # Again, because one that comes just before it waits for the lock is not noticed any more.
        for _ in range(10):
            waits.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                waits.wait(timeout=10)
                break
        assert waits.returncode == 130
        waits.stderr.close()


@pytest.mark.parametrize("directory", ["~/env", "a:b", "file"])
def test_a_directory_that_cannot_be_an_environment_is_told_in_a_sentence(
    checkout: Checkout, environment: ModuleType, directory: str
) -> None:
    (checkout.directory / "file").touch()

    with pytest.raises(environment.FailedError, match=r"VENV|colon|cannot become"):
        environment.make(Path(directory), "run", python_is_named=False)


@pytest.mark.parametrize(
    "use",
    [
        lambda environment: environment.make(Path(".venv"), "run", python_is_named=False),
        lambda environment: environment.remove(Path(".venv")),
    ],
    ids=["make", "remove"],
)
def test_a_directory_of_another_user_is_told_as_such(
    checkout: Checkout,
    environment: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[ModuleType], None],
) -> None:
    environment.make(Path(".venv"), "run", python_is_named=False)
    # As the user is told who calls make after a `sudo make`: root itself may write everywhere.
    monkeypatch.setattr(os, "geteuid", lambda: checkout.venv.stat().st_uid + 1)
    (checkout.venv / environment.MARK).unlink()
    (checkout.venv / environment.MARK).symlink_to("/nowhere/mark")
    monkeypatch.setattr(importlib.import_module("directory"), "is_ours", lambda _: True)
    monkeypatch.setattr(environment, "is_ours", lambda _: True)

    with pytest.raises(environment.FailedError, match="belongs to another user"):
        use(environment)


def test_what_another_user_made_in_it_is_told_when_it_cannot_be_removed(
    checkout: Checkout, environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.make(Path(".venv"), "run", python_is_named=False)
    checkout.lock("alpha", "gamma")

    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "RECORD")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(environment.FailedError, match=r"Remove \.venv as that user"):
        environment.make(Path(".venv"), "run", python_is_named=False)


def test_a_full_disk_is_named(
    checkout: Checkout, environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage: Any = type("Usage", (), {"free": 30_000_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    with pytest.raises(environment.FailedError, match=r"no room for that.* has only 30 MB left"):
        environment.make(Path(".venv"), "run", python_is_named=False)


# Pip


def test_pip_is_told_whence_as_its_user_has_it_and_not_what_nor_where_to(
    checkout: Checkout, environment: ModuleType
) -> None:
    listed = (
        "global.index-url='https://index.example.org/simple'\nglobal.user='true'\n"
        "global.timeout='9'\ninstall.timeout='20'\nglobal.trusted-host='a\\nb'\n"
        "install.no-binary=':all:'\n:env:.uploaded-prior-to='2001-01-01'\n"
        "freeze.timeout='1'\n:env:.proxy='http://proxy.example.org'\n:env:.target='/elsewhere'\n"
    )
    assert importlib.import_module("pip_settings")._kept(listed) == {
        "PIP_INDEX_URL": "https://index.example.org/simple",
        "PIP_TIMEOUT": "20",
        "PIP_TRUSTED_HOST": "a\nb",
        "PIP_PROXY": "http://proxy.example.org",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


# The lock files


def pins(lock: str) -> dict[str, str]:
    """What a lock file says of each package: its version, condition and hashes."""
    text = (ROOT / lock).read_text("utf-8")
    packages = [block for block in text.split("\n") if block and block[0] not in " #"]
    return {block.split("==")[0]: block.split("==")[1].split()[0] for block in packages}


def test_what_runs_was_tested_in_that_very_version() -> None:
    runs, tested = pins("requirements-embedded.lock"), pins("requirements-dev.lock")
    deployed = pins("requirements.lock")

    assert deployed.items() <= runs.items()
    assert runs.items() <= tested.items()
    assert not {"playwright", "mypy", "pytest"} & runs.keys()
