"""Where a process listens: the addresses that a host's name has, and sockets bound to them."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack
from typing import Any, Final

from scoreboard.api.http.kernel import hand_down

BACKLOG: Final = 4096

# What a socket is bound to: the address, the port, and of IPv6 the flow and the interface.
Address = tuple[Any, ...]

_EVERYWHERE_IPV4: Final = (socket.AF_INET, ("0.0.0.0", 0))  # noqa: S104 - when asked for
_EVERYWHERE_IPV6: Final = "::"
# A machine without IPv6, whose names may have such addresses yet: it has no such sockets, or no
# such address.
_NOT_HERE: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def bound_sockets(host: str, port: int, *, shares_port: bool = False) -> list[socket.socket]:
    """Bind a socket to each address of `host` that this machine has; they do not listen yet.

    `host` is a name or an address, an IPv6 one with brackets or without; `::` is every address of
    this machine, IPv4 ones as well. Port 0 takes a free one, the same for all. `shares_port`: other
    sockets that say so too may have the port. Raises OSError (gaierror when nobody knows the name).
    """
    refusal: OSError | None = None
    bound: list[socket.socket] = []
    with ExitStack() as stack:
        for family, address in _addresses(host):
            try:
                one = _bound(family, address, port, shares_port=shares_port)
            except OSError as error:
                if error.errno not in _NOT_HERE:  # guard: address-kind-machine
                    raise
                refusal = error
                continue
            bound.append(stack.enter_context(one))
            port = one.getsockname()[1]
        if refusal is not None and not bound:
            raise refusal
        stack.pop_all()
    return bound


def listening_sockets(host: str, port: int) -> list[socket.socket]:
    """The same, and listen. Raises OSError."""
    bound = bound_sockets(host, port)
    with ExitStack() as stack:
        for one in bound:
            stack.enter_context(one)
            listen(one)
        stack.pop_all()
    return bound


def listen(one: socket.socket) -> None:
    """Let clients come to a bound socket, or to one that listens already. Raises OSError."""
    # For the connections that it will have: else they would keep the port while they end.
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # guard: port-whose-connections
    hand_down(one)
    one.listen(BACKLOG)


def http_address(host: str, port: int) -> str:
    """An address, as clients write it."""
    name = without_brackets(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def without_brackets(host: str) -> str:
    """The address itself, where it was written as in a URL: [::1]."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _addresses(host: str) -> list[tuple[int, Address]]:
    """Two sockets stand for `::`, so that an IPv4 client has an IPv4 address. An IPv6 address of an
    interface of its own (fe80::1%eth0) says which.
    """
    try:
        found = socket.getaddrinfo(without_brackets(host), None, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a name that cannot be one: a part of it is empty, or too long
        raise socket.gaierror(socket.EAI_NONAME, "it is no name") from error
    addresses: list[tuple[int, Address]] = [(int(each[0]), each[4]) for each in found]
    if any(address[0] == _EVERYWHERE_IPV6 for _, address in addresses):
        addresses.append(_EVERYWHERE_IPV4)
    return list(dict.fromkeys(addresses))


def _bound(family: int, address: Address, port: int, *, shares_port: bool) -> socket.socket:
    # asyncio sets TCP_NODELAY where a socket says that it is of TCP.
    one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # guard: ipv4-client-ipv4
        one.bind((address[0], port, *address[2:]))
        if shares_port:
            # Until it listens, SO_REUSEADDR would give the port to another program as well.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # guard: port-workers-about
    except BaseException:
        one.close()
        raise
    return one
