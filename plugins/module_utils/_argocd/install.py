# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role changes in the manifests that Argo CD publishes, and what it adds to them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .access import policy
from .projects import closed_project
from .settings import NAMESPACE, Settings

PRIORITY = "argocd"
_SSO = "sso"
_CERTIFICATE = "certificate"
_PART_OF = {"app.kubernetes.io/part-of": "argocd"}


@dataclass(frozen=True)
class Workload:
    """A workload of the published manifests.

    :param containers: for each container what it asks for of CPU and memory, and the memory that it may have. A few
        dozen applications of one cluster take half of it. The CPU isn't limited: it would only be slower.
    :param spread: in the manifests for high availability, whether it runs more than once.
    """

    kind: str
    name: str
    containers: Mapping[str, tuple[str, str, str]]
    spread: bool = False


_CORE = (
    Workload(
        "StatefulSet",
        "argocd-application-controller",
        {"argocd-application-controller": ("250m", "512Mi", "1Gi")},
    ),
    Workload(
        "Deployment",
        "argocd-applicationset-controller",
        {"argocd-applicationset-controller": ("50m", "128Mi", "256Mi")},
    ),
    # Rendering a large chart takes a few hundred MiB for a moment.
    Workload("Deployment", "argocd-repo-server", {"argocd-repo-server": ("100m", "256Mi", "1Gi")}, spread=True),
    Workload("Deployment", "argocd-server", {"argocd-server": ("50m", "128Mi", "512Mi")}, spread=True),
)
_REDIS = (Workload("Deployment", "argocd-redis", {"redis": ("50m", "64Mi", "256Mi")}),)
_REDIS_HA = (
    Workload(
        "StatefulSet",
        "argocd-redis-ha-server",
        {
            "redis": ("50m", "64Mi", "256Mi"),
            "sentinel": ("20m", "32Mi", "64Mi"),
            "split-brain-fix": ("10m", "16Mi", "64Mi"),
        },
        spread=True,
    ),
    Workload("Deployment", "argocd-redis-ha-haproxy", {"haproxy": ("50m", "64Mi", "256Mi")}, spread=True),
)
_UNUSED = (
    # Dex stands between Argo CD and providers that don't speak OIDC.
    *(
        (*kind, "argocd-dex-server")
        for kind in (
            ("apps/v1", "Deployment"),
            ("v1", "Service"),
            ("v1", "ServiceAccount"),
            ("rbac.authorization.k8s.io/v1", "Role"),
            ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        )
    ),
    ("networking.k8s.io/v1", "NetworkPolicy", "argocd-dex-server-network-policy"),
    # Nobody is notified until it is said who and of what.
    *(
        (*kind, "argocd-notifications-controller")
        for kind in (
            ("apps/v1", "Deployment"),
            ("v1", "ServiceAccount"),
            ("rbac.authorization.k8s.io/v1", "Role"),
            ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        )
    ),
    ("v1", "Service", "argocd-notifications-controller-metrics"),
    ("networking.k8s.io/v1", "NetworkPolicy", "argocd-notifications-controller-network-policy"),
)
"""Published objects that are left out: nothing runs that nothing needs."""

# An application in another application's directory is as healthy as what is in it, and no sooner than it has followed
# the commit that its parent is at: else the next wave begins while this one still has the state of the last commit.
# What goes wrong for a moment (a repository server that starts) is progress: a wave that is Degraded fails the sync.
_APPLICATION_HEALTH = """\
local health = {status = "Progressing", message = "not compared with its repository yet"}
local status = obj.status
if status == nil or status.health == nil or status.health.status == nil then
  return health
end
if status.operationState ~= nil and status.operationState.phase == "Running" then
  health.message = "being synchronized"
  return health
end
local policy = obj.spec.syncPolicy
local automated = policy ~= nil and policy.automated ~= nil and policy.automated.enabled ~= false
if automated and status.health.status == "Healthy" and (status.sync == nil or status.sync.status ~= "Synced") then
  health.message = "not synchronized yet"
  return health
end
health.status = status.health.status
health.message = status.health.message or ""
return health
"""


