# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens in the clusters of the emulated AWS, seen and tried as anybody would who has a token for them."""

from __future__ import annotations

import base64
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import kubernetes.client
import yaml
from kubernetes.client.exceptions import ApiException

from rehearsal.estate import PROFILE, Account
from rehearsal.kubernetes import tokens
from rehearsal.state import REGION

#: The Secrets Manager secret of each environment's account from which Argo CD gets into the platform-config repository.
CREDENTIAL = "platform-config"
#: Seconds for what Argo CD and Karpenter do by themselves, on a machine that is busy with other things.
PATIENCE = 300.0
_numbers = itertools.count(1)


class NotSettledError(RuntimeError):
    """What should have come by itself and didn't, with what stands instead."""


@dataclass
class Cluster:
    """One cluster, called with a token of the account's access role or of other credentials."""

    account: Account
    described: dict[str, Any]
    _folder: tempfile.TemporaryDirectory[str] = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="rehearsal-clusters-")
    )

    @property
    def name(self) -> str:
        """The cluster's name."""
        return str(self.described["name"])

    def api(self, credentials: dict[str, str] | None = None) -> kubernetes.client.ApiClient:
        """Return a client with endpoint and authority of DescribeCluster and a token that is good for 14 minutes."""
        authority = Path(self._folder.name) / "ca.crt"
        authority.write_bytes(base64.b64decode(self.described["certificateAuthority"]["data"]))
        session = boto3.Session(**(credentials or self.account.credentials), region_name=REGION)
        configuration = kubernetes.client.Configuration()
        configuration.host = self.described["endpoint"]
        configuration.ssl_ca_cert = str(authority)
        token = tokens.token(session, self.name, self.account.emulator.endpoint)
        configuration.api_key = {"authorization": f"Bearer {token}"}
        return kubernetes.client.ApiClient(configuration)

    def core(self, credentials: dict[str, str] | None = None) -> kubernetes.client.CoreV1Api:
        """Return a client for pods, nodes, namespaces and what else is in the core group."""
        return kubernetes.client.CoreV1Api(self.api(credentials))

    def applications(self) -> list[Application]:
        """Return Argo CD's applications."""
        found = kubernetes.client.CustomObjectsApi(self.api()).list_namespaced_custom_object(
            "argoproj.io", "v1alpha1", "argocd", "applications"
        )
        return sorted((Application.of(item) for item in found["items"]), key=lambda item: item.name)


@dataclass(frozen=True)
class Application:
    """An application of Argo CD: what it says of itself, and why it isn't well where it isn't."""

    name: str
    sync: str
    health: str
    revision: str
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, document: dict[str, Any]) -> Application:
        """Read an Application object."""
        status = document.get("status") or {}
        sync = status.get("sync") or {}
        told = [item["message"] for item in status.get("conditions") or []]
        told += filter(None, [(status.get("operationState") or {}).get("message")])
        return cls(
            document["metadata"]["name"],
            sync.get("status", "Unknown"),
            (status.get("health") or {}).get("status", "Unknown"),
            sync.get("revision", ""),
            tuple(told),
        )

    @property
    def well(self) -> bool:
        """Whether the cluster has what the repository says, and it works."""
        return (self.sync, self.health) == ("Synced", "Healthy")


def survey(accounts: Iterable[Account]) -> list[Cluster]:
    """Return the clusters of accounts."""
    return [Cluster(account, described) for account in accounts for described in account.clusters]


def give_credential(accounts: Iterable[Account], repository: dict[str, str]) -> list[str]:
    """Put the repository's credential into each account's Secrets Manager, as a person does once.

    Returns the names of the accounts that didn't have it.
    """
    given = []
    content = json.dumps({"username": repository["username"], "password": repository["password"]})
    for account in accounts:
        manager = account.client("secretsmanager")
        try:
            manager.create_secret(Name=CREDENTIAL, SecretString=content)
        except manager.exceptions.ResourceExistsException:
            continue
        given.append(account.name)
    return given


def wait[T](found: Callable[[], T | None], what: Callable[[], str], patience: float = PATIENCE) -> T:
    """Return what is found in the end.

    Raises:
        NotSettledError: it isn't found in time; ``what`` says what is there instead.
    """
    ended = time.monotonic() + patience
    while True:
        value = found()
        if value is not None:
            return value
        if time.monotonic() > ended:
            raise NotSettledError(f"after {patience:.0f} s {what()}")
        time.sleep(0.5)


