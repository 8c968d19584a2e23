"""The documentation is true as far as a test can tell: what it names exists, its tables are
current.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import scoreboard
from docs import generate
from scoreboard.cli import declare
from scoreboard.configuration.settings import Settings
from scoreboard.configuration.sources import PREFIX
from scoreboard.operations.metrics import Metrics
from tests.servers.given import ENVIRONMENT

ROOT = Path(scoreboard.__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
RECORDS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))

# One that docs/configuration.md misspells, to show what happens then.
MISSPELT = {"SCOREBOARD_PROT"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def sources(*folders: str) -> Iterator[tuple[Path, str]]:
    """Every text of ours below these folders that may refer to documentation or be referred to."""
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".sql", ".toml", ".js", ".html"):
                yield path, path.read_text(encoding="utf-8")


# Tables


def test_the_glossary_has_each_word_once() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| ([^|]+) \|", glossary, re.MULTILINE)
    assert len(words) > 100
    assert [word for word in set(words) if words.count(word) > 1] == []


@every_page
def test_the_tables_are_as_the_code_has_them(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert generate.renewed(text) == text, "renew it: make docs (or python -m docs.generate)"


def test_every_table_stands_somewhere() -> None:
    found = [name for page in PAGES for name in generate.tables_of(page.read_text("utf-8"))]

    assert sorted(found) == sorted(generate.TABLES)


def test_an_outdated_table_is_found_and_renewed() -> None:
    page = "before\n<!-- table: errors -->\n| old |\n<!-- end -->\nafter\n"

    renewed = generate.renewed(page)

    assert renewed.startswith("before\n")
    assert "`already_granted`" in renewed
    assert "| old |" not in renewed
    assert renewed.endswith("<!-- end -->\nafter\n")


# Log events


def test_every_log_event_is_listed_with_its_level() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(scoreboard\.\w+\.\w+)` \| (\w+) \|", text, re.MULTILINE)

    assert sorted(listed) == sorted(logged())


def logged() -> set[tuple[str, str]]:
    """Every event that the code logs, with its level."""
    found = set()
    for text in [text for path, text in sources("scoreboard") if path.suffix == ".py"]:
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log"), attr=level),
                    args=[ast.Constant(value=str(event)), *_],
                ):
                    found.add((event, "error" if level == "exception" else level))
    return found


# Names


@every_page
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = _without_code(page.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in _anchors(path), f"{link}: there is no such heading"


def _without_code(text: str) -> str:
    """Of a page only the prose: no indented block, no code within a line."""
    return re.sub(r"^ {4}.*$|`[^`\n]*`", "", text, flags=re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_every_variable_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    settings = {f"{PREFIX}{key.upper()}" for key in Settings.__dataclass_fields__}
    known = {
        *settings,
        *(f"{name}_FILE" for name in settings),
        f"{PREFIX}CONFIG",
        *ENVIRONMENT.values(),
        "SCOREBOARD_TEST_EXPLORE",
        "SCOREBOARD_TEST_SOAK_SEED",
        *MISSPELT,
    }
    # `SCOREBOARD_*_URL` and the like name several at once.
    named = set(re.findall(r"\bSCOREBOARD_[A-Z][A-Z_]*(?![A-Z_*<])", text))

    assert {name for name in named if not name.endswith("_")} <= known


@every_page
def test_every_path_of_ours_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(
        r"(?<![\w/.])((?:scoreboard|tests|migrations|config|docker|docs)/[\w./-]*\w)", text
    )

    # A package may be meant by `scoreboard/...`, a module in a drawing by its path without `.py`.
    # What docker/make_secrets.py makes is in no checkout.
    missing = [
        name
        for name in named
        if not (ROOT / name).exists() and not name.startswith("docker/secrets/")
    ]
    assert [name for name in missing if not (ROOT / f"{name}.py").exists()] == []


def test_every_package_stands_on_the_map() -> None:
    _, _, rest = (ROOT / "README.md").read_text(encoding="utf-8").partition("## The map of")
    on_the_map = set(re.findall(r"\(scoreboard/(\w+)\)", rest.partition("\n## ")[0]))
    packages = {path.parent.name for path in (ROOT / "scoreboard").glob("*/__init__.py")}
    assert packages - on_the_map == set()


@every_page
def test_every_test_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8")))

    assert named - written_tests() == set()


@cache
def written_tests() -> set[str]:
    texts = [text for path, text in sources("tests") if path.suffix == ".py"]
    return {name for text in texts for name in re.findall(r"\bdef (test_\w+)\(", text)}


@every_page
def test_every_metric_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"`(scoreboard_[a-z_]+)", page.read_text(encoding="utf-8")))
    named -= {"scoreboard_client"}  # a package of Python

    assert named - set(re.findall(r"`(scoreboard_\w+)`", generate.metrics_table())) == set()


@pytest.mark.parametrize(
    ("label", "metric"),
    [
        ("`limit`", "rate_limited"),
        ("`reason` of reads from the ledger", "board_reads_from_ledger"),
        ("`reason` of streams refused", "streams_refused"),
        ("`reason` of messages refused", "events_refused"),
        ("`reason` of copies refused", "copies_refused"),
        ("`reason` of boards refused", "boards_refused"),
        ("`mended`", "divergences"),
        ("`reason` of connections refused", "connections_refused"),
        ("`reason` of Redis' failures", "redis_failures"),
    ],
)
def test_what_a_label_may_say_is_shown_before_it_is_counted(label: str, metric: str) -> None:
    """A rate over a series that begins with its first count does not show that count."""
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    [row] = re.findall(rf"^\| {re.escape(label)} \| (.*) \|$", page, re.MULTILINE)

    shown = {
        value
        for family in Metrics().registry.collect()
        for sample in family.samples
        if sample.name == f"scoreboard_{metric}_total"
        for value in sample.labels.values()
    }
    assert shown == set(re.findall(r"`(\w+)`", row))


@every_page
def test_every_command_can_be_given(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of each command only the words; what they take is theirs to check."""
    text = page.read_text(encoding="utf-8")
    for words in re.findall(r"(?:^ {4}|`)(?:\.venv/bin/)?scoreboard((?: [a-z-]+)+)", text, re.M):
        parser = declare().root
        with pytest.raises(SystemExit) as end:
            parser.parse_args([*_leading(words.split()), "--help"])
        assert end.value.code == 0, f"scoreboard{words}: {capsys.readouterr().err}"


