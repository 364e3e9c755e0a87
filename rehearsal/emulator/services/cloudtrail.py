# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudTrail: the event history, without any trail. Calls that only read aren't in it.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from __future__ import annotations

import datetime
import json
import re
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.model import OperationModel

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.faults import is_read
from rehearsal.emulator.registry import Call, operation, page
from rehearsal.emulator.resource_arns import texts
from rehearsal.emulator.world import Principal, World

#: Days that an event can be looked up.
DAYS = 90
#: Requests in a second, in an account and Region.
RATE = 2
#: Services whose events are in one Region, wherever they were asked from.
_GLOBAL = ("account", "cloudfront", "iam", "organizations", "route53")
#: What concerns the content of resources is told to trails that ask for it, not to the event history.
_DATA = re.compile(
    r"dynamodb:(Batch|Delete|Put|Update|Transact)\w*Items?|lambda:Invoke\w*|sns:Publish\w*|kinesis:Put\w*"
    r"|sqs:(Send|Delete|ChangeMessageVisibility|Receive)Message\w*"
    r"|s3:(Put|Delete|Copy|Restore)Objects?(Tagging|Acl)?|s3:(Create|Complete|Abort)MultipartUpload|s3:UploadPart\w*"
)
#: Operations of S3 whose events have other names.
_NAMES = {
    "s3:PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "s3:DeletePublicAccessBlock": "DeleteBucketPublicAccessBlock",
    "s3:PutBucketLifecycleConfiguration": "PutBucketLifecycle",
    "s3:PutBucketNotificationConfiguration": "PutBucketNotification",
}
_HIDDEN = re.compile(r"(?i)password|secretstring|secretbinary|privatekey|plaintext|secretaccesskey|sessiontoken")
_EC2_ID = re.compile(r"([a-z]{1,10})-[0-9a-f]{8,17}")
_EC2_TYPES = {
    "acl": "NetworkAcl",
    "ami": "Ami",
    "eipalloc": "EIP",
    "eni": "NetworkInterface",
    "fl": "FlowLog",
    "i": "Instance",
    "igw": "InternetGateway",
    "lt": "LaunchTemplate",
    "nat": "NatGateway",
    "rtb": "RouteTable",
    "sg": "SecurityGroup",
    "snap": "Snapshot",
    "subnet": "Subnet",
    "vol": "Volume",
    "vpc": "VPC",
    "vpce": "VPCEndpoint",
}
#: By service, the members of requests that name resources. Services that aren't here name none in their events, and
#: so can't be looked up by name: EKS, EventBridge, ECR, SQS, CloudWatch Logs.
_RESOURCES: dict[str, dict[str, str]] = {
    "iam": {
        "RoleName": "AWS::IAM::Role",
        "PolicyArn": "AWS::IAM::Policy",
        "UserName": "AWS::IAM::User",
        "GroupName": "AWS::IAM::Group",
        "InstanceProfileName": "AWS::IAM::InstanceProfile",
    },
    "kms": {"KeyId": "AWS::KMS::Key", "TargetKeyId": "AWS::KMS::Key", "AliasName": "AWS::KMS::Alias"},
    "rds": {
        "DBInstanceIdentifier": "AWS::RDS::DBInstance",
        "DBSnapshotIdentifier": "AWS::RDS::DBSnapshot",
        "DBSubnetGroupName": "AWS::RDS::DBSubnetGroup",
        "DBParameterGroupName": "AWS::RDS::DBParameterGroup",
    },
    "s3": {"Bucket": "AWS::S3::Bucket"},
}


@dataclass
class Written:
    """One call on its way: what CloudTrail will tell of it."""

    model: OperationModel
    caller: Principal
    region: str
    agent: str
    params: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] | None = None
    error: Any = None

    @property
    def service(self) -> str:
        """The service, as botocore calls it."""
        return str(self.model.service_model.service_name)

    def counts(self) -> bool:
        """Whether it changes something that is managed."""
        name = str(self.model.name)
        return not is_read(name) and not _DATA.fullmatch(f"{self.service}:{name}")


class _History:
    """What happened in an account and Region, the last event first; and who asked for it when."""

    def __init__(self) -> None:
        self.events: deque[dict[str, Any]] = deque(maxlen=50_000)
        self.asked: deque[float] = deque(maxlen=RATE)


def note(world: World, began: float, written: Written) -> None:
    """Keep the event of a call. ``began`` is in seconds since the epoch."""
    if not written.counts() or not written.caller.account:
        return
    metadata = written.model.service_model.metadata
    source = str(metadata.get("signingName") or metadata["endpointPrefix"])
    region = "us-east-1" if written.service in _GLOBAL else written.region
    name = _NAMES.get(f"{written.service}:{written.model.name}", str(written.model.name))
    body = {
        "eventVersion": "1.11",
        "userIdentity": _identity(written.caller),
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": written.agent,
        "requestParameters": _told(written.params, written.model.input_shape),
        "responseElements": _told(written.answer, written.model.output_shape) if written.answer else None,
        "requestID": str(uuid.uuid4()),
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": written.caller.account,
        "eventCategory": "Management",
    }
    if written.error is not None:
        code = str(getattr(written.error, "code", "") or type(written.error).__name__)
        body["errorCode"] = f"Client.{code}" if written.service == "ec2" else code
        body["errorMessage"] = str(getattr(written.error, "message", ""))
    event = {
        "EventId": body["eventID"],
        "EventName": name,
        "ReadOnly": "false",
        "AccessKeyId": written.caller.access_key,
        "EventTime": datetime.datetime.fromtimestamp(int(began), datetime.UTC),
        "EventSource": body["eventSource"],
        "Username": _username(written.caller),
        "Resources": list(_resources(written)),
        "CloudTrailEvent": json.dumps(body),
    }
    with world.lock:
        world.store("cloudtrail-events", written.caller.account, region, _History).events.appendleft(event)


