# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles did, as IAM's actions, and which of it none of their policies mentions.

The emulator carries out every call, whatever the caller's policies say. From the log of calls this tells whether a
policy that is meant to be the least would do: by actions alone, without resources and conditions.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from moto.core.utils import get_service_model
from moto.iam.models import iam_backends

from rehearsal.emulator.world import World

#: Services whose prefix in IAM isn't the name that their requests are signed for.
_PREFIXES = {"monitoring": "cloudwatch", "email": "ses", "tagging": "tag"}
#: Operations whose action has another name: https://docs.aws.amazon.com/service-authorization/latest/reference/
_ACTIONS = {
    "budgets:CreateBudget": "budgets:ModifyBudget",
    "budgets:DeleteBudget": "budgets:ModifyBudget",
    "budgets:DescribeBudget": "budgets:ViewBudget",
    "budgets:DescribeBudgets": "budgets:ViewBudget",
    "budgets:UpdateBudget": "budgets:ModifyBudget",
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:CopyObject": "s3:PutObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:DeleteBucketAnalyticsConfiguration": "s3:PutAnalyticsConfiguration",
    "s3:DeleteBucketCors": "s3:PutBucketCORS",
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeleteBucketIntelligentTieringConfiguration": "s3:PutIntelligentTieringConfiguration",
    "s3:DeleteBucketInventoryConfiguration": "s3:PutInventoryConfiguration",
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:DeleteBucketMetricsConfiguration": "s3:PutMetricsConfiguration",
    "s3:DeleteBucketOwnershipControls": "s3:PutBucketOwnershipControls",
    "s3:DeleteBucketReplication": "s3:PutReplicationConfiguration",
    "s3:DeleteBucketTagging": "s3:PutBucketTagging",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:GetBucketAccelerateConfiguration": "s3:GetAccelerateConfiguration",
    "s3:GetBucketAnalyticsConfiguration": "s3:GetAnalyticsConfiguration",
    "s3:GetBucketCors": "s3:GetBucketCORS",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketIntelligentTieringConfiguration": "s3:GetIntelligentTieringConfiguration",
    "s3:GetBucketInventoryConfiguration": "s3:GetInventoryConfiguration",
    "s3:GetBucketLifecycle": "s3:GetLifecycleConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetBucketMetricsConfiguration": "s3:GetMetricsConfiguration",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListBucketAnalyticsConfigurations": "s3:GetAnalyticsConfiguration",
    "s3:ListBucketIntelligentTieringConfigurations": "s3:GetIntelligentTieringConfiguration",
    "s3:ListBucketInventoryConfigurations": "s3:GetInventoryConfiguration",
    "s3:ListBucketMetricsConfigurations": "s3:GetMetricsConfiguration",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjects": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListParts": "s3:ListMultipartUploadParts",
    "s3:PutBucketAccelerateConfiguration": "s3:PutAccelerateConfiguration",
    "s3:PutBucketAnalyticsConfiguration": "s3:PutAnalyticsConfiguration",
    "s3:PutBucketCors": "s3:PutBucketCORS",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutBucketIntelligentTieringConfiguration": "s3:PutIntelligentTieringConfiguration",
    "s3:PutBucketInventoryConfiguration": "s3:PutInventoryConfiguration",
    "s3:PutBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:PutBucketMetricsConfiguration": "s3:PutMetricsConfiguration",
    "s3:PutBucketNotificationConfiguration": "s3:PutBucketNotification",
    "s3:PutBucketReplication": "s3:PutReplicationConfiguration",
    "s3:PutObjectLockConfiguration": "s3:PutBucketObjectLockConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:UploadPart": "s3:PutObject",
    "s3:UploadPartCopy": "s3:PutObject",
    "sns:PublishBatch": "sns:Publish",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}
#: The same of S3's account-wide settings, which share S3's prefix.
_OF_S3_CONTROL = {
    "s3:DeletePublicAccessBlock": "s3:PutAccountPublicAccessBlock",
    "s3:GetPublicAccessBlock": "s3:GetAccountPublicAccessBlock",
    "s3:PutPublicAccessBlock": "s3:PutAccountPublicAccessBlock",
}
#: What everybody may ask, whatever their policies say:
#: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
FREE = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})


@cache
def _prefix(service: str) -> str:
    try:
        metadata = get_service_model(service).metadata
    except Exception:  # noqa: BLE001 - botocore knows no such service, and the log has what was asked for
        return service
    signed = str(metadata.get("signingName") or metadata["endpointPrefix"])
    return _PREFIXES.get(signed, signed)


def action(service: str, operation: str) -> str:
    """The IAM action of an operation: ``ec2:CreateFleet``."""
    name = f"{_prefix(service)}:{operation}"
    if service == "s3control":
        return _OF_S3_CONTROL.get(name, name)
    return _ACTIONS.get(name, name)


def _role(world: World, arn: str) -> Any:
    """The role behind the ARN of an assumed role's session, or None."""
    parts = arn.split(":")
    if len(parts) != 6 or not parts[5].startswith("assumed-role/") or parts[4] not in world.accounts:
        return None
    name = parts[5].split("/")[1]
    return next((role for role in iam_backends[parts[4]]["aws"].roles.values() if role.name == name), None)


def documents(role: Any) -> list[dict[str, Any]]:
    """A role's policies, its own and those that are attached."""
    versions = [version for policy in role.managed_policies.values() for version in policy.versions]
    texts = [*role.policies.values(), *(version.document for version in versions if version.is_default)]
    return [json.loads(text) if isinstance(text, str) else text for text in texts]


def allowed(name: str, policies: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any statement allows an action on anything, whatever its conditions."""
    for policy in policies:
        statements = policy.get("Statement", [])
        for statement in [statements] if isinstance(statements, dict) else statements:
            if statement.get("Effect") != "Allow":
                continue
            given = statement.get("Action", [])
            if any(fnmatch.fnmatchcase(name.lower(), item.lower()) for item in _list(given)):
                return True
            spared = statement.get("NotAction")
            if spared is not None and not any(
                fnmatch.fnmatchcase(name.lower(), item.lower()) for item in _list(spared)
            ):
                return True
    return False


def may(world: World, arn: str, name: str) -> bool:
    """Whether a caller may carry out an action, by the policies of its role; who acts in no role may everything."""
    role = _role(world, arn)
    return role is None or allowed(name, documents(role))


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def by_role(world: World, since: int = 0) -> dict[str, dict[str, list[str]]]:
    """By role ARN: ``actions`` that its sessions asked for after a mark, and those of them that are ``not_allowed``."""
    with world.lock:
        used: dict[str, set[str]] = {}
        roles: dict[str, Any] = {}
        for call in list(world.calls):
            role = _role(world, call.principal) if call.seq > since else None
            if role is not None:
                roles[role.arn] = role
                used.setdefault(role.arn, set()).add(action(call.service, call.operation))
        return {
            arn: {
                "actions": sorted(names),
                "not_allowed": sorted(
                    name for name in names if name not in FREE and not allowed(name, documents(roles[arn]))
                ),
            }
            for arn, names in sorted(used.items())
        }
