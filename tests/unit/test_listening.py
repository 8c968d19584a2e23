"""Where a process listens: what a host's name means, and what a machine does not have."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from scoreboard.api.http import kernel
from scoreboard.api.http.listening import bound_sockets, http_address, listen, listening_sockets

BOTH = [(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")]


@contextmanager
def listening(host: str, port: int = 0) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(one) for one in listening_sockets(host, port)]


def places(sockets: list[socket.socket]) -> list[str]:
    return [one.getsockname()[0] for one in sockets]


def ports(sockets: list[socket.socket]) -> set[int]:
    return {one.getsockname()[1] for one in sockets}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name has an address of both kinds."""

    def addresses_of(*_: Any, **__: Any) -> list[Any]:
        return [(family, socket.SOCK_STREAM, 6, "", (at, 0)) for family, at in BOTH]

    monkeypatch.setattr(socket, "getaddrinfo", addresses_of)


def without_ipv6(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """As in a container: there are no such sockets, or no such address."""

    class Without(socket.socket):
        def bind(self, address: Any) -> None:
            if self.family == socket.AF_INET6:
                raise OSError(number, "not here")
            super().bind(address)

    monkeypatch.setattr(socket, "socket", Without)


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_a_machine_without_ipv6_is_listened_on_by_ipv4(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    without_ipv6(monkeypatch, number)

    with listening("localhost") as sockets:
        assert places(sockets) == ["127.0.0.1"]


def test_an_address_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    without_ipv6(monkeypatch, errno.EADDRNOTAVAIL)

    with pytest.raises(OSError, match="not here"):
        bound_sockets("::1", 0)


@pytest.mark.usefixtures("names")
def test_a_free_port_is_the_same_for_every_address_of_a_name() -> None:
    with listening("localhost") as sockets:
        assert places(sockets) == ["::1", "127.0.0.1"]
        assert len(ports(sockets)) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("shares_port", [False, True], ids=["one process", "workers"])
def test_a_connection_has_its_bounds_from_the_socket_that_accepts_it(
    host: str, shares_port: bool
) -> None:
    """Nothing is set for each one that comes, so the kernel has to hand it down."""
    [one] = bound_sockets(host, 0, shares_port=shares_port)
    with one:
        listen(one)
        with socket.create_connection(one.getsockname()[:2], timeout=5):
            accepted, _ = one.accept()
            with accepted:
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 64 * 1024
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 128 * 1024
                if kernel.USER_TIMEOUT is not None:
                    assert accepted.getsockopt(socket.IPPROTO_TCP, kernel.USER_TIMEOUT) == 30_000


def test_what_the_kernel_holds_of_a_unix_socket_is_bounded_too(tmp_path: Path) -> None:
    """It has no timeout of TCP, and hands nothing down."""
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as client:
        one.bind(str(tmp_path / "s"))
        listen(one)
        client.connect(one.getsockname())
        accepted, _ = one.accept()
        with accepted:
            kernel.bound_stream(accepted, vanished_after_seconds=1.0)
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 64 * 1024


@pytest.mark.parametrize("host", ["::", "[::]"])
@pytest.mark.parametrize("client", ["127.0.0.1", "::1"])
def test_two_colons_are_every_address_and_a_client_has_its_own(host: str, client: str) -> None:
    with listening(host) as sockets:
        [port] = ports(sockets)
        with socket.create_connection((client, port), timeout=5):
            accepted = [peer[0] for peer in map(_peer, sockets) if peer]

    assert accepted == [client]  # and not ::ffff:127.0.0.1


def _peer(one: socket.socket) -> Any:
    one.setblocking(False)
    try:
        connection, peer = one.accept()
    except BlockingIOError:
        return None
    connection.close()
    return peer


def test_an_address_with_brackets_is_that_address() -> None:
    with listening("[::1]") as sockets:
        assert places(sockets) == ["::1"]


def test_a_port_that_somebody_has_is_refused_and_nothing_is_left_bound() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for _ in range(2):
            with pytest.raises(OSError, match="in use") as raised:
                bound_sockets("::", port)
            assert raised.value.errno == errno.EADDRINUSE
        with socket.socket(socket.AF_INET6) as free:
            free.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            free.bind(("::", port))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("::1", "http://[::1]:80"),
        ("[::1]", "http://[::1]:80"),
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("localhost", "http://localhost:80"),
    ],
)
def test_an_address_is_shown_as_clients_write_it(host: str, address: str) -> None:
    assert http_address(host, 80) == address


def test_a_port_that_workers_are_about_to_listen_on_is_taken() -> None:
    [ours] = bound_sockets("127.0.0.1", 0, shares_port=True)
    with ours:
        port = ours.getsockname()[1]
        bound_sockets("127.0.0.1", port, shares_port=True)[0].close()
        for others in (bound_sockets, listening_sockets):
            with pytest.raises(OSError, match="in use"):
                others("127.0.0.1", port)


def test_a_port_whose_connections_have_just_ended_is_free() -> None:
    [ours] = bound_sockets("127.0.0.1", 0, shares_port=True)
    with ours:
        listen(ours)
        port = ours.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            ours.accept()[0].close()
            assert client.recv(1) == b""
    for number_of_processes in (1, 2):
        with bound_sockets("127.0.0.1", port, shares_port=number_of_processes > 1)[0]:
            pass


def test_an_address_of_one_network_interface_is_bound_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = ("fe80::1", 0, 0, 7)
    bound = []

    class Noted(socket.socket):
        def bind(self, address: Any) -> None:
            bound.append(address)

    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *_, **__: [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", place)],
    )
    monkeypatch.setattr(socket, "socket", Noted)

    bound_sockets("fe80::1%eth0", 8080)[0].close()

    assert bound == [("fe80::1", 8080, 0, 7)]
