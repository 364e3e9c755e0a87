# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EventBridge's way into queues, and queues that somebody waits at."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from rehearsal.emulator.services import policies
from tests.emulator.conftest import REGION, Aws, eventually, refused

ACCOUNT = "123456789012"


def statement(queue: str, **more: Any) -> dict[str, Any]:
    principal = {"Service": ["events.amazonaws.com", "sqs.amazonaws.com"]}
    return {"Effect": "Allow", "Principal": principal, "Action": "sqs:SendMessage", "Resource": queue, **more}


def plumbing(
    aws: Aws, name: str, *, policy: bool = True, pattern: dict[str, Any] | None = None, **more: Any
) -> tuple[str, str]:
    """A queue that a rule leads to: (URL, ARN)."""
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    attributes = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement(queue)]})} if policy else {}
    url = aws("sqs").create_queue(QueueName=name, Attributes={**attributes, **more})["QueueUrl"]
    wanted = {"source": [f"test.{name}"]} if pattern is None else pattern
    aws("events").put_rule(Name=name, EventPattern=json.dumps(wanted), State="ENABLED")
    aws("events").put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": queue}])
    return url, queue


def put(aws: Aws, name: str, **detail: Any) -> dict[str, Any]:
    entry = {"Source": f"test.{name}", "DetailType": "Thing", "Detail": json.dumps(detail), "Resources": ["a"]}
    answer: dict[str, Any] = aws("events").put_events(Entries=[entry])
    return answer


def received(aws: Aws, url: str, wait: int = 0) -> list[dict[str, Any]]:
    answer = aws("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def failures(aws: Aws, name: str) -> list[str]:
    return [item["failure"] for item in aws.state.admin("events") if item["rule"] == name]


def test_an_event_reaches_the_queue_in_its_envelope(aws: Aws, name: str) -> None:
    url, _queue = plumbing(aws, name)
    answer = put(aws, name, size=3)
    assert answer["FailedEntryCount"] == 0
    (message,) = received(aws, url)
    assert message["id"] == answer["Entries"][0]["EventId"]
    assert message["time"].endswith("Z")
    assert {key: message[key] for key in ("version", "detail-type", "source", "account", "region", "resources")} == {
        "version": "0",
        "detail-type": "Thing",
        "source": f"test.{name}",
        "account": ACCOUNT,
        "region": REGION,
        "resources": ["a"],
    }
    assert message["detail"] == {"size": 3}
    assert failures(aws, name) == [""]


def test_a_rule_matches_by_its_whole_pattern_and_only_while_it_is_enabled(aws: Aws, name: str) -> None:
    url, _queue = plumbing(aws, name, pattern={"source": [f"test.{name}"], "detail": {"size": [3]}})
    put(aws, name, size=4)
    aws("events").disable_rule(Name=name)
    put(aws, name, size=3)
    assert received(aws, url) == []
    aws("events").enable_rule(Name=name)
    put(aws, name, size=3)
    assert len(received(aws, url)) == 1


def test_a_queue_whose_policy_names_nobody_gets_nothing(aws: Aws, name: str) -> None:
    url, _queue = plumbing(aws, name, policy=False)
    put(aws, name)
    assert received(aws, url) == []
    assert failures(aws, name) == ["the queue's policy doesn't allow events.amazonaws.com sqs:SendMessage"]


def test_a_queue_with_the_key_of_sqs_gets_nothing_and_one_with_a_key_that_allows_it_does(aws: Aws, name: str) -> None:
    url, _queue = plumbing(aws, name, KmsMasterKeyId="alias/aws/sqs")
    put(aws, name)
    assert received(aws, url) == []
    actions = ["kms:GenerateDataKey", "kms:Decrypt"]
    use = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": actions, "Resource": "*"}
    own = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [own, use]})
    key = aws("kms").create_key(Policy=policy)["KeyMetadata"]["KeyId"]
    aws("sqs").set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": key})
    put(aws, name)
    assert len(received(aws, url)) == 1


def test_what_can_not_be_delivered_goes_to_the_dead_letter_queue(aws: Aws, name: str) -> None:
    url, _queue = plumbing(aws, name, policy=False)
    spare, arn = plumbing(aws, f"{name}-spare")
    target = {"Id": "queue", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}", "DeadLetterConfig": {"Arn": arn}}
    aws("events").put_targets(Rule=name, Targets=[target])
    put(aws, name)
    assert received(aws, url) == []
    assert len(received(aws, spare)) == 1


