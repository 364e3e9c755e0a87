# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists what is in an account and Region whoever made it: what bears no tags of ours is found here and nowhere else.

What AWS itself puts into every account is left out: the default VPC with its parts, service-linked roles, AWS's own
keys and policies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._engine.kind import STACK_TAG
from .._kinds._cluster_made import balancer_tags, classic_tags, cluster_of
from .._kinds._session import Session
from .._kinds._tags import tag_dict


@dataclass(frozen=True)
class Found:
    """Something in the account.

    :param kind: a kind of the collection, or what it is called where no kind manages it (``db_snapshot``).
    :param name: what people know it by.
    :param mark: without tags of ours, what says that it comes from the platform (``EKS cluster dev``).
    :param keeps: why it stays although it is the platform's: it holds data, or AWS takes its time; else empty.
    :param properties: what decides its price; None for what costs nothing.
    """

    kind: str
    id: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    mark: str = ""
    keeps: str = ""
    properties: Mapping[str, Any] | None = None

    @property
    def stack(self) -> str:
        """The stack that it says it belongs to; empty if none."""
        return self.tags.get(STACK_TAG, "")


Source = Callable[[Session], Iterable[Found]]


def listing(session: Session, access_role: str) -> list[Found]:
    """Return everything there is, service by service, side by side.

    :param access_role: name of the role by which the account is entered; AWS made it with the account.
    """
    several = session.each(lambda source: list(source(session)), SOURCES)
    own = {access_role}
    return [item for found in several for item in found if not (item.kind == "iam_role" and item.name in own)]


def _words(tags: Mapping[str, str], name: str) -> str:
    return tags.get("Name") or name


def _of_cluster(tags: Mapping[str, str]) -> str:
    cluster = cluster_of(tags)
    return f"EKS cluster {cluster}" if cluster else ""


def _ec2(
    operation: str, key: str, identifier: str, kind: str, keep: Callable[[Mapping[str, Any]], bool] = lambda item: True
) -> Source:
    """Return a source for what EC2 lists with tags."""

    def look(session: Session) -> Iterable[Found]:
        for item in session.pages("ec2", operation, key):
            tags = tag_dict(item.get("Tags"))
            if keep(item):
                name = item.get("GroupName") or item.get("LaunchTemplateName") or item.get("KeyName") or ""
                yield Found(kind, item[identifier], _words(tags, name), tags, _of_cluster(tags))

    return look


def _vpcs(session: Session) -> Iterable[Found]:
    """List VPCs, and the security groups in them but those that come and go with a VPC."""
    default = set()
    for item in session.pages("ec2", "describe_vpcs", "Vpcs"):
        tags = tag_dict(item.get("Tags"))
        if item.get("IsDefault"):
            default.add(item["VpcId"])
        else:
            yield Found("vpc", item["VpcId"], _words(tags, item["CidrBlock"]), tags)
    for item in session.pages("ec2", "describe_subnets", "Subnets"):
        tags = tag_dict(item.get("Tags"))
        if item["VpcId"] not in default:
            yield Found("subnet", item["SubnetId"], _words(tags, item["CidrBlock"]), tags)
    for item in session.pages("ec2", "describe_route_tables", "RouteTables"):
        main = any(entry.get("Main") for entry in item.get("Associations", []))
        tags = tag_dict(item.get("Tags"))
        if not main:
            yield Found("route_table", item["RouteTableId"], _words(tags, ""), tags)
    for item in session.pages("ec2", "describe_internet_gateways", "InternetGateways"):
        tags = tag_dict(item.get("Tags"))
        if not {entry.get("VpcId") for entry in item.get("Attachments", [])} & default:
            yield Found("internet_gateway", item["InternetGatewayId"], _words(tags, ""), tags)


def _interfaces(session: Session) -> Iterable[Found]:
    for item in session.pages("ec2", "describe_network_interfaces", "NetworkInterfaces"):
        tags = tag_dict(item.get("TagSet"))
        what = str(item.get("Description", ""))
        managed = re.match(r"Amazon EKS |RDSNetworkInterface|ELB |aws-K8S-", what)
        # Those of gateways and endpoints, of instances and clusters go with what they are of, which is listed itself.
        mark = _of_cluster(tags) or (what if managed else "")
        yield Found("network_interface", item["NetworkInterfaceId"], what or _words(tags, ""), tags, mark)


def _instances(session: Session) -> Iterable[Found]:
    for reservation in session.pages("ec2", "describe_instances", "Reservations"):
        for item in reservation["Instances"]:
            if item["State"]["Name"] not in ("terminated", "shutting-down"):
                tags = tag_dict(item.get("Tags"))
                price = {"instance_type": item.get("InstanceType")}
                yield Found("ec2_instance", item["InstanceId"], _words(tags, ""), tags, _of_cluster(tags), "", price)


