# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges partial documents onto those that they are for.

The rules are those of a strategic merge as far as they can be had without the kinds' schemas
(https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from .._kinds._objects import CLUSTER_SCOPED, CRD, OWN_GROUPS, crd_kind, group_kind, identity, split
from .documents import Found

DIRECTIVE = "$patch"
_KEYS = {"volumeMounts": "mountPath", "volumeDevices": "devicePath"}
"""Lists whose items have a ``name`` that isn't their own."""


def scopes_of(found: Sequence[Found]) -> dict[str, bool]:
    """Return for each kind that documents define whether its objects are in namespaces."""
    return {
        crd_kind(item.document): (item.document.get("spec") or {}).get("scope") == "Namespaced"
        for item in found
        if group_kind(item.document) == CRD and isinstance(item.document.get("spec"), Mapping)
    }


def is_namespaced(document: Mapping[str, Any], scopes: Mapping[str, bool]) -> bool | None:
    """Tell whether an object is in a namespace; None where its kind is neither Kubernetes' own nor defined here."""
    name = group_kind(document)
    group, _version = split(str(document["apiVersion"]))
    if name in scopes:
        return scopes[name]
    return name not in CLUSTER_SCOPED if group in OWN_GROUPS else None


def patched(found: Sequence[Found], patches: Sequence[Found], namespace: str) -> tuple[list[Found], list[str]]:
    """Return documents with patches merged onto them, in the order in which they stand, and what is wrong with these.

    :param namespace: of documents and patches that name none, where their kind is known to be in one.
    """
    scopes = scopes_of(found)
    problems: list[str] = []
    left = list(found)
    for patch in patches:
        where = f"{patch.where}{called(patch.document)}"
        lack = _lack(patch.document)
        if lack:
            problems.append(f"{where} has no {lack}: a patch names its object by apiVersion, kind and metadata.name")
            continue
        wanted = _name(patch.document, namespace, scopes)
        fitting = [
            item for item in left if not _lack(item.document) and _name(item.document, namespace, scopes) == wanted
        ]
        if not fitting:
            names = {_name(item.document, namespace, scopes) for item in found if not _lack(item.document)}
            close = difflib.get_close_matches(wanted, names, n=1)
            hint = f"did you mean {close[0]}?" if close else "declare that object, or take the patch out"
            problems.append(f"{where} fits no object of the set: there is no {wanted}: {hint}")
        for item in fitting:
            versions = item.document["apiVersion"], patch.document["apiVersion"]
            if versions[0] != versions[1]:
                problems.append(
                    f"{where} is written for {versions[1]}, its object ({item.where}) for {versions[0]}: a patch "
                    f"can't change the version, write it for {versions[0]}"
                )
                continue
            index = left.index(item)
            if patch.document.get(DIRECTIVE) == "delete":
                del left[index]
                continue
            faults: list[str] = []
            document = _merged(item.document, patch.document, "", faults)
            problems += [f"{where} {fault}" for fault in faults]
            left[index] = Found(document, f"{item.where} with {patch.where}")
    return left, problems


def called(document: Mapping[str, Any]) -> str:
    """Return kind and name of a document in brackets, as far as it has them."""
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    words = " ".join(str(word) for word in (document.get("kind"), name) if word)
    return f" ({words})" if words else ""


def _lack(document: Mapping[str, Any]) -> str:
    """Return which part of its identity a document lacks."""
    metadata = document.get("metadata")
    parts = {
        "apiVersion": document.get("apiVersion"),
        "kind": document.get("kind"),
        "metadata.name": metadata.get("name") if isinstance(metadata, Mapping) else None,
    }
    return next((name for name, value in parts.items() if not isinstance(value, str) or not value), "")


def _name(document: Mapping[str, Any], default: str, scopes: Mapping[str, bool]) -> str:
    """Return a document's identity, in the namespace that it will have."""
    metadata = document["metadata"]
    namespace = metadata.get("namespace") or (default if is_namespaced(document, scopes) else "")
    return identity({**document, "metadata": {"name": metadata["name"], "namespace": namespace}})


def _merged(base: Any, patch: Any, path: str, problems: list[str]) -> Any:
    """Return ``base`` with what a patch says; nothing of either is changed."""
    if isinstance(patch, Mapping):
        return _merged_map(base, patch, path, problems)
    if isinstance(patch, list):
        if isinstance(base, Mapping):
            problems.append(f"has a list under {path}, where its object has a dictionary")
        key = _KEYS.get(path.rpartition(".")[2], "name")
        if isinstance(base, list) and base and patch and _is_keyed(base, key) and _is_keyed(patch, key):
            return _merged_items(base, patch, key, path, problems)
        return [_merged(None, item, path, problems) for item in patch]
    return patch


def _merged_map(base: Any, patch: Mapping[str, Any], path: str, problems: list[str]) -> dict[str, Any]:
    directive = patch.get(DIRECTIVE)
    if directive not in (None, "replace"):
        problems.append(
            f"has {DIRECTIVE}: {directive}{f' under {path}' if path else ''}: use delete, on an object or an item with "
            "a name in a list, or replace, on a dictionary"
        )
    if isinstance(base, list):
        problems.append(f"has a dictionary under {path}, where its object has a list")
    found = dict(base) if isinstance(base, Mapping) and directive != "replace" else {}
    for key, value in patch.items():
        if key == DIRECTIVE:
            continue
        if value is None:
            found.pop(key, None)
        else:
            found[key] = _merged(found.get(key), value, f"{path}.{key}".lstrip("."), problems)
    return found


def _merged_items(
    base: Sequence[Mapping[str, Any]], patch: Sequence[Mapping[str, Any]], key: str, path: str, problems: list[str]
) -> list[Any]:
    found = {item[key]: item for item in base}
    for item in patch:
        name = item[key]
        where = f"{path}[{key}={name}]"
        if item.get(DIRECTIVE) != "delete":
            found[name] = _merged(found.get(name), item, where, problems)
        elif name in found:
            del found[name]
        else:
            problems.append(f"deletes {where}, which its object has not: it has {', '.join(found) or 'nothing'} there")
    return list(found.values())


def _is_keyed(items: Sequence[Any], key: str) -> bool:
    """Tell whether every item has a key of its own."""
    keys = [item.get(key) for item in items if isinstance(item, Mapping)]
    return len(keys) == len(items) == len({*map(str, keys)}) and all(isinstance(name, str) for name in keys)
