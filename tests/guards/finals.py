"""Final boards: they are true also after a correction, and nobody keeps an old one."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Never, Removed, Value
from tests.guards.guard import Guard, Marked

_FILE: Final = "scoreboard/ledger/finals.sql"
_FINALS: Final = "tests/integration/test_finals.py"
_HIDDEN: Final = (
    f"{_FINALS}::test_a_hidden_user_leaves_final_boards_and_stands_there_again_once_shown"
)
_RENAMED: Final = (
    f"{_FINALS}::test_a_renamed_user_has_the_new_name_on_final_boards_with_their_digests"
)
_CORRECTED: Final = (
    f"{_FINALS}::test_a_correction_of_a_final_season_is_on_its_board_and_on_the_one_that_shows_it"
)

FINALS: Final = (
    Marked(
        "who is hidden leaves final boards",
        "marked-on-finals",
        Value("(done, [])"),
        f"{_HIDDEN}[True]",
    ),
    Guard(
        "a final board whose entries are kept shows nobody who is hidden",
        _FILE,
        " AND NOT ranked.hidden\n",
        "\n",
        f"{_HIDDEN}[True]",
    ),
    Guard(
        "a final board whose entries are gone shows nobody who is hidden",
        _FILE,
        "WHERE NOT entries.is_kept AND NOT {is_hidden}",
        "WHERE NOT entries.is_kept",
        f"{_HIDDEN}[False]",
    ),
    Guard(
        "a final board is derived once its entries are gone",
        _FILE,
        "SELECT seasons.season_id, {is_kept} AS is_kept",
        "SELECT seasons.season_id, TRUE AS is_kept",
        f"{_HIDDEN}[False]",
    ),
    Guard(
        "who is shown again comes back to the final boards that have room",
        _FILE,
        "WHERE ranked.user_id = took_part.user_id\n",
        "WHERE FALSE\n",
        f"{_HIDDEN}[True]",
    ),
    Guard(
        "who is shown again stands before a worse one where low scores win",
        _FILE,
        "WHEN 'low' THEN {shown_score} <= below.score ELSE",
        "WHEN 'high' THEN {shown_score} <= below.score ELSE",
        f"{_HIDDEN}[True]",
    ),
    Marked(
        "a season that is final is corrected on its final board",
        "corrected-on-final",
        Value("(done, [])"),
        f"{_CORRECTED}[True]",
    ),
    Marked(
        "a grant that is taken back is on no final board",
        "revoked-on-finals",
        Value("(done, [])"),
        f"{_FINALS}::test_a_grant_that_is_taken_back_is_on_no_final_board",
    ),
    Marked(
        "who is erased is named by no final board",
        "erased-on-finals",
        Value("(done, [])"),
        f"{_FINALS}::test_an_erased_user_leaves_lines_of_final_boards_under_a_neutral_name",
    ),
    Marked(
        "a renamed user has the new name on final boards",
        "renamed-on-finals",
        Value("[]"),
        _RENAMED,
    ),
    Marked(
        "a board that shows a final board of another name gets a higher version",
        "board-shows-final",
        Removed(),
        _RENAMED,
    ),
    Guard(
        "who writes names on final boards reads them once nobody else writes there",
        _FILE,
        "ORDER BY season_id\nFOR NO KEY UPDATE\n\n-- hold_finals",
        "ORDER BY season_id\n\n-- hold_finals",
        f"{_FINALS}"
        "::test_who_is_renamed_while_another_is_keeps_the_others_new_name_on_final_boards",
    ),
    Marked(
        "what is corrected while a final board is verified is no difference",
        "final-corrected-since",
        Never(),
        "tests/integration/test_definitions.py"
        "::test_what_is_corrected_while_a_final_board_is_verified_is_no_difference",
    ),
    Marked(
        "caches keep an archive for a moment, because it may be corrected",
        "archive-for-a-moment",
        Instead(
            "moment_of(request, defined)",
            "{'Cache-Control': 'public, max-age=31536000, immutable'}",
        ),
        "tests/service/test_caching_proxy.py"
        "::test_a_final_season_is_kept_for_a_moment_and_what_is_for_members_for_nobody",
    ),
)
