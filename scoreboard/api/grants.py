"""/api/grants: what servers grant to users."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from scoreboard import errors
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.http.replies import reply
from scoreboard.api.http.signed import signed, user_id_of
from scoreboard.api.http.tracing import traceparent
from scoreboard.api.schemas.grants import GrantsSchema, GrantVerdictsSchema
from scoreboard.api.schemas.parameters import TRACEPARENT
from scoreboard.model import Submission
from scoreboard.parts import PARTS
from scoreboard.scoring.granting import grant_all

_SCHEMA: Final = GrantsSchema()


@Operation(
    "grantActions",
    "Grant actions to users",
    tag="Servers",
    authorization="signed",
    parameters=(TRACEPARENT,),
    body=_SCHEMA,
    answers={200: Answer(GrantVerdictsSchema())},
    errors=[errors.KeyLacksBoard, errors.LedgerUnavailable],
)
async def grant(request: web.Request) -> web.Response:
    """Grant up to 200 actions, of any users, those with `claim: "server"` among them. Each counts
    once for each user, so all of it can be sent again whenever an answer did not come.

    Each has a verdict of its own, in the order of the request, and none waits for another: where
    one is refused, the others count. A key that is limited to boards grants nothing, because an
    action counts on every board that counts it.
    """
    asked = await signed(request, "grants", _SCHEMA)
    trace = traceparent(request)
    submissions = [
        Submission(user_id_of(asked.key, each["user_id"]), each["action_id"], trace, by_server=True)
        for each in asked.body["grants"]
    ]
    verdicts = await grant_all(request.app[PARTS].submissions, submissions)
    return reply({"success": True, "data": [verdict.as_json() for verdict in verdicts]})
