# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQS queues and EventBridge rules."""

from __future__ import annotations

from typing import Any

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from tests.contract.contract import Case


def queue_policy(action: str) -> dict[str, Any]:
    """Return a queue policy for EventBridge."""
    principal = {"Service": "events.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def redrive(count: int) -> dict[str, Any]:
    """Return a redrive policy."""
    return {"deadLetterTargetArn": Ref("sqs_queue.dead", "arn"), "maxReceiveCount": count}


def target(queue: str) -> dict[str, Any]:
    """Return a queue as a rule's target."""
    return {"id": queue, "arn": Ref(f"sqs_queue.{queue}", "arn")}


def assume(service: str) -> dict[str, Any]:
    """Return a trust policy."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def role(name: str) -> Resource:
    """Return a role that EventBridge may assume."""
    properties = {"role_name": f"contract-event-{name}", "path": "/innovate/contract-event-rule/"}
    return Resource("iam_role", name, {**properties, "assume_role_policy_document": assume("events.amazonaws.com")})


CASES = [
    Case(
        "sqs_queue",
        {
            "queue_name": "contract-queue",
            "policy": queue_policy("sqs:SendMessage"),
            "redrive_policy": redrive(3),
            "redrive_allow_policy": {"redrivePermission": "denyAll"},
            "kms_master_key_id": Ref("kms_key.one", "arn"),
            "kms_data_key_reuse_period_seconds": 300,
            "delay_seconds": 0,
            "maximum_message_size": 262144,
            "message_retention_period": 345600,
            "receive_message_wait_time_seconds": 0,
            "visibility_timeout": 30,
        },
        needs=(
            Resource("sqs_queue", "dead", {"queue_name": "contract-dead"}),
            Resource("kms_key", "one"),
            Resource("kms_key", "two"),
        ),
        mutable={
            "policy": queue_policy("sqs:*"),
            "redrive_policy": redrive(5),
            "redrive_allow_policy": {"redrivePermission": "allowAll"},
            "kms_master_key_id": Ref("kms_key.two", "arn"),
            "kms_data_key_reuse_period_seconds": 600,
            "delay_seconds": 10,
            "maximum_message_size": 1024,
            "message_retention_period": 60,
            "receive_message_wait_time_seconds": 20,
            "visibility_timeout": 60,
        },
        immutable={"queue_name": "contract-queue-2"},
    ),
    Case(
        "sqs_queue",
        {"queue_name": "contract.fifo", "fifo_queue": True, "content_based_deduplication": True},
        mutable={"content_based_deduplication": False},
        unchanged={"fifo_queue": "the name has to change with it"},
        label="fifo",
    ),
    Case(
        "sqs_queue",
        {"queue_name": "contract-encrypted", "sqs_managed_sse_enabled": True},
        # A policy that isn't declared is one too many.
        mutable={"sqs_managed_sse_enabled": False, "policy": queue_policy("sqs:*")},
        label="encrypted",
    ),
    Case(
        "event_rule",
        {
            "name": "contract-rule",
            "event_pattern": {"source": ["aws.ec2"]},
            "description": "contract",
            "role_arn": Ref("iam_role.one", "arn"),
            "targets": [target("one")],
        },
        needs=(
            Resource("sqs_queue", "one", {"queue_name": "contract-rule-one"}),
            Resource("sqs_queue", "two", {"queue_name": "contract-rule-two"}),
            role("one"),
            role("two"),
        ),
        mutable={
            "event_pattern": {"source": ["aws.ec2", "aws.health"]},
            "description": "another",
            "state": "DISABLED",
            "role_arn": Ref("iam_role.two", "arn"),
            "targets": [target("two"), {**target("one"), "input": '{"a": 1}'}],
        },
        immutable={"name": "contract-rule-2"},
    ),
    Case(
        "event_rule",
        {"name": "contract-schedule", "schedule_expression": "rate(1 hour)"},
        mutable={"schedule_expression": "rate(2 hours)"},
        unchanged={"event_bus_name": "there is no kind of event buses to make another one of"},
        label="schedule",
    ),
]
