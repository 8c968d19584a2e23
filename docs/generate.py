"""Writes config/default.toml and the tables of docs/ from the code: `make docs`, or
`python -m docs.generate`.

A table stands in its page between two comments, `<!-- table: NAME -->` and `<!-- end -->`; all
around it is written by hand. `tests/unit/test_docs.py` compares the pages with the code.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from prometheus_client.metrics import MetricWrapperBase

from scoreboard import cli
from scoreboard.api.docs.about import error_kinds
from scoreboard.api.docs.descriptions import operation_of
from scoreboard.app import create_app
from scoreboard.configuration.settings import DECLARED
from scoreboard.configuration.sources import PREFIX, load
from scoreboard.fitness import fitness
from scoreboard.operations.metrics import Metrics

DOCS: Final = Path(__file__).resolve().parent
DEFAULT_TOML: Final = DOCS.parent / "config" / "default.toml"
_TABLE: Final = re.compile(
    r"(?P<begin><!-- table: (?P<name>\w+) -->\n).*?(?P<end>^<!-- end -->$)",
    re.DOTALL | re.MULTILINE,
)
# In the words of `api.docs.descriptions.Authorization`.
_TOKEN: Final = {
    "none": "none",
    "optional": "if a setting asks for it",
    "required": "required",
    "signed": "a signature",
}

_HEAD: Final = (
    "The default of every setting, made from scoreboard/configuration/settings.py by `make docs`. "
    "A file that SCOREBOARD_CONFIG names, and a variable SCOREBOARD_<KEY>, go before this one; a "
    "key that is not listed here stops the start. docs/configuration.md has more on all of it."
)
_SHOWN: Final = ("api", "stream")  # `all` is as `api`


def settings_table() -> str:
    """Every setting with its variable, its default and its meaning."""
    return _table(
        ("key", "variable", "default", "meaning"),
        (
            (_code(key), _code(PREFIX + key.upper()), _value(declared.default), declared.meaning)
            for key, declared in DECLARED.items()
        ),
    )


def default_toml() -> str:
    """The text of config/default.toml."""
    settings = [
        f"{_comment(declared.meaning)}{key} = {json.dumps(declared.default)}\n"
        for key, declared in DECLARED.items()
    ]
    return "\n".join([_comment(_HEAD), *settings])


def endpoints_table() -> str:
    """Every route that the OpenAPI document describes."""
    # Described, never started: any addresses will do.
    app = create_app(load({}, database_url="postgresql://localhost", redis_url="redis://localhost"))
    rows = []
    for route in app.router.routes():
        operation = operation_of(route.handler)
        if operation is not None and route.resource is not None and route.method != "HEAD":
            where = _code(f"{route.method} {route.resource.canonical}")
            rows.append((where, operation.summary, _TOKEN[operation.authorization]))
    return _table(("endpoint", "what for", "token"), rows)


def errors_table() -> str:
    """Every machine code with its status and message, in the order of statuses."""
    return _table(
        ("status", "code", "message"),
        ((str(kind.status), _code(kind.code), kind.message) for kind in error_kinds()),
    )


def metrics_table() -> str:
    """Every metric as Prometheus shows it."""
    found = [metric for metric in vars(Metrics()).values() if isinstance(metric, MetricWrapperBase)]
    return _table(("name", "type", "labels", "meaning"), map(_metric_row, found))


def decisions_table() -> str:
    """Every record of docs/decisions by its number and title."""
    records = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    titles = [record.read_text(encoding="utf-8").split("\n", 1)[0] for record in records]
    return _table(
        ("number", "decision"),
        (
            (f"[{record.name[:4]}]({record.name})", title.removeprefix(f"# {record.name[:4]} "))
            for record, title in zip(records, titles, strict=True)
        ),
    )


def rights_table() -> str:
    """What an instance of each role may do with each table and sequence of PostgreSQL."""
    names = sorted({name for rights in fitness.RIGHTS.values() for name in rights})
    return _table(
        ("table or sequence", "`all` and `api`", "`stream`"),
        (
            (_code(name), *(", ".join(fitness.RIGHTS[role].get(name, ["none"])) for role in _SHOWN))
            for name in names
        ),
    )


def commands_table() -> str:
    """Every command with what it is for and what it reports as JSON."""
    return _table(
        ("command", "what for", "`--json`"),
        (
            (_code(one.words), one.summary, "" if one.report is None else str(one.report))
            for one in cli.declare().declared
        ),
    )


TABLES: Final[dict[str, Callable[[], str]]] = {
    "settings": settings_table,
    "endpoints": endpoints_table,
    "errors": errors_table,
    "metrics": metrics_table,
    "decisions": decisions_table,
    "rights": rights_table,
    "commands": commands_table,
}


def renewed(page: str) -> str:
    """The text of a page with its tables as the code has them now."""
    return _TABLE.sub(
        lambda found: f"{found['begin']}\n{TABLES[found['name']]()}\n{found['end']}", page
    )


def tables_of(page: str) -> list[str]:
    """The names of the tables in a page."""
    return [found["name"] for found in _TABLE.finditer(page)]


def main() -> None:
    """Renew config/default.toml and every page of docs/, and name those that changed."""
    _renew(DEFAULT_TOML, default_toml())  # first: without a default, no application is described
    texts = {path: renewed(path.read_text(encoding="utf-8")) for path in DOCS.rglob("*.md")}
    for path, after in sorted(texts.items()):
        _renew(path, after)


def _renew(path: Path, after: str) -> None:
    if after != path.read_text(encoding="utf-8"):
        path.write_text(after, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(DOCS.parent)} is renewed.\n")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;")


def _code(text: str) -> str:
    return f"`{text}`"


def _value(default: Any) -> str:
    """A default as one would write it into the variable, or the word none."""
    if default in ("", [], {}):
        return "none"
    if isinstance(default, list):
        return _code(",".join(default))
    return _code(str(default).lower() if isinstance(default, bool) else str(default))


def _comment(text: str) -> str:
    lines = textwrap.wrap(text, 98, break_long_words=False, break_on_hyphens=False)
    return "".join(f"# {line}\n" for line in lines)


def _metric_row(metric: MetricWrapperBase) -> tuple[str, str, str, str]:
    [family] = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = ", ".join(map(_code, metric._labelnames)) or "none"
    return _code(name), family.type, labels, family.documentation


if __name__ == "__main__":
    main()
