# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
from typing import Any

from tests.emulator.conftest import Aws, refused


def made(aws: Aws, name: str, **more: Any) -> Any:
    tags = [{"ResourceType": "launch-template", "Tags": [{"Key": "owner", "Value": "one"}]}]
    data = {"MetadataOptions": {"HttpTokens": "required"}}
    answer = aws("ec2").create_launch_template(
        LaunchTemplateName=name, LaunchTemplateData=data, TagSpecifications=tags, **more
    )
    return answer["LaunchTemplate"]


def test_a_templates_own_tags_are_no_part_of_its_data(aws: Aws, name: str) -> None:
    template = made(aws, name)
    versions = aws("ec2").describe_launch_template_versions(LaunchTemplateId=template["LaunchTemplateId"])
    data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert data == {"MetadataOptions": {"HttpTokens": "required"}}


def test_tags_written_later_are_shown(aws: Aws, name: str) -> None:
    identifier = made(aws, name)["LaunchTemplateId"]
    aws("ec2").create_tags(Resources=[identifier], Tags=[{"Key": "owner", "Value": "two"}])
    shown = aws("ec2").describe_launch_templates(LaunchTemplateIds=[identifier])["LaunchTemplates"][0]
    assert shown["Tags"] == [{"Key": "owner", "Value": "two"}]


def test_a_client_token_makes_one_template(aws: Aws, name: str) -> None:
    first, second = (made(aws, name, ClientToken=name) for _ in range(2))
    assert first["LaunchTemplateId"] == second["LaunchTemplateId"]


def test_the_tagging_api_lists_clusters(aws: Aws, name: str) -> None:
    aws.pace(0)
    ec2, iam = aws("ec2"), aws("iam")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.77.{index}.0/24", AvailabilityZone=f"eu-central-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for index, zone in enumerate("ab")
    ]
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "eks.amazonaws.com"}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    aws("eks").create_cluster(
        name=name, roleArn=role, resourcesVpcConfig={"subnetIds": subnets}, tags={"innovate:stack": name}
    )
    found = aws("resourcegroupstaggingapi").get_resources(
        TagFilters=[{"Key": "innovate:stack", "Values": [name]}], ResourceTypeFilters=["eks:cluster"]
    )["ResourceTagMappingList"]
    assert [item["ResourceARN"].rpartition("/")[2] for item in found] == [name]


def test_templates_are_found_by_tag_and_come_in_pages(aws: Aws, name: str) -> None:
    ec2 = aws("ec2")
    for number in range(20):
        tags = [{"Key": "eks:eks-cluster-name", "Value": name}, {"Key": "number", "Value": str(number)}]
        ec2.create_launch_template(
            LaunchTemplateName=f"{name}-{number}",
            LaunchTemplateData={"ImageId": "ami-12345678"},
            TagSpecifications=[{"ResourceType": "launch-template", "Tags": tags}],
        )
    mine = [{"Name": "tag:eks:eks-cluster-name", "Values": [name]}]
    assert len(ec2.describe_launch_templates(Filters=mine)["LaunchTemplates"]) == 20
    first = ec2.describe_launch_templates(Filters=mine, MaxResults=15)
    rest = ec2.describe_launch_templates(Filters=mine, MaxResults=15, NextToken=first["NextToken"])
    assert [len(answer["LaunchTemplates"]) for answer in (first, rest)] == [15, 5]
    one = [*mine, {"Name": "tag:number", "Values": ["7"]}]
    (found,) = ec2.describe_launch_templates(Filters=one)["LaunchTemplates"]
    assert found["LaunchTemplateName"] == f"{name}-7"


def test_a_template_that_is_not_there_is_named_so(aws: Aws, name: str) -> None:
    ec2 = aws("ec2")
    code = "InvalidLaunchTemplateName.NotFoundException"
    assert refused(ec2.describe_launch_templates, LaunchTemplateNames=[name]) == code
    assert refused(ec2.delete_launch_template, LaunchTemplateName=name) == code
    gone = "lt-0123456789abcdef0"
    assert refused(ec2.describe_launch_templates, LaunchTemplateIds=[gone]) == "InvalidLaunchTemplateId.NotFound"
    assert refused(ec2.delete_launch_template, LaunchTemplateId=gone) == "InvalidLaunchTemplateId.NotFound"


def test_user_data_has_a_limit(aws: Aws, name: str) -> None:
    def create(size: int) -> Any:
        data = {"UserData": base64.b64encode(b"#" * size).decode()}
        return aws("ec2").create_launch_template(LaunchTemplateName=f"{name}-{size}", LaunchTemplateData=data)

    create(16384)
    assert refused(create, size=16385) == "InvalidUserData.Malformed"
