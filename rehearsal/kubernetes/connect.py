# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy that only knows CONNECT, and joins it to a process on this machine or refuses it with 502.

https://www.rfc-editor.org/rfc/rfc9110#name-connect
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Takes ``host:port`` and returns the local port behind it, or None, and what the address is, in words for the log.
Decide = Callable[[str], tuple[int | None, str]]


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        """One CONNECT: joined to a local process or refused with 502."""
        words = self.rfile.readline(4096).decode(errors="replace").split()
        while self.rfile.readline(4096) not in (b"\r\n", b"\n", b""):
            pass
        proxy = self.server
        assert isinstance(proxy, _UnixServer | _TcpServer)
        if len(words) < 2 or words[0] != "CONNECT":
            self._refuse(proxy.journal, " ".join(words), "not a CONNECT")
            return
        try:
            port, what = proxy.decide(words[1])
        except Exception as error:  # noqa: BLE001 - whatever the look-up fails of, the connection is refused
            port, what = None, f"{type(error).__name__}: {error}"
        if port is None:
            self._refuse(proxy.journal, words[1], what)
            return
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as other:
                other.settimeout(None)
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                proxy.journal.tell(words[1], f"joined to 127.0.0.1:{port}: {what}", refused=False)
                back = threading.Thread(target=pump, args=(other, self.connection), daemon=True)
                back.start()
                pump(self.connection, other)
                back.join()
        except OSError as error:
            self._refuse(proxy.journal, words[1], f"{what}: 127.0.0.1:{port}: {error}")

    def _refuse(self, journal: Journal, target: str, reason: str) -> None:
        journal.tell(target, reason, refused=True)
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 502 no local process stands behind this address\r\n\r\n")


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Hand on what one end says until it says no more."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class Journal:
    """A line of JSON for each connection; the last refusals are kept at hand."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.refusals: deque[dict[str, Any]] = deque(maxlen=1000)

    def tell(self, target: str, what: str, *, refused: bool) -> None:
        """Write a line."""
        entry = {"time": round(time.time(), 3), "target": target, "refused": refused, "what": what}
        if refused:
            self.refusals.append(entry)
        # The folder may be gone already while the last connections end.
        with contextlib.suppress(FileNotFoundError), self.file.open("a") as out:
            out.write(json.dumps(entry) + "\n")


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path, decide: Decide, journal: Journal) -> None:
        self.decide, self.journal = decide, journal
        super().__init__(str(path), _Handler)


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = True

    def __init__(self, decide: Decide, journal: Journal) -> None:
        self.decide, self.journal = decide, journal
        super().__init__(("127.0.0.1", 0), _Handler)


class ConnectProxy:
    """The proxy on a Unix socket or, without a path, on a free port of 127.0.0.1."""

    def __init__(self, path: Path | None, decide: Decide, log: Path) -> None:
        self.path, self.log = path, log
        self._journal = Journal(log)
        self._server: _UnixServer | _TcpServer
        if path is not None:
            path.unlink(missing_ok=True)
            self._server = _UnixServer(path, decide, self._journal)
        else:
            self._server = _TcpServer(decide, self._journal)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()

    @property
    def port(self) -> int:
        """The TCP port; 0 on a Unix socket."""
        return int(self._server.socket.getsockname()[1]) if self.path is None else 0

    @property
    def refusals(self) -> list[dict[str, Any]]:
        """The connections that were refused: time, target and why."""
        return list(self._journal.refusals)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)