def _leading(words: list[str]) -> list[str]:
    """The words that name a command; those of a group are two."""
    groups = {"actions", "users", "board", "keys"}
    return words[: 2 if words[0] in groups else 1]


@every_page
def test_every_verb_of_make_exists(page: Path) -> None:
    verbs = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named: set[str] = set()
    for words in re.findall(
        r"(?:^ {4}|`)make((?: [a-z]+)+)(?=`| *(?:#|$))", page.read_text("utf-8"), re.M
    ):
        named.update(words.split())

    assert named - verbs == set()


def test_the_records_that_the_code_cites_exist() -> None:
    numbers = {path.name[:4] for path in RECORDS}
    for path, text in sources("scoreboard", "tests", "migrations", "config"):
        cited = set(re.findall(r"docs/decisions/(\d{4})", text))
        assert cited <= numbers, f"{path.relative_to(ROOT)} cites {sorted(cited - numbers)}"


def test_each_record_has_a_number_of_its_own() -> None:
    numbers = [path.name[:4] for path in RECORDS]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record.name[:4]))
def test_a_record_has_its_form_and_forty_lines_at_most(record: Path) -> None:
    title, _, status, *rest = record.read_text(encoding="utf-8").splitlines()

    assert title.startswith(f"# {record.name[:4]} ")
    assert status.startswith("Status: ")
    assert {"## Context", "## Decision", "## Consequences"} <= set(rest)
    assert 3 + len(rest) <= 40


@every_page
def test_no_page_names_a_place_on_somebodys_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert re.findall(r"(?<![\w.])/(?:root|home|Users|work|tmp)/[\w.]+", text) == []
