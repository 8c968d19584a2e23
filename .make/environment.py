"""Make the virtual environment in which the verbs of the Makefile work, or remove it.

    environment.py run|dev|lock named|found DIRECTORY     (named: PYTHON= stood in the command line)
    environment.py clean named|found DIRECTORY...

| verb | what is installed | who asks for it |
|---|---|---|
| `run` | requirements-embedded.lock | `make run` |
| `dev` | requirements-dev.lock, which contains it | every other verb |
| `lock` | the same, and uv | `make lock` |

A directory is ours when the file `.made-by-make` lies in it: nobody else writes that. It is written
before anything else, says what is installed, and is locked while that changes. Nothing is removed
from a directory without it, and from one with it only what a virtual environment consists of.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

import pip_settings

CHECKOUT: Final = Path(__file__).resolve().parent.parent
RUN_LOCK: Final = "requirements-embedded.lock"
DEV_LOCK: Final = "requirements-dev.lock"
# By lock file: megabytes on the disk, and how long it takes where the index is near.
_COSTS: Final = {RUN_LOCK: (200, "half a minute"), DEV_LOCK: (700, "a minute")}

MARK: Final = ".made-by-make"
# What an earlier Makefile left in each environment that it made.
_EARLIER_MARKS: Final = (".locked", ".linked")
# What venv and virtualenv write. What else lies in the directory is somebody's.
_PARTS: Final = (
    *("bin", "etc", "include", "lib", "lib64", "share"),
    *("pyvenv.cfg", ".gitignore", "CACHEDIR.TAG"),
)

# Both a shell's and Python's: it starts the Python that lies beside it, whatever their path is.
_PROGRAM: Final = """\
#!/bin/sh
''':'
unset PYTHONHOME PYTHONPATH
exec "$(dirname -- "$0")/python" "$0" "$@"
'''
from scoreboard.__main__ import main

main()
"""


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


THIS_PYTHON: Final = "{}.{}".format(*sys.version_info)
THIS_BASE: Final = os.path.realpath(sys.base_prefix)


def main() -> int:
    """Do what the arguments say; answer the exit code."""
    verb, how, *directories = sys.argv[1:]
    os.chdir(CHECKOUT)
    try:
        if verb == "clean":
            _refuse_while_servers_run()
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


def say(line: str) -> None:
    """Tell whoever called make."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


# What is to be done


def make(directory: Path, verb: str, *, python_is_named: bool) -> None:
    """See to it that the environment holds all that the verb needs. Raises FailedError, OSError."""
    locks = {lock: hashlib.sha256(Path(lock).read_bytes()).hexdigest() for lock in _COSTS}
    wanted = RUN_LOCK if verb == "run" else DEV_LOCK
    with _claimed(directory) as mark:
        holds = _read(mark)
        why_anew = _why_anew(directory, holds, locks, python_is_named=python_is_named)
        if why_anew is not None or wanted not in holds.locks:
            started = time.monotonic()
            _write(mark, Installed())
            if why_anew is not None:
                _create(directory, why_anew, mark)
                holds = Installed(THIS_PYTHON, THIS_BASE)
            _install(directory, wanted, mark)
            # The file for tests contains that for running.
            held = [RUN_LOCK, wanted]
            holds = Installed(holds.python, holds.base, {lock: locks[lock] for lock in held})
            _link(directory, holds.python)
            _write(mark, holds)
            say(f"{directory} is ready, after {time.monotonic() - started:.0f} s.")
        else:
            _link(directory, holds.python)
        if verb == "lock":
            _pip(directory, mark, "--quiet", "uv>=0.8")


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
        str(_python(directory)),
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
    if not _is_ours(directory):
        say(f"{directory} was not made by make and stays.")
        return
    with _claimed(directory):
        _remove_parts(directory)
        (directory / MARK).unlink()
    try:
        directory.rmdir()
    except OSError:
        say(f"{directory} stays, because other things lie in it.")


