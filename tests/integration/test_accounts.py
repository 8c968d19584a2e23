from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from secrets import token_urlsafe
from typing import Any
from uuid import uuid4

import argon2
import psycopg2
import pytest
from structlog.testing import capture_logs

from scoreboard.accounts import refresh, registry
from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.registry import SQL, Accounts, TokenPair
from scoreboard.configuration import load
from scoreboard.connections.postgres import Postgres
from scoreboard.connections.session import StatementRefused
from scoreboard.errors import (
    AccountTaken,
    BadCredentials,
    InvalidPayload,
    InvalidRefreshToken,
    LedgerUnavailable,
    Overloaded,
    ScoreboardError,
    Unavailable,
    UnknownUser,
)
from scoreboard.settings import Settings
from tests.eventually import eventually

SECRET = "a secret of today that is long enough"
NEWER = "a secret of tomorrow, long enough too"
PASSWORD = "correct horse battery staple"
GRACE_SECONDS = 10


class Database:
    """The database behind the accounts: for looking, for moving time, for being in the way."""

    def __init__(self, url: str) -> None:
        self._url = url

    def run(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self._url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
            return rows

    def one(self, statement: str, **parameters: Any) -> Any:
        return self.run(statement, **parameters)[0][0]

    @contextmanager
    def in_the_middle_of(self, statement: str, **parameters: Any) -> Iterator[None]:
        """Another transaction has run this statement; it commits at the end."""
        with closing(psycopg2.connect(self._url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            yield
            connection.commit()

    async def held_up(self, *tasks: asyncio.Task[Any]) -> None:
        """Wait until each of these tasks waits for a lock, or is done because nothing held it."""
        waiting = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        await eventually(
            lambda: self.one(waiting) + sum(task.done() for task in tasks) == len(tasks),
            message=f"{len(tasks)} wait for a lock",
        )

    def pass_time(self, seconds: float) -> None:
        """Make all refresh tokens older."""
        self.run(
            "UPDATE refresh_tokens SET"
            " issued_at = issued_at - make_interval(secs => %(seconds)s),"
            " expires_at = expires_at - make_interval(secs => %(seconds)s),"
            " replaced_at = replaced_at - make_interval(secs => %(seconds)s)",
            seconds=seconds,
        )


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


@pytest.fixture
def settings(database_url: str) -> Settings:
    return load({}, database_url=database_url, jwt_secret=SECRET)


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords()
    yield made
    made.close()


@pytest.fixture
async def postgres(database_url: str) -> AsyncIterator[Postgres]:
    made = Postgres(database_url, sessions=8, timeout_seconds=5, name="test")
    yield made
    made.close()


MakeAccounts = Callable[..., Accounts]


@pytest.fixture
def instance(postgres: Postgres, passwords: Passwords, settings: Settings) -> MakeAccounts:
    """Another instance on the same database, with settings of its own."""

    def make(**overrides: Any) -> Accounts:
        its_own = load({}, **{"jwt_secret": SECRET} | overrides)
        return Accounts(postgres, AccessTokens(its_own), passwords, its_own)

    return make


@pytest.fixture
def accounts(instance: MakeAccounts) -> Accounts:
    return instance()


@pytest.fixture
async def ada(accounts: Accounts) -> TokenPair:
    return await accounts.register("Ada", "ada@example.org", PASSWORD)


async def refused(accounts: Accounts, token: str) -> bool:
    try:
        await accounts.refresh(token)
    except InvalidRefreshToken:
        return True
    return False


# Registering


async def test_registering_makes_a_user_and_logs_them_in(
    accounts: Accounts, settings: Settings, database: Database
) -> None:
    pair = await accounts.register("Ada", "Ada@Example.ORG", PASSWORD)
    assert pair.username == "Ada"
    assert pair.expires_in == 900
    assert AccessTokens(settings).verify(pair.access_token).user_id == pair.user_id
    assert (await accounts.refresh(pair.refresh_token)).user_id == pair.user_id
    row = database.run(
        "SELECT user_id::text, username, username_key, email, email_given FROM users"
    )
    assert row == [(pair.user_id, "Ada", "ada", "ada@example.org", "Ada@Example.ORG")]


async def test_neither_passwords_nor_tokens_are_stored(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    successor = await accounts.refresh(ada.refresh_token)
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
    for add in (accounts.register, accounts.create):
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
    assert list(refusal.value.details["errors"]) == ["username"]


@pytest.mark.parametrize("email", ["", "ada", "a\x00@b", "\ud800@b", "\u0130" * 128 + "@b"])
async def test_an_address_that_cannot_be_kept_is_refused(accounts: Accounts, email: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        await accounts.register("Ada", email, PASSWORD)
    assert list(refusal.value.details["errors"]) == ["email"]


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
    assert (await accounts.refresh(pair.refresh_token)).user_id == ada.user_id


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
    assert (refusal.value.message, refusal.value.details) == (BadCredentials.message, {})
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
    account = await accounts.find("Ada")
    assert account is not None
    await accounts.set_password("Ada", "another")
    await accounts._rehash_if_needed(account, weak, PASSWORD)
    assert (await accounts.log_in("Ada", "another")).user_id == ada.user_id


# Refreshing


async def test_each_refresh_gives_a_successor_and_a_fresh_access_token(
    accounts: Accounts, ada: TokenPair, settings: Settings
) -> None:
    seen = {ada.refresh_token}
    pair = ada
    for _ in range(4):
        pair = await accounts.refresh(pair.refresh_token)
        assert AccessTokens(settings).verify(pair.access_token).user_id == ada.user_id
        seen.add(pair.refresh_token)
    assert len(seen) == 5
    assert (pair.username, pair.expires_in) == ("Ada", 900)


async def test_a_replaced_token_is_answered_with_the_very_same_successor_within_the_grace(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    first = await accounts.refresh(ada.refresh_token)
    database.pass_time(GRACE_SECONDS - 2)
    second = await accounts.refresh(ada.refresh_token)
    assert second.refresh_token == first.refresh_token
    assert await accounts.refresh(second.refresh_token)


async def test_a_replaced_token_is_answered_by_every_instance(
    accounts: Accounts, instance: MakeAccounts, ada: TokenPair
) -> None:
    first = await accounts.refresh(ada.refresh_token)
    second = await instance().refresh(ada.refresh_token)
    assert second.refresh_token == first.refresh_token


async def test_a_late_tab_gets_the_newest_token_when_the_others_went_further_within_the_grace(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    newest = ada
    for _ in range(3):
        newest = await accounts.refresh(newest.refresh_token)
    late = await accounts.refresh(ada.refresh_token)
    assert late.refresh_token == newest.refresh_token
    database.pass_time(GRACE_SECONDS + 1)
    assert await accounts.refresh(
        late.refresh_token
    )  # it is not a replaced one: nobody is logged out


@pytest.mark.parametrize("newest_first", [True, False])
async def test_past_the_grace_a_replaced_token_ends_the_family(
    accounts: Accounts, ada: TokenPair, database: Database, newest_first: bool
) -> None:
    second = await accounts.refresh(ada.refresh_token)
    if newest_first:
        second = await accounts.refresh(second.refresh_token)
    database.pass_time(GRACE_SECONDS + 1)
    with capture_logs() as logs:
        assert await refused(accounts, ada.refresh_token)
    assert await refused(accounts, second.refresh_token)
    assert await refused(accounts, ada.refresh_token)
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert warnings == [
        {
            "event": "scoreboard.accounts.refresh_reuse",
            "log_level": "warning",
            "family_id": database.one("SELECT family_id::text FROM refresh_families"),
            "user_id": ada.user_id,
        }
    ]


async def test_without_a_grace_a_token_works_once(instance: MakeAccounts) -> None:
    strict = instance(refresh_grace_seconds=0)
    ada = await strict.register("Ada", "ada@example.org", PASSWORD)
    second = await strict.refresh(ada.refresh_token)
    assert await refused(strict, ada.refresh_token)
    assert await refused(strict, second.refresh_token)


async def test_a_thief_who_refreshes_first_is_thrown_out_when_the_victim_comes_back(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    thief = await accounts.refresh(ada.refresh_token)
    database.pass_time(GRACE_SECONDS + 1)
    assert await refused(accounts, ada.refresh_token)  # the victim, who logs in again
    assert await refused(accounts, thief.refresh_token)
    assert await accounts.log_in("Ada", PASSWORD)


async def test_a_thief_who_comes_after_the_victim_gets_nothing_and_ends_the_family(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    victim = await accounts.refresh(ada.refresh_token)
    database.pass_time(GRACE_SECONDS + 1)
    assert await refused(accounts, ada.refresh_token)  # the thief
    assert await refused(accounts, victim.refresh_token)


async def test_a_thief_within_the_grace_is_found_out_at_the_next_refresh(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    victim = await accounts.refresh(ada.refresh_token)
    thief = await accounts.refresh(ada.refresh_token)
    database.pass_time(900)
    thief = await accounts.refresh(thief.refresh_token)
    database.pass_time(GRACE_SECONDS + 1)
    assert await refused(accounts, victim.refresh_token)
    assert await refused(accounts, thief.refresh_token)


async def test_the_end_of_one_family_leaves_the_users_other_log_ins_alone(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    phone = await accounts.log_in("Ada", PASSWORD)
    await accounts.refresh(ada.refresh_token)
    database.pass_time(GRACE_SECONDS + 1)
    assert await refused(accounts, ada.refresh_token)
    assert await accounts.refresh(phone.refresh_token)


async def test_an_expired_token_is_refused_and_a_refresh_prolongs(
    accounts: Accounts, ada: TokenPair, settings: Settings, database: Database
) -> None:
    database.pass_time(settings.refresh_token_seconds - 60)
    second = await accounts.refresh(ada.refresh_token)
    database.pass_time(settings.refresh_token_seconds - 60)
    third = await accounts.refresh(second.refresh_token)
    database.pass_time(settings.refresh_token_seconds + 60)
    assert await refused(accounts, third.refresh_token)
    assert database.one("SELECT revoked_at FROM refresh_families") is None


@pytest.mark.parametrize(
    "token", ["", "x", "é" * 43, "\ud800" * 43, "x" * 42, "x" * 44, "x" * 43 + "\n", "x" * 100_000]
)
async def test_what_is_no_refresh_token_is_refused_without_asking_the_database(
    accounts: Accounts, postgres: Postgres, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "fetch", None)
    assert await refused(accounts, token)
    await accounts.log_out(token)


async def test_an_unknown_token_is_refused(accounts: Accounts, ada: TokenPair) -> None:
    assert await refused(accounts, token_urlsafe(32))


async def test_the_tokens_of_a_deleted_user_are_refused(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    await accounts.refresh(ada.refresh_token)
    database.run("DELETE FROM users")
    assert await refused(accounts, ada.refresh_token)


# A change of secrets


async def test_refresh_tokens_survive_a_change_of_secrets_grace_included(
    accounts: Accounts, instance: MakeAccounts, ada: TokenPair
) -> None:
    before = await accounts.refresh(ada.refresh_token)
    newer = instance(jwt_secret=NEWER, jwt_previous_secrets=[SECRET])
    assert (await newer.refresh(ada.refresh_token)).refresh_token == before.refresh_token
    after = await newer.refresh(before.refresh_token)
    late = await newer.refresh(ada.refresh_token)  # a chain over two secrets
    assert late.refresh_token == after.refresh_token


async def test_an_instance_with_an_older_secret_asks_to_try_again_and_ends_nothing(
    accounts: Accounts, instance: MakeAccounts, ada: TokenPair
) -> None:
    newer = instance(jwt_secret=NEWER, jwt_previous_secrets=[SECRET])
    successor = await newer.refresh(ada.refresh_token)
    with pytest.raises(Unavailable):
        await accounts.refresh(ada.refresh_token)
    assert (await newer.refresh(ada.refresh_token)).refresh_token == successor.refresh_token
    assert await accounts.refresh(successor.refresh_token)


async def test_without_the_secret_a_successor_cannot_be_derived_from_its_predecessor(
    accounts: Accounts, ada: TokenPair
) -> None:
    successor = await accounts.refresh(ada.refresh_token)
    others = refresh.Successors([NEWER])
    assert others.of(ada.refresh_token) != successor.refresh_token
    assert others.follow(ada.refresh_token, [refresh.hash_of(successor.refresh_token)]) is None


# Refreshing at the same time as something else


async def test_tabs_that_refresh_at_once_all_get_the_one_valid_successor(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    pair = ada
    for _ in range(10):
        pairs = await asyncio.gather(*(accounts.refresh(pair.refresh_token) for _ in range(8)))
        assert len({pair.refresh_token for pair in pairs}) == 1
        pair = pairs[0]
    assert database.one("SELECT count(*) FROM refresh_tokens") == 11
    assert database.one("SELECT count(*) FROM refresh_tokens WHERE replaced_at IS NULL") == 1
    assert await accounts.refresh(pair.refresh_token)


async def test_a_tab_that_waits_for_the_others_refresh_gets_its_successor(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    family = "SELECT FROM refresh_families FOR UPDATE"
    with database.in_the_middle_of(family):
        tabs = [asyncio.create_task(accounts.refresh(ada.refresh_token)) for _ in range(3)]
        await database.held_up(*tabs)
    pairs = await asyncio.gather(*tabs)
    assert len({pair.refresh_token for pair in pairs}) == 1
    database.pass_time(GRACE_SECONDS + 1)
    assert await accounts.refresh(pairs[0].refresh_token)


async def test_a_refresh_that_meets_a_log_out_under_way_is_refused(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    log_out = SQL["revoke_family"]
    with database.in_the_middle_of(log_out, token_hash=refresh.hash_of(ada.refresh_token)):
        refreshing = asyncio.create_task(refused(accounts, ada.refresh_token))
        await database.held_up(refreshing)
    assert await refreshing


async def test_a_log_out_that_meets_a_refresh_under_way_ends_its_successor_too(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    with database.in_the_middle_of(SQL["rotate"], **rotation(accounts, ada.refresh_token)):
        leaving = asyncio.create_task(accounts.log_out(ada.refresh_token))
        await database.held_up(leaving)
    await leaving
    assert await refused(accounts, accounts._successors.of(ada.refresh_token))


async def test_refreshing_and_logging_out_at_once_always_ends_logged_out(
    accounts: Accounts, database: Database
) -> None:
    await accounts.create("Ada", "ada@example.org", PASSWORD)
    for _ in range(5):
        pair = await accounts.log_in("Ada", PASSWORD)
        await asyncio.gather(
            *(refused(accounts, pair.refresh_token) for _ in range(3)),
            accounts.log_out(pair.refresh_token),
            *(refused(accounts, pair.refresh_token) for _ in range(3)),
        )
        assert await refused(accounts, pair.refresh_token)
        assert await refused(accounts, accounts._successors.of(pair.refresh_token))


async def test_a_refresh_that_meets_a_revocation_under_way_is_refused(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    with database.in_the_middle_of(SQL["revoke_families"], user_id=ada.user_id):
        refreshing = asyncio.create_task(refused(accounts, ada.refresh_token))
        await database.held_up(refreshing)
    assert await refreshing


async def test_a_reuse_that_meets_a_refresh_under_way_ends_its_successor_too(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    second = await accounts.refresh(ada.refresh_token)
    database.pass_time(GRACE_SECONDS + 1)
    with database.in_the_middle_of(SQL["rotate"], **rotation(accounts, second.refresh_token)):
        reuse = asyncio.create_task(refused(accounts, ada.refresh_token))
        await database.held_up(reuse)
    assert await reuse
    assert await refused(accounts, accounts._successors.of(second.refresh_token))


async def test_a_log_in_that_meets_a_change_of_password_under_way_is_refused(
    accounts: Accounts, ada: TokenPair, passwords: Passwords, database: Database
) -> None:
    change = {"user_id": ada.user_id, "password_hash": await passwords.hash("another")}
    with database.in_the_middle_of(SQL["set_password"], **change):
        entering = asyncio.create_task(accounts.log_in("Ada", PASSWORD))
        await database.held_up(entering)
    with pytest.raises(BadCredentials):
        await entering
    assert await accounts.log_in("Ada", "another")


async def test_a_change_of_password_ends_a_log_in_that_was_under_way(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    token = token_urlsafe(32)
    log_in = {
        "user_id": ada.user_id,
        "password_hash": database.one("SELECT password_hash FROM users"),
        "token_hash": refresh.hash_of(token),
        "lifetime_seconds": 1000,
    }
    with database.in_the_middle_of(SQL["open_family"], **log_in):
        changing = asyncio.create_task(accounts.set_password("Ada", "another"))
        await database.held_up(changing)
    assert await changing == 2
    assert await refused(accounts, token)


def rotation(accounts: Accounts, token: str) -> dict[str, Any]:
    successor_hash = refresh.hash_of(accounts._successors.of(token))
    return accounts._token_row(token) | {"successor_hash": successor_hash, "grace_seconds": 10}


# Logging out


async def test_logging_out_ends_the_family_and_can_be_repeated(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    second = await accounts.refresh(ada.refresh_token)
    await accounts.log_out(second.refresh_token)
    revoked_at = database.one("SELECT revoked_at FROM refresh_families")
    await accounts.log_out(second.refresh_token)
    await accounts.log_out(ada.refresh_token)
    assert database.one("SELECT revoked_at FROM refresh_families") == revoked_at
    assert await refused(accounts, second.refresh_token)
    assert await refused(accounts, ada.refresh_token)


async def test_a_replaced_token_logs_its_family_out_too(accounts: Accounts, ada: TokenPair) -> None:
    second = await accounts.refresh(ada.refresh_token)
    await accounts.log_out(ada.refresh_token)
    assert await refused(accounts, second.refresh_token)


async def test_logging_out_with_an_unknown_token_is_no_error(
    accounts: Accounts, ada: TokenPair
) -> None:
    await accounts.log_out(token_urlsafe(32))
    assert await accounts.refresh(ada.refresh_token)


# For operators


async def test_a_created_user_can_log_in_and_has_no_family_before(
    accounts: Accounts, database: Database
) -> None:
    account = await accounts.create("Ada", "Ada@example.org", PASSWORD)
    assert await accounts.find("ada") == account
    assert await accounts.find("ada@EXAMPLE.org") == account
    assert database.one("SELECT count(*) FROM refresh_families") == 0
    assert (await accounts.log_in("Ada", PASSWORD)).user_id == account.user_id


async def test_nobody_is_found_where_nobody_is(accounts: Accounts, ada: TokenPair) -> None:
    for login in ("", "nobody", "nobody@example.org", "Ada%", "\x00", "\ud800"):
        assert await accounts.find(login) is None


async def test_a_new_password_replaces_the_old_one_and_ends_all_families(
    accounts: Accounts, ada: TokenPair
) -> None:
    phone = await accounts.log_in("Ada", PASSWORD)
    assert await accounts.set_password("ada@example.org", "another") == 2
    assert await refused(accounts, ada.refresh_token)
    assert await refused(accounts, phone.refresh_token)
    with pytest.raises(BadCredentials):
        await accounts.log_in("Ada", PASSWORD)
    assert (await accounts.log_in("Ada", "another")).user_id == ada.user_id


async def test_revoking_ends_all_families_of_one_user_only(
    accounts: Accounts, ada: TokenPair
) -> None:
    phone = await accounts.log_in("Ada", PASSWORD)
    grace = await accounts.register("Grace", "grace@example.org", PASSWORD)
    assert await accounts.revoke("ada") == 2
    assert await accounts.revoke("ada") == 0
    assert await refused(accounts, ada.refresh_token)
    assert await refused(accounts, phone.refresh_token)
    assert await accounts.refresh(grace.refresh_token)


async def test_changes_to_somebody_unknown_are_refused(accounts: Accounts) -> None:
    with pytest.raises(UnknownUser):
        await accounts.set_password("nobody", PASSWORD)
    with pytest.raises(UnknownUser):
        await accounts.revoke("nobody")


# Purging


async def test_a_purge_deletes_what_expired_an_hour_ago_and_nothing_else(
    accounts: Accounts, ada: TokenPair, settings: Settings, database: Database
) -> None:
    living = await accounts.log_in("Ada", PASSWORD)
    database.pass_time(settings.refresh_token_seconds + 3500)
    recent = await accounts.log_in("Ada", PASSWORD)
    assert await accounts.purge() == 0
    database.pass_time(200)
    assert await accounts.purge() == 2
    assert await accounts.purge() == 0
    hashes = [bytes(row[0]) for row in database.run("SELECT token_hash FROM refresh_tokens")]
    assert hashes == [refresh.hash_of(recent.refresh_token)]
    assert database.one("SELECT count(*) FROM refresh_families") == 1
    assert await refused(accounts, living.refresh_token)
    assert await accounts.refresh(recent.refresh_token)


async def test_a_purge_keeps_a_family_that_goes_on_and_its_memory_of_replaced_tokens(
    accounts: Accounts, ada: TokenPair, settings: Settings, database: Database
) -> None:
    second = await accounts.refresh(ada.refresh_token)
    database.pass_time(settings.refresh_token_seconds - 100)
    third = await accounts.refresh(second.refresh_token)
    database.pass_time(4000)
    assert await accounts.purge() == 2
    assert await accounts.refresh(third.refresh_token)
    database.pass_time(GRACE_SECONDS + 1)
    assert await accounts.purge() == 0
    assert await refused(accounts, third.refresh_token)
    assert database.one("SELECT revoked_at IS NOT NULL FROM refresh_families")


async def test_a_purge_of_many_goes_in_batches(
    accounts: Accounts, ada: TokenPair, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_PURGE_BATCH", 3)
    for _ in range(10):
        family_id = database.one(
            "INSERT INTO refresh_families (user_id) VALUES (%(user_id)s) RETURNING family_id",
            user_id=ada.user_id,
        )
        for _ in range(2):
            database.run(
                "INSERT INTO refresh_tokens (token_hash, family_id, expires_at)"
                " VALUES (%(hash)s, %(family_id)s, now() - interval '1 day')",
                hash=uuid4().bytes,
                family_id=family_id,
            )
    assert await accounts.purge() == 20
    assert database.one("SELECT count(*) FROM refresh_families") == 1


async def test_a_purge_passes_by_a_family_that_somebody_holds(
    accounts: Accounts, ada: TokenPair, settings: Settings, database: Database
) -> None:
    database.pass_time(settings.refresh_token_seconds + 4000)
    with database.in_the_middle_of("SELECT FROM refresh_families FOR UPDATE"):
        assert await asyncio.wait_for(accounts.purge(), 2) == 0
    assert await accounts.purge() == 1


async def test_purges_of_several_instances_at_once_neither_fail_nor_count_twice(
    accounts: Accounts, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_PURGE_BATCH", 7)
    account = await accounts.create("Ada", "ada@example.org", PASSWORD)
    database.run(
        "WITH families AS (INSERT INTO refresh_families (user_id)"
        " SELECT %(user_id)s FROM generate_series(1, 50) RETURNING family_id)"
        " INSERT INTO refresh_tokens (token_hash, family_id, expires_at)"
        " SELECT gen_random_uuid()::text::bytea, family_id, now() - interval '1 day'"
        " FROM families, generate_series(1, 4)",
        user_id=account.user_id,
    )
    purged = await asyncio.gather(*(accounts.purge() for _ in range(4)))
    assert sum(purged) + await accounts.purge() == 200
    assert database.one("SELECT count(*) FROM refresh_families") == 0


# When PostgreSQL is away, and what is logged


async def test_everything_says_that_the_database_is_away(
    passwords: Passwords, settings: Settings
) -> None:
    postgres = Postgres("postgresql://127.0.0.1:1/none", sessions=1, timeout_seconds=1, name="test")
    accounts = Accounts(postgres, AccessTokens(settings), passwords, settings)
    for attempt in (
        accounts.register("Ada", "ada@example.org", PASSWORD),
        accounts.log_in("Ada", PASSWORD),
        accounts.refresh(token_urlsafe(32)),
        accounts.log_out(token_urlsafe(32)),
        accounts.purge(),
    ):
        with pytest.raises(LedgerUnavailable):
            await attempt


async def test_a_wait_for_a_lock_ends_with_a_request_to_try_again(
    database_url: str, database: Database, passwords: Passwords, settings: Settings, ada: TokenPair
) -> None:
    hasty = Postgres(database_url, sessions=1, timeout_seconds=0.5, name="test")
    accounts = Accounts(hasty, AccessTokens(settings), passwords, settings)
    held = database.in_the_middle_of("SELECT FROM refresh_families FOR UPDATE")
    with held, pytest.raises(Unavailable):
        await accounts.refresh(ada.refresh_token)
    assert await accounts.refresh(ada.refresh_token)
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
        second = await accounts.refresh(ada.refresh_token)
        database.pass_time(GRACE_SECONDS + 1)
        assert await refused(accounts, ada.refresh_token)
        await accounts.log_out(phone.refresh_token)
        await accounts.revoke("ada@example.org")
        await accounts.set_password("ada@example.org", "another")
        await accounts.purge()
        shown = [repr(ada), repr(second), repr(await accounts.find("ada"))]
    assert all(entry["event"].startswith("scoreboard.accounts.") for entry in logs)
    assert len(logs) == 8
    text = str(logs) + str(shown)
    secrets = {pair.refresh_token for pair in (ada, phone, second)} | {ada.access_token}
    for secret in {PASSWORD, "wrong one", "another", "ada@example.org"} | secrets:
        assert secret not in text


async def refused_log_in(accounts: Accounts, login: str, password: str) -> None:
    with pytest.raises(ScoreboardError):
        await accounts.log_in(login, password)
