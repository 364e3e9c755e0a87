# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would become of objects, by dry runs: the API server itself says it, defaults and admission included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._engine.observe import side_by_side
from .._engine.resource import Unknown
from ._cluster import ApiError
from ._hidden import cleaned, marked_changes
from ._object_set import ObjectSet
from ._objects import CRD, crd_kind, group_kind
from ._refusals import conflicts, fixed_fields, sentences

_NO_DRY_RUN = "does not support dry run"


@dataclass(frozen=True)
class Foreseen:
    """What a dry run says.

    :param result: the object as it would be; unknown where the API server can't be asked yet.
    :param immutable: for each field that can't be changed, what it is and what it should be.
    :param refusals: why the API server won't have it.
    :param conflicts: which fields belong to other field managers.
    :param force: whether only hands stand against it, so that applying it may override them.
    """

    result: dict[str, Any] | Unknown | None = None
    immutable: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    force: bool = False


def foresee(objects: ObjectSet, live: Mapping[str, Mapping[str, Any]]) -> dict[str, Foreseen]:
    """Dry-run what is declared and there, all at once.

    What is refused of a kind whose definition changes with it, the changed definition may allow: it is unknown.
    """
    names = [name for name in objects.documents if name in live and not live[name]["metadata"].get("deletionTimestamp")]
    asked = side_by_side(lambda name: _foresee(objects, name, live[name]), names)
    found = dict(zip(names, asked, strict=True))
    changing = {
        crd_kind(document)
        for name, document in objects.documents.items()
        if group_kind(document) == CRD and (name not in found or found[name].result != cleaned(live[name]))
    }
    return {
        name: Foreseen(result=Unknown(), force=one.force)
        if (one.refusals or one.immutable) and group_kind(objects.documents[name]) in changing
        else one
        for name, one in found.items()
    }


def _foresee(objects: ObjectSet, name: str, live: Mapping[str, Any]) -> Foreseen:
    declared = objects.sent(name)
    force = objects.force_conflicts
    if objects.type_of(declared) is None:
        # A version that the cluster serves only after its definition has been changed.
        return Foreseen(result=Unknown())
    try:
        try:
            result = objects.apply(declared, force=force, dry_run=True)
        except ApiError as error:
            found = conflicts(error, declared, live)
            if not found:
                raise
            others = [text for manager, text in found if not objects.is_by_hand(manager)]
            if others:
                return Foreseen(conflicts=tuple(others))
            force = True
            result = objects.apply(declared, force=True, dry_run=True)
    except ApiError as error:
        return _refused(error, declared, live, force=force)
    return Foreseen(result=marked_changes(cleaned(live), cleaned(result)), force=force)


def _refused(error: ApiError, declared: Mapping[str, Any], live: Mapping[str, Any], *, force: bool) -> Foreseen:
    if _NO_DRY_RUN in error.message:
        # Such a webhook can't be asked; what is declared is compared as it is.
        merged = _merged(cleaned(live), cleaned(declared))
        return Foreseen(result=marked_changes(cleaned(live), merged), force=force)
    fixed = fixed_fields(error, declared, live)
    refusals = () if fixed else tuple(sentences(error, declared))
    return Foreseen(immutable=fixed, refusals=refusals, force=force)


def _merged(live: Any, declared: Any) -> Any:
    """Return ``live`` with what is declared in it, and with its lists where they cover what is declared."""
    if isinstance(live, Mapping) and isinstance(declared, Mapping):
        return {**live, **{key: _merged(live.get(key), value) for key, value in declared.items()}}
    if isinstance(live, list) and isinstance(declared, list) and len(live) == len(declared):
        return [_merged(*pair) for pair in zip(live, declared, strict=True)]
    return declared


def refusals_of_new(objects: ObjectSet, name: str) -> list[str]:
    """Return what speaks against making an object, as far as what it needs is there to be asked for already."""
    document = objects.sent(name)
    offered = objects.type_of(document)
    namespace = document["metadata"].get("namespace", "")
    if offered is None:
        return []
    try:
        objects.apply(document, force=False, dry_run=True)
    except ApiError as error:
        coming = f"Namespace/{namespace}" in objects.documents
        accounts = "serviceaccount" in error.message and "not found" in error.message
        defined = any(other.startswith(f"{CRD}/{offered.plural}.{offered.group}") for other in objects.documents)
        if error.status == 404 and (coming or not namespace):
            return []
        if (error.status == 403 and accounts) or defined or _NO_DRY_RUN in error.message:
            return []
        if error.status == 404:
            text = f"cluster '{objects.cluster.name}' has no namespace '{namespace}'"
            return [f"{text}: declare it in this set, or correct metadata.namespace"]
        return sentences(error, document)
    return []
