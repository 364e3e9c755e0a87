# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.emulator.conftest import REGION, Aws, eventually, refused

S3 = f"com.amazonaws.{REGION}.s3"
ECR = f"com.amazonaws.{REGION}.ecr.api"


def tagging(kind: str, value: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "innovate:stack", "Value": value}]}]


@dataclass
class Net:
    aws: Aws
    ec2: Any
    vpc: str
    subnets: list[str]
    igw: str

    def address(self, **more: Any) -> str:
        return str(self.ec2.allocate_address(Domain="vpc", **more)["AllocationId"])

    def nat(self, **more: Any) -> str:
        more.setdefault("SubnetId", self.subnets[0])
        if "AllocationId" not in more:
            more["AllocationId"] = self.address()
        return str(self.ec2.create_nat_gateway(**more)["NatGateway"]["NatGatewayId"])

    def table(self) -> str:
        return str(self.ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"])

    def group(self, name: str = "app") -> str:
        return str(self.ec2.create_security_group(GroupName=name, Description="x", VpcId=self.vpc)["GroupId"])

    def endpoint(self, **more: Any) -> Any:
        parameters = {"VpcId": self.vpc, "ServiceName": ECR, "VpcEndpointType": "Interface", "PrivateDnsEnabled": False}
        return self.ec2.create_vpc_endpoint(**{**parameters, **more})["VpcEndpoint"]


@pytest.fixture
def net(aws: Aws) -> Iterator[Net]:
    aws.pace(0)
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.10.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.10.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("abcabcabc")
    ]
    igw = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=igw, VpcId=vpc)
    yield Net(aws, ec2, vpc, subnets, igw)
    aws.pace(0)


MAKERS: dict[str, tuple[str, str, Callable[[Net, list[dict[str, Any]]], Any]]] = {
    "vpc": ("describe_vpcs", "Vpcs", lambda n, t: n.ec2.create_vpc(CidrBlock="10.99.0.0/16", TagSpecifications=t)),
    "subnet": (
        "describe_subnets",
        "Subnets",
        lambda n, t: n.ec2.create_subnet(VpcId=n.vpc, CidrBlock="10.10.64.0/20", TagSpecifications=t),
    ),
    "internet-gateway": (
        "describe_internet_gateways",
        "InternetGateways",
        lambda n, t: n.ec2.create_internet_gateway(TagSpecifications=t),
    ),
    "elastic-ip": (
        "describe_addresses",
        "Addresses",
        lambda n, t: n.ec2.allocate_address(Domain="vpc", TagSpecifications=t),
    ),
    "natgateway": (
        "describe_nat_gateways",
        "NatGateways",
        lambda n, t: n.nat(TagSpecifications=t),
    ),
    "route-table": (
        "describe_route_tables",
        "RouteTables",
        lambda n, t: n.ec2.create_route_table(VpcId=n.vpc, TagSpecifications=t),
    ),
    "network-acl": (
        "describe_network_acls",
        "NetworkAcls",
        lambda n, t: n.ec2.create_network_acl(VpcId=n.vpc, TagSpecifications=t),
    ),
    "security-group": (
        "describe_security_groups",
        "SecurityGroups",
        lambda n, t: n.ec2.create_security_group(GroupName="tagged", Description="x", VpcId=n.vpc, TagSpecifications=t),
    ),
    "vpc-endpoint": ("describe_vpc_endpoints", "VpcEndpoints", lambda n, t: n.endpoint(TagSpecifications=t)),
    "vpc-flow-log": (
        "describe_flow_logs",
        "FlowLogs",
        lambda n, t: n.ec2.create_flow_logs(
            ResourceIds=[n.vpc],
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="s3",
            LogDestination=bucket(n.aws),
            TagSpecifications=t,
        ),
    ),
}


def bucket(aws: Aws) -> str:
    names = [found["Name"] for found in aws("s3").list_buckets()["Buckets"]]
    if "flow-logs" not in names:
        aws("s3").create_bucket(Bucket="flow-logs", CreateBucketConfiguration={"LocationConstraint": REGION})
    return "arn:aws:s3:::flow-logs"


