"""scoreboard.client as a user, without a network: renewals, lost answers, and answers of somebody
else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

import scoreboard
import scoreboard.client
from scoreboard.client import LogIn, Refused, Unavailable, UserClient, flows

ADA = LogIn("u1", "ada", "first")
GRANT = {"actionId": "one", "points": 5, "grantedAt": "2024-12-09T14:30:45Z"}

Answering = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "_FIRST_PAUSE_SECONDS", 0.001)


class Service:
    """Answers each path as it is told to, gives tokens out, and keeps what it was asked."""

    def __init__(self, *answers: Answering) -> None:
        self.asked: list[httpx.Request] = []
        self.refreshes = 0
        self._answers = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self._answers:
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            return answer(request)
        return self.pair(request)

    def pair(self, _: httpx.Request) -> httpx.Response:
        self.refreshes += 1
        return httpx.Response(200, json=self.tokens(self.refreshes))

    @staticmethod
    def tokens(number: int) -> dict[str, Any]:
        return {
            "success": True,
            "userId": "u1",
            "username": "ada",
            "accessToken": f"access-{number}",
            "refreshToken": f"refresh-{number}",
            "expiresIn": 900,
        }


def client(service: Answering, **options: Any) -> UserClient:
    http = httpx.Client(transport=httpx.MockTransport(service))
    return UserClient("http://scores.example/", log_in=ADA, http=http, **options)


def lost(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("no answer", request=request)


def away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody there", request=request)


def refusing(status: int, code: str, **more: Any) -> Answering:
    document = {"success": False, "code": code, "message": "No.", **more}
    return lambda _: httpx.Response(status, json=document)


def test_a_renewal_that_nobody_answers_is_sent_twice_and_no_third_time() -> None:
    service = Service(lost)
    ada = client(service)
    with pytest.raises(Unavailable, match="could not be renewed"):
        ada.token()
    assert len(service.asked) == 2
    assert len({request.content for request in service.asked}) == 1
    assert ada.user == ADA  # it may go on later


def test_a_renewal_that_certainly_did_not_arrive_is_sent_as_often_as_patience_lasts() -> None:
    service = Service(away, refusing(503, "unavailable"), away, away, Service().pair)
    assert client(service).token() == "access-1"
    assert len(service.asked) == 5


def test_threads_wait_for_one_renewal() -> None:
    service = Service()
    ada = client(service)
    with ThreadPoolExecutor(20) as threads:
        found = set(threads.map(lambda _: ada.token(), range(60)))
    assert found == {"access-1"}
    assert service.refreshes == 1


def test_a_log_in_that_has_ended_is_forgotten_and_that_is_told() -> None:
    heard: list[LogIn | None] = []
    ada = client(Service(refusing(401, "invalid_refresh_token")), on_log_in=heard.append)
    with pytest.raises(Refused, match="invalid_refresh_token"):
        ada.me()
    assert (ada.user, heard) == (None, [None])
    assert ada.token() is None


def test_a_renewal_speaks_for_the_user_while_the_access_token_lasts() -> None:
    service = Service()
    ada = client(service)
    ada.token()
    ada._asking.tokens._usable_until = 0  # nearly at its end
    ada.token()
    ada.token("access-2")
    said = [request.headers.get("Authorization") for request in service.asked]
    assert said == [None, "Bearer access-1", None]


def test_a_token_that_was_refused_is_renewed_once() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/refresh"):
            return service.pair(request)
        return refusing(403, "revoked_token")(request)

    service = Service(answer)
    with pytest.raises(Refused, match="revoked_token"):
        client(service).me()
    assert [request.url.path for request in service.asked] == [
        "/api/auth/refresh",
        "/api/me",
        "/api/auth/refresh",
        "/api/me",
    ]


def test_only_after_a_lost_answer_an_earlier_grant_is_success() -> None:
    granted = refusing(400, "already_granted", grant=GRANT)
    again = client(Service(Service().pair, lost, granted)).submit("one")
    assert (again.repeated, again.points) == (True, 5)
    # What PostgreSQL committed as it was lost (ledger_unavailable), or what a proxy passed on.
    for status in (502, 503, 504):
        unknown = refusing(status, "ledger_unavailable")
        assert client(Service(Service().pair, unknown, granted)).submit("one").repeated
    for answers in ((granted,), (away, granted), (refusing(429, "rate_limited"), granted)):
        with pytest.raises(Refused, match="already_granted"):
            client(Service(Service().pair, *answers)).submit("one")


@pytest.mark.parametrize("when", ["/refresh", "/actions"])
def test_what_was_called_for_one_user_is_not_sent_for_the_next(when: str) -> None:
    """Another thread logs somebody else in, while the token of the first is renewed or tried."""
    bob = Service.tokens(9) | {"userId": "u2", "username": "bob", "accessToken": "bob"}

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/login"):
            return httpx.Response(200, json=bob)
        if path.endswith(when):
            ada.log_in("bob", "a password")
        return service.pair(request) if path.endswith("/refresh") else expired(request)

    expired = refusing(401, "expired_token")
    service = Service(answer)
    ada = client(service)
    with pytest.raises(Refused, match="left"):
        ada.submit("one")
    assert "Bearer bob" not in {request.headers.get("Authorization") for request in service.asked}
    assert ada.user is not None
    assert ada.user.username == "bob"


OTHERS: list[Any] = [
    b"<html>",
    b"[]",
    b"[" * 100_000,
    b'{"success": true}',
    b'{"success": true, "data": null}',
    b'{"success": true, "data": {"actionId": 1}}',
    b'{"success": true, "data": [3]}',
    b'{"success": true, "data": [{"boardId": "b", "title": "t", "direction": "up"}]}',
]


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("body", OTHERS)
def test_an_answer_of_something_else_says_so(body: bytes, status: int) -> None:
    ada = client(lambda _: httpx.Response(status, content=body))
    ada._asking.tokens.forget()
    for ask in (ada.boards, ada.actions, ada.board, ada.me, ada.place, ada.entries, ada.grants):
        with pytest.raises(Refused, match="look at the address"):
            ask()
    with pytest.raises(Refused, match="look at the address"):
        ada.log_in("ada", "a password")


class Endless(httpx.SyncByteStream):
    def __init__(self) -> None:
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.sent += 65_536
            yield b" " * 65_536


def test_an_answer_without_an_end_is_given_up() -> None:
    endless = Endless()
    with pytest.raises(Refused, match="look at the address"):
        client(lambda _: httpx.Response(200, stream=endless)).token()
    assert endless.sent < 10_000_000


def test_what_is_written_of_a_log_in_tells_no_secret() -> None:
    assert "first" not in repr(ADA)


def test_what_is_asked_for_is_said_in_the_path_and_no_text_leaves_it() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return refusing(404, "unknown_board")(request)

    ada = client(answer)
    ada._asking.tokens.forget()
    for board in ("../../x", "a?b=c", "ß"):
        with pytest.raises(Refused):
            ada.entries(board, rank=3, users=["u 1", "u&2"])
    query = "?rank=3&users=u+1%2Cu%262"
    assert asked == [
        f"/api/boards/{name}/entries{query}" for name in ("..%2F..%2Fx", "a%3Fb%3Dc", "%C3%9F")
    ]


def test_a_page_of_grants_is_read_in_step_with_the_catalogue() -> None:
    document = {"success": True, "data": [GRANT], "next": "one"}
    service = Service(Service().pair, lambda _: httpx.Response(200, content=json.dumps(document)))
    page = client(service).grants(after="a", limit=1)
    assert ([grant.action_id for grant in page.items], page.next) == (["one"], "one")
    assert service.asked[-1].url.raw_path == b"/api/me/grants?after=a&limit=1"


def test_its_version_is_that_of_the_service() -> None:
    assert scoreboard.client.__version__ == scoreboard.__version__
