# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which quotas the platform meets, and how much of each a plan needs: tables and pure functions.

Codes and names are those of Service Quotas (ListAWSDefaultServiceQuotas); the pages of the services are
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html,
https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html,
https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html,
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html and
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html. Values aren't here: AWS is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._engine.kind import Kind
from .._engine.plan import Change
from .._engine.resource import Ref

EIPS, VPCS, INTERNET_GATEWAYS, NAT_GATEWAYS = "L-0263D0A3", "L-F678F1CE", "L-A4707A72", "L-FE5A380F"
INTERFACE_ENDPOINTS, GATEWAY_ENDPOINTS = "L-29B6F2EB", "L-1B52E74A"
SUBNETS, ROUTE_TABLES, NETWORK_ACLS = "L-407747CB", "L-589F43AA", "L-B4A6D682"
CLUSTERS, NODE_GROUPS, FARGATE_PROFILES = "L-1194D53C", "L-6D54EA21", "L-33415657"
DATABASES, DATABASE_STORAGE, DATABASE_SUBNET_GROUPS, DATABASE_PARAMETER_GROUPS = (
    "L-7B6409FD",
    "L-7ADDB58A",
    "L-48C6BF61",
    "L-DE55804A",
)
ACCOUNTS = "L-E619E033"


@dataclass(frozen=True)
class Quota:
    """One quota.

    :param service: its service's code in Service Quotas.
    :param name: as the console shows it.
    :param unit: what is counted, in the plural.
    :param everywhere: one for all Regions, kept in the partition's first one.
    """

    service: str
    name: str
    unit: str
    everywhere: bool = False


QUOTAS: Mapping[str, Quota] = {
    EIPS: Quota("ec2", "EC2-VPC Elastic IPs", "elastic IP addresses"),
    VPCS: Quota("vpc", "VPCs per Region", "VPCs"),
    INTERNET_GATEWAYS: Quota("vpc", "Internet gateways per Region", "internet gateways"),
    NAT_GATEWAYS: Quota("vpc", "NAT gateways per Availability Zone", "NAT gateways"),
    INTERFACE_ENDPOINTS: Quota("vpc", "Interface VPC endpoints per VPC", "interface endpoints"),
    GATEWAY_ENDPOINTS: Quota("vpc", "Gateway VPC endpoints per Region", "gateway endpoints"),
    SUBNETS: Quota("vpc", "Subnets per VPC", "subnets"),
    ROUTE_TABLES: Quota("vpc", "Route tables per VPC", "route tables"),
    NETWORK_ACLS: Quota("vpc", "Network ACLs per VPC", "network ACLs"),
    CLUSTERS: Quota("eks", "Clusters", "EKS clusters"),
    NODE_GROUPS: Quota("eks", "Managed node groups per cluster", "node groups"),
    FARGATE_PROFILES: Quota("eks", "Fargate profiles per cluster", "Fargate profiles"),
    DATABASES: Quota("rds", "DB instances", "DB instances"),
    DATABASE_STORAGE: Quota("rds", "Total storage for all DB instances", "GiB of database storage"),
    DATABASE_SUBNET_GROUPS: Quota("rds", "DB subnet groups", "DB subnet groups"),
    DATABASE_PARAMETER_GROUPS: Quota("rds", "Parameter groups", "DB parameter groups"),
    ACCOUNTS: Quota("organizations", "Default maximum number of accounts", "accounts", everywhere=True),
}

FAMILIES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "Standard": ("L-1216C47A", "L-34B43A08", ("a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z")),
    "G and VT": ("L-DB2E81BA", "L-3819A6DF", ("g", "gr", "vt")),
    "P": ("L-417A185B", "L-7212CCBC", ("p",)),
    "F": ("L-74FC7D96", "L-88CF9481", ("f",)),
    "X": ("L-7295265B", "L-E3A00192", ("x",)),
    "Inf": ("L-1945791B", "L-B5D1601B", ("inf",)),
    "Trn": ("L-2C3B7624", "L-6B0D517C", ("trn",)),
    "DL": ("L-6E869C2A", "L-85EED4F7", ("dl",)),
    "High Memory": ("L-43DA4232", "", ("u",)),
    "HPC": ("L-F7808C92", "", ("hpc",)),
}
"""By the name of a group of families: its quota of On-Demand vCPUs, of Spot vCPUs, and what its types begin with."""

_VCPU_QUOTAS: Mapping[str, Quota] = {
    code: Quota("ec2", name.format(group), f"vCPUs of {how} instances of {group}")
    for group, (on_demand, spot, _letters) in FAMILIES.items()
    for code, name, how in (
        (on_demand, "Running On-Demand {} instances", "On-Demand"),
        (spot, "All {} Spot Instance Requests", "Spot"),
    )
    if code
}


def quota(code: str) -> Quota:
    """Return what is known of a quota."""
    return QUOTAS.get(code) or _VCPU_QUOTAS[code]


def home(region: str) -> str:
    """Return where quotas that hold for all Regions are asked for, by any Region of the partition."""
    # https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
    homes = {"cn-": "cn-northwest-1", "us-gov-": "us-gov-west-1"}
    return next((found for prefix, found in homes.items() if region.startswith(prefix)), "us-east-1")


