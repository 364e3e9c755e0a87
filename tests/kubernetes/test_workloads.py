# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that really run: what is made of their specification, who they are to the cluster and to AWS, their end."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rehearsal.kubernetes import adapters, binaries, containers, pod_identity, processes, runner, settings, workloads
from rehearsal.kubernetes.containers import Unresolved
from tests.kubernetes.conftest import Aws, Cluster, eventually, needs_binaries

REDIS = "public.ecr.aws/docker/library/redis:8.2.3-alpine"
ARGOCD = f"quay.io/argoproj/argocd:v{binaries.pinned('argocd')}"
KARPENTER = f"public.ecr.aws/karpenter/controller:{binaries.pinned('karpenter')}"


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [name for name in programs if workloads.program_file(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not built: {', '.join(missing)}")


# Variables and files


class Known:
    """ConfigMaps and Secrets of a namespace."""

    def __init__(self, **found: dict[str, bytes]) -> None:
        self.found = found

    def config(self, name: str) -> dict[str, bytes] | None:
        return self.found.get(name)

    def secret(self, name: str) -> dict[str, bytes] | None:
        return self.found.get(name)

    def allocatable(self, resource: str) -> str:
        return {"memory": "3Gi", "cpu": "1930m"}[resource]

    def token(self, audience: str, seconds: int) -> str:
        return f"{audience or 'api'}/{seconds}"


POD: dict[str, Any] = {
    "metadata": {
        "name": "web-0",
        "namespace": "shop",
        "uid": "u",
        "labels": {"app": "web"},
        "annotations": {"a/b": "c"},
        "creationTimestamp": "2026-11-22T12:00:00Z",
    },
    "spec": {
        "serviceAccountName": "web",
        "nodeName": "n",
        "containers": [{"name": "main", "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}}}],
    },
    "status": {"podIP": "100.64.0.9", "podIPs": [{"ip": "100.64.0.9"}]},
}
KNOWN = Known(settings={"mode": b"fast", "level": b"3"}, login={"user": b"ann", "password": b"pa$$(user)"})


def resolve(*env: dict[str, Any], **more: Any) -> dict[str, str]:
    return containers.environment(POD, {**POD["spec"]["containers"][0], "env": list(env), **more}, KNOWN)


def key(kind: str, name: str, item: str, **more: Any) -> dict[str, Any]:
    return {"name": "V", "valueFrom": {kind: {"name": name, "key": item, **more}}}


@pytest.mark.parametrize(
    ("item", "value"),
    [
        ({"name": "V", "value": "plain"}, "plain"),
        ({"name": "V"}, ""),
        (key("configMapKeyRef", "settings", "mode"), "fast"),
        (key("secretKeyRef", "login", "password"), "pa$$(user)"),
        (key("configMapKeyRef", "gone", "mode", optional=True), None),
        (key("secretKeyRef", "login", "gone", optional=True), None),
        ({"name": "V", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}, "shop"),
        ({"name": "V", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}, "web"),
        ({"name": "V", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['a/b']"}}}, "c"),
        ({"name": "V", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}}, "web"),
        ({"name": "V", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}, "100.64.0.9"),
        ({"name": "V", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}}, "250"),
        ({"name": "V", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu"}}}, "1"),
        ({"name": "V", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "0"}}}, "1073741824"),
        ({"name": "V", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}}, "1024"),
        # Without a limit of its own a container may have what the node has.
        ({"name": "V", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}, "2"),
        ({"name": "V", "valueFrom": {"resourceFieldRef": {"resource": "requests.memory"}}}, "0"),
    ],
)
def test_a_variable_is_what_it_refers_to(item: dict[str, Any], value: str | None) -> None:
    assert resolve(item).get("V") == value


def test_variables_refer_to_those_before_them() -> None:
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)-$(C)-$$(A)"},
        {"name": "C", "value": "3"},
    ]
    assert resolve(*env)["B"] == "1-$(C)-$(A)"


def test_whole_configmaps_and_secrets_become_variables_and_single_ones_come_after() -> None:
    given = [{"configMapRef": {"name": "settings"}}, {"prefix": "DB_", "secretRef": {"name": "login"}}]
    made = resolve({"name": "mode", "value": "slow ($(level))"}, envFrom=given)
    assert made == {"mode": "slow (3)", "level": "3", "DB_user": "ann", "DB_password": "pa$$(user)"}


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (key("secretKeyRef", "gone", "x"), 'secret "gone" not found'),
        (key("configMapKeyRef", "gone", "x"), 'configmap "gone" not found'),
        (key("secretKeyRef", "login", "x"), "couldn't find key x in secret login"),
    ],
)
def test_what_is_missing_is_said_as_the_kubelet_says_it(item: dict[str, Any], text: str) -> None:
    with pytest.raises(Unresolved, match=text):
        resolve(item)


