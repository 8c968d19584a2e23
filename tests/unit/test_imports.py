"""Read it downhill: a module imports only what comes after it in the flow, or lies beneath it.

`FLOW` is the one list that says where everything stands. An entry covers the module and, if it is a
package that has no entries of its own, all of its modules, which may then import each other.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import scoreboard

ROOT = Path(scoreboard.__file__).parent

FLOW = (
    # the way in
    "__main__",
    "cli",
    "commands",
    # wiring: the parts put together
    "app",
    "parts",
    # the edge: a request meets these from top to bottom
    "api.routes",
    "api.origins",
    "api.docs",
    "api.openapi",
    "api.accounts",
    "api.actions",
    "api.leaderboard",
    "api.me",
    "api.operations",
    "api.pages",
    "api.assets",
    # a file, whole or in part
    "api.files",
    # what the handlers' descriptions are made of
    "api.events",
    "api.descriptions",
    "api.headers",
    # what is answered in one write
    "api.prepared",
    # who has an answer already
    "api.etags",
    # what every request passes
    "api.site",
    "api.connection",
    "api.admission",
    "api.middleware",
    "api.limits",
    "api.identity",
    "api.schemas",
    "api.replies",
    "api.encodings",
    "api.heads",
    "api.tracing",
    "api.addresses",
    # what handlers ask for, by typed key
    "keys",
    # the parts: how often somebody may ask
    "api.rates",
    "api.local_rates",
    "api.refusals",
    "api.checks",
    "api.leases",
    # whether the database has what the statements of all below need
    "fitness",
    "contents",
    "trials",
    # who is it
    "accounts.listing",
    "accounts.registry",
    "accounts.users",
    "accounts.newcomers",
    "accounts.names",
    "accounts.families",
    "accounts.access",
    "accounts.revocations",
    "accounts.passwords",
    "accounts.turns",
    "accounts.blocklist",
    "accounts.refresh",
    "accounts.queries",
    "accounts.ids",
    # what counts
    "scoring.submit",
    "scoring.board",
    "scoring.catalogue",
    "scoring.standing",
    "scoring.trust",
    "scoring.questions",
    "scoring.copy",
    "scoring.ledger",
    "scoring.verdicts",
    "scoring.action_ids",
    # who hears of it
    "live.stream",
    "live.relay",
    "live.hub",
    "live.subscriber",
    "live.frames",
    "live.rabbit",
    "live.rabbit_check",
    "live.publisher",
    "live.broker",
    "live.slot",
    "live.messages",
    "live.bus",
    # the values that travel through all of the above
    "scoring.model",
    # how it is operated, beneath everything
    "operations",
    "migrations",
    "schema",
    "connections",
    "configuration",
    "service_links",
    "signatures",
    "settings",
    "handed_over",
    "findings",
    "listening",
    "endings",
    "errors",
    "timestamps",
    "unicode",
    # packages themselves hold a docstring and nothing else; `scoreboard` the version
    "api",
    "accounts",
    "scoring",
    "live",
    "",
)


def modules() -> dict[str, Path]:
    """Every module of ours by its name without `scoreboard.`."""
    return {_name(path.relative_to(ROOT)): path for path in ROOT.rglob("*.py")}


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """The modules of ours that one imports, in functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "scoreboard":
                yield _module(name.removeprefix("scoreboard").removeprefix("."))


def _module(name: str) -> str:
    """`errors.NotFound` is of module `errors`."""
    return name if name in modules() else name.rpartition(".")[0]


def place(module: str) -> int:
    """Where in the flow a module stands; -1 if nowhere."""
    name = module
    while name and name not in FLOW:
        name = name.rpartition(".")[0]
    if name in FLOW and (name == module or not _has_entries(name)):
        return FLOW.index(name)
    return -1


def _has_entries(package: str) -> bool:
    return package == "" or any(entry.startswith(f"{package}.") for entry in FLOW)


def test_every_module_has_a_place_in_the_flow() -> None:
    assert [module for module in modules() if place(module) == -1] == []


@pytest.mark.parametrize("module", sorted(modules()))
def test_nothing_is_imported_from_uphill(module: str) -> None:
    uphill = [name for name in imported(modules()[module]) if 0 <= place(name) < place(module)]

    assert uphill == [], f"scoreboard.{module} imports from before it in the flow"


def test_only_the_borders_import_the_drivers() -> None:
    """Foreign errors stop at the border, so nobody else has a use for a driver."""
    # `migrations` and the embedded servers work before there is anything to connect a part to.
    borders = {
        "aiopg": {"connections.connection"},
        "psycopg2": {
            "connections.blocking",
            "connections.connection",
            "connections.hosts",
            "connections.refusals",
            "connections.session",
            "connections.session_settings",
            "migrations",
            "operations.embedded.postgres",
        },
        "redis": {
            "connections.redis",
            "connections.redis_answers",
            "connections.redis_pool",
            "connections.sentinels",
            "operations.embedded.redis",
        },
        "aio_pika": {"live.broker", "live.publisher", "live.rabbit", "live.rabbit_check"},
        "aiormq": {"live.broker", "live.rabbit", "live.rabbit_check"},
        "opentelemetry": {"operations.otlp"},
    }
    for module, path in modules().items():
        for package in _packages(path):
            assert module in borders.get(package, {module}), f"{module} imports {package}"


def _packages(path: Path) -> Iterator[str]:
    """The top-level packages that a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]
