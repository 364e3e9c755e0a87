# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network interfaces of managed services, which stay for some time after what they were for; tags, which don't."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.emulator.conftest import REGION, Aws, eventually, refused

SLOWLY = 4


@dataclass
class Place:
    aws: Aws
    ec2: Any
    vpc: str
    subnets: list[str]
    group: str

    def interfaces(self, words: str) -> list[dict[str, Any]]:
        found = self.ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])
        return [item for item in found["NetworkInterfaces"] if words in item["Description"]]

    def lingers(self, words: str) -> None:
        """Its user is gone, it holds subnet and group for a while, nobody can delete it, and then it is gone."""
        (one, *_others) = self.interfaces(words)
        self.aws.pace(0)
        held = one["SubnetId"]
        taken = refused(self.ec2.delete_network_interface, NetworkInterfaceId=one["NetworkInterfaceId"])
        assert taken == "InvalidParameterValue"
        assert refused(self.ec2.delete_subnet, SubnetId=held) == "DependencyViolation"
        assert eventually(lambda: not self.interfaces(words), 20)
        self.ec2.delete_subnet(SubnetId=held)


@pytest.fixture
def place(aws: Aws) -> Iterator[Place]:
    aws.pace(0)
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.40.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName="users", Description="x", VpcId=vpc)["GroupId"]
    yield Place(aws, ec2, vpc, subnets, group)
    aws.pace(0)


def test_those_of_a_database(place: Place) -> None:
    rds = place.aws("rds")
    rds.create_db_subnet_group(DBSubnetGroupName="late", DBSubnetGroupDescription="x", SubnetIds=place.subnets)
    rds.create_db_instance(
        DBInstanceIdentifier="late",
        Engine="postgres",
        DBInstanceClass="db.t4g.medium",
        AllocatedStorage=20,
        MasterUsername="platform",
        ManageMasterUserPassword=True,
        DBSubnetGroupName="late",
        VpcSecurityGroupIds=[place.group],
        MultiAZ=True,
    )
    shown = place.interfaces("RDSNetworkInterface")
    assert {item["SubnetId"] for item in shown} == set(place.subnets)
    assert [group["GroupId"] for item in shown for group in item["Groups"]] == [place.group] * 2
    assert all(item["RequesterManaged"] and item["Status"] == "in-use" for item in shown)
    assert eventually(lambda: _status(rds) == "available", 60)
    rds.delete_db_instance(DBInstanceIdentifier="late", SkipFinalSnapshot=True)
    place.aws.pace(SLOWLY)
    assert eventually(lambda: _status(rds) == "", 30)
    rds.delete_db_subnet_group(DBSubnetGroupName="late")
    place.lingers("RDSNetworkInterface")


def _status(rds: Any) -> str:
    found = rds.describe_db_instances()["DBInstances"]
    return str(found[0]["DBInstanceStatus"]) if found else ""


def test_those_of_a_cluster(place: Place) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = place.aws("iam").create_role(RoleName="late", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    eks = place.aws("eks")
    eks.create_cluster(name="late", roleArn=role, resourcesVpcConfig={"subnetIds": place.subnets})
    assert eventually(lambda: eks.describe_cluster(name="late")["cluster"]["status"] == "ACTIVE", 20)
    eks.delete_cluster(name="late")
    place.aws.pace(SLOWLY)
    assert eventually(lambda: eks.list_clusters()["clusters"] == [], 20)
    place.lingers("Amazon EKS late")


def test_those_of_a_load_balancer(place: Place) -> None:
    elb = place.aws("elbv2")
    made = elb.create_load_balancer(Name="late", Subnets=place.subnets, SecurityGroups=[place.group])
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    path = arn.partition(":loadbalancer/")[2]
    assert {item["SubnetId"] for item in place.interfaces(f"ELB {path}")} == set(place.subnets)
    place.aws.pace(SLOWLY)
    elb.delete_load_balancer(LoadBalancerArn=arn)
    assert elb.describe_load_balancers()["LoadBalancers"] == []
    place.lingers(f"ELB {path}")


def test_a_log_group_of_the_same_name_has_no_tags_of_the_one_before(aws: Aws) -> None:
    logs = aws("logs")
    arn = f"arn:aws:logs:{REGION}:{aws('sts').get_caller_identity()['Account']}:log-group:/again"
    logs.create_log_group(logGroupName="/again", tags={"innovate:stack": "one"})
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"innovate:stack": "one"}
    logs.delete_log_group(logGroupName="/again")
    logs.create_log_group(logGroupName="/again")
    assert logs.list_tags_for_resource(resourceArn=arn).get("tags", {}) == {}
    logs.delete_log_group(logGroupName="/again")


def test_what_is_deleted_of_a_load_balancer_has_no_tags_any_more(place: Place) -> None:
    elb = place.aws("elbv2")
    tags = [{"Key": "elbv2.k8s.aws/cluster", "Value": "late"}]
    balancer = elb.create_load_balancer(Name="tagged", Subnets=place.subnets, Tags=tags)["LoadBalancers"][0]
    group = elb.create_target_group(Name="tagged", Protocol="HTTP", Port=80, VpcId=place.vpc, Tags=tags)[
        "TargetGroups"
    ][0]
    assert len(tagged(place.aws)) == 2
    elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
    elb.delete_target_group(TargetGroupArn=group["TargetGroupArn"])
    rows = place.aws.state.admin("inventory")
    assert not [row for row in rows if row["service"] == "elbv2" and "tagged" in row["text"]]
    assert tagged(place.aws) == []


def tagged(aws: Aws) -> list[str]:
    filters = [{"Key": "elbv2.k8s.aws/cluster", "Values": ["late"]}]
    found = aws("resourcegroupstaggingapi").get_resources(TagFilters=filters)["ResourceTagMappingList"]
    return [item["ResourceARN"] for item in found]


def test_one_sees_ones_own_snapshots_apart_from_those_of_amazon(aws: Aws) -> None:
    ec2 = aws("ec2")
    volume = ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1)["VolumeId"]
    own = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]

    def seen(owner: str) -> set[str]:
        return {item["SnapshotId"] for item in ec2.describe_snapshots(OwnerIds=[owner])["Snapshots"]}

    assert seen("self") == {own}
    assert own not in seen("amazon")
