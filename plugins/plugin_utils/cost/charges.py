# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of resource is charged for: items of the table of prices and how many of them a month.

Every kind of the collection is in exactly one of ``CHARGES``, ``FREE`` and ``ELSEWHERE``; a test sees to it. What a
function here reads of a resource is what its kind names in ``priced``.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .table import HOURS

Properties = Mapping[str, Any]

GROUPS = {
    "control plane": "EKS control plane",
    "nodes": "nodes",
    "disks": "their disks",
    "nat": "NAT gateways",
    "addresses": "public IPv4 addresses",
    "endpoints": "interface endpoints",
    "database": "database",
    "storage": "its storage",
    "backups": "snapshots",
    "keys": "KMS keys",
    "secrets": "secrets",
    "logs": "logs",
    "buckets": "S3 buckets",
    "images": "images in ECR",
    "balancers": "load balancers",
}
"""What charges are added up by for people, in the order in which they are shown."""


@dataclass(frozen=True)
class Charge:
    """So many of an item a month.

    :param quantity: in the item's unit: hours, GB-months, ...
    :param group: a key of ``GROUPS``.
    """

    item: str
    quantity: float
    group: str


@dataclass(frozen=True)
class Unknown:
    """Something that costs and has no figure here: a sentence's end, after the address."""

    text: str


@dataclass(frozen=True)
class Assumption:
    """Something that was taken for granted: a whole sentence, the same for all resources that it holds for."""

    text: str


Found = Iterator[Charge | Unknown | Assumption]


@dataclass(frozen=True)
class Assumed:
    """What nobody can know before: how much goes through. Gigabytes a month, or stored in a month on average."""

    log_group_gb: float = 3
    bucket_gb: float = 10
    repository_gb: float = 5


@dataclass(frozen=True)
class Context:
    """What a charge may depend on beside the resource itself.

    :param today: decides which Kubernetes versions are in extended support.
    :param support_until: the last day of a Kubernetes version's standard support.
    :param templates: data of the stack's launch templates, by the names in their addresses.
    :param sizes: how many nodes there are now, by the address of the node group.
    """

    today: datetime.date
    support_until: Callable[[str], datetime.date | None]
    assumed: Assumed = field(default_factory=Assumed)
    templates: Mapping[str, Properties] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)


def _cluster(_address: str, properties: Properties, context: Context) -> Found:
    """https://aws.amazon.com/eks/pricing/: extended support comes on top of the price of a cluster."""
    yield Charge("eks/cluster", HOURS, "control plane")
    yield Assumption(
        "Nodes that Karpenter makes, and load balancers and volumes that applications in a cluster ask for, "
        "come on top."
    )
    version = str(properties.get("version", ""))
    until = context.support_until(version)
    extended = (properties.get("upgrade_policy") or {}).get("support_type", "EXTENDED") != "STANDARD"
    if until is None:
        yield Assumption(
            f"Kubernetes {version or '(unknown)'} is taken to be in standard support: the table doesn't say until when."
        )
    elif context.today > until and extended:
        yield Charge("eks/extended-support", HOURS, "control plane")


def _node_group(address: str, properties: Properties, context: Context) -> Found:
    """https://aws.amazon.com/ec2/pricing/on-demand/, https://aws.amazon.com/ebs/pricing/."""
    template = _template(address, properties, context)
    scaling = properties.get("scaling_config") or {}
    least, most = int(scaling.get("min_size") or 0), scaling.get("max_size")
    wanted = context.sizes.get(address, scaling.get("desired_size"))
    count = least if wanted is None else max(least, int(wanted) if most is None else min(int(wanted), int(most)))
    if most is not None and most > count:
        yield Assumption("Node groups have the size that they have now, or are made with: what scales them is on top.")
    types = properties.get("instance_types") or ([template["instance_type"]] if template.get("instance_type") else [])
    # https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html: the default of EKS.
    first = str(types[0]) if types else "t3.medium"
    if len(types) > 1:
        yield Assumption("Node groups with several instance types get the first of them.")
    if properties.get("capacity_type") == "SPOT":
        yield Unknown(f"{count} Spot nodes of {first}: Spot prices change by the hour and aren't in the table")
    else:
        yield Charge(f"ec2/{first}", count * HOURS, "nodes")
    if first.startswith("t"):
        yield Assumption("Burstable instances stay within their CPU credits.")
    if not properties.get("launch_template"):
        disks: list[Properties] = [{"volume_size": properties.get("disk_size") or 20}]  # EKS's own default
    else:
        disks = [item.get("ebs") or {} for item in template.get("block_device_mappings") or [{}]]
    for disk in disks:
        yield from _volume(disk, count)


