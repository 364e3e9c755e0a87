# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an object of a cluster is: its kind, its identity, what kinds Kubernetes itself has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PART_OF = "applyset.kubernetes.io/part-of"
"""The label that members of a set bear (https://github.com/kubernetes/enhancements/tree/master/keps/sig-cli/3659-kubectl-apply-prune)."""
HOLDS_DATA = ("Namespace", "PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition.apiextensions.k8s.io")
"""What takes data along when it goes: its own, or all that is in it or of it."""
CRD = "CustomResourceDefinition.apiextensions.k8s.io"
NAMESPACE = "Namespace"
LAST = (
    "APIService.apiregistration.k8s.io",
    "MutatingWebhookConfiguration.admissionregistration.k8s.io",
    "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
)
"""What stands in the way of everything else as long as what it points to doesn't run."""
CLUSTER_SCOPED = frozenset(
    {
        *LAST,
        *(item for item in HOLDS_DATA if item != "PersistentVolumeClaim"),
        "CSIDriver.storage.k8s.io",
        "CSINode.storage.k8s.io",
        "CertificateSigningRequest.certificates.k8s.io",
        "ClusterRole.rbac.authorization.k8s.io",
        "ClusterRoleBinding.rbac.authorization.k8s.io",
        "ClusterTrustBundle.certificates.k8s.io",
        "DeviceClass.resource.k8s.io",
        "FlowSchema.flowcontrol.apiserver.k8s.io",
        "IPAddress.networking.k8s.io",
        "IngressClass.networking.k8s.io",
        "MutatingAdmissionPolicy.admissionregistration.k8s.io",
        "MutatingAdmissionPolicyBinding.admissionregistration.k8s.io",
        "Node",
        "PriorityClass.scheduling.k8s.io",
        "PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io",
        "RuntimeClass.node.k8s.io",
        "ServiceCIDR.networking.k8s.io",
        "StorageClass.storage.k8s.io",
        "ValidatingAdmissionPolicy.admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io",
        "VolumeAttachment.storage.k8s.io",
        "VolumeAttributesClass.storage.k8s.io",
    }
)
"""The kinds of Kubernetes itself that are in no namespace (https://kubernetes.io/docs/reference/kubernetes-api/)."""
OWN_GROUPS = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)
"""The groups of Kubernetes itself; of the kinds in them it is known without asking whether they are in namespaces."""


def split(api_version: str) -> tuple[str, str]:
    """Return group and version: ``apps/v1`` is apps and v1, ``v1`` has the empty group."""
    group, _slash, version = api_version.rpartition("/")
    return group, version


def group_kind(document: Mapping[str, Any]) -> str:
    """Return ``Deployment.apps``, and ``Namespace`` for kinds of the empty group, as ApplySets write it."""
    group, _version = split(str(document.get("apiVersion", "")))
    return f"{document.get('kind')}.{group}".rstrip(".")


def parted(name: str) -> tuple[str, str]:
    """Return group and kind of what :func:`group_kind` returns."""
    kind, _dot, group = name.partition(".")
    return group, kind


def identity(document: Mapping[str, Any]) -> str:
    """Return ``Deployment.apps/backend/web``, or ``Namespace/backend`` for what is in no namespace."""
    metadata = document.get("metadata") or {}
    return "/".join(part for part in (group_kind(document), metadata.get("namespace"), metadata.get("name")) if part)


def is_secret(document: Mapping[str, Any]) -> bool:
    """Tell whether an object's data are not to be shown."""
    return group_kind(document) == "Secret"


def crd_kind(document: Mapping[str, Any]) -> str:
    """Return the kind that a CustomResourceDefinition defines, as ``NodePool.karpenter.sh``."""
    spec = document.get("spec") or {}
    return f"{(spec.get('names') or {}).get('kind')}.{spec.get('group')}"


def crd_versions(document: Mapping[str, Any]) -> list[str]:
    """Return the versions that a CustomResourceDefinition serves."""
    return [item["name"] for item in (document.get("spec") or {}).get("versions") or () if item.get("served")]
