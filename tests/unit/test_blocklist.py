"""Passwords that nobody may choose."""

from __future__ import annotations

import pytest

from scoreboard.accounts.blocklist import CHARS_MIN, COMMON, OWN_NAME, BlockList

ADA = {"username": "Ada", "email": "Countess.Lovelace@Example.org"}


@pytest.fixture(scope="module")
def blocklist() -> BlockList:
    return BlockList()


def test_the_list_is_as_it_is_compared_and_holds_nothing_that_is_refused_anyway(
    blocklist: BlockList,
) -> None:
    assert len(blocklist._common) > 10_000
    for password in blocklist._common:
        assert password == password.casefold()
        assert len(password) >= CHARS_MIN
        assert password.isascii()


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "PassWord1",
        "iloveyou",
        "qwertyuiop",
        "letmein123",
        "\uff50\uff41\uff53\uff53word",  # full-width letters
        "00000000",
        "zzzzzzzzzzzz",
        "23456789",
        "hgfedcba",
    ],
)
def test_what_is_tried_first_cannot_be_chosen(blocklist: BlockList, password: str) -> None:
    assert blocklist.problem(password, **ADA) == COMMON


@pytest.mark.parametrize(
    "password",
    [
        "ada12345",
        "ADA-1815",
        "adaadaada",
        "lovelace",
        "LoveLace1815",
        "countess.lovelace@example.org",
        "Countess Ada",
        "scoreboard1",
        "Ada@ScoreBoard",
    ],
)
def test_ones_own_names_count_for_nothing(blocklist: BlockList, password: str) -> None:
    assert blocklist.problem(password, **ADA) == OWN_NAME


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "ada and the analytical engine",  # enough beside the name
        "91740286",
        "пароль и ещё слово",
        "🐎🔋📎🐴🐎🔋📎🐴",
    ],
)
def test_anything_else_can(blocklist: BlockList, password: str) -> None:
    assert blocklist.problem(password, **ADA) is None


def test_a_name_that_is_in_half_of_all_words_is_no_name(blocklist: BlockList) -> None:
    assert blocklist.problem("aeaeaeaebo", username="ae", email="ae@example.org") is None
    assert blocklist.problem("without any", username="", email="") is None