@pytest.mark.parametrize("kind", MAKERS)
def test_a_resource_is_born_with_its_tags_and_found_by_them(net: Net, kind: str, name: str) -> None:
    describe, key, make = MAKERS[kind]
    make(net, tagging(kind, name))
    wanted = [{"Name": "tag:innovate:stack", "Values": [name]}]
    word = "Filter" if kind in ("natgateway", "vpc-flow-log") else "Filters"
    found = getattr(net.ec2, describe)(**{word: wanted})[key]
    assert [tag["Value"] for item in found for tag in item["Tags"]] == [name]
    tags = net.ec2.describe_tags(Filters=[{"Name": "value", "Values": [name]}])["Tags"]
    assert [tag["ResourceType"] for tag in tags] == [kind]
    by_type = [{"Name": "value", "Values": [name]}, {"Name": "resource-type", "Values": [kind]}]
    assert len(net.ec2.describe_tags(Filters=by_type)["Tags"]) == 1


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"CidrBlock": "10.10.0.0/20"}, "InvalidSubnet.Conflict"),
        ({"CidrBlock": "10.11.0.0/24"}, "InvalidSubnet.Range"),
        ({"CidrBlock": "10.10.128.0/30"}, "InvalidSubnet.Range"),
        ({"CidrBlock": "10.10.128.0/33"}, "InvalidParameterValue"),
        ({"CidrBlock": "10.10.128.0/24", "AvailabilityZone": f"{REGION}z"}, "InvalidParameterValue"),
        ({"CidrBlock": "10.10.128.0/24", "VpcId": "vpc-0123456789abcdef0"}, "InvalidVpcID.NotFound"),
        ({"CidrBlock": "10.10.128.0/24", "TagSpecifications": tagging("vpc", "a")}, "InvalidParameterValue"),
    ],
)
def test_a_subnet_that_cannot_be_is_refused(net: Net, parameters: dict[str, Any], code: str) -> None:
    assert refused(net.ec2.create_subnet, **{"VpcId": net.vpc, **parameters}) == code


def test_a_vpc_has_a_prefix_between_16_and_28(net: Net) -> None:
    for cidr in ("10.0.0.0/8", "10.0.0.0/29"):
        assert refused(net.ec2.create_vpc, CidrBlock=cidr) == "InvalidVpc.Range"


def test_host_bits_of_a_cidr_are_dropped(net: Net) -> None:
    made = net.ec2.create_subnet(VpcId=net.vpc, CidrBlock="10.10.200.7/24")["Subnet"]
    assert made["CidrBlock"] == "10.10.200.0/24"


def test_a_nat_gateway_is_pending_then_available_then_deleted_for_a_while(net: Net) -> None:
    net.aws.pace(0.1)
    nat = net.nat()

    def state() -> str:
        return str(net.ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["State"])

    assert state() == "pending"
    assert eventually(lambda: state() == "available")
    net.ec2.delete_nat_gateway(NatGatewayId=nat)
    assert state() == "deleting"
    assert eventually(lambda: state() == "deleted")


def test_a_nat_gateway_without_an_internet_gateway_fails(net: Net) -> None:
    net.ec2.detach_internet_gateway(InternetGatewayId=net.igw, VpcId=net.vpc)
    nat = net.nat()
    shown = net.ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]
    assert (shown["State"], shown["FailureCode"]) == ("failed", "Gateway.NotAttached")


def test_a_regional_nat_gateway_belongs_to_the_vpc(net: Net) -> None:
    made = net.ec2.create_nat_gateway(VpcId=net.vpc, AvailabilityMode="regional")["NatGateway"]
    assert made["AvailabilityMode"] == "regional"
    assert "SubnetId" not in made
    shown = net.ec2.describe_nat_gateways(NatGatewayIds=[made["NatGatewayId"]])["NatGateways"][0]
    assert shown["State"] == "available"


