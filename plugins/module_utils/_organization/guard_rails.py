# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A library of guard rails: what nobody in an account may do, whatever its own policies allow.

Each is data: a name, a sentence that says why, the policy type that it needs, and statements. ``PLATFORM`` among the
values of a condition stands for the principals that look after the platform, ``REGIONS`` for the Regions that are in
use, ``ORGANIZATION`` for the organization's id. Statements deny only: what is allowed is for the policies of accounts.

https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_syntax.html
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._engine.resource import Ref, leaves, transform
from .._kinds._policies import document

SCP = "SERVICE_CONTROL_POLICY"
RCP = "RESOURCE_CONTROL_POLICY"
MOST_CHARACTERS = 5120
"""Of a service or resource control policy, without spaces
(https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html)."""

PLATFORM, REGIONS, ORGANIZATION = "<platform>", "<regions>", "<organization>"
ORGANIZATION_ID = Ref("organization.main")
_ID_LENGTH = len("o-") + 32
"""The longest id of an organization, of which a plan from nothing doesn't know the real one."""

Statement = Mapping[str, Any]

_OWN_ROLES = ["arn:*:iam::*:role/innovate/*", "arn:*:iam::*:role/innovate-*"]
"""Roles that the platform makes: of nodes, controllers and workloads as well. They are protected, and give their
things the platform's tags; of those who look after the platform they are no part."""
_BUT_PLATFORM = {"ArnNotLike": {"aws:PrincipalArn": [PLATFORM]}}
#: What has no Region, or its home in one: a call to it seems to come from us-east-1 or us-west-2.
_GLOBAL = (
    "account:*",
    "aws-portal:*",
    "billing:*",
    "budgets:*",
    "ce:*",
    "cloudfront:*",
    "cloudtrail:LookupEvents",
    "consolidatedbilling:*",
    "cur:*",
    "ec2:DescribeRegions",
    "ecr-public:*",
    "freetier:*",
    "globalaccelerator:*",
    "health:*",
    "iam:*",
    "invoicing:*",
    "networkmanager:*",
    "notifications:*",
    "organizations:*",
    "payments:*",
    "pricing:*",
    "resource-explorer-2:*",
    "route53:*",
    "route53domains:*",
    "s3:GetAccountPublicAccessBlock",
    "s3:ListAllMyBuckets",
    "s3:PutAccountPublicAccessBlock",
    "savingsplans:*",
    "servicequotas:*",
    "shield:*",
    "sso:*",
    "sts:*",
    "support:*",
    "sustainability:*",
    "tax:*",
    "trustedadvisor:*",
    "waf:*",
    "wafv2:*",
)


@dataclass(frozen=True)
class GuardRail:
    """One guard rail.

    :param reason: a sentence for people: what would happen without it.
    :param statements: of a policy; without ``Sid``, and without ``Effect``, which is Deny.
    """

    name: str
    reason: str
    statements: Sequence[Statement]
    type: str = SCP


def _deny(action: str | Sequence[str], *, but_platform: bool = False, **more: Any) -> Statement:
    actions = [action] if isinstance(action, str) else list(action)
    condition = {"Condition": _BUT_PLATFORM} if but_platform else {}
    return {"Action": actions, "Resource": "*", **condition, **more}