def test_nobody_speaks_for_a_service_of_aws(aws: Aws) -> None:
    entry = {"Source": "aws.ec2", "DetailType": "x", "Detail": "{}"}
    broken = {"Source": "x", "DetailType": "x", "Detail": "{"}
    answer = aws("events").put_events(Entries=[entry, broken])
    assert answer["FailedEntryCount"] == 2
    codes = [item["ErrorCode"] for item in answer["Entries"]]
    assert codes == ["NotAuthorizedForSourceException", "MalformedDetail"]


def test_who_waits_at_a_queue_gets_the_message_and_holds_up_nobody(aws: Aws, name: str) -> None:
    url = aws("sqs").create_queue(QueueName=name)["QueueUrl"]
    got: list[Any] = []
    waiting = threading.Thread(target=lambda: got.extend(received(aws, url, wait=20)))
    waiting.start()
    time.sleep(0.3)
    began = time.monotonic()
    aws("sts").get_caller_identity()
    aws("sqs").send_message(QueueUrl=url, MessageBody='{"a": 1}')
    assert time.monotonic() - began < 5
    waiting.join(5)
    assert got == [{"a": 1}]


def test_who_waits_in_vain_is_answered_after_the_queues_time(aws: Aws, name: str) -> None:
    url = aws("sqs").create_queue(QueueName=name, Attributes={"ReceiveMessageWaitTimeSeconds": "1"})["QueueUrl"]
    began = time.monotonic()
    assert aws("sqs").receive_message(QueueUrl=url).get("Messages", []) == []
    assert 0.9 < time.monotonic() - began < 5
    assert eventually(lambda: received(aws, url) == [])


def test_messages_attributes_are_asked_for_by_either_name(aws: Aws, name: str) -> None:
    url = aws("sqs").create_queue(QueueName=name)["QueueUrl"]
    for asked in ("AttributeNames", "MessageSystemAttributeNames"):
        aws("sqs").send_message(QueueUrl=url, MessageBody="{}")
        (message,) = aws("sqs").receive_message(QueueUrl=url, **{asked: ["SentTimestamp"]})["Messages"]
        assert set(message["Attributes"]) == {"SentTimestamp"}
        assert refused(aws("sqs").receive_message, QueueUrl=url, **{asked: ["Colour"]}) == "InvalidParameterValue"


QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/one"
DENY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sqs:*",
    "Resource": QUEUE,
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], False),
        ([statement(QUEUE)], True),
        ([statement(QUEUE), DENY], True),
        ([statement(QUEUE), {**DENY, "Condition": {}}], False),
        ([statement(QUEUE, Principal={"Service": "sns.amazonaws.com"})], False),
        ([statement(QUEUE, Principal={"AWS": "*"})], True),
        ([statement(QUEUE, Action=["sqs:Send*"])], True),
        ([statement(QUEUE, Action="sqs:ReceiveMessage")], False),
        ([statement("*")], True),
        ([statement(f"{QUEUE}2")], False),
        ([statement(QUEUE, Condition={"ArnEquals": {"aws:SourceArn": [RULE]}})], True),
        ([statement(QUEUE, Condition={"ArnLike": {"AWS:SourceArn": f"arn:aws:events:*:{ACCOUNT}:rule/*"}})], True),
        ([statement(QUEUE, Condition={"ArnEquals": {"aws:SourceArn": f"{RULE}2"}})], False),
        ([statement(QUEUE, Condition={"StringEquals": {"aws:SourceAccount": "999999999999"}})], False),
        ([statement(QUEUE, Condition={"StringNotEquals": {"aws:SourceAccount": "999999999999"}})], True),
        ([statement(QUEUE, Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}})], False),
        ([statement(QUEUE, Condition={"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}})], True),
        ([statement(QUEUE, Condition={"Unheard": {"aws:SourceArn": RULE}})], False),
    ],
)
def test_a_queues_policy_is_read_as_iam_does(statements: list[dict[str, Any]], expected: bool) -> None:
    context = {"aws:SourceArn": RULE, "aws:SourceAccount": ACCOUNT, "aws:SecureTransport": "true"}
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    assert policies.allows(document, "events.amazonaws.com", "sqs:SendMessage", QUEUE, context) is expected
