# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a VPC beside the stack that owns it, and what former users have left behind in it.

AWS refuses to delete a VPC, a subnet or a security group that something still uses, but not the ways out of it before
(https://docs.aws.amazon.com/vpc/latest/userguide/delete-vpc.html). Network interfaces of managed services stay for some
minutes after their users (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html). Some things
stay for good: interfaces of the VPC CNI on nodes that were ended
(https://github.com/aws/amazon-vpc-cni-k8s/issues/608), and a cluster's security group that another group's rule named
when the cluster went.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._engine.kind import ADDRESS_TAG, STACK_TAG, Obstacle
from . import _cluster_made
from ._cluster_made import cluster_of, tags_of
from ._session import Session
from ._tags import tag_dict

_IN_USE = ("DependencyViolation",)
_CLUSTER = re.compile(r"Amazon EKS (?P<name>\S+)")
_BALANCER = re.compile(r"ELB (?:(?P<kind>app|net|gwy)/(?P<name>[^/]+)/(?P<id>\w+)|(?P<classic>\S+))")
_DATABASE = "RDSNetworkInterface"
_NODE = "aws-K8S-"
_GONE = ("terminated", "shutting-down")
_NOT_DELETABLE = (
    "InvalidNetworkInterfaceID.NotFound",
    "InvalidNetworkInterface.InUse",
    "InvalidParameterValue",
    "OperationNotPermitted",
)
"""It went by itself, was taken by somebody, or is a service's own and goes with that."""


@dataclass(frozen=True)
class Owner:
    """What takes something along.

    :param stack: a stack; empty if it is nobody's that we know.
    :param id: the identifier of what has to go of that stack.
    """

    stack: str = ""
    id: str = ""


Users = dict[str, Owner]
"""Who is in a VPC: words for people, and what takes it along."""


def obstacles(vpc: str, users: Mapping[str, Owner]) -> list[Obstacle]:
    """Return a sentence for each user of a VPC."""
    return [
        Obstacle(f"VPC {vpc} is in use by {what}: {_advice(owner.stack)}", stack=owner.stack, id=owner.id)
        for what, owner in sorted(users.items())
    ]


def _advice(stack: str) -> str:
    kind, _dash, _name = stack.partition("-")
    playbook = {"eks": "cluster", "postgres": "database"}.get(kind)
    if playbook:
        return f"run playbooks/{playbook}.yml with platform_state=absent first"
    return f"take down stack {stack} first" if stack else "delete it, or have its owner do so, first"


def users_of(session: Session, vpc: str, stack: str) -> Users:
    """Return who uses a VPC that isn't the stack's own, without what is only on its way out.

    One listing of network interfaces tells of most; what has no interface is listed by itself.
    """
    inside = [{"Name": "vpc-id", "Values": [vpc]}]
    found = _by_interface(session, inside, stack)
    found |= _by_tags(session, inside, stack, "describe_security_groups", "SecurityGroups", "GroupId", "security group")
    found |= _by_tags(session, inside, stack, "describe_subnets", "Subnets", "SubnetId", "subnet")
    for gateway in session.call(
        "ec2", "describe_vpn_gateways", Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}]
    ).get("VpnGateways", []):
        attached = {item.get("State") for item in gateway.get("VpcAttachments", []) if item.get("VpcId") == vpc}
        if attached & {"attaching", "attached"}:
            identifier = gateway["VpnGatewayId"]
            found[f"VPN gateway {identifier}"] = Owner(tags_of(gateway).get(STACK_TAG, ""), identifier)
    return found


