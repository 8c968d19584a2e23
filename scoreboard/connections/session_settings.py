"""Sets every session as our statements and promises need it, whatever is handed down to it.

The environment (libpq's PG* variables), postgresql.conf, the database, the role and a pooler on the
way can each change a session. So we set it as we connect, and read it back; a setting that cannot
be set is refused (docs/decisions/0021, which also names what is left to others, and why).

The schema is `public`, or the one that the address itself names: `?options=-csearch_path%3Dgames`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from psycopg2.extensions import make_dsn, parse_dsn

from scoreboard.connections import statements

SQL: Final = statements.load("scoreboard.connections")
PUBLIC: Final = "public"

_SET: Final = {  # guard: commits-synchronous
    # Who waited for a lock has to see what it waited for: a new password, a raised board.
    "default_transaction_isolation": "read committed",  # guard: handed-down-transactions
    # A 200 is on the disk, and on the synchronous replica's.
    "synchronous_commit": "on",  # guard: handed-down-quiet
    # A commit that did not wait for the replica is a warning; a trigger's notice says nothing.
    "client_min_messages": "warning",
    # Rows that a policy hides from us are an error, not a board that lacks them.
    "row_security": "off",
    # The driver writes parameters into the text, and reads these forms of what comes back.
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "bytea_output": "hex",
    "timezone": "UTC",
    # Neither a refusal nor a quiet night ends a session: the next caller would get a 503 for it.
    "exit_on_error": "off",
    "idle_session_timeout": "0",
    # Compiling these statements takes longer than running them, and so does planning a small batch.
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
}  # guard: may-hear-no
# What nobody but a superuser may set, or nobody at all once the database is made.
_FOUND: Final = {"server_encoding": "UTF8", "session_replication_role": "origin"}
_MENDS: Final = {
    "server_encoding": (
        ", in which most names cannot be kept. Make one that has UTF8: "
        "createdb --encoding=UTF8 --template=template0 --locale=C scoreboard"
    ),
    "session_replication_role": (
        ": foreign keys do not hold otherwise. Whoever set it has to RESET it."
    ),
}
_LOST: Final = (
    ": what a session says as it connects does not reach PostgreSQL, because of a pooler perhaps. "
    "Connect directly, or let the pooler pass `options` on."
)

# A dead peer is noticed within this time even when the network swallows packets without a word.
_PEER_TIMEOUT_SECONDS: Final = 5

_SCHEMA: Final = re.compile(r'(?P<plain>[A-Za-z_][A-Za-z0-9_$]{0,62})|"(?P<quoted>[^"]{1,63})"')
_WORD: Final = re.compile(r"(?:\\.|[^\s\\])+", re.DOTALL)
_SOURCES: Final = {
    "configuration file": "in postgresql.conf",
    "command line": "on the server's command line",
    "environment variable": "in the server's environment",
    "database": "for the database",
    "user": "for the role",
    "database user": "for the role in this database",
    "client": "in the address",
}


class SessionSettings:
    """What the sessions of one address are set to; `deadlines` are settings too, in ms (0: none).
    Raises ValueError on a schema that cannot be read.
    """

    def __init__(self, url: str, deadlines: Mapping[str, int]) -> None:
        named = schema_named(url)
        own = {"search_path": f'"{named or PUBLIC}",pg_temp'}  # guard: handed-down-tables
        # Names in small letters, and values as pg_settings shows them.
        self._wanted = _SET | own | {name: str(value) for name, value in deadlines.items()}

    def dsn(self, url: str, name: str, connect_seconds: int) -> str:
        """The address for libpq, with all of this in it. Options of the address's own stay, and
        ours, which come after them, count.

        Of the environment only what the address leaves out counts, and only for how to get there
        and who to be.
        """
        parts = parse_dsn(url)
        options = [
            parts.pop("options", ""),
            *(f"-c {key}={_escaped(value)}" for key, value in self._wanted.items()),
        ]
        if "host" in parts:  # else PGHOSTADDR would lead elsewhere
            parts.setdefault("hostaddr", "")  # guard: handed-down-environment
        dsn: str = make_dsn(
            **{"target_session_attrs": "any"} | parts,
            application_name=name,
            client_encoding="UTF8",  # guard: handed-down-sent
            connect_timeout=connect_seconds,
            keepalives_idle=_PEER_TIMEOUT_SECONDS,
            keepalives_interval=1,
            keepalives_count=3,
            tcp_user_timeout=_PEER_TIMEOUT_SECONDS * 1000,
            options=" ".join(options).strip(),
        )
        return dsn

    def reading(self, server_version: int) -> tuple[str, dict[str, list[str]]]:
        """The statement that finishes setting, and reads back; with its parameters."""
        since_17 = "SET transaction_timeout = 0; " if server_version >= 17_00_00 else ""
        return since_17 + SQL["read_settings"], {"names": list(self._expected())}

    def problems(self, rows: Sequence[tuple[str, str, str]]) -> list[str]:
        """Sentences on what is not as it should be; `rows` hold name, value and source."""
        found = {name: (value, source) for name, value, source in rows}
        wrong = {
            name: _said(name, *found.get(name, ("unknown", "")), wanted)
            for name, wanted in self._expected().items()
            if found.get(name, ("", ""))[0] != wanted
        }
        sentences = [f"{said}{_MENDS[name]}" for name, said in wrong.items() if name in _MENDS]
        lost = [said for name, said in wrong.items() if name not in _MENDS]
        return [*sentences, *([f"{'; '.join(lost)}{_LOST}"] if lost else [])]

    def _expected(self) -> dict[str, str]:
        return {**self._wanted, **_FOUND, "client_encoding": "UTF8"}


def origin(source: str) -> str:
    """Say in words where pg_settings has a value from."""
    return _SOURCES.get(source, "somewhere")


def schema_named(url: str) -> str | None:
    """The schema that the address names in its options; None if it names none. Raises ValueError
    when that is not the name of one schema.
    """
    given = dict(_named_in(parse_dsn(url).get("options", ""))).get("search_path")
    if given is None:
        return None
    found = _SCHEMA.fullmatch(given.strip())
    if found is None or "$user" in given:
        raise ValueError("The search_path in the address of PostgreSQL has to be one schema")
    return found["quoted"] or found["plain"].lower()


def query_naming(schema: str) -> str:
    """What to append to an address so that it names this schema."""
    name = schema if re.fullmatch(r"[a-z_][a-z0-9_]*", schema) else f'"{schema}"'
    return f"?options={quote(f'-csearch_path={_escaped(name)}')}"


def _named_in(options: str) -> Iterator[tuple[str, str]]:
    """Read `-c name=value`, `-cname=value` and `--name=value` as the server does."""
    words = iter([re.sub(r"\\(.)", r"\1", word) for word in _WORD.findall(options)])
    for word in words:
        text = next(words, "") if word == "-c" else word
        name, _, value = re.sub("^(-c|--)", "", text).partition("=")
        yield name.lower().replace("-", "_"), value


def _escaped(value: str) -> str:
    return re.sub(r"([\s\\])", r"\\\1", value)


def _said(name: str, value: str, source: str, wanted: str) -> str:
    if name == "server_encoding":
        return f"The database has the encoding {value}"
    where = f" ({origin(source)})" if source in _SOURCES else ""
    return f"{name} is {value}{where} and has to be {wanted}"
