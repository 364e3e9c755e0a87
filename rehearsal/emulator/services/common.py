# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several services need of each other: roles, keys, subnets, and repeated requests."""

from __future__ import annotations

import json
from typing import Any

from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call


def role_by_arn(call: Call, arn: str) -> Any:
    """An IAM role of the caller's account, or None."""
    if arn.split(":")[4:5] != [call.account]:
        return None
    return next((role for role in iam_backends[call.account]["aws"].roles.values() if role.arn == arn), None)


def trusts(role: Any, service: str) -> bool:
    """Whether a role's trust policy lets a service principal assume it."""
    document = role.assume_role_policy_document
    statements = (json.loads(document) if isinstance(document, str) else document).get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal", {})
        named = principal.get("Service", []) if isinstance(principal, dict) else []
        if statement.get("Effect") == "Allow" and service in ([named] if isinstance(named, str) else named):
            return True
    return False


def key_by_id(call: Call, identifier: str) -> Any:
    """An enabled KMS key of the caller's account and region by id, ARN or alias, or None."""
    backend = kms_backends[call.account][call.region]
    try:
        key = backend.describe_key(identifier)
    except Exception:  # noqa: BLE001 - moto raises several kinds for what isn't there
        return None
    return key if key.enabled else None


def ec2(call: Call) -> Any:
    """EC2 as moto keeps it, of the caller's account and region."""
    return ec2_backends[call.account][call.region]


def no_dry_run(call: Call) -> None:
    """Answer a dry run of EC2 that has come this far: it would have succeeded.

    Raises:
        AwsError: the request is a dry run.
    """
    if call.get("DryRun"):
        message = "Request would have succeeded, but DryRun flag is set."
        raise AwsError("DryRunOperation", message, status=412)


def is_referenced(network: Any, group: str) -> bool:
    """Whether a rule of another security group names this one."""
    others = [other for groups in network.groups.values() for other in groups.values() if other.id != group]
    rules = [rule for other in others for rule in (*other.ingress_rules, *other.egress_rules)]
    return any(rule.source_group and rule.source_group.get("GroupId") == group for rule in rules)


def subnet_by_id(call: Call, identifier: str) -> Any:
    """A subnet of the caller's account and region, or None."""
    for zone in ec2(call).subnets.values():
        if identifier in zone:
            return zone[identifier]
    return None


def _plain(params: dict[str, Any], token: str) -> str:
    return json.dumps({name: value for name, value in params.items() if name != token}, sort_keys=True, default=str)


def repeated(call: Call, token: str, conflict: AwsError) -> Any:
    """What an earlier request with the same token made, or None.

    Raises:
        AwsError: the one given, where the token came with other parameters.
    """
    if not call.get(token):
        return None
    found = call.world.tokens.get((call.account, call.region, call.service, call.operation, call[token]))
    if found is None:
        return None
    if found[0] != _plain(call.params, token):
        raise conflict
    return found[1]


def remember(call: Call, token: str, made: Any) -> None:
    """Keep what a request with a token has made."""
    if call.get(token):
        key = (call.account, call.region, call.service, call.operation, call[token])
        call.world.tokens[key] = (_plain(call.params, token), made)
