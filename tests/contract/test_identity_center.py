# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of an Identity Center that somebody else, or an interrupted run, has been at."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Resource
from ansible_collections.innovate.platform.plugins.module_utils._identity_center.center import (
    Assignment,
    Center,
    Group,
    PermissionSet,
    identity_center_resources,
)
from ansible_collections.innovate.platform.plugins.module_utils._identity_center.exported import Found, exported
from ansible_collections.innovate.platform.plugins.module_utils._identity_center.survey import survey
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from rehearsal.emulator.world import MANAGEMENT_ACCOUNT
from tests.contract.cases.identity_center import allow, inhabited
from tests.contract.contract import World, actions

READ = PermissionSet("Read", "Looks on", managed_policies=["ReadOnlyAccess"])
CENTER = Center(
    groups=[Group("developers", "They build", ["ada"]), Group("auditors")],
    permission_sets=[READ],
    assignments=[Assignment("developers", "Read", ["Workloads"]), Assignment("auditors", "Read", ["all"])],
)
DEVELOPERS = "account_assignment.Read@developers"


class Reader:
    """An organization of three accounts with an Identity Center, and what becomes of a declaration there."""

    def __init__(self, session: Session) -> None:
        inhabited(session)
        self.session = session
        root = session.pages("organizations", "list_roots", "Roots")[0]["Id"]
        self.unit = session.call("organizations", "create_organizational_unit", Name="Workloads", ParentId=root)[
            "OrganizationalUnit"
        ]["Id"]
        self.root = root
        self.accounts = {name: self.account(name) for name in ("dev", "prod")}
        self.world = World(session, KINDS, "identity-center")
        found = session.pages("sso-admin", "list_instances", "Instances")[0]
        self.instance, self.store = found["InstanceArn"], found["IdentityStoreId"]

    def account(self, name: str) -> str:
        """Create an account in the unit."""
        session = self.session
        session.call("organizations", "create_account", AccountName=name, Email=f"aws+{name}@example.com")

        def made() -> list[str]:
            listed = session.pages("organizations", "list_accounts", "Accounts")
            return [item["Id"] for item in listed if item["Name"] == name]

        (number,) = session.awaited("the account", made)
        session.call(
            "organizations", "move_account", AccountId=number, SourceParentId=self.root, DestinationParentId=self.unit
        )
        return number

    def sso(self, operation: str, **parameters: Any) -> Any:
        """Do something by hand."""
        return self.session.call("sso-admin", operation, InstanceArn=self.instance, **parameters)

    def read_arn(self) -> str:
        """The permission set's ARN."""
        (arn,) = self.sso("list_permission_sets")["PermissionSets"]
        return str(arn)

    def who(self, account: str) -> set[tuple[str, str]]:
        """Who has the permission set in an account."""
        found = self.sso("list_account_assignments", AccountId=account, PermissionSetArn=self.read_arn())
        return {(item["PrincipalType"], item["PrincipalId"]) for item in found["AccountAssignments"]}

    def assignment(self, principal_type: str, principal: str, account: str) -> dict[str, str]:
        """The parameters of an assignment."""
        return {
            "PermissionSetArn": self.read_arn(),
            "PrincipalType": principal_type,
            "PrincipalId": principal,
            "TargetId": account,
            "TargetType": "AWS_ACCOUNT",
        }

    def user(self, name: str) -> str:
        """A user's id."""
        found = self.session.pages("identitystore", "list_users", "Users", IdentityStoreId=self.store)
        return next(str(item["UserId"]) for item in found if item["UserName"] == name)

    def inside(self, name: str) -> Session:
        """A session in one of the accounts."""
        number = self.accounts[name]
        role = f"arn:aws:iam::{number}:role/OrganizationAccountAccessRole"
        made = self.session.call("sts", "assume_role", RoleArn=role, RoleSessionName="test")["Credentials"]
        endpoint = self.session.client("sts").meta.endpoint_url

        def connect(service: str, region: str) -> Any:
            return boto3.client(
                service,
                region_name=region,
                endpoint_url=endpoint,
                aws_access_key_id=made["AccessKeyId"],
                aws_secret_access_key=made["SecretAccessKey"],
                aws_session_token=made["SessionToken"],
            )

        return Session(connect, number, self.session.region, "aws")

    def policies(self, name: str) -> list[str]:
        """What the roles of Identity Center in an account are allowed, by the names of AWS managed policies."""
        iam = self.inside(name).client("iam")
        roles = iam.list_roles(PathPrefix="/aws-reserved/sso.amazonaws.com/")["Roles"]
        found = [iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"] for role in roles]
        return [policy["PolicyName"] for attached in found for policy in attached]

    def page(self, query: str, method: str = "POST") -> Any:
        """Ask one of the emulator's own pages."""
        url = f"{self.session.client('sts').meta.endpoint_url}/rehearsal/{query}"
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=30) as answer:
            return json.load(answer)


