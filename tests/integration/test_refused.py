"""PostgreSQL answers and refuses: that is told apart from one that does not answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from scoreboard.connections.postgres import Postgres
from scoreboard.connections.refusals import PostgresRefused
from scoreboard.connections.server import NotAdmitted
from scoreboard.errors import LedgerUnavailable, UnknownAction
from scoreboard.ledger.ledger import Ledger
from scoreboard.ledger.receipts import Recorded, Result
from scoreboard.ledger.results import Results
from scoreboard.model import MAIN, Grant, Submission
from tests.roles import Role, a_role
from tests.world import add_actions, add_users, grants, sql


@dataclass
class Watched:
    """A ledger, and what was told of its calls."""

    postgres: Postgres
    failures: Counter[str] = field(default_factory=Counter)
    refusals: list[PostgresRefused] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.postgres, self.postgres)


@pytest.fixture
def role(database_url: str) -> Iterator[Role]:
    with a_role(database_url, "api") as role:
        yield role


@pytest.fixture
async def watched(role: Role) -> AsyncIterator[Watched]:
    failures: Counter[str] = Counter()
    refusals: list[PostgresRefused] = []
    postgres = Postgres(
        role.url,
        sessions=1,
        timeout_seconds=5.0,
        name="test.refused",
        on_failure=lambda reason: failures.update([reason]),
        on_refusal=refusals.append,
    )
    yield Watched(postgres, failures, refusals)
    postgres.close()


@pytest.mark.parametrize(
    ("broken", "sqlstate", "text"),
    [
        ("REVOKE INSERT ON ledger FROM {role}", "42501", "permission denied for table ledger"),
        (
            "REVOKE USAGE ON SEQUENCE ledger_ledger_id_seq FROM {role}",
            "42501",
            "permission denied for sequence ledger_ledger_id_seq",
        ),
        ("DROP TABLE ledger CASCADE", "42P01", 'relation "ledger" does not exist'),
        (
            "ALTER TABLE actions RENAME COLUMN points TO worth",
            "42703",
            "column actions.points does not exist",
        ),
        (
            "ALTER TABLE ledger DROP CONSTRAINT unique_user_action",
            "42704",
            'constraint "unique_user_action" for table "ledger" does not exist',
        ),
        ("DELETE FROM board", "02000", "the row of boards is gone"),
        (
            "ALTER TABLE ledger ADD CONSTRAINT dear CHECK (points_granted > 100)",
            "23514",
            "constraint dear of ledger",
        ),
        (
            "ALTER TABLE scores ADD COLUMN team text NOT NULL",
            "23502",
            "column team of scores has to have a value",
        ),
        (
            "INSERT INTO ledger (user_id, action_id, points_granted, submitted_at)"
            " SELECT user_id, 'jump', 5, now() FROM users;"
            " SELECT setval('ledger_ledger_id_seq', 1, FALSE)",
            "23505",
            "constraint ledger_pkey",
        ),
        (
            "ALTER SEQUENCE ledger_ledger_id_seq MAXVALUE 2;"
            " SELECT setval('ledger_ledger_id_seq', 2)",
            "2200H",
            "a sequence has no more numbers",
        ),
        (
            "ALTER ROLE {role} SET default_transaction_read_only = on",
            "25006",
            "cannot execute SELECT FOR KEY SHARE in a read-only transaction",
        ),
    ],
)
async def test_what_a_grant_is_refused_for_is_told_and_counted_apart(
    watched: Watched, role: Role, broken: str, sqlstate: str, text: str
) -> None:
    [user] = add_users(role.owner_url, 1)
    add_actions(role.owner_url, {"run": 5, "jump": 5})
    sql(role.owner_url, broken.format(role=role.name))

    verdicts = (await watched.ledger.grant([Submission(user, "run")])).verdicts

    refusal = verdicts[user, "run"]
    assert isinstance(refusal, PostgresRefused)
    assert (refusal.sqlstate, refusal.text) == (sqlstate, text)
    assert refusal.message == LedgerUnavailable.message
    assert watched.failures == {"refused": 1}
    assert [str(told) for told in watched.refusals] == [f"{text} ({sqlstate})"]
    if "ledger" not in broken:
        assert grants(role.owner_url) == []  # else a score is raised that nobody was told of


async def test_an_unknown_action_is_no_refusal_of_postgresql(watched: Watched, role: Role) -> None:
    """Anybody with a token can submit one; an operator would be told that a row is gone."""
    [user] = add_users(role.owner_url, 1)

    verdicts = (await watched.ledger.grant([Submission(user, "nothing")])).verdicts

    assert isinstance(verdicts[user, "nothing"], UnknownAction)
    assert not watched.failures
    assert not watched.refusals


async def test_a_refusal_costs_no_connection_and_ends_when_its_cause_does(
    watched: Watched, role: Role
) -> None:
    """Else every batch would connect anew, for as long as a right is missing. One of grants is one
    statement, one of results a transaction that has to be rolled back.
    """
    [user] = add_users(role.owner_url, 1)
    add_actions(role.owner_url, {"run": 5})
    results = Results(watched.postgres, watched.postgres)
    sent = [Result("arena", "first", user, MAIN, 7)]
    pid = "SELECT pg_backend_pid()"
    before = await watched.postgres.fetch(pid)
    for table in ("ledger", "results"):
        role.revoke("INSERT", table)
    for _ in range(3):
        await watched.ledger.grant([Submission(user, "run")])
        await results.record(sent)
    for table in ("ledger", "results"):
        role.grant("INSERT", table)

    verdicts = (await watched.ledger.grant([Submission(user, "run")])).verdicts
    assert isinstance(verdicts[user, "run"], Grant)
    [recorded], _ = await results.record(sent)
    assert isinstance(recorded, Recorded)
    assert await watched.postgres.fetch(pid) == before


async def test_a_constraint_of_somebody_else_costs_only_those_who_break_it(
    watched: Watched, role: Role
) -> None:
    ada, eve = add_users(role.owner_url, 2)
    add_actions(role.owner_url, {"run": 5, "jump": 50})
    sql(role.owner_url, "ALTER TABLE ledger ADD CONSTRAINT cheap CHECK (points_granted < 10)")

    verdicts = (
        await watched.ledger.grant([Submission(ada, "run"), Submission(eve, "jump")])
    ).verdicts

    assert isinstance(verdicts[ada, "run"], Grant)
    assert isinstance(verdicts[eve, "jump"], PostgresRefused)


@pytest.mark.parametrize(
    ("broken", "sqlstate"),
    [
        ("ALTER ROLE {role} NOLOGIN", "28000"),
        ("ALTER ROLE {role} CONNECTION LIMIT 0", "53300"),
        ("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC", "42501"),
    ],
)
async def test_who_is_not_let_in_is_refused_and_not_without_a_connection(
    watched: Watched, role: Role, broken: str, sqlstate: str
) -> None:
    database = urlsplit(role.url).path.strip("/")
    sql(role.owner_url, broken.format(role=role.name, database=database))

    with pytest.raises(NotAdmitted) as refused:
        await watched.postgres.fetch("SELECT 1")
    with pytest.raises(LedgerUnavailable):
        await watched.postgres.fetch("SELECT 1")

    assert refused.value.sqlstate == sqlstate
    assert watched.failures == {"refused": 1, "resting": 1}


async def test_neither_a_statement_nor_what_a_trigger_says_is_repeated(
    watched: Watched, role: Role
) -> None:
    """Both may hold a password's hash or an address."""
    secret = "ada@example.org"
    with pytest.raises(PostgresRefused) as refused:
        await watched.postgres.fetch(f"SELECT nonsense FROM users WHERE email = '{secret}'")
    assert secret not in f"{refused.value!r} {refused.value} {refused.value.__cause__}"
    with pytest.raises(PostgresRefused) as refused:
        await watched.postgres.fetch(f"SELEC '{secret}'")
    assert "SELEC" not in str(refused.value)
    with pytest.raises(PostgresRefused) as refused:
        await watched.postgres.fetch(f"DO $$BEGIN RAISE 'not {secret}'; END$$")
    assert str(refused.value) == "refused (P0001)"
    for sqlstate in ("23514", "23502"):
        raising = f"RAISE 'not {secret}' USING ERRCODE = '{sqlstate}'"
        with pytest.raises(PostgresRefused) as refused:
            await watched.postgres.fetch(f"DO $$BEGIN {raising}; END$$")
        assert str(refused.value) == f"a constraint ({sqlstate})"
    assert all(secret not in str(told) for told in watched.refusals)
