"""What to do about a server that cannot be used, by what it or the way to it said: a wrong password
is not mended by starting anything.

One table for each server, and one for what all of them share: the first row whose words are in the
message counts. Tests meet each row on a real server where that is possible.
"""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

_NUMBERED: Final = re.compile(
    r"(?:\[Errno|Error) (?P<number>\d+)\D.*Connect call failed.*", re.DOTALL
)
_PLACE_IN_C: Final = re.compile(r"\s*\(_ssl\.c:\d+\)")


class Row(NamedTuple):
    """What to do where the message has these `words`, a regular expression. PostgreSQL gives no
    SQLSTATE to a client that it does not let in: there it is known by the words alone.
    """

    words: str
    to_do: str
    sqlstate: str = ""


# `{variable}` is the setting, `{server}` what runs there, `{plain}` and `{tls}` how an address says
# that there is no TLS or that there is, `{ca}` how it names whom to believe.
_SHARED: Final = (
    Row(
        "name or service not known|name resolution|could not translate host name"
        "|no address associated|nodename nor servname",
        "Mend the host in {variable}: this machine knows none of that name.",
    ),
    Row(
        "mismatch, certificate|doesn't match|does not match host name",
        "Name the host in {variable} as its certificate does.",
    ),
    Row("certificate has expired|is not yet valid", "Renew its certificate, or set the clock."),
    Row(
        "certificate verify failed|certificate_verify_failed",
        "Name the file of who signed its certificate in {variable}: {ca}.",
    ),
    Row(
        "wrong_version_number|wrong version number|record layer failure|does not support ssl",
        "It speaks no TLS there: say {plain} in {variable}, or switch TLS on in {server}.",
    ),
    Row(
        "^no answer in time|timed out|timeout expired|no route to host|network is unreachable"
        "|host is unreachable",
        "Look whether {server} runs there, at its log, and at firewalls on the way to it. {silent}",
    ),
    Row(
        "closed the connection unexpectedly|connection closed by server|connection unexpectedly "
        "closed. read 0 bytes|connection reset",
        "It ended the connection at once: its log says why. It may be starting, want TLS ({tls}), "
        "or be no {server}.",
    ),
)


@dataclass(frozen=True, slots=True)
class Hints:
    """What to do about one kind of server."""

    server: str
    variable: str
    plain: str
    tls: str
    ca: str
    rows: tuple[Row, ...]

    def row(self, said: str) -> Row | None:
        """The first row whose words are in what was said; None if nothing is known."""
        rows = (*self.rows, *_SHARED)
        return next((row for row in rows if re.search(row.words, said, re.IGNORECASE)), None)

    def to_do(self, said: str, url: str = "") -> str:
        """A sentence on what mends it; where nothing is known, to start the server."""
        row = self.row(said)
        silent = f"If it speaks no TLS, say {self.plain}." if url.startswith(self.tls) else ""
        words = row.to_do if row else "Start it, or set {variable} to where it runs."
        return words.format(**asdict(self), silent=silent).rstrip()


