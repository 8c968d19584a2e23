"""The hosts that one address of PostgreSQL names, and which of them is the primary as far as is
known.

libpq would find it by itself (`target_session_attrs`), and does where it connects in one call
(`migrations`); aiopg does not. All sessions of a process share one finding: whoever sees that the
primary is elsewhere takes the others along, so that nobody goes on reading from a server that was
left behind.
"""

from __future__ import annotations

from typing import Final

from psycopg2 import ProgrammingError
from psycopg2.extensions import make_dsn, parse_dsn

CONNECT_SECONDS: Final = 3  # for all hosts together
# Whoever stops within a transaction (a suspended command, a lost host) gives its locks up after
# this.
_IDLE_IN_TRANSACTION_MAX_MS: Final = 10_000
# A dead peer is noticed within this time even when the network swallows packets without a word.
_PEER_TIMEOUT_SECONDS: Final = 5


class Hosts:
    """One address per host, numbered as they were named. Raises ValueError on an address that
    cannot be read.
    """

    def __init__(self, url: str) -> None:
        self.urls = _one_for_each_host(url)
        self.present = 0

    def in_turn(self) -> list[int]:
        """Every host, the present one first."""
        count = len(self.urls)
        return [(self.present + step) % count for step in range(count)]

    def agree_on(self, host: int) -> None:
        """This one is the primary: from here on every session is to use it."""
        self.present = host

    def doubt(self, host: int) -> None:
        """A session broke on this host: ask the next one first, should it still be the present
        one. (A primary that lost its replica can be reached, and commits nothing.)
        """
        if host == self.present:
            self.present = (host + 1) % len(self.urls)


def with_deadlines(url: str, timeout_seconds: float, name: str) -> str:
    """Add the deadlines to the address: the server gives up a little before we do. Options of the
    address's own stay, and ours go before them.

    client_connection_check_interval ends a query whose client is gone, so that it frees its locks.
    """
    milliseconds = int(timeout_seconds * 1000)
    options = {
        "statement_timeout": int(milliseconds * 0.9),
        "lock_timeout": int(milliseconds * 0.8),
        "idle_in_transaction_session_timeout": min(milliseconds * 2, _IDLE_IN_TRANSACTION_MAX_MS),
        "client_connection_check_interval": 500,
        "synchronous_commit": "on",
        # A commit that did not wait for the replica is a warning; a trigger's notice says nothing.
        "client_min_messages": "warning",
        "timezone": "UTC",
        "jit": "off",  # compiling these statements takes longer than running them
    }
    ours = [f"-c {key}={value}" for key, value in options.items()]  # the last one counts
    dsn: str = make_dsn(
        url,
        application_name=name,
        connect_timeout=CONNECT_SECONDS,
        keepalives_idle=_PEER_TIMEOUT_SECONDS,
        keepalives_interval=1,
        keepalives_count=3,
        tcp_user_timeout=_PEER_TIMEOUT_SECONDS * 1000,
        options=" ".join([parse_dsn(url).get("options", ""), *ours]).strip(),
    )
    return dsn


def is_address(url: str) -> bool:
    """Whether this can be read as an address; it says nothing about who answers there."""
    try:
        _one_for_each_host(url)
    except ValueError:
        return False
    return True


def primary_dsn(url: str, **more: object) -> str:
    """The address for libpq itself, which then takes the first of several hosts that takes writes.
    Raises ValueError.
    """
    if len(_one_for_each_host(url)) > 1:
        more["target_session_attrs"] = "read-write"
    dsn: str = make_dsn(url, **more)
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
