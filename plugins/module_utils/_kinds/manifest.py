# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects in a cluster, applied server-side: what would become of them is for the API server to say."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import ADDRESS_TAG, STACK_TAG, Kind, Observed, Pending, Property, Scope, State, Wanted
from .._engine.observe import side_by_side
from ._cluster import ApiError
from ._foresight import Foreseen, foresee, refusals_of_new
from ._hidden import cleaned
from ._object_set import ObjectSet, versions_of
from ._objects import CRD, HOLDS_DATA, PART_OF, crd_kind, crd_versions, group_kind, identity, split
from ._order import uses_of_existing
from ._readiness import failure, require, unready
from ._refusals import conflicts, is_lag, sentences
from ._session import Session

_LAG = 30
"""Seconds in which not every API server knows a new kind, and a webhook's server may still be starting."""


class Manifest(Kind):
    """An object of a set (https://kubernetes.io/docs/reference/using-api/server-side-apply/).

    Ours is what bears the set's label, or what our field manager applied and somebody took the label from.
    """

    name = "manifest"
    properties: ClassVar[Mapping[str, Property]] = {
        "object": Property("str", required=True, doc="Kind, namespace and name, as C(Deployment.apps/backend/web)."),
        "definition": Property("dict", required=True, write_only=True, doc="The object as it is declared."),
        "result": Property("json", doc="The object as it is and, by a dry run, as it would be; not for declaring."),
        "immutable_fields": Property(
            "map", immutable=True, doc="Fields that the API server won't change, by a dry run; not for declaring."
        ),
    }
    attributes = ("uid",)
    key = ("object",)
    taggable = False
    marked = True
    makes_room = False
    timeout = 24 * 3600
    """The set's own time limit is told with what is missing, so it goes first."""

    def __init__(self, objects: ObjectSet) -> None:
        self._objects = objects
        self._cluster = objects.cluster

    # --- what is there ------------------------------------------------------------------------------------------------

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the set's members by its label, get what else is declared, and ask for a dry run of each.

        What is declared is taken from the set: references in it are resolved here, since a dry run needs all of it.
        """
        objects = self._objects
        if not self._cluster.open(session):
            return []
        live = self._live()
        foreseen: Mapping[str, Foreseen] = {}
        if not objects.absent:
            if len(objects.secrets.read(session)) < len(objects.secrets.sources):
                # The look-up of it says so, and nothing is planned.
                return []
            foreseen = foresee(objects, live)
        owned = {name for name, item in live.items() if self._is_ours(item)}
        return [
            self._observed(item, declared=name in objects.documents, owned=owned, foreseen=foreseen.get(name))
            for name, item in live.items()
        ]

    def _live(self) -> dict[str, dict[str, Any]]:
        objects = self._objects
        declared = objects.documents
        members = objects.members(versions_of(declared.values()), self._cluster.get(objects.parent_path))
        live = {identity(item): item for item in members}

        def get(name: str) -> dict[str, Any] | None:
            path = objects.path_of(declared[name])
            return self._cluster.get(path) if path else None

        others = [
            name
            for name, item in declared.items()
            if name not in live or split(str(item["apiVersion"]))[1] != split(live[name]["apiVersion"])[1]
        ]
        for name, item in zip(others, side_by_side(get, others), strict=True):
            if item is not None:
                live[name] = item
        return live

    def _is_ours(self, item: Mapping[str, Any]) -> bool:
        metadata = item["metadata"]
        label = (metadata.get("labels") or {}).get(PART_OF)
        if label is not None:
            return bool(label == self._objects.id)
        # A manager's name that somebody chose may be somebody else's, too.
        return not self._objects.field_manager and any(
            entry.get("manager") == self._objects.stack and entry.get("operation") == "Apply"
            for entry in metadata.get("managedFields") or ()
        )

    def _observed(
        self, item: Mapping[str, Any], *, declared: bool, owned: Iterable[str], foreseen: Foreseen | None
    ) -> Observed:
        objects = self._objects
        name = identity(item)
        metadata = item["metadata"]
        ours = self._is_ours(item)
        result = cleaned(item)
        told: dict[str, Any] = {}
        properties: dict[str, Any] = {"object": name, "result": result, "uses": self._uses(item, set(owned))}
        if foreseen is not None and foreseen.immutable:
            properties["immutable_fields"] = {key: pair[0] for key, pair in foreseen.immutable.items()}
            told["immutable_fields"] = {key: pair[1] for key, pair in foreseen.immutable.items()}
        elif foreseen is not None and foreseen.result is not None:
            told["result"] = foreseen.result
        label = (metadata.get("labels") or {}).get(PART_OF, "")
        owner = objects.stack if ours else label
        state: State = "ready"
        if metadata.get("deletionTimestamp"):
            state = "deleting"
        elif group_kind(item) == "Job.batch" and failure(item) and ours and declared:
            state = "failed"
        elif declared and told.get("result", result) == result and not told.get("immutable_fields"):
            state = "pending" if ours and self._lacks(item) else "ready"
        return Observed(
            id=name,
            properties=properties,
            attributes={
                "uid": metadata["uid"],
                "api_version": item["apiVersion"],
                "refusals": (*foreseen.refusals, *foreseen.conflicts) if foreseen else (),
                "force": foreseen.force if foreseen else False,
            },
            tags={STACK_TAG: owner, ADDRESS_TAG: f"{self.name}.{name}" if ours else ""} if owner else {},
            state=state,
            foreseen=told,
            holds_data=group_kind(item) in HOLDS_DATA,
        )

    def _uses(self, item: Mapping[str, Any], owned: set[str]) -> list[str]:
        """Return what this one must go before, and the set's parent, which goes last."""
        group, _version = split(str(item["apiVersion"]))
        offered = self._cluster.api_type(group, str(item["kind"]))
        definition = f"{CRD}/{offered.plural}.{group}" if offered is not None else ""
        return [*sorted(uses_of_existing(item, owned, definition)), self._objects.parent]

    def _lacks(self, item: Mapping[str, Any]) -> str:
        """Return what an object isn't ready for want of; empty where that isn't waited for."""
        if not self._objects.wait and group_kind(item) != CRD:
            return ""
        return unready(item, self._objects.conditions.get(group_kind(item), ()))

    # --- what would become of it --------------------------------------------------------------------------------------

    def refuse(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        """Return what the dry run said against it."""
        return list(observed.attributes["refusals"])

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Dry-run what is to be created, where what it needs is there already."""
        if not self._cluster.open(session):
            return []
        new = [item["object"] for item in wanted if not {"result", "immutable_fields"} & item.keys()]
        told = side_by_side(lambda name: refusals_of_new(self._objects, name), new)
        return [f"{self.name}.{name}: {text}" for name, texts in zip(new, told, strict=True) for text in texts]

    # --- what is done -------------------------------------------------------------------------------------------------

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Apply it."""
        self._cluster.reopen(session)
        return self._make(wanted, force=self._objects.force_conflicts)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Apply it as the plan foresaw."""
        return self._make(wanted, force=bool(observed.attributes.get("force")))

    def _make(self, wanted: Wanted, *, force: bool) -> Observed:
        document = self._objects.sent(wanted["object"])
        began = time.monotonic()
        while True:
            try:
                made = self._objects.apply(document, force=force, dry_run=False)
                break
            except ApiError as error:
                if not is_lag(error, document) or time.monotonic() - began > _LAG:
                    found = [text for _manager, text in conflicts(error, document, {})]
                    raise EngineError(found or sentences(error, document)) from None
                time.sleep(1)
        self._objects.restart(identity(made))
        return self._bare(made)

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete it, what it made with it."""
        path = self._path_of(observed)
        self._objects.restart(observed.id)
        if path:
            self._cluster.delete(path, observed.attributes["uid"])

    def ready(self, session: Session, observed: Observed) -> Observed | Pending:
        """Look at its conditions; a new kind must be known to discovery, too."""
        item = self._cluster.get(self._path_of(observed))
        if item is None:
            raise EngineError("it was deleted by somebody while it was waited for")
        why = self._lacks(item)
        if not why and group_kind(item) == CRD:
            why = self._undiscovered(item)
        if why:
            require(item)
            self._objects.overdue(observed.id, "ready", why)
            return Pending(why)
        return self._bare(item)

    def _undiscovered(self, definition: Mapping[str, Any]) -> str:
        kind, _dot, group = crd_kind(definition).partition(".")
        missing = [
            version for version in crd_versions(definition) if self._cluster.api_type(group, kind, version) is None
        ]
        if missing:
            self._cluster.api_type(group, kind, fresh=True)
            missing = [version for version in missing if self._cluster.api_type(group, kind, version) is None]
        return f"the API server does not offer {group}/{missing[0]} {kind} yet" if missing else ""

    def gone(self, session: Session, observed: Observed) -> bool | Pending:
        """Look for it; another one of its name is not it."""
        path = self._path_of(observed)
        item = self._cluster.get(path) if path else None
        if item is None or item["metadata"]["uid"] != observed.attributes["uid"]:
            return True
        finalizers = ", ".join(item["metadata"].get("finalizers") or ())
        conditions = (item.get("status") or {}).get("conditions") or ()
        # A namespace says what is still in it.
        told = "; ".join(entry.get("message", "") for entry in conditions if entry.get("status") == "True")
        held = (
            f"its finalizers ({finalizers}) hold it: what handles them does not run, or waits for something else"
            if finalizers
            else "it is still there"
        )
        self._objects.overdue(observed.id, "gone", f"{held}: {told}" if told and item["kind"] == "Namespace" else held)
        return Pending(f"waits for {finalizers}" if finalizers else "")

    def _bare(self, item: Mapping[str, Any]) -> Observed:
        return Observed(
            id=identity(item),
            properties={"object": identity(item), "result": cleaned(item)},
            attributes={"uid": item["metadata"]["uid"], "api_version": item["apiVersion"], "refusals": ()},
        )

    def _path_of(self, observed: Observed) -> str:
        """Return the path of something that is there; empty if the API server has forgotten its kind, and so it."""
        document = observed.properties["result"]
        return self._objects.path_of({**document, "apiVersion": observed.attributes["api_version"]})