GUARD_RAILS: Mapping[str, GuardRail] = {
    rail.name: rail
    for rail in (
        GuardRail(
            "deny-all",
            "An account that is to be closed, or of which nobody knows who is in it, does nothing at all.",
            [_deny("*")],
        ),
        GuardRail(
            "deny-root-user",
            "The root user can't be bounded by policies of its account and has no name in logs; what needs it is done "
            "by root sessions of the management account, which last minutes and do one task.",
            [
                _deny(
                    "*",
                    Condition={
                        "ArnLike": {"aws:PrincipalArn": ["arn:*:iam::*:root"]},
                        "Null": {"aws:AssumedRoot": ["true"]},
                    },
                )
            ],
        ),
        GuardRail(
            "stay-in-organization",
            "Who has taken an account over would first take it out of reach of all that is below.",
            [_deny(["account:CloseAccount", "organizations:LeaveOrganization"])],
        ),
        GuardRail(
            "keep-cloudtrail",
            "Without the trail nobody can say afterwards what happened.",
            [
                _deny(
                    [
                        "cloudtrail:DeleteTrail",
                        "cloudtrail:PutEventSelectors",
                        "cloudtrail:PutInsightSelectors",
                        "cloudtrail:StopLogging",
                        "cloudtrail:UpdateTrail",
                    ],
                    but_platform=True,
                )
            ],
        ),
        GuardRail(
            "keep-config",
            "What an account looked like at some time is known from its recorder only.",
            [
                _deny(
                    [
                        "config:DeleteAggregationAuthorization",
                        "config:DeleteConfigurationRecorder",
                        "config:DeleteDeliveryChannel",
                        "config:PutConfigurationRecorder",
                        "config:PutDeliveryChannel",
                        "config:StopConfigurationRecorder",
                    ],
                    but_platform=True,
                )
            ],
        ),
        GuardRail(
            "keep-guardduty",
            "An attacker's first step is to switch off what watches.",
            [
                _deny(
                    [
                        "guardduty:CreateFilter",
                        "guardduty:CreateIPSet",
                        "guardduty:DeleteDetector",
                        "guardduty:DeleteMembers",
                        "guardduty:DisassociateFromAdministratorAccount",
                        "guardduty:DisassociateFromMasterAccount",
                        "guardduty:DisassociateMembers",
                        "guardduty:StopMonitoringMembers",
                        "guardduty:UpdateDetector",
                    ],
                    but_platform=True,
                )
            ],
        ),
        GuardRail(
            "keep-security-hub",
            "Findings that nobody sees are as good as none.",
            [
                _deny(
                    [
                        "securityhub:BatchDisableStandards",
                        "securityhub:DeleteFindingAggregator",
                        "securityhub:DeleteMembers",
                        "securityhub:DisableSecurityHub",
                        "securityhub:DisassociateFromAdministratorAccount",
                        "securityhub:DisassociateMembers",
                        "securityhub:UpdateStandardsControl",
                    ],
                    but_platform=True,
                )
            ],
        ),
        GuardRail(
            "keep-access-analyzer",
            "What others get at is found by it alone; an archive rule makes a finding disappear.",
            [
                _deny(
                    [
                        "access-analyzer:CreateArchiveRule",
                        "access-analyzer:DeleteAnalyzer",
                        "access-analyzer:UpdateAnalyzer",
                    ],
                    but_platform=True,
                )
            ],
        ),
        GuardRail(
            "allowed-regions",
            "In Regions that nobody looks at, what is stolen is run and what is forgotten is paid for.",
            [
                {
                    "NotAction": list(_GLOBAL),
                    "Resource": "*",
                    "Condition": {"StringNotEquals": {"aws:RequestedRegion": [REGIONS]}},
                }
            ],
        ),
        GuardRail(
            "imdsv2",
            "By version 1 of the metadata service a request forged through an application reads a role's credentials.",
            [
                _deny(
                    "ec2:RunInstances",
                    Resource="arn:*:ec2:*:*:instance/*",
                    Condition={"StringNotEquals": {"ec2:MetadataHttpTokens": ["required"]}},
                ),
                _deny(
                    "ec2:ModifyInstanceMetadataOptions",
                    # Other attributes, such as the hop limit, are changed without a word about tokens.
                    Condition={"StringEquals": {"ec2:Attribute/HttpTokens": ["optional"]}},
                ),
                _deny(
                    ["ec2:ModifyInstanceMetadataDefaults"],
                    but_platform=True,
                ),
                _deny("*", Condition={"NumericLessThan": {"ec2:RoleDelivery": ["2.0"]}}),
            ],
        ),
        GuardRail(
            "encrypt-ebs",
            "A volume that isn't encrypted stays so, and so does each snapshot of it.",
            [
                _deny(
                    ["ec2:CreateVolume", "ec2:RunInstances"],
                    Resource="arn:*:ec2:*:*:volume/*",
                    Condition={"Bool": {"ec2:Encrypted": ["false"]}},
                ),
                _deny(["ec2:DisableEbsEncryptionByDefault", "ec2:ModifyEbsDefaultKmsKeyId"], but_platform=True),
            ],
        ),
        GuardRail(
            "encrypt-s3",
            "Objects under a key that only the caller has are how buckets are held to ransom.",
            [
                _deny(
                    "s3:PutObject",
                    Condition={"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": ["false"]}},
                ),
                _deny("s3:PutEncryptionConfiguration", but_platform=True),
            ],
        ),
        GuardRail(
            "no-public-s3",
            "A bucket that everybody reads is the most common way in which data get lost.",
            [
                _deny(["s3:PutAccountPublicAccessBlock", "s3:PutBucketPublicAccessBlock"], but_platform=True),
                _deny(
                    ["s3:CreateBucket", "s3:PutBucketAcl", "s3:PutObject", "s3:PutObjectAcl"],
                    Condition={
                        "StringEquals": {"s3:x-amz-acl": ["authenticated-read", "public-read", "public-read-write"]}
                    },
                ),
            ],
        ),
        GuardRail(
            "no-public-images",
            "An image or a snapshot that is shared with everybody is copied within minutes, with all that is on it.",
            [
                _deny(
                    ["ec2:ModifyImageAttribute", "ec2:ModifySnapshotAttribute"],
                    Condition={"StringEquals": {"ec2:Add/group": ["all"]}},
                ),
                _deny(
                    [
                        "ec2:DisableImageBlockPublicAccess",
                        "ec2:DisableSnapshotBlockPublicAccess",
                        "rds:ModifyDBClusterSnapshotAttribute",
                        "rds:ModifyDBSnapshotAttribute",
                        "ssm:ModifyDocumentPermission",
                    ],
                    but_platform=True,
                ),
            ],
        ),
        GuardRail(
            "protect-platform-roles",
            "Who may change the role that looks after an account has that role's rights.",
            [
                _deny(
                    [
                        "iam:AttachRolePolicy",
                        "iam:CreateRole",
                        "iam:DeleteRole",
                        "iam:DeleteRolePermissionsBoundary",
                        "iam:DeleteRolePolicy",
                        "iam:DetachRolePolicy",
                        "iam:PutRolePermissionsBoundary",
                        "iam:PutRolePolicy",
                        "iam:TagRole",
                        "iam:UntagRole",
                        "iam:UpdateAssumeRolePolicy",
                        "iam:UpdateRole",
                        "iam:UpdateRoleDescription",
                    ],
                    but_platform=True,
                    Resource=[PLATFORM, *_OWN_ROLES],
                )
            ],
        ),
        GuardRail(
            "protect-platform-tags",
            "By its tags the platform knows what is its own: whoever changes them has it forget or delete things.",
            [
                _deny(
                    [
                        "ec2:CreateTags",
                        "ec2:DeleteTags",
                        "ecr:TagResource",
                        "ecr:UntagResource",
                        "eks:TagResource",
                        "eks:UntagResource",
                        "events:TagResource",
                        "events:UntagResource",
                        "iam:TagPolicy",
                        "iam:TagRole",
                        "iam:UntagPolicy",
                        "iam:UntagRole",
                        "kms:TagResource",
                        "kms:UntagResource",
                        "logs:TagResource",
                        "logs:UntagResource",
                        "rds:AddTagsToResource",
                        "rds:RemoveTagsFromResource",
                        "secretsmanager:TagResource",
                        "secretsmanager:UntagResource",
                        "sqs:TagQueue",
                        "sqs:UntagQueue",
                        "tag:TagResources",
                        "tag:UntagResources",
                    ],
                    Condition={
                        # Karpenter's controller tags what it starts.
                        "ArnNotLike": {"aws:PrincipalArn": [PLATFORM, *_OWN_ROLES]},
                        "ForAnyValue:StringLike": {"aws:TagKeys": ["innovate:*"]},
                    },
                )
            ],
        ),
        GuardRail(
            "no-iam-users",
            "Users of IAM have keys that last for ever; people come by Identity Center, programs by roles.",
            [
                _deny(
                    [
                        "iam:CreateAccessKey",
                        "iam:CreateLoginProfile",
                        "iam:CreateServiceSpecificCredential",
                        "iam:CreateUser",
                        "iam:UploadSigningCertificate",
                        "iam:UploadSSHPublicKey",
                    ]
                )
            ],
        ),
        GuardRail(
            "encrypt-in-transit",
            "What isn't sent by TLS can be read on its way.",
            [
                {
                    **_deny(["kms:*", "s3:*", "secretsmanager:*", "sqs:*", "sts:*"]),
                    "Principal": "*",
                    "Condition": {"BoolIfExists": {"aws:SecureTransport": ["false"]}},
                }
            ],
            RCP,
        ),
        GuardRail(
            "own-organization-only",
            "A policy of a bucket, a key, a queue or a secret that is too wide lets strangers in all the same.",
            [
                {
                    **_deny(["kms:*", "s3:*", "secretsmanager:*", "sqs:*"]),
                    "Principal": "*",
                    "Condition": {
                        "StringNotEqualsIfExists": {"aws:PrincipalOrgID": [ORGANIZATION]},
                        "BoolIfExists": {"aws:PrincipalIsAWSService": ["false"]},
                    },
                }
            ],
            RCP,
        ),
    )
}


