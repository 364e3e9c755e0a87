# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access keys, KMS keys and secrets that nobody can use."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._kinds._act import Case, Found
from .._kinds._session import Session

_ACCESS_KEY = re.compile(r"AKIA[A-Z2-7]{16}")
_OPTIONS = "incident_access_key_id, incident_kms_key or incident_secret"


@dataclass(frozen=True)
class DisableKey:
    """Disables the one thing that is named: an access key, a KMS key, or a secret."""

    access_key_id: str = ""
    kms_key: str = ""
    secret: str = ""
    name: str = "disable-key"

    @property
    def target(self) -> str:
        """Return what is named."""
        return self.access_key_id or self.kms_key or self.secret

    def problems(self) -> list[str]:
        """Check that one thing is named, and the form of an access key's id."""
        named = [item for item in (self.access_key_id, self.kms_key, self.secret) if item]
        if not named:
            return [f"nothing is named that shall be disabled: give one of {_OPTIONS}"]
        problems = []
        if len(named) > 1:
            problems.append(f"{len(named)} things are named ({', '.join(named)}): give one of {_OPTIONS} in a run")
        if self.access_key_id.startswith("ASIA"):
            problems.append(
                f"{self.access_key_id} is a session's, which can't be disabled: revoke the sessions of its role with "
                "incident_revoke_sessions.yml"
            )
        elif self.access_key_id and not _ACCESS_KEY.fullmatch(self.access_key_id):
            problems.append(f"'{self.access_key_id}' is no access key's id: that is AKIA and 16 letters and digits")
        if self.kms_key.startswith("alias/aws/"):
            problems.append(f"{self.kms_key} is a key of AWS's own, which can't be disabled")
        return problems

    def contain(self, session: Session, case: Case) -> Found:
        """Disable it."""
        return self._brought(session, case, off=True)

    def release(self, session: Session, case: Case) -> Found:
        """Enable it, if this act disabled it."""
        if case.before.get("enabled") is False:
            return Found(notes=[f"{self.target} was disabled before this incident, and stays so"])
        return self._brought(session, case, off=False)

    def _brought(self, session: Session, case: Case, *, off: bool) -> Found:
        if self.access_key_id:
            return _access_key(session, self.access_key_id, off=off)
        if self.kms_key:
            return _kms_key(session, self.kms_key, off=off)
        return _secret(session, self.secret, case, off=off)


def _access_key(session: Session, key: str, *, off: bool) -> Found:
    """Make an access key inactive (https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html)."""
    # Which user's it is: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html
    used = session.call("iam", "get_access_key_last_used", missing=["NoSuchEntity", "AccessDenied"], AccessKeyId=key)
    user = used.get("UserName", "")
    listed = session.pages("iam", "list_access_keys", "AccessKeyMetadata", UserName=user) if user else []
    found = next((item for item in listed if item["AccessKeyId"] == key), None)
    if found is None:
        return Found(
            problems=[
                (
                    f"account {session.account_id} has no user with the access key {key}: choose the account with "
                    "`--limit`; `aws sts get-access-key-info` tells which it is. Only the root "
                    "user can disable one of its own"
                )
            ]
        )
    active = found["Status"] == "Active"
    result = Found(before={"enabled": active, "user": user})
    last = used.get("AccessKeyLastUsed", {})
    if last.get("LastUsedDate"):
        result.notes.append(
            f"{key} was last used at {last['LastUsedDate']:%Y-%m-%dT%H:%MZ} for {last['ServiceName']} in "
            f"{last['Region']}"
        )
    if off:
        result.notes.append(
            f"sessions that {user} began with it (GetSessionToken, AssumeRole) go on: attach AWSDenyAll to the user, "
            "and revoke those of roles with incident_revoke_sessions.yml"
        )
    if active == off:
        word = "Inactive" if off else "Active"
        result.add(
            f"make the access key {key} of user {user} {word}",
            lambda: session.call("iam", "update_access_key", UserName=user, AccessKeyId=key, Status=word),
        )
    return result


