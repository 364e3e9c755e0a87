# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed node groups of EKS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Pending, Property, Scope, State, Wanted
from .._engine.resource import is_known
from . import _eks
from ._session import Session
from ._shapes import from_api, violations

_STATES: Mapping[str, State] = {
    "CREATING": "pending",
    "UPDATING": "pending",
    "ACTIVE": "ready",
    # Nodes are unhealthy or missing: a matter for an update or a person, not for a replacement.
    "DEGRADED": "ready",
    "DELETING": "deleting",
    "CREATE_FAILED": "failed",
    "DELETE_FAILED": "failed",
}
_CONFIG = ("scaling_config", "labels", "taints", "update_config", "node_repair_config")
_VERSION = ("version", "release_version", "launch_template")
_RESERVED = ("kubernetes.io/", "k8s.io/", "eks.amazonaws.com/")
_ARCHITECTURES = {"ARM_64": "arm64", "x86_64": "x86_64"}


def _same_scaling(wanted: Any, observed: Any) -> bool:
    """Compare the bounds only: once a node group exists, its size belongs to whatever scales it."""
    return all(wanted.get(name) in (None, (observed or {}).get(name)) for name in ("min_size", "max_size"))


class EksNodegroup(Kind):
    """A managed node group (https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html)."""

    name = "eks_nodegroup"
    properties: ClassVar[Mapping[str, Property]] = {
        "cluster_name": Property("str", required=True, immutable=True, doc="The cluster."),
        "nodegroup_name": Property(
            "str", required=True, immutable=True, doc="Unique in the cluster, up to 63 characters."
        ),
        "node_role": Property("str", required=True, immutable=True, doc="The ARN of the nodes' role."),
        "subnets": Property("set", required=True, immutable=True, doc="Where the nodes stand."),
        "instance_types": Property("list", immutable=True, doc="Alternatives in order of preference."),
        "ami_type": Property("str", immutable=True, doc="Operating system and architecture."),
        "capacity_type": Property("str", default="ON_DEMAND", immutable=True, doc="V(ON_DEMAND) or V(SPOT)."),
        "disk_size": Property("int", immutable=True, doc="GiB; only without a launch template."),
        "launch_template": Property("dict", doc="C(id) and C(version); a new version replaces the nodes one by one."),
        "version": Property("str", doc="Kubernetes version of the nodes; never newer than the cluster's."),
        "release_version": Property("str", doc="Version of the machine image; otherwise the newest at creation."),
        "scaling_config": Property(
            "dict",
            same=_same_scaling,
            doc="C(min_size), C(max_size), and C(desired_size), which only matters at creation.",
        ),
        "labels": Property("map", doc="Labels of the nodes."),
        "taints": Property(
            "set", doc="C(key), C(value), C(effect): V(NO_SCHEDULE), V(PREFER_NO_SCHEDULE), V(NO_EXECUTE)."
        ),
        "update_config": Property("dict", doc="How many nodes may be away during an update."),
        "node_repair_config": Property("dict", doc="C(enabled): whether EKS replaces nodes that are not healthy."),
    }
    attributes = ("arn", "auto_scaling_group_names")
    priced = ("instance_types", "capacity_type", "disk_size", "launch_template", "scaling_config")
    key = ("cluster_name", "nodegroup_name")
    closed_in = ("cluster_name", "eks_cluster")
    slow = True
    timeout = 3600
    tag = _eks.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the node groups of the clusters concerned and describe each."""
        return _eks.each_described(session, scope, "list_nodegroups", "nodegroups", self._describe, self._observed)

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the node group with its tags."""
        found = session.call(
            "eks",
            "create_nodegroup",
            retry_on=_eks.ROLE_LAG,
            attempts=_eks.ROLE_LAG_ATTEMPTS,
            tags=dict(wanted.tags),
            **_eks.inputs("CreateNodegroup", wanted.properties),
        )["nodegroup"]
        return self._observed(found)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Update the configuration, then what is rolled out to the nodes one by one."""
        names = {"clusterName": wanted["cluster_name"], "nodegroupName": wanted["nodegroup_name"]}
        updates = []
        if config := self._config(observed, wanted, changed):
            updates.append(_eks.update(session, "update_nodegroup_config", **names, **config))
        if changed & set(_VERSION):
            versions = {name: wanted[name] for name in _VERSION if name in changed}
            inputs = _eks.inputs("UpdateNodegroupVersion", versions)
            updates.append(_eks.update(session, "update_nodegroup_version", **names, **inputs))
        return _eks.with_updates(observed, updates)

    def delete(self, session: Session, observed: Observed) -> None:
        """Start the deletion: EKS drains the nodes first."""
        session.call(
            "eks",
            "delete_nodegroup",
            retry_on=_eks.BUSY,
            attempts=_eks.PATIENCE,
            missing=_eks.GONE,
            clusterName=observed.properties["cluster_name"],
            nodegroupName=observed.properties["nodegroup_name"],
        )

    def ready(self, session: Session, observed: Observed) -> Observed | Pending:
        """Wait for status ACTIVE (waiter nodegroup_active) and for the success of every update."""
        cluster, name = observed.properties["cluster_name"], observed.properties["nodegroup_name"]
        if not _eks.are_done(session, observed, name=cluster, nodegroupName=name):
            return Pending("UPDATING")
        found = self._describe(session, cluster, name)
        if found and found["status"] in ("CREATE_FAILED", "DEGRADED"):
            raise _eks.failure(f"node group {name} of {cluster}", found)
        if not found or found["status"] != "ACTIVE":
            return Pending(found.get("status", ""))
        return self._observed(found)

    def gone(self, session: Session, observed: Observed) -> bool | Pending:
        """Wait until it isn't found any more (waiter nodegroup_deleted)."""
        cluster, name = observed.properties["cluster_name"], observed.properties["nodegroup_name"]
        found = self._describe(session, cluster, name)
        if found and found["status"] == "DELETE_FAILED":
            raise _eks.failure(f"node group {name} of {cluster}", found)
        return Pending(found["status"]) if found else True

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, sizes, labels, and what a launch template excludes."""
        problems = violations("eks", "CreateNodegroup", properties)
        name = properties["nodegroup_name"]
        if isinstance(name, str) and len(name) > 63:
            problems.append(f"nodegroup_name: {name!r} has {len(name)} characters, more than the 63 allowed")
        problems += _size_problems(properties.get("scaling_config") or {})
        problems += [
            f"labels: {label!r} begins with a prefix that EKS keeps for itself ({', '.join(_RESERVED)})"
            for label in (properties.get("labels") or {})
            if label.startswith(_RESERVED)
        ]
        if properties.get("launch_template") and properties.get("disk_size"):
            problems.append("disk_size belongs into the launch template when there is one")
        update = properties.get("update_config") or {}
        if update.get("max_unavailable") and update.get("max_unavailable_percentage"):
            problems.append("update_config: give max_unavailable or max_unavailable_percentage, not both")
        return problems

    def refuse(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        """Refuse a downgrade of the nodes, and another launch template (only its version can change)."""
        problems = []
        there, wanted = observed.properties["version"], properties.get("version")
        if isinstance(wanted, str) and _eks.older(wanted, there):
            problems.append(
                f"nodes with Kubernetes {there} can't be taken back to {wanted}: make a new node group instead"
            )
        old, new = observed.properties["launch_template"] or {}, properties.get("launch_template") or {}
        if is_known(new.get("id")) and new.get("id") and new["id"] != old.get("id"):
            problems.append(
                f"launch template {old.get('id', '(none)')} can't become {new['id']}: EKS takes another version "
                "of the same one only; make a new node group instead"
            )
        return problems

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Refuse instance types that the Region doesn't have or that are of another architecture than the image."""
        types = sorted({kind for item in wanted for kind in item.get("instance_types") or ()})
        if not types:
            return []
        found = session.pages(
            "ec2", "describe_instance_types", "InstanceTypes", Filters=[{"Name": "instance-type", "Values": types}]
        )
        offered = {item["InstanceType"]: item["ProcessorInfo"]["SupportedArchitectures"] for item in found}
        problems = [f"{session.region} has no instance type {kind}" for kind in types if kind not in offered]
        for item in wanted:
            name, ami = item["nodegroup_name"], item.get("ami_type") or ""
            architecture = next((value for part, value in _ARCHITECTURES.items() if part in ami), None)
            problems += [
                f"node group {name}: {kind} is {', '.join(offered[kind])}, but {ami} is {architecture}"
                for kind in item.get("instance_types") or ()
                if kind in offered and architecture and architecture not in offered[kind]
            ]
        return problems

    @staticmethod
    def _config(observed: Observed, wanted: Wanted, changed: frozenset[str]) -> dict[str, Any]:
        """Return the input of UpdateNodegroupConfig, which takes labels and taints as differences."""
        config = {name: wanted[name] for name in _CONFIG if name in changed and name not in ("labels", "taints")}
        if "scaling_config" in config:
            config["scaling_config"] = _bounds(wanted["scaling_config"], observed.properties["scaling_config"])
        if "labels" in changed:
            there = observed.properties["labels"] or {}
            labels = {key: value for key, value in wanted["labels"].items() if there.get(key) != value}
            removed = sorted(there.keys() - wanted["labels"].keys())
            config["labels"] = {"add_or_update_labels": labels or None, "remove_labels": removed or None}
        if "taints" in changed:
            there = observed.properties["taints"] or []
            taints = [taint for taint in wanted["taints"] if taint not in there]
            identities = [(taint["key"], taint["effect"]) for taint in wanted["taints"]]
            removed = [taint for taint in there if (taint["key"], taint["effect"]) not in identities]
            config["taints"] = {"add_or_update_taints": taints or None, "remove_taints": removed or None}
        return _eks.inputs("UpdateNodegroupConfig", config)

    @staticmethod
    def _describe(session: Session, cluster: str, name: str) -> dict[str, Any]:
        found = session.call("eks", "describe_nodegroup", missing=_eks.GONE, clusterName=cluster, nodegroupName=name)
        return dict(found.get("nodegroup", {}))

    @staticmethod
    def _observed(found: Mapping[str, Any]) -> Observed:
        flat = from_api("eks", "Nodegroup", found)
        groups = found.get("resources", {}).get("autoScalingGroups", [])
        return Observed(
            id=found["nodegroupArn"],
            properties={name: flat.get(name) for name in EksNodegroup.properties},
            attributes={"arn": found["nodegroupArn"], "auto_scaling_group_names": [group["name"] for group in groups]},
            tags=dict(found.get("tags", {})),
            state=_STATES[found["status"]],
        )


def _bounds(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, int]:
    """Return the wanted bounds, and the desired size only where the present one lies outside of them."""
    bounds = {name: int(wanted.get(name, there[name])) for name in ("min_size", "max_size")}
    fitting = min(max(there["desired_size"], bounds["min_size"]), bounds["max_size"])
    return bounds if fitting == there["desired_size"] else {**bounds, "desired_size": fitting}


def _size_problems(scaling: Mapping[str, Any]) -> list[str]:
    least, desired, most = (scaling.get(name) for name in ("min_size", "desired_size", "max_size"))
    problems = []
    if isinstance(least, int) and isinstance(most, int) and least > most:
        problems.append(f"scaling_config: min_size {least} is more than max_size {most}")
    elif isinstance(desired, int) and isinstance(least, int) and isinstance(most, int) and not least <= desired <= most:
        problems.append(f"scaling_config: desired_size {desired} is not between min_size {least} and max_size {most}")
    return problems
