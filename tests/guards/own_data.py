"""Who is banned, and whose data are whose."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Removed, Value
from tests.guards.guard import AnyGuard, Guard, Marked

BANS: Final = "tests/service/test_bans.py"
OWN: Final = "tests/service/test_own_data.py"
QUERIES: Final = "scoreboard/accounts/queries.sql"
OUT_AND_BACK: Final = (
    f"{BANS}::test_a_banned_user_is_out_of_every_instance_through_every_door_and_back_when_it_is"
    "_lifted"
)
OF_LONG_AGO: Final = (
    f"{BANS}::test_a_ban_of_long_ago_is_known_before_an_instance_serves_among_more_than_are"
    "_remembered"
)
WITHOUT_PASSWORD: Final = (
    f"{OWN}::test_without_a_password_only_a_fresh_token_of_the_own_provider_deletes"
)

OWN_DATA: Final[tuple[AnyGuard, ...]] = (
    Marked("bans: tokens are refused", "banned-refused", Removed(), OUT_AND_BACK),
    Marked("bans: streams end", "banned-streams-end", Removed(), OUT_AND_BACK),
    Marked("bans: a password opens nothing", "banned-log-in", Removed(), OUT_AND_BACK),
    Guard(
        "bans: a refresh token opens nothing, and stays as it is",
        QUERIES,
        "            WHEN family.is_banned THEN 'banned'\n",
        "",
        OUT_AND_BACK,
    ),
    Marked("bans: every instance knows them", "banned-instances-know", Value("{}"), OUT_AND_BACK),
    Marked(
        "bans: all are read, page by page",
        "banned-paged",
        Instead("len($rows) < _PAGE", "True"),
        OF_LONG_AGO,
    ),
    Marked(
        "bans: a first sight brings nobody back",
        "banned-met",
        Removed(),
        f"{OWN}::test_a_banned_provider_user_is_not_brought_back_by_an_instance_that_does_not_know"
        "_yet",
    ),
    Guard(
        "bans: that of a provider's user outlives the user",
        "migrations/0014.trust.sql",
        "        WHERE bans.user_id = deleted_users.user_id AND deleted_users.source IS NULL;",
        "        WHERE bans.user_id = deleted_users.user_id;",
        f"{BANS}::test_the_ban_of_a_providers_user_outlives_the_user_and_no_other_does",
    ),
    Marked(
        "own data: no other issuer gets them",
        "own-data-owner",
        Removed(),
        f"{OWN}::test_others_speak_for_a_user_and_get_none_of_the_data",
    ),
    Marked(
        "own data: every page is written",
        "export-paged",
        Instead("len($rows) < PAGE", "True"),
        f"{OWN}::test_an_export_has_all_that_is_kept_of_one_and_nothing_of_another",
    ),
    Marked(
        "own data: exports are counted",
        "exports-counted",
        Removed(),
        f"{OWN}::test_exports_are_counted_apart",
    ),
    Marked(
        "own data: an account with a password asks for it",
        "deletion-password",
        Removed(),
        f"{OWN}::test_who_deletes_their_account_is_gone_everywhere_and_name_and_address_are_free",
    ),
    Marked(
        "own data: passwords are not guessed where an account is deleted",
        "deletion-guess",
        Removed(),
        f"{OWN}::test_guesses_at_a_password_are_counted_where_an_account_is_deleted",
    ),
    Marked(
        "own data: an old token erases nobody",
        "deletion-fresh",
        Removed(),
        WITHOUT_PASSWORD,
    ),
    Marked(
        "own data: a refresh makes no log-in fresh",
        "log-in-refreshed",
        Instead("$rotation.begun_at", "time.time()"),
        f"{OWN}::test_a_refresh_makes_no_log_in_fresh",
    ),
)
