"""Three private RabbitMQ nodes that are one broker."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack

from tests.servers.group import ServerGroup
from tests.servers.rabbit import RabbitServer


class RabbitNode(RabbitServer):
    """One of `nodes`; with the first, it shares the port mapper and the cookie, by which Erlang
    nodes find and trust each other.
    """

    def __init__(self, nodes: list[RabbitNode]) -> None:
        super().__init__()
        self._nodes = nodes
        if nodes:
            self._ports["epmd"].release()
            self._ports["epmd"] = nodes[0]._ports["epmd"]
            self._cookie = nodes[0]._cookie
        nodes.append(self)

    def configuration(self) -> list[str]:
        return [
            *super().configuration(),
            "cluster_formation.peer_discovery_backend = classic_config",
            *(
                f"cluster_formation.classic_config.nodes.{number} = {node.node}"
                for number, node in enumerate(self._nodes, 1)
            ),
            # A node that cannot see most of the others serves nobody.
            "cluster_partition_handling = pause_minority",
        ]

    def launch(self) -> subprocess.Popen[bytes]:
        first = self._nodes[0]
        if self is not first:
            self._epmd = first._epmd
        return super().launch()

    @property
    def sees_all(self) -> bool:
        """Whether every node is in the cluster as this one sees it."""
        return self.evaluate("length(rabbit_nodes:all_running())") == str(len(self._nodes))

    def connections(self) -> int:
        """How many clients this very node has."""
        return int(self.evaluate("length(rabbit_networking:local_connections())"))


class RabbitCluster(ServerGroup):
    """Three nodes, of which any may die."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[RabbitNode] = []
        for _ in range(3):
            RabbitNode(self.nodes)

    def url_of(self, vhost: str) -> str:
        """Answer the address of a virtual host, with all nodes in it."""
        return ",".join(node.url_of(vhost) for node in self.nodes)

    def start_each(self, stack: ExitStack) -> None:
        """Start all three together, and return when each sees the others."""
        for node in self.nodes:
            stack.callback(node.destroy)
        for node in self.nodes:
            node.begin()
        for node in self.nodes:
            node.until(node.answers, node.start_seconds)
        for node in self.nodes:
            node.until(lambda node=node: node.sees_all)  # type: ignore[misc]
