# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each guard rail is tried by requests: what it denies, and what it leaves alone. IAM's rules are the emulator's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, transform
from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._kinds._policies import policy_problems
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from ansible_collections.innovate.platform.plugins.module_utils._organization.guard_rails import (
    GUARD_RAILS,
    MOST_CHARACTERS,
    RCP,
    SCP,
    Group,
    GuardRail,
    Settings,
    filled,
    merged,
    placeholders,
    size,
)
from ansible_collections.innovate.platform.plugins.module_utils._organization.structure import (
    Account,
    Policy,
    Structure,
    organization_resources,
)
from rehearsal.emulator.iam_policies import Caller, Policies, Request, arn_like, decide
from rehearsal.emulator.iam_policies import Policy as Document

ORGANIZATION = "o-abc1234567"
ACCOUNT = "111111111111"
ADMINISTRATOR = "arn:*:iam::*:role/OrganizationAccountAccessRole"
SETTINGS = Settings(["eu-central-1", "us-east-1"], [ADMINISTRATOR, "arn:*:iam::*:role/innovate-deploy"])
EVERYTHING = Document({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
ALL_BUT_CLOSED = [name for name in GUARD_RAILS if name != "deny-all"]


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


DEVELOPER = role("aws-reserved/sso.amazonaws.com/AWSReservedSSO_Developer_0123456789abcdef")
PLATFORM = role("OrganizationAccountAccessRole")
# Nobody looks after the platform by these, though they are its own.
NODE = role("innovate/eks-dev/dev-node")
READER = role("innovate-drift")
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


@dataclass(frozen=True)
class Ask:
    """A request of somebody; ``keys`` are the condition keys beside the usual ones."""

    action: str
    resource: str = "*"
    who: str = DEVELOPER
    region: str = "eu-central-1"
    keys: dict[str, Any] = field(default_factory=dict)

    def request(self) -> Request:
        usual = {
            "aws:PrincipalArn": self.who,
            "aws:RequestedRegion": self.region,
            "aws:PrincipalOrgID": ORGANIZATION,
            "aws:PrincipalIsAWSService": "false",
            "aws:SecureTransport": "true",
        }
        return Request(self.action, self.resource, {**usual, **self.keys})


def allowed(ask: Ask, documents: Sequence[tuple[str, Any]]) -> bool:
    """Tell whether an administrator of an account may do something under policies of the organization."""
    known = [
        (kind, transform(content, lambda leaf: ORGANIZATION if isinstance(leaf, Ref) else leaf))
        for kind, content in documents
    ]
    controls = [Document(content) for kind, content in known if kind == SCP]
    # A resource control policy is to a request what a statement of the resource's own policy would be.
    statements = [item for kind, content in known if kind == RCP for item in content["Statement"]]
    policies = Policies(
        identity=[EVERYTHING],
        service_control=[[EVERYTHING, *controls]],
        resource=Document({"Statement": statements}) if statements else None,
    )
    return decide(ask.request(), policies, Caller((ask.who,), ACCOUNT)).allowed


def alone(name: str) -> list[tuple[str, Any]]:
    return [(GUARD_RAILS[name].type, {"Statement": filled(GUARD_RAILS[name], SETTINGS)})]


def together(names: Sequence[str]) -> list[tuple[str, Any]]:
    return [(policy.type, policy.content) for policy in merged(Group("all", names), SETTINGS)]


INSTANCE = "arn:aws:ec2:eu-central-1:111111111111:instance/*"
VOLUME = "arn:aws:ec2:eu-central-1:111111111111:volume/*"
OBJECT = "arn:aws:s3:::innovate-data/object"
NEW = {"ec2:MetadataHttpTokens": "required", "ec2:RoleDelivery": "2.0"}
SSE_C = {"s3:x-amz-server-side-encryption-customer-algorithm": "AES256"}
STRANGER = {"aws:PrincipalOrgID": "o-stranger00"}
OURS = {"aws:TagKeys": ["innovate:stack"]}

#: By guard rail: what it denies, and what it leaves alone.
CASES: dict[str, tuple[list[Ask], list[Ask]]] = {
    "deny-all": ([Ask("s3:GetObject", OBJECT), Ask("iam:CreateUser", who=PLATFORM)], []),
    "deny-root-user": (
        [Ask("s3:GetObject", OBJECT, ROOT), Ask("iam:CreateAccessKey", ROOT, ROOT)],
        [
            Ask("s3:GetObject", OBJECT),
            # A root session of the management account, for one task.
            Ask("s3:DeleteBucketPolicy", OBJECT, ROOT, keys={"aws:AssumedRoot": "true"}),
        ],
    ),
    "stay-in-organization": (
        [Ask("organizations:LeaveOrganization"), Ask("account:CloseAccount", who=PLATFORM)],
        [Ask("organizations:DescribeOrganization"), Ask("account:PutContactInformation")],
    ),
    "keep-cloudtrail": (
        [Ask("cloudtrail:StopLogging"), Ask("cloudtrail:DeleteTrail"), Ask("cloudtrail:PutEventSelectors")],
        [Ask("cloudtrail:LookupEvents"), Ask("cloudtrail:StopLogging", who=PLATFORM), Ask("cloudtrail:CreateTrail")],
    ),
    "keep-config": (
        [Ask("config:StopConfigurationRecorder"), Ask("config:DeleteDeliveryChannel")],
        [Ask("config:DescribeConfigurationRecorders"), Ask("config:PutConfigurationRecorder", who=PLATFORM)],
    ),
    "keep-guardduty": (
        [Ask("guardduty:DeleteDetector"), Ask("guardduty:UpdateDetector"), Ask("guardduty:CreateIPSet")],
        [Ask("guardduty:ListFindings"), Ask("guardduty:UpdateDetector", who=role("innovate-deploy"))],
    ),
    "keep-security-hub": (
        [Ask("securityhub:DisableSecurityHub"), Ask("securityhub:UpdateStandardsControl")],
        [Ask("securityhub:BatchUpdateFindings"), Ask("securityhub:DisableSecurityHub", who=PLATFORM)],
    ),
    "keep-access-analyzer": (
        [Ask("access-analyzer:DeleteAnalyzer"), Ask("access-analyzer:CreateArchiveRule")],
        [Ask("access-analyzer:ListFindings"), Ask("access-analyzer:DeleteAnalyzer", who=PLATFORM)],
    ),
    "allowed-regions": (
        [
            Ask("ec2:RunInstances", INSTANCE, region="ap-south-1", keys=NEW),
            # Nobody works there, the platform no more than others.
            Ask("s3:CreateBucket", OBJECT, PLATFORM, region="eu-west-3"),
        ],
        [
            Ask("ec2:RunInstances", INSTANCE, keys=NEW),
            Ask("iam:GetRole", region="us-west-2"),
            Ask("route53:ListHostedZones", region="us-west-2"),
            Ask("sts:AssumeRole", region="eu-west-3"),
            Ask("ec2:DescribeRegions", region="ap-south-1"),
        ],
    ),
    "imdsv2": (
        [
            Ask("ec2:RunInstances", INSTANCE),
            Ask("ec2:RunInstances", INSTANCE, PLATFORM, keys={"ec2:MetadataHttpTokens": "optional"}),
            Ask("ec2:ModifyInstanceMetadataOptions", keys={"ec2:Attribute/HttpTokens": "optional"}),
            Ask("ec2:ModifyInstanceMetadataDefaults"),
            Ask("s3:GetObject", OBJECT, role("node"), keys={"ec2:RoleDelivery": "1.0"}),
        ],
        [
            Ask("ec2:RunInstances", INSTANCE, keys=NEW),
            Ask("ec2:RunInstances", VOLUME, keys={"ec2:Encrypted": "true"}),
            Ask("ec2:ModifyInstanceMetadataOptions", keys={"ec2:Attribute/HttpTokens": "required"}),
            Ask("ec2:ModifyInstanceMetadataOptions", keys={"ec2:Attribute/HttpPutResponseHopLimit": "2"}),
            Ask("ec2:ModifyInstanceMetadataDefaults", who=PLATFORM),
            Ask("s3:GetObject", OBJECT, role("node"), keys={"ec2:RoleDelivery": "2.0"}),
            Ask("s3:GetObject", OBJECT),
        ],
    ),
    "encrypt-ebs": (
        [
            Ask("ec2:CreateVolume", VOLUME, keys={"ec2:Encrypted": "false"}),
            Ask("ec2:RunInstances", VOLUME, PLATFORM, keys={"ec2:Encrypted": "false"}),
            Ask("ec2:DisableEbsEncryptionByDefault"),
        ],
        [
            Ask("ec2:CreateVolume", VOLUME, keys={"ec2:Encrypted": "true"}),
            Ask("ec2:DisableEbsEncryptionByDefault", who=PLATFORM),
        ],
    ),
    "encrypt-s3": (
        [Ask("s3:PutObject", OBJECT, keys=SSE_C), Ask("s3:PutEncryptionConfiguration", OBJECT)],
        [Ask("s3:PutObject", OBJECT), Ask("s3:GetObject", OBJECT), Ask("s3:PutEncryptionConfiguration", who=PLATFORM)],
    ),
    "no-public-s3": (
        [
            Ask("s3:PutBucketPublicAccessBlock", OBJECT),
            Ask("s3:PutAccountPublicAccessBlock"),
            Ask("s3:PutObjectAcl", OBJECT, keys={"s3:x-amz-acl": "public-read"}),
            Ask("s3:CreateBucket", OBJECT, PLATFORM, keys={"s3:x-amz-acl": "public-read-write"}),
        ],
        [
            Ask("s3:PutBucketPublicAccessBlock", OBJECT, PLATFORM),
            Ask("s3:PutObject", OBJECT, keys={"s3:x-amz-acl": "bucket-owner-full-control"}),
            Ask("s3:CreateBucket", OBJECT),
        ],
    ),
    "no-public-images": (
        [
            Ask("ec2:ModifySnapshotAttribute", keys={"ec2:Add/group": "all"}),
            Ask("ec2:ModifyImageAttribute", who=PLATFORM, keys={"ec2:Add/group": "all"}),
            Ask("rds:ModifyDBSnapshotAttribute"),
            Ask("ec2:DisableSnapshotBlockPublicAccess"),
        ],
        [
            Ask("ec2:ModifySnapshotAttribute", keys={"ec2:Add/userId": "222222222222"}),
            Ask("ec2:CreateSnapshot"),
            Ask("rds:ModifyDBSnapshotAttribute", who=PLATFORM),
        ],
    ),
    "protect-platform-roles": (
        [
            Ask("iam:UpdateAssumeRolePolicy", role("OrganizationAccountAccessRole")),
            Ask("iam:AttachRolePolicy", role("innovate/deploy")),
            Ask("iam:CreateRole", role("innovate/mine")),
            Ask("iam:UpdateAssumeRolePolicy", role("OrganizationAccountAccessRole"), NODE),
            Ask("iam:PutRolePolicy", NODE, NODE),
            Ask("iam:AttachRolePolicy", READER, READER),
        ],
        [
            Ask("iam:AttachRolePolicy", role("application")),
            Ask("iam:UpdateAssumeRolePolicy", role("innovate/deploy"), PLATFORM),
            Ask("iam:CreateRole", NODE, role("innovate-deploy")),
            Ask("iam:GetRole", role("OrganizationAccountAccessRole")),
        ],
    ),
    "protect-platform-tags": (
        [
            Ask("ec2:DeleteTags", keys=OURS),
            Ask("ec2:CreateTags", keys={"aws:TagKeys": ["Name", "innovate:address"]}),
            Ask("rds:RemoveTagsFromResource", keys=OURS),
        ],
        [
            Ask("ec2:CreateTags", keys={"aws:TagKeys": ["Name", "team"]}),
            Ask("ec2:CreateTags", who=PLATFORM, keys=OURS),
            Ask("ec2:CreateTags", who=NODE, keys=OURS),
            Ask("ec2:DeleteTags"),
        ],
    ),
    "no-iam-users": (
        [Ask("iam:CreateUser"), Ask("iam:CreateAccessKey", who=PLATFORM), Ask("iam:CreateLoginProfile")],
        [Ask("iam:CreateRole", role("application")), Ask("iam:DeleteAccessKey"), Ask("iam:ListUsers")],
    ),
    "encrypt-in-transit": (
        [
            Ask("s3:GetObject", OBJECT, keys={"aws:SecureTransport": "false"}),
            Ask("sqs:SendMessage", who=PLATFORM, keys={"aws:SecureTransport": "false"}),
        ],
        [Ask("s3:GetObject", OBJECT), Ask("ec2:DescribeVpcs", keys={"aws:SecureTransport": "false"})],
    ),
    "own-organization-only": (
        [
            Ask("s3:GetObject", OBJECT, "arn:aws:iam::999999999999:role/stranger", keys=STRANGER),
            Ask("kms:Decrypt", who="anonymous", keys={"aws:PrincipalOrgID": None, "aws:PrincipalIsAWSService": None}),
        ],
        [
            Ask("s3:GetObject", OBJECT),
            Ask("s3:PutObject", OBJECT, "", keys={"aws:PrincipalOrgID": None, "aws:PrincipalIsAWSService": "true"}),
            # Whoever comes by OIDC has no organization before it has a role.
            Ask("sts:AssumeRoleWithWebIdentity", keys=STRANGER),
        ],
    ),
}
DENIED = [(name, ask) for name, (denied, _left) in CASES.items() for ask in denied]
LEFT = [(name, ask) for name, (_denied, left) in CASES.items() for ask in left]


def shown(case: Any) -> str:
    return case if isinstance(case, str) else f"{case.action}-{case.who.rpartition('/')[2][:20]}"


def test_every_guard_rail_is_tried() -> None:
    assert set(CASES) == set(GUARD_RAILS)
    assert all(denied for denied, _left in CASES.values())
    assert all(left for name, (_denied, left) in CASES.items() if name != "deny-all")


@pytest.mark.parametrize(("name", "ask"), DENIED, ids=shown)
def test_it_denies(name: str, ask: Ask) -> None:
    assert allowed(ask, []), "it would be denied anyway"
    assert not allowed(ask, alone(name))


@pytest.mark.parametrize(("name", "ask"), LEFT, ids=shown)
def test_it_leaves_alone(name: str, ask: Ask) -> None:
    assert allowed(ask, alone(name))


@pytest.mark.parametrize(("name", "ask"), DENIED, ids=shown)
def test_merged_they_deny_the_same(name: str, ask: Ask) -> None:
    assert not allowed(ask, together([*ALL_BUT_CLOSED, name]))


def test_merged_they_leave_the_same_alone() -> None:
    for _name, ask in LEFT:
        assert allowed(ask, together(ALL_BUT_CLOSED)) is all(allowed(ask, alone(name)) for name in ALL_BUT_CLOSED), ask


@pytest.mark.parametrize("rail", GUARD_RAILS.values(), ids=lambda rail: rail.name)
def test_it_is_well_formed_and_says_why(rail: GuardRail) -> None:
    statements = filled(rail, SETTINGS)
    assert policy_problems("it", {"Version": "2012-10-17", "Statement": statements}) == []
    assert rail.reason.endswith(".")
    assert len(rail.reason.split()) >= 8
    assert {item["Effect"] for item in statements} == {"Deny"}
    assert all(("Principal" in item) is (rail.type == RCP) for item in statements)
    assert "<" not in json.dumps(statements, default=str)
    # Wildcards at the end of an action only: all that service control policies took until 2025, and enough.
    named = [action for item in statements for action in _list(item.get("Action", item.get("NotAction")))]
    assert all("*" not in action[:-1] for action in named)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_all_of_them_need_few_policies() -> None:
    policies = merged(Group("all", list(GUARD_RAILS)), SETTINGS)
    assert [policy.name for policy in policies] == ["all", "all-2", "all-resources"]
    assert all(size(policy.content) <= MOST_CHARACTERS for policy in policies)
    rails = [name for policy in policies for name in policy.description.split(", ")]
    assert sorted(rails) == sorted(GUARD_RAILS)


@pytest.mark.parametrize("name", [name for name in GUARD_RAILS if name.startswith("keep-")])
def test_what_a_node_or_a_workload_runs_as_switches_nothing_off(name: str) -> None:
    denied = [
        replace(Ask(action), who=who) for action in GUARD_RAILS[name].statements[0]["Action"] for who in (NODE, READER)
    ]
    assert [ask for ask in denied if allowed(ask, together(ALL_BUT_CLOSED))] == []


def test_the_roles_defaults_let_no_role_through_that_workloads_have() -> None:
    path = Path(__file__).parents[2] / "roles/organization/defaults/main.yml"
    patterns = yaml.safe_load(path.read_text())["organization_guard_rail_platform_roles"]
    assert patterns
    assert not [pattern for pattern in patterns for who in (NODE, READER, DEVELOPER) if arn_like(pattern, who)]


def test_the_order_in_which_they_are_named_means_nothing() -> None:
    names = list(GUARD_RAILS)
    assert merged(Group("all", names), SETTINGS) == merged(Group("all", [*reversed(names), names[0]]), SETTINGS)


def test_which_settings_they_need() -> None:
    assert placeholders(["stay-in-organization", "no-iam-users"]) == set()
    assert placeholders(["allowed-regions"]) == {"<regions>"}
    assert placeholders(["keep-config", "own-organization-only"]) == {"<platform>", "<organization>"}


# ---- in the declaration of an organization

GOOD = Structure(
    units=["Workloads/Prod", "Suspended"],
    accounts=[Account("prod", "aws+prod@example.com", "Workloads/Prod")],
    policy_types=[SCP, RCP],
    guard_rails=[
        Group("everywhere", ["stay-in-organization", "keep-cloudtrail", "own-organization-only"], ["Workloads"]),
        Group("production", ["no-iam-users", "allowed-regions"], ["Workloads/Prod"]),
        Group("suspended", ["deny-all"], ["Suspended"]),
    ],
    settings=SETTINGS,
)


def problems(structure: Structure) -> list[str]:
    resources, found, _outputs = organization_resources(structure)
    return [*found, *validate(resources, KINDS)]


def group(**changes: Any) -> dict[str, Any]:
    return {"guard_rails": [replace(GOOD.guard_rails[0], **changes)]}


def test_guard_rails_become_policies_and_attachments() -> None:
    resources, found, outputs = organization_resources(GOOD)
    assert found == []
    assert problems(GOOD) == []
    addresses = [resource.address for resource in resources]
    for address in (
        "organization_policy.everywhere",
        "organization_policy.everywhere-resources",
        "organization_policy.production",
        "organization_policy_attachment.suspended@Suspended",
        "organization_policy_attachment.everywhere-resources@Workloads",
    ):
        assert address in addresses
    assert set(outputs["policy_ids"]) == {"everywhere", "everywhere-resources", "production", "suspended"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (group(rails=["keep-cloudtrails"]), "the library has no 'keep-cloudtrails': did you mean 'keep-cloudtrail'?"),
        (group(rails=["x"]), "the library has no 'x': it has deny-all, deny-root-user"),
        (group(rails=[]), "guard rails 'everywhere': none is named"),
        (group(targets=[]), "guard rails 'everywhere': they are attached to nothing"),
        (group(rails=["deny-all", "deny-all"]), "'deny-all' is listed 2 times"),
        (
            group(targets=["Workload"]),
            "target 'Workload' is neither root nor a unit's path nor an account: did you mean",
        ),
        (group(targets=["prod", "prod"]), "target 'prod' is listed 2 times"),
        (group(name="a;b"), "'a;b' has characters other than"),
        (
            {"guard_rails": [*GOOD.guard_rails, GOOD.guard_rails[0]]},
            "group of guard rails 'everywhere' is listed 2 times",
        ),
        (
            {"guard_rails": [*GOOD.guard_rails, Group("again", ["keep-cloudtrail"], ["Workloads"])]},
            "guard rail 'keep-cloudtrail' comes to 'Workloads' by everywhere and again: once is enough",
        ),
        (
            {"policies": [Policy("everywhere", SCP, {"Statement": filled(GUARD_RAILS["deny-all"], SETTINGS)})]},
            "policy 'everywhere' is listed 2 times",
        ),
        ({"policy_types": [SCP]}, "'everywhere-resources' is attached, but RESOURCE_CONTROL_POLICY is not among"),
        ({"settings": replace(SETTINGS, regions=[])}, "needs the Regions in use: name them in guard_rail_regions"),
        ({"settings": replace(SETTINGS, platform_roles=[])}, "name the roles in guard_rail_platform_roles"),
        ({"settings": replace(SETTINGS, regions=["Frankfurt"])}, "'Frankfurt' is no Region such as eu-central-1"),
        ({"settings": replace(SETTINGS, platform_roles=["Admin"])}, "'Admin' is no pattern such as arn:*:iam::*:role/"),
        ({"settings": replace(SETTINGS, platform_roles=["arn:*:iam::*:role/*"])}, "lets everybody through"),
        (
            {
                "guard_rails": [
                    Group(f"g{number}", [name], ["Workloads"])
                    for number, name in enumerate(
                        ["deny-root-user", "encrypt-s3", "imdsv2", "keep-config", "no-iam-users"]
                    )
                ]
            },
            "5 policies of the type SERVICE_CONTROL_POLICY (g0, g1, g2, g3, g4), AWS allows 4 beside FullAWSAccess",
        ),
        (
            {
                "policies": [Policy(f"p{n}", "AISERVICES_OPT_OUT_POLICY", {}, targets=["prod"]) for n in range(6)],
                "policy_types": None,
            },
            "'prod' would have 6 policies of the type AISERVICES_OPT_OUT_POLICY (p0, p1, p2, p3, p4, p5), AWS allows 5",
        ),
    ],
)
def test_a_mistake_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    found = problems(replace(GOOD, **changes))
    assert [problem for problem in found if sentence in problem], found


def test_all_mistakes_are_told_at_once() -> None:
    wrong = replace(
        GOOD, settings=Settings(), guard_rails=[Group("a", ["x"], []), Group("b", ["allowed-regions"], ["y"])]
    )
    assert len(problems(wrong)) == 4
