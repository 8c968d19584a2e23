"""What an environment consists of: Python, the packages of a lock file, and the package of this
checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

import pip_settings
from directory import FailedError, remove_parts, say

CHECKOUT: Final = Path(__file__).resolve().parent.parent
RUN_LOCK: Final = "requirements-embedded.lock"
DEV_LOCK: Final = "requirements-dev.lock"
# By lock file: megabytes on the disk, and how long it takes where the index is near.
_COSTS: Final = {RUN_LOCK: (200, "half a minute"), DEV_LOCK: (700, "a minute")}

# Both a shell's and Python's: it starts the Python that lies beside it, whatever their path is.
_PROGRAM: Final = """\
#!/bin/sh
''':'
unset PYTHONHOME PYTHONPATH
exec "$(dirname -- "$0")/python" "$0" "$@"
'''
from scoreboard.cli import main

main()
"""


def create(directory: Path, why: str, mark: IO[str]) -> None:
    """Make it anew with this Python, and say why. Raises FailedError."""
    again, because = (" anew", f", because {why}") if why else ("", "")
    version = sys.version.split()[0]
    say(f"Making {directory}{again} with Python {version} ({sys.executable}){because}.")
    _require_usable(directory)
    remove_parts(directory)
    # It holds the mark too: if this process is killed, nobody works on what that still works on.
    made = subprocess.run(
        # Resolved, because venv refuses a symbolic link.
        [*_maker(), str(directory.resolve())],
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


def install(directory: Path, lock: str, mark: IO[str]) -> None:
    """Install a lock file whole. Raises FailedError."""
    megabytes, duration = _COSTS[lock]
    say(f"Installing {lock}: about {megabytes} MB, {duration} where the index is near.")
    if shutil.disk_usage(directory).free < megabytes * 1_000_000:
        raise FailedError(f"There is no room for that.{_if_full(directory)}")
    run_pip(directory, mark, "--no-deps", "--require-hashes", "--requirement", lock)


def run_pip(directory: Path, mark: IO[str], *arguments: str) -> None:
    """Let its pip install something, and show how that goes. Raises FailedError."""
    python = str(python_of(directory))
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
    room = shutil.get_terminal_size().columns - 3
    for line in lines:
        if is_shown and line.startswith(("Collecting ", "Installing ")):
            sys.stderr.write(f"\r\033[K  {line.strip()[: min(room, 70)]}")
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


def link(directory: Path, python: str) -> None:
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


def python_of(directory: Path) -> Path:
    """Where its Python lies."""
    return directory.absolute() / "bin" / "python"
