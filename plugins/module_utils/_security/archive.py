# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources of the log archive: a key, and a bucket for each kind of logs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .._engine.resource import Join, Ref, Resource

STACK = "log-archive"
LOGS = ("cloudtrail", "config", "flow", "dns", "waf", "cloudfront", "alb")
MODES = ("GOVERNANCE", "COMPLIANCE")
WRITERS = {
    "cloudtrail": "cloudtrail.amazonaws.com",
    "config": "config.amazonaws.com",
    "alb": "logdelivery.elasticloadbalancing.amazonaws.com",
}
"""Who writes them; the others come by way of CloudWatch Logs
(https://docs.aws.amazon.com/AmazonCloudWatch/logs/AWS-logs-infrastructure-S3.html)."""
DELIVERY = "delivery.logs.amazonaws.com"

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,38}[a-z0-9]")
_TRAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,126}[A-Za-z0-9]")
_ORGANIZATION = "organization_lookup.own"
_ORGANIZATION_ID = Ref(_ORGANIZATION)
_MANAGEMENT = Ref(_ORGANIZATION, "management_account_id")
_PARTITION = Ref(_ORGANIZATION, "partition")
_OURS = {"StringEquals": {"aws:SourceOrgID": _ORGANIZATION_ID}}


@dataclass(frozen=True)
class Archive:
    """What the module ``log_archive`` was told.

    :param name: what the buckets' names begin with (those of WAF have to begin otherwise) and the key's alias is.
    :param logs: the kinds of logs, of :data:`LOGS`.
    :param trail: the name of the organization's trail, which alone may write into its bucket; ``region`` is its home.
    :param retention_days: for how long what comes can't be deleted; 0 for no such time.
    :param retained: the kinds of logs that this is about.
    :param tiering_days: days after which objects go to Intelligent-Tiering.
    :param expiration_days: days after which they are deleted; 0 for never.
    """

    name: str
    region: str
    logs: Sequence[str] = LOGS
    trail: str = "organization"
    object_lock: bool = True
    retention_mode: str = "GOVERNANCE"
    retention_days: int = 365
    retained: Sequence[str] = ("cloudtrail",)
    tiering_days: int = 30
    expiration_days: int = 2557
    noncurrent_days: int = 90

    def bucket(self, log: str) -> str:
        """Return the name of a bucket.

        WAF's begin with ``aws-waf-logs-`` (https://docs.aws.amazon.com/waf/latest/developerguide/logging-s3.html).
        """
        return f"aws-waf-logs-{self.name}" if log == "waf" else f"{self.name}-{log}"

    @property
    def alias(self) -> str:
        """The alias of the key."""
        return f"alias/{self.name}"


def problems_of(archive: Archive) -> list[str]:
    """Return every mistake in what was asked for."""
    return list(_problems(archive))


def _problems(archive: Archive) -> Iterator[str]:
    if not _NAME.fullmatch(archive.name):
        yield (
            f"name '{archive.name}' can't begin the names of buckets: "
            "give 3 to 40 lower-case letters, digits and hyphens, beginning and ending with a letter or digit"
        )
    if not archive.logs:
        yield f"logs is empty: name at least one of {', '.join(LOGS)}"
    for word, named in (("logs", archive.logs), ("retained_logs", archive.retained)):
        yield from (f"{word}: '{log}' is none of {', '.join(LOGS)}" for log in dict.fromkeys(named) if log not in LOGS)
        yield from (f"{word}: '{log}' is given {count} times" for log, count in Counter(named).items() if count > 1)
    if not _TRAIL.fullmatch(archive.trail):
        yield f"trail_name '{archive.trail}' is no name of a trail: give 3 to 128 letters, digits, '.', '_' and '-'"
    if archive.retention_mode not in MODES:
        yield f"retention_mode '{archive.retention_mode}' is none of {', '.join(MODES)}"
    for word, days in (
        ("retention_days", archive.retention_days),
        ("tiering_days", archive.tiering_days),
        ("expiration_days", archive.expiration_days),
        ("noncurrent_days", archive.noncurrent_days),
    ):
        if days < 0 or (word == "noncurrent_days" and days == 0):
            yield f"{word} is {days}: give {'1' if word == 'noncurrent_days' else '0'} or more days"
    if archive.expiration_days and archive.expiration_days <= archive.tiering_days:
        yield (
            f"expiration_days {archive.expiration_days} is not more than tiering_days {archive.tiering_days}: "
            "logs would be gone before they are moved"
        )
    yield from _lock_problems(archive)


def _lock_problems(archive: Archive) -> Iterator[str]:
    if not archive.retention_days or not archive.retained:
        return
    if not archive.object_lock:
        yield "retention_days needs object_lock, which a bucket has from the beginning or never"
    if "config" in archive.retained:
        # https://docs.aws.amazon.com/config/latest/developerguide/s3-bucket-policy.html
        yield "retained_logs: AWS Config writes into no bucket with a default retention: leave out 'config'"
    for log in dict.fromkeys(archive.retained):
        if log in LOGS and log not in archive.logs:
            yield f"retained_logs: '{log}' is not among logs: add it there, or leave it out here"
    if 0 < archive.expiration_days < archive.retention_days:
        yield (
            f"expiration_days {archive.expiration_days} is less than retention_days {archive.retention_days}: "
            "nothing can be deleted before"
        )


