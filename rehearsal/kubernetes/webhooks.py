# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP server in the emulator's process that API servers ask: who is this, may they, how is this to be changed."""

from __future__ import annotations

import json
import ssl
import sys
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rehearsal.kubernetes.pki import Credentials

#: Takes a review (TokenReview, SubjectAccessReview, AdmissionReview) and returns it answered.
Answer = Callable[[dict[str, Any]], dict[str, Any]]


def send(handler: BaseHTTPRequestHandler, status: int, kind: str, text: str) -> None:
    """Answer a request with a text of a content type; the connection stays open."""
    data = text.encode()
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """One review."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        server = self.server
        assert isinstance(server, _Server)
        answer = server.answers.get(self.path.partition("?")[0])
        status, document = 404, {"error": "no such webhook"}
        if answer is not None:
            try:
                status, document = 200, answer(json.loads(body))
            except Exception as error:  # noqa: BLE001 - a fault of the rehearsal is answered as one, and shown
                traceback.print_exc()
                status, document = 500, {"error": f"{type(error).__name__}: {error}"}
        send(self, status, "application/json", json.dumps(document))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """No line per request."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answers: dict[str, Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is nothing to tell; everything else is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Webhooks:
    """Answers reviews at ``http(s)://127.0.0.1:<port><path>``."""

    def __init__(self, answers: dict[str, Answer], tls: Credentials | None = None) -> None:
        #: By path; may change while the server runs.
        self.answers = answers
        self._server = _Server(answers)
        self.port = self._server.server_port
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate, tls.key)
            # The handshake belongs to the connection's thread: a client that doesn't finish it must not stop the rest.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
