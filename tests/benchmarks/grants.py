"""Granted submissions a second, and how long one takes, at 1 to 256 connections.

Beside it: the peer, and pgbench running the grant as one statement per transaction on the same
database, which is the database's own pace when nobody groups commits.
"""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.installation import PGBENCH
from tests.benchmarks.processes import Measured
from tests.benchmarks.world import ACTIONS, ledger_rows
from tests.benchmarks.wrk import Submitting

CONNECTIONS = (1, 16, 64, 256)
_PGBENCH_CLIENTS_MAX = 64  # more backends than this only slow a two-core machine down

_GRANT = """
\\set number random(1, {users})
\\set action random(0, {actions})
WITH granted AS (
    INSERT INTO ledger (user_id, action_id, points_granted, submitted_at)
    SELECT md5('user' || :number)::uuid, action_id, points, clock_timestamp()
    FROM actions WHERE action_id = 'p' || :action
    ON CONFLICT ON CONSTRAINT unique_user_action DO NOTHING
    RETURNING user_id, points_granted
)
INSERT INTO scores AS present (user_id, score, updated_at)
SELECT user_id, points_granted, clock_timestamp() FROM granted
ON CONFLICT (user_id) DO UPDATE
SET score = present.score + excluded.score, updated_at = clock_timestamp();
"""


@dataclass(frozen=True)
class Grants:
    """What one program did at so many connections."""

    program: str
    connections: int
    per_second: float
    p50_ms: float
    p99_ms: float | None  # pgbench does not say


def submissions(
    program: str,
    process: Measured,
    database_url: str,
    submitting: Submitting,
    connections: int,
    seconds: int,
) -> Grants:
    """Submit, and hold what was answered against what the ledger has. Raises RuntimeError when the
    two disagree.
    """
    before = _rows_at_rest(database_url)
    load = submitting.run(process.url, connections, seconds)
    granted = _rows_at_rest(database_url) - before
    # What was still under way at the end is in the ledger and was not counted by wrk.
    if load.errors or not load.requests <= granted <= load.requests + connections:
        raise RuntimeError(
            f"{program}: {load.requests} answers, {load.errors} of them errors, {granted} grants"
        )
    return Grants(program, connections, load.per_second, load.p50_ms, load.p99_ms)


def _rows_at_rest(database_url: str) -> int:
    """Count when nothing is added any more: programs finish what they had accepted."""
    rows = -1
    while (now := ledger_rows(database_url)) != rows:
        rows = now
        time.sleep(0.3)
    return rows


def pgbench(
    database_url: str, directory: Path, users: int, connections: int, seconds: int
) -> Grants:
    """The same grant, one statement and one transaction each."""
    script = directory / "grant.sql"
    script.write_text(_GRANT.format(users=users, actions=ACTIONS - 1))
    clients = min(connections, _PGBENCH_CLIENTS_MAX)
    options = ["-n", "-M", "prepared", f"-c{clients}", "-j1", f"-T{seconds}"]
    done = subprocess.run(
        [str(PGBENCH.path()), *options, "-f", str(script), database_url],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    per_second = float(_found(r"tps = ([\d.]+)", done.stdout))
    latency = float(_found(r"latency average = ([\d.]+) ms", done.stdout))
    return Grants("pgbench, one statement", connections, per_second, latency, None)


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"pgbench did not say {pattern}:\n{text}")
    return match[1]
