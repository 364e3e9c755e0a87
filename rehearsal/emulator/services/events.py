# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EventBridge: events of AWS services, and their way into queues.

moto delivers to any queue by its name, disabled rules included; here a queue's policy and key have to let EventBridge
in. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html and
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-troubleshooting.html (an encrypted queue gets nothing).
"""

from __future__ import annotations

import copy
import datetime
import json
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from moto.events.models import events_backends
from moto.kms.models import kms_backends
from moto.sqs.models import sqs_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation
from rehearsal.emulator.services import policies
from rehearsal.emulator.world import World

_SERVICE = "events.amazonaws.com"


@dataclass
class Delivery:
    """An event that a rule matched, one target of the rule, and why the event didn't get there (empty if it did)."""

    time: str
    account: str
    region: str
    detail_type: str
    rule: str
    target: str
    failure: str
    detail: Mapping[str, Any] = field(default_factory=dict)


def deliveries(world: World) -> list[dict[str, Any]]:
    """The last deliveries, oldest first: the page ``events``."""
    return [asdict(item) for item in _log(world)]


def _log(world: World) -> deque[Delivery]:
    return world.store("events-log", "", "", lambda: deque(maxlen=1000))


def event(account: str, region: str, source: str, kind: str, resources: list[str], detail: Any) -> dict[str, Any]:
    """An event in EventBridge's envelope. https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": account,
        "time": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": resources,
        "detail": detail,
    }


def emit(world: World, message: Mapping[str, Any], bus: str = "default") -> None:
    """Put an event on a bus of its account and region: each rule that matches sends it to its targets."""
    account, region = str(message["account"]), str(message["region"])
    found = events_backends[account][region].event_buses.get(bus)
    for rule in list(found.rules.values()) if found else []:
        if rule.state == "DISABLED" or not rule.event_pattern.get_pattern():
            continue
        if not rule.event_pattern.matches_event(message):
            continue
        for target in rule.targets:
            failure = _send(rule, target, message)
            text = str(message["detail-type"])
            _log(world).append(
                Delivery(message["time"], account, region, text, rule.name, target["Arn"], failure, message["detail"])
            )


def _send(rule: Any, target: Mapping[str, Any], message: Mapping[str, Any]) -> str:
    service = target["Arn"].split(":")[2]
    if service != "sqs":
        alone = copy.copy(rule)
        alone.targets = [target]
        try:
            alone.send_to_targets({**message, "time": _seconds(message["time"])})
        except NotImplementedError:
            return f"the emulator delivers nothing to {service}"
        return ""
    failure = _to_queue(rule, target["Arn"], _body(target, message), target)
    spare = target.get("DeadLetterConfig", {}).get("Arn")
    if failure and spare:
        _to_queue(rule, spare, _body(target, message), {})
    return failure


def _seconds(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def _body(target: Mapping[str, Any], message: Mapping[str, Any]) -> str:
    if "Input" in target:
        return str(target["Input"])
    return json.dumps(message)


def _to_queue(rule: Any, arn: str, body: str, target: Mapping[str, Any]) -> str:
    _arn, _partition, _sqs, region, account, name = arn.split(":", 5)
    if region != rule.region_name:
        return f"the queue is in {region}, the rule in {rule.region_name}"
    backend = sqs_backends[account][region]
    queue = backend.queues.get(name)
    if queue is None:
        return "there is no such queue"
    context = {"aws:SourceArn": rule.arn, "aws:SourceAccount": rule.account_id, "aws:SecureTransport": "true"}
    if not policies.allows(queue.policy, _SERVICE, "sqs:SendMessage", arn, context):
        return f"the queue's policy doesn't allow {_SERVICE} sqs:SendMessage"
    if not _may_encrypt(queue, account, region, context):
        return f"the queue's key doesn't allow {_SERVICE} kms:GenerateDataKey and kms:Decrypt"
    group = target.get("SqsParameters", {}).get("MessageGroupId")
    backend.send_message(queue_name=name, message_body=body, group_id=group)
    return ""


def _may_encrypt(queue: Any, account: str, region: str, context: Mapping[str, str]) -> bool:
    """A queue with SQS' own key or none takes everything; the policy of ``alias/aws/sqs`` can't name EventBridge."""
    identifier = queue.kms_master_key_id
    if not identifier:
        return True
    if identifier.endswith("alias/aws/sqs"):
        return False
    backend = kms_backends[account][region]
    try:
        key = backend.describe_key(identifier)
    except Exception:  # noqa: BLE001 - moto raises several kinds for what isn't there
        return False
    return key.enabled and all(
        policies.allows(key.policy, _SERVICE, f"kms:{action}", key.arn, context)
        for action in ("GenerateDataKey", "Decrypt")
    )


@operation("events", "PutEvents")
def put_events(call: Call) -> dict[str, Any]:
    """Events of one's own; each entry is answered for itself."""
    backend = events_backends[call.account][call.region]
    entries: list[dict[str, str]] = []
    for entry in call["Entries"]:
        bus = str(entry.get("EventBusName", "default")).rpartition("/")[2]
        missing = [name for name in ("Source", "DetailType", "Detail") if not entry.get(name)]
        if missing:
            text = f"Parameter {missing[0]} is not valid. Reason: {missing[0]} is a required argument."
            entries.append({"ErrorCode": "InvalidArgument", "ErrorMessage": text})
            continue
        if entry["Source"].startswith("aws."):
            text = "Not authorized for the source."
            entries.append({"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": text})
            continue
        try:
            detail = json.loads(entry["Detail"])
        except ValueError:
            entries.append({"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."})
            continue
        if bus not in backend.event_buses:
            raise AwsError("ResourceNotFoundException", f"Event bus {bus} does not exist.")
        resources = list(entry.get("Resources", []))
        made = event(call.account, call.region, entry["Source"], entry["DetailType"], resources, detail)
        if "Time" in entry:
            made["time"] = f"{entry['Time'].astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
        emit(call.world, made, bus)
        entries.append({"EventId": made["id"]})
    return {"FailedEntryCount": sum("ErrorCode" in entry for entry in entries), "Entries": entries}