def _volumes(session: Session) -> Iterable[Found]:
    for item in session.pages("ec2", "describe_volumes", "Volumes"):
        tags = tag_dict(item.get("Tags"))
        attached = [entry["InstanceId"] for entry in item.get("Attachments", [])]
        mark = _of_cluster(tags) or ("a claim of a cluster" if "kubernetes.io/created-for/pvc/name" in tags else "")
        claim = tags.get("kubernetes.io/created-for/pvc/name")
        keeps = f"it holds the data of volume claim {claim}" if claim and not attached else ""
        price = {
            "volume_type": item.get("VolumeType"),
            "volume_size": item.get("Size"),
            "iops": item.get("Iops"),
            "throughput": item.get("Throughput"),
        }
        yield Found("ebs_volume", item["VolumeId"], _words(tags, claim or ""), tags, mark, keeps, price)


def _disk_snapshots(session: Session) -> Iterable[Found]:
    for item in session.pages("ec2", "describe_snapshots", "Snapshots", OwnerIds=["self"]):
        tags = tag_dict(item.get("Tags"))
        mark = _of_cluster(tags)
        words = _words(tags, item.get("Description", ""))
        yield Found("ebs_snapshot", item["SnapshotId"], words, tags, mark, "it holds data", {})


def _addresses(session: Session) -> Iterable[Found]:
    for item in session.call("ec2", "describe_addresses").get("Addresses", []):
        tags = tag_dict(item.get("Tags"))
        identifier = item.get("AllocationId") or item["PublicIp"]
        yield Found("elastic_ip", identifier, _words(tags, item["PublicIp"]), tags, _of_cluster(tags), "", {})


def _balancers(session: Session) -> Iterable[Found]:
    found = session.pages("elbv2", "describe_load_balancers", "LoadBalancers")
    groups = session.pages("elbv2", "describe_target_groups", "TargetGroups")
    tags = balancer_tags(session, [*(i["LoadBalancerArn"] for i in found), *(i["TargetGroupArn"] for i in groups)])
    for item in found:
        arn = item["LoadBalancerArn"]
        price = {"type": item.get("Type")}
        mark = _of_cluster(tags.get(arn, {}))
        yield Found("load_balancer", arn, item["LoadBalancerName"], tags.get(arn, {}), mark, "", price)
    for item in groups:
        arn = item["TargetGroupArn"]
        yield Found("target_group", arn, item["TargetGroupName"], tags.get(arn, {}), _of_cluster(tags.get(arn, {})))
    classic = session.pages("elb", "describe_load_balancers", "LoadBalancerDescriptions")
    for name, own in classic_tags(session, [item["LoadBalancerName"] for item in classic]).items():
        yield Found("load_balancer", name, name, own, _of_cluster(own), "", {"type": "classic"})


def _databases(session: Session) -> Iterable[Found]:
    for item in session.pages("rds", "describe_db_instances", "DBInstances"):
        name = item["DBInstanceIdentifier"]
        yield Found("db_instance", name, name, tag_dict(item.get("TagList")))
    for item in session.pages("rds", "describe_db_snapshots", "DBSnapshots", SnapshotType="manual"):
        tags = tag_dict(item.get("TagList"))
        database = item["DBInstanceIdentifier"]
        keeps = f"it is what is left of the data of database {database}, as of {_day(item.get('SnapshotCreateTime'))}"
        price = {"allocated_storage": item.get("AllocatedStorage")}
        name = item["DBSnapshotIdentifier"]
        yield Found("db_snapshot", name, name, tags, "", keeps, price)
    for item in session.pages("rds", "describe_db_instance_automated_backups", "DBInstanceAutomatedBackups"):
        if item.get("Status") == "retained":
            name = item["DBInstanceIdentifier"]
            keeps = f"RDS keeps the automated backups of database {name} until their time is over"
            price = {"allocated_storage": item.get("AllocatedStorage")}
            yield Found("db_snapshot", item["DbiResourceId"], name, tag_dict(item.get("TagList")), "", keeps, price)


def _keys(session: Session) -> Iterable[Found]:
    def one(key: Mapping[str, Any]) -> Found | None:
        found = session.call("kms", "describe_key", missing=["NotFoundException"], KeyId=key["KeyId"])
        metadata = found.get("KeyMetadata", {})
        if metadata.get("KeyManager") != "CUSTOMER":
            return None
        listed = session.pages(
            "kms",
            "list_resource_tags",
            "Tags",
            missing=["NotFoundException", "AccessDeniedException"],
            KeyId=key["KeyId"],
        )
        keeps = ""
        price: dict[str, Any] | None = {"enable_key_rotation": True}
        if metadata.get("KeyState") == "PendingDeletion":
            keeps = f"KMS deletes it on {_day(metadata.get('DeletionDate'))}; until then that can be taken back"
            price = None
        tags = tag_dict(listed, "TagKey", "TagValue")
        return Found("kms_key", key["KeyId"], metadata.get("Description", ""), tags, "", keeps, price)

    return [found for found in session.each(one, session.pages("kms", "list_keys", "Keys")) if found is not None]


def _secrets(session: Session) -> Iterable[Found]:
    for item in session.pages("secretsmanager", "list_secrets", "SecretList", IncludePlannedDeletion=True):
        tags = tag_dict(item.get("Tags"))
        going = item.get("DeletedDate")
        keeps = f"Secrets Manager deletes it for good, asked to on {_day(going)}" if going else ""
        owner = item.get("OwningService", "")
        mark = f"{owner} made it" if owner else ""
        yield Found("secret", item["ARN"], item["Name"], tags, mark, keeps, None if going else {})