def _template(address: str, properties: Properties, context: Context) -> Properties:
    """Return what a node group's launch template says: the one that is called as it is, or the stack's only one."""
    if not properties.get("launch_template"):
        return {}
    only = next(iter(context.templates.values())) if len(context.templates) == 1 else {}
    return context.templates.get(address.partition(".")[2], only)


def _volume(disk: Properties, count: float = 1) -> Found:
    """https://aws.amazon.com/ebs/pricing/: gp3 comes with 3000 IOPS and 125 MiB/s."""
    kind, size = disk.get("volume_type") or "gp3", disk.get("volume_size")
    if size is None:
        yield Unknown("a disk of the size that the machine image says")
        return
    yield Charge(f"ebs/{kind}/storage", count * float(size), "disks")
    if kind == "gp3":
        for name, item, included in (("iops", "iops", 3000), ("throughput", "throughput", 125)):
            if (extra := float(disk.get(name) or 0) - included) > 0:
                yield Charge(f"ebs/gp3/{item}", count * extra, "disks")
    elif disk.get("iops") and kind in ("io1", "io2"):
        yield Charge(f"ebs/{kind}/iops", count * float(disk["iops"]), "disks")


def _fargate_profile(_address: str, _properties: Properties, _context: Context) -> Found:
    yield Unknown("pods on Fargate are paid by the vCPU and memory that they ask for while they run")


def _nat_gateway(_address: str, _properties: Properties, _context: Context) -> Found:
    """https://aws.amazon.com/vpc/pricing/."""
    yield Charge("nat-gateway/hours", HOURS, "nat")
    yield Assumption("Traffic (through NAT gateways and endpoints, between zones, to the internet) comes on top.")


def _address(_address: str, properties: Properties, _context: Context) -> Found:
    """https://aws.amazon.com/vpc/pricing/: the same whether it is in use or not; one's own ranges cost nothing."""
    if not properties.get("public_ipv4_pool") or properties["public_ipv4_pool"] == "amazon":
        yield Charge("ipv4/in-use", HOURS, "addresses")


def _endpoint(_address: str, properties: Properties, _context: Context) -> Found:
    """https://aws.amazon.com/privatelink/pricing/: by the interface, of which there is one in each subnet."""
    if properties.get("vpc_endpoint_type", "Gateway") == "Gateway":
        return
    subnets = properties.get("subnet_ids")
    if not isinstance(subnets, (list, tuple, set)):
        yield Unknown(
            "an interface endpoint in as many zones as it gets subnets, of which the plan doesn't know the number"
        )
        return
    yield Charge("endpoint/interface", HOURS * len(subnets), "endpoints")
    yield Assumption("Traffic (through NAT gateways and endpoints, between zones, to the internet) comes on top.")


# Ends of standard support of PostgreSQL on RDS
# (https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-release-calendar.html).
_POSTGRES_UNTIL = {"11": "2024-02-29", "12": "2025-02-28", "13": "2026-02-28", "14": "2027-02-28"}


def _database(_address: str, properties: Properties, context: Context) -> Found:
    """https://aws.amazon.com/rds/postgresql/pricing/."""
    standby = "multi" if properties.get("multi_az") else "single"
    engine = properties.get("engine", "postgres")
    yield Charge(f"rds/{engine}/{properties.get('db_instance_class')}/{standby}", HOURS, "database")
    kind, size = properties.get("storage_type") or "gp3", float(properties.get("allocated_storage") or 0)
    yield Charge(f"rds/{kind}/{standby}", size, "storage")
    if kind == "gp3":
        # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage: striped from 400 GiB on
        included = (
            {"iops": 12000, "storage_throughput": 500} if size >= 400 else {"iops": 3000, "storage_throughput": 125}
        )
        for name, least in included.items():
            if (extra := float(properties.get(name) or 0) - least) > 0:
                yield Charge(f"rds/gp3/{name}/{standby}", extra, "storage")
    elif kind in ("io1", "io2"):
        yield Charge(f"rds/{kind}/iops/{standby}", float(properties.get("iops") or 0), "storage")
    if properties.get("manage_master_user_password", True):
        yield Charge("secret", 1, "secrets")
    if (
        properties.get("enable_performance_insights")
        and int(properties.get("performance_insights_retention_period") or 7) > 7
    ):
        yield Unknown(
            "Performance Insights kept for more than 7 days is paid by the vCPU, and the table has no price of it"
        )
    major = str(properties.get("engine_version", "")).partition(".")[0]
    if (until := _POSTGRES_UNTIL.get(major)) and context.today > datetime.date.fromisoformat(until):
        yield Unknown(f"PostgreSQL {major} is in Extended Support, which is paid by the vCPU and not in the table")
    yield Assumption(
        "Databases keep their size, and their backups are no larger than they are, which is free of charge."
    )