def archive_resources(archive: Archive) -> tuple[list[Resource], list[str], dict[str, Any]]:
    """Return the resources, what is wrong with the parameters, and the module's return values."""
    problems = problems_of(archive)
    if problems:
        return [], problems, {}
    hint = "run playbooks/organization.yml first"
    resources = [
        Resource("organization_lookup", "own", {"name": "own"}, hint=hint),
        Resource("kms_key", "logs", {"description": "Logs of the organization", "policy": _key_policy(archive)}),
        Resource("kms_alias", "logs", {"alias_name": archive.alias, "target_key_id": Ref("kms_key.logs")}),
        *(_bucket(archive, log) for log in archive.logs),
    ]
    outputs = {
        "key_arn": Ref("kms_key.logs", "arn"),
        "buckets": {log: Ref(f"s3_bucket.{log}") for log in archive.logs},
    }
    return resources, [], outputs


def _arn(*parts: str | Ref) -> Join:
    return Join(("arn:", _PARTITION, *parts))


def trail_arn(archive: Archive) -> Join:
    """Return the ARN of the organization's trail, which is the management account's whoever makes it."""
    return _arn(f":cloudtrail:{archive.region}:", _MANAGEMENT, f":trail/{archive.trail}")


def _allow(sid: str, service: str, actions: Sequence[str], resource: Any, condition: Any) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": list(actions),
        "Resource": resource,
        "Condition": condition,
    }


def _key_policy(archive: Archive) -> dict[str, Any]:
    """Let in the account's own administrators and the services that write; each only for this organization.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
    """
    statements: list[dict[str, Any]] = [
        {
            "Sid": "Account",
            "Effect": "Allow",
            "Principal": {"AWS": Ref(_ORGANIZATION, "account_principal")},
            "Action": "kms:*",
            "Resource": "*",
        }
    ]
    if "cloudtrail" in archive.logs:
        context = {"kms:EncryptionContext:aws:cloudtrail:arn": _arn(":cloudtrail:*:", _MANAGEMENT, ":trail/*")}
        this = {"StringEquals": {"aws:SourceArn": trail_arn(archive)}}
        service = WRITERS["cloudtrail"]
        statements += [
            _allow("CloudTrail", service, ["kms:GenerateDataKey*"], "*", {**this, "StringLike": context}),
            _allow("CloudTrailDescribes", service, ["kms:DescribeKey"], "*", this),
        ]
    if "config" in archive.logs:
        statements.append(_allow("Config", WRITERS["config"], ["kms:Decrypt", "kms:GenerateDataKey"], "*", _OURS))
    if set(archive.logs) - WRITERS.keys():
        actions = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        statements.append(_allow("LogDelivery", DELIVERY, actions, "*", _OURS))
    return {"Version": "2012-10-17", "Statement": statements}


def _bucket(archive: Archive, log: str) -> Resource:
    lock: dict[str, Any] = {"object_lock_enabled_for_bucket": archive.object_lock}
    if archive.object_lock:
        retention = {"mode": archive.retention_mode, "days": archive.retention_days}
        rule = {"rule": {"default_retention": retention}} if archive.retention_days and log in archive.retained else {}
        lock["object_lock_configuration"] = {"object_lock_enabled": "Enabled", **rule}
    return Resource(
        "s3_bucket",
        log,
        {
            "bucket": archive.bucket(log),
            **lock,
            "versioning_configuration": {"status": "Enabled"},
            "server_side_encryption_configuration": _encryption(log),
            "lifecycle_configuration": {"rules": [_lifecycle(archive)]},
            "policy": _bucket_policy(archive, log),
        },
    )


def _encryption(log: str) -> dict[str, Any]:
    """Load balancers write into buckets with S3's own keys only.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
    """
    if log == "alb":
        return {"rules": [{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}]}
    default = {"sse_algorithm": "aws:kms", "kms_master_key_id": Ref("kms_key.logs", "arn")}
    return {"rules": [{"apply_server_side_encryption_by_default": default, "bucket_key_enabled": True}]}


def _lifecycle(archive: Archive) -> dict[str, Any]:
    return {
        "id": "logs",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "transitions": [{"days": archive.tiering_days, "storage_class": "INTELLIGENT_TIERING"}],
        **({"expiration": {"days": archive.expiration_days}} if archive.expiration_days else {}),
        "noncurrent_version_expiration": {"noncurrent_days": archive.noncurrent_days},
        "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
    }


def _bucket_policy(archive: Archive, log: str) -> dict[str, Any]:
    """Let in nobody without TLS, and only the one service.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
    """
    bucket = archive.bucket(log)
    whole, service = _arn(f":s3:::{bucket}"), WRITERS.get(log, DELIVERY)
    tls = {
        "Sid": "OnlyByTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [whole, _arn(f":s3:::{bucket}/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    if log == "cloudtrail":
        condition: dict[str, Any] = {"StringEquals": {"aws:SourceArn": trail_arn(archive)}}
        paths = [_arn(f":s3:::{bucket}/AWSLogs/", owner, "/*") for owner in (_MANAGEMENT, _ORGANIZATION_ID)]
    else:
        condition, paths = _OURS, [_arn(f":s3:::{bucket}/*")]
    # Load balancers set no ACL on what they write.
    acl = {} if log == "alb" else {"s3:x-amz-acl": "bucket-owner-full-control"}
    writing = {"StringEquals": {**condition["StringEquals"], **acl}}
    statements = [tls, _allow("Writes", service, ["s3:PutObject"], paths, writing)]
    if log != "alb":
        looking = ["s3:GetBucketAcl"] if log == "cloudtrail" else ["s3:GetBucketAcl", "s3:ListBucket"]
        statements.append(_allow("Looks", service, looking, whole, condition))
    return {"Version": "2012-10-17", "Statement": statements}
