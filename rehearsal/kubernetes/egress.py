# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an API server may reach: local processes that stand for Services and kubelets, and nothing else.

An API server dials Services' addresses for webhooks and aggregated APIs, and nodes' for logs. On a plain machine these
packets would leave by the default route. Its egress selector gives every such connection to this proxy instead
(https://kubernetes.io/docs/tasks/extend-kubernetes/setup-konnectivity/, HTTPConnect over a Unix socket).
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.kubernetes.connect import ConnectProxy

#: A kubelet's port, on every node.
KUBELET = 10250

#: Returns the Services of the cluster, as the API server lists them.
Services = Callable[[], list[dict[str, Any]]]


@dataclass
class Routes:
    """Who stands behind which address of one cluster.

    Attributes:
        services: Asked for an address that isn't known yet.
        own: The rehearsal's own listeners on 127.0.0.1, by port.
        kubelets: Addresses and names of nodes.
        kubelet_port: The local port that answers for all of them; 0 for none.
    """

    services: Services
    own: set[int] = field(default_factory=set)
    kubelets: set[str] = field(default_factory=set)
    kubelet_port: int = 0
    _processes: dict[tuple[str, str, int], int] = field(default_factory=dict)

    def stand_for(self, namespace: str, service: str, port: int, local_port: int) -> None:
        """From now on a local process (by its port) stands for a Service's port."""
        self._processes[(namespace, service, port)] = local_port

    def leave(self, namespace: str, service: str, port: int) -> None:
        """Nobody stands for the Service's port any more."""
        self._processes.pop((namespace, service, port), None)

    def local_port(self, target: str) -> tuple[int | None, str]:
        """The local port for ``host:port``, or None; and what the address is, in words for the log."""
        host, _, text = target.rpartition(":")
        host, port = host.strip("[]"), int(text)
        if host in ("127.0.0.1", "localhost", "::1"):
            return (port, "the rehearsal's own") if port in self.own else (None, "no listener of the rehearsal")
        if host in self.kubelets and port == KUBELET:
            return (self.kubelet_port or None), f"kubelet of {host}"
        name = self._service(host)
        if name is None:
            return None, "neither a Service nor a node of this cluster"
        found = self._processes.get((*name, port))
        what = f"Service {name[0]}/{name[1]} port {port}"
        return found, what if found else f"{what}: no local process stands for it"

    def _service(self, host: str) -> tuple[str, str] | None:
        labels = host.split(".")
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(host)
            labels = []
        if len(labels) >= 3 and labels[2] == "svc":
            return labels[1], labels[0]
        if labels:
            return None
        for item in self.services():
            if host in (item["spec"].get("clusterIPs") or [item["spec"].get("clusterIP")]):
                return item["metadata"]["namespace"], item["metadata"]["name"]
        return None


class EgressProxy(ConnectProxy):
    """The proxy of one cluster on a Unix socket. Its log has a line of JSON for each connection."""

    def __init__(self, path: Path, routes: Routes, log: Path) -> None:
        self.routes = routes
        super().__init__(path, routes.local_port, log)
