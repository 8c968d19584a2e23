"""Names and addresses in the database: one user in every spelling, whatever the locale, also where
an older version let in more.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from structlog.testing import capture_logs

from scoreboard.accounts import listing, names
from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.registry import Accounts
from scoreboard.configuration.sources import load
from scoreboard.connections.postgres import Postgres
from scoreboard.database.migrations import migrate
from scoreboard.errors import AccountTaken
from scoreboard.operations.metrics import Metrics
from scoreboard.scoring.catalogue import Catalogue, Sought
from tests.world import add_actions, sql

SECRET = "a secret of today that is long enough"
PASSWORD = "correct horse battery staple"

LOCALES = {
    "C": "LOCALE 'C'",
    "C.UTF-8": "LOCALE 'C.UTF-8'",
    "Turkish of ICU": "LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'",
}


@pytest.fixture
def accounts(postgres: Postgres, passwords: Passwords) -> Accounts:
    return accounts_of(postgres, passwords)


def accounts_of(postgres: Postgres, passwords: Passwords) -> Accounts:
    settings = load({}, jwt_secret=SECRET)
    return Accounts(settings, postgres, AccessTokens(settings), passwords, Metrics())


@pytest.fixture(params=LOCALES)
def url_of_locale(request: pytest.FixtureRequest, empty_database_url: str) -> Iterator[str]:
    """A database of this locale, migrated."""
    name = f"locale_{uuid.uuid4().hex[:8]}"
    made = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {LOCALES[request.param]}"
    with closing(psycopg2.connect(empty_database_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        try:
            cursor.execute(made)
        except psycopg2.Error as error:
            pytest.skip(f"this server has no such locale: {error}")
        url = f"{empty_database_url.rpartition('/')[0]}/{name}"
        try:
            migrate(url)
            yield url
        finally:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_in_every_locale_a_name_is_one_and_found_in_every_case(
    url_of_locale: str, passwords: Passwords
) -> None:
    postgres = Postgres(url_of_locale, sessions=2, timeout_seconds=10, name="test")
    accounts = accounts_of(postgres, passwords)
    users = {
        "Jürgen": ("JÜRGEN", "jürgen", "Ju\u0308rgen"),
        "Анна": ("АННА", "анна"),
        "IRMAK": ("ırmak", "irmak", "Irmak"),
    }
    for number, (name, others) in enumerate(users.items()):
        user = await accounts.users.create(name, f"{number}@münchen.example", PASSWORD)
        assert user.username == name
        for other in others:
            assert await accounts.users.find(other) == user
            with pytest.raises(AccountTaken):
                await accounts.users.create(other, f"other{number}@example.org", PASSWORD)
        assert await accounts.users.find(f"{number}@XN--mnchen-3ya.example") == user
        with pytest.raises(AccountTaken):
            await accounts.users.create(f"new{number}", f"{number}@MÜNCHEN.example", PASSWORD)
    listed = [user.account.username async for user in listing.everybody(postgres)]
    assert listed == ["IRMAK", "Jürgen", "Анна"]

    catalogue = Catalogue(postgres)
    await catalogue.load(dict.fromkeys(["b", "B", "a", "é", "_", "z"], 1))
    everything = ["B", "_", "a", "b", "z", "é"]
    assert [action.action_id for action in await catalogue.list(Sought())] == everything
    assert [action.action_id for action in await catalogue.list(Sought(), "a")] == everything[3:]
    postgres.close()


async def test_users_are_listed_in_the_order_of_their_names_page_by_page(
    accounts: Accounts, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_PAGE", 2)
    for name in ("delta", "Alpha", "charlie", "Bravo", "echo"):
        await accounts.users.create(name, f"{name}@example.org", PASSWORD)
    listed = [user.account.username async for user in listing.everybody(postgres)]
    assert listed == ["Alpha", "Bravo", "charlie", "delta", "echo"]


# Users of an older version


def as_an_older_version_does(database_url: str, *users: tuple[str, str]) -> list[str]:
    """Register users as the version before keys did; returns their ids."""
    statement = (
        "INSERT INTO users (username, email, password_hash) VALUES (%s, %s, '!') "
        "RETURNING user_id::text"
    )
    return [sql(database_url, statement, user)[0][0] for user in users]


def keys(database_url: str) -> dict[str, str | None]:
    return dict(sql(database_url, "SELECT user_id::text, username_key FROM users"))


async def test_who_comes_by_an_older_version_beside_this_one_is_found_in_every_spelling(
    accounts: Accounts, database_url: str
) -> None:
    [user] = as_an_older_version_does(database_url, ("Jürgen", "jürgen@münchen.example"))
    assert keys(database_url) == {user: None}
    for login in ("JÜRGEN", "Jürgen", "JÜRGEN@xn--mnchen-3ya.example", "jürgen@münchen.example"):
        found = await accounts.users.find(login)
        assert found is not None
        assert found.user_id == user
        assert found.email == "jürgen@münchen.example"
    assert keys(database_url) == {user: "jürgen"}


async def test_nobody_takes_the_name_or_the_mailbox_of_who_has_no_key_yet(
    accounts: Accounts, database_url: str
) -> None:
    as_an_older_version_does(database_url, ("Jürgen", "jürgen@münchen.example"))
    for name, email in (("JÜRGEN", "x@example.org"), ("new", "JÜRGEN@xn--mnchen-3ya.example")):
        with pytest.raises(AccountTaken):
            await accounts.register(name, email, PASSWORD)


async def test_two_who_have_one_name_are_each_found_by_their_own_spelling(
    accounts: Accounts, postgres: Postgres, database_url: str
) -> None:
    """A database in the locale C let in both."""
    sql(database_url, "DROP INDEX idx_users_username_lower")
    first, second, third, fourth = as_an_older_version_does(
        database_url,
        ("Élan", "a@münchen.example"),
        ("élan", "a@xn--mnchen-3ya.example"),
        ("\u1160\u1160", "filler@example.org"),  # nobody may take this name any more
        ("\u110f\u110f", "kieuk@example.org"),  # today it would be shown in letters of one piece
    )
    with capture_logs() as logs:
        assert [user.user_id for user in filter(None, [await accounts.users.find("Élan")])] == [
            first
        ]
    warned = {entry["event"] for entry in logs if entry["log_level"] == "warning"}
    assert warned == {
        "scoreboard.accounts.name_in_two_spellings",
        "scoreboard.accounts.mailbox_of_two",
    }
    for login, user_id in {
        "Élan": first,
        "E\u0301lan": first,
        "élan": second,
        "ÉLAN": first,  # neither's spelling: the key's
        "a@münchen.example": first,
        "a@xn--mnchen-3ya.example": second,
        "a@MÜNCHEN.example": first,
        "\u1160\u1160": third,
        "\u3164\u3164": third,  # as it was typed
        "\u314b\u314b": fourth,
        f"id:{second}": second,
        f"id:{third.upper()}": third,
    }.items():
        found = await accounts.users.find(login)
        assert found is not None, login
        assert found.user_id == user_id, login
    assert keys(database_url) == {
        first: "élan",
        second: f"élan {second}",
        third: f" {third}",
        fourth: "\u110f\u110f",
    }

    marked = {
        user.account.user_id: " ".join(user.problems)
        async for user in listing.everybody(postgres)
        if user.problems
    }
    assert "this name first" in marked[second]
    assert marked[third].startswith("This name is not allowed any more.")
    assert fourth not in marked
    assert {user.account.user_id for user in await listing.clashes(postgres)} == {first, second}


async def test_an_id_that_is_none_and_a_name_that_looks_like_one_find_nobody(
    accounts: Accounts,
) -> None:
    user = await accounts.users.create("ada", "ada@example.org", PASSWORD)
    for login in ("id:", "id:ada", f"id:{uuid.uuid4()}", f"id: {user.user_id}\0"):
        assert await accounts.users.find(login) is None
    assert await accounts.users.find_for_log_in(f"id:{user.user_id}") is None  # nobody logs in so


async def test_an_address_is_changed_and_found_in_its_new_form_alone(accounts: Accounts) -> None:
    user = await accounts.users.create("ada", "ada@example.org", PASSWORD)
    await accounts.users.create("bob", "bob@example.org", PASSWORD)
    with pytest.raises(AccountTaken):
        await accounts.users.set_email("ada", "BOB@example.org")
    await accounts.users.set_email("ada", "Ada@München.example")
    found = await accounts.users.find("ada@xn--mnchen-3ya.example")
    assert found is not None
    assert (found.user_id, found.email) == (user.user_id, "Ada@München.example")
    assert await accounts.users.find("ada@example.org") is None


# Actions of an older version


async def test_a_load_gives_points_to_the_action_that_is_there_in_another_spelling(
    postgres: Postgres, database_url: str
) -> None:
    """Else there would be two actions that look the same, and everybody would be granted both."""
    add_actions(database_url, {"Cafe\u0301": 10, "re\u0301sume\u0301": 1, "r\u00e9sum\u00e9": 2})
    catalogue = Catalogue(postgres)
    loaded = await catalogue.load({"Caf\u00e9": 20, "r\u00e9sum\u00e9": 3, "new": 4})
    assert (loaded.added, loaded.changed) == (1, 2)
    assert {action.action_id: action.points for action in await catalogue.list(Sought())} == {
        "Cafe\u0301": 20,
        "re\u0301sume\u0301": 1,
        "r\u00e9sum\u00e9": 3,
        "new": 4,
    }


def test_own_keys_are_no_names() -> None:
    with pytest.raises(names.NameRefused):
        names.username(names.own_key("ada", str(uuid.uuid4())))
