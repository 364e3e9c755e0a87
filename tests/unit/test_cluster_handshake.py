# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._kinds._cluster import _Connection
from rehearsal.kubernetes.pki import ClusterAuthority

#: A TLS alert: fatal, decode_error.
ALERT = b"\x15\x03\x01\x00\x02\x02\x32"


def serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Refuse the first handshake, then answer one request."""
    first, _address = listener.accept()
    first.recv(4096)
    first.sendall(ALERT)
    first.close()
    second, _address = listener.accept()
    with context.wrap_socket(second, server_side=True) as stream:
        stream.recv(4096)
        body = b'{"kind": "Pod"}'
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def test_a_handshake_that_goes_wrong_once_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    pki = ClusterAuthority(tmp_path / "pki")
    server = pki.issue("server", "server", addresses=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, context), daemon=True)
        thread.start()
        endpoint = f"https://127.0.0.1:{listener.getsockname()[1]}"
        connection = _Connection(endpoint, pki.pem.decode(), lambda: "token", "cluster 'dev'")
        answer = connection.send("GET", "/api", None, {}, "application/json", "application/json")
        thread.join(10)
    assert answer.body == {"kind": "Pod"}
