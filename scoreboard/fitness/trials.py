"""Whether PostgreSQL takes the statements of an instance of some role, without changing anything.

It is asked to explain each. For that it looks up every table, column, function and constraint, and
whether this role has the right to it, also where rights were given by column. It does not look into
functions. So the statements of one are explained by themselves (`explained_…`), and the others are
called for no user (`_CALLED`).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Final

from scoreboard.accounts import queries
from scoreboard.audit import queries as audit
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.refusals import PostgresRefused
from scoreboard.connections.session import Session, StatementRefused, TransactionAborted
from scoreboard.keys import queries as keys
from scoreboard.ledger import queries as ledger
from scoreboard.personal import export
from scoreboard.personal_streams import reading
from scoreboard.ranks import queries as ranks
from scoreboard.scoring import catalogue, places, sought, standing

# What only commands of operators run, as the owner of the tables.
OF_OPERATORS: Final = frozenset(
    {
        *("wrong_scores", "wrong_entries"),
        *("compare_scores", "compare_entries", "compare_last"),
        *("load_actions", "decomposed_actions"),
        *("list_users", "list_suspects", "list_marked", "find_key"),
        *("add_invitations", "list_invitations", "revoke_invitations"),
        *("list_refused_names", "refuse_names", "allow_names"),
        *("find_action", "count_grants", "disable_action", "enable_action"),
        *("remove_action", "boards_listing", "remove_former_id", "delete_users"),
        *("hold_action", "give_action_id", "leave_action_id"),
        *("present_ids", "find_decomposed"),
        *("last_season", "derive_final"),
        *("add_key", "list_keys", "rotate_key", "revoke_key", "read_sealed", "reseal_key"),
        *("read_withheld", "seek_places", "seek_named_places"),
        *("read_rankings", "count_anew"),
    }
)
_OF_STREAMS: Final = frozenset(
    {
        *("read_boards", "read_version", "read_versions", "lift_board", "read_revocations"),
        *("read_bans", "read_definitions", "read_seasons", "read_season"),
        *("read_followed", "read_new_grants", "read_names"),
        *("read_hidden_on_main", "read_hidden"),
        *("read_present", "size_moves", "read_moves", "read_fences"),
        *("walk_indexes", "count_part", "divide_part", "walk"),
        *("find_ranking", "find_places"),
        *("list_around_user", "list_around_key", "list_from_rank"),
    }
)
# What executes what another statement prepares.
_PREPARED: Final = frozenset({"record_results"})
# Functions that find nothing to do where no user is given: they write nothing, and wait for nobody.
_CALLED: Final = frozenset({"raise_boards", "count_corrected"})

_PREPARE: Final = re.compile(r"^PREPARE \w+ \((?P<types>[^)]*)\) AS$", re.MULTILINE)
# The rights that a lock needs are among those that `fitness` looks at; the others everybody may do.
_NOT_EXPLAINED: Final = ("SET ", "LOCK ", "SAVEPOINT ", "ROLLBACK ")
# That the server takes no writes is found without a trial.
_READ_ONLY: Final = "25006"
_PARAMETER: Final = re.compile(r"%\(\w+\)s")


async def refused(postgres: Postgres, role: str) -> dict[str, PostgresRefused]:
    """What PostgreSQL refuses of the statements of this role, by statement. Raises
    LedgerUnavailable.
    """
    found = {}
    async with postgres.session() as session:
        # A trial that waits for a table under change finds nothing out, and those after it would
        # wait for it too.
        with contextlib.suppress(TransactionAborted):  # guard: start-waits-one
            for name, text in _statements(role):
                refusal = await _refusal(session, text, "" if name in _CALLED else "EXPLAIN ")
                if refusal is not None:
                    found[name] = refusal
    return found


def _statements(role: str) -> Iterator[tuple[str, str]]:
    of_places = (catalogue, ranks, places, sought, standing, reading)
    rooms = (ledger, *of_places, queries, keys, audit, export)
    made = set(ledger.FUNCTIONS.values())  # by `migrate`, as another role
    texts = ((name, text) for room in rooms for name, text in room.SQL.items())
    for name, text in texts:
        is_ours = name in _OF_STREAMS if role == "stream" else name not in OF_OPERATORS
        if is_ours and name not in _PREPARED and text not in made:
            yield name, text


async def _refusal(session: Session, text: str, how: str) -> PostgresRefused | None:
    for statement in _without_parameters(text).split(";\n"):
        if statement.startswith(_NOT_EXPLAINED):
            continue
        try:
            await session.run(f"{how}{statement}")
        except PostgresRefused as refusal:
            if refusal.sqlstate != _READ_ONLY:
                return refusal
        except StatementRefused:
            pass  # it takes the statement, though nothing in the place of its values
    return None


def _without_parameters(text: str) -> str:
    """The same statement with nothing in the place of each value."""
    prepared = _PREPARE.search(text)
    if prepared is not None:
        text = text[prepared.end() :]
        for number, kind in enumerate(prepared["types"].split(", "), 1):
            text = text.replace(f"${number}", f"NULL::{kind}")
    return _PARAMETER.sub("NULL", text)