@pytest.mark.parametrize(
    ("volume", "files"),
    [
        ({"emptyDir": {}}, None),
        ({"configMap": {"name": "settings"}}, {"mode": b"fast", "level": b"3"}),
        ({"secret": {"secretName": "login", "items": [{"key": "user", "path": "a/b"}]}}, {"a/b": b"ann"}),
        ({"secret": {"secretName": "gone", "optional": True}}, {}),
        (
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"labels": b'app="web"'},
        ),
        (
            {
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "token", "audience": "x", "expirationSeconds": 900}},
                        {"configMap": {"name": "settings", "items": [{"key": "mode", "path": "m"}]}},
                        {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
                    ]
                }
            },
            {"token": b"x/900", "m": b"fast", "n": b"shop"},
        ),
    ],
)
def test_a_volume_is_the_files_of_its_source(volume: dict[str, Any], files: dict[str, bytes] | None) -> None:
    assert containers.volume(POD, {"name": "v", **volume}, KNOWN) == files


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("/app/config/tls", "/R/app/config/tls"),
        ("/app/config/tls/ca.crt", "/R/app/config/tls/ca.crt"),
        ("--file=/app/config/tls/x", "--file=/R/app/config/tls/x"),
        ("/app/config/tls-other", "/app/config/tls-other"),
        ("NAME=/app/config/tls", "NAME=/app/config/tls"),
        ("/usr/local/bin/argocd", "/usr/local/bin/argocd"),
    ],
)
def test_paths_below_a_mount_lead_into_the_pods_directory(text: str, moved: str) -> None:
    assert containers.relocate(text, [{"mountPath": "/app/config/tls/"}, {"mountPath": "/tmp"}], "/R") == moved


def test_a_token_is_asked_for_anew_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0
    asked: list[dict[str, Any]] = []

    def create(path: str, body: dict[str, Any]) -> dict[str, Any]:
        asked.append({"path": path, **body["spec"]})
        ends = datetime.datetime.fromtimestamp(now + 3600, datetime.UTC)
        return {"status": {"token": f"token-{len(asked)}", "expirationTimestamp": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}}

    monkeypatch.setattr(time, "time", lambda: now)
    sources = runner._Sources(SimpleNamespace(api=SimpleNamespace(create=create)), POD)
    assert [sources.token("", 3600), sources.token("", 3600), sources.token("x", 3600)] == [
        "token-1",
        "token-1",
        "token-2",
    ]
    now += 0.79 * 3600
    assert sources.token("", 3600) == "token-1"
    now += 0.02 * 3600
    assert sources.token("", 3600) == "token-3"
    assert asked[0]["path"] == "/api/v1/namespaces/shop/serviceaccounts/web/token"
    assert (asked[0]["audiences"], asked[1]["audiences"]) == ([], ["x"])
    assert asked[0]["boundObjectRef"] == {"apiVersion": "v1", "kind": "Pod", "name": "web-0", "uid": "u"}


# Which containers run, and how they are led to each other


