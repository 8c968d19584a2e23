"""One provider: the keys that are known of it, and the one request that renews them.

Keys that are known serve on while the provider is away. An unknown name of a key leads to one
request, which all who need it share, and to no other within 30 s: strangers can make up names.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog

from scoreboard.configuration.providers import Provider
from scoreboard.operations.counted import ProviderKeyFault
from scoreboard.operations.metrics import Metrics
from scoreboard.providers.documents import DocumentRefused, fetch_key_set
from scoreboard.providers.keys import Key, read_keys

log = structlog.get_logger("scoreboard.providers")

RENEWED_AT_MOST_EVERY_SECONDS: Final = 30.0

Fetch = Callable[[str], Awaitable[Any]]
# Whether a key, by its digest, is another issuer's.
IsOthers = Callable[[bytes], bool]


class Issuer:
    """The keys of one provider, by their names."""

    def __init__(
        self,
        provider: Provider,
        metrics: Metrics,
        is_others: IsOthers,
        *,
        on_withdrawn: Callable[[], None] = lambda: None,
        fetch: Fetch = fetch_key_set,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider: Final = provider
        self.keys: Mapping[str, Key] = {}
        self.digests: frozenset[bytes] = frozenset()
        self._metrics = metrics
        self._is_others = is_others
        self._on_withdrawn = on_withdrawn
        self._fetch = fetch
        self._clock = clock
        self._asked_at: float | None = None
        self._renewal: asyncio.Task[None] | None = None
        metrics.provider_keys.labels(provider.issuer).set(0)
        metrics.provider_reads_failed.labels(provider.issuer)  # shown as 0 from the start

    def key(self, name: str) -> Key | None:
        """The key of this name. A token may name none where there is but one."""
        if not name and len(self.keys) == 1:
            return next(iter(self.keys.values()))
        return self.keys.get(name)

    async def renew(self) -> bool:
        """Ask for the keys, unless that was done a moment ago; or wait with who asks already. Says
        whether somebody asked. A provider that does not answer is no error here: it is counted.
        """
        if self._renewal is None:
            now = self._clock()
            if self._asked_at is not None and now < self._asked_at + RENEWED_AT_MOST_EVERY_SECONDS:
                return False  # guard: unknown-keys-bounded
            self._asked_at = now
            self._renewal = asyncio.create_task(self._renew(), name="provider keys")
            self._renewal.add_done_callback(self._ended)
        # Whoever hangs up ends it for nobody else.
        await asyncio.shield(self._renewal)
        return True

    async def close(self) -> None:
        """End the request that is under way, if there is one."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)

    def _ended(self, _: object) -> None:
        self._renewal = None

    async def _renew(self) -> None:
        issuer = self.provider.issuer
        try:
            document = await self._fetch(issuer)
            found = read_keys(document, self.provider.algorithms, self._refused)
        except (DocumentRefused, ValueError) as error:
            self._metrics.provider_reads_failed.labels(issuer).inc()
            log.warning("scoreboard.providers.not_read", issuer=issuer, reason=str(error))
            return
        # guard: provider-keys-own
        self._take({name: key for name, key in found.items() if not self._is_shared(key)})

    def _take(self, keys: Mapping[str, Key]) -> None:
        before, self.keys = self.keys, keys
        known, self.digests = self.digests, frozenset(key.digest for key in keys.values())
        if not known <= self.digests:
            self._on_withdrawn()  # guard: withdrawn-keys-forgotten
        self._metrics.provider_keys.labels(self.provider.issuer).set(len(keys))
        if before.keys() != keys.keys():
            log.info("scoreboard.providers.keys", issuer=self.provider.issuer, keys=len(keys))

    def _is_shared(self, key: Key) -> bool:
        """Whether another issuer had this key first: then who has it could speak for both."""
        if not self._is_others(key.digest):
            return False
        self._refused("shared")
        return True

    def _refused(self, reason: ProviderKeyFault) -> None:
        self._metrics.provider_keys_refused.labels(reason).inc()
        log.warning("scoreboard.providers.key_refused", issuer=self.provider.issuer, reason=reason)
