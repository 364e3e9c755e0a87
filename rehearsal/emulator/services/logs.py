# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudWatch Logs: the class of a log group.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
"""

from __future__ import annotations

from typing import Any

from moto.logs.models import logs_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation


@operation("logs", "CreateLogGroup")
def create_log_group(call: Call) -> dict[str, Any]:
    """A log group of the class that is asked for."""
    answer = call.forward()
    group = logs_backends[call.account][call.region].groups[call["logGroupName"]]
    group.log_group_class = call.get("logGroupClass", "STANDARD")
    return answer


@operation("logs", "DescribeLogGroups")
def describe_log_groups(call: Call) -> dict[str, Any]:
    """The log groups with their classes."""
    answer = call.forward()
    there = logs_backends[call.account][call.region].groups
    for group in answer.get("logGroups", []):
        group["logGroupClass"] = getattr(there[group["logGroupName"]], "log_group_class", "STANDARD")
    return answer


@operation("logs", "AssociateKmsKey")
def associate_kms_key(call: Call) -> None:
    """The key that encrypts a log group from now on."""
    group = logs_backends[call.account][call.region].groups.get(call.get("logGroupName", ""))
    if group is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    group.kms_key_id = call["kmsKeyId"]