def container(image: str, *args: str, command: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    given = {"command": list(command)} if command else {}
    return {"name": "main", "image": image, "args": list(args), **given, **more}


@pytest.mark.parametrize(
    ("given", "argv"),
    [
        (container(KARPENTER), ("controller",)),
        (container("mirror.example.org:5000/cache/karpenter/controller:1.14.1@sha256:00"), ("controller",)),
        (container(ARGOCD, "/usr/local/bin/argocd-server", "--insecure"), ("argocd-server", "--insecure")),
        (container(ARGOCD, command=("argocd", "admin", "x")), ("argocd", "admin", "x")),
        (container(ARGOCD, command=("/bin/cp", "-n", "/usr/local/bin/argocd", "/shared/argocd-dex")), None),
        (container(ARGOCD, "cp a b", command=("sh", "-c")), None),
        (container(ARGOCD), None),
        (container(REDIS, "--save", "", "--requirepass x"), ("redis-server", "--save", "", "--requirepass x")),
        (container("redis"), ("redis-server",)),
        (container("docker.io/valkey/valkey:9"), ("redis-server",)),
        (container(REDIS, command=("redis-server",)), ("redis-server",)),
        (container(REDIS, "/data/conf/redis.conf", command=("redis-server",)), None),
        (container(REDIS, "/data/conf/sentinel.conf", command=("redis-sentinel",)), None),
        (container("haproxy:3.0", ports=[{"name": "http", "containerPort": 80}]), None),
        (container("ghcr.io/dexidp/dex:v2.45.0", command=("/shared/argocd-dex", "rundex")), None),
        (container("example.org/redis-exporter:1"), None),
        (container("example.org/argoproj/argocd-extra:1"), None),
    ],
)
def test_what_a_container_runs(given: dict[str, Any], argv: tuple[str, ...] | None) -> None:
    start = adapters.start(given)
    assert (start.argv if start else None) == argv


def test_in_the_place_of_the_proxy_before_redis_stands_redis() -> None:
    start = adapters.start(container("haproxy:3.0", ports=[{"name": "redis", "containerPort": 6379}]))
    assert start is not None
    assert (start.component.link, start.argv[-2:]) == ("redis-server", ("--requirepass", "$(AUTH)"))


def adapted(given: dict[str, Any], **environment: str) -> tuple[list[str], dict[str, str], dict[int, int]]:
    start = adapters.start(given)
    assert start is not None
    free = iter(range(21000, 21100))
    reached = {"argocd-redis": 1, "argocd-repo-server": 2, "argocd-dex-server": 3, "cache": 4}
    return adapters.adapt(
        start, start.argv, environment, "argocd", lambda name, port: reached[name] * 10_000 + port, lambda: next(free)
    )


def value(argv: list[str], flag: str) -> str:
    return adapters._value(argv, flag)


def test_listeners_are_led_to_free_ports_of_loopback() -> None:
    argv, _, ports = adapted(container(ARGOCD, "argocd-server", "--port", "9090"))
    assert ports == {9090: 21000, 8083: 21001}
    assert (value(argv, "--port"), value(argv, "--address")) == ("21000", "127.0.0.1")
    argv, _, ports = adapted(container(ARGOCD, "argocd-applicationset-controller", "--metrics-addr=:9999"))
    assert ports == {9999: 21000, 8081: 21001, 7000: 21002}
    assert value(argv, "--probe-addr") == "127.0.0.1:21001"
    _, variables, ports = adapted(container(KARPENTER), METRICS_PORT="8000")
    assert ports == {8000: 21000, 8081: 21001}
    assert variables == {"METRICS_PORT": "21000", "HEALTH_PROBE_PORT": "21001"}


@pytest.mark.parametrize(
    ("told", "environment", "address"),
    [
        ((), {}, "127.0.0.1:16379"),
        ((), {"REDIS_SERVER": "cache:6379"}, "127.0.0.1:46379"),
        (("--redis", "cache.argocd.svc.cluster.local:6380"), {"REDIS_SERVER": "x:1"}, "127.0.0.1:46380"),
        ((), {"REDIS_SERVER": "cache.argocd:6379"}, "127.0.0.1:46379"),
        # What isn't a Service of this namespace stays as it is.
        (("--redis", "cache.shared.cache.amazonaws.com:6379"), {}, "cache.shared.cache.amazonaws.com:6379"),
        (("--redis=127.0.0.1:6379",), {}, "127.0.0.1:6379"),
        (("--redis", "cache.other:6379"), {}, "cache.other:6379"),
    ],
)
def test_peers_are_reached_where_their_services_are(
    told: tuple[str, ...], environment: dict[str, str], address: str
) -> None:
    argv, _, _ = adapted(container(ARGOCD, "argocd-repo-server", *told), **environment)
    assert value(argv, "--redis") == address


def test_a_peers_scheme_stays() -> None:
    argv, _, _ = adapted(container(ARGOCD, "argocd-server"), ARGOCD_SERVER_DEX_SERVER="http://argocd-dex-server:5556")
    assert value(argv, "--dex-server") == "http://127.0.0.1:35556"


def test_images_without_their_program_are_kwoks() -> None:
    files, images = workloads.available(lambda name: Path("/x") if name == "karpenter" else None)
    assert list(files) == ["karpenter"]
    assert adapters.image_of(KARPENTER, images) is not None
    assert adapters.image_of(ARGOCD, images) is None
    assert "argocd" not in settings.kwok_configuration(Path("/log"), adapters.pattern(images))


# Pod identity


def associated(moment: str) -> dict[str, Any]:
    return {"createdAt": datetime.datetime.fromisoformat(moment), "roleArn": "arn"}


@pytest.mark.parametrize(
    ("found", "injected"),
    [
        (None, False),
        (associated("2026-11-22T11:59:59.9+00:00"), True),
        (associated("2026-11-22T12:00:00.9+00:00"), True),
        (associated("2026-11-22T12:00:01+00:00"), False),
    ],
)
def test_an_association_counts_for_pods_that_are_created_later(found: dict[str, Any] | None, injected: bool) -> None:
    made = pod_identity.injected(POD, found, "eu-central-1", "http://127.0.0.1:1/v1/credentials")
    names = {item["name"] for item in made["spec"]["containers"][0].get("env", [])}
    assert ("AWS_CONTAINER_CREDENTIALS_FULL_URI" in names) is injected
    assert bool(made["spec"].get("volumes")) is injected
    assert "volumes" not in POD["spec"]


def trust(*actions: str, effect: str = "Allow", service: Any = pod_identity.AUDIENCE) -> dict[str, Any]:
    return {"Effect": effect, "Principal": {"Service": service}, "Action": list(actions)}


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([trust("sts:AssumeRole", "sts:TagSession")], True),
        ([trust("sts:AssumeRole"), trust("sts:Tag*", service=["x", pod_identity.AUDIENCE])], True),
        ([trust("sts:AssumeRole")], False),
        ([trust("sts:*", service="ec2.amazonaws.com")], False),
        ([trust("sts:*"), trust("sts:TagSession", effect="Deny")], False),
    ],
)
def test_a_role_must_let_eks_assume_it_and_tag_the_session(statements: list[dict[str, Any]], allowed: bool) -> None:
    role = SimpleNamespace(assume_role_policy_document=json.dumps({"Statement": statements}))
    both = [
        pod_identity.allows(role, action, "Service", pod_identity.AUDIENCE)
        for action in ("sts:AssumeRole", "sts:TagSession")
    ]
    assert all(both) is allowed


