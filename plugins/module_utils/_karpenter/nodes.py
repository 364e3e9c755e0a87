# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EC2NodeClass and the NodePools of a cluster, from the role's variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from .catalog import AMD64, REASONS
from .schedule import closed_budgets

POOL_LABEL = "innovate.io/pool"
"""As the module ``eks_cluster`` labels the nodes of its groups."""
NODE_CLASS = "default"
_DISTURBING = tuple(reason for reason in REASONS if reason != "Empty")
"""What moves pods. An empty node costs and disturbs nobody, so it goes at any time."""


@dataclass(frozen=True)
class Pool:
    """A NodePool.

    :param instance_families: such as ``m6i``; none are all families.
    :param limits: quantities by resource, of all nodes of the pool together.
    :param consolidation: ``policy`` and ``after``.
    :param disruption_budgets: as Karpenter has them.
    :param maintenance_windows: each with ``start``, ``duration`` and ``days``; pods are moved only then.
    """

    name: str
    architectures: Sequence[str] = (AMD64,)
    capacity_types: Sequence[str] = ("on-demand",)
    instance_families: Sequence[str] = ()
    instance_sizes: Sequence[str] = ()
    instance_types: Sequence[str] = ()
    zones: Sequence[str] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    weight: int | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)
    taints: Sequence[Mapping[str, Any]] = ()
    startup_taints: Sequence[Mapping[str, Any]] = ()
    expire_after: str = "720h"
    termination_grace_period: str = "24h"
    consolidation: Mapping[str, Any] = field(default_factory=dict)
    disruption_budgets: Sequence[Mapping[str, Any]] = ({"nodes": "20%"},)
    maintenance_windows: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Nodes:
    """What Karpenter's nodes are in one cluster.

    :param role: name of the IAM role that nodes have.
    :param ami: an alias of Karpenter's, pinned: ``al2023@v20260930`` or ``bottlerocket@1.50.0``.
    :param volume_size: GiB for images, logs and pods' scratch space.
    :param volume_kms_key_arn: the key of the volumes; EBS's own without it.
    """

    cluster: str
    role: str
    ami: str
    volume_size: int = 50
    volume_kms_key_arn: str = ""
    metadata_hop_limit: int = 1
    tags: Mapping[str, Any] = field(default_factory=dict)
    pools: Sequence[Pool] = ()


OPTIONS = tuple(option.name for option in fields(Pool))


def read(declaration: Mapping[str, Any]) -> Nodes:
    """Return a declaration as the filters get it; what a pool says as null or leaves out has its default.

    Everything of a pool must be a known option; see ``checks.problems_of``.
    """
    pools = [
        Pool(**{name: value for name, value in pool.items() if value is not None})
        for pool in declaration.get("pools") or ()
    ]
    return Nodes(**{**declaration, "pools": pools})


def objects(nodes: Nodes) -> list[dict[str, Any]]:
    """Return the node class and the pools as documents."""
    return [_node_class(nodes), *(_node_pool(pool) for pool in nodes.pools)]


def _node_class(nodes: Nodes) -> dict[str, Any]:
    """Return what an instance is started with: IMDSv2 only (CIS EKS benchmark 5.4 asks for it), encrypted disks, tags.

    https://karpenter.sh/v1.14/concepts/nodeclasses/
    """
    return {
        "apiVersion": "karpenter.k8s.aws/v1",
        "kind": "EC2NodeClass",
        "metadata": {"name": NODE_CLASS},
        "spec": {
            "amiSelectorTerms": [{"alias": nodes.ami}],
            "role": nodes.role,
            # The VPC's module tags the private subnets, EKS its own security group.
            "subnetSelectorTerms": [{"tags": {"karpenter.sh/discovery": nodes.cluster}}],
            "securityGroupSelectorTerms": [{"tags": {"aws:eks:cluster-name": nodes.cluster}}],
            "metadataOptions": {
                "httpEndpoint": "enabled",
                "httpProtocolIPv6": "disabled",
                "httpPutResponseHopLimit": nodes.metadata_hop_limit,
                "httpTokens": "required",
            },
            "blockDeviceMappings": list(_volumes(nodes)),
            "tags": {str(name): str(value) for name, value in nodes.tags.items()},
        },
    }


def _volumes(nodes: Nodes) -> Iterator[dict[str, Any]]:
    key = {"kmsKeyID": nodes.volume_kms_key_arn} if nodes.volume_kms_key_arn else {}
    volume = {"volumeType": "gp3", "encrypted": True, "deleteOnTermination": True, **key}
    data = "/dev/xvda"
    if nodes.ami.startswith("bottlerocket@"):
        # The system has a small disk of its own, whose size its image tells.
        yield {"deviceName": data, "ebs": {**volume, "volumeSize": "4Gi"}}
        data = "/dev/xvdb"
    yield {"deviceName": data, "ebs": {**volume, "volumeSize": f"{nodes.volume_size}Gi"}}


def _node_pool(pool: Pool) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "template": {
            "metadata": {
                "labels": {POOL_LABEL: pool.name, **{key: str(value) for key, value in pool.labels.items()}},
            },
            "spec": {
                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": NODE_CLASS},
                "requirements": list(_requirements(pool)),
                "expireAfter": pool.expire_after,
                "terminationGracePeriod": pool.termination_grace_period,
            },
        },
        "disruption": {
            "consolidationPolicy": pool.consolidation.get("policy") or "WhenEmptyOrUnderutilized",
            "consolidateAfter": pool.consolidation.get("after") or "1m",
            "budgets": [
                *(_budget(budget) for budget in pool.disruption_budgets),
                *closed_budgets(pool.maintenance_windows, _DISTURBING),
            ],
        },
        "limits": {name: str(quantity) for name, quantity in pool.limits.items()},
    }
    if pool.weight is not None:
        spec["weight"] = int(pool.weight)
    for name, taints in (("taints", pool.taints), ("startupTaints", pool.startup_taints)):
        if taints:
            spec["template"]["spec"][name] = [_taint(taint) for taint in taints]
    return {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": pool.name}, "spec": spec}


def _requirements(pool: Pool) -> Iterator[dict[str, Any]]:
    for key, values in (
        ("kubernetes.io/arch", pool.architectures),
        ("kubernetes.io/os", ("linux",)),
        ("karpenter.sh/capacity-type", pool.capacity_types),
        ("karpenter.k8s.aws/instance-family", pool.instance_families),
        ("karpenter.k8s.aws/instance-size", pool.instance_sizes),
        ("node.kubernetes.io/instance-type", pool.instance_types),
        ("topology.kubernetes.io/zone", pool.zones),
    ):
        if values:
            yield {"key": key, "operator": "In", "values": list(values)}


def _taint(taint: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(taint[name]) for name in ("key", "value", "effect") if taint.get(name) is not None}


def _budget(budget: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: str(budget[name]) for name in ("nodes", "schedule", "duration") if budget.get(name) is not None}
    return {**given, **({"reasons": list(budget["reasons"])} if budget.get("reasons") else {})}
