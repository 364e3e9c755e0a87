# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pod identity associations of EKS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _eks
from ._session import Session
from ._shapes import from_api, violations

_MUTABLE = ("role_arn", "target_role_arn", "disable_session_tags")


class EksPodIdentityAssociation(Kind):
    """A role for a service account (https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html)."""

    name = "eks_pod_identity_association"
    properties: ClassVar[Mapping[str, Property]] = {
        "cluster_name": Property("str", required=True, immutable=True, doc="The cluster."),
        "namespace": Property("str", required=True, immutable=True, doc="The service account's namespace."),
        "service_account": Property("str", required=True, immutable=True, doc="The service account's name."),
        "role_arn": Property("str", required=True, doc="The role; it must trust pods.eks.amazonaws.com."),
        "target_role_arn": Property("str", doc="A role, of another account perhaps, that the first one assumes."),
        "disable_session_tags": Property(
            "bool", doc="Whether sessions come without the tags that name pod and cluster."
        ),
    }
    attributes = ("arn", "association_id", "external_id")
    key = ("cluster_name", "namespace", "service_account")
    closed_in = ("cluster_name", "eks_cluster")
    tag = _eks.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the associations of the clusters concerned and describe each; what an add-on owns isn't ours."""

        def describe(cluster: str, item: Mapping[str, Any]) -> Observed | None:
            if item.get("ownerArn"):
                return None
            found = session.call(
                "eks",
                "describe_pod_identity_association",
                missing=_eks.GONE,
                clusterName=cluster,
                associationId=item["associationId"],
            )
            return self._observed(found["association"]) if found else None

        return _eks.each_of_clusters(session, scope, "list_pod_identity_associations", "associations", describe)

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the association with its tags; the role may have been made a moment ago."""
        found = session.call(
            "eks",
            "create_pod_identity_association",
            retry_on=_eks.ROLE_LAG,
            attempts=_eks.ROLE_LAG_ATTEMPTS,
            tags=dict(wanted.tags),
            **_eks.inputs("CreatePodIdentityAssociation", wanted.properties),
        )["association"]
        return self._observed(found)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Change the roles; pods get them when they start anew."""
        values = {name: wanted[name] for name in _MUTABLE if name in changed}
        found = session.call(
            "eks",
            "update_pod_identity_association",
            retry_on=_eks.ROLE_LAG,
            attempts=_eks.ROLE_LAG_ATTEMPTS,
            clusterName=wanted["cluster_name"],
            associationId=observed.id,
            **_eks.inputs("UpdatePodIdentityAssociation", values),
        )["association"]
        return self._observed(found)

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the association."""
        session.call(
            "eks",
            "delete_pod_identity_association",
            missing=_eks.GONE,
            clusterName=observed.properties["cluster_name"],
            associationId=observed.id,
        )

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        return violations("eks", "CreatePodIdentityAssociation", properties)

    @staticmethod
    def _observed(found: Mapping[str, Any]) -> Observed:
        flat = from_api("eks", "PodIdentityAssociation", found)
        return Observed(
            id=found["associationId"],
            properties={name: flat.get(name) for name in EksPodIdentityAssociation.properties},
            attributes={
                "arn": found["associationArn"],
                "association_id": found["associationId"],
                "external_id": found.get("externalId"),
            },
            tags=dict(found.get("tags", {})),
        )
