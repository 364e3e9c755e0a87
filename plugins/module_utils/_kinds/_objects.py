# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to know of a Kubernetes object by looking at it: its identity, what it uses, whether it is ready."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._engine.errors import EngineError
from .._engine.resource import transform

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
_POD_PATHS = {
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    "Pod": ("spec",),
    **dict.fromkeys(
        ("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"),
        ("spec", "template", "spec"),
    ),
}
_SERVER_SET = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")
_HIDDEN = "(secret)"


class Hidden:
    """A value that is sent, but never shown: it prints as ``(secret)``."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and other.value == self.value

    def __hash__(self) -> int:
        return hash(_HIDDEN)

    def __str__(self) -> str:
        return _HIDDEN

    __repr__ = __str__


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


def hidden(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object whose secret values are :class:`Hidden`."""
    shown = dict(document)
    if is_secret(document):
        for name in ("data", "stringData"):
            if isinstance(shown.get(name), Mapping):
                shown[name] = {
                    key: value if isinstance(value, Hidden) else Hidden(value) for key, value in shown[name].items()
                }
    return shown


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object as it is sent, nothing hidden."""
    found: dict[str, Any] = transform(document, lambda leaf: leaf.value if isinstance(leaf, Hidden) else leaf)
    return found


def cleaned(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without what the API server keeps for itself; what is in Secrets is hidden."""
    found = copy.deepcopy({key: value for key, value in document.items() if key != "status"})
    metadata = found.get("metadata") or {}
    for name in _SERVER_SET:
        metadata.pop(name, None)
    if is_secret(found) and metadata.get("annotations"):
        # kubectl keeps a copy of all that it applied.
        metadata["annotations"].pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return hidden(found)


def marked_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``after`` with a word at each hidden value that differs, since both would be shown the same."""
    if not is_secret(after):
        return dict(after)
    old = before.get("data") or {}
    data = {
        key: value if old.get(key) == value else f"{_HIDDEN}, {'another one' if key in old else 'added'}"
        for key, value in (after.get("data") or {}).items()
    }
    return {**after, **({"data": data} if data else {})}


def _pod_spec(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = document if str(document.get("kind")) in _POD_PATHS else {}
    for name in _POD_PATHS.get(str(document.get("kind")), ()):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def uses(document: Mapping[str, Any]) -> set[str]:
    """Return the identities of what an object names: its namespace, a binding's role, what a pod mounts."""
    metadata = document.get("metadata") or {}
    namespace = metadata.get("namespace") or ""
    found = {f"{NAMESPACE}/{namespace}"} if namespace else set()
    role = document.get("roleRef") or {}
    if role:
        scope = f"/{namespace}" if role.get("kind") == "Role" else ""
        found.add(f"{role.get('kind')}.rbac.authorization.k8s.io{scope}/{role.get('name')}")
    spec = _pod_spec(document)
    if spec:
        found |= {f"{kind}/{namespace}/{name}" for kind, name in _mounted(spec)}
        if spec.get("priorityClassName"):
            found.add(f"PriorityClass.scheduling.k8s.io/{spec['priorityClassName']}")
    return found


