"""In which order several processes take the files of tests.

Tests in a browser compute, tests of faults wait. Were they taken one directory after the other,
every process would do the same at the same time: three browsers on two cores, and later three that
wait. So the files of all directories take turns, each directory's spread over the whole run. Those
that take long begin before the others of their directory, and `unit`, whose files are short and
need no server, fills the end, so that no process is left alone with a long one.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

# Half a minute and more, alone on a machine.
LONG: Final = {
    "browser": (
        *("test_page", "test_account", "test_docs", "test_places", "test_boards"),
        *("test_page_log_in", "test_places_live", "test_client", "test_package", "test_card"),
        *("test_page_elsewhere", "test_denied", "test_element"),
    ),
    "faults": (
        *("test_under_load", "test_renewals", "test_places_under_load", "test_redis_failover"),
        *("test_postgres_promotion", "test_deploy", "test_rabbit_cluster", "test_soak"),
        *("test_clocks", "test_redis_restarts"),
    ),
    "service": (
        *("test_commands", "test_client_live", "test_backup", "test_promises", "test_check"),
        *("test_standard_clients", "test_openapi_clients", "test_places"),
    ),
}
_LAST: Final = "unit"


def in_turns(files: Iterable[Path], root: Path) -> list[Path]:
    """Put files below `root` into the order in which they are to run."""
    kinds: dict[str, list[Path]] = {}
    for file in files:
        kinds.setdefault(file.relative_to(root).parts[0], []).append(file)
    places = {}
    for kind, among in kinds.items():
        long = LONG.get(kind, ())
        among.sort(key=lambda file: (_rank(file.stem, long), file))
        for number, file in enumerate(among):
            places[file] = (kind == _LAST, (number + 0.5) / len(among), file)
    return sorted(places, key=lambda file: places[file])


def _rank(name: str, long: tuple[str, ...]) -> int:
    return long.index(name) if name in long else len(long)
