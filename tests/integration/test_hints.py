"""What is said of a server that cannot be used fits what is the matter with it: each row of the
tables of hints, met on a real server where there is one to meet it on.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
import redis

from scoreboard.bus import rabbit_check
from scoreboard.connections import hints, redis_check
from scoreboard.connections.blocking import MigrationError
from scoreboard.database.migrations import migrate
from scoreboard.fitness import fitness
from tests.eventually import eventually
from tests.servers import PostgresServer, RabbitServer, RedisServer

HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
UNTRUSTED = "Name the file of who signed its certificate in"
ANOTHER_NAME = "as its certificate does"
NO_HOST = "this machine knows none of that name"
START = "Start it, or set"
NO_TLS = "It speaks no TLS there"
ENDED = "It ended the connection at once"


@contextlib.asynccontextmanager
async def somebody(answer: bytes | None, tls: Path | None = None) -> AsyncIterator[int]:
    """A server of another kind, which answers so, or not at all; its port."""
    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls, tls.parent / "key.pem")

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            try:
                await reader.read(1 if answer is not None else -1)
                writer.write(answer or b"")
            finally:
                writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(respond, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that nobody signed, for another name, and its key beside it."""
    directory = tmp_path_factory.mktemp("tls")
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=elsewhere "
        f"-addext subjectAltName=DNS:elsewhere -keyout {directory}/key.pem "
        f"-out {directory}/certificate.pem"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return directory / "certificate.pem"


async def said_of_postgres(url: str) -> str:
    [finding] = [each for each in await fitness.findings(url, "all", 7) if each.state == "wrong"]
    assert finding.name == "connection"
    # A command that cannot be answered by a session says the same.
    if "no answer in time" not in finding.what:
        with pytest.raises(MigrationError) as failed:
            await asyncio.to_thread(migrate, url)
        to_do = finding.to_do or finding.what.rpartition("). ")[2]
        assert to_do in str(failed.value)
    return f"{finding.what} {finding.to_do}"


async def said_of_redis(url: str) -> str:
    found = await redis_check.findings(url, "leaderboard")
    [finding] = [each for each in found if each.name == "connection"]
    assert finding.state == "wrong"
    return f"{finding.what} {finding.to_do}"


async def said_of_rabbit(url: str) -> str:
    [finding] = await rabbit_check.findings(url, publishes=True)
    assert (finding.name, finding.state) == ("connection", "wrong")
    return f"{finding.what} {finding.to_do}"


SAID = {"postgresql": said_of_postgres, "redis": said_of_redis, "amqp": said_of_rabbit}


# --- What is the same of all ---


@pytest.mark.parametrize("scheme", SAID)
async def test_nobody_nowhere_and_somebody_else_are_told_apart(scheme: str) -> None:
    said = SAID[scheme]
    refused = await said(f"{scheme}://127.0.0.1:1/0")
    assert "Connection refused" in refused
    assert START in refused
    assert NO_HOST in await said(f"{scheme}://nowhere.invalid/0")
    async with somebody(HTTP) as port:
        assert "mend host and port" in await said(f"{scheme}://127.0.0.1:{port}/0")
    async with somebody(b"") as port:
        assert ENDED in await said(f"{scheme}://127.0.0.1:{port}/0")


@pytest.mark.parametrize("scheme", SAID)
async def test_silence_is_looked_into(scheme: str) -> None:
    async with somebody(None) as port:
        said = await SAID[scheme](f"{scheme}://127.0.0.1:{port}/0")
    assert "no answer in time" in said
    assert "at firewalls on the way to it" in said


@pytest.mark.parametrize(
    ("url", "ca"),
    [
        ("rediss://127.0.0.1:{port}/0", "?ssl_ca_certs={file}"),
        ("amqps://127.0.0.1:{port}/", "?cafile={file}"),
    ],
)
async def test_a_certificate_is_told_how_to_be_believed(
    certificate: Path, url: str, ca: str
) -> None:
    said = SAID[url.partition("s:")[0]]
    async with somebody(b"", certificate) as port:
        address = url.format(port=port)
        untrusted = await said(address)
        assert UNTRUSTED in untrusted
        assert ca.partition("{")[0] in untrusted
        assert "_ssl.c" not in untrusted
        assert ANOTHER_NAME in await said(address + ca.format(file=certificate))
        assert "is not there: mend it" in await said(address + ca.format(file="/not/there.pem"))
        plain = address.replace("s://", "://")
        assert ENDED in await said(plain)


# --- PostgreSQL ---


@pytest.fixture(scope="module")
def postgres(certificate: Path) -> Iterator[PostgresServer]:
    """One that lets in by rules of its own, with TLS."""
    with PostgresServer() as server:
        [(data,)] = run(server, "SHOW data_directory")
        rules = Path(data) / "pg_hba.conf"
        for name in ("key.pem", "certificate.pem"):
            made = Path(data) / name
            made.write_bytes((certificate.parent / name).read_bytes())
            subprocess.run(["chown", f"--reference={rules}", str(made)], check=True)
            made.chmod(0o600)
        rules.write_text(
            "host all with_password 127.0.0.1/32 scram-sha-256\n"
            "hostssl all by_tls 127.0.0.1/32 trust\n"
            "host closed by_tls 127.0.0.1/32 trust\n"
            "host all scoreboard,gone,limited,nobody 127.0.0.1/32 trust\n"
        )
        for statement in (
            "CREATE ROLE with_password LOGIN PASSWORD 'good'",
            "CREATE ROLE limited LOGIN CONNECTION LIMIT 0",
            "CREATE ROLE nobody",
            "CREATE ROLE by_tls LOGIN",
            "CREATE DATABASE closed",
            "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
            f"ALTER SYSTEM SET ssl_key_file = '{data}/key.pem'",
            f"ALTER SYSTEM SET ssl_cert_file = '{data}/certificate.pem'",
            "SELECT pg_reload_conf()",
        ):
            run(server, statement)
        yield server


