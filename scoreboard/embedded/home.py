"""The directory of a checkout's embedded servers: one run at a time, and nobody else, gets in.

Data, logs and the signing secret lie here. The sockets do too where their path is short enough.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

# Under the package's name: a log line tells of the embedded servers, not of our files.
logger = logging.getLogger(__package__)

# A socket's path ends at 104 bytes on macOS (108 on Linux), the closing zero included.
_LONGEST_SOCKET_PATH: Final = 103
# The longest name of a socket here: where it has room, each has.
POSTGRES_SOCKET: Final = ".s.PGSQL.5432"
# Names that mean something to the shell-like syntax of `unix_socket_directories` are avoided.
_PLAIN_PATH: Final = re.compile(r"[\w./+@-]+")


# Of the JWT secret, in the directory of the embedded servers.
JWT_FILE: Final = "jwt-secret"


class EmbeddedServerError(Exception):
    """An embedded server cannot run here; the message says why and what to do."""

    code = "embedded_server_failed"


class AlreadyRuns(EmbeddedServerError):
    """Another process runs the embedded servers of this directory."""


def private_directory(directory: Path) -> Path:
    """Make the directory if it is missing, close one that others may enter, and refuse one that is
    somebody else's.
    """
    # Resolved, because a leftover server is known by this path in its command line.
    home = directory.resolve()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = home.stat()
    except OSError as error:
        raise EmbeddedServerError(f"{home} cannot be used: {error.strerror}") from error
    if found.st_uid != os.geteuid():
        raise EmbeddedServerError(
            f"{home} belongs to another user (id {found.st_uid}). Run as that user, or remove it."
        )
    if found.st_mode & 0o077:  # guard: directory-embedded-servers
        home.chmod(0o700)
    return home


@contextlib.contextmanager
def only_run(home: Path) -> Iterator[None]:
    """Hold the directory for this process; the system lets go of it however the process ends."""
    with open(home / "lock", "a+", opener=owner_only) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise AlreadyRuns(
                f"Scoreboard already runs with its embedded servers in {home} (process {holder}). "
                "Use that one or stop it first. A second instance beside it can share its "
                "servers through SCOREBOARD_DATABASE_URL and SCOREBOARD_REDIS_URL."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


@contextlib.contextmanager
def socket_directory(home: Path) -> Iterator[Path]:
    """Make a place for the sockets: beside the data, or a short one when that path is too long."""
    sockets = home / "sockets"
    room = _LONGEST_SOCKET_PATH - len(f"/{POSTGRES_SOCKET}")
    if len(os.fsencode(sockets)) > room or not _PLAIN_PATH.fullmatch(str(sockets)):
        mark = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
        name = f"scoreboard-{os.geteuid()}-{mark}"
        sockets = Path(tempfile.gettempdir()) / name
        if len(os.fsencode(sockets)) > room:
            sockets = Path("/tmp") / name  # noqa: S108 - its owner is checked below
    if sockets.is_symlink():
        raise EmbeddedServerError(f"{sockets} is a symbolic link, which is not ours. Remove it.")
    private_directory(sockets)
    try:
        yield sockets
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


def embedded_secret(directory: Path) -> str:
    """Answer the checkout's own signing secret, made once, so that tokens survive a restart."""
    path = private_directory(directory) / JWT_FILE
    make_once(path, lambda: secrets.token_urlsafe(48))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
        logger.warning("others could read %s until now; delete it to have another secret", path)
    return path.read_text()


def owner_only(path: str, flags: int) -> int:
    """Open a file that nobody else may ever read, not even before its mode could be changed."""
    return os.open(path, flags, 0o600)


def make_once(path: Path, content: Callable[[], str]) -> None:
    """Make a file that nobody else may read, unless it is there. It is written in full under
    another name first: of two processes that make it, the second takes what is there.
    """
    if path.exists():
        return
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with open(fresh, "x", opener=owner_only) as file:
        file.write(content())
    with contextlib.suppress(FileExistsError):
        os.link(fresh, path)
    fresh.unlink()
