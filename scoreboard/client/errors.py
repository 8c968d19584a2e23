"""What a call raises."""

from __future__ import annotations


class ClientError(Exception):
    """What every error of the client is."""


class Refused(ClientError):
    """The service has refused the request as a whole, and would again: `status` of HTTP, the
    machine `code`, and a `message` that says what to do.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(f"{status} {code}: {message}")


class Unavailable(ClientError):
    """No answer came in time. What was asked may have been done: ask again, which is safe."""
