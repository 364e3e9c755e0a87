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
import json
import socket
import socketserver
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        """One CONNECT: joined to a local process or refused with 502."""
        words = self.rfile.readline(4096).decode(errors="replace").split()
        while self.rfile.readline(4096) not in (b"\r\n", b"\n", b""):
            pass
        proxy = self.server
        assert isinstance(proxy, _Server)
        if len(words) < 2 or words[0] != "CONNECT":
            self._refuse(proxy, " ".join(words), "not a CONNECT")
            return
        try:
            port, what = proxy.routes.local_port(words[1])
        except Exception as error:  # noqa: BLE001 - whatever the look-up fails of, the connection is refused
            port, what = None, f"{type(error).__name__}: {error}"
        if port is None:
            self._refuse(proxy, words[1], what)
            return
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as other:
                other.settimeout(None)
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                proxy.tell(words[1], f"joined to 127.0.0.1:{port}: {what}", refused=False)
                back = threading.Thread(target=_pump, args=(other, self.connection), daemon=True)
                back.start()
                _pump(self.connection, other)
                back.join()
        except OSError as error:
            self._refuse(proxy, words[1], f"{what}: 127.0.0.1:{port}: {error}")

    def _refuse(self, proxy: _Server, target: str, reason: str) -> None:
        proxy.tell(target, reason, refused=True)
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 502 no local process stands behind this address\r\n\r\n")


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path, routes: Routes, log: Path) -> None:
        self.routes = routes
        self._log = log
        self.refusals: deque[dict[str, Any]] = deque(maxlen=1000)
        super().__init__(str(path), _Handler)

    def tell(self, target: str, what: str, *, refused: bool) -> None:
        entry = {"time": round(time.time(), 3), "target": target, "refused": refused, "what": what}
        if refused:
            self.refusals.append(entry)
        with self._log.open("a") as out:
            out.write(json.dumps(entry) + "\n")


class EgressProxy:
    """The proxy of one cluster on a Unix socket. Its log has a line of JSON for each connection."""

    def __init__(self, path: Path, routes: Routes, log: Path) -> None:
        path.unlink(missing_ok=True)
        self.path, self.routes, self.log = path, routes, log
        self._server = _Server(path, routes, log)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()

    @property
    def refusals(self) -> list[dict[str, Any]]:
        """The connections that were refused: time, target and why."""
        return list(self._server.refusals)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self.path.unlink(missing_ok=True)