def test_the_interface_of_a_nat_gateway_has_an_address_of_its_subnet(net: Net) -> None:
    nat = net.nat()
    shown = net.ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["NatGatewayAddresses"][0]
    assert shown["PrivateIp"].startswith("10.10.0.")


def test_an_address_in_use_makes_no_second_nat_gateway(net: Net) -> None:
    allocation = net.address()
    net.nat(AllocationId=allocation)
    code = refused(net.ec2.create_nat_gateway, SubnetId=net.subnets[1], AllocationId=allocation)
    assert code == "Resource.AlreadyAssociated"


REPEATS: dict[str, Callable[[Net, str, str], list[str]]] = {
    "nat gateway": lambda n, token, extra: [
        n.nat(AllocationId=extra, ClientToken=token),
    ],
    "vpc endpoint": lambda n, token, extra: [
        n.endpoint(SubnetIds=[extra], ClientToken=token)["VpcEndpointId"],
    ],
    "flow logs": lambda n, token, extra: n.ec2.create_flow_logs(
        ResourceIds=[extra],
        ResourceType="Subnet",
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination=bucket(n.aws),
        ClientToken=token,
    )["FlowLogIds"],
    "route table": lambda n, token, extra: [
        n.ec2.create_route_table(VpcId=n.vpc, ClientToken=token, TagSpecifications=tagging("route-table", extra))[
            "RouteTable"
        ]["RouteTableId"]
    ],
    "network acl": lambda n, token, extra: [
        n.ec2.create_network_acl(VpcId=n.vpc, ClientToken=token, TagSpecifications=tagging("network-acl", extra))[
            "NetworkAcl"
        ]["NetworkAclId"]
    ],
}


@pytest.mark.parametrize("kind", REPEATS)
def test_the_same_client_token_makes_one_thing(net: Net, kind: str, name: str) -> None:
    values = [net.address(), net.address()] if kind == "nat gateway" else net.subnets[:2]
    first = REPEATS[kind](net, name, values[0])
    assert REPEATS[kind](net, name, values[0]) == first
    assert refused(lambda: REPEATS[kind](net, name, values[1])) == "IdempotentParameterMismatch"


def test_the_association_of_an_acl_is_replaced_once(net: Net) -> None:
    acl = net.ec2.create_network_acl(VpcId=net.vpc)["NetworkAcl"]["NetworkAclId"]
    filters = [{"Name": "association.subnet-id", "Values": [net.subnets[0]]}]
    (holder,) = net.ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
    (old,) = (item for item in holder["Associations"] if item["SubnetId"] == net.subnets[0])
    moved = {"AssociationId": old["NetworkAclAssociationId"], "NetworkAclId": acl}
    assert net.ec2.replace_network_acl_association(**moved)["NewAssociationId"] != moved["AssociationId"]
    assert refused(net.ec2.replace_network_acl_association, **moved) == "InvalidAssociationID.NotFound"


def _sg_referenced(net: Net) -> None:
    referenced, other = net.group("a"), net.group("b")
    permission = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": referenced}]}
    net.ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[permission])
    net.ec2.delete_security_group(GroupId=referenced)


def _sg_of_an_endpoint(net: Net) -> None:
    group = net.group()
    net.endpoint(SubnetIds=net.subnets[:1], SecurityGroupIds=[group])
    net.ec2.delete_security_group(GroupId=group)


def _nat_then(action: Callable[[Net], Any]) -> Callable[[Net], Any]:
    def run(net: Net) -> None:
        net.nat()
        action(net)

    return run


def _address_of_nat(net: Net) -> None:
    allocation = net.address()
    net.nat(AllocationId=allocation)
    net.ec2.release_address(AllocationId=allocation)


def _associated_table(net: Net) -> None:
    table = net.table()
    net.ec2.associate_route_table(RouteTableId=table, SubnetId=net.subnets[0])
    net.ec2.delete_route_table(RouteTableId=table)


def _main_table(net: Net) -> None:
    wanted = [{"Name": "vpc-id", "Values": [net.vpc]}, {"Name": "association.main", "Values": ["true"]}]
    table = net.ec2.describe_route_tables(Filters=wanted)["RouteTables"][0]["RouteTableId"]
    net.ec2.delete_route_table(RouteTableId=table)


