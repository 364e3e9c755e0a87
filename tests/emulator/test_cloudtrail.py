# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event history, and what is read out of it about who changed something."""

from __future__ import annotations

import datetime
import json
import time
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._drift.trail import look_up
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from tests.emulator.conftest import REGION, Aws, refused

MANAGEMENT = "123456789012"
TRUST = json.dumps(
    {"Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"}, "Action": "sts:*"}]}
)


def events(aws: Aws, region: str = REGION, **parameters: Any) -> list[dict[str, Any]]:
    """Ask as a person does: not more often than twice a second."""
    time.sleep(0.55)
    return list(aws("cloudtrail", region=region).lookup_events(**parameters)["Events"])


def by(key: str, value: str) -> dict[str, Any]:
    return {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}]}


def test_a_change_is_told_with_who_when_and_what(aws: Aws, name: str) -> None:
    aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    session = aws.assume(MANAGEMENT, name)
    began = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
    vpc = session("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    session("ec2").describe_vpcs()
    session("ec2").delete_vpc(VpcId=vpc)
    deleted, created = events(aws, **by("ResourceName", vpc))
    assert [deleted["EventName"], created["EventName"]] == ["DeleteVpc", "CreateVpc"]
    assert {"ResourceType": "AWS::EC2::VPC", "ResourceName": vpc} in created["Resources"]
    assert (created["EventSource"], created["ReadOnly"]) == ("ec2.amazonaws.com", "false")
    assert created["Username"] == "test"
    assert began <= created["EventTime"]
    body = json.loads(created["CloudTrailEvent"])
    assert body["userIdentity"]["type"] == "AssumedRole"
    assert body["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"] == name
    assert body["requestParameters"] == {"cidrBlock": "10.0.0.0/16"}
    assert body["responseElements"]["vpc"]["vpcId"] == vpc


def test_events_are_found_by_one_attribute_in_pages(aws: Aws, name: str) -> None:
    for number in range(3):
        aws("sqs").create_queue(QueueName=f"{name}-{number}")
    found = events(aws, **by("EventName", "CreateQueue"))
    names = [json.loads(event["CloudTrailEvent"])["requestParameters"]["queueName"] for event in found]
    assert names[:3] == [f"{name}-2", f"{name}-1", f"{name}-0"]
    time.sleep(0.6)
    first = aws("cloudtrail").lookup_events(MaxResults=2, **by("EventSource", "sqs.amazonaws.com"))
    time.sleep(0.6)
    following = aws("cloudtrail").lookup_events(
        MaxResults=2, NextToken=first["NextToken"], **by("EventSource", "sqs.amazonaws.com")
    )
    assert [event["EventId"] for event in first["Events"]] == [event["EventId"] for event in found[:2]]
    assert following["Events"][0]["EventId"] == found[2]["EventId"]
    assert events(aws, **by("Username", "nobody")) == []
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    assert events(aws, StartTime=tomorrow) == []
    two = {"LookupAttributes": by("EventName", "a")["LookupAttributes"] * 2}
    time.sleep(0.6)
    assert refused(aws("cloudtrail").lookup_events, **two) == "InvalidLookupAttributesException"


def test_a_third_request_in_a_second_is_throttled(aws: Aws) -> None:
    time.sleep(1)
    client = aws("cloudtrail")
    client.lookup_events()
    client.lookup_events()
    assert refused(client.lookup_events) == "ThrottlingException"


def test_iam_is_told_in_us_east_1_secrets_and_reads_are_not(aws: Aws, name: str) -> None:
    aws("iam", region=REGION).create_user(UserName=name)
    aws("iam").list_users()
    aws("secretsmanager").create_secret(Name=name, SecretString="hush")
    assert [event["EventName"] for event in events(aws, "us-east-1", **by("ResourceName", name))] == ["CreateUser"]
    assert events(aws, **by("ResourceName", name)) == []
    (made,) = events(aws, **by("EventName", "CreateSecret"))
    assert "hush" not in made["CloudTrailEvent"]
    assert "HIDDEN" in made["CloudTrailEvent"]


def test_what_failed_says_so(aws: Aws) -> None:
    assert refused(aws("ec2").delete_vpc, VpcId="vpc-0123456789abcdef0") == "InvalidVpcID.NotFound"
    (failed,) = events(aws, **by("ResourceName", "vpc-0123456789abcdef0"))
    assert json.loads(failed["CloudTrailEvent"])["errorCode"] == "Client.InvalidVpcID.NotFound"


@pytest.fixture
def session(aws: Aws) -> Session:
    # As patient as modules are: other tests have asked a moment ago, and two questions a second are answered.
    return Session(lambda service, region: aws(service, region=region, attempts=10), MANAGEMENT, REGION, "aws")


def test_who_changed_something_is_found_by_its_names(aws: Aws, session: Session, name: str) -> None:
    aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    anna = aws.assume(MANAGEMENT, name)
    tags = [{"Key": "innovate:stack", "Value": "vpc-dev"}, {"Key": "innovate:address", "Value": "subnet.a"}]
    vpc = aws("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = aws("ec2").create_subnet(
        VpcId=vpc, CidrBlock="10.0.0.0/20", TagSpecifications=[{"ResourceType": "subnet", "Tags": tags}]
    )["Subnet"]["SubnetId"]
    anna("ec2").modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    anna("ec2").delete_subnet(SubnetId=subnet)
    anna("iam").update_role(RoleName=name, Description="hers")
    anna("logs").create_log_group(logGroupName=f"/{name}")
    found = look_up(
        session,
        {
            "vpc-dev/vpc.main": [vpc],
            "vpc-dev/subnet.a": [],  # it's gone: only its tags are known
            "roles/iam_role.own": [f"arn:aws:iam::{MANAGEMENT}:role/{name}"],
            "logs/log_group.own": [f"arn:aws:logs:{REGION}:{MANAGEMENT}:log-group:/{name}:*"],
            "logs/log_group.other": ["/other"],
        },
    )
    assert found.notes == []
    assert {key: (told[0]["event"], told[0]["who"], told[0]["role"]) for key, told in found.events.items()} == {
        "vpc-dev/vpc.main": ("ModifyVpcAttribute", f"test (role {name})", name),
        "vpc-dev/subnet.a": ("DeleteSubnet", f"test (role {name})", name),
        "roles/iam_role.own": ("UpdateRole", f"test (role {name})", name),
        "logs/log_group.own": ("CreateLogGroup", f"test (role {name})", name),
    }


def test_without_leave_or_time_the_notes_say_so(aws: Aws, session: Session, name: str) -> None:
    late = look_up(session, {"vpc-dev/vpc.main": ["vpc-1"], "vpc-dev/vpc.other": ["vpc-2"]}, patience=-1)
    assert late.events == {}
    assert "was not asked about 2 of 2 findings" in late.notes[0]
    aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    nobody = aws.assume(MANAGEMENT, name)
    aws.state.admin("enforcement", "POST")
    try:
        refusing = Session(lambda service, region: nobody(service, region=region), MANAGEMENT, REGION, "aws")
        told = look_up(refusing, {"vpc-dev/vpc.main": ["vpc-1"]})
    finally:
        aws.state.admin("enforcement", "DELETE")
    assert told.events == {}
    assert "AccessDeniedException" in told.notes[0]
