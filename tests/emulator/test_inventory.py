# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.conftest import REGION, Aws

TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [ALLOW]})


def held(aws: Aws) -> Counter[tuple[str, ...]]:
    rows = aws.state.admin("inventory")
    return Counter(
        {tuple(str(row[key]) for key in ("service", "account", "region", "type", "text")): row["count"] for row in rows}
    )


def build(aws: Aws) -> None:
    ec2, iam = aws("ec2"), aws("iam")
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "innovate:address", "Value": "vpc.main"}]}]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone=f"{REGION}a")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=POLICY)
    key = aws("kms").create_key()["KeyMetadata"]["KeyId"]
    aws("kms").create_alias(AliasName="alias/x", TargetKeyId=key)
    aws("sqs").create_queue(QueueName="q")
    aws("logs").create_log_group(logGroupName="/x")
    aws("s3").create_bucket(Bucket="left-over", CreateBucketConfiguration={"LocationConstraint": REGION})
    aws("organizations").create_organization()


def test_the_same_calls_make_the_same_inventory(fresh: Aws) -> None:
    build(fresh)
    first = held(fresh)
    fresh.reset()
    build(fresh)
    second = held(fresh)
    assert first - second == second - first == Counter()
    assert sum(first.values()) > 20


MORE: dict[str, Callable[[Aws], Any]] = {
    "ec2": lambda aws: aws("ec2").create_vpc(CidrBlock="10.0.0.0/16"),
    "iam": lambda aws: aws("iam").put_role_policy(RoleName="r", PolicyName="q", PolicyDocument=POLICY),
    "kms": lambda aws: aws("kms").create_key(),
    "sqs": lambda aws: aws("sqs").create_queue(QueueName="q2"),
    "logs": lambda aws: aws("logs").put_retention_policy(logGroupName="/x", retentionInDays=30),
    "s3": lambda aws: aws("s3").put_bucket_tagging(
        Bucket="left-over", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}
    ),
    "organizations": lambda aws: aws("organizations").create_organizational_unit(
        ParentId=aws("organizations").list_roots()["Roots"][0]["Id"], Name="u"
    ),
}


@pytest.fixture(scope="module")
def built(aws: Aws) -> Aws:
    build(aws)
    return aws


@pytest.mark.parametrize("service", MORE)
def test_what_comes_to_it_shows(built: Aws, service: str) -> None:
    before = held(built)
    MORE[service](built)
    changed = (held(built) - before) + (before - held(built))
    assert changed
    assert {line[0] for line in changed} == {service}


def test_something_twice_is_one_line_with_its_count(built: Aws) -> None:
    for _ in range(2):
        built("ec2").allocate_address(Domain="vpc")
    assert 2 in [count for line, count in held(built).items() if line[3] == "ElasticAddress"]


@pytest.mark.parametrize("service", ["ec2", "resourcegroupstaggingapi"])
def test_looking_somewhere_adds_nothing(built: Aws, service: str) -> None:
    before = held(built)
    looks = {"ec2": "describe_vpcs"}
    getattr(built(service, region="eu-west-3"), looks.get(service, "get_resources"))()
    assert held(built) == before
    built("ec2", region="eu-west-3").create_vpc(CidrBlock="10.0.0.0/16")
    assert "eu-west-3" in {line[2] for line in held(built)}
    built.state.admin("reset", "POST")
    build(built)
