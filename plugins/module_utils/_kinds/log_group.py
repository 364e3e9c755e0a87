# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log groups of CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._once import owned
from ._session import Session
from ._shapes import request, violations

_MISSING = ("ResourceNotFoundException",)
_BUSY = ("OperationAbortedException",)
_RETENTION = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""


class LogGroup(Kind):
    """A log group (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html)."""

    name = "log_group"
    properties: ClassVar[Mapping[str, Property]] = {
        "log_group_name": Property("str", required=True, immutable=True, doc="Unique in the account and Region."),
        "retention_in_days": Property("int", choices=_RETENTION, doc="Days that events are kept; undeclared, forever."),
        "kms_key_id": Property(
            "str",
            default="",
            same=lambda wanted, observed: (wanted or "") == (observed or ""),
            doc="ARN of the key that encrypts what comes in from now on; empty for AWS's own.",
        ),
        "log_group_class": Property("str", immutable=True, doc="C(STANDARD) or C(INFREQUENT_ACCESS)."),
    }
    attributes = ("arn",)
    priced = ("retention_in_days", "log_group_class")
    key = ("log_group_name",)

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Describe the owned and the declared ones, fifty in a call."""
        prefix = session.arn("logs", "log-group:")
        tags = {arn.removeprefix(prefix): found for arn, found in owned(session, scope, prefix).items()}
        names = sorted({*tags, *scope.names(self.name, "log_group_name")})
        batches = [names[start : start + 50] for start in range(0, len(names), 50)]

        def batch(identifiers: list[str]) -> list[Any]:
            return session.pages("logs", "describe_log_groups", "logGroups", logGroupIdentifiers=identifiers)

        def one(group: Mapping[str, Any]) -> Observed:
            name = group["logGroupName"]
            found = tags[name] if name in tags else self._tags(session, prefix + name)
            return self._observed(group, prefix + name, found)

        return session.each(one, [group for groups in session.each(batch, batches) for group in groups])

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the group with its tags, then set its retention."""
        session.call(
            "logs",
            "create_log_group",
            retry_on=_BUSY,
            **request("logs", "CreateLogGroup", _given(wanted.properties)),
            tags=dict(wanted.tags),
        )
        name = wanted["log_group_name"]
        arn = session.arn("logs", f"log-group:{name}")
        observed = self._observed({"logGroupName": name, "kmsKeyId": wanted.get("kms_key_id")}, arn, wanted.tags)
        changed = {"retention_in_days"} if wanted.get("retention_in_days") else set()
        return self.update(session, observed, wanted, frozenset(changed))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write retention and key."""
        waits = [*_BUSY, *_MISSING]
        if "retention_in_days" in changed:
            days = wanted["retention_in_days"]
            session.call("logs", "put_retention_policy", retry_on=waits, logGroupName=observed.id, retentionInDays=days)
        if "kms_key_id" in changed:
            key = {"kmsKeyId": wanted["kms_key_id"]} if wanted["kms_key_id"] else {}
            operation = "associate_kms_key" if key else "disassociate_kms_key"
            session.call("logs", operation, retry_on=waits, logGroupName=observed.id, **key)
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the group with its events."""
        session.call("logs", "delete_log_group", retry_on=_BUSY, missing=_MISSING, logGroupName=observed.id)

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags on the group."""
        session.call("logs", "tag_resource", resourceArn=observed.attribute("arn"), tags=dict(tags))

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        return violations("logs", "CreateLogGroup", _given(properties))

    @staticmethod
    def _tags(session: Session, arn: str) -> dict[str, str]:
        return dict(session.call("logs", "list_tags_for_resource", missing=_MISSING, resourceArn=arn).get("tags", {}))

    @staticmethod
    def _observed(group: Mapping[str, Any], arn: str, tags: Mapping[str, str]) -> Observed:
        return Observed(
            id=group["logGroupName"],
            properties={
                "log_group_name": group["logGroupName"],
                "retention_in_days": group.get("retentionInDays"),
                "kms_key_id": group.get("kmsKeyId"),
                "log_group_class": group.get("logGroupClass", "STANDARD"),
            },
            attributes={"arn": arn},
            tags=tags,
        )


def _given(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return properties without an empty key, for which CreateLogGroup has no word."""
    return {name: value for name, value in properties.items() if value != ""}
