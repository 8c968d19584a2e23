"""The parts of `accounts`, made from the settings: for an instance (`parts`) and for commands."""

from __future__ import annotations

import time
from collections.abc import Callable

from scoreboard.accounts.access import AccessTokens, longest_life_seconds
from scoreboard.accounts.families import Families
from scoreboard.accounts.passwords import Passwords
from scoreboard.accounts.registry import Accounts
from scoreboard.accounts.revocations import Revocations
from scoreboard.accounts.users import Users
from scoreboard.configuration.settings import Settings
from scoreboard.connections.postgres import Postgres
from scoreboard.operations.metrics import Metrics


def make_access_tokens(
    settings: Settings, metrics: Metrics | None = None, clock: Callable[[], float] = time.time
) -> AccessTokens:
    """Make what issues and verifies access tokens, and knows which of them were revoked."""
    life_seconds, foreign_seconds = settings.access_token_seconds, settings.foreign_token_seconds
    kept_seconds = longest_life_seconds(life_seconds, foreign_seconds)
    return AccessTokens(
        Revocations(kept_seconds, metrics or Metrics()),
        secrets=settings.secrets,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        trusted_issuers=settings.jwt_trusted_issuers,
        lifetime_seconds=life_seconds,
        foreign_seconds=foreign_seconds,
        clock=clock,
    )


def make_accounts(
    settings: Settings,
    postgres: Postgres,
    access: AccessTokens,
    passwords: Passwords,
    metrics: Metrics,
) -> Accounts:
    """Make the accounts in this database."""
    families = Families(
        postgres,
        access,
        metrics,
        secrets=settings.secrets,
        lifetime_seconds=settings.refresh_token_seconds,
        family_seconds=settings.refresh_family_seconds,
        grace_seconds=settings.refresh_grace_seconds,
    )
    return Accounts(postgres, Users(postgres, passwords), families, passwords)
