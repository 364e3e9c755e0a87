# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parents of sets of objects: what says of a set that it is there, and which kinds it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._cluster import ApiError
from ._object_set import GROUP_KINDS, ID, NAMESPACES, TOOL, TOOLING, ObjectSet, listed
from ._session import Session


def _has_all(wanted: Any, observed: Any) -> bool:
    """Tell whether a set lists what it should. What it had is struck off with the next change."""
    return set(wanted) <= set(observed or ())


class ManifestSet(Kind):
    """The parent object of an ApplySet, a ConfigMap without data.

    https://github.com/kubernetes/enhancements/tree/master/keps/sig-cli/3659-kubectl-apply-prune#applyset-parent-object
    """

    name = "manifest_set"
    properties: ClassVar[Mapping[str, Property]] = {
        "parent": Property("str", required=True, doc="Kind, namespace and name of the parent object."),
        "group_kinds": Property("set", default=[], same=_has_all, doc="Kinds that the set has, as C(Deployment.apps)."),
        "namespaces": Property("set", default=[], same=_has_all, doc="Namespaces beside the parent's that it is in."),
    }
    attributes = ("uid",)
    key = ("parent",)
    taggable = False

    def __init__(self, objects: ObjectSet) -> None:
        self._objects = objects

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Look for the one parent."""
        objects = self._objects
        if not objects.cluster.open(session):
            return []
        found = objects.cluster.get(objects.parent_path)
        return [] if found is None else [self._observed(found)]

    def refuse(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        """Leave alone what another tool keeps its books in, as the KEP demands."""
        return list(observed.attributes["refusals"])

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Apply it; all kinds are listed before the first object of them is made."""
        self._objects.cluster.reopen(session)
        return self._apply(wanted, set(), set())

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """List what is wanted and what there still are members of."""
        objects = self._objects
        parent = objects.cluster.get(objects.parent_path)
        members = objects.members({}, parent)
        kinds = {f"{item['kind']}.{item['apiVersion'].rpartition('/')[0]}".rstrip(".") for item in members}
        namespaces = {item["metadata"].get("namespace", "") for item in members} - {"", objects.namespace}
        return self._apply(wanted, kinds, namespaces)

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete it, when nothing of the set is left."""
        self._objects.cluster.delete(self._objects.parent_path, observed.attributes["uid"])

    def _apply(self, wanted: Wanted, kinds: set[str], namespaces: set[str]) -> Observed:
        objects = self._objects
        annotations = {TOOLING: TOOL, GROUP_KINDS: ",".join(sorted({*wanted.get("group_kinds", []), *kinds}))}
        elsewhere = {*wanted.get("namespaces", []), *namespaces}
        if elsewhere:
            annotations[NAMESPACES] = ",".join(sorted(elsewhere))
        document = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": objects.stack,
                "namespace": objects.namespace,
                "labels": {ID: objects.id},
                "annotations": annotations,
            },
        }
        try:
            # It is the set's own: whoever else wrote into it did so by mistake.
            made = objects.cluster.apply(objects.parent_path, document, objects.stack, force=True, dry_run=False)
        except ApiError as error:
            if error.status == 404:
                raise EngineError(
                    f"cluster '{objects.cluster.name}' has no namespace '{objects.namespace}' for the parent object: "
                    "choose another one by parent_namespace"
                ) from None
            raise
        return self._observed(made)

    def _observed(self, found: Mapping[str, Any]) -> Observed:
        metadata = found["metadata"]
        annotations = metadata.get("annotations") or {}
        tooling = annotations.get(TOOLING, "")
        label = (metadata.get("labels") or {}).get(ID, "")
        refusals = []
        if tooling and tooling.partition("/")[0] != TOOL.partition("/")[0]:
            refusals.append(f"{self._objects.parent} is kept by {tooling}: choose another name for this set")
        elif label and label != self._objects.id:
            refusals.append(f"{self._objects.parent} is the parent of another set, {label}: choose another name")
        elif not label and not tooling:
            refusals.append(f"{self._objects.parent} exists already and is no parent of a set: choose another name")
        return Observed(
            id=self._objects.parent,
            properties={
                "parent": self._objects.parent,
                # Without its label it isn't found as a parent; that it is put right is a change of what it lists.
                "group_kinds": listed(annotations.get(GROUP_KINDS)) if label else [],
                "namespaces": listed(annotations.get(NAMESPACES)),
            },
            attributes={"uid": metadata["uid"], "refusals": refusals},
            state="deleting" if metadata.get("deletionTimestamp") else "ready",
            address=f"{self.name}.main",
        )