def _default_group(net: Net) -> None:
    wanted = [{"Name": "vpc-id", "Values": [net.vpc]}, {"Name": "group-name", "Values": ["default"]}]
    net.ec2.delete_security_group(
        GroupId=net.ec2.describe_security_groups(Filters=wanted)["SecurityGroups"][0]["GroupId"]
    )


def _empty_vpc_with(make: Callable[[Any, str], Any]) -> Callable[[Net], Any]:
    def run(net: Net) -> None:
        vpc = net.ec2.create_vpc(CidrBlock="10.98.0.0/16")["Vpc"]["VpcId"]
        make(net.ec2, vpc)
        net.ec2.delete_vpc(VpcId=vpc)

    return run


def _second_gateway(net: Net) -> None:
    other = net.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    net.ec2.attach_internet_gateway(InternetGatewayId=other, VpcId=net.vpc)


IN_USE: dict[str, tuple[Callable[[Net], Any], str]] = {
    "a vpc with subnets": (lambda n: n.ec2.delete_vpc(VpcId=n.vpc), "DependencyViolation"),
    "a vpc with a security group": (
        _empty_vpc_with(lambda e, v: e.create_security_group(GroupName="a", Description="a", VpcId=v)),
        "DependencyViolation",
    ),
    "a vpc with a network acl": (_empty_vpc_with(lambda e, v: e.create_network_acl(VpcId=v)), "DependencyViolation"),
    "a vpc with a route table": (_empty_vpc_with(lambda e, v: e.create_route_table(VpcId=v)), "DependencyViolation"),
    "a vpc with an endpoint": (
        _empty_vpc_with(lambda e, v: e.create_vpc_endpoint(VpcId=v, ServiceName=S3)),
        "DependencyViolation",
    ),
    "an attached internet gateway": (
        lambda n: n.ec2.delete_internet_gateway(InternetGatewayId=n.igw),
        "DependencyViolation",
    ),
    "a second internet gateway": (_second_gateway, "InvalidParameterValue"),
    "a subnet with a nat gateway": (
        _nat_then(lambda n: n.ec2.delete_subnet(SubnetId=n.subnets[0])),
        "DependencyViolation",
    ),
    "an internet gateway with mapped addresses": (
        _nat_then(lambda n: n.ec2.detach_internet_gateway(InternetGatewayId=n.igw, VpcId=n.vpc)),
        "DependencyViolation",
    ),
    "an address of a nat gateway": (_address_of_nat, "InvalidIPAddress.InUse"),
    "a referenced security group": (_sg_referenced, "DependencyViolation"),
    "the security group of an endpoint": (_sg_of_an_endpoint, "DependencyViolation"),
    "the default security group": (_default_group, "CannotDelete"),
    "an associated route table": (_associated_table, "DependencyViolation"),
    "the main route table": (_main_table, "DependencyViolation"),
}


@pytest.mark.parametrize("what", IN_USE)
def test_what_is_in_use_is_kept(net: Net, what: str) -> None:
    action, code = IN_USE[what]
    assert refused(lambda: action(net)) == code


NOT_THERE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "nat gateway": (lambda e: e.describe_nat_gateways(NatGatewayIds=["nat-0123456789abcdef0"]), "NatGatewayNotFound"),
    "nat gateway deleted": (lambda e: e.delete_nat_gateway(NatGatewayId="nat-0123456789abcdef0"), "NatGatewayNotFound"),
    "endpoint": (
        lambda e: e.describe_vpc_endpoints(VpcEndpointIds=["vpce-0123456789abcdef0"]),
        "InvalidVpcEndpointId.NotFound",
    ),
    "vpc": (lambda e: e.describe_vpcs(VpcIds=["vpc-0123456789abcdef0"]), "InvalidVpcID.NotFound"),
    "allocation": (
        lambda e: e.release_address(AllocationId="eipalloc-0123456789abcdef0"),
        "InvalidAllocationID.NotFound",
    ),
}


