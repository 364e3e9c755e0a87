# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQS: attributes that moto forgets.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
"""

from __future__ import annotations

from typing import Any

from moto.sqs.models import sqs_backends

from rehearsal.emulator.registry import Call, Later, operation


def _queue(call: Call) -> Any:
    queues = sqs_backends[call.account][call.region].queues
    return queues.get(call["QueueUrl"].rpartition("/")[2])


@operation("sqs", "SetQueueAttributes")
def set_queue_attributes(call: Call) -> dict[str, Any]:
    """Sets what is given; moto takes away a policy that isn't given."""
    queue = _queue(call)
    policy = queue.policy if queue else None
    answer = call.forward()
    if queue and "Policy" not in call["Attributes"]:
        queue.policy = policy
    return answer


@operation("sqs", "GetQueueAttributes")
def get_queue_attributes(call: Call) -> dict[str, Any]:
    """The attributes, with the redrive allow policy that moto keeps but doesn't show."""
    answer = call.forward()
    allow = getattr(_queue(call), "redrive_allow_policy", None)
    if allow and set(call.get("AttributeNames", [])) & {"All", "RedriveAllowPolicy"}:
        answer.setdefault("Attributes", {})["RedriveAllowPolicy"] = allow
    attributes = answer.get("Attributes", {})
    for name in {"CreatedTimestamp", "LastModifiedTimestamp"} & attributes.keys():
        attributes[name] = attributes[name].partition(".")[0]
    if attributes.get("KmsMasterKeyId") and "SqsManagedSseEnabled" in attributes:
        attributes["SqsManagedSseEnabled"] = "false"
    return answer


#: How often a queue is looked at for somebody who waits (seconds).
_LOOK = 0.1


@operation("sqs", "ReceiveMessage")
def receive_message(call: Call) -> dict[str, Any]:
    """Messages, or nothing after the time to wait; moto would let nobody else be answered for so long."""
    queue = _queue(call)
    wait = int(call.get("WaitTimeSeconds", getattr(queue, "receive_message_wait_time_seconds", 0) or 0))
    answer = call.forward(lambda request: {**request, "WaitTimeSeconds": 0})
    if not answer.get("Messages") and call.waited() < wait:
        raise Later(_LOOK)
    return answer
