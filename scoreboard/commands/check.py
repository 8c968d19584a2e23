"""`scoreboard check`: whether the settings, every server and every right are as an instance needs
them, before it is started.

Each border has its own look. This module runs them side by side, bounded, and lists the findings.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import textwrap
from collections.abc import Awaitable
from typing import Final

from scoreboard.branding import branding
from scoreboard.bus import rabbit_check
from scoreboard.configuration import sources as configuration
from scoreboard.configuration.settings import Settings, SettingsError
from scoreboard.connections import redis_check
from scoreboard.connections.findings import Finding
from scoreboard.console.arguments import Commands
from scoreboard.console.columns import columns_of
from scoreboard.console.reports import Answer, Report
from scoreboard.console.servers import check_amqp_url, check_redis_url, database_url
from scoreboard.console.terminal import counted
from scoreboard.copies.copy import key_of
from scoreboard.fitness import fitness
from scoreboard.model import MAIN, BoardId

# The copy of `main`, and that of another board: a user of Redis may have the right to one of them.
_COPIES: Final = (key_of(MAIN), key_of(BoardId("check")))
_SECONDS: Final = 20.0  # for all of them, side by side; each has deadlines of its own
_WIDTH: Final = 96
_WIDTH_OF_COLUMNS: Final = 60  # on less, what is said stands below what it is about
_MARKS: Final = {"ok": "ok", "warning": "warning", "wrong": "WRONG"}


def add_to(commands: Commands) -> None:
    """Declare `check`."""
    check = commands.add(
        "check",
        _check,
        "try every server, setting and right that an instance needs; exit code 1 if one is wrong",
        "scoreboard check && scoreboard serve",
        "scoreboard check --role stream      what an instance of that role needs",
        "scoreboard check --json | jq '.checks[] | select(.state != \"ok\")'",
        report=Report(("ok", "role", "checks")),
    )
    check.add_argument(
        "--role", choices=["all", "api", "stream"], help="for this role (SCOREBOARD_ROLE)"
    )


async def _check(arguments: argparse.Namespace) -> Answer:
    try:
        found = configuration.load(role=arguments.role)
    except SettingsError as mistake:
        findings, role = [_unusable(mistake)], arguments.role
    else:
        findings, role = await look(found), found.role
    is_well = all(finding.state != "wrong" for finding in findings)
    checks = [finding.as_json() for finding in findings]
    document = {"ok": is_well, "role": role, "checks": checks}
    return Answer(document, as_list(findings, columns_of(sys.stdout)), 0 if is_well else 1)


async def look(found: Settings) -> list[Finding]:
    """Look at everything, all at once, so that a server that is away costs the others no time."""
    looked = await asyncio.gather(
        _bounded("postgresql", _postgresql(found)),
        _bounded("redis", _redis(found)),
        _bounded("rabbitmq", _rabbitmq(found)),
    )
    return [*_settings(found), *(finding for part in looked for finding in part)]


async def _bounded(part: str, looking: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        async with asyncio.timeout(_SECONDS):
            return await looking
    except SettingsError as mistake:
        return [Finding(part, "address", "wrong", str(mistake))]
    except TimeoutError:
        what = f"It did not answer within {_SECONDS:g} s."
        return [Finding(part, "connection", "wrong", what, "Look at its log and at the way to it.")]


def _settings(found: Settings) -> list[Finding]:
    try:
        configuration.require_servers(found)
    except SettingsError as mistake:
        return [_unusable(mistake)]
    values = Finding("settings", "values", "ok", f"They can be used, for the role {found.role}.")
    return [values, _page(found)]


def _page(found: Settings) -> Finding:
    """What the settings name of the page's logo and words."""
    try:
        branding.load(found)
    except SettingsError as mistake:
        return Finding("settings", "page", "wrong", str(mistake), "See docs/branding.md.")
    return Finding("settings", "page", "ok", f"It is called {found.page_title}.")


def _unusable(mistake: SettingsError) -> Finding:
    return Finding("settings", "values", "wrong", str(mistake), "See docs/configuration.md.")


async def _postgresql(found: Settings) -> list[Finding]:
    return await fitness.findings(database_url(found), found.role, found.postgres_sessions)


async def _redis(found: Settings) -> list[Finding]:
    check_redis_url(found)
    return await redis_check.findings(found.redis_url, *_COPIES)


async def _rabbitmq(found: Settings) -> list[Finding]:
    check_amqp_url(found)
    if not found.amqp_url:
        what = "No address is set: there may be one instance, with a bus in its process."
        return [Finding("rabbitmq", "address", "ok", what)]
    return await rabbit_check.findings(found.amqp_url, publishes=found.takes_submissions)


def as_list(findings: list[Finding], columns: int = 0) -> str:
    """Write findings for people: a line each, and below it what to do. `columns` are those of the
    terminal, 0 where there is none.
    """
    width = min(columns - 1, _WIDTH) if columns else _WIDTH
    lines: list[str] = []
    part = ""
    for finding in findings:
        if finding.part != part:
            lines.append(finding.part)
            part = finding.part
        lines += _lines(finding, width)
    wrong = sum(finding.state == "wrong" for finding in findings)
    warnings = sum(finding.state == "warning" for finding in findings)
    warned = counted(warnings, "warning") if warnings else "no warnings"
    lines.append(f"{wrong or 'nothing'} wrong, {warned}")
    return "\n".join(lines)


def _lines(finding: Finding, width: int) -> list[str]:
    head = f"  {_MARKS[finding.state]:<8} {finding.name:<11} "
    indent = " " * (len(head) if width >= _WIDTH_OF_COLUMNS else 4)
    room = max(width - len(indent), 1)
    what = [line for part in finding.what.splitlines() for line in _folded(part, room)]
    to_do = _folded(f"-> {finding.to_do}", room) if finding.to_do else []
    if width < _WIDTH_OF_COLUMNS:
        return [head.rstrip(), *(indent + line for line in [*what, *to_do])]
    return [head + what[0], *(indent + line for line in [*what[1:], *to_do])]


def _folded(text: str, width: int) -> list[str]:
    """Lines that fit; a line of a list keeps its place."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