@pytest.mark.parametrize("what", NOT_THERE)
def test_what_is_not_there_is_not_found(net: Net, what: str) -> None:
    action, code = NOT_THERE[what]
    assert refused(lambda: action(net.ec2)) == code


def test_a_whole_network_can_be_taken_down_in_order(net: Net) -> None:
    allocation = net.address()
    nat, table, group = net.nat(AllocationId=allocation), net.table(), net.group()
    net.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    net.ec2.associate_route_table(RouteTableId=table, SubnetId=net.subnets[1])
    gateway = net.endpoint(ServiceName=S3, VpcEndpointType="Gateway", RouteTableIds=[table])["VpcEndpointId"]
    interface = net.endpoint(SubnetIds=net.subnets[:2], SecurityGroupIds=[group])["VpcEndpointId"]
    assert net.ec2.delete_vpc_endpoints(VpcEndpointIds=[gateway, interface])["Unsuccessful"] == []
    net.ec2.delete_nat_gateway(NatGatewayId=nat)
    routes = net.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert {r["State"] for r in routes if r.get("NatGatewayId")} == {"blackhole"}
    net.ec2.release_address(AllocationId=allocation)
    for subnet in net.subnets:
        net.ec2.delete_subnet(SubnetId=subnet)
    net.ec2.delete_route_table(RouteTableId=table)
    net.ec2.delete_security_group(GroupId=group)
    net.ec2.detach_internet_gateway(InternetGatewayId=net.igw, VpcId=net.vpc)
    net.ec2.delete_internet_gateway(InternetGatewayId=net.igw)
    net.ec2.delete_vpc(VpcId=net.vpc)
    left = net.ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [net.vpc]}])["NetworkAcls"]
    left += net.ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [net.vpc]}])["SecurityGroups"]
    assert left == []


def test_a_new_network_acl_denies_everything(net: Net) -> None:
    made = net.ec2.create_network_acl(VpcId=net.vpc)["NetworkAcl"]
    shown = net.ec2.describe_network_acls(NetworkAclIds=[made["NetworkAclId"]])["NetworkAcls"][0]
    for acl in (made, shown):
        assert sorted((e["Egress"], e["RuleAction"], e["RuleNumber"]) for e in acl["Entries"]) == [
            (False, "deny", 32767),
            (True, "deny", 32767),
        ]


def test_a_subnet_moves_from_the_default_acl_to_another(net: Net) -> None:
    made = net.ec2.create_network_acl(VpcId=net.vpc)["NetworkAcl"]["NetworkAclId"]
    wanted = [{"Name": "association.subnet-id", "Values": [net.subnets[0]]}]
    before = net.ec2.describe_network_acls(Filters=wanted)["NetworkAcls"][0]
    assert before["IsDefault"] is True
    association = next(a for a in before["Associations"] if a["SubnetId"] == net.subnets[0])
    net.ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=made)
    assert net.ec2.describe_network_acls(Filters=wanted)["NetworkAcls"][0]["NetworkAclId"] == made
    assert refused(net.ec2.delete_network_acl, NetworkAclId=made) == "DependencyViolation"


def test_a_rule_that_is_there_already_is_refused(net: Net) -> None:
    source, group = net.group("a"), net.group("b")
    for source_of in ({"UserIdGroupPairs": [{"GroupId": source}]}, {"IpRanges": [{"CidrIp": "10.0.0.0/8"}]}):
        permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **source_of}
        parameters = {"GroupId": group, "IpPermissions": [permission]}
        net.ec2.authorize_security_group_ingress(**parameters)
        assert refused(net.ec2.authorize_security_group_ingress, **parameters) == "InvalidPermission.Duplicate"


def test_a_subnet_has_one_route_table(net: Net) -> None:
    first, second = net.table(), net.table()
    net.ec2.associate_route_table(RouteTableId=first, SubnetId=net.subnets[0])
    code = refused(net.ec2.associate_route_table, RouteTableId=second, SubnetId=net.subnets[0])
    assert code == "Resource.AlreadyAssociated"