def resources(center: Center) -> list[Resource]:
    found, problems, _outputs = identity_center_resources(center)
    assert problems == []
    return found


def survey_of(session: Session) -> Found:
    found = survey(session)
    assert found is not None
    return found


@pytest.fixture
def reader(session: Session, start_afresh: Callable[[], None], slowly: None) -> Reader:
    start_afresh()
    pace(session, 0)
    return Reader(session)


def pace(session: Session, seconds: float) -> None:
    """Say how long AWS takes: nothing, so that what is done by hand is done, or long enough to be noticed."""
    endpoint = session.client("sts").meta.endpoint_url
    with urllib.request.urlopen(f"{endpoint}/rehearsal/pace?seconds={seconds}", timeout=30):
        pass


def test_without_identity_center_a_plan_is_complete_and_says_who_can_enable_it(reader: Reader) -> None:
    reader.page("identity-center", "DELETE")
    plan = reader.world.plan(resources(CENTER))
    assert set(actions(plan).values()) == {"create"}
    assert len(actions(plan)) == 5
    (sentence,) = [item for item in plan.missing if "identity_center_lookup" in item]
    assert "a person has to enable it in the console of the management account" in sentence


def test_people_get_what_is_declared_and_a_second_run_only_reads(reader: Reader) -> None:
    reader.world.apply(resources(CENTER))
    assert reader.policies("dev") == reader.policies("prod") == ["ReadOnlyAccess"]
    assert len(reader.who(reader.accounts["dev"])) == 2
    assert len(reader.who(MANAGEMENT_ACCOUNT)) == 1
    mark = reader.page("calls", "GET")["mark"]
    assert actions(reader.world.plan(resources(CENTER))) == {}
    calls = [call["operation"] for call in reader.page(f"calls?since={mark}", "GET")["calls"]]
    assert all(call.startswith(("Describe", "Get", "List")) for call in calls)
    # One for each account that has a permission set, eight for each set, and seven that list everything.
    assert calls.count("ListAccountAssignments") == 3
    assert len(calls) <= 3 + 8 + 10, sorted(calls)


def test_roles_in_accounts_are_found_without_knowing_their_suffix(reader: Reader) -> None:
    reader.world.apply(resources(CENTER))
    role = Resource("iam_role_lookup", "read", {"role_name": "AWSReservedSSO_Read_*"})
    (change,) = World(reader.inside("dev"), KINDS, "eks-dev").plan([role]).changes
    arn = str(change.attribute("arn"))
    assert ":role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Read_" in arn
    assert arn.split(":")[4] == reader.accounts["dev"]


def test_a_change_reaches_the_accounts_that_have_the_permission_set(reader: Reader) -> None:
    reader.world.apply(resources(CENTER))
    changed = replace(CENTER, permission_sets=[replace(READ, managed_policies=["SecurityAudit"])])
    pace(reader.session, 2)
    outcome = reader.world.apply(resources(changed))
    assert [change.address for change in outcome.done] == ["permission_set.Read"]
    assert reader.policies("dev") == reader.policies("prod") == ["SecurityAudit"]


def test_what_an_interrupted_run_did_not_provision_is_found(reader: Reader) -> None:
    reader.world.apply(resources(CENTER))
    changed = replace(CENTER, permission_sets=[replace(READ, inline_policy=allow("s3:GetObject"))])
    reader.page("faults?cut=2&moment=before&only=writes")
    with pytest.raises(EngineError):
        reader.world.apply(resources(changed))
    reader.page("faults", "DELETE")
    (change,) = reader.world.plan(resources(changed)).changing
    assert (change.address, change.changed) == ("permission_set.Read", ("provisioned",))
    reader.world.apply(resources(changed))
    assert actions(reader.world.plan(resources(changed))) == {}


