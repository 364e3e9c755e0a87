# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS asks of a caller on the way to something else, which the emulator doesn't.

Services act with the caller's permissions. Each row joins the policies of every kind of accounts where its action was
recorded. Nothing of it is shown by the rehearsal: it is by AWS's documentation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tools.permissions.data import Use

_OWN_KEY = (("aws:ResourceTag/innovate:stack", ("*",)),)
_KEY = "arn:*:kms:*:*:key/*"
_SECRET = "arn:*:secretsmanager:*:*:secret:rds!*"
_SECRETS = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html"
_LINKED = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create-service-linked-role.html"


@dataclass(frozen=True)
class Companion:
    """What an action takes beside itself.

    :param source: the page that says so.
    """

    action: str
    needs: tuple[str, ...]
    resource: str
    source: str
    keys: tuple[tuple[str, tuple[str, ...]], ...] = ()


def _linked(action: str, service: str, source: str = _LINKED) -> Companion:
    role = f"arn:*:iam::*:role/aws-service-role/{service}/*"
    return Companion(action, ("iam:CreateServiceLinkedRole",), role, source, (("iam:AWSServiceName", (service,)),))


COMPANIONS = (
    *(
        item
        for action in ("rds:CreateDBInstance", "rds:ModifyDBInstance")
        for item in (
            Companion(
                action,
                ("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"),
                _KEY,
                _SECRETS,
                _OWN_KEY,
            ),
            Companion(action, ("secretsmanager:CreateSecret", "secretsmanager:TagResource"), _SECRET, _SECRETS),
        )
    ),
    Companion("rds:ModifyDBInstance", ("secretsmanager:RotateSecret",), _SECRET, _SECRETS),
    _linked("rds:CreateDBInstance", "rds.amazonaws.com"),
    *(
        Companion(
            "rds:DeleteDBInstance",
            ("rds:CreateDBSnapshot",),
            resource,
            "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonrds.html",
        )
        for resource in ("arn:*:rds:*:*:snapshot:*", "arn:*:rds:*:*:db:*")
    ),
    Companion(
        "eks:CreateCluster",
        ("kms:CreateGrant", "kms:DescribeKey"),
        _KEY,
        "https://docs.aws.amazon.com/eks/latest/userguide/enable-kms.html",
        _OWN_KEY,
    ),
    _linked(
        "eks:CreateCluster",
        "eks.amazonaws.com",
        "https://docs.aws.amazon.com/eks/latest/userguide/using-service-linked-roles-eks.html",
    ),
    _linked(
        "eks:CreateNodegroup",
        "eks-nodegroup.amazonaws.com",
        "https://docs.aws.amazon.com/eks/latest/userguide/using-service-linked-roles-eks-nodegroups.html",
    ),
    Companion(
        "eks:CreateNodegroup",
        ("ec2:RunInstances",),
        "*",
        "https://docs.aws.amazon.com/eks/latest/userguide/launch-templates.html",
        (("ec2:LaunchTemplate", ("arn:*:ec2:*:*:launch-template/*",)),),
    ),
    # The credential of the platform-config repository, which the role argocd puts into the cluster.
    Companion(
        "eks:CreateCluster",
        ("secretsmanager:GetSecretValue",),
        "arn:*:secretsmanager:*:*:secret:platform-config-*",
        "https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html",
    ),
    Companion(
        "ec2:CreateVpcEndpoint",
        ("route53:AssociateVPCWithHostedZone",),
        "*",
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html",
    ),
    _linked(
        "organizations:CreateOrganization",
        "organizations.amazonaws.com",
        "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_integrate_services-using_slrs.html",
    ),
)


def joined(uses: Iterable[Use]) -> list[Use]:
    """Return the record with what its actions need beside themselves."""
    rows = list(uses)
    applied = [use for use in rows if use.playbook not in ("plan", "drift")]
    more = {
        Use(use.playbook, use.account, action, item.resource, item.keys, use.regions)
        for use in applied
        for item in COMPANIONS
        if item.action == use.action
        for action in item.needs
    }
    return sorted({*rows, *more})
