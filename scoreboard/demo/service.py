"""A service at an address that somebody gave: whether it is a Scoreboard, and if it cannot be used,
a sentence on why and what to do.

Anybody may answer there: what is read is bounded, and believed only once its form is right.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import aiohttp

from scoreboard import errors
from scoreboard.configuration import handed_over
from scoreboard.configuration.handed_over import Unreadable
from scoreboard.console.arguments import service_address
from scoreboard.console.reports import CommandFailed

ANSWER_BYTES_MAX: Final = 256 * 1024
_BOARD: Final = "/api/leaderboard"  # which everybody may ask for, through any proxy
_SECONDS: Final = 10.0
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_MAX: Final = 5
_BEHIND_A_PROXY: Final = frozenset({502, 503, 504})
_SHOWN_CHARACTERS: Final = 200
_SAY: Final = "Say with --url where the service itself is."
_CODES: Final = frozenset(
    each.code
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, errors.ScoreboardError)
)
# The first that fits counts.
_WHY: Final[tuple[tuple[type[Exception], str], ...]] = (
    (ValueError, "{place} is no address that can be used. Mend --url."),
    (
        aiohttp.ClientConnectorDNSError,
        "There is no host {host}, as far as this machine knows. Mend --url.",
    ),
    (
        aiohttp.ClientSSLError,
        "What answers at {place} speaks no TLS that can be used. Say http:// in --url if it speaks "
        "none.",
    ),
    (
        TimeoutError,
        f"{{place}} does not answer within {_SECONDS:g} s. Look at it, and at the way to it.",
    ),
    (
        aiohttp.ClientConnectorError,
        "Nothing answers at {place} ({system}). Start the service (scoreboard serve --embedded), "
        "or say with --url where it is.",
    ),
    (
        Exception,
        "What answers at {place} gives no answer of HTTP. Say with --url where it is{perhaps}.",
    ),
)


def trusting(ca: str | None) -> ssl.SSLContext:
    """A context that believes the certificates of this file alone, or without a file those that
    OpenSSL finds (SSL_CERT_FILE). Raises CommandFailed.
    """
    name, path = ("--ca", ca) if ca else ("SSL_CERT_FILE", os.environ.get("SSL_CERT_FILE"))
    if not path:
        return ssl.create_default_context()
    try:
        text = handed_over.value(handed_over.content(Path(path)))
        # Nothing at all would mean those of the machine.
        return ssl.create_default_context(cadata=text.strip() or "nothing")
    except Unreadable as error:
        raise CommandFailed(f"{name} names {path}, which cannot be used: {error}.") from error
    except (ssl.SSLError, ValueError) as error:
        raise CommandFailed(
            f"{name} names {path}, which holds no certificate: one is expected, or several, that "
            "begin with -----BEGIN CERTIFICATE-----."
        ) from error


async def found_at(session: aiohttp.ClientSession, url: str) -> str:
    """Find a Scoreboard at this address, or where it redirects to, and answer its own address.
    Raises CommandFailed.
    """
    place = url
    for _ in range(_REDIRECTS_MAX):
        try:
            async with (
                asyncio.timeout(_SECONDS),
                session.get(place + _BOARD, allow_redirects=False) as response,
            ):
                target = response.headers.get("Location", "")
                if response.status not in _REDIRECTS or not target:
                    await _require_scoreboard(response, place)
                    return place
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise CommandFailed(_why(error, place)) from error
        place = _redirected(place, target)
    raise CommandFailed(f"{url} redirects again and again, at last to {place}. {_SAY}")


def _redirected(place: str, target: str) -> str:
    """Where the service is, when its board is there. Raises CommandFailed."""
    there = ""
    try:
        there = urljoin(place + _BOARD, target)
        found = service_address(there.removesuffix("/").removesuffix(_BOARD))
    except (argparse.ArgumentTypeError, ValueError):
        found = ""
    if not found or not there.removesuffix("/").endswith(_BOARD):
        shown = there[:_SHOWN_CHARACTERS] if there and "@" not in there else "another place"
        raise CommandFailed(f"{place} is no Scoreboard: it redirects to {shown}. {_SAY}")
    if place.startswith("https:") and found.startswith("http:"):  # guard: nobody-led-tls
        raise CommandFailed(
            f"{place} redirects to {found}, which is not encrypted. If that is meant, name it with "
            "--url."
        )
    return found


async def _require_scoreboard(response: aiohttp.ClientResponse, place: str) -> None:
    status, kind = response.status, response.content_type
    document = await document_of(response)
    code = str(document.get("code"))
    if code == errors.NotFound.code:
        parts = urlsplit(place)
        raise CommandFailed(
            f"A Scoreboard answers at {place}, but not under that path. Its address is perhaps "
            f"{parts.scheme}://{parts.netloc}"
        )
    is_board = document.get("success") is True and isinstance(document.get("data"), list)
    if is_board or code in _CODES:
        return
    if status in _BEHIND_A_PROXY:
        raise CommandFailed(
            f"A proxy answers at {place} with status {status}: the service behind it is away. "
            "Start it, or wait until it has started."
        )
    to_do = _SAY
    if status == 400 and place.startswith("http:"):  # as nginx answers who speaks no TLS to it
        to_do = "Say https:// in --url if it wants TLS, else where the service itself is."
    raise CommandFailed(
        f"What answers at {place} is no Scoreboard: {_BOARD} has status {status} and type {kind}. "
        f"{to_do}"
    )


async def document_of(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """Read a JSON object. All else, as a proxy's page of HTML, or what is too long, counts as
    nothing said. Raises aiohttp.ClientError.
    """
    content = bytearray()
    async for part in response.content.iter_any():
        content += part
        if len(content) > ANSWER_BYTES_MAX:  # guard: answer-without-end
            response.close()
            return {}
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _why(error: Exception, place: str) -> str:
    """Say what is the matter with an address that gave no answer, and what to do."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _why_untrusted(error.certificate_error, place)
    parts = urlsplit(place)
    what = next(words for kind, words in _WHY if isinstance(error, kind))
    number = getattr(getattr(error, "os_error", None), "errno", None)
    return what.format(
        place=place,
        host=parts.hostname,
        system=os.strerror(number) if number else "no connection",
        perhaps="" if parts.scheme == "https" else ", perhaps with https://",
    )


def _why_untrusted(error: Exception, place: str) -> str:
    number = getattr(error, "verify_code", 0)  # OpenSSL's
    words = str(getattr(error, "verify_message", "") or "it cannot be checked").rstrip(".")
    if number in (62, 64):  # the certificate has no such name, or no such address
        return f"The certificate at {place} is another host's: {words}. Use its own name in --url."
    if number in (9, 10):  # not yet, or not any more
        return (
            f"The certificate at {place} is not valid now: {words}. Renew it; or set this "
            "machine's clock."
        )
    return (
        f"The certificate at {place} is not trusted: {words}. If it is yours, name the file of it, "
        "or of who signed it, with --ca FILE (or SSL_CERT_FILE)."
    )
