"""Families of refresh tokens: what each use of one leads to, and what is kept of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from scoreboard.accounts import families, refresh
from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.families import GRACES_IN_A_ROW_MAX, TokenPair
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.queries import SQL
from scoreboard.accounts.registry import Accounts
from scoreboard.configuration.settings import Settings
from scoreboard.connections.postgres import Postgres
from scoreboard.errors import BadCredentials, InvalidRefreshToken, RevokedToken, Unavailable
from tests.integration.account_world import (
    GRACE_SECONDS,
    NEWER,
    OTHER_PASSWORD,
    PASSWORD,
    SECRET,
    Database,
    MakeAccounts,
    refused,
)
from tests.integration.earlier_release import EarlierRelease

WEEK_SECONDS = 7 * 24 * 3600


def counted(accounts: Accounts, name: str) -> float:
    """A counter of this instance."""
    registry = accounts.families._metrics.registry
    return registry.get_sample_value(f"scoreboard_{name}_total") or 0.0


def successor_of(accounts: Accounts, token: str) -> str:
    """What this instance would replace the token by."""
    return next(iter(accounts.families.tokens.successors(token).values()))


def hashes_of(token: str) -> dict[str, bytes]:
    return {"token_hash": refresh.hash_of(token), "handle_hash": refresh.handle_hash_of(token)}


def rotation(accounts: Accounts, token: str) -> dict[str, Any]:
    successor_hash = refresh.hash_of(successor_of(accounts, token))
    return hashes_of(token) | {
        "successor_hash": successor_hash,
        "candidates": [successor_hash],
        "lifetime_seconds": 1000,
        "family_seconds": 1000,
        "grace_seconds": GRACE_SECONDS,
        "graces_max": GRACES_IN_A_ROW_MAX,
    }


def rows_of(database: Database) -> dict[str, int]:
    """How many rows each table of log-ins has."""
    tables = ("refresh_families", "refresh_tokens", "refresh_handles")
    return {table: database.one(f"SELECT count(*) FROM {table}") for table in tables}


# Refreshing


async def test_each_refresh_gives_a_successor_and_a_fresh_access_token(
    accounts: Accounts, ada: TokenPair, settings: Settings
) -> None:
    seen = {ada.refresh_token}
    pair = ada
    for _ in range(4):
        pair = await accounts.families.refresh(pair.refresh_token)
        assert AccessTokens(settings).verify(pair.access_token).user_id == ada.user_id
        seen.add(pair.refresh_token)
    assert len(seen) == 5
    assert (pair.username, pair.expires_in) == ("Ada", 900)


async def test_a_replaced_token_is_answered_once_more_with_the_very_same_successor(
    accounts: Accounts, instance: MakeAccounts, ada: TokenPair, database: Database
) -> None:
    """As a client needs it whose answer was lost, or a second tab, on whatever instance."""
    first = await accounts.families.refresh(ada.refresh_token)
    database.pass_time(GRACE_SECONDS - 2)
    other = instance()
    with capture_logs() as logs:
        second = await other.families.refresh(ada.refresh_token)
    assert second.refresh_token == first.refresh_token
    assert counted(other, "refresh_grace") == 1
    assert [(entry["event"], entry["user_id"]) for entry in logs] == [
        ("scoreboard.accounts.refresh_grace", ada.user_id)
    ]
    assert await accounts.families.refresh(second.refresh_token)
    assert counted(other, "refresh_reuse") == counted(accounts, "refresh_reuse") == 0


async def test_a_second_answer_within_the_grace_is_a_reuse_and_ends_the_family(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    newest = await accounts.families.refresh(ada.refresh_token)
    assert await accounts.families.refresh(ada.refresh_token)
    assert await refused(accounts, ada.refresh_token)
    assert await refused(accounts, newest.refresh_token)
    assert counted(accounts, "refresh_reuse") == 1
    assert set(rows_of(database).values()) == {0}


async def test_a_token_before_the_one_that_was_replaced_last_has_no_grace(
    accounts: Accounts, ada: TokenPair
) -> None:
    newest = ada
    for _ in range(2):
        newest = await accounts.families.refresh(newest.refresh_token)
    assert await refused(accounts, ada.refresh_token)
    assert await refused(accounts, newest.refresh_token)


@pytest.mark.parametrize("newest_first", [True, False])
async def test_past_the_grace_a_replaced_token_ends_the_family(
    accounts: Accounts, ada: TokenPair, database: Database, newest_first: bool
) -> None:
    second = await accounts.families.refresh(ada.refresh_token)
    if newest_first:
        second = await accounts.families.refresh(second.refresh_token)
    database.pass_time(GRACE_SECONDS + 1)
    family_id = database.one("SELECT family_id::text FROM refresh_families")
    with capture_logs() as logs:
        assert await refused(accounts, ada.refresh_token)
    assert await refused(accounts, second.refresh_token)
    assert await refused(accounts, ada.refresh_token)
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert warnings == [
        {
            "event": "scoreboard.accounts.refresh_reuse",
            "log_level": "warning",
            "family_id": family_id,
            "user_id": ada.user_id,
        }
    ]


async def test_without_a_grace_a_token_works_once(instance: MakeAccounts) -> None:
    strict = instance(refresh_grace_seconds=0)
    ada = await strict.register("Ada", "ada@example.org", PASSWORD)
    second = await strict.families.refresh(ada.refresh_token)
    assert await refused(strict, ada.refresh_token)
    assert await refused(strict, second.refresh_token)


async def test_without_a_grace_not_even_a_second_tab_at_the_same_time_gets_an_answer(
    instance: MakeAccounts, database: Database
) -> None:
    strict = instance(refresh_grace_seconds=0)
    ada = await strict.register("Ada", "ada@example.org", PASSWORD)
    with database.in_the_middle_of("SELECT FROM refresh_families FOR UPDATE"):
        tabs = [asyncio.create_task(refused(strict, ada.refresh_token)) for _ in range(2)]
        await database.held_up(*tabs)
    assert sorted(await asyncio.gather(*tabs)) == [False, True]


# Thieves


async def test_a_thief_who_refreshes_first_is_thrown_out_when_the_victim_comes_back(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    thief = await accounts.families.refresh(ada.refresh_token)
    database.pass_time(GRACE_SECONDS + 1)
    assert await refused(accounts, ada.refresh_token)  # the victim, who logs in again
    assert await refused(accounts, thief.refresh_token)
    assert await accounts.log_in("Ada", PASSWORD)


async def test_a_thief_who_comes_after_the_victim_gets_nothing_and_ends_the_family(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    victim = await accounts.families.refresh(ada.refresh_token)
    database.pass_time(GRACE_SECONDS + 1)
    assert await refused(accounts, ada.refresh_token)  # the thief
    assert await refused(accounts, victim.refresh_token)


async def test_a_thief_who_follows_each_refresh_is_found_out_at_the_fourth(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    """Two seconds behind each time: for every token one of them needs an answer in its grace."""
    token = ada.refresh_token
    for _ in range(GRACES_IN_A_ROW_MAX):
        victim = await accounts.families.refresh(token)
        database.pass_time(2)
        thief = await accounts.families.refresh(token)
        assert thief.refresh_token == victim.refresh_token
        database.pass_time(900)
        token = victim.refresh_token
    victim = await accounts.families.refresh(token)
    database.pass_time(2)
    assert await refused(accounts, token)  # the thief
    assert await refused(accounts, victim.refresh_token)
    assert counted(accounts, "refresh_grace") == GRACES_IN_A_ROW_MAX
    assert counted(accounts, "refresh_reuse") == 1


async def test_a_thief_who_takes_turns_with_the_victim_is_found_out_as_well(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    """Whoever comes first: the other one is the second. A step ahead of it is one too many."""
    ahead = await accounts.families.refresh(
        (await accounts.families.refresh(ada.refresh_token)).refresh_token
    )
    database.pass_time(2)
    assert await refused(accounts, ada.refresh_token)
    assert await refused(accounts, ahead.refresh_token)


async def test_an_answer_that_is_lost_now_and_then_logs_nobody_out(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    token = ada.refresh_token
    for lost in [True, True, True, False] * 3:
        answer = await accounts.families.refresh(token)
        if lost:
            answer = await accounts.families.refresh(token)
        token = answer.refresh_token
        database.pass_time(900)
    assert counted(accounts, "refresh_grace") == 9
    assert await accounts.families.refresh(token)


async def test_after_years_of_refreshing_a_token_of_the_first_day_still_ends_its_family(
    instance: MakeAccounts, ada: TokenPair, database: Database
) -> None:
    """And of all that came between nothing is kept: neither here nor of another log-in."""
    accounts = instance(refresh_family_seconds=10 * 365 * 24 * 3600)
    phone = await accounts.log_in("Ada", PASSWORD)
    newest, early = ada, ""
    for generation in range(30):
        newest = await accounts.families.refresh(newest.refresh_token)
        early = newest.refresh_token if generation == 3 else early
        database.pass_time(WEEK_SECONDS / 2)
        phone = await accounts.families.refresh(phone.refresh_token)
    assert rows_of(database) == {
        "refresh_families": 2,
        "refresh_tokens": 4,
        "refresh_handles": 2,
    }
    assert await refused(accounts, early)
    assert await refused(accounts, newest.refresh_token)
    assert counted(accounts, "refresh_reuse") == 1
    assert await accounts.families.refresh(phone.refresh_token)


async def test_a_reuse_ends_the_access_tokens_of_the_user_and_no_other_log_in(
    accounts: Accounts, access: AccessTokens, ada: TokenPair, database: Database
) -> None:
    """The thief has one, too. Honest clients refresh theirs, and go on."""
    phone = await accounts.log_in("Ada", PASSWORD)
    thief = await accounts.families.refresh(ada.refresh_token)
    assert access.verify(thief.access_token)
    database.pass_time(GRACE_SECONDS + 1)
    assert await refused(accounts, ada.refresh_token)
    for token in (thief.access_token, phone.access_token):
        with pytest.raises(RevokedToken):
            access.verify(token)
    phone = await accounts.families.refresh(phone.refresh_token)
    assert access.verify(phone.access_token).user_id == ada.user_id


async def test_the_end_of_one_family_leaves_the_users_other_log_ins_alone(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    phone = await accounts.log_in("Ada", PASSWORD)
    await accounts.families.refresh(ada.refresh_token)
    database.pass_time(GRACE_SECONDS + 1)
    assert await refused(accounts, ada.refresh_token)
    assert await accounts.families.refresh(phone.refresh_token)


async def test_who_knows_what_the_database_holds_can_end_no_family(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    """Nor can who sees how tokens are made: their handle is known to their holders alone."""
    newest = await accounts.families.refresh(ada.refresh_token)
    [(family_id, handle_hash)] = database.run("SELECT family_id, handle_hash FROM refresh_handles")
    for known in (family_id.encode(), bytes(handle_hash), newest.user_id.encode()):
        padded = (known * 2)[:12] + uuid4().bytes + b"seal"
        assert await refused(accounts, refresh._text(padded))
    assert await accounts.families.refresh(newest.refresh_token)


# Age


async def test_an_expired_token_is_refused_and_a_refresh_prolongs(
    accounts: Accounts, ada: TokenPair, settings: Settings, database: Database
) -> None:
    database.pass_time(settings.refresh_token_seconds - 60)
    second = await accounts.families.refresh(ada.refresh_token)
    database.pass_time(settings.refresh_token_seconds - 60)
    third = await accounts.families.refresh(second.refresh_token)
    database.pass_time(settings.refresh_token_seconds + 60)
    assert await refused(accounts, third.refresh_token)
    assert counted(accounts, "refresh_reuse") == 0


async def test_a_family_has_a_largest_age_however_often_it_is_refreshed(
    instance: MakeAccounts, database: Database
) -> None:
    accounts = instance(refresh_family_seconds=3 * WEEK_SECONDS, refresh_token_seconds=WEEK_SECONDS)
    pair = await accounts.register("Ada", "ada@example.org", PASSWORD)
    for _ in range(3):
        database.pass_time(WEEK_SECONDS - 60)
        pair = await accounts.families.refresh(pair.refresh_token)
    left = "SELECT extract(epoch FROM max(expires_at) - now()) FROM refresh_tokens"
    assert 0 < database.one(left) <= 180  # the last one lives no longer than its family
    database.pass_time(181)
    assert await refused(accounts, pair.refresh_token)
    assert counted(accounts, "refresh_reuse") == 0
    assert await accounts.log_in("Ada", PASSWORD)


async def test_a_largest_age_that_is_lowered_holds_for_who_is_logged_in(
    accounts: Accounts, instance: MakeAccounts, ada: TokenPair, database: Database
) -> None:
    database.pass_time(WEEK_SECONDS)
    stricter = instance(refresh_family_seconds=WEEK_SECONDS)
    assert await refused(stricter, ada.refresh_token)
    assert await accounts.families.refresh(ada.refresh_token)


# What is no token, or nobody's


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "é" * 43,
        "\ud800" * 43,
        "w" * 42,
        "w" * 44,
        "x" * 43,
        "w" * 43 + "\n",
        "x" * 100_000,
    ],
)
async def test_what_is_no_refresh_token_is_refused_without_asking_the_database(
    accounts: Accounts, postgres: Postgres, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "fetch", None)
    assert await refused(accounts, token)
    await accounts.families.end(token)


async def test_an_unknown_token_is_refused(accounts: Accounts, ada: TokenPair) -> None:
    assert await refused(accounts, refresh.RefreshTokens([SECRET]).first())


async def test_another_spelling_of_a_good_token_is_none(accounts: Accounts, ada: TokenPair) -> None:
    """Its last letter has two bits to spare. Taken for a token, it would be an older one."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = letters.index(ada.refresh_token[-1])
    for other in range(last + 1, last + 4):
        assert await refused(accounts, ada.refresh_token[:-1] + letters[other])
    assert await accounts.families.refresh(ada.refresh_token)


