# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What moto lets pass and AWS doesn't, in the smaller services; and what it shows otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.conftest import REGION, Aws, refused


def trust(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def _log_group_with_a_plain_key(aws: Aws) -> None:
    key = aws("kms").create_key()["KeyMetadata"]["Arn"]
    aws("logs").create_log_group(logGroupName="/keyed", kmsKeyId=key)


def _encrypt_after_deletion(aws: Aws) -> None:
    key = aws("kms").create_key()["KeyMetadata"]["KeyId"]
    aws("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    aws("kms").encrypt(KeyId=key, Plaintext=b"x")


def _encrypt_disabled(aws: Aws) -> None:
    key = aws("kms").create_key()["KeyMetadata"]["KeyId"]
    aws("kms").disable_key(KeyId=key)
    aws("kms").encrypt(KeyId=key, Plaintext=b"x")


def _retention(aws: Aws) -> None:
    aws("logs").create_log_group(logGroupName="/kept")
    aws("logs").put_retention_policy(logGroupName="/kept", retentionInDays=31)


def _bucket(name: str) -> Callable[[Aws], Any]:
    where = {"LocationConstraint": REGION}
    return lambda aws: aws("s3").create_bucket(Bucket=name, CreateBucketConfiguration=where)


REFUSED: dict[str, tuple[Callable[[Aws], Any], str]] = {
    "a trust policy that isn't JSON": (
        lambda a: a("iam").create_role(RoleName="bad", AssumeRolePolicyDocument="{bad"), "MalformedPolicyDocument"
    ),
    "a trust policy without a principal": (
        lambda a: a("iam").create_role(RoleName="bad", AssumeRolePolicyDocument=trust(Action="sts:AssumeRole")),
        "MalformedPolicyDocument",
    ),
    "a trust policy with a resource": (
        lambda a: a("iam").create_role(
            RoleName="bad", AssumeRolePolicyDocument=trust(Action="sts:AssumeRole", Principal="*", Resource="*")
        ),
        "MalformedPolicyDocument",
    ),
    "a managed policy that doesn't exist": (
        lambda a: a("iam").attach_role_policy(RoleName="any", PolicyArn="arn:aws:iam::aws:policy/None"), "NoSuchEntity"
    ),
    "a log group's key that logs may not use": (_log_group_with_a_plain_key, "InvalidParameterException"),
    "a retention that isn't offered": (_retention, "InvalidParameterException"),
    "a key pending deletion": (_encrypt_after_deletion, "KMSInvalidStateException"),
    "a disabled key": (_encrypt_disabled, "DisabledException"),
    "a bucket name in upper case": (_bucket("Upper-Case"), "InvalidBucketName"),
    "a bucket name like an address": (_bucket("10.0.0.1"), "InvalidBucketName"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_aws_refuses_is_refused(aws: Aws, what: str) -> None:
    action, code = REFUSED[what]
    assert refused(lambda: action(aws)) == code


def test_managed_policies_are_there(aws: Aws) -> None:
    policy = aws("iam").get_policy(PolicyArn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")["Policy"]
    assert policy["IsAttachable"] is True


def test_a_new_bucket_is_closed_to_the_public(aws: Aws) -> None:
    _bucket("closed-bucket")(aws)
    block = aws("s3").get_public_access_block(Bucket="closed-bucket")["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    rules = aws("s3").get_bucket_ownership_controls(Bucket="closed-bucket")["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_a_queue_with_a_key_of_its_own_has_no_managed_one(aws: Aws) -> None:
    url = aws("sqs").create_queue(QueueName="keyed", Attributes={"KmsMasterKeyId": "alias/aws/sqs"})["QueueUrl"]
    shown = aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert shown["SqsManagedSseEnabled"] == "false"
    assert shown["CreatedTimestamp"].isdigit()


def test_the_tagging_api_finds_clusters_and_databases(aws: Aws) -> None:
    subnets = [s["SubnetId"] for s in aws("ec2").describe_subnets()["Subnets"]]
    aws("rds").create_db_subnet_group(
        DBSubnetGroupName="tagged", DBSubnetGroupDescription="x", SubnetIds=subnets, Tags=[{"Key": "k", "Value": "v"}]
    )
    role = aws("iam").create_role(
        RoleName="eks",
        AssumeRolePolicyDocument=trust(Action="sts:AssumeRole", Principal={"Service": "eks.amazonaws.com"}),
    )["Role"]["Arn"]
    aws("eks").create_cluster(name="t", roleArn=role, resourcesVpcConfig={"subnetIds": subnets}, tags={"k": "v"})
    found = aws("resourcegroupstaggingapi").get_resources(TagFilters=[{"Key": "k", "Values": ["v"]}])
    assert sorted(item["ResourceARN"].split(":", 5)[5] for item in found["ResourceTagMappingList"]) == [
        "cluster/t",
        "subgrp:tagged",
    ]
