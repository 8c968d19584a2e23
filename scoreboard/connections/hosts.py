"""Reads addresses of PostgreSQL, and keeps which of their hosts is the primary, as far as known.

libpq finds the primary by itself (`target_session_attrs`) where it connects in one call, as for
migrations; aiopg does not. All sessions of a process share what one of them found, so that none
goes on reading from a server that was left behind.
"""

from __future__ import annotations

from typing import Final

from psycopg2 import ProgrammingError
from psycopg2.extensions import make_dsn, parse_dsn

from scoreboard.connections.session_settings import schema_named

# How long connecting may take while somebody waits for an answer, all hosts together.
CONNECT_SECONDS: Final = 3.0
_CONNECT_MIN_SECONDS: Final = 1.0  # one host


class Hosts:
    """One address per host, numbered as they were named; every session is to use the `present` one.
    Each has its share of `connect_seconds`, and a second at least. Raises ValueError on an address
    that cannot be read.
    """

    def __init__(self, url: str, connect_seconds: float = CONNECT_SECONDS) -> None:
        self.urls = _one_for_each_host(url)
        self.seconds_each: Final = max(connect_seconds / len(self.urls), _CONNECT_MIN_SECONDS)
        self.present = 0

    def in_turn(self) -> list[int]:
        """Every host, the present one first."""
        count = len(self.urls)
        return [(self.present + step) % count for step in range(count)]

    def doubt(self, host: int) -> None:
        """A session broke on this host: ask the next one first, should it still be the present
        one. (A primary that lost its replica can be reached, and commits nothing.)
        """
        if host == self.present:
            self.present = (host + 1) % len(self.urls)


def problem(url: str) -> str:
    """Say why this cannot be read as an address, "" if it can; nobody is asked."""
    try:
        _one_for_each_host(url)
        schema_named(url)
    except ValueError as error:
        return str(error)
    return ""


def primary(url: str) -> str:
    """The address for libpq, which finds the primary by itself. Raises ValueError."""
    if len(_one_for_each_host(url)) == 1:
        return url
    dsn: str = make_dsn(url, target_session_attrs="read-write")
    return dsn


def place(url: str) -> str:
    """Say where a database is, for messages: hosts, ports and name, never the password."""
    try:
        parts = [parse_dsn(each) for each in _one_for_each_host(url)]
    except ValueError:
        return "an address that cannot be read"
    hosts = [f"{part.get('host', 'localhost')}:{part.get('port', '5432')}" for part in parts]
    return f"{','.join(hosts)}/{parts[0].get('dbname', '')}"


def _one_for_each_host(url: str) -> list[str]:
    """Take `postgresql://user@one:5432,two:5432/name` apart as libpq does: the lists go together,
    and one port is for all. Raises ValueError, whose message never repeats the address.
    """
    try:
        parts = parse_dsn(url)
    except ProgrammingError:  # its message repeats the address, password and all
        raise ValueError("The address of PostgreSQL cannot be read") from None
    lists = {key: parts[key].split(",") for key in ("host", "hostaddr", "port") if key in parts}
    count = max(map(len, lists.values()), default=1)
    if any(len(values) not in (1, count) for values in lists.values()):
        raise ValueError(
            "The address of PostgreSQL has to name as many ports as hosts, or one for all"
        )
    parts.pop("target_session_attrs", None)
    return [
        make_dsn(**parts | {key: values[host % len(values)] for key, values in lists.items()})
        for host in range(count)
    ]
