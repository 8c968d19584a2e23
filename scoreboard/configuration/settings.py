"""One settings object, and what each key of it may hold; `configuration` fills it."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

# Sessions of PostgreSQL for what an instance itself has to know: the board, whether PostgreSQL is
# up, whose tokens have ended. One of two may wait for a lock.
WATCH_CONNECTIONS: Final = 2

_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9.\-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")
_COUNT: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
# An @ past the host: a password that was written as it is, whose rest would pass for a host, a path
# or a name, and be shown. Where the next address of several begins, this one has ended.
_PASSWORD_CUT: Final = re.compile(r"://[^/?#]+[/?#](?:(?!,\s*\w+://).)*@")
_SECONDS_PER: Final = {"second": 1, "minute": 60, "hour": 3600}


class SettingsError(Exception):
    """The configuration cannot be used; the message lists what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something may be done: `count` times in `seconds`."""

    count: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read `600/minute`. Raises ValueError when the text is not a rate."""
        count, _, period = text.partition("/")
        if (
            not _COUNT.fullmatch(count.strip())
            or int(count) < 1
            or period.strip() not in _SECONDS_PER
        ):
            raise ValueError(
                "write a rate as a whole number per second, minute or hour: 600/minute"
            )
        return cls(int(count), _SECONDS_PER[period.strip()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that can be set. Field names are the keys; config/default.toml has the defaults."""

    host: str
    port: int
    role: str
    instance: str
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    amqp_url: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    jwt_previous_secrets: tuple[str, ...] = field(repr=False)
    jwt_issuer: str
    jwt_audience: str
    jwt_trusted_issuers: Mapping[str, tuple[str, ...]] = field(repr=False)
    foreign_token_seconds: int
    access_token_seconds: int
    refresh_token_seconds: int
    refresh_family_seconds: int
    refresh_grace_seconds: int
    require_token_to_read: bool
    rate_limit_per_ip: Rate
    rate_limit_per_user: Rate
    rate_limit_accounts_per_ip: Rate
    rate_limit_logins_per_user: Rate
    rate_limit_per_family: Rate
    connections_per_ip: int
    connections_max: int
    streams_per_ip: int
    streams_per_user: int
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    allowed_origins: tuple[str, ...]
    ledger_connections: int
    query_connections: int
    batch_max: int
    waiting_max: int
    database_timeout_seconds: float
    redis_timeout_seconds: float
    publish_timeout_seconds: float
    push_interval_seconds: float
    heartbeat_seconds: float
    stuck_after_seconds: float
    reconnect_min_seconds: float
    reconnect_max_seconds: float
    subscribers_max: int
    reconcile_seconds: float
    drain_seconds: float
    shutdown_seconds: float
    board_max_age_seconds: int
    log_level: str
    log_format: str
    otlp_endpoint: str
    trace_sample_ratio: float

    @property
    def takes_submissions(self) -> bool:
        """Whether this process serves the API that writes."""
        return self.role in ("all", "api")

    @property
    def postgres_sessions(self) -> int:
        """How many sessions of PostgreSQL this process holds."""
        return self.ledger_connections + self.query_connections + WATCH_CONNECTIONS

    @property
    def serves_streams(self) -> bool:
        """Whether this process serves streams."""
        return self.role in ("all", "stream")


def _origin(text: str) -> str:
    """Read an origin as browsers write it. Raises ValueError."""
    if text != "*" and not _ORIGIN.fullmatch(text):
        raise ValueError(
            "write an origin as browsers do, in small letters and without a path or the port that "
            "goes without saying: https://example.org"
        )
    return text


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(
            "write an address or a network: 192.0.2.7, 192.0.2.16/28, 2001:db8:1:2::/64"
        ) from error


class _List(fields.List):
    """A list that a variable or a file gives as text, with commas or ends of lines between."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            parts = re.split(r"[,\r\n]", value)
            value = [part.strip() for part in parts if part.strip()]
        return tuple(super()._deserialize(value, *args, **kwargs))


class _Issuers(fields.Field):
    """Issuers by name, each with its secrets; an environment variable gives them as JSON.

    A message counts entries and names none: somebody may have written a secret for a name.
    """

    _FORM: Final = (
        'give each issuer a secret of its own: {"game": "…"}, or several: {"game": ["…", "…"]}. A '
        "list of names is not enough any more: no issuer shares ours (docs/operations.md)"
    )

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if isinstance(value, str):
            value = self._from_json(value) if value.strip() else {}
        if not isinstance(value, Mapping):
            raise ValidationError(self._FORM)
        return {
            self._named(name, place): self._secrets(secrets, place)
            for place, (name, secrets) in enumerate(value.items(), 1)
        }

    def _from_json(self, text: str) -> Any:
        try:
            return json.loads(text, object_pairs_hook=self._once_each)
        except (ValueError, RecursionError):
            raise ValidationError(self._FORM) from None  # its error quotes the text

    def _once_each(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValidationError("an issuer is named twice; give all of its secrets in one list")
        return dict(pairs)

    def _named(self, name: str, place: int) -> str:
        if not name.strip():
            raise ValidationError(f"entry {place}: an issuer needs a name, its `iss`")
        return name

    def _secrets(self, secrets: Any, place: int) -> tuple[str, ...]:
        found = [secrets] if isinstance(secrets, str) else secrets
        if not isinstance(found, list) or not found:
            raise ValidationError(f"entry {place}: {self._FORM}")
        if not all(isinstance(secret, str) and secret for secret in found):
            raise ValidationError(f"entry {place}: a secret is a text, and not empty")
        return tuple(found)


class _Parsed(fields.Field):
    """Text that a function turns into a value; its ValueError is the message."""

    def __init__(self, parse: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._parse = parse

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        try:
            return self._parse(str(value))
        except ValueError as error:
            raise ValidationError(str(error)) from error


def _setting(kind: type[fields.Field], doc: str, *args: Any, **kwargs: Any) -> Any:
    return kind(*args, required=True, metadata={"description": doc}, **kwargs)


def _address(doc: str) -> Any:
    """An address with a password in it, which no refusal may repeat."""
    return _setting(fields.String, doc, validate=_check_address)


def _check_address(text: str) -> None:
    if _PASSWORD_CUT.search(text):
        raise ValidationError(
            "has an @ past its host: write @ / ? and # of a password as %40 %2F %3F and %23"
        )


def _check_host(text: str) -> None:
    if not text.strip():
        raise ValidationError(
            "is empty: write 127.0.0.1 for programs on this machine, 0.0.0.0 or :: for everybody "
            "who reaches it"
        )


def _whole(doc: str, least: int = 1, most: int | None = None) -> Any:
    words = f"must be a whole number from {least}" + ("" if most is None else f" to {most}")
    return _setting(
        fields.Integer,
        doc,
        validate=validate.Range(least, most, error=words),
        error_messages={"invalid": words, "too_large": words},
    )


def _seconds(doc: str, least: float | None = None) -> Any:
    """A time; without a least one it only has to be above 0."""
    words = f"must be a number {'above 0' if least is None else f'from {least:g}'}"
    return _setting(
        fields.Float,
        doc,
        validate=validate.Range(least or 0, min_inclusive=least is not None, error=words),
        error_messages=dict.fromkeys(("invalid", "special", "too_large"), words),
    )


# Ten years: what is longer is a mistake, and PostgreSQL knows no such times.
_LONGEST_LIFE_SECONDS: Final = 10 * 365 * 24 * 3600
# Its deadlines are whole milliseconds, in which 0 means none.
_LEAST_DATABASE_SECONDS: Final = 0.01


class SettingsSchema(Schema):
    """What each key may hold; the descriptions make docs/configuration.md."""

    class Meta:
        """Unknown keys are refused: a misspelt one would else be silently ignored."""

        unknown = RAISE

    host = _setting(
        fields.String,
        "Address to listen on; 0.0.0.0 or :: is every address of this machine.",
        validate=_check_host,
    )
    port = _whole("Port to listen on; 0 takes a free one.", 0, 65535)
    role = _setting(
        fields.String,
        "`all` serves everything, `api` no streams, `stream` only reads and streams.",
        validate=validate.OneOf(["all", "api", "stream"]),
    )
    instance = _setting(fields.String, "Name of this process; empty: host name and process id.")
    database_url = _address(
        "PostgreSQL, as postgresql://user:password@host:5432/name; of several hosts, "
        "…@one:5432,two:5432/name, the primary.",
    )
    redis_url = _address(
        "Redis, as redis://host:6379/0, or by way of Sentinels, "
        "redis+sentinel://one:26379,two:26379/primary/0.",
    )
    amqp_url = _address(
        "RabbitMQ, as amqp://user:password@host:5672/, the nodes of a cluster with commas between "
        "such addresses; empty: one instance, a bus in the process.",
    )
    jwt_secret = _setting(fields.String, "Secret that signs access tokens, at least 32 bytes.")
    jwt_previous_secrets = _setting(
        _List,
        "Earlier secrets, whose tokens are still taken: rotate without logging anybody out.",
        fields.String(),
    )
    jwt_issuer = _setting(fields.String, "`iss` of our tokens; empty: neither written nor checked.")
    jwt_audience = _setting(
        fields.String, "`aud` of our tokens; empty: neither written nor checked."
    )
    jwt_trusted_issuers = _setting(
        _Issuers,
        "Other issuers whose tokens are taken, by `iss`, each with secrets of its own, at least 32 "
        'bytes; in a variable or a file as JSON: {"game": "…"}.',
    )
    foreign_token_seconds = _whole(
        "Longest life of another issuer's token, from its `iat`.", 1, _LONGEST_LIFE_SECONDS
    )
    access_token_seconds = _whole("Life of an access token.", 1, _LONGEST_LIFE_SECONDS)
    refresh_token_seconds = _whole("Life of a refresh token.", 1, _LONGEST_LIFE_SECONDS)
    refresh_family_seconds = _whole(
        "Longest life of a log-in, however often it is refreshed.", 1, _LONGEST_LIFE_SECONDS
    )
    refresh_grace_seconds = _whole(
        "How long a replaced refresh token answers with its successor, once.",
        0,
        _LONGEST_LIFE_SECONDS,
    )
    require_token_to_read = _setting(
        fields.Boolean,
        "Close the board and the stream to clients without a token.",
        error_messages={"invalid": "must be true or false"},
    )
    rate_limit_per_ip = _setting(
        _Parsed, "Requests per address; those with a valid token are counted apart.", Rate.parse
    )
    rate_limit_per_user = _setting(_Parsed, "Authenticated requests per user.", Rate.parse)
    rate_limit_accounts_per_ip = _setting(
        _Parsed, "Registrations and log-ins per address.", Rate.parse
    )
    rate_limit_logins_per_user = _setting(
        _Parsed, "Log-in attempts per user, from anywhere.", Rate.parse
    )
    rate_limit_per_family = _setting(
        _Parsed, "Refreshes and log-outs per log-in, from anywhere.", Rate.parse
    )
    connections_per_ip = _whole(
        "Open connections per address and process, trusted proxies apart; more are closed at once."
    )
    connections_max = _whole("Open connections of this process; more are closed at once.")
    streams_per_ip = _whole("Open streams per address, over all instances.")
    streams_per_user = _whole(
        "Open streams per user, over all instances, where reading needs a token."
    )
    trusted_proxies = _setting(
        _List,
        "Peers whose X-Forwarded-For is believed: addresses or networks.",
        _Parsed(_network),
    )
    allowed_origins = _setting(
        _List,
        "Other sites whose pages may read the board, its stream and the catalogue: "
        "`https://example.org`; `*` for all.",
        _Parsed(_origin),
    )
    ledger_connections = _whole("PostgreSQL connections that write.")
    query_connections = _whole(
        "PostgreSQL connections for all else that clients ask for. An instance has two more, for "
        "what it has to know itself."
    )
    batch_max = _whole("Submissions in one transaction.")
    waiting_max = _whole("Submissions that may wait; more get 503.")
    database_timeout_seconds = _seconds("Longest wait for PostgreSQL.", _LEAST_DATABASE_SECONDS)
    redis_timeout_seconds = _seconds("Longest wait for Redis.")
    publish_timeout_seconds = _seconds("Longest wait for RabbitMQ's confirm.")
    push_interval_seconds = _seconds("Shortest time between two pushes.", 0)
    heartbeat_seconds = _seconds("Time between heartbeats on a stream.")
    stuck_after_seconds = _seconds("A subscriber that takes nothing for this long is cut off.")
    reconnect_min_seconds = _seconds("`retry:` is drawn from here…")
    reconnect_max_seconds = _seconds("…to here, so that clients do not all return at once.")
    subscribers_max = _whole("Open streams of this process; more get 503.")
    reconcile_seconds = _seconds("Time between comparisons with the ledger.")
    drain_seconds = _seconds(
        "After SIGTERM, serve on this long with /readyz at 503, for load balancers to see.", 0
    )
    shutdown_seconds = _seconds("Longest wait for requests in flight at the end.")
    board_max_age_seconds = _whole("How long shared caches may keep the board.", 0)
    log_level = _setting(
        fields.String,
        "Least level to log.",
        validate=validate.OneOf(["debug", "info", "warning", "error"]),
    )
    log_format = _setting(
        fields.String,
        "`auto`, `console` or `json`.",
        validate=validate.OneOf(["auto", "console", "json"]),
    )
    otlp_endpoint = _setting(
        fields.String,
        "Collector of traces (OTLP over HTTP), as http://host:4318; empty: nothing is traced.",
        validate=validate.Regexp(r"(https?://\S+)?$", error="must be empty or an http(s) address"),
    )
    trace_sample_ratio = _setting(
        fields.Float,
        "Share of requests that are traced, 0 to 1; one with a traceparent says itself whether.",
        validate=validate.Range(0, 1),
    )

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Settings:
        """Build the frozen object, with the instance named when nobody named it."""
        data["instance"] = data["instance"] or f"{socket.gethostname()}-{os.getpid()}"
        return Settings(**data)


def may_have_lines(key: str) -> bool:
    """Whether the text of this setting may have several lines: a list, or JSON."""
    return isinstance(SettingsSchema().fields.get(key), _List | _Issuers)
