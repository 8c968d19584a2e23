"""/api/actions: the catalogue, and the completion of an action."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from scoreboard import errors
from scoreboard.api.answers import send_json
from scoreboard.api.asked import query_of
from scoreboard.api.docs.descriptions import Answer, Operation
from scoreboard.api.first_sight import as_user
from scoreboard.api.http.identity import identity
from scoreboard.api.http.replies import QUERY_NOT_VALID, RepeatedBodies, read_bytes, reply
from scoreboard.api.http.tracing import traceparent
from scoreboard.api.schemas.actions import (
    ActionsSchema,
    GrantedSchema,
    PageSchema,
    SubmissionSchema,
)
from scoreboard.api.schemas.parameters import TRACEPARENT
from scoreboard.model import Submission
from scoreboard.parts import PARTS
from scoreboard.scoring.catalogue import Sought
from scoreboard.timestamps import timestamp

_SCHEMA: Final = SubmissionSchema()
_BODIES: Final = RepeatedBodies(_SCHEMA)  # catalogues are small, and users many
# Operators change the catalogue now and then; nobody minds seeing that a minute later.
_SHARED: Final = {"Cache-Control": "public, max-age=60"}


@Operation(
    "listActions",
    "List the actions",
    tag="Actions",
    query=PageSchema(),
    answers={
        200: Answer(ActionsSchema(), headers=("Cache-Control",), shared=True),
        304: Answer(
            description="You have this page already.", headers=("Cache-Control",), shared=True
        ),
    },
    errors=[
        errors.InvalidPayload(
            {"limit": ["Must be greater than or equal to 1 and less than or equal to 1000."]},
            QUERY_NOT_VALID,
        ),
        errors.PreconditionFailed,
        errors.LedgerUnavailable,
    ],
)
async def catalogue(request: web.Request) -> web.StreamResponse:
    """What can be completed and what it is worth, a page at a time in the order of action ids.

    `?limit=` (1 to 1000, default 100) is the size of a page; `?after=` is the action id behind
    which the page begins: the `next` of the page before. Public, and cacheable for a minute. Each
    of the two is given once; parameters of other names are passed over.
    """
    query = query_of(request)
    limit = query["limit"]
    # One more than asked for tells whether there is a next page.
    catalogue = request.app[PARTS].catalogue
    found = await catalogue.list(Sought(disabled=False), query["after"], limit + 1)
    page = found[:limit]
    document = {
        "success": True,
        "data": [
            {"actionId": action.action_id, "points": action.points, "claim": action.claim}
            for action in page
        ],
        "next": page[-1].action_id if len(found) > limit else None,
    }
    return await send_json(request, document, _SHARED)


@Operation(
    "submitAction",
    "Submit the completion of an action",
    tag="Actions",
    authorization="required",
    parameters=(TRACEPARENT,),
    body=_SCHEMA,
    answers={200: Answer(GrantedSchema())},
    errors=[
        errors.AlreadyGranted("daily-login", 10, datetime(2024, 12, 9, 14, 30, 45, tzinfo=UTC)),
        errors.UnknownAction,
        errors.ActionDisabled,
        errors.ScoreOutOfRange,
        errors.NotClaimable,
        errors.UnknownUser,
        errors.LedgerUnavailable,
    ],
)
async def submit(request: web.Request) -> web.Response:
    """Grant an action to the bearer of the token, once.

    An action whose `claim` is `server` is refused (`not_claimable`), also where it was granted
    before.
    """
    user = identity(request)
    body = _BODIES.parse(await read_bytes(request))
    submission = Submission(user.user_id, body["action_id"], traceparent(request))
    submissions = request.app[PARTS].submissions
    grant = await as_user(request, user, lambda: submissions.submit(submission))
    return reply(
        {
            "success": True,
            "message": "Score Updated",
            "data": {
                "actionId": grant.action_id,
                "points": grant.points,
                "grantedAt": timestamp(grant.granted_at),
                "score": grant.score,
            },
        }
    )
