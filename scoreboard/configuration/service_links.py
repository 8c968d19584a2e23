"""Variables that an orchestrator sets for whoever is beside us, with names that look like settings.

Kubernetes tells every container of each Service in its namespace, Docker of each container that it
is linked to: of a Service named `scoreboard-api` in SCOREBOARD_API_SERVICE_HOST. Nobody wrote these
for us, so they neither stop the start nor set anything. They have an exact form, in name and value;
what only resembles it is a mistake, and is refused like any other.

https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Final

# Whose it is, if it is not the prefix alone: SCOREBOARD_PORT, SCOREBOARD_API_PORT.
_OWNER: Final = r"(?:[A-Z0-9_]+_)?"
_PORT: Final = r"PORT_(?P<port>[0-9]{1,5})_(?P<protocol>TCP|UDP|SCTP)"
_PLACE: Final = re.compile(r"(tcp|udp|sctp)://(?:\[([^\]]*)\]|([^:\]]*)):([0-9]{1,5})")


def ignored(environ: Mapping[str, str], prefix: str) -> frozenset[str]:
    """Answer the names of those variables that begin with this prefix."""
    ours = {name: text for name, text in environ.items() if name.startswith(prefix)}
    told = {name for name, text in ours.items() if _is_told(name.removeprefix(prefix), text)}
    # A linked container's own variables may hold anything; its name says that it is one.
    linked = tuple(f"{name.removesuffix('NAME')}ENV_" for name in told if name.endswith("NAME"))
    return frozenset(told | {name for name in ours if name.startswith(linked)})


def _is_told(name: str, text: str) -> bool:
    matches = ((shape.fullmatch(name), fits) for shape, fits in _SHAPES)
    return any(fits(text, match) for match, fits in matches if match)  # guard: only-resembles


def _is_address(text: str, _: re.Match[str]) -> bool:
    """One at which somebody else is: who wrote 0.0.0.0 or 127.0.0.1 meant us."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)


def _is_port(text: str, _: re.Match[str]) -> bool:
    return bool(re.fullmatch("[0-9]{1,5}", text)) and 0 < int(text) < 65536


def _is_place(text: str, name: re.Match[str]) -> bool:
    """`tcp://10.0.0.11:6379`: an address, and the protocol and port that its name says, if any."""
    place = _PLACE.fullmatch(text)
    if place is None or not _is_address(place[2] or place[3] or "", name):
        return False
    said = name.groupdict()
    return (
        said.get("port", place[4]) == place[4]
        and said.get("protocol", place[1]).lower() == place[1]
    )


# As Docker writes it: `/who-is-told/by-what-name`.
_LINK: Final = re.compile(r"/[\w.-]+/[\w.-]+", re.ASCII)
_SHAPES: Final[tuple[tuple[re.Pattern[str], Callable[[str, re.Match[str]], bool]], ...]] = (
    (re.compile(rf"{_OWNER}SERVICE_HOST"), _is_address),
    (re.compile(rf"{_OWNER}SERVICE_PORT(?:_[A-Z0-9_]+)?"), _is_port),
    (re.compile(rf"{_OWNER}PORT"), _is_place),
    (re.compile(rf"{_OWNER}{_PORT}(?:_START)?"), _is_place),
    (re.compile(rf"{_OWNER}{_PORT}_ADDR"), _is_address),
    (re.compile(rf"{_OWNER}{_PORT}_PORT(?:_START|_END)?"), _is_port),
    (re.compile(rf"{_OWNER}{_PORT}_PROTO"), lambda text, name: text == name["protocol"].lower()),
    # Docker alone: where a range of ports ends, and who is linked.
    (re.compile(rf"{_OWNER}PORT_[0-9]{{1,5}}_(?P<protocol>TCP|UDP|SCTP)_END"), _is_place),
    (re.compile(rf"{_OWNER}NAME"), lambda text, _: bool(_LINK.fullmatch(text))),
)