def _refuse_while_servers_run() -> None:
    """Their data are removed next. The lock is theirs: scoreboard/operations/embedded/home.py."""
    try:
        with open(".scoreboard/lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        pass
    except BlockingIOError:
        raise FailedError("Scoreboard runs in this checkout. Stop it first.") from None


# The directory and its mark


def _claimed(directory: Path) -> IO[str]:
    """Answer the directory's mark, open and locked. Both are made if there is no such directory.

    Raises FailedError where the directory is somebody else's, or cannot hold an environment.
    """
    if str(directory).startswith("~"):
        raise FailedError(f"Your shell left the ~ in VENV={directory}: write $HOME in its place.")
    while True:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if not _is_ours(directory) and any(directory.iterdir()):
                by_hand = (directory / "pyvenv.cfg").exists()
                raise FailedError(
                    f"{directory} is there and was not made by make, so it stays as it is. Take "
                    "another directory:  make run VENV=.venv-make"
                    f"{'  (or remove this one yourself).' if by_hand else ''}"
                )
            mark = open(directory / MARK, "a+", encoding="utf-8")  # noqa: SIM115 - the caller's
        except OSError as error:
            raise FailedError(
                f"{directory} cannot become a virtual environment: {error.strerror}. Take a "
                "directory where you may write:  make run VENV=/path/of/it"
            ) from error
        _lock(mark, directory)
        if _is_still_there(mark, directory):
            return mark
        mark.close()


def _is_ours(directory: Path) -> bool:
    return any((directory / mark).is_file() for mark in (MARK, *_EARLIER_MARKS))


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


def _read(mark: IO[str]) -> Installed:
    mark.seek(0)
    try:
        return Installed(**json.load(mark))
    except (ValueError, TypeError):  # new, or cut off
        return Installed()


def _write(mark: IO[str], holds: Installed) -> None:
    mark.truncate(0)
    json.dump(asdict(holds), mark, indent=1)
    mark.flush()


def _remove_parts(directory: Path) -> None:
    for part in (*_PARTS, *_EARLIER_MARKS):
        path = directory / part
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


# Its content


def _create(directory: Path, why: str, mark: IO[str]) -> None:
    again, because = (" anew", f", because {why}") if why else ("", "")
    version = sys.version.split()[0]
    say(f"Making {directory}{again} with Python {version} ({sys.executable}){because}.")
    _require_usable(directory)
    _remove_parts(directory)
    # It holds the mark too: if this process is killed, nobody works on what that still works on.
    made = subprocess.run(
        [*_maker(), str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        pass_fds=(mark.fileno(),),
    )
    if made.returncode:
        raise FailedError(
            f"{made.stdout.strip()}\n{directory} could not be made.{_if_full(directory)}"
        )


def _maker() -> list[str]:
    """The command that makes an environment with this Python where its last argument says."""
    if find_spec("ensurepip") and find_spec("venv"):
        return [sys.executable, "-I", "-m", "venv"]
    if find_spec("virtualenv"):
        return [sys.executable, "-I", "-m", "virtualenv", "--quiet"]
    if program := shutil.which("virtualenv"):
        return [program, "--quiet", "--python", sys.executable]
    raise FailedError(
        f"{sys.executable} cannot make virtual environments.\n"
        "  Debian or Ubuntu:  sudo apt-get install python3-venv"
    )


def _require_usable(directory: Path) -> None:
    """Raise FailedError where no environment works, before minutes go into one."""
    elsewhere = "Take a directory elsewhere:  make run VENV=/path/of/it"
    path = str(directory.absolute())
    if os.pathsep in path or "\n" in path:
        raise FailedError(f"No environment can lie in a path with a colon: {path}. {elsewhere}")
    if os.statvfs(directory).f_flag & getattr(os, "ST_NOEXEC", 0):
        raise FailedError(f"Nothing can be started from where {path} lies (noexec). {elsewhere}")
    probe = directory / ".symlink"
    try:
        probe.symlink_to("nowhere")
        probe.unlink()
    except OSError as error:
        raise FailedError(
            f"No symbolic link can be made in {path}: {error.strerror}. {elsewhere}"
        ) from error


def _install(directory: Path, lock: str, mark: IO[str]) -> None:
    megabytes, duration = _COSTS[lock]
    say(f"Installing {lock}: about {megabytes} MB, {duration} where the index is near.")
    if shutil.disk_usage(directory).free < megabytes * 1_000_000:
        raise FailedError(f"There is no room for that.{_if_full(directory)}")
    _pip(directory, mark, "--no-deps", "--require-hashes", "--requirement", lock)


def _pip(directory: Path, mark: IO[str], *arguments: str) -> None:
    python = str(_python(directory))
    command = [python, "-I", "-m", "pip", "install", *arguments]
    try:
        environment = pip_settings.environment(python)
    except subprocess.CalledProcessError as error:
        raise FailedError(f"pip cannot read its configuration:\n{error.stderr.strip()}") from error
    # With the mark, as above.
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
        pass_fds=(mark.fileno(),),
    ) as pip:
        assert pip.stdout is not None
        _show_progress(pip.stdout)
    if pip.returncode:
        raise FailedError(
            "pip could not install that: it says why above. The next make tries again."
            f"{_if_full(directory)}"
        )


def _show_progress(lines: IO[str]) -> None:
    """Say in one line of the terminal, if it is one, what pip does."""
    is_shown = sys.stderr.isatty()
    for line in lines:
        if is_shown and line.startswith(("Collecting ", "Installing ")):
            sys.stderr.write(f"\r\033[K  {line.strip()[:70]}")
            sys.stderr.flush()
    if is_shown:
        sys.stderr.write("\r\033[K")


def _if_full(directory: Path) -> str:
    """Say which disk is full, if one is."""
    places = {str(directory.absolute()), os.environ.get("TMPDIR") or "/tmp"}
    free = {
        place: shutil.disk_usage(place).free // 1_000_000
        for place in places
        if os.path.isdir(place)
    }
    return "".join(
        f" {place} has only {left} MB left." for place, left in free.items() if left < 200
    )


def _link(directory: Path, python: str) -> None:
    """Put the package of this checkout and its command into the environment.

    pip's own links end where the checkout moves, and setuptools cannot make one in a path with `$`.
    """
    packages = directory / "lib" / f"python{python}" / "site-packages"
    inside = packages.resolve().is_relative_to(CHECKOUT)
    checkout = os.path.relpath(CHECKOUT, packages.resolve()) if inside else str(CHECKOUT)
    _write_file(packages / "scoreboard.pth", f"{checkout}\n")
    program = directory / "bin" / "scoreboard"
    _write_file(program, _PROGRAM)
    program.chmod(0o755)


def _write_file(path: Path, text: str) -> None:
    content = os.fsencode(text)
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


def _python(directory: Path) -> Path:
    return directory.absolute() / "bin" / "python"


if __name__ == "__main__":
    sys.exit(main())
