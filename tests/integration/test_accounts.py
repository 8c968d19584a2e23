from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import argon2
import pytest
from structlog.testing import capture_logs

from scoreboard.accounts import refresh
from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.families import TokenPair
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.queries import SQL
from scoreboard.accounts.registry import Accounts
from scoreboard.accounts.revocations import RevocationReader
from scoreboard.configuration.settings import Settings
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import StatementRefused
from scoreboard.errors import (
    AccountTaken,
    BadCredentials,
    InvalidPayload,
    LedgerUnavailable,
    Overloaded,
    RevokedToken,
    ScoreboardError,
    Unavailable,
    UnknownUser,
)
from scoreboard.operations.metrics import Metrics
from tests.integration.account_world import (
    GRACE_SECONDS,
    OTHER_PASSWORD,
    PASSWORD,
    SECRET,
    Database,
    refused,
)

# Registering


async def test_registering_makes_a_user_and_logs_them_in(
    accounts: Accounts, settings: Settings, database: Database
) -> None:
    pair = await accounts.register("Ada", "Ada@Example.ORG", PASSWORD)
    assert pair.username == "Ada"
    assert pair.expires_in == 900
    assert AccessTokens(settings).verify(pair.access_token).user_id == pair.user_id
    assert (await accounts.families.refresh(pair.refresh_token)).user_id == pair.user_id
    row = database.run(
        "SELECT user_id::text, username, username_key, email, email_given FROM users"
    )
    assert row == [(pair.user_id, "Ada", "ada", "ada@example.org", "Ada@Example.ORG")]


