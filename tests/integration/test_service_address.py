"""What `demo --url` meets that is no Scoreboard, or one that is not reached as it was named: a
sentence that fits each, and the way to the service where there is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from scoreboard.client import AsyncUserClient
from scoreboard.console.arguments import service_address
from scoreboard.console.reports import CommandFailed
from scoreboard.demo import service
from scoreboard.demo.marks import Marks
from scoreboard.demo.players import Player

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Respond = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def http(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that answers every path so; its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def bare(respond: Respond) -> AsyncIterator[str]:
    """A server that says so to whoever comes; its address."""
    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def board(_: web.Request) -> web.Response:
    return web.json_response({"success": True, "data": [], "version": 1})


async def found(url: str, ca: str | None = None) -> str:
    connector = aiohttp.TCPConnector(ssl=service.trusting(ca))
    async with aiohttp.ClientSession(connector=connector) as session:
        return await service.found_at(session, service_address(url))


async def refusal(url: str, ca: str | None = None) -> str:
    with pytest.raises(CommandFailed) as failed:
        await found(url, ca)
    return str(failed.value)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for 127.0.0.1 that nobody signed, and its key beside it."""
    return a_certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


def a_certificate(directory: Path, name: str, days: str = "2") -> Path:
    key, made = directory / "key.pem", directory / "certificate.pem"
    extensions = directory / "extensions"
    extensions.write_text(f"subjectAltName={name}\n")
    for command in (
        f"req -new -newkey rsa:2048 -nodes -subj /CN=scoreboard -keyout {key} -out {made}.request",
        # It can make one that has expired, which `req` cannot.
        f"x509 -req -in {made}.request -signkey {key} -days {days} -extfile {extensions} "
        f"-out {made}",
    ):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
    return made


def tls_of(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.parent / "key.pem")
    return context


async def test_a_certificate_that_nobody_signed_is_believed_where_it_is_named(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = tmp_path / "marked.pem"
    text = certificate.read_text()  # noqa: ASYNC240 - nobody else waits
    marked.write_bytes(text.replace("\n", "\r\n").encode("utf-16"))
    async with http(board, tls_of(certificate)) as url:
        message = await refusal(url)
        assert "is not trusted" in message
        assert "--ca FILE (or SSL_CERT_FILE)" in message
        assert await found(url, str(certificate)) == url
        assert await found(url, str(marked)) == url
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert await found(url) == url


@pytest.mark.parametrize(
    ("name", "days", "said"),
    [("DNS:elsewhere", "2", "another host's"), ("IP:127.0.0.1", "-1", "is not valid now")],
)
async def test_a_certificate_that_does_not_fit_is_told_apart(
    tmp_path: Path, name: str, days: str, said: str
) -> None:
    made = a_certificate(tmp_path, name, days)
    async with http(board, tls_of(made)) as url:
        assert said in await refusal(url, str(made))


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_a_file_without_a_certificate_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    message = await refusal("https://127.0.0.1:1", str(file))
    assert message.startswith(f"--ca names {file}, which ")


async def test_who_is_redirected_goes_where_the_service_is(certificate: Path) -> None:
    async with http(board, tls_of(certificate)) as there:

        async def redirect(request: web.Request) -> web.Response:
            return web.Response(status=308, headers={"Location": there + request.path})

        async with http(redirect) as url:
            assert await found(f"{url}/", str(certificate)) == there

        async def below(request: web.Request) -> web.Response:
            if request.path.startswith("/game/"):
                return await board(request)
            return web.Response(status=301, headers={"Location": f"/game{request.path}"})

        async with http(below) as url:
            assert await found(url) == await found(f"{url}/game/") == f"{url}/game"


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("/login?next=/", "it redirects to http://127.0.0.1"),
        ("/api/leaderboard", "redirects again and again"),
        ("https://ada:secret@127.0.0.1/api/leaderboard", "it redirects to another place"),
        ("ftp://127.0.0.1/api/leaderboard", "it redirects to ftp://"),
        ("http://[/api/leaderboard", "is no "),
    ],
)
async def test_a_redirection_to_nowhere_is_named(location: str, said: str) -> None:
    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": location})

    async with http(redirect) as url:
        message = await refusal(url)
        assert said in message
        assert "secret" not in message


async def test_nobody_is_led_from_tls_to_none(certificate: Path) -> None:
    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1/api/leaderboard"})

    async with http(redirect, tls_of(certificate)) as url:
        assert "which is not encrypted" in await refusal(url, str(certificate))


@pytest.mark.parametrize(
    ("status", "kind", "body", "said"),
    [
        (200, "text/html", b"<html>hello</html>", "no Scoreboard: /api/leaderboard has status 200"),
        (200, "application/json", b'{"hello": 1}', "is no Scoreboard"),
        (200, "application/json", b"[" * 100_000, "is no Scoreboard"),
        (200, "application/json", b"[1]", "is no Scoreboard"),
        (404, "application/json", b'{"code": 404}', "is no Scoreboard"),
        (404, "application/json", b'{"code": ["not_found"]}', "is no Scoreboard"),
        (404, "application/json", b'{"code": "not_found"}', "not under that path"),
        (502, "text/html", b"<html>bad gateway</html>", "the service behind it is away"),
        (400, "text/html", b"<html>https wanted</html>", "Say https:// in --url"),
        (503, "application/json", b'{"code": "ledger_unavailable"}', ""),
        (401, "application/json", b'{"code": "not_authorized"}', ""),
    ],
)
async def test_an_answer_of_somebody_else_is_told_apart(
    status: int, kind: str, body: bytes, said: str
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, content_type=kind, body=body)

    async with http(answer) as url:
        if said:
            assert said in await refusal(url)
        else:
            assert await found(url) == url


async def test_an_answer_without_an_end_is_no_scoreboard() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b" " * 65536)
        return response

    async with http(endless) as url:
        assert "is no Scoreboard" in await refusal(url)


async def test_silence_is_waited_for_no_longer_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_SECONDS", 0.1)

    left = asyncio.Event()

    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until whoever asks has gone
        writer.close()
        left.set()

    async with bare(nothing) as url:
        assert "does not answer within" in await refusal(url)
        await left.wait()


async def test_what_speaks_another_protocol_is_named(certificate: Path) -> None:
    async def ssh(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        writer.close()
        await writer.wait_closed()

    async with bare(ssh) as url:
        assert "perhaps with https://" in await refusal(url)
        assert "speaks no TLS" in await refusal(url.replace("http:", "https:"))
    async with http(board, tls_of(certificate)) as url:
        assert "perhaps with https://" in await refusal(url.replace("https:", "http:"))


async def test_nobody_and_nowhere_are_told_apart() -> None:
    nobody = await refusal("http://127.0.0.1:1")
    assert "(Connection refused). Start the service (scoreboard serve --embedded)" in nobody
    assert "There is no host nowhere.invalid" in await refusal("http://nowhere.invalid")


async def test_a_service_that_gives_no_tokens_plays_no_game() -> None:
    async def created(_: web.Request) -> web.Response:
        return web.json_response({"accessToken": 7}, status=201)

    async with http(created) as url, AsyncUserClient(url) as client:
        with pytest.raises(CommandFailed, match="without tokens"):
            await Player.register(lambda: client, ["a1"], Marks(b"a" * 32))
