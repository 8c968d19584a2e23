"""Log-ins on the page by an identity provider: who is logged in, and by whom."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Never, Removed, Value
from tests.guards.guard import Guard, Marked

ATTACKS: Final = "tests/attacks/test_page_log_in.py"

PAGE_LOG_INS: Final = (
    Marked(
        "page log-in: a browser ends what it began itself",
        "log-in-own-state",
        Never(),
        f"{ATTACKS}::test_nobody_is_logged_in_by_a_link_of_somebody_else",
    ),
    Marked(
        "page log-in: an ID token is of the log-in that asked for it",
        "log-in-own-nonce",
        Never(),
        f"{ATTACKS}::test_a_code_of_another_log_in_is_no_good",
    ),
    Marked(
        "page log-in: an ID token is for us",
        "log-in-own-client",
        Value("self._providers.signed_claims(token, provider)"),
        f"{ATTACKS}::test_an_id_token_that_is_not_for_this_log_in_logs_nobody_in",
    ),
    Marked(
        "page log-in: an answer is of the provider that was asked",
        "log-in-own-issuer",
        Never(),
        f"{ATTACKS}::test_an_answer_of_another_provider_is_no_good",
    ),
    Marked(
        "page log-in: a browser comes back from where it went",
        "log-in-own-provider",
        Never(),
        f"{ATTACKS}::test_an_answer_of_another_provider_is_no_good",
    ),
    Marked(
        "page log-in: a parameter is there once",
        "log-in-query-once",
        Never(),
        f"{ATTACKS}::test_a_parameter_that_is_there_twice_and_a_cookie_beside_ours_are_refused",
    ),
    Marked(
        "page log-in: it takes ten minutes at most",
        "log-in-in-time",
        Instead("self._seal.open($sealed, $seconds)", "self._seal.open($sealed)"),
        f"{ATTACKS}::test_a_log_in_that_took_too_long_is_begun_anew",
    ),
    Marked(
        "page log-in: no neighbour puts a cookie in the place of ours",
        "log-in-cookie-own",
        Value("'scoreboard-login'"),
        f"{ATTACKS}::test_who_logs_in_twice_is_one_user_and_the_tokens_are_ours",
    ),
    Marked(
        "page log-in: what came back leaves the browser's cookies",
        "log-in-taken-once",
        Removed(),
        f"{ATTACKS}::test_who_logs_in_twice_is_one_user_and_the_tokens_are_ours",
    ),
    Marked(
        "page log-in: strangers make us ask a provider seldom",
        "log-in-asks-seldom",
        Instead("now >= $moment", "True"),
        f"{ATTACKS}::test_a_provider_is_asked_seldom_however_many_log_ins_are_begun",
    ),
    Guard(
        "page log-in: it takes turns with a ban",
        "scoreboard/accounts/queries.sql",
        "ends it too.\nSELECT FROM users WHERE user_id = %(user_id)s::uuid FOR SHARE;\n",
        "ends it too.\n",
        f"{ATTACKS}::test_who_is_banned_at_this_moment_is_not_logged_in",
    ),
    Guard(
        "page log-in: nobody who is banned is logged in",
        "scoreboard/accounts/queries.sql",
        "    WHERE user_id = %(user_id)s::uuid AND banned_at IS NULL\n",
        "    WHERE user_id = %(user_id)s::uuid\n",
        f"{ATTACKS}::test_who_is_banned_at_this_moment_is_not_logged_in",
    ),
    Marked(
        "page log-in: the settings say where it ends",
        "way-back-is-set",
        Never(),
        "tests/unit/test_provider_settings.py::test_the_page_needs_a_way_back",
    ),
)
