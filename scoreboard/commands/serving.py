"""`scoreboard serve`: one process or several, on servers that are named or embedded."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import functools
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from typing import Final

from scoreboard.api.http.listening import http_address
from scoreboard.branding import branding
from scoreboard.commands import embedding
from scoreboard.configuration import sources as configuration
from scoreboard.configuration.settings import Settings
from scoreboard.console.arguments import Commands, count
from scoreboard.console.reports import CommandFailed
from scoreboard.console.servers import await_postgres, check_amqp_url, check_redis_url
from scoreboard.console.terminal import note, sentence
from scoreboard.operations import logs
from scoreboard.processes import lifeline, loading
from scoreboard.processes.crew import bound_seats
from scoreboard.processes.unwinding import (
    ended_by_signals,
    ignore_signals,
    leave,
    leave_if_hung_up,
    to_its_end,
)
from scoreboard.processes.workers import Supervisor

_WAIT_SECONDS: Final = 30.0


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
    _add_workers(serve)
    serve.add_argument(
        "--wait",
        type=float,
        default=_WAIT_SECONDS,
        metavar="SECONDS",
        help="how long to wait for PostgreSQL at the start (default: %(default)g)",
    )


def _add_workers(serve: argparse.ArgumentParser) -> None:
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


def _serve(arguments: argparse.Namespace) -> None:
    found = configuration.load(host=arguments.host, port=arguments.port, role=arguments.role)
    logs.configure(found.log_level, found.log_format, found.instance)
    with contextlib.ExitStack() as stack:
        supervises = arguments.workers > 1 and arguments.lifeline is None
        stack.enter_context(ended_by_signals(leave_if_hung_up() if supervises else leave))
        exports: list[str] = []
        if arguments.embedded:
            found, exports = stack.enter_context(embedding.with_servers(found))
        stack.callback(ignore_signals)  # the embedded servers are on their way out then
        configuration.require_servers(found)
        branding.load(found)  # once, and not by each worker as it starts
        check_redis_url(found)
        check_amqp_url(found)
        await_postgres(found, arguments.wait, may_embed=not arguments.embedded)

        def on_listening(address: str) -> None:
            if arguments.embedded:
                embedding.welcome(address, exports)

        try:
            if supervises:
                _supervise(found, arguments, on_listening)
            else:
                _listen(found, arguments.lifeline, on_listening)
        except OSError as error:
            raise CommandFailed(why_not_listening(found, error)) from error


def _listen(found: Settings, line: int | None, on_listening: Callable[[str], None]) -> None:
    """Serve in this process. `line` is the file that joins a worker to its supervisor."""
    with loading.for_good():
        import uvloop

        from scoreboard import app  # brings aiohttp, which no other command has to wait for

    with contextlib.nullcontext() if line is None else lifeline.joined(line) as supervisor:
        uvloop.run(to_its_end(app.serve(found, on_listening, supervisor=supervisor)))


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
        bound_seats(found.host, found.port, arguments.workers) as seats,
        tempfile.TemporaryDirectory(prefix="scoreboard-metrics-") as metrics_directory,
    ):
        port = seats[0][0].getsockname()[1]
        decided = {"host": found.host, "port": str(port), "role": found.role}
        if arguments.embedded:
            decided |= {
                "database_url": found.database_url,
                "redis_url": found.redis_url,
                "jwt_secret": found.jwt_secret,
            }
        supervisor = Supervisor(
            seats,
            [*this_program(), "serve", "--lifeline"],
            {f"{configuration.PREFIX}{key.upper()}": value for key, value in decided.items()},
            instance=found.instance,
            metrics_directory=metrics_directory,
            end_seconds=found.drain_seconds + found.shutdown_seconds,
        )
        address = http_address(found.host, port)
        asyncio.run(to_its_end(supervisor.run(functools.partial(on_listening, address))))


def this_program() -> list[str]:
    """Start this program as it was started: `-m` alone looks for modules in the directory where we
    are, which is anybody's.
    """
    is_module = os.path.basename(sys.argv[0]) == "__main__.py"
    # guard: workers-load-no
    return [sys.executable, *([] if is_module else ["-P"]), "-m", "scoreboard"]


def why_not_listening(found: Settings, error: OSError) -> str:
    """Say why the address cannot be listened on, and what to do."""
    host, port = found.host, found.port
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is taken by another program. End that one, or "
            "choose another port: --port 8081, or SCOREBOARD_PORT; --port 0 takes a free one."
        )
    if isinstance(error, socket.gaierror):
        return (
            f"No address is known of {host}: set --host or SCOREBOARD_HOST to an address of this "
            "machine. 127.0.0.1 is for programs on it alone, 0.0.0.0 or :: for everybody who "
            "reaches it."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This machine has no address {host}: set --host or SCOREBOARD_HOST."
    if error.errno == errno.EACCES:
        return (
            f"Port {port} on {host} is not for every user: mostly those below 1024 are not. Choose "
            "another one, --port 8080, and let a proxy or the firewall lead there; or give the "
            "process CAP_NET_BIND_SERVICE."
        )
    return f"Cannot listen on {host}, port {port}: {sentence(error.strerror or error)}"
