"""The typed keys under which `app` keeps the parts, and handlers find them."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from scoreboard.accounts.access import AccessTokens
from scoreboard.accounts.registry import Accounts
from scoreboard.bus.bus import Bus
from scoreboard.configuration.settings import Settings
from scoreboard.copies.board import CachedBoard
from scoreboard.limits.leases import StreamLimiter
from scoreboard.limits.rates import RateLimiter
from scoreboard.live.hub import Hub
from scoreboard.operations.health import Health
from scoreboard.operations.metrics import Metrics
from scoreboard.operations.tracing import Tracing
from scoreboard.scoring.catalogue import Catalogue
from scoreboard.scoring.standing import Standings
from scoreboard.scoring.submit import Submissions

SETTINGS: Final = web.AppKey("settings", Settings)
METRICS: Final = web.AppKey("metrics", Metrics)
ACCESS: Final = web.AppKey("access", AccessTokens)
ACCOUNTS: Final = web.AppKey("accounts", Accounts)
SUBMISSIONS: Final = web.AppKey("submissions", Submissions)
CATALOGUE: Final = web.AppKey("catalogue", Catalogue)
STANDINGS: Final = web.AppKey("standings", Standings)
BOARD: Final = web.AppKey("board", CachedBoard)
BUS: Final = web.AppKey("bus", Bus)
HUB: Final = web.AppKey("hub", Hub)
LIMITER: Final = web.AppKey("limiter", RateLimiter)
STREAMS: Final = web.AppKey("streams", StreamLimiter)
USER_STREAMS: Final = web.AppKey("user_streams", StreamLimiter)
TRACING: Final = web.AppKey("tracing", Tracing)
HEALTH: Final = web.AppKey("health", Health)
