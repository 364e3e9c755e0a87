# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that depart from botocore's model, over every protocol, and how the service answers them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from rehearsal.emulator.strict import fits
from tests.emulator.conftest import REGION, Aws, refused

NAME = "x" * 300
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})

#: (protocol, service, operation, parameters, code of the answer)
BAD: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("ec2", "ec2", "create_subnet", {"CidrBlock": "10.0.0.0/24"}, "MissingParameter"),
    ("ec2", "ec2", "create_vpc", {"CidrBlock": "10.0.0.0/16", "InstanceTenancy": "mine"}, "InvalidParameterValue"),
    ("ec2", "ec2", "describe_vpcs", {"MaxResults": 1}, "InvalidParameterValue"),
    ("ec2", "ec2", "describe_vpcs", {"MaxResults": 5000}, "InvalidParameterValue"),
    ("ec2", "ec2", "create_flow_logs", {"ResourceIds": ["vpc-1"], "ResourceType": "Cloud"}, "InvalidParameterValue"),
    (
        "ec2",
        "ec2",
        "create_nat_gateway",
        {"SubnetId": "subnet-1", "TagSpecifications": [{"ResourceType": "nat", "Tags": []}]},
        "InvalidParameterValue",
    ),
    ("ec2", "ec2", "create_network_acl_entry", {"NetworkAclId": "acl-1", "RuleNumber": 1}, "MissingParameter"),
    ("query", "iam", "create_role", {"RoleName": "a b", "AssumeRolePolicyDocument": TRUST}, "ValidationError"),
    ("query", "iam", "create_role", {"RoleName": "x" * 65, "AssumeRolePolicyDocument": TRUST}, "ValidationError"),
    ("query", "iam", "create_role", {"RoleName": "a"}, "ValidationError"),
    (
        "query",
        "iam",
        "create_role",
        {"RoleName": "a", "AssumeRolePolicyDocument": TRUST, "MaxSessionDuration": 60},
        "ValidationError",
    ),
    (
        "query",
        "iam",
        "create_role",
        {"RoleName": "a", "AssumeRolePolicyDocument": TRUST, "Path": "x"},
        "ValidationError",
    ),
    ("query", "iam", "create_policy", {"PolicyName": "a", "PolicyDocument": ""}, "ValidationError"),
    ("query", "iam", "list_roles", {"MaxItems": 0}, "ValidationError"),
    ("query", "sts", "assume_role", {"RoleArn": "short", "RoleSessionName": "a"}, "ValidationError"),
    (
        "query",
        "sts",
        "assume_role",
        {"RoleArn": "arn:aws:iam::123456789012:role/a", "RoleSessionName": "a b"},
        "ValidationError",
    ),
    (
        "query",
        "sts",
        "assume_role",
        {"RoleArn": "arn:aws:iam::123456789012:role/a", "RoleSessionName": "ab", "DurationSeconds": 10},
        "ValidationError",
    ),
    ("query", "rds", "create_db_instance", {"Engine": "postgres"}, "MissingParameter"),
    ("query", "sns", "create_topic", {}, "InvalidParameter"),
    ("json", "organizations", "create_organization", {"FeatureSet": "SOME"}, "InvalidInputException"),
    ("json", "organizations", "create_account", {"Email": "a", "AccountName": "a"}, "InvalidInputException"),
    (
        "json",
        "organizations",
        "create_account",
        {"Email": "a@example.com", "AccountName": "x" * 51},
        "InvalidInputException",
    ),
    ("json", "organizations", "list_accounts", {"MaxResults": 21}, "InvalidInputException"),
    ("json", "kms", "create_key", {"KeySpec": "AES_1"}, "ValidationException"),
    ("json", "kms", "create_alias", {"AliasName": "alias/ä", "TargetKeyId": "x"}, "ValidationException"),
    ("json", "kms", "schedule_key_deletion", {"KeyId": "x", "PendingWindowInDays": 400}, "ValidationException"),
    ("json", "logs", "create_log_group", {"logGroupName": "a b"}, "InvalidParameterException"),
    ("json", "logs", "put_retention_policy", {"logGroupName": "/a"}, "InvalidParameterException"),
    ("json", "events", "put_rule", {"Name": "a b"}, "ValidationException"),
    ("json", "events", "put_rule", {"Name": "a", "State": "ON"}, "ValidationException"),
    ("json", "secretsmanager", "create_secret", {"Name": ""}, "ValidationException"),
    ("json", "ecr", "create_repository", {"repositoryName": "Upper"}, "InvalidParameterException"),
    (
        "json",
        "ecr",
        "create_repository",
        {"repositoryName": "a", "imageTagMutability": "MAYBE"},
        "InvalidParameterException",
    ),
    ("json", "sqs", "create_queue", {}, "MissingParameter"),
    ("json", "ssm", "put_parameter", {"Name": "/a", "Value": "b", "Type": "Text"}, "ValidationException"),
    ("json", "dynamodb", "list_tables", {"Limit": 0}, "ValidationException"),
    ("json", "resourcegroupstaggingapi", "get_resources", {"TagFilters": [{"Key": NAME}]}, "InvalidParameterException"),
    (
        "rest-json",
        "eks",
        "create_cluster",
        {"name": "-a", "roleArn": "x", "resourcesVpcConfig": {}},
        "InvalidParameterException",
    ),
    ("rest-json", "eks", "create_cluster", {"name": "a", "roleArn": "x"}, "InvalidParameterException"),
    (
        "rest-json",
        "eks",
        "create_cluster",
        {"name": "a", "roleArn": "x", "resourcesVpcConfig": {}, "accessConfig": {"authenticationMode": "NONE"}},
        "InvalidParameterException",
    ),
    ("rest-json", "eks", "list_clusters", {"maxResults": 101}, "InvalidParameterException"),
    (
        "rest-json",
        "eks",
        "create_nodegroup",
        {"clusterName": "a", "nodegroupName": "b", "subnets": [], "nodeRole": "x", "scalingConfig": {"minSize": -1}},
        "InvalidParameterException",
    ),
    ("rest-json", "backup", "create_backup_vault", {"BackupVaultName": "a b"}, "ValidationException"),
    (
        "rest-xml",
        "s3",
        "put_bucket_versioning",
        {"Bucket": "a-bucket", "VersioningConfiguration": {"Status": "On"}},
        "MalformedXML",
    ),
    (
        "rest-xml",
        "s3",
        "put_bucket_lifecycle_configuration",
        {"Bucket": "a-bucket", "LifecycleConfiguration": {"Rules": [{"ID": "a"}]}},
        "MalformedXML",
    ),
    (
        "rest-xml",
        "s3",
        "put_bucket_encryption",
        {"Bucket": "a-bucket", "ServerSideEncryptionConfiguration": {}},
        "MalformedXML",
    ),
    ("rest-xml", "route53", "create_hosted_zone", {"Name": "x" * 1025, "CallerReference": "a"}, "InvalidInput"),
]


