"""What users follow, and what streams tell them of themselves."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Never, Removed
from tests.guards.guard import AnyGuard, Guard, Marked

STREAMS: Final = "tests/service/test_personal_streams.py"
UNIT: Final = "tests/unit/test_personal_streams.py"

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
        f"{STREAMS}::test_further_down_only_those_are_told_of_whom_a_user_follows",
    ),
    Marked(
        "personal streams: hidden users hear what they are granted",
        "hidden-hear-of-grants",
        Removed(),
        f"{STREAMS}::test_hidden_users_hear_their_score_and_no_rank",
    ),
    Marked(
        "personal streams: they go over to the next season",
        "personal-season-turns",
        Never(),
        f"{STREAMS}::test_when_a_season_turns_a_stream_goes_over_to_the_next_one",
    ),
    Marked(
        "personal streams: they end with the board that they watch",
        "personal-board-gone",
        Never(),
        f"{STREAMS}::test_a_board_that_is_gone_ends_the_streams_that_watch_it",
    ),
)