_LOGS = re.compile(r"/aws/(eks|containerinsights|rds/instance|vpc)/.+|RDSOSMetrics")


def _logs(session: Session) -> Iterable[Found]:
    for item in session.pages("logs", "describe_log_groups", "logGroups"):
        name = item["logGroupName"]
        price = {"retention_in_days": item.get("retentionInDays"), "log_group_class": item.get("logGroupClass")}
        yield Found("log_group", name, name, {}, "its name" if _LOGS.fullmatch(name) else "", "", price)


def _iam(session: Session) -> Iterable[Found]:
    """List what IAM has in the account but what AWS manages; what lies under /innovate/ or /karpenter/ is ours."""

    def mark(path: str) -> str:
        return f"its path {path}" if path.startswith(("/innovate/", "/karpenter/")) else ""

    for item in session.pages("iam", "list_roles", "Roles"):
        if not item["Path"].startswith(("/aws-service-role/", "/aws-reserved/", "/service-role/aws-reserved/")):
            yield Found("iam_role", item["RoleName"], item["RoleName"], {}, mark(item["Path"]))
    for item in session.pages("iam", "list_policies", "Policies", Scope="Local"):
        yield Found("iam_policy", item["Arn"], item["PolicyName"], {}, mark(item["Path"]))
    for item in session.pages("iam", "list_instance_profiles", "InstanceProfiles"):
        name = item["InstanceProfileName"]
        yield Found("iam_instance_profile", name, name, {}, mark(item["Path"]))
    for item in session.pages("iam", "list_users", "Users"):
        yield Found("iam_user", item["UserName"], item["UserName"], {}, mark(item["Path"]))
    for item in session.call("iam", "list_open_id_connect_providers").get("OpenIDConnectProviderList", []):
        arn = item["Arn"]
        words = "an EKS cluster's issuer" if "/oidc.eks." in arn else ""
        yield Found("iam_oidc_provider", arn, arn.rpartition("/")[2], {}, words)


def _queues(session: Session) -> Iterable[Found]:
    for url in session.pages("sqs", "list_queues", "QueueUrls"):
        yield Found("sqs_queue", url, url.rpartition("/")[2])


def _rules(session: Session) -> Iterable[Found]:
    """List EventBridge's rules but those that AWS services manage."""
    for item in session.pages("events", "list_rules", "Rules"):
        if not item.get("ManagedBy"):
            yield Found("event_rule", item["Arn"], item["Name"])


def _parameters(session: Session) -> Iterable[Found]:
    for item in session.pages("ssm", "describe_parameters", "Parameters"):
        mark = "its name" if item["Name"].startswith("/innovate/") else ""
        yield Found("ssm_parameter", item["Name"], item["Name"], {}, mark, "", None)


def _clusters(session: Session) -> Iterable[Found]:
    for name in session.pages("eks", "list_clusters", "clusters"):
        yield Found("eks_cluster", name, name, {}, f"EKS cluster {name}", "", {})


def _buckets(session: Session) -> Iterable[Found]:
    for item in session.call("s3", "list_buckets").get("Buckets", []):
        yield Found("s3_bucket", item["Name"], item["Name"], {}, "", "", {})


def _repositories(session: Session) -> Iterable[Found]:
    for item in session.pages("ecr", "describe_repositories", "repositories"):
        yield Found("ecr_repository", item["repositoryName"], item["repositoryName"], {}, "", "", {})


def _scaling_groups(session: Session) -> Iterable[Found]:
    for item in session.pages("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups"):
        tags = tag_dict(item.get("Tags"))
        name = item["AutoScalingGroupName"]
        yield Found("auto_scaling_group", name, name, tags, _of_cluster(tags))


SOURCES: tuple[Source, ...] = (
    _vpcs,
    _ec2(
        "describe_security_groups",
        "SecurityGroups",
        "GroupId",
        "security_group",
        lambda item: item["GroupName"] != "default",
    ),
    _ec2(
        "describe_nat_gateways",
        "NatGateways",
        "NatGatewayId",
        "nat_gateway",
        lambda item: item["State"] not in ("deleted", "failed"),
    ),
    _ec2(
        "describe_vpc_endpoints",
        "VpcEndpoints",
        "VpcEndpointId",
        "vpc_endpoint",
        lambda item: item["State"] != "deleted",
    ),
    _ec2("describe_launch_templates", "LaunchTemplates", "LaunchTemplateId", "launch_template"),
    _interfaces,
    _instances,
    _volumes,
    _disk_snapshots,
    _addresses,
    _ec2("describe_key_pairs", "KeyPairs", "KeyPairId", "key_pair"),
    _balancers,
    _databases,
    _keys,
    _secrets,
    _logs,
    _iam,
    _queues,
    _rules,
    _parameters,
    _clusters,
    _buckets,
    _repositories,
    _scaling_groups,
)


def _day(moment: Any) -> str:
    return moment.date().isoformat() if hasattr(moment, "date") else "a day that it doesn't tell"
