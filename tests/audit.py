"""Asks whether a locked dependency has a known vulnerability: `make audit`.

    python -m tests.audit [arguments of pip-audit, as --ignore-vuln ID]

A vulnerability that was found is a failure. A service that does not answer is none: it says nothing
about the dependencies, so a build must not hang on it; but what was not audited is said.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LOCK: Final = Path(__file__).resolve().parent.parent / "requirements-dev.lock"
SECONDS: Final = 300


@dataclass(frozen=True)
class Verdict:
    """What is to be said, and whether the build may go on."""

    lines: tuple[str, ...]
    passes: bool


def main(arguments: list[str]) -> int:
    """Audit the lock; the exit status is for `make`."""
    verdict = judge(_ask(arguments))
    sys.stdout.write("\n".join((*verdict.lines, "")))
    return 0 if verdict.passes else 1


def judge(answer: str) -> Verdict:
    """Judge by pip-audit's JSON; other text means that it got no further."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, LookupError, TypeError):
        return Verdict(("Nothing was audited: the advisory service did not answer.",), passes=True)
    found = tuple(
        f"{one['name']} {one['version']}: {vulnerability['id']}, fixed in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for one in dependencies
        for vulnerability in one.get("vulns", ())
    )
    skipped = [one["name"] for one in dependencies if "skip_reason" in one]
    audited = len(dependencies) - len(skipped)
    lines = [f"{audited} of {len(dependencies)} locked dependencies were audited."]
    if skipped:
        lines.append(f"The advisory service said nothing about {len(skipped)} of them.")
    if found:
        lines += [*found, "Take the fix into the lock: make lock UPGRADE='--upgrade-package NAME'"]
    elif audited:
        lines.append("No known vulnerability was found.")
    return Verdict(tuple(lines), passes=not found)


def _ask(arguments: list[str]) -> str:
    command = ["-m", "pip_audit", "--requirement", str(LOCK), "--disable-pip", "--require-hashes"]
    quiet = ["--progress-spinner", "off", "--format", "json"]
    try:
        answer = subprocess.run(
            [sys.executable, *command, *quiet, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return answer.stdout


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
