# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters that other stacks own, found by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope
from ._eks import cluster_attributes, describe_cluster
from ._session import Session

_NAME = re.compile(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}")


class EksClusterLookup(Kind):
    """A cluster by its name (https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeCluster.html)."""

    name = "eks_cluster_lookup"
    properties: ClassVar[Mapping[str, Property]] = {
        "cluster_name": Property("str", required=True, doc="The cluster's name in the account and Region.")
    }
    attributes = (
        "arn",
        "partition",
        "region",
        "account_id",
        "cluster_security_group_id",
        "vpc_id",
        "version",
        "endpoint",
    )
    key = ("cluster_name",)
    lookup = True
    taggable = False

    def __init__(self, describe: Callable[[Session, str], Mapping[str, Any]] = describe_cluster) -> None:
        self._describe = describe

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Describe each cluster. One that doesn't have its security group yet isn't there for anybody else."""

        def one(name: str) -> Observed | None:
            cluster = self._describe(session, name)
            attributes = cluster_attributes(session, cluster)
            if not attributes["cluster_security_group_id"] or cluster.get("status") in ("DELETING", "FAILED"):
                return None
            return Observed(cluster["name"], {"cluster_name": cluster["name"]}, attributes)

        found = session.each(one, scope.names(self.name, "cluster_name"))
        return [cluster for cluster in found if cluster is not None]

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check the name against the API's rule."""
        name = properties["cluster_name"]
        if isinstance(name, str) and not _NAME.fullmatch(name):
            return [f"cluster_name {name!r}: use letters, digits, hyphens and underscores, a letter or digit first"]
        return []
