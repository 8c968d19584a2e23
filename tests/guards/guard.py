"""What a guard is, and the test files that several of them name.

A guard in Python has a marker in the source (`# guard: a-short-name`) and is taken out of the
syntax tree: `Marked`. A guard in another language is a text: `Guard`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.guards.change import Change, NoPlaceError
from tests.guards.markers import anchor_at, markers

LEDGER: Final = "tests/integration/test_ledger.py"
NEIGHBOURS: Final = "tests/integration/test_neighbours.py"
PROMISES: Final = "tests/service/test_promises.py"
STREAMS: Final = "tests/service/test_streams.py"
LIVE_BOARDS: Final = "tests/service/test_live_boards.py"
HELD_CONNECTIONS: Final = "tests/attacks/test_connections.py"
SECRETS: Final = "tests/attacks/test_secrets.py::test_no_secret_is_in_any_output"
BYPASS: Final = "tests/attacks/test_limit_bypass.py"
GUESSING: Final = "tests/attacks/test_guessing.py"
LIMITS: Final = "tests/service/test_limits.py"
RATES: Final = "tests/unit/test_rates.py"
OTHER_SITES: Final = "tests/attacks/test_other_sites.py"
WRITING_SITES: Final = "tests/attacks/test_writing_sites.py"
FORGED: Final = "tests/attacks/test_forged_boards.py"
REFUSED: Final = "tests/integration/test_refused.py"
SETTINGS: Final = "tests/integration/test_session_settings.py"
LOSSES: Final = "tests/faults/test_locks_and_losses.py"
RESETS: Final = "tests/faults/test_resets.py"
CROWDS: Final = "tests/faults/test_crowds.py"
POOLS: Final = "tests/integration/test_pools.py"
COALESCING: Final = "tests/unit/test_coalescing.py"
UNDER_LOAD: Final = "tests/faults/test_under_load.py"
PROMOTION: Final = "tests/faults/test_postgres_promotion.py"
REDIS_FAULTS: Final = "tests/integration/test_redis_faults.py"
OUTAGES: Final = "tests/faults/test_outages.py"
FAILOVER: Final = "tests/faults/test_redis_failover.py"


@dataclass(frozen=True, slots=True)
class Guard:
    """What protects something: `text` in `file`, what stands there `without` it, and its test."""

    name: str
    file: str
    text: str
    without: str
    test: str

    def take_out(self, root: Path) -> tuple[Path, str]:
        """The file, beneath `root`, and what is in it without the guard. Raises NoPlaceError."""
        source = (root / self.file).read_text(encoding="utf-8")
        if source.count(self.text) != 1:
            raise NoPlaceError(f"its text is not (once) in {self.file}")
        return Path(self.file), source.replace(self.text, self.without)


@dataclass(frozen=True, slots=True)
class Marked:
    """What protects something, at the `marker`; the `change` that takes it out; its test."""

    name: str
    marker: str
    change: Change
    test: str

    def take_out(self, root: Path) -> tuple[Path, str]:
        """The file, beneath `root`, and what is in it without the guard. Raises NoPlaceError."""
        places = markers(root).get(self.marker, [])
        if len(places) != 1:
            raise NoPlaceError(f"the marker {self.marker} is there {len(places)} times")
        ((file, line),) = places
        source = (root / file).read_text(encoding="utf-8")
        tree = ast.parse(source)
        self.change.make(anchor_at(tree, line))
        without = _unparsed(ast.fix_missing_locations(tree))
        if without == _with_all(source):
            raise NoPlaceError("the change changes nothing")
        return file, without


@cache
def _with_all(source: str) -> str:
    """A source as it would be written without comments. A file has many guards."""
    return _unparsed(ast.parse(source))


def _unparsed(tree: ast.Module) -> str:
    return ast.unparse(tree) + "\n"


AnyGuard = Guard | Marked
