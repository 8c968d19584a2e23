"""Where settings come from: config/*.toml and SCOREBOARD_* variables, read once at the start.

The layers, each over the one before: config/default.toml, the file that SCOREBOARD_CONFIG names,
SCOREBOARD_<KEY>_FILE (a file that holds the value, for secrets), SCOREBOARD_<KEY>. An unknown key
or a value that does not fit stops the start with one message that lists every mistake. What an
orchestrator told us of a Service under such a name is no mistake and no setting (`service_links`).
"""

from __future__ import annotations

import hashlib
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from marshmallow import ValidationError

from scoreboard.configuration import handed_over, service_links
from scoreboard.configuration.handed_over import Unreadable
from scoreboard.configuration.settings import DECLARED, Settings, SettingsError, checked

PREFIX: Final = "SCOREBOARD_"
MIN_SECRET_BYTES: Final = 32  # RFC 7518, 3.2: an HMAC key is at least as long as the hash's output
_BLOCK_BYTES: Final = 64
# An empty one of these is a file that somebody has still to fill.
_NEVER_EMPTY: Final = frozenset({"database_url", "redis_url", "jwt_secret"})
# By key: a value, and where it stands, in the words of a message.
_Found = dict[str, tuple[Any, str]]
_EXAMPLES: Final = {
    "database_url": "postgresql://user:password@localhost:5432/scoreboard",
    "redis_url": "redis://localhost:6379/0",
}
_GENERATOR: Final = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"


