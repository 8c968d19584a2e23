"""How an error of ours reads in HTTP: the one envelope, and what some errors add to it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from scoreboard import errors
from scoreboard.api.http.replies import reply
from scoreboard.timestamps import timestamp


def refusal(error: errors.ScoreboardError) -> web.Response:
    """Answer with the one error envelope."""
    document = {"success": False, "message": error.message, "code": error.code, **_members(error)}
    response = reply(document, status=error.status, headers=headers_of(error))
    if error.closes:
        response.force_close()
    return response


def headers_of(error: errors.ScoreboardError) -> dict[str, str]:
    """The header fields that this error adds to its answer."""
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    match error:
        case errors.NotAuthorized():
            headers["WWW-Authenticate"] = 'Bearer realm="scoreboard"'
        case errors.MethodNotAllowed():
            headers["Allow"] = error.allowed
        case errors.UnsupportedMediaType():  # what is taken instead (RFC 9110, 15.5.16)
            headers |= {"Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
        case errors.RangeNotSatisfiable():
            headers["Content-Range"] = f"bytes */{error.length_bytes}"
    return headers


def _members(error: errors.ScoreboardError) -> dict[str, Any]:
    """What this error adds to the JSON of its answer."""
    match error:
        case errors.InvalidPayload():
            return {"errors": error.errors}
        case errors.AlreadyGranted():
            grant = {
                "actionId": error.action_id,
                "points": error.points,
                "grantedAt": timestamp(error.granted_at),
            }
            return {"grant": grant}
    return {}