def workloads(settings: Settings) -> tuple[Workload, ...]:
    """Return the workloads that run."""
    return _CORE + (_REDIS_HA if settings.high_availability else _REDIS)


def additions(settings: Settings) -> list[dict[str, Any]]:
    """Return the objects beside the published ones."""
    return [
        # All pods of the published manifests keep to the strictest of the Pod Security Standards.
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": NAMESPACE,
                "labels": {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")},
            },
        },
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": PRIORITY},
            "description": "Argo CD: before applications, after what the cluster itself needs.",
            "value": 1_000_000,
        },
        closed_project(),
        *_secrets(settings),
        *_budgets(settings),
    ]


def addition_secrets(settings: Settings) -> list[dict[str, str]]:
    """Return which secrets of Secrets Manager they need, by the name that they refer to them by."""
    wanted = {_SSO: settings.sso.get("secret_id"), _CERTIFICATE: settings.certificate_secret}
    return [{"name": name, "secret_id": identifier} for name, identifier in wanted.items() if identifier]


def patches(settings: Settings) -> list[dict[str, Any]]:
    """Return what is changed in the published manifests."""
    parameters = _parameters(settings)
    timing = _timing(settings)
    running = workloads(settings)
    return [
        _config_map("argocd-cm", {**_configuration(settings), **timing}),
        _config_map("argocd-cmd-params-cm", parameters),
        _config_map("argocd-rbac-cm", _access(settings)),
        *([_config_map("argocd-tls-certs-cm", {settings.host: settings.repository_ca})] * bool(settings.repository_ca)),
        *(_workload(settings, workload, _digest({**parameters, **timing})) for workload in running),
        *(_left_out(*unused) for unused in _UNUSED),
    ]


def _configuration(settings: Settings) -> dict[str, str]:
    """Return argocd-cm (https://argo-cd.readthedocs.io/en/stable/operator-manual/argocd-cm-yaml/)."""
    data = {
        "url": f"https://argocd.{settings.domain}",
        # Whose account ends in the directory of people has no way in any more; one shared password would be such a way.
        "admin.enabled": str(not settings.sso).lower(),
        "users.anonymous.enabled": "false",
        "exec.enabled": "false",
        "statusbadge.enabled": "false",
        "application.resourceTrackingMethod": "annotation",
        # What isn't in the revision that an application follows is an `override`, which no role has.
        "application.sync.requireOverridePrivilegeForRevisionSync": "true",
        "resource.customizations.health.argoproj.io_Application": _APPLICATION_HEALTH,
    }
    if settings.sso:
        data["oidc.config"] = json.dumps(_oidc(settings.sso), indent=2, sort_keys=True)
    return data


def _oidc(sso: Mapping[str, Any]) -> dict[str, Any]:
    claim = sso.get("groups_claim") or "groups"
    return {
        "name": sso.get("name") or "SSO",
        "issuer": sso["issuer"],
        "clientID": sso["client_id"],
        "clientSecret": f"$argocd-{_SSO}:client_secret",
        "requestedScopes": list(sso.get("scopes") or ["openid", "profile", "email"]),
        "requestedIDTokenClaims": {claim: {"essential": True}},
    }


def _timing(settings: Settings) -> dict[str, str]:
    return {
        "timeout.reconciliation": f"{settings.reconciliation_seconds}s",
        # Not all of them at the same moment.
        "timeout.reconciliation.jitter": f"{settings.reconciliation_seconds // 6}s",
    }


def _parameters(settings: Settings) -> dict[str, str]:
    """Return argocd-cmd-params-cm (https://argo-cd.readthedocs.io/en/stable/operator-manual/argocd-cmd-params-cm-yaml/)."""
    programs = ("controller", "server", "reposerver", "applicationsetcontroller")
    return {
        **{f"{program}.log.format": "json" for program in programs},
        "server.insecure": "false",
        "server.tls.minversion": settings.tls_minimum_version,
        # Both of its ends are Argo CD's.
        "reposerver.tls.minversion": "1.3",
        # Generators that ask a Git host's API could be told to send its token elsewhere; nothing here uses them.
        "applicationsetcontroller.enable.scm.providers": "false",
        **{name: str(value) for name, value in settings.parameters.items()},
    }


