"""The door through which scores fall, and what goes through it."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Never, Removed, Replaced
from tests.guards.guard import Guard, Marked

FALLS: Final = "tests/integration/test_falling.py"
ACTS: Final = "tests/integration/test_acts.py"
BESIDE: Final = "tests/integration/test_falls_beside.py"
BESTS: Final = "tests/integration/test_corrected_bests.py"

FALLING: Final = (
    Marked(
        "a fall waits for the grants that may have read a last score from before",
        "fall-waits-grants",
        Removed(),
        f"{FALLS}::test_a_fall_waits_for_a_grant_that_compared_with_a_last_score_from_before",
    ),
    Marked(
        "boards have no last score while scores fall",
        "fall-forgets-last",
        Instead('SQL["let_fall"]', "SQL['let_fall'].replace(', tenth_score = NULL', '')"),
        f"{FALLS}::test_a_grant_that_begins_while_scores_fall_takes_its_turn_at_the_board",
    ),
    Guard(
        "a board that is raised while its scores fall gets no last score",
        "scoreboard/ledger/boards.sql",
        "coalesce(falling_at > clock_timestamp() - interval '60 seconds', FALSE)",
        "FALSE",
        f"{FALLS}::test_a_fall_stops_the_grants_of_nobody_else_on_any_board",
    ),
    Marked(
        "a fall that takes so long that boards have last scores again is rolled back",
        "fall-took-long",
        Replaced("pass"),
        f"{FALLS}::test_a_fall_that_takes_longer_than_a_minute_is_rolled_back",
    ),
    Marked(
        "a fall holds its users before anything else",
        "fall-holds-users",
        Removed(),
        f"{FALLS}::test_who_falls_is_granted_nothing_until_the_fall_is_over",
    ),
    Marked(
        "no season turns while scores fall",
        "fall-beside-turn",
        Removed(),
        f"{FALLS}::test_a_season_that_turns_while_scores_fall_ends_without_what_fell",
    ),
    Marked(
        "falls come one after the other",
        "fall-alone",
        Removed(),
        f"{FALLS}::test_falls_come_one_after_the_other",
    ),
    Marked(
        "a fall begins anew where the users have reached another board meanwhile",
        "fall-elsewhere",
        Removed(),
        f"{FALLS}::test_a_board_that_the_user_reaches_just_before_is_renewed_as_well",
    ),
    Marked(
        "whoever leaves in the middle of a fall leaves no lock behind",
        "fall-leaves-no",
        Removed(),
        f"{FALLS}::test_whoever_leaves_in_the_middle_of_a_fall_leaves_no_lock",
    ),
    Marked(
        "a fall that has lost its connection does not go on by another one",
        "fall-on-one",
        Instead("session.pinned()", "contextlib.nullcontext()"),
        f"{FALLS}::test_a_fall_that_loses_its_connection_changes_nothing_without_its_lock",
    ),
    Guard(
        "one request is written down and done once, also where it comes twice at once",
        "scoreboard/ledger/moderation.sql",
        "ON CONFLICT ON CONSTRAINT audit_request DO NOTHING\n",
        "",
        f"{ACTS}::test_each_act_is_written_down_once_for_each_request",
    ),
    Guard(
        "a grant counts with the corrections of the user where the best is kept",
        "scoreboard/ledger/grant.sql",
        "    IF corrected_users IS NOT NULL THEN\n",
        "    IF FALSE THEN\n",
        f"{BESTS}::test_a_grant_to_somebody_who_was_corrected_counts_with_the_correction",
    ),
    Guard(
        "a grant hears of a correction that it waited for",
        "scoreboard/ledger/grant.sql",
        "users.corrected_at IS NOT NULL AS is_corrected",
        "users.user_id IN (SELECT user_id FROM corrections) AS is_corrected",
        f"{BESTS}::test_a_grant_that_waits_for_a_correction_counts_with_it",
    ),
    Marked(
        "a request that comes twice at once is answered what was done",
        "repeat-beside-first",
        Never(),
        f"{BESIDE}::"
        "test_the_same_request_twice_at_once_is_answered_twice_what_was_done[revoke_grant]",
    ),
    Marked(
        "a board is renewed on which somebody rises by what was taken back",
        "fall-that-rises",
        Never(),
        f"{BESIDE}::test_whoever_rises_by_what_is_taken_back_is_on_the_board_under_a_new_version",
    ),
    Guard(
        "a final board is derived once entries of it are gone, whatever is kept since",
        "scoreboard/ledger/queries.py",
        "NOT seasons.is_purged\n",
        "TRUE\n",
        f"{BESIDE}::test_a_final_board_whose_entries_are_gone_stays_when_others_are_kept_longer",
    ),
    Guard(
        "who was erased can be hidden on final boards",
        "scoreboard/ledger/moderation.sql",
        "least(hidden_at, erased_at - interval '1 microsecond')",
        "hidden_at",
        f"{BESIDE}::test_whoever_was_erased_can_be_hidden_on_final_boards_and_is_shown_on_no_new_one",
    ),
    Guard(
        "a machine that is gone keeps nobody from falling",
        "scoreboard/ledger/falling.sql",
        "SET idle_session_timeout = '10s';\n",
        "",
        f"{BESIDE}::test_a_session_whose_machine_is_gone_keeps_nobody_from_falling",
    ),
    Marked(
        "no correction takes a score out of its range",
        "corrected-in-range",
        Replaced("pass"),
        f"{ACTS}::test_a_correction_changes_one_season_of_one_board_and_stays_in_range",
    ),
    Marked(
        "nobody is erased whose rows are being counted for a new board",
        "count-beside-fall",
        Removed(),
        f"{ACTS}::test_who_is_erased_while_a_board_is_counted_is_counted_under_a_neutral_name",
    ),
    Marked(
        "what was revoked since it was counted for a new board counts there no more",
        "revoked-while-counted",
        Removed(),
        f"{ACTS}"
        "::test_a_board_that_is_added_counts_nothing_that_was_revoked_and_shows_nobody_hidden",
    ),
    Marked(
        "whoever is hidden is on no board that is added",
        "hidden-on-new",
        Removed(),
        f"{ACTS}"
        "::test_a_board_that_is_added_counts_nothing_that_was_revoked_and_shows_nobody_hidden",
    ),
)