def settled(cluster: Cluster, patience: float = PATIENCE) -> list[Application]:
    """Return a cluster's applications when the root and all that it declares are Synced and Healthy.

    Raises:
        NotSettledError: that takes too long; it tells each application's state and what Argo CD says of it.
    """
    last: list[Application] = []

    def look() -> list[Application] | None:
        last[:] = cluster.applications()
        # The root alone is well for a moment before its children are there.
        return list(last) if len(last) > 1 and all(item.well for item in last) else None

    def told() -> str:
        states = [
            f"{item.name} is {item.sync} and {item.health}{': ' if item.reasons else ''}{'; '.join(item.reasons)}"
            for item in last
        ]
        return f"cluster {cluster.name} has not settled: {', '.join(states) or 'it has no application'}"

    return wait(look, told, patience)


def try_node(cluster: Cluster, patience: float = PATIENCE) -> str:
    """Ask for a pod that wants a node for itself, and take it away when it runs; see Karpenter's node come and go.

    Returns a line that says so.

    Raises:
        NotSettledError: the pod isn't scheduled or the node doesn't go.
    """
    core = cluster.core()
    name = f"rehearsal-{next(_numbers)}-{int(time.time())}"
    # Beside no other pod, and no other pod beside it: the node is for this one alone.
    alone = {"labelSelector": {}, "namespaceSelector": {}, "topologyKey": "kubernetes.io/hostname"}
    pod = {
        "metadata": {"name": name},
        "spec": {
            "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [alone]}},
            "containers": [
                {
                    "name": "pause",
                    "image": "registry.k8s.io/pause:3.10.1",
                    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
                }
            ],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
        },
    }
    began = time.monotonic()
    core.create_namespaced_pod("default", pod)

    def running() -> str | None:
        now = core.read_namespaced_pod(name, "default")
        return str(now.spec.node_name) if now.status.phase == "Running" else None

    def pending() -> str:
        events = core.list_namespaced_event("default", field_selector=f"involvedObject.name={name}").items
        return f"pod {name} doesn't run in {cluster.name}: " + "; ".join(event.message for event in events)

    try:
        node = wait(running, pending, patience)
        labels = core.read_node(node).metadata.labels
        came = time.monotonic() - began
    finally:
        core.delete_namespaced_pod(name, "default")
    pool = labels.get("karpenter.sh/nodepool")
    if pool is None:
        raise NotSettledError(f"{node} of {cluster.name}, where {name} ran, is not Karpenter's: {labels}")
    began = time.monotonic()
    wait(lambda: _gone(core, node), lambda: f"node {node} of {cluster.name} is still there, without a pod", patience)
    went = time.monotonic() - began
    kind, capacity = labels["node.kubernetes.io/instance-type"], labels["karpenter.sh/capacity-type"]
    return (
        f"{cluster.name}: a pod ran after {came:.0f} s on {node}, which Karpenter made of NodePool {pool} "
        f"({kind}, {capacity}); without the pod the node was gone after {went:.0f} s"
    )


def _gone(core: kubernetes.client.CoreV1Api, node: str) -> bool | None:
    try:
        core.read_node(node)
    except ApiException as error:
        if error.status == 404:
            return True
        raise
    return None


def side_by_side[T](function: Callable[[Cluster], T], clusters: list[Cluster]) -> list[T]:
    """Return a function's values for clusters, in their order."""
    with ThreadPoolExecutor(max(1, len(clusters))) as pool:
        return list(pool.map(function, clusters))


def write_kubeconfig(path: Path, clusters: Iterable[Cluster], aws_config: Path) -> None:
    """Write a kubeconfig with a context for each cluster; its tokens come from the AWS CLI, as on EKS."""
    document: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for cluster in clusters:
        name = cluster.name
        authority = cluster.described["certificateAuthority"]["data"]
        server = {"server": cluster.described["endpoint"], "certificate-authority-data": authority}
        execution = {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": str(Path(sys.executable).with_name("aws")),
            "args": ["--profile", f"{PROFILE}{cluster.account.name}", "eks", "get-token", "--cluster-name", name],
            "env": [{"name": "AWS_CONFIG_FILE", "value": str(aws_config)}],
            "interactiveMode": "Never",
        }
        document["clusters"].append({"name": name, "cluster": server})
        document["users"].append({"name": name, "user": {"exec": execution}})
        document["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
        document.setdefault("current-context", name)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
