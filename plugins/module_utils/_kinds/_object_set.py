# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of objects in a cluster that is applied and pruned as one: an ApplySet (KEP-3659).

https://github.com/kubernetes/enhancements/tree/master/keps/sig-cli/3659-kubectl-apply-prune
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from .._engine.errors import EngineError
from .._engine.observe import side_by_side
from .._engine.resource import Ref
from ._cluster import ApiError, ApiType, Cluster
from ._hidden import plain, secret_texts
from ._objects import group_kind, identity, is_secret, parted, split
from ._secret_values import LOOKUP, SecretValues

ID = "applyset.kubernetes.io/id"
TOOLING = "applyset.kubernetes.io/tooling"
GROUP_KINDS = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
TOOL = "innovate.platform/v1.0.0"
"""Name and version of how the books are kept, not of the collection: other tools keep off."""
HANDS = ("kubectl-edit", "kubectl-patch", "kubectl-replace", "kubectl-label", "kubectl-annotate", "kubectl-scale")
"""Field managers behind which there are hands, not another declaration."""


@dataclass
class ObjectSet:
    """Which set, and how it is applied.

    :param stack: names the parent object and, by default, our field manager.
    :param namespace: where the parent object is.
    :param hands: patterns of field managers whose changes are drift, and brought back without ``force_conflicts``.
    :param conditions: for kinds such as ``NodePool.karpenter.sh``, types and statuses of conditions to wait for.
    :param documents: all that is declared, by identity, with the set's label, references, and secrets hidden.
    :param secrets: what references to secrets yield.
    """

    cluster: Cluster
    stack: str
    namespace: str = "kube-system"
    field_manager: str = ""
    force_conflicts: bool = False
    hands: tuple[str, ...] = HANDS
    wait: bool = True
    wait_timeout: int = 600
    conditions: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    secrets: SecretValues = field(default_factory=SecretValues)
    absent: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._began: dict[str, float] = {}

    @property
    def manager(self) -> str:
        """The name that our fields are managed under."""
        return self.field_manager or self.stack

    @property
    def id(self) -> str:
        """The set's identifier."""
        return set_id(self.stack, self.namespace)

    @property
    def parent(self) -> str:
        """The identity of the parent object."""
        return f"ConfigMap/{self.namespace}/{self.stack}"

    @property
    def parent_path(self) -> str:
        """The path of the parent object."""
        return ApiType("", "v1", "ConfigMap", "configmaps", namespaced=True).path(self.namespace, self.stack)

    def is_by_hand(self, manager: str) -> bool:
        """Tell whether what a field manager changed is drift rather than another declaration."""
        return any(fnmatchcase(manager, pattern) for pattern in self.hands)

    def type_of(self, document: Mapping[str, Any], *, fresh: bool = False) -> ApiType | None:
        """Return how the API server offers the kind of an object in its version; None if it doesn't."""
        group, version = split(str(document["apiVersion"]))
        return self.cluster.api_type(group, str(document["kind"]), version, fresh=fresh)

    def sent(self, name: str) -> dict[str, Any]:
        """Return a declared object as it is sent: references resolved, secrets in plain."""
        found = plain(self.documents[name], self._resolve)
        if is_secret(found):
            self.secrets.conceal(secret_texts(found))
        return found

    def _resolve(self, ref: Ref) -> Any:
        kind, _dot, name = ref.address.partition(".")
        if kind == LOOKUP:
            return self.secrets.value(name, ref.attribute)
        value = self.cluster.attributes.get(ref.attribute)
        if value is None:
            raise EngineError(f"cluster '{self.cluster.name}' has no {ref.attribute} yet: run this again later")
        return value

    def path_of(self, document: Mapping[str, Any]) -> str:
        """Return the path of an object; empty if the API server doesn't offer its kind."""
        offered = self.type_of(document)
        if offered is None:
            return ""
        metadata = document["metadata"]
        namespace = metadata.get("namespace", "")
        if offered.namespaced != bool(namespace):
            scope = "is in namespaces: give metadata.namespace" if offered.namespaced else "is in no namespace"
            raise EngineError(
                f"manifest.{identity(document)}: {offered.kind} {scope}"
                + ("" if offered.namespaced else f": leave out metadata.namespace ({namespace})")
            )
        return offered.path(namespace, metadata["name"])

    def apply(self, document: Mapping[str, Any], *, force: bool, dry_run: bool) -> dict[str, Any]:
        """Apply an object under the set's field manager."""
        path = self.path_of(document)
        if not path:
            self.type_of(document, fresh=True)
            path = self.path_of(document)
        if not path:
            raise ApiError(404, "NotFound", f"it knows no {document['apiVersion']} {document['kind']}")
        return self.cluster.apply(path, document, self.manager, force=force, dry_run=dry_run)

    def members(self, wanted: Mapping[str, str], parent: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        """List the objects that bear the set's label: of the kinds that are wanted, and of those it had before.

        :param wanted: the version to list each kind in.
        """
        annotations = ((parent or {}).get("metadata") or {}).get("annotations") or {}
        kinds = {**dict.fromkeys(listed(annotations.get(GROUP_KINDS)), ""), **wanted}
        namespaces = {
            self.namespace,
            *listed(annotations.get(NAMESPACES)),
            *(name.split("/")[1] for name in self.documents if name.count("/") == 2),
        }
        found = side_by_side(lambda name: self._listed(name, kinds[name], namespaces), sorted(kinds))
        return [item for items in found for item in items]

    def _listed(self, name: str, version: str, namespaces: Iterable[str]) -> list[dict[str, Any]]:
        group, kind = parted(name)
        offered = self.cluster.api_type(group, kind, version) or self.cluster.api_type(group, kind)
        if offered is None:
            return []
        selector = {"labelSelector": f"applyset.kubernetes.io/part-of={self.id}"}
        try:
            items = self.cluster.items(offered.path(), **selector)
        except ApiError as error:
            if error.status != 403 or not offered.namespaced:
                raise
            # Who may look into some namespaces only: into those that the set has something in.
            paths = [offered.path(namespace) for namespace in sorted(namespaces)]
            items = [item for path in paths for item in self.cluster.items(path, **selector)]
        version = f"{offered.group}/{offered.version}" if offered.group else offered.version
        return [{"apiVersion": version, "kind": kind, **item} for item in items]

    def overdue(self, name: str, what: str, why: str) -> None:
        """Raise if something has been waited for longer than ``wait_timeout``, from the first time it was asked."""
        with self._lock:
            began = self._began.setdefault(f"{what} {name}", time.monotonic())
        if time.monotonic() - began > self.wait_timeout:
            raise EngineError(f"it is not {what} after {self.wait_timeout} seconds: {why}")

    def restart(self, name: str) -> None:
        """Begin to count anew: it has been changed."""
        with self._lock:
            for what in ("ready", "gone"):
                self._began.pop(f"{what} {name}", None)


def set_id(stack: str, namespace: str) -> str:
    """Return a set's identifier, made of its parent's name, namespace, kind and group as the KEP says."""
    digest = hashlib.sha256(f"{stack}.{namespace}.ConfigMap.".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"


def listed(text: str | None) -> list[str]:
    """Return the items of an annotation such as ``ConfigMap,Deployment.apps``."""
    return [item.strip() for item in (text or "").split(",") if item.strip()]


def versions_of(documents: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return for each kind the version that the first object of it is declared in."""
    found: dict[str, str] = {}
    for document in documents:
        found.setdefault(group_kind(document), split(str(document["apiVersion"]))[1])
    return found
