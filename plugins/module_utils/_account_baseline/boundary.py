# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the deploy role may never do, whatever its policies say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_WATCHERS = (
    "access-analyzer:DeleteAnalyzer",
    "cloudtrail:DeleteTrail",
    "cloudtrail:PutEventSelectors",
    "cloudtrail:StopLogging",
    "cloudtrail:UpdateTrail",
    "config:DeleteConfigurationRecorder",
    "config:DeleteDeliveryChannel",
    "config:StopConfigurationRecorder",
    "guardduty:DeleteDetector",
    "guardduty:DisassociateFromAdministratorAccount",
    "guardduty:UpdateDetector",
    "inspector2:Disable",
    "macie2:DisableMacie",
    "securityhub:DisableSecurityHub",
    "securityhub:DisassociateFromAdministratorAccount",
)
_DEFAULTS = (
    "ec2:CreateDefaultVpc",
    "ec2:DisableEbsEncryptionByDefault",
    "ec2:DisableImageBlockPublicAccess",
    "ec2:DisableSnapshotBlockPublicAccess",
    "ec2:EnableSerialConsoleAccess",
    "ec2:ModifyEbsDefaultKmsKeyId",
    "ec2:ModifyInstanceMetadataDefaults",
    "ec2:ResetEbsDefaultKmsKeyId",
    "iam:DeleteAccountPasswordPolicy",
    "iam:UpdateAccountPasswordPolicy",
    "s3:PutAccountPublicAccessBlock",
    "ssm:ResetServiceSetting",
    "ssm:UpdateServiceSetting",
)
_PEOPLE = (
    "iam:AddUserToGroup",
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:CreateLoginProfile",
    "iam:CreateSAMLProvider",
    "iam:CreateServiceSpecificCredential",
    "iam:CreateUser",
    "iam:PutUserPolicy",
    "iam:UpdateLoginProfile",
    "iam:UpdateSAMLProvider",
)
_ACCOUNT = (
    "account:CloseAccount",
    "account:PutAlternateContact",
    "account:PutContactInformation",
    "account:StartPrimaryEmailUpdate",
    "aws-portal:Modify*",
    "organizations:CloseAccount",
    "organizations:DeleteOrganization",
    "organizations:DeregisterDelegatedAdministrator",
    "organizations:LeaveOrganization",
    "organizations:RemoveAccountFromOrganization",
)
_CHANGES_OF_ROLES = (
    "iam:AttachRolePolicy",
    "iam:CreateRole",
    "iam:DeleteRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateRole",
)
_CHANGES_OF_POLICIES = (
    "iam:CreatePolicyVersion",
    "iam:DeletePolicy",
    "iam:DeletePolicyVersion",
    "iam:SetDefaultPolicyVersion",
)


def boundary_document(role_name: str, policy_path: str, protected_roles: Iterable[str]) -> dict[str, Any]:
    """Return the boundary: everything, but for what would widen the role's own leave or blind those who watch.

    A boundary allows nothing by itself: what the role may do is what its policies and the boundary both allow
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html).

    :param policy_path: the path of the boundary and of the role's own policies.
    :param protected_roles: names of roles, which may end in ``*``, that it can't change.
    """
    roles = ["arn:*:iam::*:role/" + name for name in dict.fromkeys((role_name, *protected_roles))]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "WhatPoliciesAllow", "Effect": "Allow", "Action": "*", "Resource": "*"},
            _deny("NoUsersNorKeys", _PEOPLE),
            _deny("NotTheAccount", _ACCOUNT),
            _deny("NotThoseWhoWatch", _WATCHERS),
            _deny("NotTheBaseline", _DEFAULTS),
            {**_deny("NotItself", _CHANGES_OF_ROLES), "Resource": roles},
            {**_deny("NotItsPolicies", _CHANGES_OF_POLICIES), "Resource": f"arn:*:iam::*:policy{policy_path}*"},
            {
                **_deny("NoAdministrators", ("iam:AttachRolePolicy",)),
                "Condition": {
                    "ArnLike": {
                        "iam:PolicyARN": [
                            "arn:*:iam::aws:policy/AdministratorAccess",
                            "arn:*:iam::aws:policy/IAMFullAccess",
                            "arn:*:iam::aws:policy/PowerUserAccess",
                        ]
                    }
                },
            },
        ],
    }


def _deny(sid: str, actions: Iterable[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Deny", "Action": sorted(actions), "Resource": "*"}
