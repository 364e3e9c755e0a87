# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulator.conftest import Aws, refused

SCP = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]})


@pytest.fixture
def org(fresh: Aws) -> Any:
    client = fresh("organizations")
    client.create_organization(FeatureSet="ALL")
    return client


@pytest.fixture
def root(org: Any) -> str:
    return str(org.list_roots()["Roots"][0]["Id"])


def account(org: Any, name: str, **more: Any) -> str:
    request = org.create_account(AccountName=name, Email=f"{name}@example.com", **more)["CreateAccountStatus"]["Id"]
    status = org.describe_create_account_status(CreateAccountRequestId=request)["CreateAccountStatus"]
    assert status["State"] == "SUCCEEDED"
    return str(status["AccountId"])


def policy(org: Any, name: str) -> str:
    made = org.create_policy(Name=name, Description="", Type="SERVICE_CONTROL_POLICY", Content=SCP)
    return str(made["Policy"]["PolicySummary"]["Id"])


def test_an_empty_aws_has_no_organization(fresh: Aws) -> None:
    client = fresh("organizations")
    assert refused(client.describe_organization) == "AWSOrganizationsNotInUseException"
    assert client.create_organization()["Organization"]["FeatureSet"] == "ALL"
    assert refused(client.create_organization) == "AlreadyInOrganizationException"


def test_a_new_account_is_in_progress_before_it_exists(fresh: Aws, org: Any) -> None:
    fresh.pace(60)
    made = org.create_account(AccountName="dev", Email="dev@example.com")["CreateAccountStatus"]
    assert made["State"] == "IN_PROGRESS"
    assert "AccountId" not in made
    assert len(org.list_accounts()["Accounts"]) == 1


def test_at_most_five_accounts_are_created_at_a_time(fresh: Aws, org: Any) -> None:
    fresh.pace(60)
    for number in range(5):
        org.create_account(AccountName=f"a{number}", Email=f"a{number}@example.com")
    assert refused(org.create_account, AccountName="a6", Email="a6@example.com") == "TooManyRequestsException"


def test_an_email_address_used_twice_fails_the_second_account(org: Any) -> None:
    account(org, "dev")
    made = org.create_account(AccountName="other", Email="dev@example.com")["CreateAccountStatus"]
    status = org.describe_create_account_status(CreateAccountRequestId=made["Id"])["CreateAccountStatus"]
    assert (status["State"], status["FailureReason"]) == ("FAILED", "EMAIL_ALREADY_EXISTS")


def test_the_role_of_a_new_account_leads_into_it(fresh: Aws, org: Any) -> None:
    number = account(org, "dev", RoleName="Admin")
    inside = fresh.assume(number, "Admin")
    assert inside("sts").get_caller_identity()["Account"] == number
    assert [v["OwnerId"] for v in inside("ec2").describe_vpcs()["Vpcs"]] == [number]
    attached = inside("iam").list_attached_role_policies(RoleName="Admin")["AttachedPolicies"]
    assert [p["PolicyName"] for p in attached] == ["AdministratorAccess"]


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::999999999999:role/OrganizationAccountAccessRole",
        "arn:aws:iam::123456789012:role/NoSuchRole",
    ],
)
def test_a_role_that_does_not_exist_cannot_be_assumed(fresh: Aws, arn: str) -> None:
    assert refused(fresh("sts").assume_role, RoleArn=arn, RoleSessionName="test") == "AccessDenied"


def test_accounts_come_in_pages_of_twenty(org: Any) -> None:
    for number in range(21):
        account(org, f"a{number}")
    first = org.list_accounts()
    assert len(first["Accounts"]) == 20
    assert len(org.list_accounts(NextToken=first["NextToken"])["Accounts"]) == 2


def test_a_closed_account_is_suspended_and_closed_to_everybody(fresh: Aws, org: Any) -> None:
    number = account(org, "dev")
    org.close_account(AccountId=number)
    assert org.describe_account(AccountId=number)["Account"]["Status"] == "SUSPENDED"
    arn = f"arn:aws:iam::{number}:role/OrganizationAccountAccessRole"
    assert refused(fresh("sts").assume_role, RoleArn=arn, RoleSessionName="test") == "AccessDenied"
    assert refused(org.close_account, AccountId=number) == "AccountAlreadyClosedException"


def test_units_are_unique_below_a_parent_and_deleted_only_when_empty(org: Any, root: str) -> None:
    unit = org.create_organizational_unit(ParentId=root, Name="Workloads")["OrganizationalUnit"]["Id"]
    duplicate = refused(org.create_organizational_unit, ParentId=root, Name="Workloads")
    assert duplicate == "DuplicateOrganizationalUnitException"
    number = account(org, "dev")
    org.move_account(AccountId=number, SourceParentId=root, DestinationParentId=unit)
    assert org.list_parents(ChildId=number)["Parents"] == [{"Id": unit, "Type": "ORGANIZATIONAL_UNIT"}]
    assert refused(org.delete_organizational_unit, OrganizationalUnitId=unit) == "OrganizationalUnitNotEmptyException"
    org.move_account(AccountId=number, SourceParentId=unit, DestinationParentId=root)
    org.delete_organizational_unit(OrganizationalUnitId=unit)