def test_a_policy_that_was_attached_without_an_answer_is_attached(reader: Reader) -> None:
    # The second attempt is told of a conflict, as if somebody were at it.
    reader.page("faults?what=reset&moment=after&only=sso-admin:AttachManagedPolicyToPermissionSet&every=1&most=1")
    reader.world.apply(resources(CENTER))
    assert reader.page("faults", "DELETE")["struck"] == {"reset": 1}
    assert reader.policies("dev") == ["ReadOnlyAccess"]


def test_tags_alone_are_not_provisioned(reader: Reader) -> None:
    reader.world.apply(resources(CENTER))
    mark = reader.page("calls", "GET")["mark"]
    reader.world.apply(resources(CENTER), tags={"team": "platform"})
    operations = {call["operation"] for call in reader.page(f"calls?since={mark}", "GET")["calls"]}
    assert "TagResource" in operations
    assert "ProvisionPermissionSet" not in operations


def test_who_was_given_a_permission_set_by_hand_loses_it(reader: Reader) -> None:
    reader.world.apply(resources(CENTER))
    grace, prod = reader.user("grace"), reader.accounts["prod"]
    reader.sso("create_account_assignment", **reader.assignment("USER", grace, prod))
    plan = reader.world.plan(resources(CENTER))
    assert actions(plan) == {f"account_assignment.Read@user ({grace})": "delete"}
    reader.world.apply(resources(CENTER))
    assert ("USER", grace) not in reader.who(prod)


def test_with_more_accounts_than_people_it_is_the_people_that_are_asked_for(reader: Reader) -> None:
    names = [f"Read{number}" for number in range(3)]
    many = replace(
        CENTER,
        permission_sets=[replace(READ, name=name) for name in names],
        assignments=[Assignment("auditors", name, ["all"]) for name in names],
    )
    reader.world.apply(resources(many))
    mark = reader.page("calls", "GET")["mark"]
    assert actions(reader.world.plan(resources(many))) == {}
    calls = [call["operation"] for call in reader.page(f"calls?since={mark}", "GET")["calls"]]
    assert calls.count("ListAccountAssignmentsForPrincipal") == 5, "two groups and three users"
    assert "ListAccountAssignments" not in calls

    found = {change.address: change.existing for change in reader.world.plan(resources(many)).changes}
    arn = found["permission_set.Read1"].id
    grace, prod = reader.user("grace"), reader.accounts["prod"]
    by_hand = {"PrincipalType": "USER", "PrincipalId": grace, "TargetId": prod, "TargetType": "AWS_ACCOUNT"}
    reader.sso("create_account_assignment", PermissionSetArn=arn, **by_hand)
    assert actions(reader.world.plan(resources(many))) == {f"account_assignment.Read1@user ({grace})": "delete"}
    # What a user has who is gone stays, and nobody is left to be asked for it.
    fewer = replace(many, assignments=many.assignments[:1])
    reader.world.apply(resources(fewer))
    reader.sso("create_account_assignment", PermissionSetArn=arn, **by_hand)
    reader.session.call("identitystore", "delete_user", IdentityStoreId=reader.store, UserId=grace)
    assert actions(reader.world.plan(resources(fewer))) == {f"account_assignment.Read1@user ({grace})": "delete"}


def test_what_was_taken_away_by_hand_comes_back(reader: Reader) -> None:
    reader.world.apply(resources(CENTER))
    dev = reader.accounts["dev"]
    group = next(principal for kind, principal in reader.who(dev) - reader.who(MANAGEMENT_ACCOUNT) if kind == "GROUP")
    reader.sso("delete_account_assignment", **reader.assignment("GROUP", group, dev))
    assert actions(reader.world.plan(resources(CENTER))) == {DEVELOPERS: "update"}
    reader.world.apply(resources(CENTER))
    assert ("GROUP", group) in reader.who(dev)


