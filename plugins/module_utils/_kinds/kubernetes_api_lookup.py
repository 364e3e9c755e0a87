# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of objects that a cluster must know beforehand: its own, and those that others install."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from .._engine.kind import Kind, Observed, Property, Scope
from ._cluster import Cluster
from ._objects import split
from ._session import Session


class KubernetesApiLookup(Kind):
    """A kind of object in a version, by discovery (https://kubernetes.io/docs/concepts/overview/kubernetes-api/)."""

    name = "kubernetes_api_lookup"
    properties: ClassVar[Mapping[str, Property]] = {
        "api": Property("str", required=True, doc="Group, version and kind, as C(apps/v1 Deployment).")
    }
    key = ("api",)
    lookup = True
    taggable = False

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Look each one up. Of a cluster that isn't there nothing is known, so nothing is missing in it."""
        there = self._cluster.open(session)
        found = []
        for api in scope.names(self.name, "api"):
            api_version, _space, kind = api.partition(" ")
            group, version = split(api_version)
            if not there or self._cluster.api_type(group, kind, version) is not None:
                found.append(Observed(id=api, properties={"api": api}))
        return found
