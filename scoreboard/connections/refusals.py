"""PostgreSQL answered, and refused what no client can cause: a right, a table, a setting or room on
its disk is missing. It is not away, and it does not heal by itself, so somebody has to be told.

What is said of it is the SQLSTATE and the first line of the message, and not even that where the
line may quote data: a statement's text holds its parameters.
"""

from __future__ import annotations

import re
from typing import Final

import psycopg2
import structlog

from scoreboard.connections.hints import POSTGRES
from scoreboard.connections.reports import Reports
from scoreboard.errors import LedgerUnavailable

log = structlog.get_logger("scoreboard.postgres")

# It ended the statement or the session, is starting or stopping, or planned for an older schema: a
# new connection, or the next attempt, finds it well.
_PASSING: Final = frozenset(
    {"0A000", "25P03", "25P04", "26000", "57014", "57P01", "57P02", "57P03", "57P05"}
)
# No data: a row is gone that there always is. PostgreSQL does not say so; we do.
ROW_GONE: Final = "02000"
# What a row may not be like.
_NUMBERS_USED_UP: Final = "2200H"
_NO_ROW_OF_OURS: Final = frozenset({"23000", "23001", "23502", "23514", "23P01"})
_KEYS: Final = frozenset({"23503", "23505"})
# What migrations/ makes: of its unique and foreign keys callers know what they mean.
CONSTRAINTS: Final = frozenset(
    {
        *("actions_claim", "actions_pkey", "actions_points_positive"),
        "answered_requests_pkey",
        *("audit_pkey", "audit_reason_check", "audit_request"),
        *("audit_names_audit_id_fkey", "audit_names_pkey", "audit_names_user_id_fkey"),
        "bans_pkey",
        *("board_has_one_row", "board_pkey", "board_version_is_exact"),
        *("board_actions_action_id_fkey", "board_actions_board_id_fkey", "board_actions_pkey"),
        *("boards_counts", "boards_direction", "boards_id", "boards_operator", "boards_period"),
        *("boards_season", "boards_seconds", "boards_size", "boards_values"),
        "boards_visibility",
        *("board_board_id_idx", "other_boards_board_id_idx"),
        *("corrections_audit_id_fkey", "corrections_ledger_id_fkey", "corrections_of_grant"),
        *("corrections_of_result", "corrections_one_source", "corrections_pkey"),
        *("corrections_result_id_fkey", "corrections_season_id_fkey", "corrections_user_id_fkey"),
        "fences_pkey",
        *("follows_followed_id_fkey", "follows_pkey", "follows_somebody_else"),
        "follows_user_id_fkey",
        *("former_action_ids_action_id_fkey", "former_action_ids_pkey"),
        "held_lists_pkey",
        *("idx_users_username_key", "idx_users_username_lower"),
        *("invitations_code_hash_key", "invitations_pkey", "invitations_user_id_fkey"),
        *("ledger_action_id_fkey", "ledger_pkey", "ledger_user_id_fkey", "unique_user_action"),
        *("movements_removed_pkey", "movements_removed_singleton_check"),
        "preparations_pkey",
        *("refresh_families_pkey", "refresh_families_user_id_fkey"),
        *("refresh_handles_family_id_fkey", "refresh_handles_pkey"),
        *("refresh_tokens_family_id_fkey", "refresh_tokens_pkey", "replaced_by_a_successor"),
        "refused_names_pkey",
        *("results_pkey", "results_receipt", "results_season_id_fkey"),
        "results_user_id_fkey",
        *("revocation_clock_has_one_row", "revocation_clock_pkey"),
        *("revocations_pkey", "revocations_reading_key"),
        *("scores_pkey", "scores_user_id_fkey"),
        *("season_entries_pkey", "season_entries_user_id_fkey"),
        *("seasons_board_id_fkey", "seasons_do_not_overlap", "seasons_end"),
        *("seasons_final_has_digest", "seasons_follow", "seasons_number", "seasons_number_check"),
        *("seasons_pkey", "seasons_state_check"),
        *("server_keys_pkey", "server_keys_previous", "server_keys_rate", "server_keys_secret"),
        *("users_email_key", "users_pkey", "users_username_key"),
    }
)
# Classes whose first line names objects of the schema, and no data.
_TELLING: Final = frozenset(
    {"25", "28", "3D", "3F", "42", "53", "54", "55", "57", "58", "F0", "XX"}
)
_SYNTAX: Final = "42601"  # quotes a word of the statement
_NOT_LET_IN: Final = "08004"  # what an attempt to connect met, if no more is known

