"""Every guard against a race, a fault or an attack, each with the test that fails without it.

The lists are by the part of the house that a guard stands in; `python -m tests.guards` tries them.
"""

from __future__ import annotations

from typing import Final

from tests.guards.accounts import ACCOUNTS
from tests.guards.beneath import BENEATH
from tests.guards.boards import BOARDS
from tests.guards.branding import BRANDING
from tests.guards.caches import CACHES
from tests.guards.client import CLIENT
from tests.guards.commands import COMMANDS
from tests.guards.connections import CONNECTIONS
from tests.guards.deployment import DEPLOYMENT
from tests.guards.edge import EDGE
from tests.guards.emails import EMAILS
from tests.guards.environment import ENVIRONMENT
from tests.guards.falling import FALLING
from tests.guards.finals import FINALS
from tests.guards.guard import AnyGuard
from tests.guards.keys import KEYS
from tests.guards.live import LIVE
from tests.guards.moderation import MODERATION
from tests.guards.own_data import OWN_DATA
from tests.guards.page_log_ins import PAGE_LOG_INS
from tests.guards.personal_streams import PERSONAL_STREAMS
from tests.guards.places import OF_PLACES
from tests.guards.process import PROCESS
from tests.guards.providers import PROVIDERS
from tests.guards.ranks import RANKS
from tests.guards.results import RESULTS
from tests.guards.scoring import SCORING
from tests.guards.seasons import SEASONS
from tests.guards.sessions import SESSIONS
from tests.guards.signed_routes import SIGNED_ROUTES
from tests.guards.web import WEB

GUARDS: Final[tuple[AnyGuard, ...]] = (
    *SCORING,
    *RESULTS,
    *RANKS,
    *SEASONS,
    *FINALS,
    *FALLING,
    *OF_PLACES,
    *LIVE,
    *PERSONAL_STREAMS,
    *BENEATH,
    *EDGE,
    *CACHES,
    *BOARDS,
    *BRANDING,
    *ACCOUNTS,
    *EMAILS,
    *OWN_DATA,
    *KEYS,
    *SIGNED_ROUTES,
    *MODERATION,
    *PROVIDERS,
    *PAGE_LOG_INS,
    *CONNECTIONS,
    *SESSIONS,
    *PROCESS,
    *COMMANDS,
    *CLIENT,
    *WEB,
    *DEPLOYMENT,
    *ENVIRONMENT,
)