def _username(caller: Principal) -> str:
    return caller.arn.rpartition("/")[2]


def _identity(caller: Principal) -> dict[str, Any]:
    common = {
        "principalId": caller.user_id,
        "arn": caller.arn,
        "accountId": caller.account,
        "accessKeyId": caller.access_key,
    }
    if ":assumed-role/" not in caller.arn:
        return {"type": "IAMUser", **common, "userName": _username(caller)}
    role = caller.arn.split("/")[1]
    return {
        "type": "AssumedRole",
        **common,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": caller.user_id.partition(":")[0],
                "arn": f"arn:aws:iam::{caller.account}:role/{role}",
                "accountId": caller.account,
                "userName": role,
            },
            "attributes": {
                "creationDate": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(caller.issued)),
                "mfaAuthenticated": "false",
            },
        },
    }


def _told(value: Any, shape: Any) -> Any:
    """A request or an answer as an event has it: names begin with a small letter, secrets are hidden."""
    kind = getattr(shape, "type_name", "")
    if kind == "structure" and isinstance(value, Mapping):
        return {
            name[0].lower() + name[1:]: "HIDDEN_DUE_TO_SECURITY_REASONS"
            if _HIDDEN.search(name) or (name in shape.members and shape.members[name].metadata.get("sensitive"))
            else _told(item, shape.members.get(name))
            for name, item in value.items()
        }
    if kind == "map" and isinstance(value, Mapping):
        return {str(name): _told(item, shape.value) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_told(item, getattr(shape, "member", None)) for item in value]
    if isinstance(value, bytes):
        return "HIDDEN_DUE_TO_SECURITY_REASONS"
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _resources(written: Written) -> Iterator[dict[str, str]]:
    seen = set()
    if written.service == "ec2":
        for text in texts([written.params, written.answer]):
            match = _EC2_ID.fullmatch(text)
            if match and match[1] in _EC2_TYPES and text not in seen:
                seen.add(text)
                yield {"ResourceType": f"AWS::EC2::{_EC2_TYPES[match[1]]}", "ResourceName": text}
        return
    for member, kind in _RESOURCES.get(written.service, {}).items():
        value = written.params.get(member) or _made(written.answer, member)
        if isinstance(value, str):
            arn = _made(written.answer, "Arn") if kind == "AWS::KMS::Key" and not written.params.get(member) else None
            yield {"ResourceType": kind, "ResourceName": arn or value}


def _made(answer: Any, member: str) -> Any:
    """A member of what an answer describes: ``KeyMetadata.KeyId``."""
    for item in (answer or {}).values():
        if isinstance(item, Mapping) and item.get(member):
            return item[member]
    return None


_ATTRIBUTES: dict[str, Callable[[dict[str, Any], str], bool]] = {
    "EventId": lambda event, value: event["EventId"] == value,
    "EventName": lambda event, value: event["EventName"] == value,
    "ReadOnly": lambda event, value: event["ReadOnly"] == value,
    "Username": lambda event, value: event["Username"] == value,
    "EventSource": lambda event, value: event["EventSource"] == value,
    "AccessKeyId": lambda event, value: event["AccessKeyId"] == value,
    "ResourceType": lambda event, value: any(item["ResourceType"] == value for item in event["Resources"]),
    "ResourceName": lambda event, value: any(item["ResourceName"] == value for item in event["Resources"]),
}


@operation("cloudtrail", "LookupEvents")
def lookup_events(call: Call) -> dict[str, Any]:
    """The events of the last 90 days in the caller's account and Region, newest first, by one attribute at most."""
    history = call.world.store("cloudtrail-events", call.account, call.region, _History)
    now = time.monotonic()
    if len(history.asked) == RATE and now - history.asked[0] < 1:
        raise AwsError("ThrottlingException", "Rate exceeded")
    history.asked.append(now)
    start, end = call.get("StartTime"), call.get("EndTime")
    if start and end and start > end:
        raise AwsError("InvalidTimeRangeException", "The specified time range is not valid.")
    attributes = call.get("LookupAttributes", [])
    if len(attributes) > 1:
        raise AwsError("InvalidLookupAttributesException", "Only one lookup attribute can be given.")
    oldest = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=DAYS)
    found = [
        event
        for event in history.events
        if event["EventTime"] >= oldest
        and (start is None or event["EventTime"] >= _aware(start))
        and (end is None or event["EventTime"] <= _aware(end))
        and all(_ATTRIBUTES[item["AttributeKey"]](event, item["AttributeValue"]) for item in attributes)
    ]
    refused = AwsError("InvalidNextTokenException", "The specified next token is not valid.")
    items, token = page(found, call.get("NextToken"), call.get("MaxResults", 50), refused)
    return {"Events": items, **({"NextToken": token} if token else {})}


def _aware(moment: datetime.datetime) -> datetime.datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
