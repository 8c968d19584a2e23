"""What users follow, and what streams tell them of themselves."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Never, Removed
from tests.guards.guard import AnyGuard, Guard, Marked

STREAMS: Final = "tests/service/test_personal_streams.py"
ENDS: Final = "tests/service/test_personal_stream_ends.py"
UNIT: Final = "tests/unit/test_personal_streams.py"
TURNS: Final = "tests/unit/test_personal_turns.py"

PERSONAL_STREAMS: Final[tuple[AnyGuard, ...]] = (
    Guard(
        "follows: a user's requests take turns, so as many are followed as anybody may",
        "scoreboard/accounts/follows.sql",
        "SELECT user_id FROM users WHERE user_id = %(user_id)s::uuid FOR NO KEY UPDATE;\n",
        "",
        "tests/service/test_follows.py"
        "::test_of_many_at_once_on_two_instances_as_many_are_followed_as_anybody_may",
    ),
    Marked(
        "personal streams: the follows that are held are bounded",
        "follows-held-bounded",
        Never(),
        f"{UNIT}::test_follows_that_are_held_are_bounded_and_given_back",
    ),
    Marked(
        "personal streams: beyond that bound no stream holds follows",
        "stream-forgets-follows",
        Removed(),
        "tests/attacks/test_places.py::test_follows_beyond_what_an_instance_holds_cost_it_nothing",
    ),
    Guard(
        "follows: who is hidden cannot be told from nobody",
        "scoreboard/accounts/follows.sql",
        "AND coalesce(hidden_at, banned_at, erased_at) IS NULL\n    FOR KEY SHARE",
        "AND erased_at IS NULL\n    FOR KEY SHARE",
        "tests/service/test_follows.py"
        "::test_who_is_hidden_is_nobody_here_and_comes_back_to_their_followers",
    ),
    Marked(
        "personal streams: the moves between two turns are bounded",
        "moves-bounded",
        Never(),
        f"{UNIT}::test_what_moves_at_once_is_bounded_and_then_nothing_is_known_of_it",
    ),
    Marked(
        "personal streams: a grant is told once",
        "grant-told-once",
        Removed(),
        f"{UNIT}::test_each_grant_is_told_once_however_late_its_commit_is_seen",
    ),
    Marked(
        "personal streams: nobody hears of whom they follow no longer",
        "unfollowed",
        Instead("user in follows", "True"),
        f"{UNIT}::test_who_was_unfollowed_since_they_overtook_is_not_told_of",
    ),
    Marked(
        "personal streams: hidden users hear what they are granted",
        "hidden-hear-of-grants",
        Removed(),
        f"{STREAMS}::test_hidden_users_hear_their_score_and_no_rank",
    ),
    Marked(
        "personal streams: they end with the board that they watch",
        "personal-board-gone",
        Never(),
        f"{ENDS}::test_a_board_that_is_gone_ends_the_streams_that_watch_it",
    ),
    Marked(
        "personal streams: reading places takes a share of time, whatever one costs",
        "places-take-a-share-of-time",
        Never(),
        f"{TURNS}::test_places_take_the_same_time_whatever_one_costs",
    ),
    Marked(
        "personal streams: some of those who did not move are read in every turn",
        "others-have-a-share",
        Instead("max(int(most * OTHERS_SHARE), most - len(taken))", "most - len(taken)"),
        f"{TURNS}::test_nobody_waits_for_ever_however_many_move",
    ),
    Marked(
        "personal streams: grants that were found before an outage are told after it",
        "found-before-outage",
        Removed(),
        f"{UNIT}::test_grants_that_were_found_before_an_outage_are_told_after_it",
    ),
    Marked(
        "personal streams: a place that an outage kept from being read is read after it",
        "not-read-is-read-next",
        Removed(),
        f"{UNIT}::test_a_place_that_could_not_be_read_is_read_next",
    ),
)
