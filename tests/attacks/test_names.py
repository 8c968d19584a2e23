"""Who wants to pass for somebody else, or to do harm by what they are called."""

from __future__ import annotations

from typing import Any

import pytest

from tests.attacks.conftest import Start
from tests.attacks.test_guessing import log_in, register
from tests.instances import Instance
from tests.world import sql

PASSWORD = "correct horse battery staple"


@pytest.fixture
def instance(shared_instance: Instance) -> Instance:
    return shared_instance


@pytest.fixture
def database_url(shared_database_url: str) -> str:
    return shared_database_url


async def answer(instance: Instance, username: str, email: str) -> tuple[int, dict[str, Any]]:
    body = {"username": username, "email": email, "password": PASSWORD}
    async with instance.client.post("/api/auth/register", json=body) as response:
        return response.status, await response.json()


# Each is drawn like `misha`, or is the same name in another form.
SPELLINGS = [
    "MISHA",
    "\uff4disha",  # full width
    "mi\u0307sha",  # a dot above a letter that has one
    "m\u0130sha",
    "m\u0131sha",
]
HIDDEN = [
    "mi\u200bsha",
    "mi\u200dsha",
    "misha\u200e",
    "mi\u00adsha",
    "misha\ufe0f",
    "misha\u3164",
    "misha\uffa0",
    "misha\u2800",
    "mi\u034fsha",
    "mis\u17b5ha",
    "misha\U000e0061",
    "\u202eahsim",
    "misha ",
    "misha\u00a0",
    "misha\U0001f1e6\ufe0f",
    "mis\u0e4bha",
    "misha" + "\u0335" * 5,
]


async def test_nobody_takes_a_name_in_a_form_that_others_take_for_it(
    start: Start, database_url: str
) -> None:
    instance = await start(rate_limit_accounts_per_ip="1000/minute")
    assert await register(instance, "misha") == 201
    for number, name in enumerate(SPELLINGS):
        status, document = await answer(instance, name, f"{number}@example.org")
        assert (status, document["code"]) == (409, "account_taken"), ascii(name)
    for name in HIDDEN:
        status, document = await answer(instance, name, "other@example.org")
        assert (status, document["code"]) == (400, "invalid_payload"), ascii(name)
        assert list(document["errors"]) == ["username"]
    assert sql(database_url, "SELECT username, username_key FROM users") == [("misha", "misha")]


@pytest.mark.parametrize(
    "name",
    ["--all", "-h", "\x1b[2J", "\x1b]0;pwned\x07", "a\x9b31m", "a\nroot", "a\u2028b", "\u202eada"],
    ids=ascii,
)
async def test_nobody_is_called_what_a_terminal_or_a_command_would_obey(
    instance: Instance, name: str
) -> None:
    status, document = await answer(instance, name, "ada@example.org")
    assert (status, document["code"]) == (400, "invalid_payload")
    assert set(document["errors"]) == {"username"}


async def test_one_mailbox_has_one_account(start: Start) -> None:
    instance = await start(rate_limit_accounts_per_ip="1000/minute")
    assert (await answer(instance, "ada", "Ada@München.example"))[0] == 201
    for number, email in enumerate(
        (
            "ada@münchen.example",
            "ADA@MÜNCHEN.example",
            "ada@xn--mnchen-3ya.example",
            "ada@XN--MNCHEN-3YA.EXAMPLE",
            "ada@mu\u0308nchen\u3002example",
        )
    ):
        status, document = await answer(instance, f"other{number}", email)
        assert (status, document["code"]) == (409, "account_taken"), email
        assert (await log_in(instance, email, PASSWORD))[0] == 200


async def test_no_spelling_that_hides_something_gives_further_attempts(start: Start) -> None:
    """What is found in many spellings is limited in all of them."""
    instance = await start(
        rate_limit_logins_per_user="3/hour", rate_limit_accounts_per_ip="1000/minute"
    )
    await register(instance, "misha")
    spellings = ["misha", "mi\u200bsha", "mi\u00adsha", "misha\ufe0f", "m\u0131sha"]
    found = [(await log_in(instance, spelling))[0] for spelling in spellings]
    assert found == [401] * 3 + [429] * 2
