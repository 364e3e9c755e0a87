# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of an organization that somebody else, or an interrupted run, has been at."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import Wanted
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from tests.contract.cases.organization import ONE, ORGANIZATION, POLICY, ROOT, TWO
from tests.contract.contract import World, actions

DEV = Resource(
    "organization_account",
    "dev",
    {"account_name": "dev", "email": "aws+dev@example.com", "parent_id": Ref("organizational_unit.one")},
)
ATTACHMENT = Resource(
    "organization_policy_attachment",
    "deny@one",
    {"policy_id": Ref("organization_policy.deny"), "target_id": Ref("organizational_unit.one")},
)
ALL = [ORGANIZATION, ROOT, ONE, TWO, DEV, POLICY, ATTACHMENT]


@pytest.fixture
def world(session: Session, start_afresh: Callable[[], None]) -> World:
    start_afresh()
    return World(session, KINDS, "organization")


def accounts(session: Session) -> list[dict[str, Any]]:
    return [item for item in session.pages("organizations", "list_accounts", "Accounts") if item["Name"] == "dev"]


def create_account(session: Session, **parameters: Any) -> None:
    session.call("organizations", "create_account", AccountName="dev", Email="aws+dev@example.com", **parameters)


def test_an_organization_that_is_there_is_taken_as_it_is(world: World, session: Session) -> None:
    session.call("organizations", "create_organization", FeatureSet="ALL")
    plan = world.plan([ORGANIZATION, ROOT])
    assert plan.problems == ()
    assert actions(plan) == {"organization.main": "update", "organization_root.main": "update"}


@pytest.fixture
def slow(session: Session) -> Iterator[None]:
    """Let AWS take its time, so that there is something to interrupt."""
    page = f"{session.client('sts').meta.endpoint_url}/rehearsal/pace"
    with urllib.request.urlopen(page, timeout=30) as answer:
        pace = json.load(answer)["pace"]
    with urllib.request.urlopen(f"{page}?seconds=2", timeout=30):
        yield
    with urllib.request.urlopen(f"{page}?seconds={pace}", timeout=30):
        pass


@pytest.mark.usefixtures("slow")
def test_an_account_that_an_interrupted_run_asked_for_is_not_made_twice(world: World, session: Session) -> None:
    world.apply([ORGANIZATION, ROOT, ONE, TWO])
    create_account(session)
    assert accounts(session) == []
    plan = world.plan(ALL)
    assert actions(plan, DEV.address) == {DEV.address: "update"}
    world.apply(ALL)
    assert len(accounts(session)) == 1
    assert actions(world.plan(ALL)) == {}


def test_an_account_made_but_not_moved_is_moved(world: World, session: Session) -> None:
    world.apply(ALL)
    (dev,) = accounts(session)
    root = session.pages("organizations", "list_roots", "Roots")[0]["Id"]
    unit = session.pages("organizations", "list_parents", "Parents", ChildId=dev["Id"])[0]["Id"]
    session.call("organizations", "move_account", AccountId=dev["Id"], SourceParentId=unit, DestinationParentId=root)
    plan = world.plan(ALL)
    assert [(change.address, change.changed) for change in plan.changing] == [(DEV.address, ("parent_id",))]


def test_somebody_elses_account_is_taken_over_only_with_consent(world: World, session: Session) -> None:
    world.apply([ORGANIZATION, ROOT, ONE, TWO])
    create_account(session, Tags=[{"Key": "innovate:stack", "Value": "other"}])
    while not accounts(session):
        pass
    assert "belongs to something of stack 'other'" in world.plan(ALL).problems[0]
    session.call("organizations", "untag_resource", ResourceId=accounts(session)[0]["Id"], TagKeys=["innovate:stack"])
    assert "add the address to `adopt`" in world.plan(ALL).problems[0]
    adopted = world.plan(ALL, adopt=(DEV.address,))
    assert (adopted.problems, actions(adopted, DEV.address)) == ((), {DEV.address: "adopt"})