POSTGRES: Final = Hints(
    "PostgreSQL",
    "SCOREBOARD_DATABASE_URL",
    "?sslmode=disable",
    "?sslmode=require",
    "?sslrootcert=/path/to/ca.pem",
    (
        Row(
            "no password supplied",
            "Put the password into {variable}: postgresql://user:password@host:5432/name.",
        ),
        Row(
            "(peer|ident) authentication failed",
            "It lets in who has the same name on this machine: run as that account, name its user "
            "in {variable}, or mend pg_hba.conf.",
            "28P01",
        ),
        Row(
            "authentication failed|^password is",
            "Mend the user or the password in {variable}, or ALTER ROLE … PASSWORD.",
            "28P01",
        ),
        Row(
            "pg_hba.conf.*no encryption",
            "Add a line for it to pg_hba.conf; or, where that wants TLS, ?sslmode=require to "
            "{variable}.",
            "28000",
        ),
        Row("pg_hba.conf", "Add a line for it to pg_hba.conf.", "28000"),
        Row(
            "^role .* does not exist",
            "CREATE ROLE … LOGIN, or mend the user in {variable}.",
            "28000",
        ),
        Row(
            "is not permitted to log in",
            "ALTER ROLE … LOGIN, or name another user in {variable}.",
            "28000",
        ),
        Row(
            "^database .* does not exist",
            "Create it (createdb), or mend the name in {variable}.",
            "3D000",
        ),
        Row(
            "^permission denied for database",
            "GRANT CONNECT ON DATABASE … TO …, or name another one in {variable}.",
            "42501",
        ),
        Row(
            "^permission denied", "Grant it; scoreboard check names all that are missing.", "42501"
        ),
        Row(
            "too many (clients|connections)|remaining connection slots",
            "Raise max_connections (or the role's limit), or run fewer sessions.",
            "53300",
        ),
        Row(
            "the database system is|terminating connection",
            "Wait until it is ready: it starts, recovers or stops just now.",
            "57P03",
        ),
        Row(
            "invalid response to ssl negotiation|expected authentication request|unsupported "
            "frontend protocol",
            "No PostgreSQL answers there: mend host and port in {variable}.",
        ),
        Row(
            "unsupported startup parameter|unrecognized configuration parameter",
            "A pooler on the way takes no `options` (PgBouncer: add options to "
            "ignore_startup_parameters only if it sets them itself). Connect directly.",
            "42704",
        ),
        Row(
            "invalid .* value|invalid port number|invalid uri|invalid connection option",
            "Mend {variable}.",
        ),
        Row(
            "root certificate file .* does not exist|could not (load|read) .*(certificate|key)",
            "A file that {variable} names (sslrootcert, sslcert, sslkey) cannot be read: mend it.",
        ),
    ),
)

REDIS: Final = Hints(
    "Redis",
    "SCOREBOARD_REDIS_URL",
    "redis://",
    "rediss://",
    "?ssl_ca_certs=/path/to/ca.pem",
    (
        Row(
            "protected mode",
            "Set a password there (requirepass, or an ACL) and put it into {variable}: without one "
            "it lets in its own machine alone.",
        ),
        Row(
            "db index is out of range|invalid db index",
            "It has no database of that number: mend the end of {variable} (mostly 0 to 15).",
        ),
        Row("protocol error", "No Redis answers there: mend host and port in {variable}."),
        Row(
            "^error 2 connecting|no such file or directory",
            "A file or socket that {variable} names is not there: mend it.",
        ),
        Row("no sentinel names", "Start them, or mend the name of the primary in {variable}."),
    ),
)

RABBIT: Final = Hints(
    "RabbitMQ",
    "SCOREBOARD_AMQP_URL",
    "amqp://",
    "amqps://",
    "?cafile=/path/to/ca.pem",
    (
        Row(
            "login was refused|access_refused",
            "Mend the user or the password in {variable}. (It lets guest in from its own machine "
            "alone.)",
        ),
        Row(
            "no such virtual host",
            "Make the virtual host, give its user rights there, or raise its limit of connections; "
            "or mend the end of {variable} (%2F, or nothing, is the virtual host /).",
        ),
        Row(
            "amqp protocol header",
            "It speaks another AMQP than 0-9-1: mend host and port in {variable}.",
        ),
        Row(
            r"but \d{5,} bytes expected",
            "No RabbitMQ answers there: mend host and port in {variable} (management has another).",
        ),
        Row(
            "no such file or directory",
            "A file that {variable} names (cafile, certfile, keyfile) is not there: mend it.",
        ),
    ),
)


def in_words(said: str) -> str:
    """A library's message without what only a programmer reads: numbers of errors, lines of C."""
    numbered = _NUMBERED.fullmatch(said)
    if numbered is not None:
        return os.strerror(int(numbered["number"]))
    return _PLACE_IN_C.sub("", said)
