"""What the page says and how it looks."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Always, Instead, Never, Removed, Value
from tests.guards.guard import AnyGuard, Marked

_CODES: Final = "tests/service/test_join_codes.py"
_LANGUAGES: Final = "tests/service/test_page_languages.py"

BRANDING: Final[tuple[AnyGuard, ...]] = (
    Marked(
        "of the languages that a visitor accepts the best one is taken",
        "language-best-accepted",
        Instead("quality > most", "quality > 0"),
        "tests/unit/test_languages.py::test_the_best_accepted_language_is_taken",
    ),
    Marked(
        "a cache keeps the page of each language apart",
        "languages-kept-apart",
        Instead("'Accept-Encoding, Accept-Language'", "'Accept-Encoding'"),
        f"{_LANGUAGES}::test_each_language_has_a_tag_of_its_own",
    ),
    Marked(
        "colours: text can be read on its ground",
        "colors-readable",
        Never(),
        "tests/unit/test_branding.py::test_colours_that_cannot_be_read_are_refused",
    ),
    Marked(
        "words: a text takes no value that nobody gives it",
        "words-values",
        Never(),
        "tests/unit/test_branding.py::test_words_that_cannot_be_used_are_refused_with_their_place",
    ),
    Marked(
        "a logo runs nothing when it is opened by itself",
        "logo-runs-nothing",
        Value("_ASSET_HEADERS"),
        f"{_CODES}::test_a_logo_is_everywhere_and_no_file_beside_it_is_served",
    ),
    Marked(
        "a code that a client's Host decides is for that client alone",
        "code-of-host-own",
        Value("'public'"),
        f"{_CODES}::test_without_one_it_is_what_the_client_asked_for_and_no_cache_shares_it",
    ),
    Marked(
        "a code is of what can be a host",
        "code-of-host-bounded",
        Never(),
        f"{_CODES}::test_a_host_that_is_none_is_refused",
    ),
    Marked(
        "strangers have no more codes drawn than halls need",
        "drawings-counted",
        Removed(),
        f"{_CODES}::test_no_more_is_drawn_than_halls_need_and_the_rest_waits",
    ),
    Marked(
        "a code has the scheme that a trusted proxy names, and nobody else",
        "code-scheme-trusted",
        Always(),
        f"{_CODES}::test_without_one_it_is_what_the_client_asked_for_and_no_cache_shares_it",
    ),
)
