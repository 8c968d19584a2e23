"""The broker's inside: what an operator sees and does in the management UI."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from scoreboard.bus.messages import EXCHANGE
from tests.servers import RabbitServer
from tests.servers.rabbit import USER


class Broker:
    """One virtual host of a broker of our own, reached through its Erlang shell."""

    def __init__(self, server: RabbitServer, url: str) -> None:
        self._server = server
        self._vhost = unquote(urlsplit(url).path[1:])

    def queues(self) -> list[str]:
        names = self._ask("[element(4, amqqueue:get_name(Q)) || Q <- QUEUES]")
        return sorted(re.findall(r'"([^"]+)"', names))

    def queue_properties(self) -> str:
        """Arguments, exclusive, auto-delete and durable of each queue, as Erlang prints them."""
        return self._ask(
            "[{amqqueue:get_arguments(Q), amqqueue:get_exclusive_owner(Q) =/= none, "
            "amqqueue:is_auto_delete(Q), amqqueue:is_durable(Q)} || Q <- QUEUES]"
        )

    def connection_names(self) -> list[str]:
        printed = self._ask(
            '[proplists:get_value(<<"connection_name">>, [{K, V} || {K, _, V} <- P]) || '
            "C <- rabbit_networking:connections(), [{vhost, H}, {client_properties, P}] <- "
            "[rabbit_networking:connection_info(C, [vhost, client_properties])], H =:= VHOST]"
        )
        return sorted(re.findall(r'"([^"]+)"', printed))

    def delete_queues(self) -> None:
        self._ask('[rabbit_amqqueue:delete(Q, false, false, <<"test">>) || Q <- QUEUES]')

    def delete_bindings(self) -> None:
        """All but those of the default exchange, which cannot be deleted."""
        self._ask(
            '[rabbit_binding:remove(B, <<"test">>) || B <- rabbit_binding:list(VHOST), '
            "element(4, element(2, B)) =/= <<>>]"
        )

    def delete_exchange(self) -> None:
        """The one that carries the boards."""
        name = f"rabbit_misc:r(VHOST, exchange, {_binary(EXCHANGE)})"
        self._ask(f'rabbit_exchange:delete({name}, false, <<"test">>)')

    def revoke(self) -> None:
        """Take the user's permissions on this virtual host away, and close its connections."""
        self._ask(
            f'rabbit_auth_backend_internal:clear_permissions({_binary(USER)}, VHOST, <<"test">>)'
        )
        self.close_connections()

    def permit(self, configure: str = ".*", write: str = ".*") -> None:
        """Give them back, or a part of them: what the user may make, and write to."""
        every = ", ".join(map(_binary, (configure, write, ".*")))
        self._ask(
            f"rabbit_auth_backend_internal:set_permissions("
            f'{_binary(USER)}, VHOST, {every}, <<"test">>)'
        )

    def limit_queues(self, most: int) -> None:
        """Let the virtual host have so many queues."""
        limit = f'[{{<<"max-queues">>, {most}}}]'
        self._ask(f'rabbit_vhost_limit:set(VHOST, {limit}, <<"test">>)')

    def alarm(self, resource: str) -> None:
        """Run out of `memory` or `disk`: every connection that publishes is blocked."""
        self._ask(f"rabbit_alarm:set_alarm({{{{resource_limit, {resource}, node()}}, []}})")

    def clear_alarm(self, resource: str) -> None:
        """There is enough again."""
        self._ask(f"rabbit_alarm:clear_alarm({{resource_limit, {resource}, node()}})")

    def close_connections(self) -> None:
        self._ask(
            '[rabbit_networking:close_connection(C, "test") || '
            "C <- rabbit_networking:connections(), "
            "rabbit_networking:connection_info(C, [vhost]) =:= [{vhost, VHOST}]]"
        )

    def _ask(self, expression: str) -> str:
        vhost = f'<<"{self._vhost}">>'
        queues = f"rabbit_amqqueue:list({vhost})"
        return self._server.evaluate(expression.replace("QUEUES", queues).replace("VHOST", vhost))


def _binary(text: str) -> str:
    return f'<<"{text}">>'
