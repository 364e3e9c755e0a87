# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What accounts may have: told by Service Quotas, and kept by the services."""

from __future__ import annotations

import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.conftest import REGION, Aws, eventually, refused
from tests.emulator.test_eks import role

ON_DEMAND, SPOT = "L-1216C47A", "L-34B43A08"


@pytest.fixture(scope="module", autouse=True)
def _as_aws_gives_them(aws: Aws) -> None:
    aws.state.admin("quotas", "DELETE")


@pytest.fixture
def quota(aws: Aws) -> Iterator[Callable[..., Any]]:
    def change(code: str, value: int, **place: str) -> Any:
        where = "".join(f"&{key}={item}" for key, item in place.items())
        return aws.state.admin(f"quotas?code={code}&value={value}{where}", "POST")

    yield change
    aws.state.admin("quotas", "DELETE")


@dataclass
class Place:
    vpc: str
    subnets: list[str]


@pytest.fixture(scope="module")
def place(aws: Aws) -> Place:
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
    zones = [(f"10.40.{number}.0/24", f"{REGION}{zone}") for number, zone in enumerate("ab")]
    made = [ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=zone)["Subnet"] for cidr, zone in zones]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    return Place(vpc, [subnet["SubnetId"] for subnet in made])


def test_quotas_are_told_with_their_codes_as_lists_and_one_by_one(aws: Aws, quota: Callable[..., Any]) -> None:
    client = aws("service-quotas")
    pages = client.get_paginator("list_service_quotas").paginate(ServiceCode="vpc", PaginationConfig={"PageSize": 3})
    found = {item["QuotaCode"]: item for item in pages.build_full_result()["Quotas"]}
    assert len(found) > 3
    vpcs = found["L-F678F1CE"]
    assert (vpcs["QuotaName"], vpcs["Value"], vpcs["Adjustable"]) == ("VPCs per Region", 5.0, True)
    quota("L-F678F1CE", 9, region=REGION)
    code = {"ServiceCode": "vpc", "QuotaCode": "L-F678F1CE"}
    assert client.get_service_quota(**code)["Quota"]["Value"] == 9.0
    assert client.get_aws_default_service_quota(**code)["Quota"]["Value"] == 5.0
    assert aws("service-quotas", region="eu-west-1").get_service_quota(**code)["Quota"]["Value"] == 5.0
    wrong = {"ServiceCode": "ec2", "QuotaCode": "L-F678F1CE"}
    assert refused(client.get_service_quota, **wrong) == "NoSuchResourceException"
    assert refused(client.list_service_quotas, ServiceCode="nothing") == "NoSuchResourceException"


def test_the_quota_of_accounts_is_kept_in_one_region(aws: Aws) -> None:
    code = {"ServiceCode": "organizations", "QuotaCode": "L-E619E033"}
    assert aws("service-quotas", region="us-east-1").get_service_quota(**code)["Quota"]["Value"] == 10.0
    assert refused(aws("service-quotas").get_service_quota, **code) == "NoSuchResourceException"


def test_an_increase_is_granted_after_a_while_and_then_holds(aws: Aws, quota: Callable[..., Any]) -> None:
    client, code = aws("service-quotas"), {"ServiceCode": "ec2", "QuotaCode": "L-0263D0A3"}
    assert refused(client.request_service_quota_increase, **code, DesiredValue=5) == "IllegalArgumentException"
    aws.pace(0.2)
    try:
        asked = client.request_service_quota_increase(**code, DesiredValue=7)["RequestedQuota"]
        assert asked["Status"] == "PENDING"
        assert (
            refused(client.request_service_quota_increase, **code, DesiredValue=8) == "ResourceAlreadyExistsException"
        )
        assert client.get_service_quota(**code)["Quota"]["Value"] == 5.0
    finally:
        aws.pace(0)
    assert eventually(
        lambda: (
            client.get_requested_service_quota_change(RequestId=asked["Id"])["RequestedQuota"]["Status"] == "APPROVED"
        )
    )
    assert client.get_service_quota(**code)["Quota"]["Value"] == 7.0


def test_the_page_refuses_what_is_no_quota(aws: Aws, quota: Callable[..., Any]) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        quota("L-00000000", 1)
    with pytest.raises(urllib.error.HTTPError, match="400"):
        aws.state.admin("quotas?code=L-0263D0A3", "POST")


