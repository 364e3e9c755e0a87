# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fargate profiles of EKS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Pending, Property, Scope, State, Wanted
from . import _eks
from ._session import Session
from ._shapes import from_api, violations

_STATES: Mapping[str, State] = {
    "CREATING": "pending",
    "ACTIVE": "ready",
    "DELETING": "deleting",
    "CREATE_FAILED": "failed",
    "DELETE_FAILED": "failed",
}


def _same_selectors(wanted: Any, observed: Any) -> bool:
    def plain(selectors: Any) -> list[tuple[str, list[tuple[str, str]]]]:
        return sorted((item["namespace"], sorted((item.get("labels") or {}).items())) for item in selectors or ())

    return plain(wanted) == plain(observed)


class EksFargateProfile(Kind):
    """A Fargate profile (https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateFargateProfile.html).

    Nothing of it can be changed but tags, and a cluster makes or deletes one at a time.
    """

    name = "eks_fargate_profile"
    properties: ClassVar[Mapping[str, Property]] = {
        "cluster_name": Property("str", required=True, immutable=True, doc="The cluster."),
        "fargate_profile_name": Property("str", required=True, immutable=True, doc="Unique in the cluster."),
        "pod_execution_role_arn": Property("str", required=True, immutable=True, doc="The role of the kubelet."),
        "subnets": Property("set", immutable=True, doc="Private subnets; all of the cluster's when left out."),
        "selectors": Property(
            "set", required=True, immutable=True, same=_same_selectors, doc="Which pods: C(namespace) and C(labels)."
        ),
    }
    attributes = ("arn",)
    priced = ()
    key = ("cluster_name", "fargate_profile_name")
    closed_in = ("cluster_name", "eks_cluster")
    slow = True
    timeout = 1800
    tag = _eks.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the profiles of the clusters concerned and describe each."""
        return _eks.each_described(
            session, scope, "list_fargate_profiles", "fargateProfileNames", self._describe, self._observed
        )

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the profile with its tags, when the one before it is done."""
        found = session.call(
            "eks",
            "create_fargate_profile",
            retry_on=[*_eks.BUSY, *_eks.ROLE_LAG],
            attempts=60,
            tags=dict(wanted.tags),
            **_eks.inputs("CreateFargateProfile", wanted.properties),
        )["fargateProfile"]
        return self._observed(found)

    def delete(self, session: Session, observed: Observed) -> None:
        """Start the deletion, when the one before it is done."""
        session.call(
            "eks",
            "delete_fargate_profile",
            retry_on=_eks.BUSY,
            attempts=60,
            missing=_eks.GONE,
            clusterName=observed.properties["cluster_name"],
            fargateProfileName=observed.properties["fargate_profile_name"],
        )

    def ready(self, session: Session, observed: Observed) -> Observed | Pending:
        """Wait for status ACTIVE (waiter fargate_profile_active)."""
        cluster, name = observed.properties["cluster_name"], observed.properties["fargate_profile_name"]
        found = self._describe(session, cluster, name)
        if found and found["status"] == "CREATE_FAILED":
            raise _eks.failure(f"Fargate profile {name} of {cluster}", found)
        if not found or found["status"] != "ACTIVE":
            return Pending(found.get("status", ""))
        return self._observed(found)

    def gone(self, session: Session, observed: Observed) -> bool | Pending:
        """Wait until it isn't found any more (waiter fargate_profile_deleted)."""
        cluster, name = observed.properties["cluster_name"], observed.properties["fargate_profile_name"]
        found = self._describe(session, cluster, name)
        if found and found["status"] == "DELETE_FAILED":
            raise _eks.failure(f"Fargate profile {name} of {cluster}", found)
        return Pending(found["status"]) if found else True

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model; EKS takes one to five selectors, each with a namespace."""
        problems = violations("eks", "CreateFargateProfile", properties)
        selectors = properties["selectors"]
        if isinstance(selectors, (list, tuple)):
            if not 1 <= len(selectors) <= 5:
                problems.append(f"selectors: {len(selectors)} given, EKS takes one to five")
            problems += [
                f"selectors[{index}]: the member 'namespace' is missing"
                for index, item in enumerate(selectors)
                if isinstance(item, Mapping) and not item.get("namespace")
            ]
        return problems

    @staticmethod
    def _describe(session: Session, cluster: str, name: str) -> dict[str, Any]:
        found = session.call(
            "eks", "describe_fargate_profile", missing=_eks.GONE, clusterName=cluster, fargateProfileName=name
        )
        return dict(found.get("fargateProfile", {}))

    @staticmethod
    def _observed(found: Mapping[str, Any]) -> Observed:
        flat = from_api("eks", "FargateProfile", found)
        return Observed(
            id=found["fargateProfileArn"],
            properties={name: flat.get(name) for name in EksFargateProfile.properties},
            attributes={"arn": found["fargateProfileArn"]},
            tags=dict(found.get("tags", {})),
            state=_STATES[found["status"]],
        )
