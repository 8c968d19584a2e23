"""Addresses of Redis: of a server, or of the Sentinels that know which server is the primary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

_SENTINEL_PORT: Final = 26379
_SCHEMES: Final = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")


@dataclass(frozen=True, slots=True)
class Sentinels:
    """What an address says that names Sentinels."""

    addresses: tuple[tuple[str, int], ...]
    primary: str
    options: dict[str, Any]  # for connections to the primary
    sentinel_options: dict[str, Any]

    def client(self, timeout_seconds: float) -> Sentinel:
        """A client that asks one after the other, so that all of them have their time."""
        each = timeout_seconds / (len(self.addresses) + 1)  # guard: next-sentinel-asked
        return Sentinel(  # type: ignore[no-untyped-call]
            self.addresses,
            sentinel_kwargs={
                "socket_timeout": each,
                "socket_connect_timeout": each,
                "retry": Retry(NoBackoff(), 0),
                # As in `redis_pool`: a Sentinel may be restarted as well.
                "maint_notifications_config": MaintNotificationsConfig(enabled=False),
            }
            | self.sentinel_options,
        )


def sentinels(url: str) -> Sentinels | None:
    """Read `redis+sentinel://user:password@one:26379,two:26379/mymaster/0`; None if the address
    names a server. Raises ValueError, whose message never repeats the address.
    """
    parts = urlsplit(url)
    scheme, _, sentinel = parts.scheme.partition("+")
    if not sentinel:
        return None
    login, at, hosts = parts.netloc.rpartition("@")
    primary, _, database = parts.path.strip("/").partition("/")
    if not primary or not (database or "0").isdecimal():
        raise ValueError("after the Sentinels comes the name of the primary: /mymaster/0")
    query = dict(parse_qsl(parts.query))
    own = {key: query.pop(key) for key in ("sentinel_username", "sentinel_password") & query.keys()}
    options: dict[str, Any] = dict(
        parse_url(f"{scheme}://{login}{at}/{database}?{urlencode(query)}")
    )
    tls = options.pop("connection_class", None) is SSLConnection
    encryption = {key: value for key, value in options.items() if key.startswith("ssl_")}
    return Sentinels(
        tuple(_sentinel(host) for host in hosts.split(",")),
        unquote(primary),
        options | {"ssl": tls},
        {key.removeprefix("sentinel_"): value for key, value in own.items()}
        | (encryption | {"ssl": True} if tls else {}),
    )


def _sentinel(host: str) -> tuple[str, int]:
    parts = urlsplit(f"//{host}")
    if not parts.hostname:
        raise ValueError("a Sentinel has no host")
    return parts.hostname, _SENTINEL_PORT if parts.port is None else parts.port


def is_address(url: str) -> bool:
    """Whether this can be read as an address; it says nothing about who answers there."""
    try:
        parts = urlsplit(url)
        return parts.scheme in _SCHEMES and (sentinels(url) is not None or parts.port != 0)
    except ValueError:  # a port that is no number, for example
        return False


def place(url: str) -> str:
    """Say where a Redis is, for messages: never the password."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    if named := sentinels(url):
        hosts = ",".join(f"{host}:{port}" for host, port in named.addresses)
        return f"{named.primary} of the Sentinels {hosts}"
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}{parts.path}"