def test_a_policy_type_is_enabled_before_its_policies_are_attached(org: Any, root: str) -> None:
    made = policy(org, "deny")
    assert refused(org.attach_policy, PolicyId=made, TargetId=root) == "PolicyTypeNotEnabledException"
    org.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    org.attach_policy(PolicyId=made, TargetId=root)
    assert refused(org.attach_policy, PolicyId=made, TargetId=root) == "DuplicatePolicyAttachmentException"
    assert refused(org.delete_policy, PolicyId=made) == "PolicyInUseException"


def test_five_service_control_policies_fit_a_target(org: Any, root: str) -> None:
    org.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    for number in range(4):  # FullAWSAccess is the first
        org.attach_policy(PolicyId=policy(org, f"p{number}"), TargetId=root)
    sixth = policy(org, "sixth")
    assert refused(org.attach_policy, PolicyId=sixth, TargetId=root) == "ConstraintViolationException"


def test_a_service_control_policy_has_at_most_5120_characters(org: Any) -> None:
    long = json.dumps({**json.loads(SCP), "Id": "x" * 5100})
    code = refused(org.create_policy, Name="p", Description="", Type="SERVICE_CONTROL_POLICY", Content=long)
    assert code == "ConstraintViolationException"


def test_new_targets_have_full_access_attached_and_keep_one_policy(org: Any, root: str) -> None:
    number = account(org, "dev")
    attached = org.list_policies_for_target(TargetId=number, Filter="SERVICE_CONTROL_POLICY")["Policies"]
    assert [p["Name"] for p in attached] == ["FullAWSAccess"]
    code = refused(org.detach_policy, PolicyId="p-FullAWSAccess", TargetId=number)
    assert code == "ConstraintViolationException"


def test_a_delegated_administrator_needs_trusted_access_first(org: Any) -> None:
    number = account(org, "security")
    parameters = {"AccountId": number, "ServicePrincipal": "guardduty.amazonaws.com"}
    assert refused(org.register_delegated_administrator, **parameters) == "ConstraintViolationException"
    org.enable_aws_service_access(ServicePrincipal="guardduty.amazonaws.com")
    org.register_delegated_administrator(**parameters)
    assert [a["Id"] for a in org.list_delegated_administrators()["DelegatedAdministrators"]] == [number]


def test_members_may_not_administer_the_organization(fresh: Aws, org: Any) -> None:
    inside = fresh.assume(account(org, "dev"))("organizations")
    assert inside.describe_organization()["Organization"]["MasterAccountId"] == "123456789012"
    assert refused(inside.list_accounts) == "AccessDeniedException"


def test_a_listing_tells_where_an_account_is(org: Any, root: str) -> None:
    number = account(org, "dev")
    unit = org.create_organizational_unit(ParentId=root, Name="Workloads")["OrganizationalUnit"]
    org.move_account(AccountId=number, SourceParentId=root, DestinationParentId=unit["Id"])
    (dev,) = [item for item in org.list_accounts()["Accounts"] if item["Id"] == number]
    assert dev["Paths"] == [f"{unit['Path']}{number}/"]
    assert unit["Path"].endswith(f"/{root}/{unit['Id']}/")


def test_the_tagging_api_shows_what_an_organization_has_in_one_region(fresh: Aws, org: Any, root: str) -> None:
    tags = [{"Key": "owner", "Value": "platform"}]
    unit = org.create_organizational_unit(ParentId=root, Name="Security", Tags=tags)["OrganizationalUnit"]
    account(org, "dev", Tags=tags)
    wanted = {"TagFilters": [{"Key": "owner", "Values": ["platform"]}], "ResourceTypeFilters": ["organizations:ou"]}
    home = fresh("resourcegroupstaggingapi", region="us-east-1").get_resources(**wanted)
    assert [item["ResourceARN"] for item in home["ResourceTagMappingList"]] == [unit["Arn"]]
    elsewhere = fresh("resourcegroupstaggingapi", region="eu-central-1").get_resources(**wanted)
    assert elsewhere["ResourceTagMappingList"] == []


def test_renaming_an_account_needs_trusted_access(fresh: Aws, org: Any) -> None:
    number = account(org, "dev")
    rename = fresh("account").put_account_name
    assert refused(rename, AccountId=number, AccountName="development") == "AccessDeniedException"
    org.enable_aws_service_access(ServicePrincipal="account.amazonaws.com")
    rename(AccountId=number, AccountName="development")
    assert org.describe_account(AccountId=number)["Account"]["Name"] == "development"