# Real pods


class Team:
    """A namespace in the cluster, and what stands in it."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name, self.api = cluster, name, cluster.plane.api

    def make(self, kind: str, name: str, group: str = "", **document: Any) -> None:
        base = f"/apis/{group}" if group else "/api/v1"
        self.api.create(f"{base}/namespaces/{self.name}/{kind}", {"metadata": {"name": name}, **document})

    def deploy(self, name: str, *containers: dict[str, Any], replicas: int = 1, **spec: Any) -> None:
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": list(containers), **spec}}
        made = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        self.make("deployments", name, "apps/v1", spec=made)

    def pods(self, name: str) -> list[dict[str, Any]]:
        return list(self.api.items(f"/api/v1/namespaces/{self.name}/pods", labelSelector=f"app={name}"))

    def deployment(self, name: str) -> dict[str, Any]:
        found = self.api.get(f"/apis/apps/v1/namespaces/{self.name}/deployments/{name}")
        return dict(found.get("status") or {})

    def available(self, name: str) -> int:
        return int(self.deployment(name).get("availableReplicas", 0))

    def processes(self, name: str) -> list[dict[str, Any]]:
        everything = self.cluster.plane.workloads.describe()["workloads"]
        return [item for item in everything if item["pod"].startswith(f"{self.name}/{name}-")]

    def process(self, name: str) -> dict[str, Any]:
        """The one that runs and is ready."""
        found = eventually(lambda: [item for item in self.processes(name) if item["ready"] and item["pid"]], 60)
        assert len(found) == 1
        return dict(found[0])

    def account(self, name: str, *rules: dict[str, Any]) -> None:
        if not self.api.items(f"/api/v1/namespaces/{self.name}/serviceaccounts", fieldSelector=f"metadata.name={name}"):
            self.make("serviceaccounts", name)
        if rules:
            subject = {"kind": "ServiceAccount", "name": name, "namespace": self.name}
            role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
            self.make("roles", name, "rbac.authorization.k8s.io/v1", rules=list(rules))
            self.make("rolebindings", name, "rbac.authorization.k8s.io/v1", roleRef=role, subjects=[subject])


@pytest.fixture(scope="module")
def nodes(cluster: Cluster) -> Iterator[Cluster]:
    cluster.group("workloads", 2)
    yield cluster
    cluster.eks.delete_nodegroup(clusterName=cluster.name, nodegroupName="workloads")
    assert eventually(lambda: not cluster.nodes("workloads"), 60)


@pytest.fixture
def team(nodes: Cluster, namespace: str) -> Iterator[Team]:
    yield Team(nodes, namespace)
    nodes.plane.api.delete(f"/api/v1/namespaces/{namespace}")
    assert eventually(lambda: not [i for i in nodes.plane.workloads.describe()["workloads"] if namespace in i["pod"]])


def said(port: int, *lines: str) -> list[str]:
    """What a Redis server answers to a few commands; nothing where nobody listens."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall("".join(f"{line}\r\n" for line in lines).encode())
        client.shutdown(socket.SHUT_WR)
        return client.makefile().read().splitlines()
    return []