_RESTORE: Final = "Run scoreboard migrate, or restore what is gone."
# What is the matter, by SQLSTATE or by its class; and what mends it.
_MEANINGS: Final = {
    "": ("a setting cannot be set", "See the settings of sessions in docs/operations.md."),
    "2200H": ("a sequence has no more numbers", "Give it a higher MAXVALUE."),
    "23505": (
        "a key is taken that nobody took",
        "Run scoreboard check: it says whether a sequence is behind, or an index is not ours.",
    ),
    "25006": (
        "it takes no writes",
        "Name the primary; or take default_transaction_read_only back where it is on.",
    ),
    "02": ("a row is missing", "Run scoreboard check: it says what brings the row back."),
    "08": ("it does not take our connection", "Look at its message."),
    "23": (
        "a constraint refuses what is written",
        "Take it away unless it is one of migrations/. For board_version_is_exact run scoreboard "
        "board rebuild --renumber.",
    ),
    "28": ("it does not let this role in", "Mend the role, its password or pg_hba.conf."),
    "3D": ("the database is missing", "Create it, or mend SCOREBOARD_DATABASE_URL."),
    "3F": ("the schema is missing", "Create it, or mend the search_path in the address."),
    "42": ("something is missing in the schema", _RESTORE),
    "42501": ("a right is missing", "Grant it; scoreboard check names all that are missing."),
    "42703": ("a column is missing", _RESTORE),
    "42883": ("a function is missing", _RESTORE),
    "42P01": ("a table is missing", _RESTORE),
    "P0": ("a trigger refuses", "Run scoreboard check: it names triggers that are not ours."),
    "53": ("it has run out of something", "Give it more of what its message names."),
    "53100": ("its disk is full", "Make room on it."),
    "53200": ("its memory is used up", "Give it more, or lower its own settings."),
    "53300": (
        "it has no connection left",
        "Raise max_connections (or the role's limit), or run fewer sessions.",
    ),
    "58": ("its machine fails", "Look at its log and its disk."),
    "XX": ("its data or itself is broken", "Look at its log."),
}
# Whether it lets us in depends on more than these say: on its words.
_WHO_AND_WHERE: Final = ("28", "3D", "42501")

# Of a refusal while connecting libpq tells the message alone: the severity, in whatever language,
# a colon and two spaces come before it.
_OF_SERVER: Final = re.compile(r"(?:\A|failed: )[^:\n]{1,40}:  (?P<text>\S[^\n]*)")


class PostgresRefused(LedgerUnavailable):
    """PostgreSQL understood us and refused, for a reason that an operator has to mend. Nothing was
    changed. To clients it is as unavailable as one that is away.

    `sqlstate` is empty where it is not known; `text` is for operators alone.
    """

    def __init__(self, sqlstate: str, text: str) -> None:
        super().__init__()
        self.sqlstate = sqlstate
        self.text = text

    def __str__(self) -> str:
        return f"{self.text} ({self.sqlstate})" if self.sqlstate else self.text

    @property
    def meaning(self) -> str:
        """What is the matter, in words that name nothing of ours: `a right is missing (42501)`."""
        words, _ = self._known()
        return f"{words} ({self.sqlstate})" if self.sqlstate else words

    @property
    def to_do(self) -> str:
        """What mends it, in a sentence."""
        if self.sqlstate.startswith(_WHO_AND_WHERE) and POSTGRES.row(self.text):
            return POSTGRES.to_do(self.text)
        return self._known()[1]

    def _known(self) -> tuple[str, str]:
        by_class = _MEANINGS.get(self.sqlstate[:2], ("it refused", "Look at its log."))
        return _MEANINGS.get(self.sqlstate, by_class)


def refusal_of(error: BaseException) -> PostgresRefused | None:
    """The refusal that answered a statement; None if there was none, or one that passes."""
    sqlstate = error.pgcode if isinstance(error, psycopg2.Error) else None
    if not sqlstate or sqlstate in _PASSING or sqlstate.startswith("08"):
        return None
    is_telling = sqlstate[:2] in _TELLING and sqlstate != _SYNTAX  # guard: refusal-only-names
    text = error.diag.message_primary if is_telling else ""  # type: ignore[attr-defined]
    return PostgresRefused(sqlstate, _one_line(text or "refused"))


def constraint_refusing(error: psycopg2.Error) -> str:
    """Name the constraint that no row of ours can meet; "" if this error is no such refusal. Not by
    the message, in which a trigger may say anything.
    """
    if error.pgcode == _NUMBERS_USED_UP:
        return "a sequence has no more numbers"
    told = error.diag
    is_ours = error.pgcode in _KEYS and told.constraint_name in CONSTRAINTS  # guard: key-not
    if is_ours or error.pgcode not in _NO_ROW_OF_OURS | _KEYS:
        return ""
    if told.constraint_name:
        return f"constraint {told.constraint_name} of {told.table_name or 'a type'}"
    if told.column_name:
        return f"column {told.column_name} of {told.table_name} has to have a value"
    return "a constraint"  # guard: constraint-somebody-else-not


def refusal_to_connect(error: BaseException) -> PostgresRefused | None:
    """The same of an attempt to connect."""
    found = _OF_SERVER.search(str(error)) if isinstance(error, psycopg2.Error) else None
    if found is None:
        return None
    text = _one_line(found["text"])
    row = POSTGRES.row(text)
    sqlstate = row.sqlstate if row else ""
    return None if sqlstate in _PASSING else PostgresRefused(sqlstate or _NOT_LET_IN, text)


def _one_line(text: str) -> str:
    return next(iter(text.splitlines()), "")[:300]


class Refusals(Reports):
    """Logs what PostgreSQL refuses."""

    def note(self, refusal: PostgresRefused) -> None:
        """PostgreSQL refused."""
        self.remember(refusal.meaning)
        if self.is_due(str(refusal)):
            log.error(
                "scoreboard.postgres.refused",
                sqlstate=refusal.sqlstate,
                error=refusal.text,
                meaning=refusal.meaning,
                to_do=refusal.to_do,
            )
