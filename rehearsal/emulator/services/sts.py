# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""STS: who am I, and becoming someone else.

https://docs.aws.amazon.com/STS/latest/APIReference/
"""

from __future__ import annotations

import base64
import datetime
import json
import re
import secrets
import time
from typing import Any

from moto.iam.models import iam_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation
from rehearsal.emulator.services import organizations
from rehearsal.emulator.world import Principal, World, letters

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(.+)")


def find_role(call: Call, arn: str) -> Any:
    """The IAM role with this ARN in an account that exists, or None."""
    organizations.current(call.world)
    match = _ROLE.fullmatch(arn)
    if match is None or match.group(1) not in call.world.accounts or match.group(1) in call.world.suspended:
        return None
    for role in iam_backends[match.group(1)]["aws"].roles.values():
        if role.arn == arn:
            return role
    return None


@operation("sts", "GetCallerIdentity")
def get_caller_identity(call: Call) -> dict[str, Any]:
    """The caller, from the credentials used."""
    who = call.principal
    return {"UserId": who.user_id, "Account": who.account, "Arn": who.arn}


@operation("sts", "AssumeRole")
def assume_role(call: Call) -> dict[str, Any]:
    """Credentials of a role's session. A role or an account that doesn't exist is AccessDenied, as on AWS."""
    arn = call["RoleArn"]
    role = find_role(call, arn)
    if role is None:
        message = f"User: {call.principal.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        raise AwsError("AccessDenied", message, status=403)
    duration = call.get("DurationSeconds", 3600)
    if duration > int(role.max_session_duration or 3600):
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    tags = tuple((tag["Key"], tag["Value"]) for tag in call.get("Tags", []))
    bounds = _session_policies(call, role)
    return new_session(call.world, call.partition, role, call["RoleSessionName"], duration, policies=bounds, tags=tags)


def _session_policies(call: Call, role: Any) -> tuple[str, ...] | None:
    """The documents that the caller bounds the session by: one that is given, and managed ones of the role's account.

    Raises:
        AwsError: a policy isn't there, or is none.
    """
    if not call.get("Policy") and not call.get("PolicyArns"):
        return None
    documents = [call["Policy"]] if call.get("Policy") else []
    managed = iam_backends[role.arn.split(":")[4]][call.partition].managed_policies
    for item in call.get("PolicyArns", []):
        if item.get("arn") not in managed:
            raise AwsError(
                "InvalidParameterValue", f"PolicyArns: {item.get('arn')} does not exist or is not attachable."
            )
        documents.extend(version.document for version in managed[item["arn"]].versions if version.is_default)
    for document in documents:
        try:
            json.loads(document)
        except ValueError:
            raise AwsError("MalformedPolicyDocument", "The policy is not in the valid JSON format.") from None
    return tuple(documents)


def new_session(
    world: World,
    partition: str,
    role: Any,
    name: str,
    duration: int,
    *,
    policies: tuple[str, ...] | None = None,
    tags: tuple[tuple[str, str], ...] = (),
) -> dict[str, Any]:
    """Make a session of a role; what AssumeRole answers.

    :param duration: in seconds.
    :param policies: session policies, which bound what the role may; None for none.
    """
    account = role.arn.split(":")[4]
    arn = f"arn:{partition}:sts::{account}:assumed-role/{role.name}/{name}"
    key = "ASIA" + letters(16)
    world.secrets[key] = base64.b64encode(secrets.token_bytes(30)).decode()
    world.credentials[key] = Principal(account, arn, f"{role.id}:{name}", policies, tags, time.time(), key)
    expiration = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=duration)
    return {
        "Credentials": {
            "AccessKeyId": key,
            "SecretAccessKey": world.secrets[key],
            "SessionToken": base64.b64encode(secrets.token_bytes(200)).decode(),
            "Expiration": expiration.replace(microsecond=0),
        },
        "AssumedRoleUser": {"AssumedRoleId": f"{role.id}:{name}", "Arn": arn},
    }


@operation("sts", "GetAccessKeyInfo")
def get_access_key_info(call: Call) -> dict[str, Any]:
    """The account that an access key belongs to."""
    found = call.world.credentials.get(call["AccessKeyId"])
    if found is None:
        raise AwsError("ValidationError", "The access key id is not valid.")
    return {"Account": found.account}
