# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQS queues."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._once import owned
from ._policies import document, not_json, parsed, same_json, same_policy
from ._session import Session

_MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
_RECENTLY = ("AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently")
"""A name is free again 60 seconds after its queue's deletion
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html)."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")
_DOCUMENTS = ("policy", "redrive_policy", "redrive_allow_policy")
# Ranges of https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
_RANGES = {
    "delay_seconds": (0, 900),
    "maximum_message_size": (1024, 1048576),
    "message_retention_period": (60, 1209600),
    "receive_message_wait_time_seconds": (0, 20),
    "visibility_timeout": (0, 43200),
    "kms_data_key_reuse_period_seconds": (60, 86400),
}
_FLAGS = ("fifo_queue", "content_based_deduplication", "sqs_managed_sse_enabled")


class SqsQueue(Kind):
    """A queue (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html)."""

    name = "sqs_queue"
    properties: ClassVar[Mapping[str, Property]] = {
        "queue_name": Property("str", required=True, immutable=True, doc="Unique in the account and Region."),
        "fifo_queue": Property(
            "bool", default=False, immutable=True, doc="Whether order is kept; the name ends in .fifo."
        ),
        "content_based_deduplication": Property("bool", doc="Whether equal bodies are one message (FIFO)."),
        "delay_seconds": Property("int", default=0, doc="Seconds before a message can be received."),
        "maximum_message_size": Property("int", doc="Bytes that a message may have."),
        "message_retention_period": Property("int", default=345600, doc="Seconds that a message is kept."),
        "receive_message_wait_time_seconds": Property("int", default=0, doc="Seconds of long polling."),
        "visibility_timeout": Property("int", default=30, doc="Seconds that a received message stays hidden."),
        "kms_master_key_id": Property("str", doc="The key that encrypts messages, instead of SQS's own."),
        "kms_data_key_reuse_period_seconds": Property("int", doc="Seconds that a data key is used."),
        "sqs_managed_sse_enabled": Property("bool", doc="Whether SQS encrypts with keys of its own."),
        "policy": Property("json", default={}, same=same_policy, doc="Who may do what with it; empty for its account."),
        "redrive_policy": Property("json", same=same_json, doc="C(deadLetterTargetArn) and C(maxReceiveCount)."),
        "redrive_allow_policy": Property(
            "json", same=same_json, doc="Which queues may use it as their dead letter queue."
        ),
    }
    attributes = ("arn", "queue_url")
    key = ("queue_name",)

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Find the owned and the declared ones in the listing; attributes take a call each."""
        prefix = session.arn("sqs", "")
        tags = {arn.removeprefix(prefix): found for arn, found in owned(session, scope, prefix).items()}
        names = {*tags, *scope.names(self.name, "queue_name")}
        if not names:
            return []
        urls = session.pages("sqs", "list_queues", "QueueUrls", MaxResults=1000)

        def one(url: str) -> Observed | None:
            found = session.call(
                "sqs", "get_queue_attributes", missing=_MISSING, QueueUrl=url, AttributeNames=["All"]
            ).get("Attributes")
            name = _name(url)
            if not found:
                return None
            return self._observed(url, found, tags[name] if name in tags else self._tags(session, url))

        queues = session.each(one, [url for url in urls if _name(url) in names])
        return [queue for queue in queues if queue is not None]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the queue with its attributes and tags."""
        attributes = {name: value for name, value in _attributes(wanted.properties).items() if value}
        url = session.call(
            "sqs",
            "create_queue",
            retry_on=_RECENTLY,
            QueueName=wanted["queue_name"],
            Attributes=attributes,
            tags=dict(wanted.tags),
        )["QueueUrl"]
        attributes["QueueArn"] = session.arn("sqs", wanted["queue_name"])
        return self._observed(url, attributes, wanted.tags)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write the attributes that differ."""
        session.call(
            "sqs",
            "set_queue_attributes",
            retry_on=_MISSING,
            attempts=6,
            QueueUrl=observed.id,
            Attributes=_attributes({name: wanted[name] for name in changed}),
        )
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the queue with its messages."""
        session.call("sqs", "delete_queue", missing=_MISSING, QueueUrl=observed.id)

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags on the queue."""
        session.call("sqs", "tag_queue", retry_on=_MISSING, attempts=6, QueueUrl=observed.id, Tags=dict(tags))

    def gone(self, session: Session, observed: Observed) -> bool:
        """Wait until its name leads nowhere."""
        return not session.call("sqs", "get_queue_url", missing=_MISSING, QueueName=observed.properties["queue_name"])

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check what SQS's model, where attributes are just strings, doesn't know."""
        problems = [problem for name in _DOCUMENTS for problem in not_json(name, properties.get(name))]
        name, fifo = properties["queue_name"], properties["fifo_queue"]
        if isinstance(name, str):
            if not _NAME.fullmatch(name):
                problems.append(
                    f"queue_name: {name!r} is no queue name: 1 to 80 letters, digits, hyphens and underscores, "
                    "and .fifo at the end for a FIFO queue"
                )
            elif name.endswith(".fifo") != fifo:
                problems.append(
                    f"queue_name: {name!r} and fifo_queue {str(fifo).lower()} don't agree: .fifo ends FIFO names"
                )
        for attribute, (least, most) in _RANGES.items():
            value = properties.get(attribute)
            if isinstance(value, int) and not least <= value <= most:
                problems.append(f"{attribute}: {value} is not between {least} and {most}")
        if properties.get("kms_master_key_id") and properties.get("sqs_managed_sse_enabled"):
            problems.append("kms_master_key_id and sqs_managed_sse_enabled exclude each other")
        if properties.get("content_based_deduplication") and not fifo:
            problems.append("content_based_deduplication is for FIFO queues only")
        return problems

    @staticmethod
    def _tags(session: Session, url: str) -> dict[str, str]:
        return dict(session.call("sqs", "list_queue_tags", missing=_MISSING, QueueUrl=url).get("Tags", {}))

    @staticmethod
    def _observed(url: str, attributes: Mapping[str, str], tags: Mapping[str, str]) -> Observed:
        properties: dict[str, Any] = {"queue_name": _name(url), "fifo_queue": False}
        for name in SqsQueue.properties.keys() - {"queue_name"}:
            value = attributes.get(_camel(name))
            if value is None:
                continue
            if name in _FLAGS:
                properties[name] = value == "true"
            elif name in _RANGES:
                properties[name] = int(value)
            else:
                properties[name] = parsed(value) if name in _DOCUMENTS else value
        return Observed(url, properties, {"arn": attributes["QueueArn"], "queue_url": url}, tags)


def _attributes(properties: Mapping[str, Any]) -> dict[str, str]:
    """Return properties as SQS's attributes, which are strings; FifoQueue may be said only where it is true."""
    given: dict[str, str] = {}
    for name, value in properties.items():
        if value is None or name in ("queue_name", "tags") or (name == "fifo_queue" and not value):
            continue
        if isinstance(value, bool):
            given[_camel(name)] = str(value).lower()
        else:
            # An empty text takes a document away.
            given[_camel(name)] = (document(value) if parsed(value) else "") if name in _DOCUMENTS else str(value)
    return given


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _name(url: str) -> str:
    return url.rpartition("/")[2]
