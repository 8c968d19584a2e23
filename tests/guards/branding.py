"""What the page says and how it looks."""

from __future__ import annotations

from typing import Final

from tests.guards.change import Instead
from tests.guards.guard import AnyGuard, Marked

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
)
