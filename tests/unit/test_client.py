"""scoreboard.client: what it signs, what it sends again, and what it says of a batch."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from multidict import CIMultiDict

from scoreboard.client import (
    AsyncClient,
    Client,
    Grant,
    Refused,
    Result,
    ResultVerdict,
    Unavailable,
    flows,
)
from scoreboard.errors import BadSignature
from scoreboard.keys.server_key import shown
from scoreboard.keys.verifying import SignedRequest, verify
from tests.signing import KEY, OTHER_SECRET, SECRET, key, keyring

USER = "5f0c1f8e-6b0a-4c58-9d3e-0f7a3f1b2c4d"
AT = "2026-11-29T12:00:00.000000Z"
KEPT = {"userId": USER, "boardId": "cup", "season": 3, "playedAt": AT, "recordedAt": AT}

Answering = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "_FIRST_PAUSE_SECONDS", 0.001)


class Service:
    """Answers what it is told to answer, and keeps what it was asked."""

    def __init__(self, *answers: Answering) -> None:
        self.asked: list[httpx.Request] = []
        self._answers = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return answer(request)

    def ids(self) -> list[str]:
        return [request.headers["Webhook-Id"] for request in self.asked]


def client(service: Service, *, patience_seconds: float = 5, secret: bytes = SECRET) -> Client:
    http = httpx.Client(transport=httpx.MockTransport(service))
    address = "http://scores.example/"
    return Client(address, KEY.key_id, shown(secret), patience_seconds=patience_seconds, http=http)


def recording(request: httpx.Request) -> httpx.Response:
    sent = json.loads(request.content)["results"]
    return data([{"verdict": "recorded", **KEPT, **each} for each in sent])


def data(found: Any) -> httpx.Response:
    return httpx.Response(200, json={"success": True, "data": found})


def lost(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("no answer", request=request)


def later(_: httpx.Request) -> httpx.Response:
    return httpx.Response(503, json={"code": "ledger_unavailable", "message": "Later."})


def results(count: int) -> list[Result]:
    return [Result(f"match-{n}", USER, "cup", n) for n in range(count)]


def as_received(request: httpx.Request) -> SignedRequest:
    headers = CIMultiDict(request.headers.multi_items())
    target = request.url.raw_path.decode()
    return SignedRequest(request.method, target, headers, request.content)


def test_the_service_takes_what_the_client_signs() -> None:
    service = Service(recording)
    client(service).record([Result("a.b:c", "Łukasz", "cup", 7)])
    [request] = service.asked
    assert verify(as_received(request), keyring(), "results", time.time()) == KEY


def test_a_path_with_dots_and_other_letters_is_signed_as_it_is_sent() -> None:
    service = Service(lambda _: data({"userId": USER, "username": "ada", "isNew": True}))
    client(service).put_user("own.id/Łukasz é", "ada")
    [request] = service.asked
    scoped = keyring(key(scopes=frozenset({"users"})))
    assert verify(as_received(request), scoped, "users", time.time()).key_id == KEY.key_id


def test_another_secret_signs_nothing() -> None:
    service = Service(recording)
    client(service, secret=OTHER_SECRET).record(results(1))
    with pytest.raises(BadSignature):
        verify(as_received(service.asked[0]), keyring(), "results", time.time())


def test_a_request_whose_answer_was_lost_is_sent_again_as_the_same_request() -> None:
    service = Service(lost, later, recording)
    [verdict] = client(service).record(results(1))
    assert verdict.counts
    assert len(service.asked) == 3
    assert len(set(service.ids())) == 1


def test_two_requests_are_two_however_alike_they_are() -> None:
    service = Service(recording)
    one = client(service)
    one.record(results(1))
    one.record(results(1))
    assert len(set(service.ids())) == 2


def test_a_day_of_results_goes_in_batches_and_every_verdict_finds_its_result() -> None:
    service = Service(recording)
    verdicts = client(service).record(results(401))
    sizes = [len(json.loads(request.content)["results"]) for request in service.asked]
    assert sizes == [200, 200, 1]
    assert [verdict.result.receipt for verdict in verdicts] == [
        verdict.kept.receipt for verdict in verdicts if verdict.kept
    ]


def test_of_a_batch_only_what_could_not_be_done_is_sent_again() -> None:
    def half(request: httpx.Request) -> httpx.Response:
        sent = json.loads(request.content)["results"]
        error = {"code": "overloaded", "message": "Later."}
        verdicts: list[dict[str, Any]] = [{"verdict": "recorded", **KEPT, **each} for each in sent]
        verdicts[1] = {"verdict": "unavailable", "receipt": sent[1]["receipt"], "error": error}
        return data(verdicts)

    service = Service(half, recording)
    verdicts = client(service).record(results(3))
    assert all(verdict.counts for verdict in verdicts)
    [again] = json.loads(service.asked[1].content)["results"]
    assert again["receipt"] == "match-1"


def test_without_patience_a_batch_says_what_is_unavailable_and_loses_nothing() -> None:
    service = Service(recording, lost)
    verdicts = client(service, patience_seconds=0.05).record(results(201))
    assert [verdict.verdict for verdict in verdicts] == ["recorded"] * 200 + ["unavailable"]
    assert "not answered in time" in str(verdicts[-1].error)


def test_a_question_that_nobody_answers_is_unavailable() -> None:
    service = Service(later)
    with pytest.raises(Unavailable, match="503"):
        client(service, patience_seconds=0.05).result("match-1")


def test_the_client_waits_as_long_as_it_is_asked_to() -> None:
    def busy(_: httpx.Request) -> httpx.Response:
        return httpx.Response(429, headers={"Retry-After": "60"})

    service = Service(busy)
    with pytest.raises(Unavailable, match="429"):
        client(service, patience_seconds=5).result("match-1")
    assert len(service.asked) == 1  # a minute is more than its patience


def test_a_refusal_is_not_sent_again_and_says_what_the_service_said() -> None:
    def refusing(_: httpx.Request) -> httpx.Response:
        error = {"code": "key_lacks_scope", "message": "Give the key the scope results."}
        return httpx.Response(403, json={"success": False, **error})

    service = Service(refusing)
    with pytest.raises(Refused, match="Give the key the scope") as refused:
        client(service).record(results(1))
    assert (refused.value.status, refused.value.code) == (403, "key_lacks_scope")
    assert len(service.asked) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"code": "no"}', b'{"success": true}'])
def test_an_answer_of_something_else_says_so(body: bytes) -> None:
    service = Service(lambda _: httpx.Response(200, content=body))
    with pytest.raises(Refused, match="look at the address"):
        client(service).result("match-1")


def test_a_receipt_that_was_used_for_another_result_shows_that_one() -> None:
    error = {"code": "receipt_used", "message": "Take another receipt."}
    original = {"receipt": "match-0", "value": 5, **KEPT}
    said = {"verdict": "refused", "receipt": "match-0", "error": error, "original": original}
    [verdict] = client(Service(lambda _: data([said]))).record(results(1))
    assert not verdict.counts
    assert verdict.kept is not None
    assert verdict.kept.value == 5


def test_a_moment_without_a_zone_is_refused_before_anything_is_sent() -> None:
    service = Service(recording)
    naive = datetime(2026, 11, 29, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match="zone"):
        client(service).record([*results(300), Result("late", USER, "cup", 1, naive)])
    assert not service.asked


def test_both_clients_do_the_same() -> None:
    async def ask(service: Service) -> list[ResultVerdict]:
        http = httpx.AsyncClient(transport=httpx.MockTransport(service))
        async with AsyncClient("http://scores.example", KEY.key_id, shown(SECRET), http=http) as it:
            return await it.record(results(3))

    waiting, awaited = Service(lost, recording), Service(lost, recording)
    assert client(waiting).record(results(3)) == asyncio.run(ask(awaited))
    assert [r.content for r in waiting.asked] == [r.content for r in awaited.asked]
    names = {name for name in dir(Client) if not name.startswith("_")}
    assert names == {name for name in dir(AsyncClient) if not name.startswith("_")}


def test_grants_are_read_as_they_were_said() -> None:
    granted = {"userId": USER, "actionId": "boss", "points": 50, "grantedAt": AT}
    said = [{"verdict": "granted", **granted, "score": 70}, {"verdict": "repeated", **granted}]
    verdicts = client(Service(lambda _: data(said))).grant([Grant("ada", "boss")] * 2)
    assert [verdict.score for verdict in verdicts] == [70, None]
    assert all(verdict.counts and verdict.granted_at for verdict in verdicts)
