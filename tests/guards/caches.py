"""What caches are told, and who has an answer already."""

from __future__ import annotations

from typing import Final

from tests.guards.guard import Guard

_CONDITIONS: Final = "tests/service/test_conditions.py"
_KNOWN: Final = f"{_CONDITIONS}::test_who_has_it_is_told_so_however_that_is_said"

CACHES: Final = (
    Guard(
        "a board that nobody can confirm is kept by no cache, and says its age",
        "scoreboard/api/leaderboard.py",
        "    if age_seconds is not None:\n",
        "    if False:\n",
        "tests/faults/test_silent_ledger.py::"
        "test_while_tables_are_locked_the_newest_board_comes_with_its_age",
    ),
    Guard(
        "several lines of If-None-Match are one list",
        "scoreboard/api/http/etags.py",
        '    field = ",".join(lines)\n',
        "    field = lines[0]\n",
        _KNOWN,
    ),
    Guard(
        "a tag that a proxy renamed as it compressed is still ours",
        "scoreboard/api/http/etags.py",
        "        and named[len(tag) :] in _ENDINGS\n",
        "        and named == tag\n",
        "tests/service/test_compressing_proxy.py",
    ),
    Guard(
        "a list of tags without end names nothing",
        "scoreboard/api/http/etags.py",
        "len(field) > _LONGEST or tag not in field",
        "tag not in field",
        f"{_CONDITIONS}::test_a_list_without_end_names_nothing_and_costs_nothing",
    ),
    Guard(
        "a tag that is not closed is none",
        "scoreboard/api/http/etags.py",
        "parts[1:-1:2]",
        "parts[1::2]",
        f"{_CONDITIONS}::test_who_has_something_else_gets_it_whole",
    ),
    Guard(
        "who wants another answer is refused",
        "scoreboard/api/http/etags.py",
        "        raise PreconditionFailed\n",
        "        return False\n",
        f"{_CONDITIONS}::test_who_wants_another_one_is_refused_and_no_cache_keeps_that",
    ),
    Guard(
        "what we compressed has a tag that no proxy gives to the plain file",
        "scoreboard/api/pages.py",
        'f"{asset.digest}.gzip"',
        'f"{asset.digest}-gzip"',
        f"{_CONDITIONS}::test_each_encoding_has_a_tag_that_no_proxy_gives_to_the_other",
    ),
    Guard(
        "the rest of another file is not put behind the beginning of this one",
        "scoreboard/api/http/files.py",
        """    if request.headers.get(IF_RANGE, f'"{file.tag}"') != f'"{file.tag}"':
        return None  # the client has the beginning of another file
""",
        "",
        f"{_CONDITIONS}::test_what_is_no_range_of_this_file_is_not_taken_for_one",
    ),
    Guard(
        "a large file is written as it is read",
        "scoreboard/api/http/files.py",
        "_PIECE_BYTES: Final = 64 * 1024",
        "_PIECE_BYTES: Final = 64 * 1024 * 1024",
        f"{_CONDITIONS}::test_a_large_file_is_written_as_it_is_read",
    ),
    Guard(
        "an answer for one site says so to HEAD as well",
        "scoreboard/api/routes.py",
        'add_route(app, "HEAD", path, head, needs)',
        'add_route(app, "HEAD", path, head)',
        f"{_CONDITIONS}::test_an_answer_for_one_site_says_so_however_it_is_asked_for",
    ),
)
