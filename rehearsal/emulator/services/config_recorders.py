# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Config: what moto forgets of a recorder, and when a channel takes nothing.

https://docs.aws.amazon.com/config/latest/APIReference/API_PutConfigurationRecorder.html
"""

from __future__ import annotations

from typing import Any

from moto.config.models import config_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation
from rehearsal.emulator.services.common import role_by_arn


def _modes(call: Call) -> dict[str, Any]:
    return call.world.store("config-modes", call.account, call.region, dict)


@operation("config", "PutConfigurationRecorder")
def put_recorder(call: Call) -> dict[str, Any]:
    """A recorder needs a role of the account; moto takes any, and forgets how often it records."""
    recorder = call["ConfigurationRecorder"]
    role = recorder.get("roleARN", "")
    if role_by_arn(call, role) is None:
        raise AwsError("InvalidRoleException", f"The role ARN {role} is not valid.")
    answer = call.forward()
    _modes(call)[recorder["name"]] = recorder.get("recordingMode", {"recordingFrequency": "CONTINUOUS"})
    return answer


@operation("config", "DescribeConfigurationRecorders")
def describe_recorders(call: Call) -> dict[str, Any]:
    """The recorders, with how often they record."""
    answer = call.forward()
    for item in answer.get("ConfigurationRecorders", []):
        item["recordingMode"] = _modes(call).get(item["name"], {"recordingFrequency": "CONTINUOUS"})
    return answer


@operation("config", "DeleteConfigurationRecorder")
def delete_recorder(call: Call) -> dict[str, Any]:
    """A recorder goes."""
    answer = call.forward()
    _modes(call).pop(call["ConfigurationRecorderName"], None)
    return answer


@operation("config", "StartConfigurationRecorder")
def start_recorder(call: Call) -> dict[str, Any]:
    """It starts, if there is a channel."""
    if not config_backends[call.account][call.region].delivery_channels:
        raise AwsError("NoAvailableDeliveryChannelException", "Delivery channel is not available to start recorder.")
    return call.forward()