def test_networks_are_refused_beyond_their_quotas(aws: Aws, place: Place, quota: Callable[..., Any]) -> None:
    ec2 = aws("ec2")
    vpcs = len(ec2.describe_vpcs()["Vpcs"])
    gateways = len(ec2.describe_internet_gateways()["InternetGateways"])
    inside = [{"Name": "vpc-id", "Values": [place.vpc]}]
    for code, there, call, params, error in (
        ("L-F678F1CE", vpcs, ec2.create_vpc, {"CidrBlock": "10.41.0.0/16"}, "VpcLimitExceeded"),
        ("L-A4707A72", gateways, ec2.create_internet_gateway, {}, "InternetGatewayLimitExceeded"),
        ("L-407747CB", 2, ec2.create_subnet, {"VpcId": place.vpc, "CidrBlock": "10.40.9.0/24"}, "SubnetLimitExceeded"),
        (
            "L-589F43AA",
            len(ec2.describe_route_tables(Filters=inside)["RouteTables"]),
            ec2.create_route_table,
            {"VpcId": place.vpc},
            "RouteTableLimitExceeded",
        ),
        (
            "L-B4A6D682",
            len(ec2.describe_network_acls(Filters=inside)["NetworkAcls"]),
            ec2.create_network_acl,
            {"VpcId": place.vpc},
            "NetworkAclLimitExceeded",
        ),
        ("L-0263D0A3", 0, ec2.allocate_address, {"Domain": "vpc"}, "AddressLimitExceeded"),
    ):
        quota(code, there)
        assert refused(call, **params) == error
        quota(code, there + 1)
        call(**params)


def test_nat_gateways_are_counted_by_zone_and_endpoints_by_vpc(
    aws: Aws, place: Place, quota: Callable[..., Any]
) -> None:
    ec2 = aws("ec2")
    quota("L-FE5A380F", 1)
    quota("L-29B6F2EB", 1)
    quota("L-1B52E74A", 0)
    nats = [{"SubnetId": subnet, "ConnectivityType": "private"} for subnet in place.subnets]
    first = ec2.create_nat_gateway(**nats[0])["NatGateway"]["NatGatewayId"]
    assert refused(ec2.create_nat_gateway, **nats[0]) == "NatGatewayLimitExceeded"
    ec2.create_nat_gateway(**nats[1])
    ec2.delete_nat_gateway(NatGatewayId=first)
    ec2.create_nat_gateway(**nats[0])

    def endpoint(service: str, kind: str) -> dict[str, Any]:
        name = f"com.amazonaws.{REGION}.{service}"
        return {"VpcId": place.vpc, "ServiceName": name, "VpcEndpointType": kind, "PrivateDnsEnabled": False}

    ec2.create_vpc_endpoint(**endpoint("ecr.api", "Interface"))
    assert refused(ec2.create_vpc_endpoint, **endpoint("ecr.dkr", "Interface")) == "VpcEndpointLimitExceeded"
    assert refused(ec2.create_vpc_endpoint, **endpoint("s3", "Gateway")) == "VpcEndpointLimitExceeded"


def test_instances_are_refused_beyond_the_vcpus_of_their_families(
    aws: Aws, place: Place, quota: Callable[..., Any]
) -> None:
    ec2 = aws("ec2")
    image = ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"][
        0
    ]
    quota(ON_DEMAND, 5)
    quota(SPOT, 2)

    def run(count: int, kind: str = "t3.medium", *, spot: bool = False) -> Any:
        market = {"InstanceMarketOptions": {"MarketType": "spot"}} if spot else {}
        return ec2.run_instances(
            ImageId=image["ImageId"],
            InstanceType=kind,
            MinCount=count,
            MaxCount=count,
            SubnetId=place.subnets[0],
            **market,
        )["Instances"]

    # 2 vCPUs each: two fit into five, a third doesn't; Spot has a quota of its own.
    made = run(2)
    assert refused(run, count=1) == "VcpuLimitExceeded"
    assert refused(run, count=1, kind="g4dn.xlarge") == "VcpuLimitExceeded"
    run(1, spot=True)
    assert refused(run, count=1, spot=True) == "MaxSpotInstanceCountExceeded"
    ec2.terminate_instances(InstanceIds=[made[0]["InstanceId"]])
    assert run(1)


