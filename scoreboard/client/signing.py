"""The signature of each request, in the form of Standard Webhooks (docs/server-keys.md)."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from standardwebhooks import Webhook

# What tells a request from all others. One that is sent again keeps it, so it is done once.
NONCE: Final = "scoreboard.nonce"


def new_nonce() -> str:
    """Make one: 128 random bits."""
    return secrets.token_urlsafe(16)


class Signature(httpx.Auth):
    """Signs each request as it is sent, so that one that is sent again has the time of now. Raises
    ImportError where the package that signs is not installed.
    """

    requires_request_body = True

    def __init__(self, key_id: str, secret: str) -> None:
        self._key_id = key_id
        self._webhook = _webhook(secret)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign over id, time and body; the id begins with the method and the target."""
        target = request.url.raw_path.decode("ascii").replace(".", "%2E")
        message_id = f"{request.method}:{target}:{request.extensions[NONCE]}"
        now = datetime.now(UTC)
        request.headers["Scoreboard-Key"] = self._key_id
        request.headers["Webhook-Id"] = message_id
        request.headers["Webhook-Timestamp"] = str(int(now.timestamp()))
        request.headers["Webhook-Signature"] = self._webhook.sign(
            message_id, now, request.content.decode()
        )
        yield request


def _webhook(secret: str) -> Webhook:
    """Only who has a server key needs the package, so nobody else has to have it."""
    try:
        from standardwebhooks import Webhook
    except ModuleNotFoundError as error:
        message = "To sign with a server key, install scoreboard-client[keys]."
        raise ModuleNotFoundError(message, name=error.name) from error
    return Webhook(secret)