def _mounted(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", str(spec.get("serviceAccountName") or "default")
    volumes = [item for item in spec.get("volumes") or () if isinstance(item, Mapping)]
    for volume in [
        *volumes,
        *(part for item in volumes for part in (item.get("projected") or {}).get("sources") or ()),
    ]:
        for field, kind, key in (
            ("configMap", "ConfigMap", "name"),
            ("secret", "Secret", "secretName" if "name" in volume else "name"),
            ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
        ):
            if (volume.get(field) or {}).get(key):
                yield kind, volume[field][key]
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        sources = [
            *(container.get("envFrom") or ()),
            *((item.get("valueFrom") or {}) for item in container.get("env") or ()),
        ]
        for source in sources:
            for field, kind in (
                ("configMapRef", "ConfigMap"),
                ("configMapKeyRef", "ConfigMap"),
                ("secretRef", "Secret"),
                ("secretKeyRef", "Secret"),
            ):
                if (source.get(field) or {}).get("name"):
                    yield kind, source[field]["name"]


def crd_kind(document: Mapping[str, Any]) -> str:
    """Return the kind that a CustomResourceDefinition defines, as ``NodePool.karpenter.sh``."""
    spec = document.get("spec") or {}
    return f"{(spec.get('names') or {}).get('kind')}.{spec.get('group')}"


def crd_versions(document: Mapping[str, Any]) -> list[str]:
    """Return the versions that a CustomResourceDefinition serves."""
    return [item["name"] for item in (document.get("spec") or {}).get("versions") or () if item.get("served")]


def needs(documents: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Return, by identity, which of these objects each needs before it: also what only stands behind all others."""
    known = {identity(document): document for document in documents}
    definitions = {crd_kind(item): name for name, item in known.items() if group_kind(item) == CRD}
    found: dict[str, set[str]] = {}
    for name, document in known.items():
        wanted = uses(document) & known.keys()
        definition = definitions.get(group_kind(document))
        if definition:
            wanted.add(definition)
        if group_kind(document) in LAST:
            wanted |= {other for other, item in known.items() if group_kind(item) not in LAST}
        elif _pod_spec(document):
            wanted |= {
                other
                for other, item in known.items()
                if item.get("kind") in _BEFORE_PODS
                and (item.get("metadata") or {}).get("namespace") == (document.get("metadata") or {}).get("namespace")
            }
        found[name] = wanted - {name}
    return found


_BEFORE_PODS = ("LimitRange", "NetworkPolicy", "ResourceQuota", "RoleBinding")
"""What has to stand in a namespace before its first pod does, or it doesn't hold for that one."""


def condition(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a condition of an object's status, an empty one if it has none of the name."""
    conditions = (document.get("status") or {}).get("conditions") or ()
    return next((item for item in conditions if item.get("type") == name), {})


_BUILT_IN: Mapping[str, tuple[tuple[str, str], ...]] = {
    CRD: (("NamesAccepted", "True"), ("Established", "True")),
    "APIService.apiregistration.k8s.io": (("Available", "True"),),
    "Job.batch": (("Complete", "True"),),
    "Deployment.apps": (("Available", "True"),),
}
_FAILED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Job.batch": (("Failed", "True"),),
    "Deployment.apps": (("Progressing", "False"),),
    CRD: (("NamesAccepted", "False"),),
}


def failure(document: Mapping[str, Any]) -> str:
    """Return why an object, as its controller last saw it, will never be ready; empty if it may still be."""
    generation = (document.get("metadata") or {}).get("generation", 0)
    if (document.get("status") or {}).get("observedGeneration", generation) < generation:
        return ""
    for name, status in _FAILED.get(group_kind(document), ()):
        found = condition(document, name)
        if found.get("status") == status:
            return f"{name} is {status}: {found.get('reason', '')}: {found.get('message', '')}"
    return ""


def unready(document: Mapping[str, Any], conditions: Iterable[tuple[str, str]] = ()) -> str:
    """Return what is missing for an object to be ready; empty if it is.

    :param conditions: types and statuses to be had beside those that its kind is always waited for by.
    """
    name = group_kind(document)
    if name == "Job.batch" and (document.get("spec") or {}).get("suspend"):
        return ""
    counted = _rollout(document)
    if counted:
        return counted
    for kind, status in (*_BUILT_IN.get(name, ()), *conditions):
        found = condition(document, kind)
        if found.get("status") != status:
            told = ": ".join(part for part in (found.get("reason"), found.get("message")) if part)
            return f"{kind} is {found.get('status', 'not known')}, not {status}" + (f" ({told})" if told else "")
    return ""


def _rollout(document: Mapping[str, Any]) -> str:
    """Return what a rollout still lacks, by the rules of ``kubectl rollout status``."""
    name = group_kind(document)
    spec, status = document.get("spec") or {}, document.get("status") or {}
    if name == NAMESPACE:
        phase = status.get("phase", "not known")
        return "" if phase == "Active" else f"its phase is {phase}"
    if name not in ("Deployment.apps", "StatefulSet.apps", "DaemonSet.apps"):
        return ""
    if status.get("observedGeneration", 0) < (document.get("metadata") or {}).get("generation", 0):
        return "its controller has not seen the change yet"
    if name == "DaemonSet.apps":
        wanted = status.get("desiredNumberScheduled", 0)
        updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    else:
        wanted = spec.get("replicas", 1)
        updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return ""
    if updated < wanted:
        return f"{updated} of {wanted} pods are of the new revision"
    if name != "DaemonSet.apps" and status.get("replicas", 0) > updated:
        return f"{status['replicas'] - updated} pods of the old revision are still there"
    if available < wanted:
        return f"{available} of {wanted} pods are available"
    return ""


def require(document: Mapping[str, Any]) -> None:
    """Raise if an object will never be ready."""
    why = failure(document)
    if why:
        raise EngineError(f"it failed: {why}")
