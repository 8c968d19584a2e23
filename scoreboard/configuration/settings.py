"""The settings, each declared once: its name, type, default and bounds, and what it means.

config/default.toml and the table in docs/configuration.md are made from these declarations
(`python -m docs.generate`). `sources` finds the values, `kinds` reads and checks them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from marshmallow import Schema, ValidationError
from marshmallow.fields import Boolean, Float
from marshmallow.validate import Range

from scoreboard.configuration.colors import Color, colors
from scoreboard.configuration.kinds import (
    Declaration,
    Rate,
    address,
    declare,
    issuers,
    known_origin,
    listed,
    network,
    one_of,
    origin,
    rate,
    seconds,
    text,
    whole,
)
from scoreboard.configuration.page import languages
from scoreboard.configuration.providers import Provider, providers

# Sessions of PostgreSQL for what an instance itself has to know: the board, whether PostgreSQL is
# up, whose tokens have ended. One of two may wait for a lock.
WATCH_CONNECTIONS: Final = 2
# For its ranks: one ranking may be counted for seconds while the others are followed.
RANK_CONNECTIONS: Final = 2


class SettingsError(Exception):
    """The configuration cannot be used; the message lists what is wrong and how to mend it."""


# Ten years at most: what is longer is a mistake, and PostgreSQL knows no such times.
_life: Final = partial(whole, most=10 * 365 * 24 * 3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that can be set. Field names are the keys."""

    host: str = text(
        "127.0.0.1",
        "Name or address to listen on; 0.0.0.0 or :: is every address of this machine.",
        pattern=r"\s*\S",
        problem="is empty: write 127.0.0.1 for programs on this machine, 0.0.0.0 or :: for "
        "everybody who reaches it",
    )
    port: int = whole(8080, "Port to listen on; 0 takes a free one.", least=0, most=65535)
    role: str = one_of(
        "all",
        "`all` serves everything, `api` no streams, `stream` only reads and streams.",
        "all",
        "api",
        "stream",
    )
    instance: str = text(
        "", "Name of this process in logs, metrics and RabbitMQ; empty: host name and process id."
    )

    database_url: str = address(
        "PostgreSQL, as postgresql://user:password@host:5432/name; of several hosts, "
        "…@one:5432,two:5432/name, the primary."
    )
    redis_url: str = address(
        "Redis, as redis://host:6379/0, or by way of Sentinels, "
        "redis+sentinel://one:26379,two:26379/primary/0."
    )
    amqp_url: str = address(
        "RabbitMQ, as amqp://user:password@host:5672/, the nodes of a cluster with commas "
        "between such addresses; empty: one instance, a bus in the process."
    )

    jwt_secret: str = text(
        "", "Secret that signs access tokens (HMAC SHA-256), at least 32 bytes.", secret=True
    )
    jwt_previous_secrets: tuple[str, ...] = listed(
        "Earlier secrets, whose tokens are still taken: rotate without logging anybody out.",
        secret=True,
    )
    jwt_issuer: str = text("scoreboard", "`iss` of our tokens; empty: neither written nor checked.")
    jwt_audience: str = text(
        "scoreboard", "`aud` of our tokens; empty: neither written nor checked."
    )
    jwt_trusted_issuers: Mapping[str, tuple[str, ...]] = issuers(
        "Other issuers whose tokens are taken, by `iss`, each with secrets of its own, at least "
        '32 bytes: { game = "…", "https://shop.example" = ["the new one", "the old one"] }; in a '
        'variable or a file as JSON: {"game": "…"}.'
    )
    oidc_issuers: Mapping[str, Provider] = providers(
        "Identity providers (OpenID Connect) whose tokens are taken, by `iss` "
        "(docs/identity-providers.md): "
        '{ "https://id.example" = { audience = "scoreboard" } }; in a variable or a file as JSON.'
    )
    public_url: str = text(
        "",
        "Where browsers find the page, as https://scores.example.org: identity providers send them "
        "back there. Needed where a provider has a `client_id`.",
        pattern=r"(https://[^\s?#@]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/[^\s?#@]*)?)?$",
        problem="must be empty or an address: https://…, without a query; http:// on this machine "
        "alone",
    )
    accounts: str = one_of(
        "on",
        "`off`: nobody registers or logs in with a password; log-ins that there are go on.",
        "on",
        "off",
    )
    foreign_token_seconds: int = _life(
        3600, "Longest life of another issuer's token, from its `iat`."
    )
    access_token_seconds: int = _life(900, "Life of an access token.")
    refresh_token_seconds: int = _life(
        2_592_000, "Life of a refresh token; each refresh starts it anew."
    )
    refresh_family_seconds: int = _life(
        7_776_000, "Longest life of a log-in, however often it is refreshed."
    )
    refresh_grace_seconds: int = _life(
        60,
        "How long a replaced refresh token answers with its successor, once (two tabs, a lost "
        "answer).",
        least=0,
    )
    require_token_to_read: bool = declare(
        False,
        "Close the board and the stream to clients without a token.",
        Boolean(error_messages={"invalid": "must be true or false"}),
    )

    registration: str = one_of(
        "open",
        "Who may register by the API: `open` everybody, `invitation` who has a code of "
        "`scoreboard invitations add`, `closed` nobody.",
        "open",
        "invitation",
        "closed",
    )

    rate_limit_per_ip: Rate = rate(
        "600/minute", "Requests per address; those with a valid token are counted apart."
    )
    rate_limit_per_user: Rate = rate("120/minute", "Authenticated requests per user.")
    rate_limit_accounts_per_ip: Rate = rate("20/minute", "Registrations and log-ins per address.")
    rate_limit_logins_per_user: Rate = rate("10/minute", "Log-in attempts per user, from anywhere.")
    rate_limit_per_family: Rate = rate(
        "20/minute", "Refreshes and log-outs per log-in, from anywhere."
    )
    rate_limit_exports_per_user: Rate = rate(
        "5/hour", "How often a user may ask for all that is kept about them."
    )
    connections_per_ip: int = whole(
        2000,
        "Open connections per address and process, trusted proxies apart; more are closed at "
        "once. A browser opens up to six, and several hundred people may share one address.",
    )
    connections_max: int = whole(
        16000, "Open connections of this process; more are closed at once."
    )
    streams_per_ip: int = whole(50, "Open streams per address, over all instances.")
    streams_per_user: int = whole(
        10, "Open streams of a user that need a token, over all instances."
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = listed(
        "Peers whose X-Forwarded-For is believed: addresses or networks.", entry=network
    )
    allowed_origins: tuple[str, ...] = listed(
        "Other sites whose pages may read boards, rankings, streams of boards and the catalogue: "
        "`https://example.org`; `*` for all.",
        entry=origin,
    )
    allowed_write_origins: tuple[str, ...] = listed(
        "Other sites whose pages may read all that, and act for users who log in there: submit, "
        "register, log in, follow. Each by its name: `https://app.example.org`, never `*`.",
        entry=known_origin,
    )
    frame_ancestors: tuple[str, ...] = listed(
        "Other sites whose pages may show `/embed` in a frame: `https://example.org`; `*` for all.",
        entry=origin,
    )

    page_title: str = text(
        "Scoreboard",
        "What the page is called, in its head and in the browser's: 60 characters at most.",
        pattern=r"(?=.*\S)[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,60}\Z",
        problem="must be one line of 1 to 60 characters",
    )
    page_logo: str = text(
        "",
        "A file of the logo, SVG, PNG or WebP of 100 KB at most, also for the tab and the home "
        "screen; empty: ours.",
    )
    page_colors: tuple[Color, ...] = colors(
        "Colours of the page, as accent=#0b5fff for both themes, light.accent=#0b5fff for one "
        "(docs/branding.md)."
    )
    page_words: str = text(
        "",
        "A JSON file of texts that replace those of the page, by language and key "
        "(docs/branding.md).",
    )
    page_languages: tuple[str, ...] = languages(
        "Languages of the page: of them a visitor gets the one that the browser asks for, or else "
        "the first."
    )

    ledger_connections: int = whole(3, "PostgreSQL connections that write.")
    query_connections: int = whole(
        4,
        "PostgreSQL connections for all else that clients ask for. An instance has two more, for "
        "what it has to know itself.",
    )
    batch_max: int = whole(200, "Submissions in one transaction.")
    waiting_max: int = whole(5000, "Submissions that may wait; more get 503.")
    # The deadlines of PostgreSQL are whole milliseconds, in which 0 means none.
    database_timeout_seconds: float = seconds(5.0, "Longest wait for PostgreSQL.", least=0.01)
    redis_timeout_seconds: float = seconds(
        0.5,
        "Longest wait for Redis. What instances wait for each other after an outage grows with it.",
    )
    publish_timeout_seconds: float = seconds(5.0, "Longest wait for RabbitMQ's confirm.")

    push_interval_seconds: float = seconds(
        0.1,
        "Shortest time between two pushes; a quarter of it, 25 ms at most, between two messages.",
        least=0,
    )
    heartbeat_seconds: float = seconds(15.0, "Time between heartbeats on a stream.")
    stuck_after_seconds: float = seconds(
        10.0, "A subscriber that takes nothing for this long is cut off."
    )
    reconnect_min_seconds: float = seconds(1.0, "`retry:` is drawn from here…")
    reconnect_max_seconds: float = seconds(
        5.0, "…to here, so that clients do not all return at once."
    )
    subscribers_max: int = whole(15000, "Open streams of this process; more get 503.")
    reconcile_seconds: float = seconds(1.0, "Time between comparisons with the ledger.")
    drain_seconds: float = seconds(
        0.0,
        "After SIGTERM, serve on this long with /readyz at 503, for load balancers to see.",
        least=0,
    )
    shutdown_seconds: float = seconds(10.0, "Longest wait for requests in flight at the end.")
    board_max_age_seconds: int = whole(1, "How long shared caches may keep the board.", least=0)

    log_level: str = one_of("info", "Least level to log.", "debug", "info", "warning", "error")
    log_format: str = one_of(
        "auto",
        "`console` for people, `json` for programs; `auto` is `console` on a terminal.",
        "auto",
        "console",
        "json",
    )
    otlp_endpoint: str = text(
        "",
        "Collector of traces (OTLP over HTTP), as http://host:4318; empty: nothing is traced.",
        pattern=r"(https?://\S+)?$",
        problem="must be empty or an http(s) address",
    )
    trace_sample_ratio: float = declare(
        0.1,
        "Share of requests that are traced, 0 to 1; one with a traceparent says itself whether.",
        Float(validate=Range(0, 1)),
    )

    @property
    def page_providers(self) -> dict[str, Provider]:
        """The identity providers that the page offers, by their names in paths."""
        return {each.name: each for each in self.oidc_issuers.values() if each.client_id}

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets of what we sign: today's, then the earlier ones; none without today's."""
        every = (self.jwt_secret, *self.jwt_previous_secrets)
        return tuple(filter(None, every)) if self.jwt_secret else ()

    @property
    def takes_submissions(self) -> bool:
        """Whether this process serves the API that writes."""
        return self.role in ("all", "api")

    @property
    def serves_streams(self) -> bool:
        """Whether this process serves streams."""
        return self.role in ("all", "stream")

    @property
    def postgres_sessions(self) -> int:
        """How many sessions of PostgreSQL this process holds."""
        of_clients = self.ledger_connections + self.query_connections
        return of_clients + WATCH_CONNECTIONS + RANK_CONNECTIONS


DECLARED: Final[Mapping[str, Declaration]] = {
    field.name: field.metadata[Declaration] for field in fields(Settings)
}
_SCHEMA: Final = Schema.from_dict({key: declared.kind for key, declared in DECLARED.items()})


def checked(values: Mapping[str, Any]) -> Settings:
    """Read a value for each key. Raises marshmallow's ValidationError, which says what is wrong
    with each key that is unknown or missing, or whose value does not fit.
    """
    read: dict[str, Any] = _SCHEMA().load(values)
    read["instance"] = read["instance"] or f"{socket.gethostname()}-{os.getpid()}"
    settings = Settings(**read)
    if settings.page_providers and not settings.public_url:  # guard: way-back-is-set
        raise ValidationError({"public_url": ["is needed where a provider has a client_id"]})
    return settings
