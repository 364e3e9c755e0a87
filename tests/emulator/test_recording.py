# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What callers would have had to be allowed, with resources and condition keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.emulator.conftest import Aws, refused

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
STACK = {"innovate:stack": "vpc-dev"}


@pytest.fixture
def recorded(aws: Aws) -> Iterator[Any]:
    aws.state.admin("recording", "DELETE")

    def rows(action: str = "") -> list[dict[str, Any]]:
        found = aws.state.admin("recording")["rows"]
        return [row for row in found if not action or row["action"] == action]

    yield rows
    aws.state.admin("recording", "DELETE")


def test_nothing_is_recorded_until_it_is_asked_for_and_nothing_after(aws: Aws, recorded: Any) -> None:
    aws("ec2").describe_vpcs()
    assert recorded() == []
    aws.state.admin("recording?label=look", "POST")
    aws("ec2").describe_vpcs()
    (row,) = recorded()
    assert row == {
        "label": "look",
        "account": "123456789012",
        "caller": "arn:aws:iam::123456789012:user/rehearsal",
        "region": "eu-central-1",
        "action": "ec2:DescribeVpcs",
        "resource": "*",
        "keys": {},
    }
    assert aws.state.admin("recording", "DELETE")["rows"] == [row]
    aws("ec2").describe_subnets()
    assert recorded() == []


def test_tags_are_those_that_a_policy_would_have_seen(aws: Aws, recorded: Any) -> None:
    aws.state.admin("recording?label=make", "POST")
    ec2 = aws("ec2")
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": key, "Value": value} for key, value in STACK.items()]}]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    (made,) = recorded("ec2:CreateVpc")
    assert made["keys"]["aws:RequestTag/innovate:stack"] == ["vpc-dev"]
    assert "aws:ResourceTag/innovate:stack" not in made["keys"]  # it wasn't there
    (tagged,) = recorded("ec2:CreateTags")
    assert tagged["keys"]["ec2:CreateAction"] == ["CreateVpc"]
    (modified,) = recorded("ec2:ModifyVpcAttribute")
    assert modified["resource"] == f"arn:aws:ec2:eu-central-1:123456789012:vpc/{vpc}"
    assert modified["keys"] == {"aws:ResourceTag/innovate:stack": ["vpc-dev"]}


def test_to_whom_roles_are_passed_and_which_policies_are_attached(aws: Aws, recorded: Any) -> None:
    iam = aws("iam")
    role = iam.create_role(RoleName="cluster", Path="/innovate/eks-dev/", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    aws.state.admin("recording?label=pass", "POST")
    iam.attach_role_policy(RoleName="cluster", PolicyArn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")
    refused(
        aws("eks").create_cluster, name="dev", roleArn=role, resourcesVpcConfig={"subnetIds": ["subnet-0123456789abc"]}
    )
    (attached,) = recorded("iam:AttachRolePolicy")
    assert attached["keys"] == {"iam:PolicyARN": ["arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"]}
    (passed,) = recorded("iam:PassRole")  # also where the request failed after it was judged
    assert (passed["resource"], passed["keys"]) == (role, {"iam:PassedToService": ["eks.amazonaws.com"]})


def test_who_asks_in_a_role_is_told_by_the_role_and_the_same_demand_once(aws: Aws, recorded: Any) -> None:
    iam = aws("iam")
    trust = TRUST.replace('"Service": "eks.amazonaws.com"', '"AWS": "*"')
    arn = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    aws.state.admin("recording?label=roles", "POST")
    session = aws.assume("123456789012", "reader")
    for _ in range(2):
        session("sts").get_caller_identity()  # what everybody may
        session("sqs").list_queues()
    assert [(row["action"], row["caller"]) for row in recorded()] == [
        ("sqs:ListQueues", arn),
        ("sts:AssumeRole", "arn:aws:iam::123456789012:user/rehearsal"),
    ]


def test_a_label_is_needed(aws: Aws) -> None:
    with pytest.raises(HTTPError, match="400"):
        aws.state.admin("recording", "POST")
