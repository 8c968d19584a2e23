"""The Python client."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Removed, Replaced
from tests.guards.guard import Marked

LIVE: Final = "tests/unit/test_live_client.py"
USERS: Final = "tests/unit/test_user_client.py"

CLIENT: Final = (
    Marked(
        "Python client: an older board changes nothing",
        "python-versions-forward",
        Removed(),
        f"{LIVE}::test_versions_only_go_forward",
    ),
    Marked(
        "Python client: an event without an end is given up",
        "event-without-end",
        Removed(),
        f"{LIVE}::test_an_event_without_an_end_is_given_up",
    ),
    Marked(
        "Python client: a lost renewal is asked for again once",
        "lost-renewals-twice",
        Instead("lost >= _LOST_MAX", "False"),
        f"{USERS}::test_a_renewal_that_nobody_answers_is_sent_twice_and_no_third_time",
    ),
    Marked(
        "Python client: an earlier grant is success after a lost answer alone",
        "lost-submission-repeated",
        Instead("not lost.has_happened", "False"),
        f"{USERS}::test_only_after_a_lost_answer_an_earlier_grant_is_success",
    ),
    Marked(
        "Python client: a service fills no mailbox with boards that nobody asked for",
        "overtaken-on-boards-asked",
        Instead("overtaken.board_id in self._boards", "True"),
        f"{LIVE}::test_who_is_overtaken_on_a_board_that_was_not_asked_for_is_not_told",
    ),
    Marked(
        "Python client: what cannot be followed leaves no thread",
        "thread-ends-unentered",
        Removed(),
        f"{LIVE}::test_what_cannot_be_followed_leaves_no_thread",
    ),
    Marked(
        "Python client: what was committed as PostgreSQL was lost is success",
        "unavailable-may-be-done",
        Instead("_NOBODY_KNOWS", "(502, 504)"),
        f"{USERS}::test_only_after_a_lost_answer_an_earlier_grant_is_success",
    ),
    Marked(
        "Python client: a call is sent for nobody but who called",
        "calls-of-one-user",
        Removed(),
        f"{USERS}::test_what_was_called_for_one_user_is_not_sent_for_the_next",
    ),
    Marked(
        "Python client: threads renew one at a time",
        "renewals-one-sync",
        Replaced("return self._run(self._asking.renew(rejected))"),
        f"{USERS}::test_threads_wait_for_one_renewal",
    ),
    Marked(
        "Python client: tasks wait for one renewal",
        "renewals-one-async",
        Instead("self._renewing is None or self._renewing.done()", "True"),
        "tests/service/test_client_users.py"
        "::test_tokens_are_renewed_before_their_end_once_for_all_who_wait",
    ),
)
