# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns documents into the resources of a set, each after what it needs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._engine.resource import Ref, Resource, leaves
from .._kinds._hidden import Coded, Hidden, hidden
from .._kinds._object_set import ObjectSet, set_id
from .._kinds._objects import CRD, PART_OF, crd_versions, group_kind, identity, split
from .._kinds._order import needs
from .._kinds._secret_values import LOOKUP, Source
from .checks import document_problems, namespace_problems
from .documents import Found, encoded
from .patches import called, is_namespaced, patched, scopes_of
from .references import CLUSTER, resolved, secret_keys

_CLUSTER = re.compile(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LONGEST = 253
_ALIAS = re.compile(r"[A-Za-z0-9]([-_A-Za-z0-9]{0,61}[A-Za-z0-9])?")
SET = "manifest_set.main"


@dataclass(frozen=True)
class Declaration:
    """What the module is asked for.

    :param namespace: for objects of Kubernetes' own kinds, and of kinds defined in the set, that name none.
    :param conditions: items of ``wait_conditions``.
    :param secrets: items of ``secrets``.
    """

    cluster: str
    name: str
    namespace: str = ""
    parent_namespace: str = "kube-system"
    field_manager: str = ""
    conditions: Sequence[Mapping[str, Any]] = ()
    secrets: Sequence[Mapping[str, Any]] = ()
    wait_timeout: int = 600
    absent: bool = False

    @property
    def stack(self) -> str:
        """The name of the stack, of the parent object and of our field manager."""
        return f"manifests-{self.cluster}-{self.name}".lower().replace("_", "-")


def declared_set(
    declaration: Declaration, found: Sequence[Found], wrong: Sequence[str] = (), patches: Sequence[Found] = ()
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a set's objects with its label, secrets hidden, references unresolved, and everything that is wrong.

    :param wrong: what was wrong with the texts that the documents were read from.
    :param patches: partial documents to be merged onto those that they are for.
    """
    problems = [*_parameters(declaration), *wrong]
    if not found and not wrong and not declaration.absent:
        problems.append(
            "definitions and src hold no document: give some, or set state: absent to delete what the set has"
        )
    merged, faults = patched(found, () if declaration.absent else patches, declaration.namespace)
    # What a text that is no YAML would have held, a patch may be for.
    problems += [] if wrong else faults
    sound: list[Found] = []
    names = {str(item["name"]) for item in declaration.secrets}
    for item in merged:
        document, unresolved = resolved(item.document, declaration.cluster, names)
        faults = [*document_problems(item.document), *unresolved]
        problems += [f"{item.where}{called(item.document)} {fault}" for fault in faults]
        if not faults:
            sound.append(Found(document, item.where))
    scopes = scopes_of(sound)
    objects = []
    for item in sound:
        document, faults = _placed(item.document, declaration.namespace, scopes)
        problems += [f"{item.where}{called(item.document)} {fault}" for fault in faults]
        if not faults:
            label = set_id(declaration.stack, declaration.parent_namespace)
            objects.append(Found(hidden(_labelled(document, label)), item.where))
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
    if not problems and not declaration.absent:
        used = {name for item in objects for name in _secrets_of(item.document)}
        problems += [
            f"secrets: nothing refers to '{name}': take it out, or refer to it" for name in sorted(names - used)
        ]
    return [item.document for item in objects], problems


def secret_sources(declaration: Declaration, documents: Sequence[Mapping[str, Any]]) -> list[Source]:
    """Return the secrets that are declared, with the keys that documents refer to."""
    keys: dict[str, set[str]] = {}
    for document in documents:
        for name, found in _secrets_of(document).items():
            keys.setdefault(name, set()).update(found)
    return [
        Source(item["name"], item["secret_id"], item.get("region") or "", frozenset(keys.get(item["name"], ())))
        for item in declaration.secrets
    ]


def _secrets_of(document: Mapping[str, Any]) -> dict[str, set[str]]:
    values = (leaf.value for leaf in leaves(document.get("data") or {}) if isinstance(leaf, Hidden))
    return secret_keys([value.text for value in values if isinstance(value, Coded)])


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
                LOOKUP,
                source.name,
                {"name": source.name, "secret_id": source.secret_id, "region": source.region or None},
                hint=f"create secret '{source.secret_id}' before this is applied, or correct secret_id",
            )
            for source in objects.secrets.sources
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
                {"object": name, "definition": document},
                depends_on=(
                    SET,
                    *(f"{LOOKUP}.{source}" for source in sorted(_secrets_of(document))),
                    *(f"manifest.{other}" for other in sorted(before[name])),
                ),
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


def _placed(document: Mapping[str, Any], default: str, scopes: Mapping[str, bool]) -> tuple[dict[str, Any], list[str]]:
    """Return a document in its namespace. Kinds that nobody here defines are taken as they are written."""
    namespace = document["metadata"].get("namespace")
    namespaced = is_namespaced(document, scopes)
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
    return problems + _secrets(declaration.secrets)


def _secrets(items: Sequence[Mapping[str, Any]]) -> list[str]:
    problems = []
    for name, count in Counter(item["name"] for item in items).items():
        if count > 1:
            problems.append(f"secrets: '{name}' is there {count} times: give each its own name")
        if not _ALIAS.fullmatch(name):
            problems.append(f"secrets: {name!r} is no name for references: use up to 63 letters, digits, - and _")
    return problems