def test_clusters_and_node_groups_are_refused_beyond_their_quotas(
    aws: Aws, place: Place, quota: Callable[..., Any]
) -> None:
    eks = aws("eks")
    cluster = {
        "roleArn": role(aws, "quota-cluster", "eks.amazonaws.com"),
        "resourcesVpcConfig": {"subnetIds": place.subnets},
    }
    quota("L-1194D53C", 1)
    quota("L-6D54EA21", 2)
    eks.create_cluster(name="first", **cluster)
    with pytest.raises(ClientError) as caught:
        eks.create_cluster(name="second", **cluster)
    assert caught.value.response["Error"]["Code"] == "ResourceLimitExceededException"
    assert caught.value.response["clusterName"] == "second"
    group = {
        "clusterName": "first",
        "nodeRole": role(aws, "quota-node", "ec2.amazonaws.com"),
        "subnets": place.subnets,
        "instanceTypes": ["t3.medium"],
    }
    scaling = {"minSize": 2, "maxSize": 2, "desiredSize": 2}
    eks.create_nodegroup(nodegroupName="one", scalingConfig=scaling, **group)
    # Nothing refuses a node group whose instances are too many: its nodes never come, and it fails.
    quota(ON_DEMAND, 7 + 4)
    eks.create_nodegroup(nodegroupName="two", scalingConfig={**scaling, "maxSize": 5, "desiredSize": 5}, **group)
    failed = eks.describe_nodegroup(clusterName="first", nodegroupName="two")["nodegroup"]
    assert failed["status"] == "CREATE_FAILED"
    assert [issue["code"] for issue in failed["health"]["issues"]] == ["AsgInstanceLaunchFailures"]
    assert "11" in failed["health"]["issues"][0]["message"]
    assert refused(eks.create_nodegroup, nodegroupName="three", **group) == "ResourceLimitExceededException"
    eks.delete_nodegroup(clusterName="first", nodegroupName="two")
    quota(ON_DEMAND, 40)
    eks.create_nodegroup(nodegroupName="two", scalingConfig=scaling, **group)
    assert eks.describe_nodegroup(clusterName="first", nodegroupName="two")["nodegroup"]["status"] == "ACTIVE"
    quota("L-33415657", 0)
    profile = {"podExecutionRoleArn": role(aws, "quota-pods", "eks-fargate-pods.amazonaws.com"), "clusterName": "first"}
    assert refused(eks.create_fargate_profile, fargateProfileName="pods", **profile) == "ResourceLimitExceededException"


def test_databases_are_refused_beyond_their_number_and_storage(
    aws: Aws, place: Place, quota: Callable[..., Any]
) -> None:
    rds = aws("rds")
    quota("L-48C6BF61", 1)
    group = {"DBSubnetGroupDescription": "x", "SubnetIds": place.subnets}
    rds.create_db_subnet_group(DBSubnetGroupName="quota", **group)
    assert refused(rds.create_db_subnet_group, DBSubnetGroupName="more", **group) == "DBSubnetGroupQuotaExceeded"
    quota("L-DE55804A", 0)
    parameters = {"DBParameterGroupName": "pg", "DBParameterGroupFamily": "postgres17", "Description": "x"}
    assert refused(rds.create_db_parameter_group, **parameters) == "DBParameterGroupQuotaExceeded"
    instance = {
        "DBInstanceIdentifier": "one",
        "Engine": "postgres",
        "DBInstanceClass": "db.t4g.micro",
        "AllocatedStorage": 20,
        "MasterUsername": "platform",
        "ManageMasterUserPassword": True,
        "DBSubnetGroupName": "quota",
    }
    quota("L-7B6409FD", 0)
    assert refused(rds.create_db_instance, **instance) == "InstanceQuotaExceeded"
    quota("L-7B6409FD", 1)
    quota("L-7ADDB58A", 19)
    assert refused(rds.create_db_instance, **instance) == "StorageQuotaExceeded"


def test_accounts_are_refused_beyond_their_number_with_those_on_their_way(aws: Aws, quota: Callable[..., Any]) -> None:
    organizations = aws("organizations")
    organizations.create_organization(FeatureSet="ALL")
    quota("L-E619E033", 2)
    aws.pace(5)
    try:
        organizations.create_account(AccountName="first", Email="first@example.com")
        with pytest.raises(ClientError) as caught:
            organizations.create_account(AccountName="second", Email="second@example.com")
    finally:
        aws.pace(0)
    assert caught.value.response["Error"]["Code"] == "ConstraintViolationException"
    assert caught.value.response["Reason"] == "ACCOUNT_NUMBER_LIMIT_EXCEEDED"
