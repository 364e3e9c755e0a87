# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns documents into the resources of a set, each after what it needs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._engine.resource import Ref, Resource
from .._kinds._object_set import ObjectSet
from .._kinds._objects import (
    CLUSTER_SCOPED,
    CRD,
    OWN_GROUPS,
    PART_OF,
    crd_kind,
    crd_versions,
    group_kind,
    hidden,
    identity,
    needs,
    split,
)
from .checks import document_problems, namespace_problems
from .documents import Found, encoded

_CLUSTER = re.compile(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LONGEST = 253
SET = "manifest_set.main"
CLUSTER = "eks_cluster_lookup.cluster"


@dataclass(frozen=True)
class Declaration:
    """What the module is asked for.

    :param namespace: for objects of Kubernetes' own kinds, and of kinds defined in the set, that name none.
    :param conditions: items of ``wait_conditions``.
    """

    cluster: str
    name: str
    namespace: str = ""
    parent_namespace: str = "kube-system"
    field_manager: str = ""
    conditions: Sequence[Mapping[str, Any]] = ()
    wait_timeout: int = 600
    absent: bool = False

    @property
    def stack(self) -> str:
        """The name of the stack, of the parent object and of our field manager."""
        return f"manifests-{self.cluster}-{self.name}".lower().replace("_", "-")


def declared_set(
    declaration: Declaration, found: Sequence[Found], wrong: Sequence[str] = ()
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the objects of a set, ready to be sent but for the set's label, and everything that is wrong.

    :param wrong: what was wrong with the texts that the documents were read from.
    """
    problems = [*_parameters(declaration), *wrong]
    if not found and not wrong and not declaration.absent:
        problems.append(
            "definitions and src hold no document: give some, or set state: absent to delete what the set has"
        )
    sound: list[Found] = []
    for item in found:
        faults = list(document_problems(item.document))
        problems += [f"{item.where}{_called(item.document)} {fault}" for fault in faults]
        if not faults:
            sound.append(item)
    scopes = {
        crd_kind(item.document): (item.document.get("spec") or {}).get("scope") == "Namespaced"
        for item in sound
        if group_kind(item.document) == CRD
    }
    objects = []
    for item in sound:
        document, faults = _placed(item.document, declaration.namespace, scopes)
        problems += [f"{item.where}{_called(item.document)} {fault}" for fault in faults]
        if not faults:
            objects.append(Found(document, item.where))
    counts = Counter(identity(item.document) for item in objects)
    for name, count in counts.items():
        if count > 1:
            places = " and ".join(item.where for item in objects if identity(item.document) == name)
            problems.append(f"{name} is declared {count} times ({places}): declare it once")
    if f"Namespace/{declaration.parent_namespace}" in counts and not declaration.absent:
        problems.append(
            f"parent_namespace: '{declaration.parent_namespace}' is declared in the set itself, whose parent object "
            "has to stand before it: use a namespace that is there, such as kube-system"
        )
    return [item.document for item in objects], problems


def set_resources(
    declaration: Declaration, documents: Sequence[Mapping[str, Any]], objects: ObjectSet
) -> list[Resource]:
    """Return the look-ups of a set, its parent, and its objects after what they need."""
    unique = {identity(document): document for document in documents}
    defined = {
        f"{group_of(document)}/{version} {(document['spec'].get('names') or {}).get('kind')}"
        for document in documents
        if group_kind(document) == CRD
        for version in crd_versions(document)
    }
    apis = sorted({f"{document['apiVersion']} {document['kind']}" for document in documents} - defined)
    namespaces = {document["metadata"].get("namespace", "") for document in documents}
    before = needs(list(unique.values()))
    return [
        Resource(
            "eks_cluster_lookup",
            "cluster",
            {"cluster_name": declaration.cluster},
            hint="run playbooks/cluster.yml first, or correct `cluster`",
        ),
        *(
            Resource(
                "kubernetes_api_lookup",
                re.sub(r"[^A-Za-z0-9]+", "-", api),
                {"api": api},
                hint="install what defines it first, declare its CustomResourceDefinition in the set, or correct it",
            )
            for api in apis
        ),
        Resource(
            "manifest_set",
            "main",
            {
                "parent": objects.parent,
                "group_kinds": sorted({group_kind(document) for document in documents}),
                "namespaces": sorted(namespaces - {"", declaration.parent_namespace}),
            },
            depends_on=(CLUSTER,),
        ),
        *(
            Resource(
                "manifest",
                name,
                {"object": name, "definition": hidden(_labelled(document, objects.id))},
                depends_on=(SET, *(f"manifest.{other}" for other in sorted(before[name]))),
            )
            for name, document in unique.items()
        ),
    ]


def group_of(definition: Mapping[str, Any]) -> str:
    """Return the group that a CustomResourceDefinition defines a kind in."""
    return str((definition.get("spec") or {}).get("group"))


def set_outputs(documents: Sequence[Mapping[str, Any]], objects: ObjectSet) -> dict[str, Any]:
    """Return the module's own return values."""
    return {
        "applyset_id": objects.id,
        "parent": objects.parent,
        "objects": {name: {"uid": Ref(f"manifest.{name}", "uid")} for name in map(identity, documents)},
    }


def wait_conditions(items: Sequence[Mapping[str, Any]]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return the conditions to wait for by kind, as ``NodePool.karpenter.sh``."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for item in items:
        group, _version = split(item["api_version"])
        name = f"{item['kind']}.{group}".rstrip(".")
        found[name] = (*found.get(name, ()), (item["type"], item["status"]))
    return found


def _called(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    words = " ".join(str(word) for word in (document.get("kind"), name) if word)
    return f" ({words})" if words else ""


def _placed(document: Mapping[str, Any], default: str, scopes: Mapping[str, bool]) -> tuple[dict[str, Any], list[str]]:
    """Return a document in its namespace. Kinds that nobody here defines are taken as they are written."""
    name = group_kind(document)
    group, _version = split(document["apiVersion"])
    namespace = document["metadata"].get("namespace")
    if name in scopes:
        namespaced: bool | None = scopes[name]
    else:
        namespaced = name not in CLUSTER_SCOPED if group in OWN_GROUPS else None
    # Server-side apply takes no status; generators of definitions leave an empty one in their files.
    kept = {key: value for key, value in encoded(document).items() if key != "status"}
    if namespaced is False and namespace:
        return kept, [
            f"has metadata.namespace {namespace!r}, but a {document['kind']} is in no namespace: leave it out"
        ]
    if namespaced and not namespace:
        if not default:
            return kept, ["has no metadata.namespace: give it one, or the module's `namespace` for all that have none"]
        return {**kept, "metadata": {**document["metadata"], "namespace": default}}, []
    return kept, []


def _labelled(document: Mapping[str, Any], set_id: str) -> dict[str, Any]:
    metadata = {name: value for name, value in document["metadata"].items() if name != "creationTimestamp"}
    return {**document, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), PART_OF: set_id}}}


def _parameters(declaration: Declaration) -> list[str]:
    problems = []
    if not _CLUSTER.fullmatch(declaration.cluster):
        problems.append(f"cluster: {declaration.cluster!r} is not a cluster's name: letters, digits, - and _")
    if not _NAME.fullmatch(declaration.name):
        problems.append(
            f"name: {declaration.name!r}: use up to 63 lower-case letters, digits and hyphens, no hyphen at either end"
        )
    elif len(declaration.stack) > _LONGEST:
        problems.append(f"name: with the cluster's name it is longer than {_LONGEST} characters")
    for where, value in (("namespace", declaration.namespace), ("parent_namespace", declaration.parent_namespace)):
        if value:
            problems += [f"the module {fault}" for fault in namespace_problems(where, value)]
    manager = declaration.field_manager
    if manager and (len(manager) > 128 or not manager.isprintable()):
        problems.append("field_manager: use up to 128 printable characters")
    if declaration.wait_timeout < 1:
        problems.append(f"wait_timeout: {declaration.wait_timeout} is not a number of seconds from 1 on")
    problems += [
        f"wait_conditions: {item['status']!r} is no status of a condition: use True, False or Unknown"
        for item in declaration.conditions
        if item["status"] not in ("True", "False", "Unknown")
    ]
    return problems
