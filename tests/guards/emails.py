"""Changes of an e-mail address."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Never, Removed
from tests.guards.guard import AnyGuard, Guard, Marked

_SERVICE: Final = "tests/service/test_email_changes.py"
_INTEGRATION: Final = "tests/integration/test_email_changes.py"

EMAILS: Final[tuple[AnyGuard, ...]] = (
    Marked(
        "a change of the e-mail address is a guess",
        "change-email-guess",
        Removed(),
        f"{_SERVICE}::test_guesses_of_the_password_are_counted_with_those_of_a_change_of_password",
    ),
    Marked(
        "a change of the e-mail address asks whether one is taken at the pace of registrations",
        "change-email-probed",
        Removed(),
        f"{_SERVICE}::test_with_many_accounts_nobody_learns_faster_which_addresses_are_taken",
    ),
    Marked(
        "a change of the e-mail address needs the password",
        "change-email-password",
        Never(),
        f"{_INTEGRATION}::test_who_does_not_know_it_changes_nothing",
    ),
    Guard(
        "a change of the e-mail address needs the password that holds when it is made",
        "scoreboard/accounts/queries.sql",
        "AND password_hash = %(password_hash)s\nRETURNING email_given",
        "AND %(password_hash)s <> ''\nRETURNING email_given",
        f"{_INTEGRATION}::test_a_password_that_is_changed_meanwhile_changes_no_address",
    ),
    Marked(
        "an e-mail address is shown to its owner alone",
        "own-email-owner",
        Never(),
        f"{_SERVICE}::test_it_is_changed_and_shown_to_its_owner_alone",
    ),
)