def test_a_new_account_of_a_unit_gets_what_the_unit_has(reader: Reader) -> None:
    reader.world.apply(resources(CENTER))
    stage = reader.account("stage")
    plan = reader.world.plan(resources(CENTER))
    assert actions(plan) == {DEVELOPERS: "update", "account_assignment.Read@auditors": "update"}
    reader.world.apply(resources(CENTER))
    assert len(reader.who(stage)) == 2


def test_a_target_that_the_organization_does_not_have_is_said_before_anything_is_done(reader: Reader) -> None:
    wrong = replace(CENTER, assignments=[Assignment("developers", "Read", ["dev", "outside"])])
    with pytest.raises(EngineError, match=r"with target outside: the organization has neither an account in use"):
        reader.world.apply(resources(wrong))
    assert reader.sso("list_permission_sets")["PermissionSets"] == []


def test_a_user_who_is_not_there_is_named(reader: Reader) -> None:
    wrong = replace(CENTER, groups=[Group("developers", "", ["ada", "alan"]), Group("auditors")])
    with pytest.raises(EngineError, match=r"group 'developers': there is no user 'alan' in IAM Identity Center"):
        reader.world.apply(resources(wrong))


def test_a_policy_that_an_account_lacks_is_said_with_what_to_do(reader: Reader) -> None:
    own = replace(READ, customer_managed_policies=[{"name": "own", "path": "/team/"}])
    with pytest.raises(
        EngineError, match=r"could not be assigned in account \d{12} .*policy/team/own.*have to be in each"
    ):
        reader.world.apply(resources(replace(CENTER, permission_sets=[own])))


def test_a_group_of_somebody_else_is_taken_over_only_when_asked(reader: Reader) -> None:
    reader.session.call(
        "identitystore", "create_group", IdentityStoreId=reader.store, DisplayName="auditors", Description="By hand"
    )
    (problem,) = reader.world.plan(resources(CENTER)).problems
    assert "identity_store_group.auditors" in problem
    assert "add the address to `adopt`" in problem
    assert actions(reader.world.plan(resources(CENTER), absent=True)) == {}
    reader.world.apply(resources(CENTER), adopt=("identity_store_group.auditors",))
    assert actions(reader.world.plan(resources(CENTER))) == {}
    reader.world.apply(resources(CENTER), absent=True)
    assert reader.session.pages("identitystore", "list_groups", "Groups", IdentityStoreId=reader.store) == []


def test_a_group_that_is_not_declared_any_more_goes(reader: Reader) -> None:
    reader.world.apply(resources(CENTER))
    less = replace(CENTER, groups=CENTER.groups[:1], assignments=CENTER.assignments[:1])
    assert set(actions(reader.world.plan(resources(less))).values()) == {"delete"}
    reader.world.apply(resources(less))
    listed = reader.session.pages("identitystore", "list_groups", "Groups", IdentityStoreId=reader.store)
    assert [group["DisplayName"] for group in listed] == ["developers"]
    assert reader.who(MANAGEMENT_ACCOUNT) == set()


def test_groups_of_an_identity_provider_are_left_as_they_are(reader: Reader) -> None:
    external = replace(CENTER, source="external", groups=[])
    with pytest.raises(EngineError, match=r"with display_name developers: assign the group to AWS at the identity"):
        reader.world.apply(resources(external))
    for name in ("developers", "auditors"):
        reader.session.call("identitystore", "create_group", IdentityStoreId=reader.store, DisplayName=name)
    reader.world.apply(resources(external))
    assert actions(reader.world.plan(resources(external))) == {}
    reader.world.apply(resources(external), absent=True)
    assert len(reader.session.pages("identitystore", "list_groups", "Groups", IdentityStoreId=reader.store)) == 2