def shipped(name: str) -> Path:
    """Find `config` or `migrations`: beside the package in a checkout, else under sys.prefix."""
    checkout = Path(__file__).resolve().parents[2] / name
    return checkout if checkout.is_dir() else Path(sys.prefix) / "share" / "scoreboard" / name


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read every layer; `overrides` (from the command line) go before all of them.

    Raises SettingsError, which names each unknown key and each value that does not fit.
    """
    environ = os.environ if environ is None else environ
    found = _from_toml(shipped("config") / "default.toml")
    if extra := handed_over.unmarked(environ.get(f"{PREFIX}CONFIG", "")):
        found |= _from_toml(Path(extra))
    found |= _from_environment(environ)
    for key, value in overrides.items():
        if value is not None:
            found[key] = value, f" (--{key.replace('_', '-')})"
    try:
        return checked({key: value for key, (value, _) in found.items()})
    except ValidationError as error:
        raise SettingsError(_explain(error, found)) from error


def ignored_variables(environ: Mapping[str, str] | None = None) -> str:
    """Say which variables have names like settings and are none, and what to do; mostly nothing."""
    names = service_links.ignored(os.environ if environ is None else environ, PREFIX)
    if not names:
        return ""
    return (
        f"These variables were ignored: {', '.join(sorted(names))}. They tell of a Service of "
        "Kubernetes, or a linked container, whose name begins like our settings do. Set "
        "enableServiceLinks: false in the pod, or give the Service another name."
    )


def require_servers(settings: Settings) -> None:
    """Check what a server cannot start without. Raises SettingsError with what to set."""
    servers = [
        f"{PREFIX}{key.upper()} is not set, e.g. {example}"
        for key, example in _EXAMPLES.items()
        if not getattr(settings, key)
    ]
    secrets = _bad_secrets(settings)
    if not servers and not secrets:
        return
    lines = ["The configuration is not complete:", *(f"  - {m}" for m in servers + secrets)]
    if secrets:
        lines.append(f"A command that makes a secret: {_GENERATOR}")
    if servers:
        lines.append(
            "Or let Scoreboard bring its own servers, for a try: scoreboard serve --embedded"
        )
    raise SettingsError("\n".join(lines))


def _bad_secrets(settings: Settings) -> list[str]:
    """Name what is missing, too short or shared by its place, never by what it is."""
    bad = [] if settings.jwt_secret else ["SCOREBOARD_JWT_SECRET is not set"]
    owners: dict[bytes, int] = {}
    for place, owner, secret in _secrets(settings):
        length = len(secret.encode())
        if 0 < length < MIN_SECRET_BYTES:
            bad.append(f"{place} has {length} bytes; at least {MIN_SECRET_BYTES} are needed")
        if owners.setdefault(_key(secret), owner) != owner:  # guard: no-two-issuers
            bad.append(f"{place} is a secret of another issuer too; each needs one of its own")
    if settings.jwt_issuer in settings.jwt_trusted_issuers:
        bad.append("SCOREBOARD_JWT_TRUSTED_ISSUERS names our own issuer, SCOREBOARD_JWT_ISSUER")
    for name in (settings.jwt_issuer, *settings.jwt_trusted_issuers):
        if name in settings.oidc_issuers:  # guard: issuer-one-kind
            bad.append(
                "SCOREBOARD_OIDC_ISSUERS names an issuer that signs with a secret: ours, or one of "
                "SCOREBOARD_JWT_TRUSTED_ISSUERS"
            )
    return bad


def _secrets(settings: Settings) -> Iterator[tuple[str, int, str]]:
    """Every secret that signs: where it stands, the number of its issuer (ours is 0), and itself.
    An issuer is named by its number, because somebody may have written a secret for a name.
    """
    yield "SCOREBOARD_JWT_SECRET", 0, settings.jwt_secret
    for number, secret in enumerate(settings.jwt_previous_secrets, 1):
        yield f"entry {number} of SCOREBOARD_JWT_PREVIOUS_SECRETS", 0, secret
    for owner, secrets in enumerate(settings.jwt_trusted_issuers.values(), 1):
        for secret in secrets:
            yield f"entry {owner} of SCOREBOARD_JWT_TRUSTED_ISSUERS", owner, secret


def _key(secret: str) -> bytes:
    """The key that HMAC makes of a secret (RFC 2104), so that two secrets can be one key."""
    text = secret.encode()
    return (hashlib.sha256(text).digest() if len(text) > _BLOCK_BYTES else text).rstrip(b"\0")


def _from_toml(path: Path) -> _Found:
    try:
        read = tomllib.loads(handed_over.decoded(handed_over.content(path)))
    except Unreadable as error:
        raise SettingsError(f"Cannot read the configuration file {path}: {error}.") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    return {key: (value, f", in {path}") for key, value in read.items()}


def _from_environment(environ: Mapping[str, str]) -> _Found:
    plain: _Found = {}
    from_files: _Found = {}
    told_of_others = service_links.ignored(environ, PREFIX)
    for spelled, given in environ.items():
        # A file of variables (.env) has a mark before its first name, and CR behind each value,
        # where whoever reads it for us knows nothing of Windows.
        name, text = spelled.removeprefix(handed_over.MARK), handed_over.unmarked(given)
        key = name.removeprefix(PREFIX).lower()
        if not name.startswith(PREFIX) or key == "config" or key.startswith("test_"):
            continue
        if name in told_of_others:  # guard: kubernetes-tells-others
            continue
        if key not in DECLARED and key.removesuffix("_file") in DECLARED:
            key = key.removesuffix("_file")
            from_files[key] = _from_file(name, key, Path(text)), f" ({name})"
            continue
        try:
            text.encode()
        except UnicodeEncodeError:  # of bytes that are not UTF-8 Python makes halves of characters
            raise SettingsError(f"{name} is not UTF-8 text.") from None
        plain[key] = text, f" ({name})"
    return from_files | plain  # the value itself goes before a file that holds one


def _from_file(name: str, key: str, path: Path) -> str:
    """Read the value that a file holds. White space around it was never a part of it."""
    try:
        text = handed_over.value(handed_over.content(path)).strip()
        if not text and key in _NEVER_EMPTY:
            raise Unreadable("it is empty")
        if not DECLARED[key].lines and (lines := handed_over.line_count(text)) > 1:
            raise Unreadable(f"it has {lines} lines, and the value is one")
    except Unreadable as error:
        raise SettingsError(f"{name} names {path}, which cannot be used: {error}.") from error
    return text


def _explain(error: ValidationError, found: _Found) -> str:
    """Say each mistake and where it stands, and no value, because it may be a secret."""
    lines = ["The configuration cannot be used:"]
    messages: Any = error.normalized_messages()  # type: ignore[no-untyped-call]
    for key, problem in sorted(messages.items()):
        text = "; ".join(_sentences(problem))
        if text == "Unknown field.":
            text = "there is no such setting; see docs/configuration.md"
        _, place = found.get(key, (None, ""))
        lines.append(f"  - {key}{place}: {text}")
    return "\n".join(lines)


def _sentences(problem: list[str] | Mapping[int, list[str]]) -> list[str]:
    """What is wrong with a value, or with the entries of a list by their numbers from 1."""
    if isinstance(problem, list):
        return problem
    return [f"entry {place + 1}: {' '.join(words)}" for place, words in problem.items()]