def redis(*args: str, **more: Any) -> dict[str, Any]:
    made = container(REDIS, "--save", "", *args, ports=[{"name": "redis", "containerPort": 6379}], **more)
    return {**made, "readinessProbe": {"tcpSocket": {"port": "redis"}}}


@needs_binaries
@needs("valkey-server")
class TestRedis:
    """A server whose effect can be seen."""

    def test_a_pod_runs_with_its_secrets_files_and_variables(self, team: Team) -> None:
        """The password is a Secret's, the level of its log a ConfigMap's, and a user is in a file of a volume."""
        users = "user ann on >swordfish ~* +@all\nuser default on >$(PASSWORD) ~* +@all\n"
        team.make("secrets", "users", stringData={"users.acl": users})
        team.make("configmaps", "settings", data={"level": "verbose"})
        level = {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "level"}}}
        pod = {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
        mount = {"name": "users", "mountPath": "/etc/redis"}
        team.deploy(
            "redis",
            redis(
                "--aclfile", "/etc/redis/users.acl", "--loglevel", "$(LEVEL)", "--proc-title-template", "$(POD)",
                env=[level, pod], volumeMounts=[mount],
            ),
            volumes=[{"name": "users", "secret": {"secretName": "users"}}],
        )  # fmt: skip
        assert eventually(lambda: team.available("redis") == 1)
        process = team.process("redis")
        port = process["ports"]["6379"]
        assert said(port, "AUTH ann swordfish", "CONFIG GET loglevel")[-1] == "verbose"
        title = said(port, "AUTH ann swordfish", "CONFIG GET proc-title-template")[-1]
        assert title == process["pod"].partition("/")[2]
        assert said(port, "AUTH ann wrong")[0].startswith("-WRONGPASS")
        status = team.pods("redis")[0]["status"]
        assert (status["phase"], status["containerStatuses"][0]["ready"]) == ("Running", True)
        # What a killed emulator leaves is found, whatever a program makes of its command line.
        assert processes.belongs(process["pid"], team.cluster.plane.directory)
        assert not processes.belongs(os.getpid(), team.cluster.plane.directory)
        folder = Path(process["log"]).parent
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {file.stat().st_mode & 0o077 for file in folder.rglob("users.acl")} == {0}

    def test_a_file_of_a_volume_follows_its_configmap(self, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runner, "_VOLUMES_EVERY", 0.5)
        monkeypatch.setattr(workloads, "_REMEMBERED", 0.2)
        team.make("configmaps", "page", data={"a": "1", "b": "2"})
        mount = {"name": "page", "mountPath": "/page"}
        given = redis("--dir", "/page", volumeMounts=[mount])
        team.deploy("redis", given, volumes=[{"name": "page", "configMap": {"name": "page"}}])
        folder = Path(team.process("redis")["log"]).parent / "volumes" / "page"
        assert {file.name: file.read_text() for file in folder.iterdir()} == {"a": "1", "b": "2"}
        team.api.patch(f"/api/v1/namespaces/{team.name}/configmaps/page", {"data": {"a": "3", "b": None}})
        assert eventually(lambda: {f.name: f.read_text() for f in folder.iterdir()} == {"a": "3"}, 10)

    def test_a_pod_waits_for_a_secret_that_is_missing(self, team: Team) -> None:
        env = [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "later", "key": "auth"}}}]
        team.deploy("redis", redis("--requirepass $(PASSWORD)", env=env))

        def waiting() -> dict[str, Any]:
            found = [item for pod in team.pods("redis") for item in pod["status"].get("containerStatuses", [])]
            return dict(found[0]["state"].get("waiting", {})) if found else {}

        assert eventually(lambda: waiting().get("reason") == "CreateContainerConfigError", 20)
        assert waiting()["message"] == 'secret "later" not found'
        assert team.available("redis") == 0
        team.make("secrets", "later", stringData={"auth": "swordfish"})
        assert eventually(lambda: team.available("redis") == 1, 20)
        assert said(team.process("redis")["ports"]["6379"], "AUTH swordfish") == ["+OK"]

    def test_one_replica_runs_and_another_takes_over_behind_the_same_address(self, team: Team) -> None:
        ports = [{"port": 6000, "targetPort": "redis"}]
        team.make("services", "redis", spec={"selector": {"app": "redis"}, "ports": ports})
        team.deploy("redis", redis(), replicas=3)
        assert eventually(lambda: team.available("redis") == 3)
        first = team.process("redis")
        pod = next(item for item in team.pods("redis") if f"{team.name}/{item['metadata']['name']}" == first["pod"])
        address = team.cluster.plane.workloads.locate(team.name, "redis", 6000)
        assert eventually(lambda: said(address, "CLIENT SETNAME me", "PING") == ["+OK", "+PONG"], 10)
        # What the API server dials for a webhook or an aggregated API ends there too.
        routes = team.cluster.plane.egress.routes
        assert routes.local_port(f"redis.{team.name}.svc:6000")[0] == first["ports"]["6379"]
        eviction = {"metadata": {"name": pod["metadata"]["name"], "namespace": team.name}}
        team.api.create(f"{runner.path_of(pod)}/eviction", eviction)
        second = eventually(lambda: [i for i in team.processes("redis") if i["ready"] and i["pod"] != first["pod"]], 20)
        assert len(second) == 1
        assert eventually(lambda: said(address, "PING") == ["+PONG"], 10)
        assert eventually(lambda: not Path(f"/proc/{first['pid']}").exists(), 10)
        left = [file.name for file in Path(first["log"]).parent.iterdir()]
        assert left == ["main.log"]

    def test_a_process_that_ends_is_started_again_and_counted(self, team: Team) -> None:
        team.deploy("redis", redis())
        before = team.process("redis")
        os.kill(before["pid"], signal.SIGKILL)
        assert eventually(lambda: team.processes("redis")[0]["waiting"].startswith("CrashLoopBackOff"), 10)
        assert eventually(lambda: team.available("redis") == 0, 10)
        after = team.process("redis")
        assert (after["restarts"], after["pod"]) == (1, before["pod"])
        assert after["pid"] != before["pid"]

        def status() -> dict[str, Any]:
            return dict(team.pods("redis")[0]["status"]["containerStatuses"][0])

        assert eventually(lambda: status()["ready"] and status()["restartCount"] == 1, 10)
        assert status()["lastState"]["terminated"]["exitCode"] == 137

    def test_a_revision_that_does_not_come_up_is_not_rolled_out(self, team: Team) -> None:
        team.deploy("redis", redis())
        old = team.process("redis")
        bad = redis("--maxmemory", "plenty")
        team.api.patch(
            f"/apis/apps/v1/namespaces/{team.name}/deployments/redis",
            {"spec": {"template": {"spec": {"containers": [bad]}}}},
        )
        broken = eventually(lambda: [i for i in team.processes("redis") if i["restarts"] > 0], 30)
        assert broken[0]["pod"] != old["pod"]
        assert "plenty" in Path(broken[0]["log"]).read_text()
        status = team.deployment("redis")
        assert (status["updatedReplicas"], status["unavailableReplicas"], team.available("redis")) == (1, 1, 1)
        assert said(old["ports"]["6379"], "PING") == ["+PONG"]
        good = redis("--maxmemory", "10mb")
        team.api.patch(
            f"/apis/apps/v1/namespaces/{team.name}/deployments/redis",
            {"spec": {"template": {"spec": {"containers": [good]}}}},
        )
        assert eventually(lambda: not Path(f"/proc/{old['pid']}").exists(), 30)
        assert said(team.process("redis")["ports"]["6379"], "CONFIG GET maxmemory")[-1] == "10485760"

    def test_jobs_and_other_images_stay_kwoks(self, team: Team) -> None:
        template = {"spec": {"containers": [redis()], "restartPolicy": "Never"}}
        team.make("jobs", "job", "batch/v1", spec={"template": template})
        team.deploy("web", {"name": "main", "image": "example.org/web:1"})
        job = f"/apis/batch/v1/namespaces/{team.name}/jobs/job"
        assert eventually(lambda: (team.api.get(job).get("status") or {}).get("succeeded") == 1, 20)
        assert eventually(lambda: team.available("web") == 1, 20)
        assert team.processes("") == []