@dataclass(frozen=True)
class Settings:
    """What the guard rails are filled in with.

    :param regions: names of the Regions in use.
    :param platform_roles: patterns of the ARNs of the roles that look after the platform; they are let through.
    """

    regions: Sequence[str] = ()
    platform_roles: Sequence[str] = ()


@dataclass(frozen=True)
class Group:
    """Guard rails that are attached to the same places.

    :param name: what their policies are called, with a number from the second on.
    """

    name: str
    rails: Sequence[str]
    targets: Sequence[str] = ()


@dataclass(frozen=True)
class Merged:
    """One policy of a group."""

    name: str
    type: str
    description: str
    content: Mapping[str, Any] = field(default_factory=dict)


def filled(rail: GuardRail, settings: Settings) -> list[dict[str, Any]]:
    """Return the statements of a guard rail, each with a ``Sid`` that says which one it is."""
    values: Mapping[str, Sequence[Any]] = {
        PLATFORM: list(settings.platform_roles),
        REGIONS: list(settings.regions),
        ORGANIZATION: [ORGANIZATION_ID],
    }

    def fill(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: fill(item) for name, item in value.items()}
        if isinstance(value, list):
            items = [item for one in value for item in values.get(one, [one])]
            return items[0] if len(items) == 1 else items
        return value

    sid = "".join(word.capitalize() for word in rail.name.split("-"))
    several = len(rail.statements) > 1
    return [
        {"Sid": f"{sid}{number}" if several else sid, "Effect": "Deny", **fill(statement)}
        for number, statement in enumerate(rail.statements, 1)
    ]


