"""`scoreboard serve`: one process or several, on servers that are named or embedded."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import functools
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final, NoReturn

from scoreboard import configuration, migrations
from scoreboard.commands import embedding, workers
from scoreboard.commands.arguments import Commands, count
from scoreboard.commands.failure import CommandFailed
from scoreboard.commands.servers import check_amqp_url, check_redis_url, database_url
from scoreboard.commands.terminal import first_line, note, program, say, sentence
from scoreboard.connections.hints import POSTGRES
from scoreboard.operations import logs
from scoreboard.settings import Settings

_WAIT_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.5

_WELCOME: Final = """
  Scoreboard runs. Open {address} to watch the board live.

    players            {program} demo --url {address}
    what it offers     {address}/docs
    the board          curl {address}/api/leaderboard
    its stream         curl -N {address}/api/leaderboard/stream
    an account         curl {address}/api/auth/register -H 'Content-Type: application/json' \\
      -d '{{"username": "ada", "email": "ada@example.org", "password": "analytical engine"}}'
{servers}
  Ctrl-C ends it.
"""


def add_to(commands: Commands) -> None:
    """Declare `serve`."""
    serve = commands.add(
        "serve",
        _serve,
        "serve the API and the streams until Ctrl-C or SIGTERM",
        "scoreboard serve --embedded               with servers of its own, for a try",
        "scoreboard serve --host 0.0.0.0           with the servers that SCOREBOARD_*_URL name",
        "scoreboard serve --role stream --port 0   a process for streams, on a free port",
        "scoreboard serve --workers 2              a process per core, on one port",
    )
    serve.add_argument("--host", help="address to listen on (SCOREBOARD_HOST)")
    serve.add_argument(
        "--port", type=int, help="port to listen on; 0: a free one (SCOREBOARD_PORT)"
    )
    serve.add_argument(
        "--role",
        choices=["all", "api", "stream"],
        help="all; api: no streams; stream: only reads and streams (SCOREBOARD_ROLE)",
    )
    serve.add_argument(
        "--embedded",
        action="store_true",
        help="start a private PostgreSQL and Redis in the place of each of SCOREBOARD_DATABASE_URL "
        "and SCOREBOARD_REDIS_URL that is not set; data stay in .scoreboard/",
    )
    serve.add_argument(
        "--workers",
        type=count,
        default=1,
        metavar="N",
        help="serve with so many processes on the one port; SIGHUP replaces them one after the "
        "other (default: %(default)s)",
    )
    # How a worker is told that it is one: the file that joins it to its supervisor.
    serve.add_argument("--lifeline", type=int, help=argparse.SUPPRESS)
    serve.add_argument(
        "--wait",
        type=float,
        default=_WAIT_SECONDS,
        metavar="SECONDS",
        help="how long to wait for PostgreSQL at the start (default: %(default)g)",
    )


def _serve(arguments: argparse.Namespace) -> int:
    found = configuration.load(host=arguments.host, port=arguments.port, role=arguments.role)
    logs.configure(found.log_level, found.log_format, found.instance)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ended_by_sigterm())
        servers = ""
        if arguments.embedded:
            found, servers = stack.enter_context(embedding.with_servers(found))
        # After uvloop SIGTERM would again end the process where it stands, which would leave the
        # embedded servers behind; they are on their way out already.
        stack.callback(signal.signal, signal.SIGTERM, signal.SIG_IGN)
        configuration.require_servers(found)
        check_redis_url(found)
        check_amqp_url(found)
        _await_postgres(database_url(found), arguments.wait, may_embed=not arguments.embedded)
        on_listening = functools.partial(_welcome, servers if arguments.embedded else None)
        try:
            if arguments.lifeline is not None:
                listening = stack.enter_context(workers.lifeline(arguments.lifeline))
                _listen(found, listening, reuse_port=True)
            elif arguments.workers > 1:
                _supervise(found, arguments, on_listening)
            else:
                _listen(found, on_listening)
        except OSError as error:
            raise CommandFailed(_why_not_listening(found, error)) from error
    return 0


def _listen(
    found: Settings, on_listening: Callable[[str], None], *, reuse_port: bool = False
) -> None:
    import uvloop

    from scoreboard import app  # brings aiohttp, which no other command has to wait for

    uvloop.run(app.serve(found, on_listening, reuse_port=reuse_port))


def _supervise(
    found: Settings, arguments: argparse.Namespace, on_listening: Callable[[str], None]
) -> None:
    """Serve with several processes. Each reads its settings anew when it starts; what was decided
    here (arguments, embedded servers, a free port) comes before them.
    """
    if not found.amqp_url:
        note(
            "scoreboard: without SCOREBOARD_AMQP_URL a worker hears of the other workers' boards "
            f"only when it compares versions, every {found.reconcile_seconds:g} s."
        )
    with (
        workers.reserved_port(found.host, found.port) as port,
        workers.metrics_directory() as directory,
    ):
        decided = {"host": found.host, "port": str(port), "role": found.role}
        if arguments.embedded:
            decided |= {
                "database_url": found.database_url,
                "redis_url": found.redis_url,
                "jwt_secret": found.jwt_secret,
            }
        supervisor = workers.Supervisor(
            arguments.workers,
            [sys.executable, "-m", "scoreboard", "serve", "--lifeline"],
            {f"{configuration.PREFIX}{key.upper()}": value for key, value in decided.items()}
            | {workers.METRICS_DIRECTORY: directory},
            instance=found.instance,
            end_seconds=found.drain_seconds + found.shutdown_seconds,
        )
        address = (
            f"http://[{found.host}]:{port}" if ":" in found.host else f"http://{found.host}:{port}"
        )
        asyncio.run(supervisor.run(functools.partial(on_listening, address)))


def _why_not_listening(found: Settings, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {found.port} on {found.host} is taken by another program. End that one, or "
            "choose another port: --port 8081, or SCOREBOARD_PORT; --port 0 takes a free one."
        )
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"This machine has no address {found.host}: set --host or SCOREBOARD_HOST."
    return f"Cannot listen on {found.host}, port {found.port}: {sentence(error.strerror or error)}"


def _welcome(servers: str | None, address: str) -> None:
    """Say where everything is, to a person who is trying it out."""
    if servers is not None and sys.stdout.isatty():
        say(_WELCOME.format(address=address, program=program(), servers=servers))
        sys.stdout.flush()


# Waiting for PostgreSQL.


def _await_postgres(url: str, seconds: float, *, may_embed: bool) -> None:
    """Return when PostgreSQL answers. Raises CommandFailed: which one, where, what to do; and
    UnfitDatabase at once when waiting does not help.
    """
    deadline = time.monotonic() + seconds
    problem = _connection_problem(url)
    if problem and seconds:
        what, _, _ = first_line(problem).partition(": ")
        why = first_line(problem).rpartition(": ")[2].strip()
        note(f"scoreboard: {what} ({why}); waiting up to {seconds:g} s")
    while problem:
        if time.monotonic() > deadline:
            away = not isinstance(problem, migrations.DatabaseRefuses)
            advice = f" {_advice(problem, may_embed=may_embed)}" if away else ""
            raise CommandFailed(f"{sentence(first_line(problem))}{advice}")
        time.sleep(_PAUSE_SECONDS)
        problem = _connection_problem(url)


def _connection_problem(url: str) -> migrations.MigrationError | None:
    """Why PostgreSQL does not let us in; None when it does. The rest is judged by `app`."""
    try:
        asyncio.run(migrations.require_answer(url))
    except migrations.UnfitDatabase:
        raise
    except migrations.MigrationError as error:
        return error
    return None


def _advice(problem: migrations.MigrationError, *, may_embed: bool) -> str:
    if problem.to_do != POSTGRES.to_do(""):  # starting it is not what mends that
        return problem.to_do
    start = "Start PostgreSQL there, or set SCOREBOARD_DATABASE_URL to where it runs"
    embed = "; `scoreboard serve --embedded`, without that variable, brings its own"
    return f"{start}{embed if may_embed else ''}."


# Signals.


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the process until the service listens for it itself, so that the embedded
    servers end with it.
    """
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(_: int, __: FrameType | None) -> NoReturn:
    raise SystemExit(0)