@needs_binaries
@needs("valkey-server", "argocd")
class TestAccount:
    """ServiceAccounts: the cluster's own authorization decides."""

    def test_what_a_pod_may_do_is_what_its_account_may(self, team: Team) -> None:
        """Argo CD's init container makes a Secret: it is refused, and goes on when it is allowed."""
        team.account("redis")
        init = {**container(ARGOCD, command=("argocd", "admin", "redis-initial-password")), "name": "secret-init"}
        env = [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "argocd-redis", "key": "auth"}}}]
        main = redis("--requirepass $(PASSWORD)", env=env)
        team.deploy("redis", main, initContainers=[init], serviceAccountName="redis")

        def status() -> dict[str, Any]:
            found = [item for pod in team.pods("redis") for item in pod["status"].get("initContainerStatuses", [])]
            return dict(found[0]) if found else {}

        assert eventually(lambda: status().get("restartCount", 0) > 0, 40)
        log = next((team.cluster.plane.directory / "pods").glob(f"{team.name}.redis-*/secret-init.log")).read_text()
        caller = f'User "system:serviceaccount:{team.name}:redis" cannot create resource "secrets"'
        assert caller in log.replace("\\", "")
        assert team.pods("redis")[0]["status"]["phase"] == "Pending"
        rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get"]}
        team.account("redis", rule)
        assert eventually(lambda: team.available("redis") == 1, 60)
        assert status()["state"]["terminated"]["exitCode"] == 0
        made = team.api.get(f"/api/v1/namespaces/{team.name}/secrets/argocd-redis")
        password = containers.data_of(made)["auth"].decode()
        assert said(team.process("redis")["ports"]["6379"], f"AUTH {password}") == ["+OK"]


