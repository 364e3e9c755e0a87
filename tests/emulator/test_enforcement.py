# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With enforcement on, what no policy allows is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.conftest import Aws, refused

MANAGEMENT = "123456789012"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"}, "Action": "sts:AssumeRole"}
    ],
}
Worker = Callable[..., Aws]


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions: str, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


@pytest.fixture(autouse=True)
def enforcing(aws: Aws) -> Iterator[None]:
    aws.state.admin("enforcement", "POST")
    yield
    aws.state.admin("enforcement", "DELETE")


@pytest.fixture
def worker(aws: Aws, name: str) -> Worker:
    """Make a role with policies and return clients of a session of it."""

    def make(*statements: dict[str, Any], managed: tuple[str, ...] = (), **parameters: Any) -> Aws:
        iam = aws("iam")
        session = {key: parameters.pop(key) for key in ("Policy", "PolicyArns") if key in parameters}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), **parameters)
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(*statements))
        for policy in managed:
            iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
        return assumed(aws, f"arn:aws:iam::{MANAGEMENT}:role/{name}", **session)

    return make


def assumed(aws: Aws, role: str, **parameters: Any) -> Aws:
    made = aws("sts").assume_role(RoleArn=role, RoleSessionName="anna", **parameters)["Credentials"]
    return Aws(
        aws.state,
        {
            "aws_access_key_id": made["AccessKeyId"],
            "aws_secret_access_key": made["SecretAccessKey"],
            "aws_session_token": made["SessionToken"],
        },
    )


