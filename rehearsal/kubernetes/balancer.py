# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kube-proxy is in a cluster: each Service's port has an address that stays while the pods behind it come and go.

The address is a port of 127.0.0.1. A connection is joined to the process that stands for the Service at that moment.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable

from rehearsal.kubernetes.connect import pump

#: (namespace, Service, port)
Port = tuple[str, str, int]


class Balancer:
    """All Services' ports of one cluster; each begins to listen when it is first asked for."""

    def __init__(self, backend: Callable[[Port], int | None]) -> None:
        self._backend = backend
        self._work = threading.Lock()
        self._sockets: dict[Port, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._closing = False
        threading.Thread(target=self._serve, daemon=True).start()

    def local_port(self, port: Port) -> int:
        """Where a Service's port is reached."""
        with self._work:
            found = self._sockets.get(port)
            if found is None:
                found = socket.create_server(("127.0.0.1", 0), backlog=64)
                found.setblocking(False)
                self._sockets[port] = found
                self._selector.register(found, selectors.EVENT_READ, port)
                self._wake.send(b"\0")
            return int(found.getsockname()[1])

    def ports(self) -> dict[Port, int]:
        """All that listen."""
        with self._work:
            return {port: int(item.getsockname()[1]) for port, item in self._sockets.items()}

    def close(self) -> None:
        """Stop listening."""
        with self._work:
            self._closing = True
            self._wake.send(b"\0")
            for item in self._sockets.values():
                item.close()

    def _serve(self) -> None:
        while True:
            ready = self._selector.select()
            if self._closing:
                self._selector.close()
                self._woken.close()
                self._wake.close()
                return
            for key, _ in ready:
                if key.fileobj is self._woken:
                    self._woken.recv(64)
                    continue
                assert isinstance(key.fileobj, socket.socket)
                with contextlib.suppress(OSError):
                    client, _ = key.fileobj.accept()
                    client.setblocking(True)
                    threading.Thread(target=self._join, args=(client, key.data), daemon=True).start()

    def _join(self, client: socket.socket, port: Port) -> None:
        """A connection for which there is nobody is closed, as one to a Service without endpoints is refused."""
        with client, contextlib.suppress(OSError):
            local = self._backend(port)
            if local is None:
                return
            with socket.create_connection(("127.0.0.1", local), timeout=5) as other:
                other.settimeout(None)
                back = threading.Thread(target=pump, args=(other, client), daemon=True)
                back.start()
                pump(client, other)
                back.join()
