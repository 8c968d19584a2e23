"""Who gets another e-mail address, also when others do something at the same moment."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import argon2
import pytest
from structlog.testing import capture_logs

from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.families import TokenPair
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.queries import SQL
from scoreboard.accounts.registry import Accounts
from scoreboard.errors import AccountTaken, BadCredentials, InvalidPayload, UnknownUser
from tests.integration.account_world import OTHER_PASSWORD, PASSWORD, Database

ADDRESS = "countess@example.org"


async def test_who_knows_the_password_gets_another_address_and_stays_logged_in(
    accounts: Accounts, ada: TokenPair, access: AccessTokens, database: Database
) -> None:
    with capture_logs() as events:
        kept = await accounts.change_email(ada.user_id, PASSWORD, "Countess@EXAMPLE.org")
    assert kept == "Countess@EXAMPLE.org"
    row = database.run("SELECT email, email_given, updated_at > created_at FROM users")
    assert row == [(ADDRESS, "Countess@EXAMPLE.org", True)]
    assert (await accounts.log_in(ADDRESS, PASSWORD)).user_id == ada.user_id
    with pytest.raises(BadCredentials):
        await accounts.log_in("ada@example.org", PASSWORD)
    assert access.verify(ada.access_token).user_id == ada.user_id
    assert await accounts.families.refresh(ada.refresh_token)
    assert [event["event"] for event in events] == ["scoreboard.accounts.email_changed"]
    assert "example" not in str(events).lower()


async def test_who_does_not_know_it_changes_nothing(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    with pytest.raises(BadCredentials):
        await accounts.change_email(ada.user_id, OTHER_PASSWORD, ADDRESS)
    with pytest.raises(UnknownUser):
        await accounts.change_email(str(uuid4()), PASSWORD, ADDRESS)
    database.run("UPDATE users SET password_hash = '-'")  # of an identity provider
    with pytest.raises(BadCredentials):
        await accounts.change_email(ada.user_id, "-", ADDRESS)
    assert database.one("SELECT email FROM users") == "ada@example.org"


@pytest.mark.parametrize("taken", ["bob@example.org", "BOB@example.org", "bob@EXAMPLE\u3002org"])
async def test_an_address_has_one_user_in_whatever_spelling(
    accounts: Accounts, ada: TokenPair, database: Database, taken: str
) -> None:
    await accounts.register("bob", "bob@example.org", PASSWORD)
    with pytest.raises(AccountTaken):
        await accounts.change_email(ada.user_id, PASSWORD, taken)
    assert database.one("SELECT email FROM users WHERE username = 'Ada'") == "ada@example.org"


async def test_ones_own_address_may_be_spelled_anew(accounts: Accounts, ada: TokenPair) -> None:
    assert await accounts.change_email(ada.user_id, PASSWORD, "ADA@example.org")


@pytest.mark.parametrize("bad", ["", "ada", "ada@", "a@b@c.org", "ada@example.org\0", "x" * 300])
async def test_what_is_no_address_is_refused(accounts: Accounts, ada: TokenPair, bad: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        await accounts.change_email(ada.user_id, PASSWORD, bad)
    assert list(refused.value.errors) == ["email"]


async def test_of_two_who_want_one_address_at_once_one_gets_it(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    bob = await accounts.register("bob", "bob@example.org", PASSWORD)
    outcomes = await asyncio.gather(
        *(accounts.change_email(each.user_id, PASSWORD, ADDRESS) for each in (ada, bob)),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AccountTaken", "str"]
    assert database.one("SELECT count(*) FROM users WHERE email = %(it)s", it=ADDRESS) == 1


async def test_a_password_that_is_changed_meanwhile_changes_no_address(
    accounts: Accounts, ada: TokenPair, passwords: Passwords, database: Database
) -> None:
    """The owner, who has noticed that somebody knows the password, is not locked out by them."""
    new_hash = await passwords.hash(OTHER_PASSWORD)
    changed = {"user_id": ada.user_id, "password_hash": new_hash}
    update = "UPDATE users SET password_hash = %(password_hash)s WHERE user_id = %(user_id)s"
    with database.in_the_middle_of(update, **changed):
        changing = asyncio.create_task(accounts.change_email(ada.user_id, PASSWORD, ADDRESS))
        await database.held_up(changing)
    with pytest.raises(BadCredentials):
        await changing
    assert database.one("SELECT email FROM users") == "ada@example.org"


async def test_a_change_that_meets_the_rehash_of_a_log_in_succeeds(
    accounts: Accounts, ada: TokenPair, passwords: Passwords, database: Database
) -> None:
    weak = argon2.PasswordHasher(1, 1024, 1).hash(PASSWORD)
    database.run("UPDATE users SET password_hash = %(weak)s", weak=weak)
    new_hash = await passwords.hash(PASSWORD)
    rehash = {"user_id": ada.user_id, "password_hash": weak, "new_hash": new_hash}
    with database.in_the_middle_of(SQL["rehash"], **rehash):
        changing = asyncio.create_task(accounts.change_email(ada.user_id, PASSWORD, ADDRESS))
        await database.held_up(changing)
    assert await changing == ADDRESS