def _access(settings: Settings) -> dict[str, str]:
    """Return argocd-rbac-cm (https://argo-cd.readthedocs.io/en/stable/operator-manual/argocd-rbac-cm-yaml/)."""
    claim = settings.sso.get("groups_claim") or "groups"
    return {
        # Who is nobody's member may look at nothing.
        "policy.default": "",
        "policy.csv": policy(settings),
        "policy.matchMode": "glob",
        "scopes": json.dumps([claim]),
    }


def _workload(settings: Settings, workload: Workload, digest: str) -> dict[str, Any]:
    """Return the patch of one workload: where it runs, before whom, and with how much."""
    pod: dict[str, Any] = {
        "priorityClassName": PRIORITY,
        "nodeSelector": dict(settings.node_selector),
        "tolerations": [dict(item) for item in settings.tolerations],
        "containers": [
            {"name": name, "resources": _resources(settings, name, *asked)}
            for name, asked in workload.containers.items()
        ],
    }
    labels = {"app.kubernetes.io/name": _NAMES.get(workload.name, workload.name)}
    if settings.high_availability and workload.spread:
        pod["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels},
            }
        ]
    spec: dict[str, Any] = {
        "template": {"metadata": {"annotations": {"innovate.platform/parameters": digest}}, "spec": pod}
    }
    if workload.name == "argocd-redis-ha-haproxy":
        # Three pods that share no node: on three nodes there is no room for a fourth while they are replaced.
        spec["strategy"] = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    return {
        "apiVersion": "apps/v1",
        "kind": workload.kind,
        "metadata": {"name": workload.name, "namespace": NAMESPACE},
        "spec": spec,
    }


_NAMES = {"argocd-redis-ha-server": "argocd-redis-ha"}
"""The label app.kubernetes.io/name, where it isn't the workload's own name."""


def _resources(settings: Settings, container: str, cpu: str, memory: str, limit: str) -> dict[str, Any]:
    asked = {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}
    for name, value in settings.resources.get(container, {}).items():
        asked[name] = {**asked.get(name, {}), **value}
    return asked


def _left_out(api_version: str, kind: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "$patch": "delete",
    }


def _config_map(name: str, data: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": dict(data),
    }


def _secrets(settings: Settings) -> Iterator[dict[str, Any]]:
    if settings.sso:
        # Argo CD reads other Secrets than its own only when they bear this label.
        yield _secret(f"argocd-{_SSO}", "Opaque", {"client_secret": f"${{secret.{_SSO}.client_secret}}"})
    if settings.certificate_secret:
        yield _secret(
            "argocd-server-tls",
            "kubernetes.io/tls",
            {
                "tls.crt": f"${{secret.{_CERTIFICATE}.certificate}}",
                "tls.key": f"${{secret.{_CERTIFICATE}.private_key}}",
            },
        )


def _secret(name: str, kind: str, content: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": dict(_PART_OF)},
        "type": kind,
        "stringData": dict(content),
    }


def _budgets(settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield disruption budgets where there is more than one pod; with one they would keep nodes from being emptied."""
    for workload in workloads(settings) if settings.high_availability else ():
        if workload.spread:
            name = _NAMES.get(workload.name, workload.name)
            yield {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": workload.name, "namespace": NAMESPACE, "labels": dict(_PART_OF)},
                "spec": {
                    "maxUnavailable": 1,
                    "unhealthyPodEvictionPolicy": "AlwaysAllow",
                    "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
                },
            }


def _digest(data: Mapping[str, str]) -> str:
    """Return what changes when parameters do: programs read them when they start, so that their pods have to change."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
