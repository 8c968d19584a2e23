"""What caches are told, and who has an answer already."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead, Removed, Replaced, Value
from tests.guards.guard import Marked

_CONDITIONS: Final = "tests/service/test_conditions.py"
_KNOWN: Final = f"{_CONDITIONS}::test_who_has_it_is_told_so_however_that_is_said"

CACHES: Final = (
    Marked(
        "a board that nobody can confirm is kept by no cache, and says its age",
        "board-nobody-confirm",
        Removed(),
        "tests/faults/test_silent_ledger.py::"
        "test_while_tables_are_locked_the_newest_board_comes_with_its_age",
    ),
    Marked(
        "several lines of If-None-Match are one list",
        "several-lines-none",
        Instead("','.join($lines)", "$lines[0]"),
        _KNOWN,
    ),
    Marked(
        "a tag that a proxy renamed as it compressed is still ours",
        "tag-proxy-renamed",
        Instead("$named[len($tag):] in _ENDINGS", "$named == $tag"),
        "tests/service/test_compressing_proxy.py",
    ),
    Marked(
        "a list of tags without end names nothing",
        "list-tags-without",
        Instead("len($field) > _LONGEST", "False"),
        f"{_CONDITIONS}::test_a_list_without_end_names_nothing_and_costs_nothing",
    ),
    Marked(
        "a tag that is not closed is none",
        "tag-not-closed",
        Instead("$parts[1:-1:2]", "$parts[1::2]"),
        f"{_CONDITIONS}::test_who_has_something_else_gets_it_whole",
    ),
    Marked(
        "who wants another answer is refused",
        "wants-another-answer",
        Replaced("return False"),
        f"{_CONDITIONS}::test_who_wants_another_one_is_refused_and_no_cache_keeps_that",
    ),
    Marked(
        "what we compressed has a tag that no proxy gives to the plain file",
        "compressed-tag-no",
        Instead("f'{$digest}.gzip'", "f'{$digest}-gzip'"),
        f"{_CONDITIONS}::test_each_encoding_has_a_tag_that_no_proxy_gives_to_the_other",
    ),
    Marked(
        "the rest of another file is not put behind the beginning of this one",
        "rest-another",
        Removed(),
        f"{_CONDITIONS}::test_what_is_no_range_of_this_file_is_not_taken_for_one",
    ),
    Marked(
        "a large file is written as it is read",
        "large-file-written",
        Value("64 * 1024 * 1024"),
        f"{_CONDITIONS}::test_a_large_file_is_written_as_it_is_read",
    ),
    Marked(
        "an answer for one site says so to HEAD as well",
        "answer-one-site",
        Instead(
            "add_route($app, 'HEAD', $path, $handler, $needs)",
            "add_route($app, 'HEAD', $path, $handler)",
        ),
        f"{_CONDITIONS}::test_an_answer_for_one_site_says_so_however_it_is_asked_for",
    ),
)
