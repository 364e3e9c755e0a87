# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world outside: hosts that the rehearsal stands for, and all others refused and told."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.kubernetes.outside import Outside
from rehearsal.kubernetes.pki import ClusterAuthority


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    made = Outside(tmp_path / "outside")
    yield made
    made.close()


@pytest.fixture
def authority(tmp_path: Path) -> ClusterAuthority:
    return ClusterAuthority(tmp_path / "pki")


@pytest.fixture
def host(authority: ClusterAuthority) -> Iterator[int]:
    """The port of a TLS server with the certificate of git.example.org that says hello and hangs up."""
    made = authority.issue("git", "git.example.org", addresses=("git.example.org",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(client, server_side=True) as secured:
                        secured.sendall(b"hello")
                except OSError:
                    continue

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def ask(outside: Outside, request: str) -> tuple[str, socket.socket]:
    """The status line that the proxy answers with, and the connection."""
    client = socket.create_connection(("127.0.0.1", outside.port), timeout=10)
    client.sendall(f"{request} HTTP/1.1\r\n\r\n".encode())
    line = b""
    while not line.endswith(b"\r\n\r\n"):
        line += client.recv(1)
    return line.decode().strip(), client


def read_through(outside: Outside, name: str) -> bytes:
    line, client = ask(outside, f"CONNECT {name}:443")
    assert line == "HTTP/1.1 200 OK"
    context = ssl.create_default_context(cafile=outside.environment()["SSL_CERT_FILE"])
    with client, context.wrap_socket(client, server_hostname=name) as secured:
        return secured.recv(100)


def test_a_host_is_reached_by_its_name_with_a_certificate_that_is_trusted(
    outside: Outside, authority: ClusterAuthority, host: int
) -> None:
    outside.stand_for("Git.example.org", 443, host)
    outside.trust(authority.files.certificate)
    assert read_through(outside, "git.example.org") == b"hello"


def test_an_authority_told_later_is_trusted_too(outside: Outside, authority: ClusterAuthority, host: int) -> None:
    outside.stand_for("git.example.org", 443, host)
    with pytest.raises(ssl.SSLError):
        read_through(outside, "git.example.org")
    outside.trust(authority.files.certificate)
    assert read_through(outside, "git.example.org") == b"hello"


@pytest.mark.parametrize(
    ("request_line", "target"),
    [
        ("CONNECT example.org:443", "example.org:443"),
        ("CONNECT git.example.org:22", "git.example.org:22"),
        ("GET http://example.org/", "GET http://example.org/ HTTP/1.1"),
    ],
)
def test_everything_else_is_refused_and_told(outside: Outside, host: int, request_line: str, target: str) -> None:
    outside.stand_for("git.example.org", 443, host)
    line, client = ask(outside, request_line)
    client.close()
    assert line.startswith("HTTP/1.1 502")
    assert [item["target"] for item in outside.refusals] == [target]
    assert json.loads((outside.directory / "outside.log").read_text())["refused"] is True


def test_it_comes_back_after_a_reset_with_what_it_was_told(
    outside: Outside, authority: ClusterAuthority, host: int
) -> None:
    outside.stand_for("git.example.org", 443, host)
    outside.trust(authority.files.certificate)
    assert read_through(outside, "git.example.org") == b"hello"
    outside.close()
    outside.bundle.unlink()
    assert read_through(outside, "git.example.org") == b"hello"


def test_loopback_is_reached_directly(outside: Outside) -> None:
    environment = outside.environment()
    assert environment["HTTPS_PROXY"] == environment["https_proxy"] == f"http://127.0.0.1:{outside.port}"
    assert "127.0.0.1" in environment["NO_PROXY"].split(",")
