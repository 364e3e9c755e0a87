# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudWatch Logs: the class of a log group, its key and its retention.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
"""

from __future__ import annotations

from typing import Any

from moto.logs.models import logs_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation
from rehearsal.emulator.services.common import key_by_id

#: Days of retention that the service knows (PutRetentionPolicy's documentation; the model has no enumeration).
RETENTIONS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip


def _check_key(call: Call, arn: str, group: str) -> None:
    """The key is an ARN of a key here whose policy lets the service use it."""
    key = key_by_id(call, arn) if arn.startswith("arn:") else None
    service = f"logs.{call.region}.amazonaws.com"
    if key is None or service not in str(key.policy):
        name = call.arn(f"log-group:{group}")
        message = f"The specified KMS Key Id does not exist or is not allowed to be used with Arn '{name}'"
        raise AwsError("InvalidParameterException", message)


@operation("logs", "PutRetentionPolicy")
def put_retention_policy(call: Call) -> dict[str, Any]:
    """Moto takes any number of days."""
    days = call["retentionInDays"]
    if days not in RETENTIONS:
        values = ", ".join(str(number) for number in RETENTIONS)
        message = f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: "
        raise AwsError("InvalidParameterException", message + f"Member must satisfy enum value set: [{values}]")
    return call.forward()


@operation("logs", "CreateLogGroup")
def create_log_group(call: Call) -> dict[str, Any]:
    """A log group of the class that is asked for."""
    if call.get("kmsKeyId"):
        _check_key(call, call["kmsKeyId"], call["logGroupName"])
    answer = call.forward()
    group = logs_backends[call.account][call.region].groups[call["logGroupName"]]
    group.log_group_class = call.get("logGroupClass", "STANDARD")
    return answer


@operation("logs", "DescribeLogGroups")
def describe_log_groups(call: Call) -> dict[str, Any]:
    """The log groups with their classes; only those asked for by name or ARN, where any are."""
    answer = call.forward()
    asked = {identifier.partition(":log-group:")[2] or identifier for identifier in call.get("logGroupIdentifiers", [])}
    if asked:
        answer["logGroups"] = [group for group in answer["logGroups"] if group["logGroupName"] in asked]
    there = logs_backends[call.account][call.region].groups
    for group in answer.get("logGroups", []):
        group["logGroupClass"] = getattr(there[group["logGroupName"]], "log_group_class", "STANDARD")
    return answer


@operation("logs", "DeleteLogGroup")
def delete_log_group(call: Call) -> dict[str, Any]:
    """Moto keeps the tags, and a new group of the name would have them."""
    answer = call.forward()
    logs_backends[call.account][call.region].tagger.delete_all_tags_for_resource(
        call.arn(f"log-group:{call['logGroupName']}")
    )
    return answer


@operation("logs", "AssociateKmsKey")
def associate_kms_key(call: Call) -> None:
    """The key that encrypts a log group from now on."""
    group = logs_backends[call.account][call.region].groups.get(call.get("logGroupName", ""))
    if group is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    _check_key(call, call["kmsKeyId"], call["logGroupName"])
    group.kms_key_id = call["kmsKeyId"]


@operation("logs", "DisassociateKmsKey")
def disassociate_kms_key(call: Call) -> None:
    """What comes in from now on is encrypted with a key of AWS's own."""
    group = logs_backends[call.account][call.region].groups.get(call.get("logGroupName", ""))
    if group is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    group.kms_key_id = None