def sentence(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_the_management_credentials_may_everything(aws: Aws) -> None:
    aws("ec2").describe_vpcs()
    aws("iam").list_roles()


def test_each_service_refuses_in_its_own_words(worker: Worker, name: str) -> None:
    session = worker(allow("sqs:ListQueues"))
    session("sts").get_caller_identity()  # everybody may
    session("sqs").list_queues()
    who = f"User: arn:aws:sts::{MANAGEMENT}:assumed-role/{name}/anna is not authorized to perform:"
    why = "because no identity-based policy allows the"
    cluster = f"arn:aws:eks:eu-central-1:{MANAGEMENT}:cluster/dev"
    assert sentence(session("ec2").describe_vpcs) == (
        "UnauthorizedOperation",
        f"You are not authorized to perform this operation. {who} ec2:DescribeVpcs {why} ec2:DescribeVpcs action",
    )
    assert sentence(session("iam").list_roles) == (
        "AccessDenied",
        f"{who} iam:ListRoles on resource: * {why} iam:ListRoles action",
    )
    assert sentence(session("eks").describe_cluster, name="dev") == (
        "AccessDeniedException",
        f"{who} eks:DescribeCluster on resource: {cluster} {why} eks:DescribeCluster action",
    )
    assert sentence(session("s3").list_objects_v2, Bucket="logs") == (
        "AccessDenied",
        f"{who} s3:ListBucket on resource: arn:aws:s3:::logs {why} s3:ListBucket action",
    )
    codes = {
        "logs": session("logs").describe_log_groups,
        "kms": session("kms").list_keys,
        "rds": session("rds").describe_db_instances,
        "organizations": session("organizations").list_accounts,
        "secretsmanager": session("secretsmanager").list_secrets,
        "tagging": session("resourcegroupstaggingapi").get_resources,
    }
    assert {service: refused(call) for service, call in codes.items()} == {
        "logs": "AccessDeniedException",
        "kms": "AccessDeniedException",
        "rds": "AccessDenied",
        "organizations": "AccessDeniedException",
        "secretsmanager": "AccessDeniedException",
        "tagging": "AccessDeniedException",
    }


def test_what_was_refused_is_told_and_a_reset_switches_off(aws: Aws, worker: Worker) -> None:
    session = worker(allow("sqs:ListQueues"))
    refused(session("ec2").describe_vpcs)
    page = aws.state.admin("enforcement")
    assert page["enforcing"]
    assert [(row["action"], row["resource"]) for row in page["refused"]] == [("ec2:DescribeVpcs", "*")]
    aws.state.admin("enforcement", "DELETE")
    session("ec2").describe_vpcs()


@pytest.mark.parametrize(
    ("managed", "reads", "writes"),
    [("AdministratorAccess", True, True), ("ReadOnlyAccess", True, False), ("SecurityAudit", True, False)],
)
def test_policies_of_aws_are_known(worker: Worker, name: str, managed: str, reads: bool, writes: bool) -> None:
    session = worker(managed=(managed,))
    for may, call, parameters in (
        (reads, session("ec2").describe_vpcs, {}),
        (reads, session("iam").get_role, {"RoleName": name}),
        (writes, session("sqs").create_queue, {"QueueName": name}),
    ):
        if may:
            call(**parameters)
        else:
            assert "Access" in refused(call, **parameters)


def test_resources_are_judged_by_their_arns(aws: Aws, worker: Worker) -> None:
    kept, free = (aws("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] for _ in range(2))
    session = worker(allow("ec2:DeleteVpc", resource=f"arn:aws:ec2:*:*:vpc/{free}"))
    assert refused(session("ec2").delete_vpc, VpcId=kept) == "UnauthorizedOperation"
    session("ec2").delete_vpc(VpcId=free)


def test_tags_of_resources_and_requests_decide(aws: Aws, worker: Worker) -> None:
    ec2 = aws("ec2")
    ours = {"StringEquals": {"aws:ResourceTag/team": "data"}}
    asked = {"StringEquals": {"aws:RequestTag/team": "data"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}
    session = worker(
        allow("ec2:DeleteVpc", Condition=ours),
        allow("ec2:CreateVpc", "ec2:CreateTags", Condition=asked),
    )
    other = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert refused(session("ec2").delete_vpc, VpcId=other) == "UnauthorizedOperation"
    assert refused(session("ec2").create_vpc, CidrBlock="10.0.0.0/16") == "UnauthorizedOperation"

    def tagged(**tags: str) -> list[dict[str, Any]]:
        return [{"ResourceType": "vpc", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]

    made = session("ec2").create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged(team="data"))["Vpc"]["VpcId"]
    more = {"CidrBlock": "10.0.0.0/16", "TagSpecifications": tagged(team="data", more="x")}
    assert refused(session("ec2").create_vpc, **more) == "UnauthorizedOperation"
    session("ec2").delete_vpc(VpcId=made)


def test_tags_given_at_creation_take_leave_of_their_own(worker: Worker, name: str) -> None:
    session = worker(allow("ec2:CreateVpc", "sqs:CreateQueue", "logs:CreateLogGroup"))
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "b"}]}]
    code, text = sentence(session("ec2").create_vpc, CidrBlock="10.0.0.0/16", TagSpecifications=tags)
    assert code == "UnauthorizedOperation"
    assert "ec2:CreateTags on resource: arn:aws:ec2:eu-central-1:123456789012:vpc/*" in text
    assert "sqs:TagQueue" in sentence(session("sqs").create_queue, QueueName=name, tags={"a": "b"})[1]
    assert "logs:TagResource" in sentence(session("logs").create_log_group, logGroupName=name, tags={"a": "b"})[1]
    session("sqs").create_queue(QueueName=name)


def test_what_an_instance_starts_with_is_told_to_conditions(aws: Aws, worker: Worker, name: str) -> None:
    condition = {"StringNotEquals": {"ec2:MetadataHttpTokens": "required"}}
    instances = "arn:aws:ec2:*:*:instance/*"
    deny = {"Effect": "Deny", "Action": "ec2:RunInstances", "Resource": instances, "Condition": condition}
    ec2 = worker(allow("ec2:*"), deny)("ec2")
    for tokens in ("optional", "required"):
        data = {"ImageId": "ami-none", "InstanceType": "t3.micro", "MetadataOptions": {"HttpTokens": tokens}}
        aws("ec2").create_launch_template(LaunchTemplateName=f"{name}-{tokens}", LaunchTemplateData=data)

    def started(template: str, **more: Any) -> str:
        given = {"LaunchTemplateName": f"{name}-{template}"}
        return refused(ec2.run_instances, MinCount=1, MaxCount=1, LaunchTemplate=given, **more)

    assert started("optional") == started("none") == "UnauthorizedOperation"
    assert started("required", MetadataOptions={"HttpTokens": "optional"}) == "UnauthorizedOperation"
    # Past IAM; now EC2 itself has something to say of the image.
    assert started("required") == started("optional", MetadataOptions={"HttpTokens": "required"})
    assert started("required") != "UnauthorizedOperation"