def test_an_account_that_is_no_longer_declared_is_kept_and_said_so(world: World) -> None:
    world.apply(ALL)
    without = [resource for resource in ALL if resource is not DEV]
    # As the module does, which always looks at all its kinds.
    other = Resource("organization_account", "new", {"account_name": "new", "email": "aws+new@example.com"})
    assert actions(world.plan([*without, other])) == {other.address: "create", DEV.address: "keep"}


def test_an_attachment_made_by_hand_is_taken_away(world: World, session: Session) -> None:
    outcome = world.apply(ALL)
    policy, unit = (outcome.observed[address].id for address in (POLICY.address, TWO.address))
    session.call("organizations", "attach_policy", PolicyId=policy, TargetId=unit)
    assert actions(world.plan(ALL)) == {f"organization_policy_attachment.deny@Two ({unit})": "delete"}


def test_a_closed_accounts_address_is_refused_before_anything_changes(world: World) -> None:
    world.apply(ALL)
    world.apply(ALL, absent=True, allow_destroy=("*",))
    with pytest.raises(EngineError, match=r"aws\+dev@example.com is that of account \d+, which is closed"):
        world.apply(ALL)


def test_an_address_in_use_elsewhere_ends_with_a_sentence(world: World, session: Session) -> None:
    world.apply(ALL)
    kind = KINDS["organization_account"]
    asked = kind.create(session, Wanted(DEV.address, {"account_name": "two", "email": "aws+dev@example.com"}, {}), "")

    def wait() -> None:
        while not kind.ready(session, asked):
            pass

    with pytest.raises(EngineError, match=r"EMAIL_ALREADY_EXISTS.*belongs to another AWS account"):
        wait()


def test_another_address_for_an_account_is_refused(world: World) -> None:
    world.apply(ALL)
    changed = Resource(DEV.kind, DEV.name, {**DEV.properties, "email": "aws+other@example.com"})
    plan = world.plan([changed if resource is DEV else resource for resource in ALL])
    assert "a person has to change it" in plan.problems[0]
    assert "replace" not in actions(plan).values()


def test_a_member_account_is_told_which_account_manages_it(world: World, session: Session) -> None:
    member = world.apply(ALL).observed[DEV.address].id
    role = f"arn:aws:iam::{member}:role/OrganizationAccountAccessRole"
    credentials = session.call("sts", "assume_role", RoleArn=role, RoleSessionName="test")["Credentials"]

    def connect(service: str, region: str) -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=session.client("sts").meta.endpoint_url,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )

    theirs = World(Session(connect, member, "eu-central-1", "aws"), KINDS, "organization")
    with pytest.raises(
        EngineError, match=r"is a member of organization o-.*, whose management account is 123456789012"
    ):
        theirs.plan([ORGANIZATION])


def test_what_others_use_is_taken_away_only_with_consent(world: World, session: Session) -> None:
    world.apply(ALL)
    root = session.call("organizations", "list_roots")["Roots"][0]["Id"]
    session.call("organizations", "enable_policy_type", RootId=root, PolicyType="BACKUP_POLICY")
    session.call("organizations", "enable_aws_service_access", ServicePrincipal="backup.amazonaws.com")
    exact = {
        "organization": {"service_access_principals": ["cloudtrail.amazonaws.com"]},
        "organization_root": {"policy_types": ["SERVICE_CONTROL_POLICY"]},
    }
    declared = [
        Resource(item.kind, item.name, {**item.properties, **exact.get(item.kind, {})}, item.depends_on) for item in ALL
    ]
    refused = "\n".join(world.plan(declared).problems)
    assert "it takes trusted access from account.amazonaws.com, backup.amazonaws.com" in refused
    assert "it disables BACKUP_POLICY, TAG_POLICY" in refused
    assert world.plan(declared, allow_destroy=("organization*",)).problems == ()