@needs_binaries
@needs("karpenter")
class TestPodIdentity:
    """Karpenter asks EC2 before it does anything else."""

    def role(self, aws: Aws, name: str, *actions: str) -> str:
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust(*actions)]})
        return str(aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"])

    def associate(self, team: Team, account: str, role: str) -> str:
        made = team.cluster.eks.create_pod_identity_association(
            clusterName=team.cluster.name, namespace=team.name, serviceAccount=account, roleArn=role
        )
        return str(made["association"]["associationId"])

    def controller(self, team: Team, name: str, **variables: str) -> None:
        env = [{"name": key, "value": text} for key, text in {"CLUSTER_NAME": team.cluster.name, **variables}.items()]
        probe = {"httpGet": {"path": "/readyz", "port": 8081}}
        team.account(name)
        team.deploy(name, {**container(KARPENTER, env=env), "readinessProbe": probe}, serviceAccountName=name)

    def callers(self, aws: Aws, mark: int) -> set[tuple[str, str]]:
        return {(call["principal"], call["operation"]) for call in aws.state.admin(f"calls?since={mark}")["calls"]}

    def test_a_pod_acts_as_the_role_of_its_association(self, aws: Aws, team: Team) -> None:
        role = self.role(aws, f"{team.name}-controller", "sts:AssumeRole", "sts:TagSession")
        self.associate(team, "controller", role)
        mark = aws.state.admin("calls")["mark"]
        self.controller(team, "controller")
        pod = eventually(lambda: team.pods("controller"), 20)[0]["metadata"]["name"]
        # A session's name has at most 64 characters: of the pod's is left what the UUID leaves.
        session = f"arn:aws:sts::123456789012:assumed-role/{team.name}-controller/{f'eks-dev-{pod}'[:27]}-"

        def mine() -> list[str]:
            return [operation for caller, operation in self.callers(aws, mark) if caller.startswith(session)]

        assert eventually(lambda: "DescribeInstanceTypes" in mine(), 40)
        found = aws.state.admin(f"actions?since={mark}")[role]
        assert "ec2:DescribeInstanceTypes" in found["not_allowed"]

    def test_a_pod_without_an_association_has_no_credentials(self, aws: Aws, team: Team) -> None:
        mark = aws.state.admin("calls")["mark"]
        self.controller(team, "stranger")
        process = eventually(lambda: [item for item in team.processes("stranger") if item["restarts"]], 60)[0]
        assert "no EC2 IMDS role found" in Path(process["log"]).read_text()
        assert team.available("stranger") == 0
        assert not [caller for caller, _ in self.callers(aws, mark) if ":assumed-role/" in caller]
        # EKS' webhook looks when a pod is created: an association changes nothing for those that are there.
        self.associate(team, "stranger", self.role(aws, f"{team.name}-late", "sts:AssumeRole", "sts:TagSession"))
        time.sleep(1.1)
        restarts = process["restarts"]
        assert eventually(lambda: team.processes("stranger")[0]["restarts"] > restarts, 60)
        assert not [caller for caller, _ in self.callers(aws, mark) if ":assumed-role/" in caller]
        for pod in team.pods("stranger"):
            team.api.delete(runner.path_of(pod))
        assert eventually(lambda: [c for c, _ in self.callers(aws, mark) if f"/{team.name}-late/" in c], 60)

    def test_who_wants_to_leave_the_machine_is_refused_and_told(self, aws: Aws, team: Team) -> None:
        role = self.role(aws, f"{team.name}-leaver", "sts:AssumeRole", "sts:TagSession")
        self.associate(team, "leaver", role)
        self.controller(team, "leaver", AWS_ENDPOINT_URL_EC2="https://ec2.eu-central-1.amazonaws.com")

        def refused() -> list[str]:
            return [item["target"] for item in aws.planes.describe()["outside"]["refusals"]]

        assert eventually(lambda: "ec2.eu-central-1.amazonaws.com:443" in refused(), 60)

    def ask(self, team: Team, token: str) -> tuple[int, str]:
        headers = {"Authorization": token} if token else {}
        request = urllib.request.Request(team.cluster.plane.workloads.agent.url, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    @pytest.fixture
    def token(self, team: Team) -> Callable[..., str]:
        """A token of a ServiceAccount that is bound to a pod."""
        team.account("app")
        team.deploy("web", {"name": "main", "image": "example.org/web:1"}, serviceAccountName="app")
        meta = eventually(lambda: team.pods("web"), 20)[0]["metadata"]

        def make(audience: str = pod_identity.AUDIENCE, *, bound: bool = True) -> str:
            reference = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
            spec = {"audiences": [audience], **({"boundObjectRef": reference} if bound else {})}
            path = f"/api/v1/namespaces/{team.name}/serviceaccounts/app/token"
            return str(team.api.create(path, {"spec": spec})["status"]["token"])

        return make

    def test_the_agent_answers_as_that_of_eks_does(self, aws: Aws, team: Team, token: Callable[..., str]) -> None:
        status, text = self.ask(team, "")
        assert (status, "cannot be empty" in text) == (400, True)
        assert "(InvalidTokenException)" in self.ask(team, "not.a.token")[1]
        assert self.ask(team, token("https://kubernetes.default.svc"))[0] == 400
        assert "bound to a pod" in self.ask(team, token(bound=False))[1]
        status, text = self.ask(team, token())
        assert (status, "(ResourceNotFoundException)" in text) == (404, True)
        role = self.role(aws, f"{team.name}-app", "sts:AssumeRole", "sts:TagSession")
        self.associate(team, "app", role)
        status, text = self.ask(team, token())
        given = json.loads(text)
        assert (status, given["AccountId"]) == (200, "123456789012")
        ends = datetime.datetime.fromisoformat(given["Expiration"]) - datetime.datetime.now(datetime.UTC)
        assert datetime.timedelta(hours=5) < ends <= datetime.timedelta(hours=6)
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust("sts:AssumeRole")]})
        aws("iam").update_assume_role_policy(RoleName=f"{team.name}-app", PolicyDocument=document)
        status, text = self.ask(team, token())
        assert (status, "(AccessDeniedException)" in text) == (400, True)
