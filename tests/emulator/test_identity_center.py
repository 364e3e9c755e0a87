# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulator.conftest import Aws, refused
from tests.emulator.test_organizations import account

READ = "arn:aws:iam::aws:policy/ReadOnlyAccess"
DENY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]})


class Center:
    """An organization's Identity Center, and an account to assign to."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.org = aws("organizations")
        self.org.create_organization(FeatureSet="ALL")
        self.account = account(self.org, "dev")
        self.sso, self.store = aws("sso-admin"), aws("identitystore")
        found = self.sso.list_instances()["Instances"][0]
        self.instance = {"InstanceArn": found["InstanceArn"]}
        self.store_id = {"IdentityStoreId": found["IdentityStoreId"]}
        self.group = self.store.create_group(DisplayName="developers", **self.store_id)["GroupId"]

    def permission_set(self, name: str = "Read", **more: Any) -> dict[str, str]:
        made = self.sso.create_permission_set(Name=name, **self.instance, **more)["PermissionSet"]
        return {**self.instance, "PermissionSetArn": made["PermissionSetArn"]}

    def to(self, made: dict[str, str], account_id: str = "") -> dict[str, str]:
        target = {"TargetId": account_id or self.account, "TargetType": "AWS_ACCOUNT"}
        return {**made, **target, "PrincipalType": "GROUP", "PrincipalId": self.group}

    def assign(self, made: dict[str, str], account_id: str = "") -> dict[str, Any]:
        status = self.sso.create_account_assignment(**self.to(made, account_id))["AccountAssignmentCreationStatus"]
        return dict(
            self.sso.describe_account_assignment_creation_status(
                AccountAssignmentCreationRequestId=status["RequestId"], **self.instance
            )["AccountAssignmentCreationStatus"]
        )

    def roles(self) -> list[dict[str, Any]]:
        iam = self.aws.assume(self.account)("iam")
        return list(iam.list_roles(PathPrefix="/aws-reserved/sso.amazonaws.com/")["Roles"])


@pytest.fixture
def center(fresh: Aws) -> Center:
    return Center(fresh)


def test_the_instance_comes_with_the_organization_in_one_region(fresh: Aws) -> None:
    assert fresh("sso-admin").list_instances()["Instances"] == []
    fresh("organizations").create_organization(FeatureSet="ALL")
    found = fresh("sso-admin").list_instances()["Instances"]
    assert [item["Status"] for item in found] == ["ACTIVE"]
    assert fresh("sso-admin", region="eu-west-1").list_instances()["Instances"] == []
    fresh.state.admin("identity-center", "DELETE")
    assert fresh("sso-admin").list_instances()["Instances"] == []
    fresh.state.admin("identity-center?region=eu-west-1", "POST")
    assert fresh("sso-admin", region="eu-west-1").list_instances()["Instances"] != found
    assert refused(fresh("sso-admin").create_instance) == "ValidationException"


def test_an_assignment_makes_the_role_and_the_last_deletion_takes_it_away(center: Center) -> None:
    made = center.permission_set("Read", SessionDuration="PT4H")
    center.sso.attach_managed_policy_to_permission_set(ManagedPolicyArn=READ, **made)
    center.sso.put_inline_policy_to_permission_set(InlinePolicy=DENY, **made)
    assert center.roles() == []
    assert center.assign(made)["Status"] == "SUCCEEDED"
    role = center.roles()[0]
    assert role["Path"] == "/aws-reserved/sso.amazonaws.com/eu-central-1/"
    assert role["RoleName"].startswith("AWSReservedSSO_Read_")
    assert role["MaxSessionDuration"] == 4 * 3600
    iam = center.aws.assume(center.account)("iam")
    attached = iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [READ]
    assert iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"] == ["AwsSSOInlinePolicy"]
    assert refused(center.sso.delete_permission_set, **made) == "ConflictException"
    center.sso.delete_account_assignment(**center.to(made))
    assert center.roles() == []
    assert refused(center.sso.delete_account_assignment, **center.to(made)) == "ResourceNotFoundException"
    center.assign(made)
    assert center.roles()[0]["RoleName"] != role["RoleName"], "a new role has another suffix"


def test_a_changed_permission_set_reaches_the_accounts_only_when_it_is_provisioned(center: Center) -> None:
    made = center.permission_set()
    center.assign(made)

    def outdated() -> list[str]:
        found = center.sso.list_accounts_for_provisioned_permission_set(
            ProvisioningStatus="LATEST_PERMISSION_SET_NOT_PROVISIONED", **made
        )
        return list(found["AccountIds"])

    assert outdated() == []
    center.sso.tag_resource(ResourceArn=made["PermissionSetArn"], Tags=[{"Key": "a", "Value": "b"}], **center.instance)
    assert outdated() == [], "tags concern the permission set only"
    center.sso.attach_managed_policy_to_permission_set(ManagedPolicyArn=READ, **made)
    assert outdated() == [center.account]
    iam = center.aws.assume(center.account)("iam")
    name = center.roles()[0]["RoleName"]
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    center.sso.provision_permission_set(TargetType="ALL_PROVISIONED_ACCOUNTS", **made)
    assert outdated() == []
    assert len(iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]) == 1


def test_an_update_clears_the_relay_state_that_it_does_not_repeat(center: Center) -> None:
    made = center.permission_set(Description="first", RelayState="https://example.com/")
    center.sso.update_permission_set(SessionDuration="PT2H", **made)
    found = center.sso.describe_permission_set(**made)["PermissionSet"]
    assert (found["Description"], found["SessionDuration"], found.get("RelayState")) == ("first", "PT2H", None)
    assert refused(center.sso.update_permission_set, SessionDuration="PT13H", **made) == "ValidationException"


def test_a_customer_managed_policy_has_to_be_in_the_account(center: Center) -> None:
    made = center.permission_set()
    reference = {"CustomerManagedPolicyReference": {"Name": "own", "Path": "/team/"}}
    center.sso.attach_customer_managed_policy_reference_to_permission_set(**reference, **made)
    status = center.assign(made)
    assert status["Status"] == "FAILED"
    assert "policy/team/own does not exist" in status["FailureReason"]
    center.aws.assume(center.account)("iam").create_policy(PolicyName="own", Path="/team/", PolicyDocument=DENY)
    assert center.assign(made)["Status"] == "SUCCEEDED"


def test_what_is_in_progress_refuses_the_next_and_shows_nothing_yet(center: Center) -> None:
    made, other = center.permission_set(), center.permission_set("Other")
    center.aws.pace(600)
    assert center.assign(made)["Status"] == "IN_PROGRESS"
    here = {"AccountId": center.account, **made}
    assert center.sso.list_account_assignments(**here)["AccountAssignments"] == []
    assert refused(center.sso.create_account_assignment, **center.to(made)) == "ConflictException"
    assert center.assign(other)["Status"] == "IN_PROGRESS"
    listed = center.sso.list_account_assignment_creation_status(Filter={"Status": "IN_PROGRESS"}, **center.instance)
    assert len(listed["AccountAssignmentsCreationStatus"]) == 2


def test_only_ten_assignments_are_worked_on_at_a_time(center: Center) -> None:
    sets = [center.permission_set(f"Set{number}") for number in range(11)]
    center.aws.pace(600)
    for made in sets[:10]:
        center.assign(made)
    assert refused(center.sso.create_account_assignment, **center.to(sets[10])) == "ThrottlingException"


def test_an_assignment_needs_a_principal_and_an_account_of_the_organization(center: Center) -> None:
    made = center.permission_set()
    unknown = {**center.to(made), "PrincipalId": "12345678-1234-1234-1234-123456789012"}
    assert refused(center.sso.create_account_assignment, **unknown) == "ResourceNotFoundException"
    outside = center.to(made, "999999999999")
    assert refused(center.sso.create_account_assignment, **outside) == "ResourceNotFoundException"


def test_a_delegated_administrator_keeps_off_the_management_account(center: Center) -> None:
    member = center.aws.assume(center.account)
    made, free = center.permission_set("Admin"), center.permission_set("Free")
    assert refused(member("sso-admin").list_permission_sets, **center.instance) == "AccessDeniedException"
    center.org.enable_aws_service_access(ServicePrincipal="sso.amazonaws.com")
    center.org.register_delegated_administrator(AccountId=center.account, ServicePrincipal="sso.amazonaws.com")
    assert len(member("sso-admin").list_permission_sets(**center.instance)["PermissionSets"]) == 2
    to_management = center.to(free, center.aws.state.management_account_id)
    assert refused(member("sso-admin").create_account_assignment, **to_management) == "AccessDeniedException"
    center.assign(made, center.aws.state.management_account_id)
    assert refused(member("sso-admin").update_permission_set, Description="x", **made) == "AccessDeniedException"
    member("sso-admin").update_permission_set(Description="x", **free)
    principal = {"PrincipalId": center.group, "PrincipalType": "GROUP", **center.instance}
    assert len(center.sso.list_account_assignments_for_principal(**principal)["AccountAssignments"]) == 1
    assert refused(member("sso-admin").list_account_assignments_for_principal, **principal) == "AccessDeniedException"


def test_a_permission_set_has_limits(center: Center) -> None:
    made = center.permission_set()
    assert refused(center.sso.create_permission_set, Name="read", **center.instance) == "ConflictException"
    attach = center.sso.attach_managed_policy_to_permission_set
    assert refused(attach, ManagedPolicyArn=f"{READ}er", **made) == "ResourceNotFoundException"
    attach(ManagedPolicyArn=READ, **made)
    assert refused(attach, ManagedPolicyArn=READ, **made) == "ConflictException"
    long = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "a" * 10_300}]})
    put = center.sso.put_inline_policy_to_permission_set
    assert refused(put, InlinePolicy=long, **made) == "ServiceQuotaExceededException"
    assert refused(put, InlinePolicy="{}", **made) == "ValidationException"
    boundary = center.sso.get_permissions_boundary_for_permission_set
    assert refused(boundary, **made) == "ResourceNotFoundException"
    center.sso.put_permissions_boundary_to_permission_set(PermissionsBoundary={"ManagedPolicyArn": READ}, **made)
    assert boundary(**made)["PermissionsBoundary"] == {"ManagedPolicyArn": READ}
    references = center.sso.attach_customer_managed_policy_reference_to_permission_set
    for number in range(19):
        references(CustomerManagedPolicyReference={"Name": f"own{number}"}, **made)
    last = {"CustomerManagedPolicyReference": {"Name": "last"}}
    assert refused(references, **last, **made) == "ServiceQuotaExceededException"


def test_groups_have_unique_names_and_members(center: Center) -> None:
    store, where = center.store, center.store_id
    assert refused(store.create_group, DisplayName="Developers", **where) == "ConflictException"
    names = {"GivenName": "Ada", "FamilyName": "L"}
    made = store.create_user(UserName="ada", DisplayName="Ada", Name=names, **where)
    user = {"UserId": made["UserId"]}
    assert refused(store.create_user, UserName="bob", **where) == "ValidationException"
    pair = {"GroupId": center.group, "MemberId": user, **where}
    membership = store.create_group_membership(**pair)["MembershipId"]
    assert refused(store.create_group_membership, **pair) == "ConflictException"
    members = store.list_group_memberships(GroupId=center.group, **where)["GroupMemberships"]
    assert [item["MemberId"] for item in members] == [user]
    changes = [
        {"AttributePath": "displayName", "AttributeValue": "engineers"},
        {"AttributePath": "description", "AttributeValue": "They build"},
    ]
    store.update_group(GroupId=center.group, Operations=changes, **where)
    found = store.list_groups(**where)["Groups"][0]
    assert (found["DisplayName"], found["Description"]) == ("engineers", "They build")
    store.delete_group_membership(MembershipId=membership, **where)
    assert store.list_group_memberships(GroupId=center.group, **where)["GroupMemberships"] == []
    store.delete_group(GroupId=center.group, **where)
    assert refused(store.describe_group, GroupId=center.group, **where) == "ResourceNotFoundException"
