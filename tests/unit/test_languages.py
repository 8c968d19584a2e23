"""Which language a visitor gets."""

from __future__ import annotations

import pytest

from scoreboard.languages import chosen

OFFERED = ("en", "de", "ar")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", "en"),
        ("AR-eg", "ar"),
        ("fr, ar;q=0.5, de;q=0.4", "ar"),
        ("en;q=0.3, de;q=0.31", "de"),
        ("de;q=0, *", "en"),
        ("de;q=0", "en"),
        ("fr", "en"),
        ("de;level=1", "en"),
        ("de;q=x, ar;q=0.1", "ar"),
        ("de;q=٣", "en"),
        ("de;q=99999", "de"),
        (";;;,,,=,q=1", "en"),
    ],
)
def test_the_best_accepted_language_is_taken(accepted: str, language: str) -> None:
    assert chosen(None, accepted, OFFERED) == language


def test_what_the_address_asks_for_goes_before_what_the_browser_accepts() -> None:
    assert chosen("ar", "de", OFFERED) == "ar"
    assert chosen("fr", "de", OFFERED) == "de"
    assert chosen("de", "de", ("ar",)) == "ar"


def test_the_first_that_is_offered_is_the_default() -> None:
    assert chosen(None, "fr", ("ar", "en")) == "ar"
    assert chosen(None, "*", ("de", "en")) == "de"


def test_of_a_long_field_the_beginning_counts() -> None:
    assert chosen(None, "fr," * 33 + "de", OFFERED) == "en"
    assert chosen(None, " " * 600 + "de", OFFERED) == "en"
