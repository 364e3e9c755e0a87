# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ``eks_cluster`` was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
CORE = "core"


@dataclass(frozen=True)
class NodeGroup:
    """A managed node group; all its instance types are of one architecture.

    :param disk_size: GiB of the root volume.
    :param taints: as EKS has them: key, value, effect.
    """

    name: str
    instance_types: Sequence[str]
    capacity_type: str = "ON_DEMAND"
    min_size: int = 0
    max_size: int = 3
    desired_size: int | None = None
    disk_size: int = 20
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True)
class AddOn:
    """An add-on; without a version EKS's default for the cluster's Kubernetes version."""

    name: str
    version: str | None = None
    configuration_values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AccessEntry:
    """Who may use the cluster: a role or user by ARN, or a role of the cluster's account by name.

    :param policies: each with ``name`` and, for less than the whole cluster, ``namespaces``.
    """

    principal_arn: str | None = None
    role_name: str | None = None
    policies: Sequence[Mapping[str, Any]] = ()
    kubernetes_groups: Sequence[str] = ()
    type: str = "STANDARD"


@dataclass(frozen=True)
class PodIdentity:
    """A role for a service account: an existing one, or one made here with these policies."""

    namespace: str
    service_account: str
    role_arn: str | None = None
    managed_policy_arns: Sequence[str] = ()
    policies: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What tells it from the others of its cluster."""
        return f"{self.namespace}-{self.service_account}".replace(".", "-")

    @property
    def makes_role(self) -> bool:
        """Whether its role is made here."""
        return bool(self.managed_policy_arns or self.policies)


@dataclass(frozen=True)
class FargateProfile:
    """Pods that run without nodes."""

    name: str
    selectors: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Cluster:
    """All of it.

    :param kubernetes_version: as given: YAML makes a number of what isn't quoted, and 1.30 becomes 1.3.
    :param vpc: the name that the module ``vpc`` was given.
    :param tier: the tier of subnets for control plane and nodes.
    :param hop_limit: how far answers of the instance metadata service travel: 1 keeps pods out, 2 lets them in.
    """

    name: str
    kubernetes_version: Any
    vpc: str
    region: str
    tier: str = "private"
    endpoint_public_access: bool = False
    public_access_cidrs: Sequence[str] = ()
    service_ipv4_cidr: str | None = None
    log_types: Sequence[str] = LOG_TYPES
    log_retention_in_days: int = 90
    support_type: str = "STANDARD"
    deletion_protection: bool = False
    absent: bool = False
    hop_limit: int = 1
    core: NodeGroup = field(default_factory=lambda: NodeGroup(CORE, ("t4g.medium",), min_size=2))
    node_groups: Sequence[NodeGroup] = ()
    addons: Sequence[AddOn] = ()
    access_entries: Sequence[AccessEntry] = ()
    pod_identities: Sequence[PodIdentity] = ()
    fargate_profiles: Sequence[FargateProfile] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def stack(self) -> str:
        """The stack's name."""
        return f"eks-{self.name}"

    @property
    def partition(self) -> str:
        """The partition that the Region belongs to."""
        prefixes = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}
        return next((partition for prefix, partition in prefixes.items() if self.region.startswith(prefix)), "aws")


def from_parameters(params: Mapping[str, Any], region: str) -> Cluster:
    """Return what a module's parameters say."""
    core = {name: value for name, value in params["core_node_group"].items() if value is not None}
    return Cluster(
        name=params["name"],
        kubernetes_version=params["kubernetes_version"],
        vpc=params["vpc"] or params["name"],
        region=region,
        tier=params["tier"],
        endpoint_public_access=params["endpoint_public_access"],
        public_access_cidrs=params["public_access_cidrs"],
        service_ipv4_cidr=params["service_ipv4_cidr"],
        log_types=params["log_types"],
        log_retention_in_days=params["log_retention_in_days"],
        support_type=params["support_type"],
        deletion_protection=params["deletion_protection"],
        absent=params["state"] == "absent",
        hop_limit=params["metadata_hop_limit"],
        core=NodeGroup(CORE, **core),
        node_groups=[NodeGroup(**item) for item in params["node_groups"]],
        addons=[AddOn(**item) for item in params["addons"]],
        access_entries=[AccessEntry(**item) for item in params["access_entries"]],
        pod_identities=[PodIdentity(**item) for item in params["pod_identity_associations"]],
        fargate_profiles=[FargateProfile(**item) for item in params["fargate_profiles"]],
        tags=params["tags"],
    )
