"""Seasons: where they begin and end, that a grant counts in one, and that a final stays."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Always, Instead, Never, Removed, Replaced, Value
from tests.guards.guard import Guard, Marked

PERIODS: Final = "tests/unit/test_periods.py"
DEFINITIONS: Final = "tests/integration/test_definitions.py"
PREPARATION: Final = "tests/integration/test_preparation.py"
BOUNDARIES: Final = "tests/integration/test_boundaries.py"

_LOCK: Final = "    PERFORM pg_advisory_xact_lock_shared({seasons_lock});\n"

SEASONS: Final = (
    Guard(
        "a batch is granted on all boards where there is another one than `main`",
        "scoreboard/ledger/grant.sql",
        "    IF has_others THEN\n{counting}\n",
        "    IF FALSE THEN\n{counting}\n",
        "tests/integration/test_seasons.py"
        "::test_a_board_that_is_added_while_an_instance_grants_counts_from_the_next_grant_on",
    ),
    Guard(
        "a grant looks for boards once one that is being added is there",
        "scoreboard/ledger/grant.sql",
        _LOCK,
        "",
        f"{BOUNDARIES}::test_a_grant_that_waits_for_an_added_board_counts_on_it",
    ),
    Marked(
        "a zone is a name of the list, and never a path",
        "zone-from-the-list",
        Never(),
        f"{PERIODS}::test_a_zone_is_a_name_of_the_list_and_never_a_path",
    ),
    Marked(
        "a local time that a clock change skips is the moment of the change",
        "local-time-skipped",
        Always(),
        f"{PERIODS}::test_a_local_time_that_a_change_skips_is_the_moment_of_the_change",
    ),
    Marked(
        "a date that is shown again belongs to the season that has begun",
        "date-shown-again",
        Instead("$end <= moment", "$end <= starts_at"),
        f"{PERIODS}::test_a_date_that_is_shown_again_after_midnight_belongs_to_the_day_that_has_begun",
    ),
    Marked(
        "no season is made of the hours by which newer rules moved a boundary",
        "season-of-some-hours",
        Instead("ends_at + SHORTEST", "ends_at"),
        f"{PERIODS}::test_a_boundary_that_newer_rules_moved_makes_no_season_of_some_hours",
    ),
    Guard(
        "a turn waits for grants that are under way: the lock that they share",
        "scoreboard/ledger/grant.sql",
        _LOCK,
        "",
        f"{BOUNDARIES}"
        "::test_a_grant_that_is_under_way_at_the_end_of_its_season_is_on_the_final_board",
    ),
    Guard(
        "a grant reads seasons and last scores once a turn is over",
        "scoreboard/ledger/grant.sql",
        _LOCK,
        "",
        f"{BOUNDARIES}::test_a_grant_that_waits_for_a_turn_counts_where_the_turn_left_it",
    ),
    Marked(
        "a turn waits for grants that are under way: its own lock",
        "turn-alone",
        Removed(),
        f"{BOUNDARIES}"
        "::test_a_grant_that_is_under_way_at_the_end_of_its_season_is_on_the_final_board",
    ),
    Guard(
        "no grant falls behind a season that has ended",
        "scoreboard/ledger/boards.sql",
        "greatest(clock_timestamp(), (SELECT max(ends_at) FROM seasons "
        "WHERE state IN ('ended', 'final')))\n",
        "clock_timestamp()\n",
        f"{BOUNDARIES}"
        "::test_what_is_granted_once_the_clock_was_set_back_counts_in_the_season_that_began",
    ),
    Guard(
        "a turn that waits for a grant gives up soon",
        "scoreboard/ledger/seasons.sql",
        "SET LOCAL lock_timeout = '2s';\n",
        "",
        f"{BOUNDARIES}::test_a_turn_gives_up_soon_and_later_succeeds",
    ),
    Guard(
        "entries that add up are locked before those that keep the best",
        "scoreboard/ledger/grant.sql",
        "    WHERE operator = 'best' AND (SELECT count(*) FROM added) >= 0\n",
        "    WHERE operator = 'best'\n",
        f"{BOUNDARIES}::test_no_plan_begins_with_bests_before_sums_are_over",
    ),
    Guard(
        "boards are locked in one order",
        "scoreboard/ledger/boards.sql",
        "ORDER BY board_id FOR UPDATE;\n",
        "ORDER BY random() FOR UPDATE;\n",
        f"{BOUNDARIES}::test_grants_raced_over_the_ends_of_many_seasons_are_each_counted_once",
    ),
    Guard(
        "a season that is closed behind the one that is shown raises the version",
        "scoreboard/ledger/finals.sql",
        "seasons.number IN (shown.number, shown.previous_number)",
        "seasons.number = shown.number",
        f"{BOUNDARIES}::test_a_season_that_closes_behind_the_one_that_is_shown_raises_the_version",
    ),
    Guard(
        "of equal bests the earlier moment counts",
        "scoreboard/ledger/grant.sql",
        "WHERE (present.score, excluded.updated_at) < (excluded.score, present.updated_at)",
        "WHERE present.score < excluded.score",
        f"{BOUNDARIES}::test_of_equal_bests_the_earlier_moment_counts_whichever_was_committed_first",
    ),
    Guard(
        "a board whose first season begins is due",
        "scoreboard/ledger/grant.sql",
        "boards.season_id IS NOT DISTINCT FROM seasons.season_id AS is_shown",
        "boards.season_id = seasons.season_id AS is_shown",
        f"{BOUNDARIES}::test_a_board_whose_first_season_has_begun_is_due",
    ),
    Guard(
        "whoever finds that no season is written for now writes it before anything is granted",
        "scoreboard/ledger/grant.sql",
        "    EXISTS (SELECT FROM boards WHERE written_until <= now.moment)\n",
        "    FALSE\n",
        f"{BOUNDARIES}"
        "::test_after_days_without_anybody_nothing_is_counted_in_no_season_at_odd_midnights",
    ),
    Marked(
        "a rename waits for a turn that is under way",
        "rename-beside-turn",
        Removed(),
        f"{BOUNDARIES}"
        "::test_a_user_who_is_renamed_while_a_season_turns_is_on_the_new_board_by_the_new_name",
    ),
    Marked(
        "much that was granted before a board is counted while grants go on",
        "much-to-count",
        Never(),
        f"{PREPARATION}::test_much_that_was_granted_before_is_counted_while_grants_go_on",
    ),
    Marked(
        "what was counted under ids that actions had meanwhile is counted anew",
        "count-renamed-meanwhile",
        Value("True"),
        f"{PREPARATION}::test_an_action_that_is_renamed_while_it_is_counted_counts_all_the_same",
    ),
    Marked(
        "what was counted for other boards is not taken for these",
        "counted-for-others",
        Never(),
        f"{PREPARATION}::test_what_was_counted_for_other_boards_is_not_taken",
    ),
    Marked(
        "who counts for so long that it was given up adds nothing",
        "count-given-up",
        Never(),
        f"{PREPARATION}::test_who_counts_for_so_long_that_it_was_given_up_adds_nothing",
    ),
    Marked(
        "a season ends before its time with no grant under way",
        "season-ended-alone",
        Removed(),
        f"{DEFINITIONS}::test_a_season_ends_before_its_time_behind_the_grants_that_are_under_way",
    ),
    Guard(
        "a season ends before its time behind all that was granted, whatever the clock says",
        "scoreboard/ledger/definitions.sql",
        "SELECT {last_granted} + interval '1 microsecond', clock_timestamp()\n",
        "SELECT {moment} + interval '1 microsecond', clock_timestamp()\n",
        f"{DEFINITIONS}::test_a_season_that_is_ended_before_its_time_gives_way_to_the_next_one",
    ),
    Marked(
        "boards begin to count with no grant under way",
        "boards-written-alone",
        Removed(),
        f"{PREPARATION}::test_a_grant_that_is_under_way_when_boards_begin_to_count_is_waited_for",
    ),
    Guard(
        "what was granted before a board is counted up to a row before which none is lacking",
        "scoreboard/ledger/definitions.sql",
        "SAVEPOINT look;\nSELECT pg_advisory_xact_lock({seasons_lock})\n",
        "SAVEPOINT look\n",
        f"{PREPARATION}::test_a_grant_that_is_under_way_counts_on_a_board_that_is_added_meanwhile",
    ),
    Guard(
        "an action is renamed before a board that counts it is added, or after it",
        "scoreboard/ledger/definitions.sql",
        "LOCK TABLE actions IN SHARE ROW EXCLUSIVE MODE\n",
        "SELECT 1\n",
        f"{DEFINITIONS}::test_a_board_waits_for_the_rename_of_an_action_that_it_counts",
    ),
    Guard(
        "of what is counted at once the best is taken",
        "scoreboard/ledger/definitions.sql",
        "        ORDER BY season_id, user_id, value DESC, submitted_at\n",
        "",
        f"{PREPARATION}::test_the_best_that_was_granted_before_counts_since_it_was_reached_first",
    ),
    Marked(
        "what was given up behind its last step is not adopted",
        "given-up-at-last",
        Never(),
        f"{PREPARATION}::test_what_was_given_up_behind_its_last_step_is_not_adopted",
    ),
    Guard(
        "of a thousand seasons those are counted that may contain rows",
        "scoreboard/ledger/preparation.py",
        "            if _contains_any(starts_at, ends_at, *span)\n",
        "",
        f"{PREPARATION}::test_of_a_thousand_seasons_those_are_counted_that_contain_rows",
    ),
    Guard(
        "of a thousand seasons to come none reads the ledger",
        "scoreboard/ledger/boards.sql",
        "    SELECT greatest(now.moment, (SELECT max(submitted_at) FROM ledger "
        "WHERE submitted_at >= now.moment))\n    FROM (SELECT {moment} AS moment) AS now\n",
        "    SELECT now() + interval '10 years'\n",
        f"{PREPARATION}::test_of_a_thousand_seasons_those_are_counted_that_contain_rows",
    ),
    Marked(
        "what was granted days ahead of the clock counts on a board that is added",
        "granted-days-ahead",
        Instead("last", "moment"),
        f"{PREPARATION}"
        "::test_what_a_clock_that_was_wrong_dated_days_ahead_counts_on_an_added_board",
    ),
    Marked(
        "what was counted for seasons that are over is not taken",
        "counted-for-days",
        Value("True"),
        f"{PREPARATION}::test_what_was_counted_for_seasons_that_are_over_is_counted_anew",
    ),
    Marked(
        "a board is closed in the instant in which its season began",
        "board-ended-at-once",
        Removed(),
        f"{DEFINITIONS}::test_a_season_that_began_in_this_instant_is_ended_like_any_other",
    ),
    Marked(
        "a season is ended in the instant in which it began",
        "season-ended-at-once",
        Removed(),
        f"{DEFINITIONS}::test_a_season_that_began_in_this_instant_is_ended_like_any_other",
    ),
    Guard(
        "boards whose seasons are over take no place from others",
        "scoreboard/ledger/definitions.sql",
        "        AND coalesce(seasons.ends_at > %(moment)s, TRUE)\n",
        "        AND %(moment)s IS NOT NULL\n",
        f"{DEFINITIONS}::test_boards_whose_seasons_are_over_take_no_place_from_others",
    ),
    Marked(
        "an action that counts on a board is not removed, and the refusal says why",
        "listed-action-removed",
        Replaced("pass"),
        "tests/service/test_action_changes.py"
        "::test_an_action_that_counts_on_a_board_is_not_removed",
    ),
    Marked(
        "no season ends hours ahead of the clock, which takes all boards there",
        "end-in-the-future",
        Never(),
        f"{DEFINITIONS}::test_no_season_ends_hours_ahead_of_the_clock_because_it_was_wrong_once",
    ),
    Guard(
        "what is purged is not waited for: who removes users locks the same rows in another order",
        "scoreboard/ledger/definitions.sql",
        "    FOR UPDATE OF season_entries SKIP LOCKED\n),\ngiven_up AS",
        "),\ngiven_up AS",
        f"{DEFINITIONS}::test_a_purge_passes_by_what_somebody_holds_who_is_being_removed",
    ),
    Marked(
        "a board whose seasons go on takes no place that its actions do not have",
        "place-of-going-on",
        Removed(),
        f"{DEFINITIONS}::test_seasons_go_on_only_where_their_actions_have_a_place",
    ),
    Marked(
        "seasons that go on, and boards that are added, come one after the other",
        "place-taken-alone",
        Removed(),
        f"{DEFINITIONS}"
        "::test_seasons_that_go_on_and_boards_that_are_added_do_not_take_the_same_place",
    ),
)
