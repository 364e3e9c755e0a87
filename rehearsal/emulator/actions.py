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
_PREFIXES = {"monitoring": "cloudwatch", "email": "ses"}
#: Operations whose action has another name: https://docs.aws.amazon.com/service-authorization/latest/reference/
_ACTIONS = {
    "s3:ListObjects": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "lambda:Invoke": "lambda:InvokeFunction",
}


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
        # Everybody may ask who they are.
        return {
            arn: {
                "actions": sorted(names),
                "not_allowed": sorted(
                    name
                    for name in names
                    if name != "sts:GetCallerIdentity" and not allowed(name, documents(roles[arn]))
                ),
            }
            for arn, names in sorted(used.items())
        }