def size(content: Any) -> int:
    """Return how many characters of a policy count; an id that isn't known yet counts as the longest there is."""
    return len(document(transform(content, lambda leaf: "o" * _ID_LENGTH if isinstance(leaf, Ref) else leaf)))


def merged(group: Group, settings: Settings) -> list[Merged]:
    """Return the policies of a group, as few as the limit of their size allows; each guard rail is whole in one.

    Large ones first, each into the first policy that has room: what a group needs doesn't depend on the order in which
    it names its guard rails, and one that comes to it doesn't move the others about without need.
    """
    found: list[Merged] = []
    for kind in (SCP, RCP):
        known = [GUARD_RAILS[name] for name in dict.fromkeys(group.rails) if name in GUARD_RAILS]
        rails = [rail for rail in known if rail.type == kind]
        packs = _packed(rails, settings)
        for number, pack in enumerate(packs, 1):
            suffix = ("" if kind == SCP else "-resources") + (f"-{number}" if number > 1 else "")
            names = ", ".join(sorted(rail.name for rail in pack))
            found.append(Merged(f"{group.name}{suffix}", kind, names, _of(pack, settings)))
    return found


def _packed(rails: Iterable[GuardRail], settings: Settings) -> list[list[GuardRail]]:
    packs: list[list[GuardRail]] = []
    for rail in sorted(rails, key=lambda rail: (-size(_of([rail], settings)), rail.name)):
        room = next((pack for pack in packs if size(_of([*pack, rail], settings)) <= MOST_CHARACTERS), None)
        if room is None:
            packs.append([rail])
        else:
            room.append(rail)
    return packs


def _of(rails: Iterable[GuardRail], settings: Settings) -> dict[str, Any]:
    ordered = sorted(rails, key=lambda rail: rail.name)
    return {"Version": "2012-10-17", "Statement": [item for rail in ordered for item in filled(rail, settings)]}


def placeholders(rails: Iterable[str]) -> set[str]:
    """Return which of ``PLATFORM``, ``REGIONS`` and ``ORGANIZATION`` guard rails are filled in with."""
    statements = [GUARD_RAILS[name].statements for name in rails if name in GUARD_RAILS]
    return {leaf for leaf in leaves(statements) if leaf in (PLATFORM, REGIONS, ORGANIZATION)}