@pytest.mark.parametrize(("protocol", "service", "operation", "parameters", "code"), BAD)
def test_a_request_that_departs_from_the_model_is_refused(
    aws: Aws, protocol: str, service: str, operation: str, parameters: dict[str, Any], code: str
) -> None:
    client = aws(service, validate=False)
    assert protocol in (client.meta.service_model.protocol, client.meta.service_model.resolved_protocol)
    assert refused(getattr(client, operation), **parameters) == code


def test_a_refusal_changes_nothing(aws: Aws) -> None:
    before = len(aws("ec2").describe_vpcs()["Vpcs"])
    refused(aws("ec2", validate=False).create_vpc, CidrBlock="10.0.0.0/16", InstanceTenancy="mine")
    assert len(aws("ec2").describe_vpcs()["Vpcs"]) == before


def send(aws: Aws, service: str, body: str, headers: dict[str, str], path: str = "/") -> tuple[int, str]:
    """Send a request as it is, signed."""
    request = AWSRequest("POST", f"{aws.state.endpoint}{path}", data=body, headers=headers)
    keys = Credentials(aws.credentials["aws_access_key_id"], aws.credentials["aws_secret_access_key"])
    SigV4Auth(keys, service, REGION).add_auth(request)
    prepared = urllib.request.Request(
        request.url, data=body.encode(), headers=dict(request.headers.items()), method="POST"
    )
    try:
        with urllib.request.urlopen(prepared) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
RAW: list[tuple[str, str, dict[str, str], str, str]] = [
    ("ec2", "Action=DescribeVpcs&Version=2016-11-15&Colour=red", FORM, "/", "UnknownParameter"),
    ("ec2", "Action=DescribeVpcs&Version=2016-11-15&MaxResults=many", FORM, "/", "InvalidParameterValue"),
    ("ec2", "Action=PaintVpcs&Version=2016-11-15", FORM, "/", "InvalidAction"),
    ("iam", "Action=ListRoles&Version=2010-05-08&Colour=red", FORM, "/", "ValidationError"),
    ("rds", "Action=DescribeDBInstances&Version=2014-10-31&Colour=red", FORM, "/", "UnknownParameter"),
    (
        "kms",
        '{"KeySpec": 5}',
        {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.CreateKey"},
        "/",
        "SerializationException",
    ),
    (
        "kms",
        "{not json",
        {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.CreateKey"},
        "/",
        "SerializationException",
    ),
    (
        "kms",
        '{"Colour": "red"}',
        {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.CreateKey"},
        "/",
        "ValidationException",
    ),
    (
        "eks",
        '{"name": "a", "colour": "red"}',
        {"Content-Type": "application/json"},
        "/clusters",
        "InvalidParameterException",
    ),
    ("eks", '{"name": ["a"]}', {"Content-Type": "application/json"}, "/clusters", "SerializationException"),
]


@pytest.mark.parametrize(("service", "body", "headers", "path", "code"), RAW)
def test_what_no_sdk_would_send_is_refused_too(
    aws: Aws, service: str, body: str, headers: dict[str, str], path: str, code: str
) -> None:
    status, answer = send(aws, service, body, headers, path)
    assert status == 400
    assert code in answer


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"[\w+=,.@-]+", "role-1", "role 1"),
        (r"^[0-9A-Za-z][A-Za-z0-9\-_]*", "cluster_1", "cluster 1"),
        (r"^arn:aws", "arn:aws:iam::1:role/a", "urn:aws"),
        (r".*\S.*", "a b", "  "),
    ],
)
def test_patterns_are_matched_as_the_services_match_them(pattern: str, good: str, bad: str) -> None:
    assert fits(pattern, good)
    assert not fits(pattern, bad)