def test_a_delegated_administrator_is_told_what_only_the_management_account_may(reader: Reader) -> None:
    reader.world.apply(resources(CENTER))
    session, service = reader.session, "sso.amazonaws.com"
    session.call("organizations", "enable_aws_service_access", ServicePrincipal=service)
    session.call(
        "organizations",
        "register_delegated_administrator",
        AccountId=reader.accounts["prod"],
        ServicePrincipal=service,
    )
    world = World(reader.inside("prod"), KINDS, "identity-center")
    assert actions(world.plan(resources(CENTER))) == {}, "`all` leaves the management account out"
    changed = replace(CENTER, permission_sets=[replace(READ, session_duration="PT2H")])
    (problem,) = world.plan(resources(changed)).problems
    assert f"is assigned in the management account {MANAGEMENT_ACCOUNT}" in problem
    other = PermissionSet("Other", managed_policies=["SecurityAudit"])
    more = replace(
        CENTER,
        permission_sets=[READ, other],
        assignments=[*CENTER.assignments, Assignment("auditors", "Other", ["management"])],
    )
    session.call("organizations", "enable_aws_service_access", ServicePrincipal="account.amazonaws.com")
    session.call("account", "put_account_name", AccountId=MANAGEMENT_ACCOUNT, AccountName="management")
    with pytest.raises(EngineError, match=r"a delegated administrator can't assign anything in the management account"):
        world.apply(resources(more))
    fine = replace(more, assignments=[*CENTER.assignments, Assignment("auditors", "Other", ["dev"])])
    world.apply(resources(fine))
    assert actions(world.plan(resources(fine))) == {}


def test_what_somebody_else_made_is_exported_as_what_would_have_made_it(reader: Reader) -> None:
    session, store = reader.session, reader.store
    group = session.call(
        "identitystore", "create_group", IdentityStoreId=store, DisplayName="readers", Description="They read"
    )["GroupId"]
    session.call(
        "identitystore",
        "create_group_membership",
        IdentityStoreId=store,
        GroupId=group,
        MemberId={"UserId": reader.user("ada")},
    )
    made = reader.sso(
        "create_permission_set",
        Name="Look",
        SessionDuration="PT4H",
        Description="Looks on",
        Tags=[{"Key": "team", "Value": "platform"}],
    )["PermissionSet"]
    about = {"PermissionSetArn": made["PermissionSetArn"]}
    arn = "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"
    reader.sso("attach_managed_policy_to_permission_set", ManagedPolicyArn=arn, **about)
    policy = allow("s3:GetObject")
    reader.sso("put_inline_policy_to_permission_set", InlinePolicy=json.dumps(policy), **about)
    boundary = {"ManagedPolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    reader.sso("put_permissions_boundary_to_permission_set", PermissionsBoundary=boundary, **about)
    reader.sso("create_account_assignment", **reader.assignment("GROUP", group, reader.accounts["dev"]))
    reader.sso("create_account_assignment", **reader.assignment("USER", reader.user("grace"), reader.accounts["prod"]))
    session.awaited("the assignment", lambda: len(survey_of(session).assignments) == 2)
    export = exported(
        survey_of(session), {MANAGEMENT_ACCOUNT: "management", **{v: k for k, v in reader.accounts.items()}}
    )
    assert export.parameters == {
        "identity_source": "internal",
        "groups": [{"name": "readers", "description": "They read", "members": ["ada"]}],
        "permission_sets": [
            {
                "name": "Look",
                "description": "Looks on",
                "session_duration": "PT4H",
                "managed_policies": ["job-function/ViewOnlyAccess"],
                "inline_policy": policy,
                "permissions_boundary": {"managed_policy": "ReadOnlyAccess"},
                "tags": {"team": "platform"},
            }
        ],
        "assignments": [{"group": "readers", "permission_set": "Look", "targets": ["dev"]}],
    }
    (sentence,) = export.left_out
    assert "is assigned to the user" in sentence
    center = Center(
        groups=[Group(**item) for item in export.parameters["groups"]],
        permission_sets=[PermissionSet(**item) for item in export.parameters["permission_sets"]],
        assignments=[Assignment(**item) for item in export.parameters["assignments"]],
    )
    plan = reader.world.plan(resources(center), adopt=tuple(export.adopt))
    assert plan.problems == ()
    changed = {change.address: (change.action, change.changed) for change in plan.changing}
    assert changed == {
        "identity_store_group.readers": ("adopt", ("description",)),
        "permission_set.Look": ("adopt", ("tags",)),
        f"account_assignment.Look@user ({reader.user('grace')})": ("delete", ()),
    }, "nothing but the marks of ownership, and what can't be declared"