def test_whom_a_snapshot_is_given_to_is_told_to_conditions(aws: Aws, worker: Worker) -> None:
    condition = {"StringEquals": {"ec2:Add/group": "all"}}
    deny = {"Effect": "Deny", "Action": "ec2:ModifySnapshotAttribute", "Resource": "*", "Condition": condition}
    ec2 = worker(allow("ec2:*"), deny)("ec2")
    volume = aws("ec2").create_volume(AvailabilityZone="eu-central-1a", Size=1)["VolumeId"]
    snapshot = aws("ec2").create_snapshot(VolumeId=volume)["SnapshotId"]
    shared = {"SnapshotId": snapshot, "Attribute": "createVolumePermission"}
    for added in (
        {"CreateVolumePermission": {"Add": [{"Group": "all"}]}},
        {"OperationType": "add", "GroupNames": ["all"]},
    ):
        assert refused(ec2.modify_snapshot_attribute, **shared, **added) == "UnauthorizedOperation"
    ec2.modify_snapshot_attribute(**shared, CreateVolumePermission={"Add": [{"UserId": "222222222222"}]})


def test_a_role_is_passed_only_by_who_may_and_to_whom(aws: Aws, worker: Worker, name: str) -> None:
    passed = f"arn:aws:iam::{MANAGEMENT}:role/{name}-cluster"
    to_eks = {"StringEquals": {"iam:PassedToService": "eks.amazonaws.com"}}
    to_rds = {"StringEquals": {"iam:PassedToService": "rds.amazonaws.com"}}
    trust = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    aws("iam").create_role(RoleName=f"{name}-cluster", AssumeRolePolicyDocument=document(trust))
    session = worker(allow("eks:*"), allow("iam:PassRole", resource=passed, Condition=to_rds))
    cluster = {"name": name, "roleArn": passed, "resourcesVpcConfig": {"subnetIds": ["subnet-1", "subnet-2"]}}
    assert "iam:PassRole" in sentence(session("eks").create_cluster, **cluster)[1]
    policy = document(allow("eks:*"), allow("iam:PassRole", resource=passed, Condition=to_eks))
    aws("iam").put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)
    # Past IAM; now EKS itself has something to say.
    assert refused(session("eks").create_cluster, **cluster) == "InvalidParameterException"


def test_a_session_policy_and_a_boundary_bound(aws: Aws, worker: Worker, name: str) -> None:
    only = document(allow("ec2:DescribeVpcs"))
    session = worker(managed=("AdministratorAccess",), Policy=only)
    session("ec2").describe_vpcs()
    assert "because no session policy allows" in sentence(session("ec2").describe_subnets)[1]
    arn = aws("iam").create_policy(PolicyName=name, PolicyDocument=only)["Policy"]["Arn"]
    aws("iam").put_role_permissions_boundary(RoleName=name, PermissionsBoundary=arn)
    bounded = assumed(aws, f"arn:aws:iam::{MANAGEMENT}:role/{name}")
    bounded("ec2").describe_vpcs()
    assert "because no permissions boundary allows" in sentence(bounded("ec2").describe_subnets)[1]


def test_a_session_of_a_role_that_is_gone_may_nothing(aws: Aws, worker: Worker, name: str) -> None:
    session = worker(allow("ec2:*"))
    aws("iam").delete_role_policy(RoleName=name, PolicyName="own")
    aws("iam").delete_role(RoleName=name)
    aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    aws("iam").put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(allow("ec2:*")))
    assert refused(session("ec2").describe_vpcs) == "UnauthorizedOperation"


def test_a_user_has_policies_of_its_own_and_of_its_groups(aws: Aws, name: str) -> None:
    iam = aws("iam")
    iam.create_user(UserName=name)
    iam.create_group(GroupName=name)
    iam.add_user_to_group(UserName=name, GroupName=name)
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(allow("ec2:DescribeVpcs")))
    iam.put_group_policy(GroupName=name, PolicyName="all", PolicyDocument=document(allow("ec2:DescribeSubnets")))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    credentials = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    user = Aws(aws.state, credentials)
    user("ec2").describe_vpcs()
    user("ec2").describe_subnets()
    assert f"User: arn:aws:iam::{MANAGEMENT}:user/{name} is not" in sentence(user("ec2").describe_route_tables)[1]