def _kms_key(session: Session, name: str, *, off: bool) -> Found:
    """Disable a KMS key (https://docs.aws.amazon.com/kms/latest/developerguide/enabling-keys.html)."""
    answer = session.call("kms", "describe_key", missing=["NotFoundException", "InvalidArnException"], KeyId=name)
    key: Mapping[str, Any] | None = answer.get("KeyMetadata")
    if key is None:
        return Found(
            problems=[
                (
                    f"account {session.account_id} has no KMS key {name} in Region {session.region}: choose the "
                    "account with `--limit` and the Region with `-e platform_region=`"
                )
            ]
        )
    identifier, state = key["KeyId"], key["KeyState"]
    if key.get("KeyManager") == "AWS":
        return Found(problems=[f"{name} is a key of AWS's own, which can't be disabled"])
    if key.get("AWSAccountId", session.account_id) != session.account_id:
        return Found(problems=[f"{name} belongs to account {key['AWSAccountId']}: choose that with `--limit`"])
    if state not in ("Enabled", "Disabled"):
        return Found(problems=[f"{name} is {state}, and can't be {'disabled' if off else 'enabled'}"])
    result = Found(before={"enabled": state == "Enabled"})
    if off:
        result.notes.append(
            f"what {identifier} encrypts can't be read until it is enabled again; volumes that are attached stay "
            "readable until they are detached"
        )
        if key.get("MultiRegion"):
            result.notes.append(f"{identifier} is a multi-Region key: its replicas in other Regions stay as they are")
    if (state == "Enabled") == off:
        operation, word = ("disable_key", "disable") if off else ("enable_key", "enable")
        result.add(
            f"{word} the KMS key {name} ({identifier})" if name != identifier else f"{word} the KMS key {identifier}",
            lambda: session.call("kms", operation, KeyId=identifier),
        )
    return result


def _secret(session: Session, name: str, case: Case, *, off: bool) -> Found:
    """Deny reading a secret to everybody.

    Secrets Manager has no switch; a statement of the resource policy that denies GetSecretValue (BatchGetSecretValue is
    allowed by it, too) comes before everything that allows it
    (https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_resource-policies.html).
    """
    answer = session.call("secretsmanager", "describe_secret", missing=["ResourceNotFoundException"], SecretId=name)
    if not answer:
        return Found(
            problems=[
                (
                    f"account {session.account_id} has no secret {name} in Region {session.region}: choose the "
                    "account with `--limit` and the Region with `-e platform_region=`"
                )
            ]
        )
    policy = session.call("secretsmanager", "get_resource_policy", SecretId=answer["ARN"]).get("ResourcePolicy")
    document: dict[str, Any] = json.loads(policy) if policy else {"Version": "2012-10-17", "Statement": []}
    given = document["Statement"]
    statements = given if isinstance(given, list) else [given]
    sid = "InnovateIncident" + re.sub(r"[^A-Za-z0-9]", "", case.incident)
    ours = [item for item in statements if item.get("Sid") == sid]
    result = Found(before={"enabled": not ours})
    if off:
        result.notes.append(
            "whoever has read the value keeps it: change the password or token where it is valid, as well"
        )
    if off and not ours:
        deny = {
            "Sid": sid,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "*",
        }
        result.add(
            f"deny everybody to read the secret {answer['Name']} (statement {sid} of its resource policy)",
            lambda: _put(session, answer["ARN"], {**document, "Statement": [*statements, deny]}),
        )
    elif not off and ours:
        rest = [item for item in statements if item.get("Sid") != sid]
        result.add(
            f"let the secret {answer['Name']} be read again by whoever may (without statement {sid})",
            lambda: _put(session, answer["ARN"], {**document, "Statement": rest}),
        )
    return result


def _put(session: Session, arn: str, document: Mapping[str, Any]) -> None:
    if document["Statement"]:
        session.call(
            "secretsmanager",
            "put_resource_policy",
            SecretId=arn,
            ResourcePolicy=json.dumps(document),
            BlockPublicPolicy=True,
        )
    else:
        session.call("secretsmanager", "delete_resource_policy", SecretId=arn)
