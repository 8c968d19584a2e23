"""The routes of boards: who may see which, and what caches keep of it."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Always, Instead, Never, Removed, Value
from tests.guards.guard import Marked

_BOARDS: Final = "tests/service/test_boards.py"
_STRANGERS: Final = "tests/attacks/test_boards.py"

BOARDS: Final = (
    Marked(
        "a board that was heard of meanwhile is found though the question failed",
        "heard-of-meanwhile",
        Always(),
        "tests/integration/test_boards.py"
        "::test_a_board_that_the_relay_heard_of_meanwhile_is_found_though_the_question_failed",
    ),
    Marked(
        "a board that streams show is read though nobody read it before",
        "shown-board-read",
        Removed(),
        "tests/integration/test_boards.py"
        "::test_a_board_that_streams_show_is_read_though_nobody_read_it_before",
    ),
    Marked(
        "a board for members needs a token though no setting asks for one",
        "board-needs-token",
        Removed(),
        f"{_BOARDS}::test_a_board_for_members_is_shown_to_who_has_a_token"
        "_and_kept_by_no_shared_cache",
    ),
    Marked(
        "a board that becomes one for members is so for caches too",
        "answers-as-defined",
        Instead("answers is None or $differs", "answers is None"),
        f"{_BOARDS}::test_a_board_that_becomes_one_for_members_is_kept_by_no_shared_cache_any_more",
    ),
    Marked(
        "the list of boards leaves out what its client may not read",
        "list-hides",
        Value("True"),
        f"{_BOARDS}::test_the_list_has_main_first_and_what_a_token_needs_for_who_has_one",
    ),
    Marked(
        "a list that a cache keeps for strangers is not given to who has a token",
        "list-varies",
        Instead("{'Vary': 'Authorization'}", "{}"),
        f"{_BOARDS}::test_the_list_has_main_first_and_what_a_token_needs_for_who_has_one",
    ),
    Marked(
        "a season that has begun elsewhere is not shown as one without entries",
        "season-not-heard",
        Never(),
        f"{_BOARDS}::test_a_season_that_has_just_begun_elsewhere_is_not_shown_as_an_empty_one",
    ),
    Marked(
        "a stream begins with its board, also the first one of a board",
        "stream-begins-with-board",
        Never(),
        f"{_BOARDS}::test_the_first_stream_of_a_board_begins_with_it_though_nobody_compares",
    ),
    Marked(
        "what strangers write into paths is not looked for in Redis",
        "unknown-board-not-asked",
        Instead("not request.app[PARTS].boards.knows(board_id)", "False"),
        f"{_STRANGERS}::"
        "test_boards_that_are_not_there_are_looked_for_together_and_leave_nothing_behind",
    ),
)
