"""The directory of an environment, and the mark in it that says that it is ours, and what it holds.

The mark is the file `.made-by-make`: nobody else writes that. It is written before anything else,
and is locked while what it says changes. Nothing is removed from a directory without it, and from
one with it only what a virtual environment consists of.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Final

MARK: Final = ".made-by-make"
# What an earlier Makefile left in each environment that it made.
_EARLIER_MARKS: Final = (".locked", ".linked")
# What venv and virtualenv write. What else lies in the directory is somebody's.
_PARTS: Final = (
    *("bin", "etc", "include", "lib", "lib64", "share"),
    *("pyvenv.cfg", ".gitignore", "CACHEDIR.TAG"),
)


class FailedError(Exception):
    """The environment cannot be made or removed; the message says why and what to do."""


@dataclass(frozen=True)
class Installed:
    """What an environment holds: its Python ("3.11"), the prefix that this comes from, and the hash
    of each lock file that was installed whole. Without any it is unfinished.
    """

    python: str = ""
    base: str = ""
    locks: dict[str, str] = field(default_factory=dict)


def say(line: str) -> None:
    """Tell whoever called make."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def claimed(directory: Path) -> IO[str]:
    """Answer the directory's mark, open and locked. Both are made if there is no such directory.

    Raises FailedError where the directory is somebody else's, or cannot hold an environment.
    """
    if str(directory).startswith("~"):
        raise FailedError(f"Your shell left the ~ in VENV={directory}: write $HOME in its place.")
    while True:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if not is_ours(directory) and any(directory.iterdir()):  # guard: make-directory-without
                by_hand = (directory / "pyvenv.cfg").exists()
                raise FailedError(
                    f"{directory} is there and was not made by make, so it stays as it is. Take "
                    "another directory:  make run VENV=.venv-make"
                    f"{'  (or remove this one yourself).' if by_hand else ''}"
                )
            mark = open(directory / MARK, "a+", encoding="utf-8")  # noqa: SIM115 - the caller's
        except OSError as error:
            _refuse_if_of_another_user(directory)
            raise FailedError(
                f"{directory} cannot become a virtual environment: {error.strerror}. Take a "
                "directory where you may write:  make run VENV=/path/of/it"
            ) from error
        _lock(mark, directory)  # guard: make-two-once
        if _is_still_there(mark, directory):
            return mark
        mark.close()


def _refuse_if_of_another_user(directory: Path) -> None:
    """Say whose it is: after one `sudo make`, root's."""
    owner = directory.stat().st_uid if directory.is_dir() else os.geteuid()
    if owner != os.geteuid():
        raise FailedError(
            f"{directory} belongs to another user (id {owner}). Remove it as that user, or take "
            "another directory:  make run VENV=.venv-make"
        )


def is_ours(directory: Path) -> bool:
    """Whether make made it."""
    # An earlier mark has a name that others may give to a file of theirs.
    is_earlier = (directory / "pyvenv.cfg").is_file() and any(  # guard: make-earlier-mark
        (directory / mark).is_file() for mark in _EARLIER_MARKS
    )
    return is_earlier or (directory / MARK).is_file()


def _lock(mark: IO[str], directory: Path) -> None:
    """Wait until no other make works on it. The system lets go however that one ends."""
    try:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another make works on {directory}: waiting for it.")
            fcntl.flock(mark, fcntl.LOCK_EX)
    except OSError:
        say(f"{directory} lies where nothing can be locked: let no other make work on it now.")


def _is_still_there(mark: IO[str], directory: Path) -> bool:
    """Not so when `make clean` removed it while we waited."""
    try:
        return os.path.samestat(os.fstat(mark.fileno()), os.stat(directory / MARK))
    except FileNotFoundError:
        return False


def read_mark(mark: IO[str]) -> Installed:
    """What the directory holds, as its mark says."""
    mark.seek(0)
    try:
        return Installed(**json.load(mark))
    except (ValueError, TypeError):  # new, or cut off
        return Installed()


def write_mark(mark: IO[str], holds: Installed) -> None:
    """Let the mark say that the directory holds this."""
    mark.truncate(0)
    json.dump(asdict(holds), mark, indent=1)
    mark.flush()


def remove_parts(directory: Path) -> None:
    """Remove what an environment consists of. Raises FailedError."""
    for part in (*_PARTS, *_EARLIER_MARKS):  # guard: make-no-part
        path = directory / part
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except PermissionError as error:
            raise FailedError(
                f"{path} cannot be removed, because of {error.filename} in it, which another user "
                f"may have made (`sudo make` does). Remove {directory} as that user."
            ) from error
