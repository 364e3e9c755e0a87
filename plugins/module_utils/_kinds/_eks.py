# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of EKS share: which clusters are meant, updates that run for minutes, tags.

EKS can neither filter by tag nor describe several things at once: what belongs to a cluster is listed once per cluster
and described side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from .._engine.errors import EngineError
from .._engine.kind import Kind, Observed, Scope
from ._once import owned
from ._session import Session
from ._shapes import request

GONE = ("ResourceNotFoundException",)
BUSY = ("ResourceInUseException",)
"""A cluster, a node group, takes one update at a time; a cluster takes one Fargate profile at a time."""
PATIENCE = 240
"""Attempts while something is busy: about half an hour, the longest that EKS documents for an update of a cluster."""
ROLE_LAG = ("InvalidParameterException",)
"""What EKS says of a role that was made a moment ago
(https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency).
The same code means a true mistake, so it is not retried for long."""
ROLE_LAG_ATTEMPTS = 9
_KINDS = (
    "eks_nodegroup",
    "eks_fargate_profile",
    "eks_addon",
    "eks_access_entry",
    "eks_pod_identity_association",
)


def describe_cluster(session: Session, name: str) -> dict[str, Any]:
    """Return what EKS says of a cluster; nothing if it has none of the name."""
    found: dict[str, Any] = session.call("eks", "describe_cluster", missing=GONE, name=name).get("cluster", {})
    return found


def cluster_attributes(session: Session, cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Return what others may want to know of a cluster, of what EKS says of it; None where it doesn't say it yet."""
    network = cluster.get("resourcesVpcConfig") or {}
    return {
        "account_id": session.account_id,
        "arn": cluster.get("arn"),
        "cluster_security_group_id": network.get("clusterSecurityGroupId"),
        "endpoint": cluster.get("endpoint"),
        "partition": session.partition,
        "region": session.region,
        "version": cluster.get("version"),
        "vpc_id": network.get("vpcId"),
    }


def cluster_names(session: Session, scope: Scope) -> list[str]:
    """Return the clusters that are declared or looked up, those of what is declared, and those that the stack owns."""
    declared = [
        *scope.names("eks_cluster", "name"),
        *scope.names("eks_cluster_lookup", "cluster_name"),
        *(name for kind in _KINDS for name in scope.names(kind, "cluster_name")),
    ]
    prefix = session.arn("eks", "cluster/")
    return list(dict.fromkeys([*declared, *(arn.removeprefix(prefix) for arn in owned(session, scope, prefix))]))


def each_of_clusters(
    session: Session,
    scope: Scope,
    operation: str,
    key: str,
    describe: Callable[[str, Any], Observed | None],
    missing: Iterable[str] = GONE,
) -> list[Observed]:
    """List something in every cluster, then describe each side by side; what disappears meanwhile is left out.

    :param describe: called with the cluster's name and an item of the listing.
    :param missing: error codes that mean there are none.
    """
    names = cluster_names(session, scope)
    listed = session.each(lambda name: session.pages("eks", operation, key, missing=missing, clusterName=name), names)
    pairs = [(name, item) for name, items in zip(names, listed, strict=True) for item in items]
    found = session.each(lambda pair: describe(*pair), pairs)
    return [item for item in found if item is not None]


def each_described(
    session: Session,
    scope: Scope,
    operation: str,
    key: str,
    describe: Callable[[Session, str, str], Mapping[str, Any]],
    observed: Callable[[Any], Observed],
) -> list[Observed]:
    """Observe what EKS lists by name in every cluster; ``describe`` returns nothing for what has disappeared."""

    def one(cluster: str, name: str) -> Observed | None:
        found = describe(session, cluster, name)
        return observed(found) if found else None

    return each_of_clusters(session, scope, operation, key, one)


def inputs(operation: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return an operation's input, without tags: those that a resource declares are only a part of those it gets."""
    return request("eks", operation, {name: value for name, value in properties.items() if name != "tags"})


def tag(_kind: Kind, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
    """Write tags on anything of EKS: the ``tag`` method of its kinds."""
    session.call("eks", "tag_resource", resourceArn=observed.attributes["arn"], tags=dict(tags))


def update(session: Session, operation: str, /, **params: Any) -> str:
    """Start an update as soon as the one before it has ended, and return its id."""
    answer = session.call("eks", operation, retry_on=BUSY, attempts=PATIENCE, **params)
    return str(answer["update"]["id"])


def with_updates(observed: Observed, updates: Iterable[str]) -> Observed:
    """Return what was observed with the updates that :func:`are_done` is to await."""
    return replace(observed, attributes={**observed.attributes, "updates": list(updates)})


def are_done(session: Session, observed: Observed, /, **params: Any) -> bool:
    """Tell whether every update that was started has succeeded; raise with EKS's reasons when one failed.

    A failed update leaves the cluster ACTIVE, so the status of the thing itself wouldn't tell
    (https://docs.aws.amazon.com/eks/latest/APIReference/API_Update.html).
    """
    for update_id in observed.attributes.get("updates", []):
        found = session.call("eks", "describe_update", updateId=update_id, **params)["update"]
        if found["status"] in ("Failed", "Cancelled"):
            reasons = "; ".join(f"{error['errorCode']}: {error['errorMessage']}" for error in found.get("errors", []))
            raise EngineError(f"EKS update {found['type']} is {found['status']}: {reasons or 'EKS gives no reason'}")
        if found["status"] != "Successful":
            return False
    return True


def failure(what: str, described: Mapping[str, Any]) -> EngineError:
    """Return the error for something that EKS gave up on, with the reasons it gives."""
    issues = described.get("health", {}).get("issues", [])
    reasons = "; ".join(f"{issue.get('code')}: {issue.get('message')}" for issue in issues)
    return EngineError(f"{what} is {described['status']}: {reasons or 'EKS gives no reason'}")


def older(one: str | None, other: str | None) -> bool:
    """Tell whether a Kubernetes or add-on version is less than another; unknown ones aren't."""
    return bool(one and other) and parts(str(one)) < parts(str(other))


def parts(version: str) -> tuple[int, ...]:
    """Return the numbers in a version such as ``v1.19.2-eksbuild.5``."""
    digits = "".join(character if character.isdigit() else " " for character in version)
    return tuple(int(part) for part in digits.split())
