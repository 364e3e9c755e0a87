# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KMS: the period of rotation, and keys that can't be used.

https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html
"""

from __future__ import annotations

from typing import Any

from moto.kms.models import kms_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation


def _key(call: Call) -> Any:
    backend = kms_backends[call.account][call.region]
    return backend.keys[backend.get_key_id(call["KeyId"])]


@operation("kms", "EnableKeyRotation")
def enable_key_rotation(call: Call) -> dict[str, Any]:
    """Rotation every 365 days, or as many as are asked for."""
    answer = call.forward()
    _key(call).rotation_period = call.get("RotationPeriodInDays", 365)
    return answer


@operation("kms", "GetKeyRotationStatus")
def get_key_rotation_status(call: Call) -> dict[str, Any]:
    """Whether a key rotates, and how often."""
    answer = call.forward()
    if answer.get("KeyRotationEnabled"):
        answer["RotationPeriodInDays"] = getattr(_key(call), "rotation_period", 365)
    return answer


@operation("kms", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "CreateGrant")
def use_key(call: Call) -> dict[str, Any]:
    """A key that is disabled or pending deletion does nothing."""
    backend = kms_backends[call.account][call.region]
    key = backend.keys.get(backend.any_id_to_key_id(call["KeyId"]))
    if key is not None and key.key_state == "PendingDeletion":
        raise AwsError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    if key is not None and not key.enabled:
        raise AwsError("DisabledException", f"{key.arn} is disabled.")
    return call.forward()


def is_managed_by_aws(key: Any) -> bool:
    """Whether a key is one that a service of AWS made for itself in the account: alias/aws/ebs and the like."""
    return any(alias.startswith("alias/aws/") for alias in key.aliases)


@operation("kms", "DescribeKey")
def describe_key(call: Call) -> dict[str, Any]:
    """For moto all keys are the customer's (https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html)."""
    answer = call.forward()
    metadata = answer["KeyMetadata"]
    key = kms_backends[call.account][call.region].keys.get(metadata["KeyId"])
    if key is not None and is_managed_by_aws(key):
        metadata["KeyManager"] = "AWS"
    return answer


@operation("kms", "DisableKey", "EnableKey")
def switch_key(call: Call) -> dict[str, Any]:
    """Nobody switches a key of a service of AWS's."""
    key = _key(call)
    if is_managed_by_aws(key):
        raise AwsError("UnsupportedOperationException", f"{key.arn} is managed by AWS.")
    return call.forward()