async def test_the_tokens_of_a_deleted_user_are_refused(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    await accounts.families.refresh(ada.refresh_token)
    database.run("DELETE FROM users")
    assert await refused(accounts, ada.refresh_token)


# A change of secrets


async def test_refresh_tokens_survive_a_change_of_secrets_grace_included(
    accounts: Accounts, instance: MakeAccounts, ada: TokenPair
) -> None:
    before = await accounts.families.refresh(ada.refresh_token)
    newer = instance(jwt_secret=NEWER, jwt_previous_secrets=[SECRET])
    assert (await newer.families.refresh(ada.refresh_token)).refresh_token == before.refresh_token
    after = await newer.families.refresh(before.refresh_token)
    assert await instance(jwt_secret=NEWER).families.refresh(after.refresh_token)


async def test_an_instance_with_an_older_secret_asks_to_try_again_and_uses_nothing_up(
    accounts: Accounts, instance: MakeAccounts, ada: TokenPair
) -> None:
    newer = instance(jwt_secret=NEWER, jwt_previous_secrets=[SECRET])
    successor = await newer.families.refresh(ada.refresh_token)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await accounts.families.refresh(ada.refresh_token)
    assert (
        await newer.families.refresh(ada.refresh_token)
    ).refresh_token == successor.refresh_token
    assert await accounts.families.refresh(successor.refresh_token)


async def test_a_token_from_before_a_secret_that_is_kept_no_more_still_ends_its_family(
    accounts: Accounts, instance: MakeAccounts, ada: TokenPair
) -> None:
    """After a leak no older secret is kept. The thief went on meanwhile; the victim comes back."""
    newer = instance(jwt_secret=NEWER)
    thief = ada
    for _ in range(3):
        thief = await newer.families.refresh(thief.refresh_token)
    assert await refused(newer, ada.refresh_token)
    assert await refused(newer, thief.refresh_token)


async def test_without_the_secret_a_successor_cannot_be_derived_from_its_predecessor(
    accounts: Accounts, ada: TokenPair
) -> None:
    successor = await accounts.families.refresh(ada.refresh_token)
    others = refresh.RefreshTokens([NEWER]).successors(ada.refresh_token)
    assert successor.refresh_token not in others.values()


async def test_a_token_names_its_family_without_asking_anybody(
    accounts: Accounts, instance: MakeAccounts, ada: TokenPair
) -> None:
    newer = instance(jwt_secret=NEWER, jwt_previous_secrets=[SECRET])
    second = await accounts.families.refresh(ada.refresh_token)
    third = await newer.families.refresh(second.refresh_token)
    tokens = [pair.refresh_token for pair in (ada, second, third)]
    [name] = {newer.families.tokens.family_of(token) for token in tokens}
    assert name is not None
    assert len(name) == 32
    assert not any(name in token for token in tokens)
    phone = await accounts.log_in("Ada", PASSWORD)
    assert accounts.families.tokens.family_of(phone.refresh_token) not in (None, name)


async def test_what_strangers_make_up_names_no_family(accounts: Accounts, ada: TokenPair) -> None:
    handle = refresh._bytes(ada.refresh_token)[:12]
    made_up = [
        "",
        "x" * 43,
        "\ud800" * 43,
        refresh.RefreshTokens([NEWER]).first(),
        refresh._text(uuid4().bytes * 2),
        refresh._text(handle + uuid4().bytes + b"seal"),
    ]
    assert [accounts.families.tokens.family_of(text) for text in made_up] == [None] * len(made_up)


# Beside the release before, whose instances are replaced one after the other


@pytest.fixture
async def earlier(postgres: Postgres, accounts: Accounts, ada: TokenPair) -> EarlierRelease:
    return EarlierRelease(postgres)


@pytest.fixture
async def earlier_token(earlier: EarlierRelease, ada: TokenPair, database: Database) -> str:
    """The refresh token of a log-in that the release before began, and refreshed twice."""
    token = await earlier.log_in(ada.user_id, database.one("SELECT password_hash FROM users"))
    for _ in range(2):
        token = await earlier.refresh(token)
    return token


async def test_a_log_in_goes_on_over_instances_of_both_releases_in_any_order(
    accounts: Accounts, earlier: EarlierRelease, earlier_token: str, database: Database
) -> None:
    token = earlier_token
    for here in (True, False, True, True, False, False, True):
        if here:
            token = (await accounts.families.refresh(token)).refresh_token
        else:
            token = await earlier.refresh(token)
        database.pass_time(900)
    assert counted(accounts, "refresh_reuse") == 0


async def test_a_log_in_that_began_here_is_refreshed_and_ended_by_the_release_before(
    accounts: Accounts, earlier: EarlierRelease, ada: TokenPair
) -> None:
    """So it can be gone back to."""
    token = await earlier.refresh(ada.refresh_token)
    assert await accounts.families.refresh(token)
    phone = await accounts.log_in("Ada", PASSWORD)
    await earlier.log_out(phone.refresh_token)
    assert await refused(accounts, phone.refresh_token)


async def test_an_answer_that_an_instance_of_the_release_before_lost_is_repeated_here(
    accounts: Accounts, earlier: EarlierRelease, earlier_token: str
) -> None:
    successor = await earlier.refresh(earlier_token)
    assert (await accounts.families.refresh(earlier_token)).refresh_token == successor
    assert await accounts.families.refresh(successor)


async def test_an_answer_that_was_lost_here_is_not_repeated_there_and_nothing_ends(
    accounts: Accounts, earlier: EarlierRelease, ada: TokenPair
) -> None:
    successor = await accounts.families.refresh(ada.refresh_token)
    with pytest.raises(Unavailable):  # a 503, after which clients ask again
        await earlier.refresh(ada.refresh_token)
    assert (
        await accounts.families.refresh(ada.refresh_token)
    ).refresh_token == successor.refresh_token


async def test_replaced_tokens_of_the_release_before_are_remembered_until_they_expire(
    accounts: Accounts,
    earlier: EarlierRelease,
    ada: TokenPair,
    database: Database,
    settings: Settings,
) -> None:
    password_hash = database.one("SELECT password_hash FROM users")
    first = await earlier.log_in(ada.user_id, password_hash)
    newest = await earlier.refresh(first)
    for _ in range(4):
        newest = (await accounts.families.refresh(newest)).refresh_token
        database.pass_time(900)
    # Of this family: the first, which cannot be told by its handle, and the newest two.
    assert rows_of(database)["refresh_tokens"] == 1 + 3
    assert await refused(accounts, first)
    assert await refused(accounts, newest)


async def test_a_token_of_the_release_before_has_no_grace_once_its_successor_was_used(
    accounts: Accounts, earlier: EarlierRelease, earlier_token: str
) -> None:
    second = await earlier.refresh(earlier_token)
    third = await accounts.families.refresh(second)
    assert await refused(accounts, earlier_token)
    assert await refused(accounts, third.refresh_token)


async def test_a_family_that_the_release_before_has_ended_stays_so(
    accounts: Accounts, earlier: EarlierRelease, earlier_token: str
) -> None:
    await earlier.log_out(earlier_token)
    assert await refused(accounts, earlier_token)
    assert counted(accounts, "refresh_reuse") == 0


# Refreshing at the same time as something else


@pytest.mark.parametrize("parties", [2, 3, 8])
async def test_of_many_who_refresh_at_once_two_are_answered_alike_and_a_third_ends_the_family(
    accounts: Accounts, instance: MakeAccounts, database: Database, parties: int
) -> None:
    """Over several instances, whatever the order: PostgreSQL decides."""
    instances = [accounts, instance(), instance()]
    await accounts.users.create("Ada", "ada@example.org", PASSWORD)
    for _ in range(4):
        pair = await accounts.log_in("Ada", PASSWORD)
        outcomes = await asyncio.gather(
            *(instances[n % 3].families.refresh(pair.refresh_token) for n in range(parties)),
            return_exceptions=True,
        )
        answered = [outcome for outcome in outcomes if isinstance(outcome, TokenPair)]
        assert len(answered) == 2
        assert len({pair.refresh_token for pair in answered}) == 1
        refusals = Counter(type(outcome) for outcome in outcomes if outcome not in answered)
        assert refusals == Counter({InvalidRefreshToken: parties - 2})
        ended = await refused(accounts, answered[0].refresh_token)
        assert ended is (parties > 2)
    reuses = sum(counted(each, "refresh_reuse") for each in instances)
    assert reuses == (4 if parties > 2 else 0)


async def test_a_tab_that_waits_for_the_others_refresh_gets_its_successor(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    with database.in_the_middle_of("SELECT FROM refresh_families FOR UPDATE"):
        tabs = [asyncio.create_task(accounts.families.refresh(ada.refresh_token)) for _ in range(2)]
        await database.held_up(*tabs)
    one, other = await asyncio.gather(*tabs)
    assert one.refresh_token == other.refresh_token
    database.pass_time(GRACE_SECONDS + 1)
    assert await accounts.families.refresh(one.refresh_token)


async def test_a_refresh_that_meets_a_log_out_under_way_is_refused(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    with database.in_the_middle_of(SQL["end_family"], **hashes_of(ada.refresh_token)):
        refreshing = asyncio.create_task(refused(accounts, ada.refresh_token))
        await database.held_up(refreshing)
    assert await refreshing


async def test_a_log_out_that_meets_a_refresh_under_way_ends_its_successor_too(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    with database.in_the_middle_of(SQL["rotate"], **rotation(accounts, ada.refresh_token)):
        leaving = asyncio.create_task(accounts.families.end(ada.refresh_token))
        await database.held_up(leaving)
    await leaving
    assert await refused(accounts, successor_of(accounts, ada.refresh_token))


async def test_refreshing_and_logging_out_at_once_always_ends_logged_out(
    accounts: Accounts, database: Database
) -> None:
    await accounts.users.create("Ada", "ada@example.org", PASSWORD)
    for _ in range(5):
        pair = await accounts.log_in("Ada", PASSWORD)
        await asyncio.gather(
            *(refused(accounts, pair.refresh_token) for _ in range(2)),
            accounts.families.end(pair.refresh_token),
            *(refused(accounts, pair.refresh_token) for _ in range(2)),
        )
        assert await refused(accounts, pair.refresh_token)
        assert await refused(accounts, successor_of(accounts, pair.refresh_token))


async def test_a_refresh_that_meets_a_revocation_under_way_is_refused(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    with database.in_the_middle_of(SQL["end_families"], user_id=ada.user_id):
        refreshing = asyncio.create_task(refused(accounts, ada.refresh_token))
        await database.held_up(refreshing)
    assert await refreshing


async def test_a_reuse_that_meets_a_refresh_under_way_ends_its_successor_too(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    second = await accounts.families.refresh(ada.refresh_token)
    database.pass_time(GRACE_SECONDS + 1)
    with database.in_the_middle_of(SQL["rotate"], **rotation(accounts, second.refresh_token)):
        reuse = asyncio.create_task(refused(accounts, ada.refresh_token))
        await database.held_up(reuse)
    assert await reuse
    assert await refused(accounts, successor_of(accounts, second.refresh_token))


async def test_a_log_in_that_meets_a_change_of_password_under_way_is_refused(
    accounts: Accounts, ada: TokenPair, passwords: Passwords, database: Database
) -> None:
    change = {"user_id": ada.user_id, "password_hash": await passwords.hash(OTHER_PASSWORD)}
    with database.in_the_middle_of(SQL["set_password"], **change):
        entering = asyncio.create_task(accounts.log_in("Ada", PASSWORD))
        await database.held_up(entering)
    with pytest.raises(BadCredentials):
        await entering
    assert await accounts.log_in("Ada", OTHER_PASSWORD)


async def test_a_change_of_password_ends_a_log_in_that_was_under_way(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    token = refresh.RefreshTokens([SECRET]).first()
    log_in = {
        "user_id": ada.user_id,
        "password_hash": database.one("SELECT password_hash FROM users"),
        "lifetime_seconds": 1000,
    } | hashes_of(token)
    with database.in_the_middle_of(SQL["open_family"], **log_in):
        changing = asyncio.create_task(accounts.set_password("Ada", OTHER_PASSWORD))
        await database.held_up(changing)
    assert await changing == 2
    assert await refused(accounts, token)


async def test_a_log_out_everywhere_ends_a_log_in_that_was_under_way(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    token = refresh.RefreshTokens([SECRET]).first()
    log_in = {
        "user_id": ada.user_id,
        "password_hash": database.one("SELECT password_hash FROM users"),
        "lifetime_seconds": 1000,
    } | hashes_of(token)
    with database.in_the_middle_of(SQL["open_family"], **log_in):
        leaving = asyncio.create_task(accounts.log_out_everywhere(ada.user_id))
        await database.held_up(leaving)
    assert await leaving == 2
    assert await refused(accounts, token)


# Logging out


async def test_logging_out_ends_the_family_and_can_be_repeated(
    accounts: Accounts, ada: TokenPair, database: Database
) -> None:
    second = await accounts.families.refresh(ada.refresh_token)
    for token in (second.refresh_token, second.refresh_token, ada.refresh_token):
        await accounts.families.end(token)
    assert set(rows_of(database).values()) == {0}
    assert await refused(accounts, second.refresh_token)
    assert await refused(accounts, ada.refresh_token)
    assert counted(accounts, "refresh_reuse") == 0


async def test_any_token_of_a_family_logs_it_out(accounts: Accounts, ada: TokenPair) -> None:
    newest = ada
    for _ in range(3):
        newest = await accounts.families.refresh(newest.refresh_token)
    await accounts.families.end(ada.refresh_token)
    assert await refused(accounts, newest.refresh_token)


async def test_logging_out_with_an_unknown_token_is_no_error(
    accounts: Accounts, ada: TokenPair
) -> None:
    await accounts.families.end(refresh.RefreshTokens([SECRET]).first())
    assert await accounts.families.refresh(ada.refresh_token)


# Purging


async def test_a_purge_deletes_what_expired_an_hour_ago_and_nothing_else(
    accounts: Accounts, ada: TokenPair, settings: Settings, database: Database
) -> None:
    living = await accounts.log_in("Ada", PASSWORD)
    database.pass_time(settings.refresh_token_seconds + 3500)
    recent = await accounts.log_in("Ada", PASSWORD)
    assert await accounts.families.purge() == 0
    database.pass_time(200)
    assert await accounts.families.purge() == 2
    assert await accounts.families.purge() == 0
    hashes = [bytes(row[0]) for row in database.run("SELECT token_hash FROM refresh_tokens")]
    assert hashes == [refresh.hash_of(recent.refresh_token)]
    assert database.one("SELECT count(*) FROM refresh_families") == 1
    assert await refused(accounts, living.refresh_token)
    assert await accounts.families.refresh(recent.refresh_token)


async def test_a_purge_keeps_a_family_that_goes_on(
    accounts: Accounts, ada: TokenPair, settings: Settings, database: Database
) -> None:
    second = await accounts.families.refresh(ada.refresh_token)
    database.pass_time(settings.refresh_token_seconds - 100)
    third = await accounts.families.refresh(second.refresh_token)
    database.pass_time(4000)
    assert await accounts.families.purge() == 1
    fourth = await accounts.families.refresh(third.refresh_token)
    assert await accounts.families.purge() == 0
    assert await refused(accounts, ada.refresh_token)  # known by its handle still
    assert await refused(accounts, fourth.refresh_token)


async def test_a_purge_of_many_goes_in_batches(
    accounts: Accounts, ada: TokenPair, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "_PURGE_BATCH", 3)
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
    assert await accounts.families.purge() == 20
    assert database.one("SELECT count(*) FROM refresh_families") == 1


async def test_a_purge_passes_by_a_family_that_somebody_holds(
    accounts: Accounts, ada: TokenPair, settings: Settings, database: Database
) -> None:
    database.pass_time(settings.refresh_token_seconds + 4000)
    with database.in_the_middle_of("SELECT FROM refresh_families FOR UPDATE"):
        assert await asyncio.wait_for(accounts.families.purge(), 2) == 0
    assert await accounts.families.purge() == 1


async def test_purges_of_several_instances_at_once_neither_fail_nor_count_twice(
    accounts: Accounts, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "_PURGE_BATCH", 7)
    account = await accounts.users.create("Ada", "ada@example.org", PASSWORD)
    database.run(
        "WITH families AS (INSERT INTO refresh_families (user_id)"
        " SELECT %(user_id)s FROM generate_series(1, 50) RETURNING family_id)"
        " INSERT INTO refresh_tokens (token_hash, family_id, expires_at)"
        " SELECT gen_random_uuid()::text::bytea, family_id, now() - interval '1 day'"
        " FROM families, generate_series(1, 4)",
        user_id=account.user_id,
    )
    purged = await asyncio.gather(*(accounts.families.purge() for _ in range(4)))
    assert sum(purged) + await accounts.families.purge() == 200
    assert database.one("SELECT count(*) FROM refresh_families") == 0