def is_vcpus(code: str) -> bool:
    """Tell whether a quota counts the vCPUs of running instances."""
    return code in _VCPU_QUOTAS


def vcpu_quota(instance_type: str, *, spot: bool) -> str:
    """Return the code of the quota that an instance's vCPUs count against; empty for those with none (mac)."""
    letters = re.match(r"[a-z]*", instance_type)[0]  # type: ignore[index]  # an empty match is one
    for on_demand, spot_code, prefixes in FAMILIES.values():
        if letters in prefixes:
            return spot_code if spot else on_demand
    return ""


@dataclass(frozen=True)
class Use:
    """How a kind uses a quota.

    :param amount: how much of it one resource with these properties takes.
    :param within: the property that says of what the quota is one (its VPC, its cluster); empty for account and Region.
    :param of: an attribute of what ``within`` refers to, where that is what counts (the zone of a subnet).
    """

    kind: str
    quota: str
    amount: Callable[[Mapping[str, Any]], int] = lambda _properties: 1
    within: str = ""
    of: str = ""


def _of_type(wanted: str) -> Callable[[Mapping[str, Any]], int]:
    return lambda properties: int(properties.get("vpc_endpoint_type", "Gateway") == wanted)


USES: tuple[Use, ...] = (
    # Addresses from a pool of one's own don't count.
    Use("elastic_ip", EIPS, lambda properties: int(not properties.get("public_ipv4_pool"))),
    Use("vpc", VPCS),
    Use("internet_gateway", INTERNET_GATEWAYS),
    Use("nat_gateway", NAT_GATEWAYS, within="subnet_id", of="availability_zone"),
    Use("vpc_endpoint", INTERFACE_ENDPOINTS, _of_type("Interface"), within="vpc_id"),
    Use("vpc_endpoint", GATEWAY_ENDPOINTS, _of_type("Gateway")),
    Use("subnet", SUBNETS, within="vpc_id"),
    Use("route_table", ROUTE_TABLES, within="vpc_id"),
    Use("network_acl", NETWORK_ACLS, within="vpc_id"),
    Use("eks_cluster", CLUSTERS),
    Use("eks_nodegroup", NODE_GROUPS, within="cluster_name"),
    Use("eks_fargate_profile", FARGATE_PROFILES, within="cluster_name"),
    Use("db_instance", DATABASES),
    Use("db_instance", DATABASE_STORAGE, lambda properties: int(properties.get("allocated_storage") or 0)),
    Use("db_subnet_group", DATABASE_SUBNET_GROUPS),
    Use("db_parameter_group", DATABASE_PARAMETER_GROUPS),
    Use("organization_account", ACCOUNTS),
)

_DEFAULT_NODES = 2
_DEFAULT_TYPE = "t3.medium"
"""What EKS takes where neither node group nor launch template says it
(https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html)."""


@dataclass(frozen=True)
class Nodes:
    """Instances that a change starts, or stops (a negative count)."""

    address: str
    instance_types: tuple[str, ...]
    spot: bool
    count: int


def nodes_of(changes: Iterable[Change]) -> list[Nodes]:
    """Return the instances that node groups start and stop.

    Karpenter's aren't among them: what a NodePool allows is a limit, not a need.
    """
    changes = list(changes)
    templates = {change.address: change for change in changes if change.kind == "launch_template"}
    found = []
    for change in changes:
        if change.kind != "eks_nodegroup":
            continue
        if _comes(change):
            found.append(_nodes(change, change.properties, templates, 1))
        if _goes(change):
            found.append(_nodes(change, change.existing.properties, templates, -1))
        if change.action == "update" and "scaling_config" in change.changed:
            # EKS starts what is missing to the new minimum; a larger maximum starts nothing.
            there = int((change.existing.properties.get("scaling_config") or {}).get("desired_size") or 0)
            least = int((change.properties.get("scaling_config") or {}).get("min_size") or 0)
            if least > there:
                more = _nodes(change, {**change.existing.properties, **change.properties}, templates, 1)
                found.append(Nodes(more.address, more.instance_types, more.spot, least - there))
    return [nodes for nodes in found if nodes.count]


def _nodes(change: Change, properties: Mapping[str, Any], templates: Mapping[str, Change], sign: int) -> Nodes:
    scaling = properties.get("scaling_config") or {}
    size = scaling.get("desired_size")
    size = scaling.get("min_size", _DEFAULT_NODES) if size is None else size
    types = tuple(kind for kind in properties.get("instance_types") or () if isinstance(kind, str))
    if not types and properties.get("launch_template"):
        declared = (change.resource.properties.get("launch_template") or {}) if change.resource else {}
        reference = declared.get("id") or declared.get("name")
        template = templates.get(reference.address) if isinstance(reference, Ref) else None
        data = (template.properties.get("launch_template_data") or {}) if template else {}
        types = (data["instance_type"],) if isinstance(data.get("instance_type"), str) else ()
        if not types:
            # A template of somebody else's: nobody here knows what it starts.
            return Nodes(change.address, (), properties.get("capacity_type") == "SPOT", sign * int(size))
    return Nodes(change.address, types or (_DEFAULT_TYPE,), properties.get("capacity_type") == "SPOT", sign * int(size))