def test_private_dns_needs_the_dns_attributes_of_the_vpc(net: Net) -> None:
    assert refused(lambda: net.endpoint(PrivateDnsEnabled=True)) == "InvalidParameter"
    net.ec2.modify_vpc_attribute(VpcId=net.vpc, EnableDnsHostnames={"Value": True})
    assert net.endpoint(PrivateDnsEnabled=True)["PrivateDnsEnabled"] is True
    assert refused(lambda: net.endpoint(PrivateDnsEnabled=True)) == "InvalidParameter"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"ServiceName": f"com.amazonaws.{REGION}.none"}, "InvalidServiceName"),
        ({"ServiceName": f"com.amazonaws.{REGION}.sts", "VpcEndpointType": "Gateway"}, "InvalidParameter"),
        ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidGroup.NotFound"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(net: Net, parameters: dict[str, Any], code: str) -> None:
    assert refused(lambda: net.endpoint(**parameters)) == code


def test_an_endpoint_has_one_subnet_per_zone(net: Net) -> None:
    assert refused(lambda: net.endpoint(SubnetIds=[net.subnets[0], net.subnets[3]])) == "DuplicateSubnetsInSameZone"


def test_an_interface_endpoint_is_pending_and_disappears(net: Net) -> None:
    net.aws.pace(0.1)
    made = net.endpoint(SubnetIds=net.subnets[:2])
    identifier = made["VpcEndpointId"]
    assert made["State"] == "pending"
    assert [g["GroupName"] for g in made["Groups"]] == ["default"]

    def states() -> list[str]:
        wanted = [{"Name": "vpc-endpoint-id", "Values": [identifier]}]
        return [e["State"] for e in net.ec2.describe_vpc_endpoints(Filters=wanted)["VpcEndpoints"]]

    assert eventually(lambda: states() == ["available"])
    net.ec2.delete_vpc_endpoints(VpcEndpointIds=[identifier])
    assert states() == ["deleting"]
    assert eventually(lambda: states() == [])


def test_a_gateway_endpoint_follows_its_route_tables(net: Net) -> None:
    first, second = net.table(), net.table()
    made = net.endpoint(ServiceName=S3, VpcEndpointType="Gateway", RouteTableIds=[first])["VpcEndpointId"]
    net.ec2.modify_vpc_endpoint(VpcEndpointId=made, AddRouteTableIds=[second], RemoveRouteTableIds=[first])

    def through(table: str) -> bool:
        routes = net.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
        return any(route.get("GatewayId") == made for route in routes)

    assert (through(first), through(second)) == (False, True)


def test_an_endpoint_policy_is_kept(net: Net) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    made = net.endpoint(PolicyDocument=policy)["VpcEndpointId"]
    assert net.ec2.describe_vpc_endpoints(VpcEndpointIds=[made])["VpcEndpoints"][0]["PolicyDocument"] == policy


def test_zones_are_those_of_the_region(net: Net) -> None:
    zones = [zone["ZoneName"] for zone in net.ec2.describe_availability_zones()["AvailabilityZones"]]
    assert zones[:3] == [f"{REGION}a", f"{REGION}b", f"{REGION}c"]
    service = net.ec2.describe_vpc_endpoint_services(ServiceNames=[ECR])["ServiceDetails"][0]
    assert sorted(service["AvailabilityZones"]) == sorted(zones)


def test_attributes_of_vpcs_and_subnets_can_be_changed(net: Net) -> None:
    net.ec2.modify_vpc_attribute(VpcId=net.vpc, EnableDnsHostnames={"Value": True})
    shown = net.ec2.describe_vpc_attribute(VpcId=net.vpc, Attribute="enableDnsHostnames")
    assert shown["EnableDnsHostnames"]["Value"] is True
    net.ec2.modify_subnet_attribute(SubnetId=net.subnets[0], MapPublicIpOnLaunch={"Value": True})
    subnet = net.ec2.describe_subnets(SubnetIds=net.subnets[:1])["Subnets"][0]
    assert subnet["MapPublicIpOnLaunch"] is True
