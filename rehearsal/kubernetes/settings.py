# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs of a control plane are told: their flags and their configuration files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.kubernetes.pki import Credentials

_STAGES = Path(__file__).with_name("stages.yaml")


@dataclass(frozen=True)
class Settings:
    """What a cluster's flags follow from.

    Attributes:
        directory: Where the cluster's configuration files are.
        version: A Kubernetes version to emulate; empty for the programs' own.
        authority: The cluster's certificate authority.
        server: The certificate of API server and kubelets.
        accounts: The keys of ServiceAccounts' tokens.
        front: The certificate that the API server shows to aggregated ones.
    """

    directory: Path
    version: str
    etcd: str
    prefix: str
    service_cidr: str
    issuer: str
    port: int
    kubelet_port: int
    authority: Credentials
    server: Credentials
    accounts: Credentials
    front: Credentials

    def _emulated(self) -> list[str]:
        return [f"--emulated-version=kube={self.version}"] if self.version else []

    def api_server(self) -> list[str]:
        """The flags of kube-apiserver."""
        return [
            f"--etcd-servers={self.etcd}",
            f"--etcd-prefix={self.prefix}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--secure-port={self.port}",
            f"--service-cluster-ip-range={self.service_cidr}",
            f"--client-ca-file={self.authority.certificate}",
            f"--tls-cert-file={self.server.certificate}",
            f"--tls-private-key-file={self.server.key}",
            f"--service-account-issuer={self.issuer}",
            "--api-audiences=https://kubernetes.default.svc",
            f"--service-account-key-file={self.accounts.certificate}",
            f"--service-account-signing-key-file={self.accounts.key}",
            f"--requestheader-client-ca-file={self.authority.certificate}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={self.front.certificate}",
            f"--proxy-client-key-file={self.front.key}",
            f"--authentication-token-webhook-config-file={self.directory / 'token-webhook.json'}",
            "--authentication-token-webhook-version=v1",
            # EKS notices a changed access entry after some seconds, too.
            "--authentication-token-webhook-cache-ttl=5s",
            f"--authorization-config={self.directory / 'authorization.json'}",
            f"--egress-selector-config-file={self.directory / 'egress.json'}",
            f"--audit-policy-file={self.directory / 'audit-policy.json'}",
            f"--audit-log-path={self.directory / 'audit.log'}",
            "--audit-log-maxsize=50",
            "--audit-log-maxbackup=1",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--profiling=false",
            *self._emulated(),
        ]

    def controller_manager(self) -> list[str]:
        """The flags of kube-controller-manager."""
        return [
            f"--kubeconfig={self.directory / 'kube-controller-manager.kubeconfig'}",
            "--secure-port=0",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self.accounts.key}",
            f"--root-ca-file={self.authority.certificate}",
            f"--cluster-signing-cert-file={self.authority.certificate}",
            f"--cluster-signing-key-file={self.authority.key}",
            "--allocate-node-cidrs=false",
            "--node-monitor-grace-period=60s",
            "--kube-api-qps=100",
            "--kube-api-burst=200",
            *self._emulated(),
        ]

    def scheduler(self) -> list[str]:
        """The flags of kube-scheduler."""
        return [
            f"--kubeconfig={self.directory / 'kube-scheduler.kubeconfig'}",
            "--secure-port=0",
            "--leader-elect=false",
            *self._emulated(),
        ]

    def kwok(self) -> list[str]:
        """The flags of KWOK."""
        return [
            f"--kubeconfig={self.directory / 'kwok.kubeconfig'}",
            f"--config={self.directory / 'kwok.yaml'}",
            "--manage-all-nodes=true",
            "--node-lease-duration-seconds=40",
            "--cidr=100.64.0.0/16",
            f"--server-address=127.0.0.1:{self.kubelet_port}",
            f"--tls-cert-file={self.server.certificate}",
            f"--tls-private-key-file={self.server.key}",
        ]


def kubeconfig(cluster: dict[str, str], user: dict[str, str]) -> dict[str, Any]:
    """A kubeconfig with one cluster and one user."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": user}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }


def client_kubeconfig(port: int, authority: Path, client: Credentials) -> dict[str, Any]:
    """A kubeconfig with a client certificate."""
    server = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority)}
    return kubeconfig(server, {"client-certificate": str(client.certificate), "client-key": str(client.key)})


def configuration(directory: Path, webhooks: str, socket: Path) -> dict[str, dict[str, Any]]:
    """The API server's configuration files by name. ``webhooks`` is where this cluster's are."""
    transport = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(socket)}}}
    return {
        "token-webhook.json": kubeconfig({"server": f"{webhooks}/token"}, {}),
        "authorize-webhook.json": kubeconfig({"server": f"{webhooks}/authorize"}, {}),
        "authorization.json": _authorization(directory / "authorize-webhook.json"),
        "egress.json": {
            "apiVersion": "apiserver.k8s.io/v1beta1",
            "kind": "EgressSelectorConfiguration",
            # `cluster` are Services and nodes, `controlplane` are webhooks by URL and the emulator's own.
            "egressSelections": [{"name": name, "connection": transport} for name in ("cluster", "controlplane")],
        },
        "audit-policy.json": _audit_policy(),
    }


def _authorization(webhook: Path) -> dict[str, Any]:
    eks = {
        "subjectAccessReviewVersion": "v1",
        "matchConditionSubjectAccessReviewVersion": "v1",
        "timeout": "10s",
        "authorizedTTL": "5s",
        "unauthorizedTTL": "5s",
        "cacheAuthorizedRequests": False,
        "cacheUnauthorizedRequests": False,
        "failurePolicy": "NoOpinion",
        "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": str(webhook)},
        # Only callers that came by an access entry have policies.
        "matchConditions": [{"expression": "!request.user.startsWith('system:')"}],
    }
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthorizationConfiguration",
        "authorizers": [
            {"type": "Node", "name": "node"},
            {"type": "RBAC", "name": "rbac"},
            {"type": "Webhook", "name": "eks", "webhook": eks},
        ],
    }


def _audit_policy() -> dict[str, Any]:
    silent = [
        {"group": "", "resources": ["events", "nodes/status", "pods/status"]},
        {"group": "coordination.k8s.io"},
        {"group": "events.k8s.io"},
    ]
    programs = ["system:kube-scheduler", "system:kube-controller-manager", "system:apiserver"]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "resources": silent},
            {"level": "None", "users": ["rehearsal"], "verbs": ["get", "list"]},
            {"level": "None", "userGroups": ["system:nodes", "system:masters"], "verbs": ["watch"]},
            {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
            {"level": "None", "userGroups": ["system:serviceaccounts"]},
            {"level": "None", "users": programs},
            {"level": "Metadata"},
        ],
    }


def kwok_configuration(log: Path, ours: str = "") -> str:
    """KWOK's configuration: the stages of nodes and pods, and the file that is every pod's log.

    ``ours`` is a regular expression for the images of pods that really run; empty where none does. Jobs are KWOK's.
    """
    logs = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterLogs",
        "metadata": {"name": "all"},
        "spec": {"logs": [{"logsFile": str(log)}]},
    }
    query = (
        'select( [.metadata.ownerReferences[]?.kind] | index("Job") | not )'
        f" | .spec.initContainers[]?, .spec.containers[] | .image | select( test({json.dumps(ours)}) )"
    )
    stages = _STAGES.read_text().replace("key: __OURS__", f"key: {json.dumps(query if ours else 'empty')}")
    return f"{stages}---\n{json.dumps(logs)}\n"
