# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters that other stacks own, found by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope
from ._session import Session

_NAME = re.compile(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}")


class EksClusterLookup(Kind):
    """A cluster by its name (https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeCluster.html)."""

    name = "eks_cluster_lookup"
    properties: ClassVar[Mapping[str, Property]] = {
        "cluster_name": Property("str", required=True, doc="The cluster's name in the account and Region.")
    }
    attributes = ("arn", "partition", "region", "account_id", "cluster_security_group_id", "vpc_id", "version")
    key = ("cluster_name",)
    lookup = True
    taggable = False

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Describe each cluster. One that doesn't have its security group yet isn't there for anybody else."""

        def one(name: str) -> Observed | None:
            found = session.call("eks", "describe_cluster", missing=["ResourceNotFoundException"], name=name)
            cluster = found.get("cluster", {})
            network = cluster.get("resourcesVpcConfig", {})
            if not network.get("clusterSecurityGroupId") or cluster.get("status") in ("DELETING", "FAILED"):
                return None
            return Observed(
                id=cluster["name"],
                properties={"cluster_name": cluster["name"]},
                attributes={
                    "arn": cluster["arn"],
                    "partition": session.partition,
                    "region": session.region,
                    "account_id": session.account_id,
                    "cluster_security_group_id": network["clusterSecurityGroupId"],
                    "vpc_id": network.get("vpcId"),
                    "version": cluster.get("version"),
                },
            )

        found = session.each(one, scope.names(self.name, "cluster_name"))
        return [cluster for cluster in found if cluster is not None]

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check the name against the API's rule."""
        name = properties["cluster_name"]
        if isinstance(name, str) and not _NAME.fullmatch(name):
            return [f"cluster_name {name!r}: use letters, digits, hyphens and underscores, a letter or digit first"]
        return []
