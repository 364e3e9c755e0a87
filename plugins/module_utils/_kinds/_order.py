# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects of a set come before which: what each names, is a kind of, or must not run without."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ._objects import CRD, LAST, NAMESPACE, OWN_GROUPS, crd_kind, group_kind, identity, parted

_POD_PATHS = {
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    "Pod": ("spec",),
    **dict.fromkeys(
        ("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"),
        ("spec", "template", "spec"),
    ),
}
_BEFORE_PODS = ("LimitRange", "NetworkPolicy", "ResourceQuota", "RoleBinding")
"""What has to stand in a namespace before its first pod does, or it doesn't hold for that one."""


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


def uses_of_existing(item: Mapping[str, Any], owned: Collection[str], definition: str) -> set[str]:
    """Return what an object must go before, when all of these go.

    What is of another kind than Kubernetes' own goes before all that is of these: its controller, which has finalizers
    to work off, runs among them.

    :param owned: the identities of a set's objects.
    :param definition: the identity of what defines the object's kind.
    """
    found = (uses(item) | {definition}) & {*owned}
    if group_kind(item) in LAST:
        found |= {name for name in owned if name.split("/")[0] not in LAST}
    elif not _is_own(group_kind(item)):
        found |= {name for name in owned if _is_own(name.split("/")[0]) and name.split("/")[0] not in LAST}
    return found - {identity(item)}


def _is_own(kind: str) -> bool:
    group, _kind = parted(kind)
    return group in OWN_GROUPS


def _pod_spec(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = document if str(document.get("kind")) in _POD_PATHS else {}
    for name in _POD_PATHS.get(str(document.get("kind")), ()):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


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