def run(server: PostgresServer, statement: str) -> list[tuple[str, ...]]:
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def accepts_tls(server: PostgresServer, *, wanted: bool) -> bool:
    with closing(psycopg2.connect(f"{server.url}?sslmode=prefer")) as connection:
        return bool(connection.info.ssl_in_use) == wanted


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("with_password:bad@{at}/postgres", "Mend the user or the password in"),
        ("with_password@{at}/postgres", "Put the password into SCOREBOARD_DATABASE_URL"),
        ("scoreboard@{at}/nowhere", "Create it (createdb), or mend the name in"),
        ("gone@{at}/postgres", "CREATE ROLE … LOGIN, or mend the user in"),
        ("nobody@{at}/postgres", "ALTER ROLE … LOGIN, or name another user in"),
        ("limited@{at}/postgres", "Raise max_connections (or the role's limit)"),
        ("by_tls@{at}/closed", "GRANT CONNECT ON DATABASE"),
        ("somebody@{at}/postgres", "Add a line for it to pg_hba.conf"),
        ("by_tls@{at}/postgres?sslmode=disable", "where that wants TLS, ?sslmode=require"),
        ("scoreboard@{at}/postgres?sslmode=bogus", "Mend SCOREBOARD_DATABASE_URL."),
        ("scoreboard@127.0.0.1:99999/postgres", "Mend SCOREBOARD_DATABASE_URL."),
        ("scoreboard@{at}/postgres?sslmode=require", NO_TLS),
    ],
)
async def test_what_postgresql_refuses_is_told_what_mends_it(
    postgres: PostgresServer, rest: str, said: str
) -> None:
    found = await said_of_postgres(f"postgresql://{rest.format(at=f'127.0.0.1:{postgres.port}')}")
    assert said in found
    assert START not in found


async def test_a_certificate_of_postgresql_is_told_how_to_be_believed(
    postgres: PostgresServer, certificate: Path, tmp_path: Path
) -> None:
    run(postgres, "ALTER SYSTEM SET ssl = on")
    run(postgres, "SELECT pg_reload_conf()")
    try:
        await eventually(lambda: accepts_tls(postgres, wanted=True))
        url = f"{postgres.url}?sslmode=verify-full&sslrootcert="
        command = (
            f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other "
            f"-keyout {tmp_path}/key.pem -out {tmp_path}/other.pem"
        )
        await asyncio.to_thread(subprocess.run, command.split(), check=True, capture_output=True)
        assert UNTRUSTED in await said_of_postgres(f"{url}{tmp_path}/other.pem")
        assert ANOTHER_NAME in await said_of_postgres(f"{url}{certificate}")
        assert "cannot be read: mend it" in await said_of_postgres(f"{url}/not/there.pem")
    finally:
        run(postgres, "ALTER SYSTEM SET ssl = off")
        run(postgres, "SELECT pg_reload_conf()")
        await eventually(lambda: accepts_tls(postgres, wanted=False))


# --- Redis ---


async def test_what_redis_refuses_is_told_what_mends_it() -> None:
    with RedisServer() as server, closing(redis.Redis(port=server.port)) as client:
        at = f"127.0.0.1:{server.port}"
        assert "has no database of that number" in await said_of_redis(f"redis://{at}/99")
        assert "If it speaks no TLS, say redis://." in await said_of_redis(f"rediss://{at}/0")
        client.config_set("requirepass", "good")
        assert "Put user and password into" in await said_of_redis(f"redis://{at}/0")
        for login in (":bad", "ada:bad"):
            assert "Mend the user or the password" in await said_of_redis(f"redis://{login}@{at}/0")
        client.config_set("requirepass", "")
        client.config_set("maxclients", 1)
        assert "Raise maxclients" in await said_of_redis(f"redis://{at}/0")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        # In words of Redis's own; a test has no other machine, and a start takes no time.
        (b"-DENIED Redis is running in protected mode", "Set a password there"),
        (b"-LOADING Redis is loading the dataset in memory", "Wait until it has"),
        (b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data", "Name the primary"),
    ],
)
async def test_a_redis_that_is_not_ready_for_us_is_told_what_mends_it(
    answer: bytes, said: str
) -> None:
    async with somebody(answer + b"\r\n") as port:
        assert said in await said_of_redis(f"redis://127.0.0.1:{port}/0")


# --- RabbitMQ ---


async def test_what_rabbitmq_refuses_is_told_what_mends_it(
    rabbit_server: RabbitServer, amqp_url: str
) -> None:
    at = f"127.0.0.1:{rabbit_server.port}"
    assert "Mend the user or the password" in await said_of_rabbit(f"amqp://ada:bad@{at}/")
    assert "Make the virtual host" in await said_of_rabbit(
        f"{amqp_url.rpartition('/')[0]}/not-there"
    )
    assert NO_TLS in await said_of_rabbit(amqp_url.replace("amqp:", "amqps:"))


async def test_another_amqp_is_named() -> None:
    async with somebody(b"AMQP\x00\x01\x00\x00") as port:
        assert "another AMQP than 0-9-1" in await said_of_rabbit(f"amqp://127.0.0.1:{port}/")


@pytest.mark.parametrize("kind", [hints.POSTGRES, hints.REDIS, hints.RABBIT])
def test_every_hint_can_be_said_and_says_where(kind: hints.Hints) -> None:
    for row in kind.rows:
        said = row.to_do.format(variable=kind.variable, server=kind.server)
        assert "{" not in said
        assert said.endswith((".", ")"))
    assert kind.to_do("") == f"Start it, or set {kind.variable} to where it runs."
