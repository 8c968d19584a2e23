"""What the three servers have in common: one process tree, one port, one directory."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import psutil

from tests.servers.ports import ReservedPort
from tests.servers.undertaker import Undertaker

_undertaker = Undertaker()
_alive: list[ServerProcess] = []


Server = TypeVar("Server", bound="ServerProcess")


class ServerFailedError(RuntimeError):
    """A server did not start or did not stop; the message ends with the tail of its log."""


class ServerProcess:
    """One real server in its own process group. Its port stays its own until `destroy`.

    The faults are those of real life: `stop` asks it to go, `kill` is a crash of it and all its
    children, `pause` freezes them with their connections open.
    """

    name: ClassVar[str]
    controllable: ClassVar[bool] = True
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    # Ends it at once when its data is worthless.
    end_signal: ClassVar[signal.Signals] = signal.SIGKILL
    start_seconds: ClassVar[float] = 60
    stop_seconds: ClassVar[float] = 30

    def __init__(self, *, room: Path | None = None) -> None:
        """Reserve a port and a directory: in `room`, or where temporary files go here."""
        self._port = ReservedPort()
        self._process: subprocess.Popen[bytes] | None = None
        self.directory = Path(tempfile.mkdtemp(prefix=f"scoreboard-{self.name}-", dir=room))
        self.log = self.directory / "server.log"
        _undertaker.note("+tree", self.directory)
        _alive.append(self)

    # What each server says for itself.

    @property
    def url(self) -> str:
        """The address that clients use; the same after a restart."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Lay out the directory before the first start."""

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the program through `spawn`."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Say whether it serves requests; an exception from its socket counts as no."""
        raise NotImplementedError

    # What they share.

    @property
    def port(self) -> int:
        """The loopback port, reserved for as long as this object lives."""
        return self._port.number

    @property
    def pid(self) -> int:
        """The process id of the running server's first process."""
        if self._process is None:
            raise ServerFailedError(f"{self.name} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Say whether the process exists, be it paused."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start and answer when requests are served."""
        self.begin()
        try:
            self._await(self._ready, self.start_seconds, "did not start")
        except BaseException:
            self.kill()
            raise
        return self

    def begin(self) -> None:
        """Start, and leave it to the caller to wait: members of a cluster wait for each other."""
        if self.running:
            raise ServerFailedError(f"{self.name} runs already")
        if not self.log.exists():
            self.prepare()
        self._process = self.launch()

    def stop(self) -> None:
        """Ask it to shut down in order and wait until it has."""
        if not self.running:
            return
        self.resume()
        os.kill(self.pid, self.stop_signal)
        self._await(lambda: not self.running, self.stop_seconds, "did not stop")
        self._forget()

    def kill(self) -> None:
        """Crash it: SIGKILL to every process of its tree at once."""
        if self.running:
            killed = self._signal_tree(signal.SIGKILL)
            self._await(lambda: all(map(is_gone, killed)), 5, "did not die")
        self._forget()

    def restart(self) -> None:
        """Stop and start on the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it, and return once all of it stands still: connections open, nobody answers."""
        frozen = self._signal_tree(signal.SIGSTOP)
        self._await(lambda: all(map(_stands_still, frozen)), 5, "did not freeze")

    def resume(self) -> None:
        """Let a paused server go on."""
        self._signal_tree(signal.SIGCONT)

    def heal(self) -> None:
        """Undo whatever a fault test did: it runs and answers again."""
        if self.running:
            self.resume()
            self._await(self._ready, self.start_seconds, "did not recover")
        else:
            self.start()

    def destroy(self) -> None:
        """End it for good and remove its files, without an orderly stop: its data is worthless."""
        if self.running:
            self.resume()
            os.kill(self.pid, self.end_signal)
            with suppress(ServerFailedError):
                self._await(lambda: not self.running, self.stop_seconds, "did not end")
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
        _undertaker.note("-tree", self.directory)
        self._port.release()
        if self in _alive:
            _alive.remove(self)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.destroy()

    def spawn(
        self,
        arguments: list[str | Path],
        *,
        environment: dict[str, str] | None = None,
        account: str | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Start a program that must not outlive the test run, its output appended to the log."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=environment,
                start_new_session=True,
                **identity(account),
            )
        _undertaker.note("+process", f"{process.pid} {self.end_signal.value}")
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End a process that `spawn` started and reap it."""
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
        _undertaker.note("-process", f"{process.pid} {self.end_signal.value}")

    def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Return when something about it is so; meanwhile it has to run, and an exception from its
        socket counts as no.
        """
        self._await(lambda: self._so(condition), seconds, "is not as it should be")

    def log_tail(self) -> str:
        """Answer the end of the log, for messages."""
        return self.log.read_text(errors="replace")[-2_000:] if self.log.exists() else "(no log)"

    def _forget(self) -> None:
        if self._process is not None:
            self.end(self._process)
            self._process = None

    def _ready(self) -> bool:
        return self._so(self.answers)

    def _so(self, condition: Callable[[], bool]) -> bool:
        if not self.running:
            raise ServerFailedError(f"{self.name} ended at once:\n{self.log_tail()}")
        with suppress(OSError):
            return condition()
        return False

    def _await(self, condition: Callable[[], bool], seconds: float, failure: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise ServerFailedError(f"{self.name} {failure} in {seconds} s:\n{self.log_tail()}")
            time.sleep(0.02)

    def _signal_tree(self, number: signal.Signals) -> list[psutil.Process]:
        """Signal parent first, so that it starts no further child, then every descendant.

        A process group is not enough: PostgreSQL's backends leave it.
        """
        parent = psutil.Process(self.pid)
        children = parent.children(recursive=True)
        for process in [parent, *children]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        return [parent, *children]


def identity(account: str | None) -> dict[str, Any]:
    """Answer what makes `subprocess` run a program as `account`; nothing for our own."""
    return {"user": account, "group": _group_of(account), "extra_groups": []} if account else {}


def _group_of(account: str) -> int:
    import pwd

    return pwd.getpwnam(account).pw_gid


def is_gone(process: psutil.Process) -> bool:
    """Say whether it has ended, be it that nobody has reaped it yet."""
    return _status(process) in {None, psutil.STATUS_ZOMBIE}


def _stands_still(process: psutil.Process) -> bool:
    return _status(process) in {None, psutil.STATUS_ZOMBIE, psutil.STATUS_STOPPED}


def _status(process: psutil.Process) -> str | None:
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return None


def exchange(port: int, request: bytes, size: int) -> bytes:
    """Send `request` on a fresh connection and answer up to `size` bytes of the reply."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(request)
        return connection.recv(size)


@atexit.register
def _end_all() -> None:
    """Catch what no finalizer ended: an interrupted run, a server started outside a fixture."""
    for server in list(_alive):
        server.destroy()
    _undertaker.dismiss()


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[Server]:
    """Start a server without standing in the way of the event loop, and destroy it after."""
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.destroy)
