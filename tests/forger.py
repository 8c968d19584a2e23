"""Messages of whoever may publish to our exchange, with the secret or without it."""

from __future__ import annotations

from typing import Any

import aio_pika

from scoreboard.bus.messages import EVENT_TYPE, PURPOSE, SIGNATURE_HEADER, Message, _signed
from scoreboard.configuration.signatures import Signatures


def a_message(body: bytes, secret: str = "", kind: str = EVENT_TYPE, **headers: Any) -> Any:
    """A message with this body, signed if there is a secret."""
    if secret:
        content = _signed(Message(kind, "board-1", headers, body))
        headers[SIGNATURE_HEADER] = Signatures([secret], PURPOSE).of(content)
    return aio_pika.Message(body, type=kind, message_id="board-1", headers=headers)
