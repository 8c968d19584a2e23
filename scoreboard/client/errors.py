"""What a call raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """What every error of the client is."""


class Refused(ClientError):
    """The service has refused the request as a whole, and would again: `status` of HTTP, the
    machine `code`, a `message` that says what to do, and `errors` by member of the body, if these
    are what is wrong. `document` is the whole answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        errors: Any = None,
        document: Mapping[str, Any] | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors
        self.document = document or {}
        super().__init__(f"{status} {code}: {message}" + (f" {errors}" if errors else ""))


class Unavailable(ClientError):
    """No answer came in time. What was asked may have been done: ask again, which is safe."""