def _snapshot(_address: str, properties: Properties, _context: Context) -> Found:
    """A manual snapshot of a database that is gone: nothing of it is free of charge any more."""
    yield Charge("rds/backup", float(properties.get("allocated_storage") or 0), "backups")
    yield Assumption("A snapshot is as large as the storage of its database, which is the most that it can be.")


def _key(_address: str, properties: Properties, _context: Context) -> Found:
    """https://aws.amazon.com/kms/pricing/: the first two rotations of a key add the price of a key each."""
    yield Charge("kms/key", 1, "keys")
    if properties.get("enable_key_rotation", True):
        yield Assumption(
            "KMS keys are counted as they are in their first year: each of the first two rotations adds one."
        )
    yield Assumption("Requests (to KMS, Secrets Manager, S3, SQS, ...) are cents, or within what is free of charge.")


def _secret(_address: str, _properties: Properties, _context: Context) -> Found:
    """https://aws.amazon.com/secrets-manager/pricing/."""
    yield Charge("secret", 1, "secrets")


def _log_group(_address: str, properties: Properties, context: Context) -> Found:
    """https://aws.amazon.com/cloudwatch/pricing/: what comes in, and what is kept of it."""
    size = context.assumed.log_group_gb
    rare = "/infrequent-access" if properties.get("log_group_class") == "INFREQUENT_ACCESS" else ""
    yield Charge(f"logs/ingestion{rare}", size, "logs")
    days = properties.get("retention_in_days")
    months = 12 if days is None else min(float(days) / 30, 12)
    yield Charge("logs/storage", size * months, "logs")
    yield Assumption(
        f"Each log group takes in {size:g} GB a month, kept without compression for as long as it says, at most a year."
    )


def _flow_log(_address: str, properties: Properties, _context: Context) -> Found:
    if properties.get("log_destination_type", "cloud-watch-logs") != "cloud-watch-logs":
        yield Unknown("flow logs that go to a bucket are paid by the GB, and the table has no price of it")


def _bucket(_address: str, _properties: Properties, context: Context) -> Found:
    """https://aws.amazon.com/s3/pricing/."""
    yield Charge("s3/standard", context.assumed.bucket_gb, "buckets")
    yield Assumption(f"Each bucket holds {context.assumed.bucket_gb:g} GB.")


def _repository(_address: str, _properties: Properties, context: Context) -> Found:
    """https://aws.amazon.com/ecr/pricing/."""
    yield Charge("ecr/storage", context.assumed.repository_gb, "images")
    yield Assumption(f"Each repository of images holds {context.assumed.repository_gb:g} GB.")


def _instance(_address: str, properties: Properties, _context: Context) -> Found:
    yield Charge(f"ec2/{properties.get('instance_type')}", HOURS, "nodes")


def _ebs_volume(_address: str, properties: Properties, _context: Context) -> Found:
    yield from _volume({"volume_type": "gp2", **properties})


def _balancer(_address: str, properties: Properties, _context: Context) -> Found:
    """https://aws.amazon.com/elasticloadbalancing/pricing/."""
    yield Charge(f"load-balancer/{properties.get('type', 'application')}", HOURS, "balancers")
    yield Assumption("Load balancers are counted by the hour only: what they carry (LCU) comes on top.")


Function = Callable[[str, Properties, Context], Found]