async def test_neither_passwords_nor_tokens_are_stored(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    successor = await accounts.families.refresh(ada.refresh_token)
    rows = database.run(
        "SELECT users::text FROM users UNION ALL SELECT t::text FROM refresh_tokens t"
    )
    stored = str(rows)
    for secret in (PASSWORD, ada.refresh_token, successor.refresh_token, ada.access_token):
        assert secret not in stored
        assert secret.encode().hex() not in stored


@pytest.mark.parametrize(
    ("username", "email"),
    [
        ("Ada", "other@example.org"),
        ("aDA", "other@example.org"),
        ("\uff21da", "other@example.org"),  # a full-width A
        ("Other", "ada@example.org"),
        ("Other", "ADA@example.org"),
        ("Other", "ada@example\u3002org"),  # a dot of East Asian typography
    ],
)
async def test_a_name_or_address_that_somebody_has_is_taken(
    accounts: Accounts, ada: TokenPair, database: Database, username: str, email: str
) -> None:
    for add in (accounts.register, accounts.users.create):
        with pytest.raises(AccountTaken):
            await add(username, email, PASSWORD)
    assert database.one("SELECT count(*) FROM users") == 1
    assert database.one("SELECT count(*) FROM refresh_families") == 1


async def test_of_two_who_register_one_name_at_once_one_gets_it(
    accounts: Accounts, database: Database
) -> None:
    outcomes = await asyncio.gather(
        accounts.register("Ada", "1@example.org", PASSWORD),
        accounts.register("ada", "2@example.org", PASSWORD),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AccountTaken", "TokenPair"]
    assert database.one("SELECT count(*) FROM refresh_families") == 1


@pytest.mark.parametrize(
    "username",
    [
        "",
        " ",
        " ada",
        "ada\u00a0",
        "x" * 51,
        "\ufdfa" * 3,  # one letter that is eighteen after normalising
        "ada@example.org",
        "ada\uff20example.org",  # a full-width @, which normalising makes an @
        "a\x00da",
        "a\nda",
        "a\u200bda",
        "\u3164\u3164",
        "--all",
        "\ud800",
    ],
)
async def test_a_name_that_cannot_be_kept_or_told_apart_is_refused(
    accounts: Accounts, username: str
) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        await accounts.register(username, "ada@example.org", PASSWORD)
    assert list(refusal.value.errors) == ["username"]


@pytest.mark.parametrize("email", ["", "ada", "a\x00@b", "\ud800@b", "\u0130" * 128 + "@b"])
async def test_an_address_that_cannot_be_kept_is_refused(accounts: Accounts, email: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        await accounts.register("Ada", email, PASSWORD)
    assert list(refusal.value.errors) == ["email"]


# Logging in


@pytest.mark.parametrize(
    "login", ["Ada", "ada", "ADA", "\uff21da", "ada@example.org", "ADA@Example.org"]
)
async def test_a_user_logs_in_by_name_or_address_in_any_case(
    accounts: Accounts, ada: TokenPair, login: str
) -> None:
    pair = await accounts.log_in(login, PASSWORD)
    assert (pair.user_id, pair.username) == (ada.user_id, "Ada")
    assert pair.refresh_token != ada.refresh_token
    assert (await accounts.families.refresh(pair.refresh_token)).user_id == ada.user_id


@pytest.mark.parametrize("login", ["Ada", "nobody", "", "nobody@example.org", "a\x00", "\ud800@x"])
async def test_an_unknown_login_and_a_wrong_password_get_the_same_answer_for_the_same_work(
    accounts: Accounts, ada: TokenPair, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = 0
    verify = argon2.PasswordHasher.verify

    def counting(*arguments: Any) -> bool:
        nonlocal verified
        verified += 1
        return verify(*arguments)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counting)
    with pytest.raises(BadCredentials) as refusal:
        await accounts.log_in(login, "wrong")
    assert refusal.value.message == BadCredentials.message
    assert verified == 1


async def test_a_user_whose_stored_hash_is_none_cannot_log_in(
    accounts: Accounts, database: Database
) -> None:
    database.run("INSERT INTO users (username, email, password_hash) VALUES ('bot', 'b@c', '!')")
    for password in ("!", "", PASSWORD):
        with pytest.raises(BadCredentials):
            await accounts.log_in("bot", password)


async def test_a_password_hashed_with_other_parameters_is_rehashed_when_its_user_logs_in(
    accounts: Accounts, ada: TokenPair, passwords: Passwords, database: Database
) -> None:
    weak = argon2.PasswordHasher(1, 1024, 1).hash(PASSWORD)
    database.run("UPDATE users SET password_hash = %(weak)s", weak=weak)
    await accounts.log_in("Ada", PASSWORD)
    kept = database.one("SELECT password_hash FROM users")
    assert kept != weak
    assert not passwords.needs_rehash(kept)
    await accounts.log_in("Ada", PASSWORD)
    assert database.one("SELECT password_hash FROM users") == kept


async def test_a_log_in_that_meets_the_rehash_of_another_under_way_succeeds(
    accounts: Accounts, ada: TokenPair, passwords: Passwords, database: Database
) -> None:
    weak = argon2.PasswordHasher(1, 1024, 1).hash(PASSWORD)
    database.run("UPDATE users SET password_hash = %(weak)s", weak=weak)
    new_hash = await passwords.hash(PASSWORD)
    rehash = {"user_id": ada.user_id, "password_hash": weak, "new_hash": new_hash}
    with database.in_the_middle_of(SQL["rehash"], **rehash):
        entering = asyncio.create_task(accounts.log_in("Ada", PASSWORD))
        await database.held_up(entering)
    assert (await entering).user_id == ada.user_id


async def test_log_ins_at_once_of_a_user_whose_hash_is_old_all_succeed(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    weak = argon2.PasswordHasher(1, 1024, 1).hash(PASSWORD)
    database.run("UPDATE users SET password_hash = %(weak)s", weak=weak)
    pairs = await asyncio.gather(*(accounts.log_in("Ada", PASSWORD) for _ in range(6)))
    assert {pair.user_id for pair in pairs} == {ada.user_id}


async def test_a_log_in_succeeds_even_where_its_rehash_does_not(
    accounts: Accounts, ada: TokenPair, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def overloaded(*_: object) -> str:
        raise Overloaded

    weak = argon2.PasswordHasher(1, 1024, 1).hash(PASSWORD)
    database.run("UPDATE users SET password_hash = %(weak)s", weak=weak)
    monkeypatch.setattr(Passwords, "hash", overloaded)
    with capture_logs() as logs:
        assert await accounts.log_in("Ada", PASSWORD)
    assert "scoreboard.accounts.not_rehashed" in [entry["event"] for entry in logs]


async def test_a_rehash_never_undoes_a_change_of_password(
    accounts: Accounts, ada: TokenPair, passwords: Passwords, database: Database
) -> None:
    weak = argon2.PasswordHasher(1, 1024, 1).hash(PASSWORD)
    database.run("UPDATE users SET password_hash = %(weak)s", weak=weak)
    account = await accounts.users.find("Ada")
    assert account is not None
    await accounts.set_password("Ada", OTHER_PASSWORD)
    await accounts._rehash_if_needed(account, weak, PASSWORD)
    assert (await accounts.log_in("Ada", OTHER_PASSWORD)).user_id == ada.user_id


# One's own password


async def test_who_knows_the_password_changes_it_and_goes_on_alone(
    accounts: Accounts, ada: TokenPair, access: AccessTokens, database: Database
) -> None:
    phone = await accounts.log_in("Ada", PASSWORD)
    renewed = await accounts.change_password(ada.user_id, PASSWORD, OTHER_PASSWORD)
    assert (renewed.user_id, renewed.username) == (ada.user_id, "Ada")
    for pair in (ada, phone):
        assert await refused(accounts, pair.refresh_token)
        with pytest.raises(RevokedToken):
            access.verify(pair.access_token)
    assert access.verify(renewed.access_token).user_id == ada.user_id
    assert await accounts.families.refresh(renewed.refresh_token)
    with pytest.raises(BadCredentials):
        await accounts.log_in("Ada", PASSWORD)
    assert (await accounts.log_in("Ada", OTHER_PASSWORD)).user_id == ada.user_id
    assert database.one("SELECT updated_at > created_at FROM users")


async def test_a_wrong_password_changes_nothing(
    accounts: Accounts, ada: TokenPair, access: AccessTokens
) -> None:
    with pytest.raises(BadCredentials):
        await accounts.change_password(ada.user_id, OTHER_PASSWORD, OTHER_PASSWORD)
    assert access.verify(ada.access_token)
    assert await accounts.families.refresh(ada.refresh_token)
    assert await accounts.log_in("Ada", PASSWORD)


async def test_somebody_who_is_not_here_has_no_password_and_no_log_in(accounts: Accounts) -> None:
    with pytest.raises(UnknownUser):
        await accounts.change_password(str(uuid4()), PASSWORD, OTHER_PASSWORD)
    with pytest.raises(UnknownUser):
        await accounts.log_out_everywhere(str(uuid4()))


async def test_of_two_who_change_a_password_at_once_one_does(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    """The other one knows what the password was, and is told that it is not the current one."""
    outcomes = await asyncio.gather(
        *(accounts.change_password(ada.user_id, PASSWORD, new) for new in ("one" * 4, "two" * 4)),
        return_exceptions=True,
    )
    kinds = sorted(type(outcome).__name__ for outcome in outcomes)
    assert kinds == ["BadCredentials", "TokenPair"]
    assert database.one("SELECT count(*) FROM refresh_families") == 1


async def test_a_change_that_meets_the_rehash_of_a_log_in_under_way_succeeds(
    accounts: Accounts, ada: TokenPair, passwords: Passwords, database: Database
) -> None:
    weak = argon2.PasswordHasher(1, 1024, 1).hash(PASSWORD)
    database.run("UPDATE users SET password_hash = %(weak)s", weak=weak)
    new_hash = await passwords.hash(PASSWORD)
    rehash = {"user_id": ada.user_id, "password_hash": weak, "new_hash": new_hash}
    with database.in_the_middle_of(SQL["rehash"], **rehash):
        changing = asyncio.create_task(
            accounts.change_password(ada.user_id, PASSWORD, OTHER_PASSWORD)
        )
        await database.held_up(changing)
    assert await changing
    assert await accounts.log_in("Ada", OTHER_PASSWORD)


async def test_a_log_in_that_waited_for_a_log_out_everywhere_bears_a_good_token(
    accounts: Accounts,
    ada: TokenPair,
    access: AccessTokens,
    postgres: Postgres,
    database: Database,
) -> None:
    """It began before and was let in after. What a statement sees is as of its beginning, so the
    reading of the revocation clock has to come from another one.
    """
    with database.in_the_middle_of(SQL["end_families"], user_id=ada.user_id):
        entering = asyncio.create_task(accounts.log_in("Ada", PASSWORD))
        await database.held_up(entering)
    pair = await entering
    await RevocationReader(postgres, access.revocations, Metrics(), interval_seconds=1).read()
    assert access.verify(pair.access_token)
    with pytest.raises(RevokedToken):
        access.verify(ada.access_token)


async def test_a_token_from_right_after_a_log_out_everywhere_is_good_and_from_right_before_is_not(
    accounts: Accounts, ada: TokenPair, access: AccessTokens
) -> None:
    """All within one second, which is all that a token says of when it was issued."""
    for _ in range(10):
        before = await accounts.log_in("Ada", PASSWORD)
        await accounts.log_out_everywhere(ada.user_id)
        after = await accounts.log_in("Ada", PASSWORD)
        with pytest.raises(RevokedToken):
            access.verify(before.access_token)
        assert access.verify(after.access_token)


# Passwords that nobody may choose


@pytest.mark.parametrize(
    "password",
    [
        "password1",
        "PASSWORD1",
        "\uff50assword1",  # a full-width p
        "1qaz2wsx",
        "77777777",
        "abcdefghi",
        "Ada 4567",
        "lovelace1815",
        "ada.lovelace@example.org",
        "ScoreBoard!",
    ],
)
async def test_a_password_that_is_tried_first_or_is_a_name_cannot_be_chosen(
    accounts: Accounts, ada: TokenPair, database: Database, password: str
) -> None:
    before = database.run("SELECT * FROM users")
    member = "password"
    for attempt in (
        accounts.register("Ada-Lovelace", "ada.lovelace@example.org", password),
        accounts.users.create("Ada-Lovelace", "ada.lovelace@example.org", password),
    ):
        with pytest.raises(InvalidPayload) as refusal:
            await attempt
        assert list(refusal.value.errors) == [member]
    database.run("UPDATE users SET email_given = 'ada.lovelace@example.org'")
    with pytest.raises(InvalidPayload):
        await accounts.set_password("Ada", password)
    with pytest.raises(InvalidPayload) as refusal:
        await accounts.change_password(ada.user_id, PASSWORD, password)
    assert list(refusal.value.errors) == ["newPassword"]
    database.run("UPDATE users SET email_given = 'ada@example.org'")
    assert database.run("SELECT * FROM users") == before
    assert await accounts.families.refresh(ada.refresh_token)


async def test_who_has_such_a_password_from_before_logs_in_as_ever(
    accounts: Accounts, ada: TokenPair, passwords: Passwords, database: Database
) -> None:
    database.run("UPDATE users SET password_hash = %(hash)s", hash=await passwords.hash("password"))
    assert (await accounts.log_in("Ada", "password")).user_id == ada.user_id
    assert await accounts.change_password(ada.user_id, "password", PASSWORD)


# For operators


async def test_a_created_user_can_log_in_and_has_no_family_before(
    accounts: Accounts, database: Database
) -> None:
    account = await accounts.users.create("Ada", "Ada@example.org", PASSWORD)
    assert await accounts.users.find("ada") == account
    assert await accounts.users.find("ada@EXAMPLE.org") == account
    assert database.one("SELECT count(*) FROM refresh_families") == 0
    assert (await accounts.log_in("Ada", PASSWORD)).user_id == account.user_id


async def test_nobody_is_found_where_nobody_is(accounts: Accounts, ada: TokenPair) -> None:
    for login in ("", "nobody", "nobody@example.org", "Ada%", "\x00", "\ud800"):
        assert await accounts.users.find(login) is None


async def test_a_new_password_replaces_the_old_one_and_ends_all_families(
    accounts: Accounts, ada: TokenPair
) -> None:
    phone = await accounts.log_in("Ada", PASSWORD)
    assert await accounts.set_password("ada@example.org", OTHER_PASSWORD) == 2
    assert await refused(accounts, ada.refresh_token)
    assert await refused(accounts, phone.refresh_token)
    with pytest.raises(BadCredentials):
        await accounts.log_in("Ada", PASSWORD)
    assert (await accounts.log_in("Ada", OTHER_PASSWORD)).user_id == ada.user_id


async def test_revoking_ends_all_families_of_one_user_only(
    accounts: Accounts, ada: TokenPair
) -> None:
    phone = await accounts.log_in("Ada", PASSWORD)
    grace = await accounts.register("Grace", "grace@example.org", PASSWORD)
    assert await accounts.revoke("ada") == 2
    assert await accounts.revoke("ada") == 0
    assert await refused(accounts, ada.refresh_token)
    assert await refused(accounts, phone.refresh_token)
    assert await accounts.families.refresh(grace.refresh_token)


async def test_changes_to_somebody_unknown_are_refused(accounts: Accounts) -> None:
    with pytest.raises(UnknownUser):
        await accounts.set_password("nobody", PASSWORD)
    with pytest.raises(UnknownUser):
        await accounts.revoke("nobody")


# When PostgreSQL is away, and what is logged


async def test_everything_says_that_the_database_is_away(
    passwords: Passwords, settings: Settings
) -> None:
    postgres = Postgres("postgresql://127.0.0.1:1/none", sessions=1, timeout_seconds=1, name="test")
    accounts = Accounts(settings, postgres, AccessTokens(settings), passwords, Metrics())
    for attempt in (
        accounts.register("Ada", "ada@example.org", PASSWORD),
        accounts.log_in("Ada", PASSWORD),
        accounts.families.refresh(refresh.RefreshTokens([SECRET]).first()),
        accounts.families.end(refresh.RefreshTokens([SECRET]).first()),
        accounts.families.purge(),
    ):
        with pytest.raises(LedgerUnavailable):
            await attempt


async def test_a_wait_for_a_lock_ends_with_a_request_to_try_again(
    database_url: str, database: Database, passwords: Passwords, settings: Settings, ada: TokenPair
) -> None:
    hasty = Postgres(database_url, sessions=1, timeout_seconds=0.5, name="test")
    accounts = Accounts(settings, hasty, AccessTokens(settings), passwords, Metrics())
    held = database.in_the_middle_of("SELECT FROM refresh_families FOR UPDATE")
    with held, pytest.raises(Unavailable):
        await accounts.families.refresh(ada.refresh_token)
    assert await accounts.families.refresh(ada.refresh_token)
    hasty.close()


async def test_a_refusal_of_the_database_that_nobody_expects_is_not_hidden(
    accounts: Accounts, database: Database
) -> None:
    database.run("ALTER TABLE users ADD CONSTRAINT no_ada CHECK (username <> 'Ada')")
    with pytest.raises(StatementRefused):
        await accounts.register("Ada", "ada@example.org", PASSWORD)


async def test_neither_passwords_nor_addresses_nor_tokens_are_logged_or_shown(
    accounts: Accounts, database: Database
) -> None:
    with capture_logs() as logs:
        ada = await accounts.register("Ada", "ada@example.org", PASSWORD)
        await refused_log_in(accounts, "ada@example.org", "wrong one")
        phone = await accounts.log_in("ada@example.org", PASSWORD)
        second = await accounts.families.refresh(ada.refresh_token)
        database.pass_time(GRACE_SECONDS + 1)
        assert await refused(accounts, ada.refresh_token)
        await accounts.families.end(phone.refresh_token)
        await accounts.revoke("ada@example.org")
        await accounts.set_password("ada@example.org", OTHER_PASSWORD)
        await refused_change(accounts, ada.user_id, "wrong one")
        await accounts.change_password(ada.user_id, OTHER_PASSWORD, PASSWORD)
        await accounts.families.purge()
        shown = [repr(ada), repr(second), repr(await accounts.users.find("ada"))]
    assert all(entry["event"].startswith("scoreboard.accounts.") for entry in logs)
    assert len(logs) == 10
    text = str(logs) + str(shown)
    secrets = {pair.refresh_token for pair in (ada, phone, second)} | {ada.access_token}
    for secret in {PASSWORD, "wrong one", OTHER_PASSWORD, "ada@example.org"} | secrets:
        assert secret not in text


async def refused_log_in(accounts: Accounts, login: str, password: str) -> None:
    with pytest.raises(ScoreboardError):
        await accounts.log_in(login, password)


async def refused_change(accounts: Accounts, user_id: str, password: str) -> None:
    with pytest.raises(ScoreboardError):
        await accounts.change_password(user_id, password, "another one, long enough")