def needs(changes: Sequence[Change], kinds: Mapping[str, Kind], vcpus: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return what a plan needs of each quota beyond what is there.

    What goes makes room for what comes, where the engine deletes it first.

    :param vcpus: the vCPUs of the instance types that :func:`nodes_of` names.
    :return: rows with ``quota`` (its code), ``within`` (the zone, the id of the VPC, the name of the cluster that it is
        counted in; the address where that is still to be made; else empty), ``amount`` and ``addresses``.
    """
    amounts: dict[tuple[str, str], int] = {}
    addresses: dict[tuple[str, str], list[str]] = {}

    def add(code: str, within: str, amount: int, address: str) -> None:
        amounts[code, within] = amounts.get((code, within), 0) + amount
        if amount > 0:
            addresses.setdefault((code, within), []).append(address)

    by_address = {change.address: change for change in changes}
    by_id = {change.observed.id: change for change in changes if change.observed is not None}
    for use in USES:
        for change in (change for change in changes if change.kind == use.kind):
            within = _within(use, change, by_address, by_id)
            if _comes(change):
                add(use.quota, within, use.amount(change.properties), change.address)
            if _goes(change) and _makes_room(kinds[change.kind]):
                add(use.quota, within, -use.amount(change.existing.properties), change.address)
            if change.action == "update":
                more = use.amount({**change.existing.properties, **change.properties})
                add(use.quota, within, max(0, more - use.amount(change.existing.properties)), change.address)
    for nodes in nodes_of(changes):
        # On demand EKS takes the first type that can be had, of Spot whichever is best: what is certain counts.
        known = [kind for kind in nodes.instance_types if kind in vcpus]
        kind = min(known, key=lambda name: vcpus[name]) if nodes.spot and known else next(iter(known), "")
        code = vcpu_quota(kind, spot=nodes.spot)
        if code:
            add(code, "", nodes.count * vcpus[kind], nodes.address)
    return [
        {"quota": code, "within": within, "amount": amount, "addresses": addresses.get((code, within), [])}
        for (code, within), amount in amounts.items()
        if amount > 0
    ]


def ceilings(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Return what Karpenter's NodePools may come to take, where they are new or changed: rows as of :func:`needs`.

    A pool that may use On-Demand and Spot may take all that it is limited to of either.
    https://karpenter.sh/docs/concepts/nodepools/#speclimits
    """
    rows: dict[str, dict[str, Any]] = {}
    for change in changes:
        if change.kind != "manifest" or change.action not in ("create", "update", "replace"):
            continue
        definition = change.properties.get("definition")
        if not isinstance(definition, Mapping) or definition.get("kind") != "NodePool":
            continue
        spec = definition.get("spec") or {}
        most = _cores((spec.get("limits") or {}).get("cpu"))
        allowed = {
            item.get("key"): [str(value) for value in item.get("values") or ()]
            for item in ((spec.get("template") or {}).get("spec") or {}).get("requirements") or ()
            if item.get("operator") == "In"
        }
        families = allowed.get("karpenter.k8s.aws/instance-family") or allowed.get("node.kubernetes.io/instance-type")
        codes = {
            vcpu_quota(family, spot=lifecycle == "spot")
            for lifecycle in allowed.get("karpenter.sh/capacity-type") or ("on-demand",)
            for family in families or ("m",)
        }
        for code in sorted(codes - {""}) if most else ():
            row = rows.setdefault(code, {"quota": code, "within": "", "amount": 0, "addresses": []})
            row["amount"] += most
            row["addresses"].append(change.address)
    return list(rows.values())


def _cores(quantity: Any) -> int:
    """Return a quantity of CPUs in whole ones: 64, ``64`` or ``64000m``; 0 where there is none."""
    found = re.fullmatch(r"(\d+)(m?)", str(quantity))
    return int(found[1]) // (1000 if found[2] else 1) if found else 0


def _comes(change: Change) -> bool:
    return change.action in ("create", "replace")


def _goes(change: Change) -> bool:
    """Tell whether something that counts now won't by the time that its successor is made."""
    return change.observed is not None and change.action in ("create", "replace", "delete")


def _makes_room(kind: Kind) -> bool:
    return kind.makes_room and not kind.create_before_delete


def _within(use: Use, change: Change, by_address: Mapping[str, Change], by_id: Mapping[str, Change]) -> str:
    """Return in what a resource counts: an identifier where there is one, else the address of what is to be made."""
    if not use.within:
        return ""
    properties = change.properties or change.existing.properties
    value = properties.get(use.within)
    parent = by_id.get(value) if isinstance(value, str) else None
    if not isinstance(value, str):
        declared = change.resource.properties.get(use.within) if change.resource is not None else None
        parent = by_address.get(declared.address) if isinstance(declared, Ref) else None
        value = parent.address if parent is not None else ""
    if use.of and parent is not None:
        found = parent.attribute(use.of)
        return found if isinstance(found, str) else str(value)
    return str(value)
