"""Granted submissions a second, how long one takes, and what processor time it costs each process,
at 1 to 1,000 connections.

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
from tests.benchmarks.processes import Measured, Stage
from tests.benchmarks.processor import Meter, each
from tests.benchmarks.world import ACTIONS, ledger_rows
from tests.benchmarks.wrk import Submitting

CONNECTIONS = (1, 16, 64, 256, 1_000)
_PGBENCH_CLIENTS_MAX = 64  # more backends than this only slow a two-core machine down
_SETTLE_SECONDS = 0.3

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
    # Processor time of a grant: of the program, which pgbench is none of, and of the servers.
    cpu_us: float | None
    postgres_us: float
    redis_us: float | None
    broker_us: float | None


def submissions(
    program: str,
    process: Measured,
    stage: Stage,
    submitting: Submitting,
    connections: int,
    seconds: int,
) -> Grants:
    """Submit, and hold what was answered against what the ledger has. Raises RuntimeError when the
    two disagree.
    """
    before = _rows_at_rest(stage.database_url)
    meter = Meter(stage.server_pids, cpu_us=process.pid)
    load = submitting.run(process.url, connections, seconds)
    time.sleep(_SETTLE_SECONDS)  # what was still under way is worked on, and is counted below
    spent = meter.seconds()
    granted = _rows_at_rest(stage.database_url) - before
    # What was still under way at the end is in the ledger and was not counted by wrk.
    if load.errors or not load.requests <= granted <= load.requests + connections:
        raise RuntimeError(
            f"{program}: {load.requests} answers, {load.errors} of them errors, {granted} grants"
        )
    return Grants(
        program,
        connections,
        load.per_second,
        load.p50_ms,
        load.p99_ms,
        **each(spent, granted),
    )


def _rows_at_rest(database_url: str) -> int:
    """Count when nothing is added any more: programs finish what they had accepted."""
    rows = -1
    while (now := ledger_rows(database_url)) != rows:
        rows = now
        time.sleep(_SETTLE_SECONDS)
    return rows


def pgbench(stage: Stage, directory: Path, users: int, connections: int, seconds: int) -> Grants:
    """The same grant, one statement and one transaction each."""
    script = directory / "grant.sql"
    script.write_text(_GRANT.format(users=users, actions=ACTIONS - 1))
    clients = min(connections, _PGBENCH_CLIENTS_MAX)
    options = ["-n", "-M", "prepared", f"-c{clients}", "-j1", f"-T{seconds}"]
    meter = Meter({"postgres_us": stage.postgres.pid})
    done = subprocess.run(
        [str(PGBENCH.path()), *options, "-f", str(script), stage.database_url],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    spent = meter.seconds()
    per_second = float(_found(r"tps = ([\d.]+)", done.stdout))
    latency = float(_found(r"latency average = ([\d.]+) ms", done.stdout))
    granted = int(_found(r"actually processed: (\d+)", done.stdout))
    return Grants(
        "pgbench, one statement",
        connections,
        per_second,
        latency,
        p99_ms=None,
        cpu_us=None,
        redis_us=None,
        broker_us=None,
        **each(spent, granted),
    )


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"pgbench did not say {pattern}:\n{text}")
    return match[1]
