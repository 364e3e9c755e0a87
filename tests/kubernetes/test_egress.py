# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No traffic leaves the machine: what API servers reach, and what they don't."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.kubernetes.api import ApiError
from rehearsal.kubernetes.egress import EgressProxy, Routes
from rehearsal.kubernetes.pki import ClusterAuthority
from rehearsal.kubernetes.webhooks import Webhooks
from tests.kubernetes.conftest import Cluster, eventually, needs_binaries

HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
SERVICE = {"metadata": {"name": "hook", "namespace": "guard"}, "spec": {"clusterIP": "10.100.7.7"}}


# The proxy alone


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[EgressProxy]:
    routes = Routes(lambda: [SERVICE], kubelets={"10.10.0.4"}, kubelet_port=0)
    made = EgressProxy(tmp_path / "p.sock", routes, tmp_path / "egress.log")
    yield made
    made.close()


def connect(proxy: EgressProxy, target: str, say: bytes = b"") -> tuple[str, bytes]:
    """The status line that the proxy answers a CONNECT with, and what comes back afterwards."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(proxy.path))
        client.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        reader = client.makefile("rb")
        line = reader.readline().decode().strip()
        reader.readline()
        if say:
            client.sendall(say)
            client.shutdown(socket.SHUT_WR)
        return line, reader.read()


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a local process that returns what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    while data := client.recv(1024):
                        client.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("10.100.7.7:443", "Service guard/hook port 443: no local process stands for it"),
        ("hook.guard.svc:443", "Service guard/hook port 443: no local process stands for it"),
        ("10.100.9.9:443", "neither a Service nor a node of this cluster"),
        ("198.51.100.7:443", "neither a Service nor a node of this cluster"),
        ("example.org:443", "neither a Service nor a node of this cluster"),
        ("10.10.0.4:22", "neither a Service nor a node of this cluster"),
        ("127.0.0.1:22", "no listener of the rehearsal"),
    ],
)
def test_what_nobody_stands_for_is_refused_and_told(proxy: EgressProxy, target: str, why: str) -> None:
    assert connect(proxy, target)[0].startswith("HTTP/1.1 502")
    assert [(item["target"], item["what"]) for item in proxy.refusals] == [(target, why)]
    assert json.loads(proxy.log.read_text())["refused"] is True


@pytest.mark.parametrize("target", ["10.100.7.7:443", "hook.guard.svc:443"])
def test_a_local_process_stands_for_a_service(proxy: EgressProxy, echo: int, target: str) -> None:
    proxy.routes.stand_for("guard", "hook", 443, echo)
    assert connect(proxy, target, b"hello") == ("HTTP/1.1 200 OK", b"hello")
    proxy.routes.leave("guard", "hook", 443)
    assert connect(proxy, target)[0].startswith("HTTP/1.1 502")


# A real API server


def hook(name: str, namespace: str, client: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "guard.example.org",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 5,
                "clientConfig": client,
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "rules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
                ],
            }
        ],
    }


def make_thing(cluster: Cluster, namespace: str) -> None:
    cluster.plane.api.create(f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"generateName": "thing-"}})


def remote_addresses(pids: list[int]) -> set[str]:
    """The other ends of all TCP connections that these processes have now."""
    inodes = set()
    for pid in pids:
        for file in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(file.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for table, length in (("tcp", 8), ("tcp6", 32)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            remote = words[2].partition(":")[0]
            if words[9] in inodes and remote != "0" * length:
                raw = b"".join(bytes.fromhex(remote[i : i + 8])[::-1] for i in range(0, length, 8))
                family = socket.AF_INET if length == 8 else socket.AF_INET6
                found.add(socket.inet_ntop(family, raw).removeprefix("::ffff:"))
    return found


@needs_binaries
def test_a_webhook_that_nobody_answers_is_refused_and_nothing_leaves(cluster: Cluster, namespace: str) -> None:
    api = cluster.plane.api
    service = {"metadata": {"name": "guard"}, "spec": {"ports": [{"port": 443}]}}
    api.create(f"/api/v1/namespaces/{namespace}/services", service)
    by_service = {"service": {"namespace": namespace, "name": "guard", "path": "/", "port": 443}}
    by_url = {"url": "https://198.51.100.7/"}
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.update(remote_addresses(list(cluster.plane.pids().values())))
            time.sleep(0.02)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for name, client in (("service", by_service), ("url", by_url)):
            created = api.create(HOOKS, hook(f"{name}-{namespace}", namespace, client))

            def refused() -> bool:
                try:
                    make_thing(cluster, namespace)
                except ApiError as error:
                    return "guard.example.org" in error.message
                return False

            assert eventually(refused, 10)
            api.delete(f"{HOOKS}/{created['metadata']['name']}")
    finally:
        over.set()
        watcher.join()
    reasons = {item["what"] for item in cluster.plane.egress.refusals}
    assert f"Service {namespace}/guard port 443: no local process stands for it" in reasons
    assert "198.51.100.7:443" in {item["target"] for item in cluster.plane.egress.refusals}
    assert seen == {"127.0.0.1"}


@needs_binaries
def test_a_local_process_answers_for_its_service(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    api = cluster.plane.api
    authority = ClusterAuthority(tmp_path)
    asked: list[str] = []

    def answer(review: dict[str, Any]) -> dict[str, Any]:
        asked.append(review["request"]["namespace"])
        response = {"uid": review["request"]["uid"], "allowed": False, "status": {"message": "not on a Friday"}}
        return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}

    server = Webhooks({"/": answer}, authority.issue("hook", "hook", addresses=(f"guard.{namespace}.svc",)))
    page = f"stand-for?cluster={cluster.name}&namespace={namespace}&service=guard&port=443&local_port={server.port}"
    cluster.aws.state.admin(page, "POST")
    service = {"metadata": {"name": "guard"}, "spec": {"ports": [{"port": 443}]}}
    api.create(f"/api/v1/namespaces/{namespace}/services", service)
    client = {
        "service": {"namespace": namespace, "name": "guard", "path": "/", "port": 443},
        "caBundle": base64.b64encode(authority.pem).decode(),
    }
    api.create(HOOKS, hook(f"friday-{namespace}", namespace, client))

    def refused() -> str:
        try:
            make_thing(cluster, namespace)
        except ApiError as error:
            return error.message
        return ""

    assert "not on a Friday" in eventually(refused, 10)
    assert namespace in asked
    api.delete(f"{HOOKS}/friday-{namespace}")
    server.close()