def _by_interface(session: Session, inside: Sequence[Mapping[str, Any]], stack: str) -> Users:
    interfaces = session.pages("ec2", "describe_network_interfaces", "NetworkInterfaces", Filters=inside)
    # What nobody uses isn't in use: `drop_leftovers` deletes it, or what owns it will.
    used = [item for item in interfaces if item.get("Status") != "available"]
    clusters = _clusters(session, used)
    found: Users = {}
    instances: dict[str, str] = {}
    databases = balancers = gateways = endpoints = False
    for item in used:
        what = str(item.get("Description", ""))
        kind = item.get("InterfaceType", "interface")
        instance = (item.get("Attachment") or {}).get("InstanceId")
        if instance:
            instances[instance] = cluster_of(tags_of(item))
        elif match := _CLUSTER.fullmatch(what):
            if match["name"] in clusters:
                found[f"EKS cluster {match['name']}"] = Owner(clusters[match["name"]], match["name"])
        elif what == _DATABASE:
            databases = True
        elif _BALANCER.match(what):
            balancers = True
        elif kind in ("nat_gateway", "natGateway") or what.startswith("Interface for NAT Gateway"):
            gateways = True
        elif kind in ("vpc_endpoint", "gateway_load_balancer_endpoint") or what.startswith("VPC Endpoint"):
            endpoints = True
        elif item.get("TagSet") and tags_of(item).get(STACK_TAG) == stack:
            continue
        else:
            identifier = item["NetworkInterfaceId"]
            owner = Owner(tags_of(item).get(STACK_TAG, ""), identifier)
            found[f"network interface {identifier} ({what or kind})"] = owner
    found |= _instances(session, instances)
    if databases:
        found |= _databases(session, inside[0]["Values"][0])
    if balancers:
        found |= _balancers(session, inside[0]["Values"][0])
    if gateways:
        found |= _by_tags(
            session, inside, stack, "describe_nat_gateways", "NatGateways", "NatGatewayId", "NAT gateway", "Filter"
        )
    if endpoints:
        found |= _by_tags(
            session, inside, stack, "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", "VPC endpoint"
        )
    return found