CHARGES: Mapping[str, Function] = {
    "db_instance": _database,
    "ecr_repository": _repository,
    "eks_cluster": _cluster,
    "eks_fargate_profile": _fargate_profile,
    "eks_nodegroup": _node_group,
    "elastic_ip": _address,
    "flow_log": _flow_log,
    "kms_key": _key,
    "log_group": _log_group,
    "nat_gateway": _nat_gateway,
    "s3_bucket": _bucket,
    "secret": _secret,
    "vpc_endpoint": _endpoint,
}

BESIDE: Mapping[str, Function] = {
    "db_snapshot": _snapshot,
    "ebs_volume": _ebs_volume,
    "ec2_instance": _instance,
    "load_balancer": _balancer,
}
"""What no kind manages and a teardown may leave or find: its properties are those of the API, in snake case."""

ELSEWHERE: Mapping[str, str] = {
    "cloudtrail_trail": "the first copy of management events is free; insights and data events are not",
    "config_delivery_channel": "what it delivers is the bucket's",
    "config_recorder": "what it records is charged by the change, of which nobody knows the number beforehand",
    "guardduty_detector": "what it looks at is charged by the event and the gigabyte, of which nobody knows the number",
    "launch_template": "its disks are counted with the node group that starts from it",
    "manifest": "what an object in a cluster makes in AWS (nodes, load balancers, volumes) isn't known from it",
    "manifest_set": "what objects in a cluster make in AWS (nodes, load balancers, volumes) isn't known from them",
}
"""Kinds that something else is charged for."""

_IAM = "IAM is free of charge"
_IDENTITY_CENTER = "IAM Identity Center is free of charge"
_ORGANIZATION = "AWS Organizations is free of charge"
_VPC = "free of charge, as a VPC and what is in it but gateways, endpoints and public addresses is"
FREE: Mapping[str, str] = {
    "access_analyzer": "findings on what others get at are free of charge; those on unused access aren't",
    "account_assignment": _IDENTITY_CENTER,
    "budget": "budgets without actions are free of charge",
    "db_parameter_group": "settings of a database are free of charge",
    "db_subnet_group": "a choice of subnets is free of charge",
    "default_security_group": _VPC,
    "ebs_default_encryption": "a setting; the key is counted by itself",
    "ec2_account_settings": "settings are free of charge",
    "ec2_default_vpc": _VPC,
    "eks_access_entry": "part of the cluster's price",
    "eks_addon": "EKS's own add-ons are free of charge; what they run on is the nodes'",
    "eks_pod_identity_association": "part of the cluster's price",
    "event_rule": "rules on what AWS services report are free of charge",
    "guardduty_organization_configuration": "a setting; what detectors look at is charged",
    "iam_account_alias": _IAM,
    "iam_instance_profile": _IAM,
    "iam_oidc_provider": _IAM,
    "iam_password_policy": _IAM,
    "iam_policy": _IAM,
    "iam_role": _IAM,
    "iam_service_linked_role": _IAM,
    "identity_store_group": _IDENTITY_CENTER,
    "internet_gateway": _VPC,
    "kms_alias": "aliases of keys are free of charge",
    "network_acl": _VPC,
    "organization": _ORGANIZATION,
    "organization_account": _ORGANIZATION,
    "organization_management_account": _ORGANIZATION,
    "organization_policy": _ORGANIZATION,
    "organization_policy_attachment": _ORGANIZATION,
    "organization_root": _ORGANIZATION,
    "organizational_unit": _ORGANIZATION,
    "permission_set": _IDENTITY_CENTER,
    "route_table": _VPC,
    "s3_account_public_access_block": "a setting",
    "security_group": _VPC,
    "service_organization_admin": _ORGANIZATION,
    "sqs_queue": "a queue is free of charge, and so are the first million requests a month",
    "ssm_service_setting": "a setting",
    "subnet": _VPC,
    "vpc": _VPC,
}
"""Kinds that cost nothing, and why."""


def charges(
    kind: str, address: str, properties: Properties, context: Context
) -> Iterable[Charge | Unknown | Assumption]:
    """Return what a resource is charged for a month, what of it has no figure, and what was taken for granted."""
    if function := CHARGES.get(kind) or BESIDE.get(kind):
        return list(function(address, properties, context))
    return [] if kind in FREE or kind in ELSEWHERE else [Unknown(f"nothing says what a {kind} is charged for")]
