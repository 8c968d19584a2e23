"""Who may moderate whom, once; and the audit of it."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Never, Removed
from tests.guards.guard import AnyGuard, Guard, Marked

AUDIT: Final = "tests/integration/test_audit.py"
BY_KEYS: Final = "tests/service/test_moderation_by_keys.py"
ORDERS: Final = "tests/unit/test_orders.py"
MIGRATION: Final = "migrations/0014.trust.sql"
TAMPERED: Final = f"{AUDIT}::test_the_first_row_that_the_owner_tampered_with_is_named"
UNCHANGED: Final = f"{AUDIT}::test_no_statement_changes_or_removes_a_row"
ALLOWED: Final = f"{BY_KEYS}::test_a_key_moderates_what_its_scope_and_its_boards_allow"
BOUNDED: Final = f"{ORDERS}::test_orders_are_bounded_and_done_to_the_end_whoever_leaves"

MODERATION: Final[tuple[AnyGuard, ...]] = (
    Marked("audit: a missing row is noticed", "audit-no-gaps", Never(), TAMPERED),
    Marked("audit: a changed row is noticed", "audit-follows", Never(), TAMPERED),
    Guard(
        "audit: rows are kept as they are",
        MIGRATION,
        "BEFORE UPDATE OR DELETE OR TRUNCATE ON audit",
        "BEFORE UPDATE ON audit",
        UNCHANGED,
    ),
    Guard(
        "audit: rows are kept where a session switches triggers off",
        MIGRATION,
        "ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_is_kept;",
        "",
        UNCHANGED,
    ),
    Guard(
        "audit: the chain holds all that a row says",
        MIGRATION,
        "                    said.reason,\n",
        "",
        f"{AUDIT}::test_each_row_gets_its_number_its_time_and_its_place_in_the_chain",
    ),
    Marked(
        "moderation: a key for some boards reads no more of the audit",
        "audit-of-boards",
        Instead("Sought(board_ids=$key.board_ids)", "Sought()"),
        ALLOWED,
    ),
    Marked(
        "moderation: a key for some boards corrects no others",
        "moderation-of-boards",
        Removed(),
        ALLOWED,
    ),
    Marked(
        "moderation: a key for some boards does nothing that concerns all",
        "moderation-of-all",
        Never(),
        ALLOWED,
    ),
    Marked(
        "moderation: a key for some boards takes back no result of others",
        "revocation-of-boards",
        Removed(),
        ALLOWED,
    ),
    Marked(
        "moderation: no key gives a refused name",
        "refused-name-key",
        Removed(),
        f"{BY_KEYS}::test_what_cannot_be_done_is_refused_by_member_and_leaves_no_row",
    ),
    Marked("moderation: orders are bounded", "orders-bounded", Never(), BOUNDED),
    Marked(
        "moderation: who leaves ends no order",
        "orders-finished",
        Instead("asyncio.shield($task)", "$task"),
        BOUNDED,
    ),
)