def _clusters(session: Session, interfaces: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the stacks of the clusters that interfaces are said to be of; those that are gone are left out."""
    named = (_CLUSTER.fullmatch(str(item.get("Description", ""))) for item in interfaces)
    there = _cluster_made.standing(session, [match["name"] for match in named if match])
    return {
        name: (cluster.get("tags") or {}).get(STACK_TAG, "")
        for name, cluster in there.items()
        if cluster.get("status") != "DELETING"
    }


def _instances(session: Session, instances: Mapping[str, str]) -> Users:
    """Return instances; those of a cluster go with it, so that the cluster's stack is named for them."""
    if not instances:
        return {}
    reservations = session.pages("ec2", "describe_instances", "Reservations", InstanceIds=sorted(instances))
    alive = {
        item["InstanceId"]: tags_of(item)
        for reservation in reservations
        for item in reservation["Instances"]
        if item["State"]["Name"] not in _GONE
    }
    clusters = {identifier: cluster_of(tags) or instances[identifier] for identifier, tags in alive.items()}
    there = _cluster_made.standing(session, clusters.values())
    found = {}
    for identifier, tags in alive.items():
        cluster = clusters[identifier]
        stack = (there.get(cluster, {}).get("tags") or {}).get(STACK_TAG, "")
        words = f" (a node of EKS cluster {cluster})" if cluster else ""
        owner = Owner(stack, cluster) if stack else Owner(tags.get(STACK_TAG, ""), identifier)
        found[f"instance {identifier}{words}"] = owner
    return found


def _databases(session: Session, vpc: str) -> Users:
    found = session.pages("rds", "describe_db_instances", "DBInstances")
    return {
        f"database {item['DBInstanceIdentifier']}": Owner(
            tag_dict(item.get("TagList")).get(STACK_TAG, ""), item["DBInstanceIdentifier"]
        )
        for item in found
        if (item.get("DBSubnetGroup") or {}).get("VpcId") == vpc and item.get("DBInstanceStatus") != "deleting"
    }


def _balancers(session: Session, vpc: str) -> Users:
    """Return load balancers; those of a cluster's Services and Ingresses go with it."""
    found = session.pages("elbv2", "describe_load_balancers", "LoadBalancers")
    names = {item["LoadBalancerArn"]: item["LoadBalancerName"] for item in found if item.get("VpcId") == vpc}
    listed = session.pages("elb", "describe_load_balancers", "LoadBalancerDescriptions")
    classic = [item["LoadBalancerName"] for item in listed if item.get("VPCId") == vpc]
    by_arn = _cluster_made.balancer_tags(session, list(names))
    tags = [(name, by_arn.get(arn, {})) for arn, name in names.items()]
    tags += list(_cluster_made.classic_tags(session, classic).items())
    there = _cluster_made.standing(session, [cluster_of(own) for _name, own in tags])
    return {f"load balancer {name}": _owner_by(own, name, there) for name, own in tags}


def _owner_by(tags: Mapping[str, str], identifier: str, clusters: Mapping[str, Mapping[str, Any]]) -> Owner:
    """Return what takes something along, by its tags: its own stack, or that of the cluster that made it."""
    if tags.get(STACK_TAG):
        return Owner(tags[STACK_TAG], identifier)
    cluster = cluster_of(tags)
    stack = (clusters.get(cluster, {}).get("tags") or {}).get(STACK_TAG, "")
    return Owner(stack, cluster) if stack else Owner()


def _by_tags(
    session: Session,
    inside: Sequence[Mapping[str, Any]],
    stack: str,
    operation: str,
    key: str,
    identifier: str,
    word: str,
    filters: str = "Filters",
) -> Users:
    """Return what in the VPC doesn't bear the stack's name, without what is only left over or on its way out."""
    given: dict[str, Any] = {filters: inside}
    items = session.pages("ec2", operation, key, **given)
    others = [
        item
        for item in items
        if tags_of(item).get(STACK_TAG) != stack
        and item.get("GroupName") != "default"
        and item.get("State") not in ("deleting", "deleted", "failed")
    ]
    there = _cluster_made.standing(session, [cluster_of(tags_of(item)) for item in others])
    found = {}
    for item in others:
        tags = tags_of(item)
        cluster = cluster_of(tags)
        if cluster and cluster not in there:
            continue
        owner = _owner_by(tags, item[identifier], there)
        name = item.get("GroupName") or tags.get(ADDRESS_TAG, "")
        found[f"{word} {item[identifier]}{f' ({name})' if name else ''}"] = owner
    return found


def drop_leftovers(session: Session, inside: str, identifier: str) -> None:
    """Delete what clusters that are gone have left in a VPC or a subnet.

    :param inside: ``vpc-id``, ``subnet-id`` or ``group-id``.
    """
    filters = [{"Name": inside, "Values": [identifier]}]
    interfaces = session.pages("ec2", "describe_network_interfaces", "NetworkInterfaces", Filters=filters)
    idle = [item for item in interfaces if item.get("Status") == "available"]
    groups: list[Mapping[str, Any]] = []
    if inside == "vpc-id":
        listed = session.pages("ec2", "describe_security_groups", "SecurityGroups", Filters=filters)
        groups = [item for item in listed if cluster_of(tags_of(item)) and STACK_TAG not in tags_of(item)]
    there = _cluster_made.standing(session, [_owner(item) for item in (*idle, *groups)])
    for item in idle:
        if _owner(item) and _owner(item) not in there:
            session.call(
                "ec2",
                "delete_network_interface",
                missing=_NOT_DELETABLE,
                NetworkInterfaceId=item["NetworkInterfaceId"],
            )
    _drop_groups(session, [item for item in groups if _owner(item) not in there])


def _owner(item: Mapping[str, Any]) -> str:
    """Return the cluster that an interface or a group is of, by its tags or by its description."""
    match = _CLUSTER.fullmatch(str(item.get("Description", "")))
    return match["name"] if match else cluster_of(tags_of(item))


def _drop_groups(session: Session, groups: Sequence[Mapping[str, Any]]) -> None:
    """Take the rules of all of them away before the first goes: they name each other."""
    gone = ["InvalidGroup.NotFound", "InvalidPermission.NotFound"]
    for group in groups:
        for operation, key in (
            ("revoke_security_group_ingress", "IpPermissions"),
            ("revoke_security_group_egress", "IpPermissionsEgress"),
        ):
            if group.get(key):
                session.call("ec2", operation, missing=gone, GroupId=group["GroupId"], IpPermissions=group[key])
    for group in groups:
        # What still uses one is waited for by whoever deletes the VPC.
        session.call("ec2", "delete_security_group", missing=[*gone, *_IN_USE], GroupId=group["GroupId"])
