# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access entries of EKS, with the access policies associated with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from . import _eks
from ._session import Session
from ._shapes import from_api, to_api, violations

_TYPES = ("STANDARD", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "EC2", "HYBRID_LINUX", "HYPERPOD_LINUX")
_WITH_POLICIES = ("STANDARD", "EC2")


def _policies(entries: Any) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the kind of scope and the namespaces by the policy's name, which is the end of its ARN."""
    return {
        _name(entry["policy_arn"]): (
            (entry.get("access_scope") or {}).get("type", "cluster"),
            tuple(sorted((entry.get("access_scope") or {}).get("namespaces") or ())),
        )
        for entry in entries or ()
    }


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


def _same_policies(wanted: Any, observed: Any) -> bool:
    return _policies(wanted) == _policies(observed)


class EksAccessEntry(Kind):
    """An access entry (https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAccessEntry.html).

    The policies of an entry are managed whole: one that somebody associates by hand is drift.
    """

    name = "eks_access_entry"
    properties: ClassVar[Mapping[str, Property]] = {
        "cluster_name": Property("str", required=True, immutable=True, doc="The cluster."),
        "principal_arn": Property("str", required=True, immutable=True, doc="The ARN of an IAM role or user."),
        "type": Property(
            "str", default="STANDARD", immutable=True, choices=_TYPES, doc="Who it is for: people or nodes."
        ),
        "kubernetes_groups": Property("set", doc="Groups that role bindings in the cluster refer to."),
        "username": Property("str", doc="The name in the cluster's audit log; by default made from the ARN."),
        "access_policies": Property(
            "set",
            default=[],
            same=_same_policies,
            doc="C(policy_arn), or the policy's bare name, and C(access_scope): C(type), C(namespaces).",
        ),
    }
    attributes = ("arn",)
    key = ("cluster_name", "principal_arn")
    closed_in = ("cluster_name", "eks_cluster")
    tag = _eks.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the entries of the clusters concerned, and describe each with its policies."""
        return _eks.each_of_clusters(
            session,
            scope,
            "list_access_entries",
            "accessEntries",
            lambda cluster, arn: self._find(session, cluster, arn),
            # A cluster that still goes by its config map has no entries, and says so by this error.
            missing=(*_eks.GONE, "InvalidRequestException"),
        )

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the entry with its tags, then associate its policies."""
        entry = session.call(
            "eks",
            "create_access_entry",
            retry_on=_eks.ROLE_LAG,
            attempts=_eks.ROLE_LAG_ATTEMPTS,
            tags=dict(wanted.tags),
            **_eks.inputs("CreateAccessEntry", wanted.properties),
        )["accessEntry"]
        return self.update(session, self._observed(entry, []), wanted, frozenset({"access_policies"}))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Update the entry, then its policies: what an association lacks is added before anything is taken away."""
        key = {"clusterName": wanted["cluster_name"], "principalArn": wanted["principal_arn"]}
        values: dict[str, Any] = {name: wanted[name] for name in ("kubernetes_groups", "username") if name in changed}
        if values:
            session.call("eks", "update_access_entry", **key, **_eks.inputs("UpdateAccessEntry", values))
        if "access_policies" in changed:
            there, target = _policies(observed.properties["access_policies"]), _policies(wanted["access_policies"])
            for name, (kind, namespaces) in target.items():
                if there.get(name) != (kind, namespaces):
                    scope = {"type": kind, **({"namespaces": namespaces} if kind == "namespace" else {})}
                    session.call(
                        "eks",
                        "associate_access_policy",
                        retry_on=_eks.GONE,
                        attempts=_eks.ROLE_LAG_ATTEMPTS,
                        policyArn=self._policy_arn(session, name),
                        accessScope=to_api("eks", "AccessScope", scope),
                        **key,
                    )
            for name in there.keys() - target.keys():
                arn = self._policy_arn(session, name)
                session.call("eks", "disassociate_access_policy", missing=_eks.GONE, policyArn=arn, **key)
        return self._find(session, wanted["cluster_name"], wanted["principal_arn"]) or observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the entry; its associations go with it."""
        session.call(
            "eks",
            "delete_access_entry",
            missing=_eks.GONE,
            clusterName=observed.properties["cluster_name"],
            principalArn=observed.properties["principal_arn"],
        )

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and which types take policies and groups."""
        problems = violations("eks", "CreateAccessEntry", properties)
        for index, entry in enumerate(properties["access_policies"]):
            path = f"access_policies[{index}]"
            if not isinstance(entry, Mapping) or not isinstance(entry.get("policy_arn"), str):
                problems.append(f"{path}: the member 'policy_arn' is missing")
                continue
            scope = entry.get("access_scope") or {}
            kind = scope.get("type", "cluster")
            if kind not in ("cluster", "namespace"):
                problems.append(f"{path}.access_scope.type: {kind!r} is not one of cluster, namespace")
            elif (kind == "namespace") != bool(scope.get("namespaces")):
                problems.append(f"{path}.access_scope: namespaces go with type namespace, and only with it")
        if properties["access_policies"] and properties["type"] not in _WITH_POLICIES:
            problems.append(f"access policies go with an entry of type STANDARD or EC2, not {properties['type']}")
        if properties.get("kubernetes_groups") and properties["type"] != "STANDARD":
            problems.append(f"kubernetes_groups go with an entry of type STANDARD, not {properties['type']}")
        return problems + [
            f"kubernetes_groups: {group!r} begins with 'system:', which EKS refuses: bind a group of your own"
            for group in properties.get("kubernetes_groups") or ()
            if isinstance(group, str) and group.startswith("system:")
        ]

    def is_foreign(self, observed: Observed, mentioned: AbstractSet[str]) -> bool:
        """Leave out what EKS makes: entries of the roles of nodes, and of its own service-linked roles.

        https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html
        """
        principal = observed.properties["principal_arn"]
        nodes = observed.properties["type"] != "STANDARD" and principal in mentioned
        return not nodes and ":role/aws-service-role/" not in principal

    @staticmethod
    def _policy_arn(session: Session, name: str) -> str:
        return session.arn("eks", f"cluster-access-policy/{name}", region="", account="aws")

    def _find(self, session: Session, cluster: str, arn: str) -> Observed | None:
        key: dict[str, Any] = {"clusterName": cluster, "principalArn": arn}
        entry = session.call("eks", "describe_access_entry", missing=_eks.GONE, **key).get("accessEntry")
        if not entry:
            return None
        # EKS's own entries for nodes can't have policies: no need to ask.
        policies = []
        if entry.get("type", "STANDARD") in _WITH_POLICIES:
            policies = session.pages(
                "eks", "list_associated_access_policies", "associatedAccessPolicies", missing=_eks.GONE, **key
            )
        return self._observed(entry, policies)

    @staticmethod
    def _observed(entry: Mapping[str, Any], policies: Iterable[Mapping[str, Any]]) -> Observed:
        flat = from_api("eks", "AccessEntry", entry)
        associated = [from_api("eks", "AssociatedAccessPolicy", policy) for policy in policies]
        return Observed(
            id=entry["accessEntryArn"],
            properties={
                **{name: flat.get(name) for name in EksAccessEntry.properties},
                "access_policies": [
                    {name: policy[name] for name in ("policy_arn", "access_scope") if name in policy}
                    for policy in associated
                ],
            },
            attributes={"arn": entry["accessEntryArn"]},
            tags=dict(entry.get("tags", {})),
        )
