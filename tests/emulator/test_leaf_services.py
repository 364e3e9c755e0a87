# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was repaired or added for IAM, KMS, logs, S3, SQS and the tagging API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.conftest import Aws

TAGS = [{"Key": "innovate:stack", "Value": "one"}]
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]})


def tagged(aws: Aws, *types: str) -> list[str]:
    filters = [{"Key": "innovate:stack", "Values": ["one"]}]
    found = aws("resourcegroupstaggingapi").get_resources(TagFilters=filters, ResourceTypeFilters=list(types))
    return [item["ResourceARN"].split(":", 2)[2] for item in found["ResourceTagMappingList"]]


def test_a_bucket_has_the_tags_that_it_was_created_with(fresh: Aws) -> None:
    where = {"LocationConstraint": "eu-central-1", "Tags": TAGS}
    fresh("s3").create_bucket(Bucket="tagged-bucket", CreateBucketConfiguration=where)
    assert fresh("s3").get_bucket_tagging(Bucket="tagged-bucket")["TagSet"] == TAGS


def test_buckets_are_listed_by_region(fresh: Aws) -> None:
    fresh("s3").create_bucket(Bucket="here", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    other = fresh("s3", region="eu-west-1")
    other.create_bucket(Bucket="there", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})

    def names(**region: str) -> list[str]:
        return [bucket["Name"] for bucket in fresh("s3").list_buckets(**region)["Buckets"]]

    assert names() == ["here", "there"]
    assert names(BucketRegion="eu-west-1") == ["there"]


def test_the_tagging_api_names_flow_logs_as_aws_does(fresh: Aws) -> None:
    fresh("s3").create_bucket(Bucket="flows", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    made = fresh("ec2").create_flow_logs(
        ResourceIds=[fresh("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination="arn:aws:s3:::flows",
        TagSpecifications=[{"ResourceType": "vpc-flow-log", "Tags": TAGS}],
    )["FlowLogIds"]
    assert tagged(fresh) == [f"ec2:eu-central-1:123456789012:vpc-flow-log/{made[0]}"]


def test_the_tagging_api_finds_rules_and_repositories_and_log_groups(fresh: Aws) -> None:
    fresh("events").put_rule(Name="rule", ScheduleExpression="rate(1 hour)", Tags=TAGS)
    fresh("ecr").create_repository(repositoryName="app", tags=TAGS)
    fresh("logs").create_log_group(logGroupName="/logs", tags={"innovate:stack": "one"})
    assert len(tagged(fresh)) == 3
    assert tagged(fresh, "events:rule") == ["events:eu-central-1:123456789012:rule/rule"]
    assert tagged(fresh, "ecr:repository") == ["ecr:eu-central-1:123456789012:repository/app"]
    assert tagged(fresh, "logs:log-group") == ["logs:eu-central-1:123456789012:log-group:/logs"]
    assert tagged(fresh, "s3", "ecr") == ["ecr:eu-central-1:123456789012:repository/app"]


def test_the_tagging_api_pages(fresh: Aws) -> None:
    for number in range(5):
        fresh("ecr").create_repository(repositoryName=f"app-{number}", tags=TAGS)
    pages: list[Any] = list(
        fresh("resourcegroupstaggingapi").get_paginator("get_resources").paginate(ResourcesPerPage=2)
    )
    assert [len(page["ResourceTagMappingList"]) for page in pages] == [2, 2, 1]


def test_other_attributes_of_a_queue_leave_its_policy_alone(fresh: Aws) -> None:
    sqs = fresh("sqs")
    allow = json.dumps({"redrivePermission": "denyAll"})
    url = sqs.create_queue(QueueName="queue", Attributes={"Policy": POLICY, "RedriveAllowPolicy": allow})["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "5"})
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (found["Policy"], found["RedriveAllowPolicy"], found["DelaySeconds"]) == (POLICY, allow, "5")


def test_a_key_rotates_in_the_period_asked_for(fresh: Aws) -> None:
    kms = fresh("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
    assert kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 180
    kms.enable_key_rotation(KeyId=key)
    assert kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 365


def test_a_log_group_has_a_class_and_takes_a_key(fresh: Aws) -> None:
    logs = fresh("logs")
    logs.create_log_group(logGroupName="/logs", logGroupClass="INFREQUENT_ACCESS")
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    service = {**statement, "Principal": {"Service": "logs.eu-central-1.amazonaws.com"}}
    root = {**statement, "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [root, service]})
    key = fresh("kms").create_key(Policy=policy)["KeyMetadata"]["Arn"]
    logs.associate_kms_key(logGroupName="/logs", kmsKeyId=key)
    group = logs.describe_log_groups(logGroupIdentifiers=["/logs"])["logGroups"][0]
    assert (group["logGroupClass"], group["kmsKeyId"]) == ("INFREQUENT_ACCESS", key)


def test_audiences_of_a_provider_come_and_go(fresh: Aws) -> None:
    iam = fresh("iam")
    made = iam.create_open_id_connect_provider(Url="https://oidc.example.com", ClientIDList=["a"])
    provider = {"OpenIDConnectProviderArn": made["OpenIDConnectProviderArn"]}
    iam.add_client_id_to_open_id_connect_provider(**provider, ClientID="b")
    iam.remove_client_id_from_open_id_connect_provider(**provider, ClientID="a")
    assert iam.get_open_id_connect_provider(**provider)["ClientIDList"] == ["b"]


def test_a_service_has_one_role_in_an_account(fresh: Aws) -> None:
    iam = fresh("iam")
    made = iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com")["Role"]
    assert made["Arn"].endswith(":role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot")
    with pytest.raises(ClientError, match=r"InvalidInput.*has been taken in this account"):
        iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    assert iam.get_role(RoleName="AWSServiceRoleForEC2Spot")["Role"]["Arn"] == made["Arn"]


def test_log_groups_are_described_by_name_or_arn(fresh: Aws) -> None:
    for name in ("/one", "/one/more", "/two"):
        fresh("logs").create_log_group(logGroupName=name)
    arn = f"arn:aws:logs:eu-central-1:{fresh.state.management_account_id}:log-group:/two"
    found = fresh("logs").describe_log_groups(logGroupIdentifiers=["/one", arn, "/three"])["logGroups"]
    assert [group["logGroupName"] for group in found] == ["/one", "/two"]