def test_a_role_is_assumed_by_whom_it_trusts(aws: Aws, worker: Worker, name: str) -> None:
    iam = aws("iam")
    elsewhere = {"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "sts:AssumeRole"}
    by_id = {"StringEquals": {"sts:ExternalId": "ours"}}
    iam.create_role(RoleName=f"{name}-other", AssumeRolePolicyDocument=document(elsewhere))
    iam.create_role(
        RoleName=f"{name}-external",
        AssumeRolePolicyDocument=document({**elsewhere, "Principal": {"AWS": "*"}, "Condition": by_id}),
    )
    iam.create_role(RoleName=f"{name}-account", AssumeRolePolicyDocument=json.dumps(TRUST))
    prefix = f"arn:aws:iam::{MANAGEMENT}:role/{name}"
    code, text = sentence(aws("sts").assume_role, RoleArn=f"{prefix}-other", RoleSessionName="anna")
    assert code == "AccessDenied"
    assert text.endswith(f"user/rehearsal is not authorized to perform: sts:AssumeRole on resource: {prefix}-other")
    session = worker(allow("ec2:*"))
    assert refused(session("sts").assume_role, RoleArn=f"{prefix}-external", RoleSessionName="anna") == "AccessDenied"
    session("sts").assume_role(RoleArn=f"{prefix}-external", RoleSessionName="anna", ExternalId="ours")
    # The role trusts the account, and the account's policies don't give that to this role.
    assert refused(session("sts").assume_role, RoleArn=f"{prefix}-account", RoleSessionName="anna") == "AccessDenied"
    policy = document(allow("sts:AssumeRole", resource=f"{prefix}-account"))
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)
    session("sts").assume_role(RoleArn=f"{prefix}-account", RoleSessionName="anna")


def test_a_key_decides_by_its_own_policy(aws: Aws, worker: Worker, name: str) -> None:
    role = f"arn:aws:iam::{MANAGEMENT}:role/{name}"
    session = worker(allow("kms:*"))
    own = aws("kms").create_key()["KeyMetadata"]["KeyId"]
    session("kms").describe_key(KeyId=own)  # its policy leaves it to the account
    closed = document({**allow("kms:*"), "Principal": {"AWS": "arn:aws:iam::222222222222:root"}})
    aws("kms").put_key_policy(KeyId=own, PolicyName="default", Policy=closed)
    assert "because no resource-based policy allows" in sentence(session("kms").describe_key, KeyId=own)[1]
    named = document({**allow("kms:DescribeKey"), "Principal": {"AWS": role}})
    aws("kms").put_key_policy(KeyId=own, PolicyName="default", Policy=named)
    session("kms").describe_key(KeyId=own)


def test_service_control_policies_of_the_path_bound_members_and_not_the_management_account(fresh: Aws) -> None:
    organizations = fresh("organizations")
    organizations.create_organization(FeatureSet="ALL")
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    unit = organizations.create_organizational_unit(ParentId=root, Name="Work")["OrganizationalUnit"]["Id"]
    organizations.create_account(Email="dev@example.com", AccountName="dev")
    account = next(item["Id"] for item in organizations.list_accounts()["Accounts"] if item["Name"] == "dev")
    organizations.move_account(AccountId=account, SourceParentId=root, DestinationParentId=unit)
    administrators = {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/OrganizationAccountAccessRole"}}
    content = document(
        {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "iam:*", "Resource": "*", "Condition": administrators},
    )
    policy = organizations.create_policy(
        Name="no-queues", Description="", Type="SERVICE_CONTROL_POLICY", Content=content
    )["Policy"]["PolicySummary"]
    organizations.attach_policy(PolicyId=policy["Id"], TargetId=unit)
    fresh.state.admin("enforcement", "POST")
    fresh("sqs").list_queues()
    member = fresh.assume(account)
    code, text = sentence(member("sqs").list_queues)
    assert code == "AccessDenied"
    assert text.endswith(f"with an explicit deny in a service control policy: {policy['Arn']}")
    member("iam").list_roles()
    organizations.detach_policy(PolicyId=policy["Id"], TargetId=unit)
    member("sqs").list_queues()
