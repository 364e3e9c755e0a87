# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which actions roles used, and which of them their policies leave out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rehearsal.emulator import actions
from tests.emulator.conftest import Aws, refused

TRUST = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*names: str) -> str:
    return document({"Effect": "Allow", "Action": list(names), "Resource": "*"})


@pytest.fixture
def worker(aws: Aws) -> tuple[str, Aws]:
    """A role that may look at queues and instances, and a session of it."""
    iam = aws("iam")
    arn = iam.create_role(RoleName="worker", Path="/teams/", AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName="worker", PolicyName="queues", PolicyDocument=allow("sqs:List*"))
    policy = iam.create_policy(PolicyName="instances", PolicyDocument=allow("ec2:DescribeInstances"))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="worker", PolicyArn=policy)
    return arn, aws.assume("123456789012", "teams/worker")


def test_what_a_role_used_is_told_and_what_no_policy_of_it_allows(aws: Aws, worker: tuple[str, Aws]) -> None:
    arn, session = worker
    mark = aws.state.admin("calls")["mark"]
    aws("ec2").describe_vpcs()  # not the role's
    session("sqs").list_queues()
    session("ec2").describe_instances()
    session("sts").get_caller_identity()
    assert aws.state.admin(f"actions?since={mark}") == {
        arn: {"actions": ["ec2:DescribeInstances", "sqs:ListQueues", "sts:GetCallerIdentity"], "not_allowed": []}
    }
    session("logs").describe_log_groups()
    assert refused(session("ec2").describe_vpcs, VpcIds=["vpc-01234567890abcdef"]) == "InvalidVpcID.NotFound"
    assert aws.state.admin(f"actions?since={mark}")[arn]["not_allowed"] == [
        "ec2:DescribeVpcs",
        "logs:DescribeLogGroups",
    ]


@pytest.mark.parametrize(
    ("service", "operation", "name"),
    [
        ("cloudwatch", "PutMetricData", "cloudwatch:PutMetricData"),
        ("s3", "ListObjectsV2", "s3:ListBucket"),
        ("elbv2", "DescribeTags", "elasticloadbalancing:DescribeTags"),
    ],
)
def test_actions_are_named_as_iam_names_them(service: str, operation: str, name: str) -> None:
    assert actions.action(service, operation) == name


@pytest.mark.parametrize(
    ("statement", "met"),
    [
        ({"Effect": "Allow", "Action": "EC2:describe*"}, True),
        ({"Effect": "Allow", "NotAction": ["iam:*"]}, True),
        ({"Effect": "Allow", "NotAction": ["ec2:Describe*"]}, False),
        ({"Effect": "Deny", "Action": "ec2:*"}, False),
        ({"Effect": "Allow", "Action": ["ec2:DescribeInstance"]}, False),
    ],
)
def test_statements_are_read_as_iam_reads_them(statement: dict[str, Any], met: bool) -> None:
    assert actions.allowed("ec2:DescribeInstances", [{"Statement": [statement]}]) is met
