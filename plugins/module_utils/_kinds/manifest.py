# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects in a cluster, applied server-side: what would become of them is for the API server to say."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import ADDRESS_TAG, STACK_TAG, Kind, Observed, Property, Scope, State, Wanted
from .._engine.observe import side_by_side
from .._engine.resource import Unknown
from ._cluster import ApiError, ApiType
from ._object_set import ObjectSet, versions_of
from ._objects import (
    CRD,
    HOLDS_DATA,
    LAST,
    PART_OF,
    Hidden,
    cleaned,
    crd_kind,
    crd_versions,
    failure,
    group_kind,
    identity,
    is_secret,
    marked_changes,
    plain,
    require,
    split,
    unready,
    uses,
)
from ._session import Session

_IMMUTABLE = re.compile(
    r"immutable|may not change|cannot change|can not be changed|updates to .* forbidden|forbidden: upd", re.I
)
_CONFLICT = re.compile(r'conflict with "(?P<manager>[^"]*)"')
_LAG = 30
"""Seconds in which not every API server knows a new kind, and a webhook's server may still be starting."""


@dataclass(frozen=True)
class _Foreseen:
    """What a dry run says.

    :param immutable: for each field that can't be changed, what it is and what it should be.
    :param force: whether only hands stand against it, so that applying it may override them.
    """

    result: dict[str, Any] | Unknown | None = None
    immutable: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()
    force: bool = False


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
        """List the set's members by its label, get what else is declared, and ask for a dry run of each."""
        if not self._cluster.open(session):
            return []
        declared = {item["object"]: plain(item["definition"]) for item in scope.declared.get(self.name, ())}
        live = self._live(declared)
        foreseen = self._foresee_all(declared, live)
        owned = {name for name, item in live.items() if self._is_ours(item)}
        return [
            self._observed(item, declared=name in declared, owned=owned, foreseen=foreseen.get(name))
            for name, item in live.items()
        ]

    def _live(self, declared: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        objects = self._objects
        versions = versions_of(declared.values())
        members = objects.members(versions, self._cluster.get(objects.parent_path))
        live = {identity(item): item for item in members}

        def get(name: str) -> dict[str, Any] | None:
            offered = objects.type_of(declared[name])
            if offered is None:
                return None
            return self._cluster.get(_path(offered, declared[name]))

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
        self, item: Mapping[str, Any], *, declared: bool, owned: Iterable[str], foreseen: _Foreseen | None
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
                "refusals": foreseen.refusals if foreseen else (),
                "force": foreseen.force if foreseen else False,
            },
            tags={STACK_TAG: owner, ADDRESS_TAG: f"{self.name}.{name}" if ours else ""} if owner else {},
            state=state,
            foreseen=told,
            holds_data=group_kind(item) in HOLDS_DATA,
        )

    def _uses(self, item: Mapping[str, Any], owned: set[str]) -> list[str]:
        """Return what this one must go before: what it names, what it is a kind of, and the set's parent."""
        found = {name for name in uses(item) if name in owned}
        if group_kind(item) in LAST:
            found |= {name for name in owned if name.split("/")[0] not in LAST}
        crds = {name for name in owned if name.startswith(f"{CRD}/")}
        group, _version = split(str(item["apiVersion"]))
        offered = self._cluster.api_type(group, str(item["kind"]))
        if offered is not None and f"{CRD}/{offered.plural}.{group}" in crds:
            found.add(f"{CRD}/{offered.plural}.{group}")
        return [*sorted(found - {identity(item)}), self._objects.parent]

    def _lacks(self, item: Mapping[str, Any]) -> str:
        """Return what an object isn't ready for want of; empty where that isn't waited for."""
        if not self._objects.wait and group_kind(item) != CRD:
            return ""
        return unready(item, self._objects.conditions.get(group_kind(item), ()))

    # --- what would become of it --------------------------------------------------------------------------------------

    def _foresee_all(
        self, declared: Mapping[str, Mapping[str, Any]], live: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, _Foreseen]:
        """Dry-run what is declared and there: definitions of kinds first, since objects depend on their change."""
        if self._objects.absent:
            return {}
        names = [name for name in declared if name in live and not live[name]["metadata"].get("deletionTimestamp")]
        definitions = [name for name in names if group_kind(declared[name]) == CRD]
        others = [name for name in names if group_kind(declared[name]) != CRD]

        def one(name: str) -> _Foreseen:
            return self._foresee(declared[name], live[name], changing)

        changing: set[str] = set()
        found = dict(zip(definitions, side_by_side(one, definitions), strict=True))
        changing |= {
            crd_kind(item)
            for name, item in declared.items()
            if group_kind(item) == CRD and (name not in found or found[name].result != cleaned(live[name]))
        }
        return {**found, **dict(zip(others, side_by_side(one, others), strict=True))}

    def _foresee(self, declared: Mapping[str, Any], live: Mapping[str, Any], changing: Iterable[str]) -> _Foreseen:
        force = self._objects.force_conflicts
        offered = self._objects.type_of(declared)
        if offered is None:
            # A version that the cluster serves only after its definition has been changed.
            return _Foreseen(result=Unknown())
        try:
            try:
                result = self._apply(offered, declared, force=force, dry_run=True)
            except ApiError as error:
                conflicts = _conflicts(error, declared, live)
                if not conflicts:
                    raise
                others = [text for manager, text in conflicts if not self._objects.is_by_hand(manager)]
                if others:
                    return _Foreseen(refusals=tuple(others))
                force = True
                result = self._apply(offered, declared, force=True, dry_run=True)
        except ApiError as error:
            if group_kind(declared) in changing:
                return _Foreseen(result=Unknown(), force=force)
            return self._refused(error, declared, live, force=force)
        return _Foreseen(result=marked_changes(cleaned(live), cleaned(result)), force=force)

    def _refused(
        self, error: ApiError, declared: Mapping[str, Any], live: Mapping[str, Any], *, force: bool
    ) -> _Foreseen:
        if "does not support dry run" in error.message:
            # Such a webhook can't be asked; what is declared is compared as it is.
            merged = _merged(cleaned(live), cleaned(declared))
            return _Foreseen(result=marked_changes(cleaned(live), merged), force=force)
        fixed = [cause for cause in error.causes if _IMMUTABLE.search(cause.get("message", ""))]
        if fixed and len(fixed) == len(error.causes):
            return _Foreseen(immutable={cause.get("field", ""): _pair(cause, declared, live) for cause in fixed})
        return _Foreseen(refusals=tuple(_sentences(error, declared)))

    def refuse(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        """Return what the dry run said against it."""
        return list(observed.attributes["refusals"])

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Dry-run what is to be created, where what it needs is there already."""
        if not self._cluster.open(session):
            return []
        new = [item for item in wanted if not {"result", "immutable_fields"} & item.keys()]
        declared = self._objects.declared

        def one(properties: Mapping[str, Any]) -> list[str]:
            document = plain(properties["definition"])
            subject = f"{self.name}.{properties['object']}"
            offered = self._objects.type_of(document)
            namespace = document["metadata"].get("namespace", "")
            if offered is None:
                return []
            try:
                self._apply(offered, document, force=False, dry_run=True)
            except ApiError as error:
                coming = f"Namespace/{namespace}" in declared
                accounts = "serviceaccount" in error.message and "not found" in error.message
                defined = any(name.startswith(f"{CRD}/{offered.plural}.{offered.group}") for name in declared)
                if error.status == 404 and (coming or not namespace):
                    return []
                if (error.status == 403 and accounts) or defined or "does not support dry run" in error.message:
                    return []
                if error.status == 404:
                    text = f"cluster '{self._cluster.name}' has no namespace '{namespace}'"
                    return [f"{subject}: {text}: declare it in this set, or correct metadata.namespace"]
                return [f"{subject}: {text}" for text in _sentences(error, document)]
            return []

        return [problem for problems in side_by_side(one, new) for problem in problems]

    # --- what is done -------------------------------------------------------------------------------------------------

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Apply it."""
        self._cluster.reopen(session)
        return self._make(wanted, force=self._objects.force_conflicts)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Apply it as the plan foresaw."""
        return self._make(wanted, force=bool(observed.attributes.get("force")))

    def _make(self, wanted: Wanted, *, force: bool) -> Observed:
        document = plain(wanted["definition"])
        began = time.monotonic()
        while True:
            try:
                made = self._apply(self._offered(document), document, force=force, dry_run=False)
                break
            except ApiError as error:
                if not _is_lag(error, document) or time.monotonic() - began > _LAG:
                    conflicts = [text for _manager, text in _conflicts(error, document, {})]
                    raise EngineError(conflicts or _sentences(error, document)) from None
                time.sleep(1)
        self._objects.restart(identity(made))
        return self._bare(made)

    def _offered(self, document: Mapping[str, Any]) -> ApiType:
        offered = self._objects.type_of(document) or self._objects.type_of(document, fresh=True)
        if offered is None:
            raise ApiError(404, "NotFound", f"it knows no {document['apiVersion']} {document['kind']}")
        return offered

    def _apply(self, offered: ApiType, document: Mapping[str, Any], *, force: bool, dry_run: bool) -> dict[str, Any]:
        return self._cluster.apply(
            _path(offered, document), document, self._objects.manager, force=force, dry_run=dry_run
        )

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete it, what it made with it."""
        path = self._path_of(observed)
        self._objects.restart(observed.id)
        if path:
            self._cluster.delete(path, observed.attributes["uid"])

    def ready(self, session: Session, observed: Observed) -> Observed | None:
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
            return None
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

    def gone(self, session: Session, observed: Observed) -> bool:
        """Look for it; another one of its name is not it."""
        path = self._path_of(observed)
        item = self._cluster.get(path) if path else None
        if item is None or item["metadata"]["uid"] != observed.attributes["uid"]:
            return True
        finalizers = ", ".join(item["metadata"].get("finalizers") or ())
        conditions = (item.get("status") or {}).get("conditions") or ()
        # A namespace says what is still in it.
        told = "; ".join(entry.get("message", "") for entry in conditions if entry.get("status") == "True")
        held = f"its finalizers ({finalizers}) hold it" if finalizers else "it is still there"
        self._objects.overdue(observed.id, "gone", f"{held}: {told}" if told and item["kind"] == "Namespace" else held)
        return False

    def _bare(self, item: Mapping[str, Any]) -> Observed:
        return Observed(
            id=identity(item),
            properties={"object": identity(item), "result": cleaned(item)},
            attributes={"uid": item["metadata"]["uid"], "api_version": item["apiVersion"], "refusals": ()},
        )

    def _path_of(self, observed: Observed) -> str:
        """Return the path of something that is there; empty if the API server has forgotten its kind, and so it."""
        document = observed.properties["result"]
        offered = self._objects.type_of({**document, "apiVersion": observed.attributes["api_version"]})
        return _path(offered, document) if offered is not None else ""


def _path(offered: ApiType, document: Mapping[str, Any]) -> str:
    metadata = document["metadata"]
    namespace = metadata.get("namespace", "")
    if offered.namespaced != bool(namespace):
        scope = "is in namespaces: give metadata.namespace" if offered.namespaced else "is in no namespace"
        raise EngineError(
            f"manifest.{identity(document)}: {offered.kind} {scope}"
            + ("" if offered.namespaced else f": leave out metadata.namespace ({namespace})")
        )
    return offered.path(namespace, metadata["name"])


def _conflicts(error: ApiError, declared: Mapping[str, Any], live: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the field managers that a conflict is with, and a sentence for each field."""
    found = []
    for cause in error.causes:
        told = _CONFLICT.match(cause.get("message", ""))
        if error.status == 409 and told:
            where = cause.get("field", "").lstrip(".")
            now, then = _at(live, where), _at(declared, where)
            values = ""
            if (
                not is_secret(declared)
                and live
                and isinstance(now, (str, int, float))
                and not isinstance(then, Mapping)
            ):
                values = f" is {now!r} there, {then!r} here, and"
            advice = "leave it out of the definition, or set force_conflicts"
            found.append((told["manager"], f"{where}{values} belongs to field manager '{told['manager']}': {advice}"))
    return found


def _sentences(error: ApiError, document: Mapping[str, Any]) -> list[str]:
    """Return what the API server says against an object, without the beginning that repeats its name."""
    if is_secret(document) and error.causes:
        fields = ", ".join(sorted({cause.get("field", "?") for cause in error.causes}))
        return [f"the API server finds fault with {fields} (it is a Secret: what it says isn't shown)"]
    message = error.message
    name = document["metadata"]["name"]
    for opening in (f'"{name}" is invalid: ', f'"{name}" is forbidden: '):
        if opening in message:
            message = message.partition(opening)[2]
            break
    return [f"refused by the API server ({error.reason}): {message}"]


def _is_lag(error: ApiError, document: Mapping[str, Any]) -> bool:
    group, _version = split(str(document["apiVersion"]))
    if error.status == 404:
        return "." in group and "namespaces" not in error.message
    if error.status == 409:
        return not error.causes and "object has been modified" in error.message
    starting = "failed calling webhook" in error.message or "not yet ready to handle request" in error.message
    account = "serviceaccount" in error.message and "not found" in error.message
    return (error.status >= 500 and starting) or (error.status == 403 and (starting or account))


def _at(document: Any, path: str) -> Any:
    """Return what is under a path such as ``spec.template.spec.containers[name="web"].image``; None where it ends."""
    for part in re.findall(r"[^.\[\]]+|\[[^\]]*\]", path):
        if part.startswith("["):
            wanted = dict(re.findall(r'(\w+)="([^"]*)"', part))
            items = [item for item in document if isinstance(item, Mapping)] if isinstance(document, list) else []
            document = next((item for item in items if wanted and wanted.items() <= item.items()), None)
        else:
            document = document.get(part) if isinstance(document, Mapping) else None
    return document


def _pair(cause: Mapping[str, str], declared: Mapping[str, Any], live: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return what an immutable field is and what it should be, as far as the path tells."""
    if is_secret(live):
        return str(Hidden("")), f"{Hidden('')}, another one"
    now, then = _at(live, cause.get("field", "")), _at(declared, cause.get("field", ""))
    return (now, then) if now != then and then is not None else ("as it is", cause.get("message", ""))


def _merged(live: Any, declared: Any) -> Any:
    """Return ``live`` with what is declared in it, and with its lists where they cover what is declared."""
    if isinstance(live, Mapping) and isinstance(declared, Mapping):
        return {**live, **{key: _merged(live.get(key), value) for key, value in declared.items()}}
    if isinstance(live, list) and isinstance(declared, list) and len(live) == len(declared):
        return [_merged(*pair) for pair in zip(live, declared, strict=True)]
    return declared
