"""Make the virtual environment in which the verbs of the Makefile work, or remove it.

    environment.py run|dev|lock named|found DIRECTORY     (named: PYTHON= stood in the command line)
    environment.py clean named|found DIRECTORY...

| verb | what is installed | who asks for it |
|---|---|---|
| `run` | requirements-embedded.lock | `make run` |
| `dev` | requirements-dev.lock, which contains it | every other verb |
| `lock` | the same, and uv | `make lock` |

A directory is ours when its mark says so (`directory.py`); `content.py` fills it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from content import (
    CHECKOUT,
    DEV_LOCK,
    RUN_LOCK,
    create,
    install,
    link,
    python_of,
    run_pip,
)
from directory import (
    MARK,
    FailedError,
    Installed,
    claimed,
    is_ours,
    read_mark,
    remove_parts,
    say,
    write_mark,
)

THIS_PYTHON: Final = "{}.{}".format(*sys.version_info)
THIS_BASE: Final = os.path.realpath(sys.base_prefix)


def main() -> int:
    """Do what the arguments say; answer the exit code."""
    verb, how, *directories = sys.argv[1:]
    os.chdir(CHECKOUT)
    try:
        if verb == "clean":
            _refuse_while_servers_run()  # whose data are removed next  # guard: make-clean-leaves
            for directory in dict.fromkeys(directories):
                remove(Path(directory))
        else:
            make(Path(directories[0]), verb, python_is_named=how == "named")
    except FailedError as failed:
        say(str(failed))
        return 1
    except OSError as error:
        say(f"{error.filename or directories[0]}: {error.strerror or error}.")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def make(directory: Path, verb: str, *, python_is_named: bool) -> None:
    """See to it that the environment holds all that the verb needs. Raises FailedError, OSError."""
    locks = {
        lock: hashlib.sha256(Path(lock).read_bytes()).hexdigest() for lock in (RUN_LOCK, DEV_LOCK)
    }
    wanted = RUN_LOCK if verb == "run" else DEV_LOCK
    with claimed(directory) as mark:
        holds = read_mark(mark)
        why_anew = _why_anew(directory, holds, locks, python_is_named=python_is_named)
        if why_anew is not None or wanted not in holds.locks:
            if why_anew:
                # guard: make-environment-not
                _refuse_while_servers_run()  # by what is about to be removed
            started = time.monotonic()
            write_mark(mark, Installed())  # guard: make-environment-unfinished
            if why_anew is not None:
                create(directory, why_anew, mark)
                holds = Installed(THIS_PYTHON, THIS_BASE)
            install(directory, wanted, mark)
            # The file for tests contains that for running.
            held = [RUN_LOCK, wanted]
            holds = Installed(holds.python, holds.base, {lock: locks[lock] for lock in held})
            link(directory, holds.python)
            write_mark(mark, holds)
            say(f"{directory} is ready, after {time.monotonic() - started:.0f} s.")
        else:
            link(directory, holds.python)
        if verb == "lock":
            run_pip(directory, mark, "--quiet", "uv>=0.8")


def _why_anew(
    directory: Path, holds: Installed, locks: dict[str, str], *, python_is_named: bool
) -> str | None:
    """Why the environment has to be made anew (an empty text: there is none); None if it stays."""
    if not (directory / "pyvenv.cfg").exists():
        return ""
    if not holds.locks:
        return "it was not finished, or by an earlier version"
    if any(locks.get(lock) != its_hash for lock, its_hash in holds.locks.items()):
        return "what is locked has changed"
    if python_is_named and (holds.python, holds.base) != (THIS_PYTHON, THIS_BASE):
        return f"it has Python {holds.python} of {holds.base}"
    version = [
        str(python_of(directory)),
        "-I",
        "-c",
        "import sys; print('%d.%d' % sys.version_info[:2])",
    ]
    try:
        answer = subprocess.run(version, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        answer = ""
    return None if answer == holds.python else f"its Python {holds.python} is gone"


def remove(directory: Path) -> None:
    """Remove an environment that make made; what is not of it stays. Raises OSError."""
    if not directory.is_dir():
        return
    if not is_ours(directory):
        say(f"{directory} was not made by make and stays.")
        return
    with claimed(directory):
        remove_parts(directory)
        (directory / MARK).unlink()
    if directory.is_symlink():  # somebody chose that place, and may have a use for it
        return
    try:
        directory.rmdir()
    except OSError:
        say(f"{directory} stays, because other things lie in it.")


def _refuse_while_servers_run() -> None:
    """Raises FailedError. The lock is theirs: scoreboard/embedded/home.py."""
    try:
        with open(".scoreboard/lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        pass
    except BlockingIOError:
        raise FailedError("Scoreboard runs in this checkout. Stop it first.") from None


if __name__ == "__main__":
    sys.exit(main())
