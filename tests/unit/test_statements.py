"""The files of named SQL statements."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import scoreboard
from scoreboard.accounts import queries as accounts
from scoreboard.connections import session_settings, statements
from scoreboard.ledger import queries as ledger
from scoreboard.ranks import queries as ranks
from scoreboard.scoring import catalogue, own_grants, places, sought, standing

_VERB = re.compile(
    r"(--[^\n]*\n)*"
    r"(SELECT|PREPARE|EXECUTE|INSERT|UPDATE|DELETE|SET|LOCK|WITH|SAVEPOINT|ROLLBACK|RELEASE"
    r"|CREATE FUNCTION)\b"
)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package to put a queries.sql into; its name is that of the folder."""
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / f"package_{tmp_path.name.replace('-', '_')}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    return folder


def load(package: Path, text: str) -> dict[str, str]:
    (package / "queries.sql").write_text(text, encoding="utf-8")
    return statements.load(package.name)


def test_each_statement_is_found_by_its_name_without_the_text_around_it(package: Path) -> None:
    found = load(
        package,
        "-- All of them. What stands here is no statement.\n\n"
        "-- one: the first\nSELECT 1\n\n"
        "-- two_more: the second\nSELECT 2,\n    'ä'\n",
    )

    assert found == {"one": "SELECT 1", "two_more": "SELECT 2,\n    'ä'"}


def test_a_comment_inside_a_statement_stays_in_it(package: Path) -> None:
    """Without the empty line before a header, `reused:` would cut the statement in two."""
    found = load(package, "-- judge: says which\n-- reused: it was before\nSELECT 1\n")

    assert found == {"judge": "-- reused: it was before\nSELECT 1"}


def test_a_name_that_stands_twice_is_refused(package: Path) -> None:
    with pytest.raises(ValueError, match="twice"):
        load(package, "-- one: first\nSELECT 1\n\n-- one: again\nSELECT 2\n")


def test_a_word_stands_for_the_sql_that_is_given_for_it(package: Path) -> None:
    (package / "queries.sql").write_text("-- top: the first\nSELECT '{}' ORDER BY {rule}\n")

    assert statements.load(package.name, words={"rule": "a"}) == {"top": "SELECT '{}' ORDER BY a"}
    with pytest.raises(KeyError, match="rule"):
        statements.load(package.name)


def test_a_word_that_the_file_explains_may_stand_in_others(package: Path) -> None:
    found = load(
        package,
        "-- {first}: the beginning\nSELECT {what}\n\n-- {what}: a column\na\n\n"
        "-- top: the first\n{first} LIMIT 1\n",
    )

    assert found == {"top": "SELECT a LIMIT 1"}


def test_a_statement_is_prepared_with_its_parameters_by_number() -> None:
    text = "SELECT %(one)s + %(two)s + %(one)s, '%'"

    found = statements.prepared("add", text, {"two": "bigint", "one": "integer", "three": "text"})

    assert found.prepare == "PREPARE add (integer, bigint) AS\nSELECT $1 + $2 + $1, '%'"
    assert found.execute == "EXECUTE add (%(one)s::integer, %(two)s::bigint)"
    with pytest.raises(KeyError, match="two"):
        statements.prepared("add", text, {"one": "integer"})


SHIPPED = sorted(Path(scoreboard.__file__).parent.rglob("*.sql"))
LOADED = [accounts.SQL, catalogue.SQL, ledger.SQL, session_settings.SQL, ranks.SQL]
LOADED += [places.SQL, sought.SQL, standing.SQL, own_grants.SQL]


@pytest.mark.parametrize("found", LOADED, ids=lambda found: next(iter(found)))
def test_every_shipped_statement_begins_as_sql(found: dict[str, str]) -> None:
    for name, text in found.items():
        assert _VERB.match(text), f"{name} begins with {text[:40]!r}"
        assert not re.search(r"\{[a-z]", text), f"{name} has a word that nobody explained"


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_ranking_rule_and_the_size_are_words_in_every_statement(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert not re.search(r"\bscore DESC|, updated_at, user_id|\b(LIMIT|OFFSET|=) (9|10)\b", text)
