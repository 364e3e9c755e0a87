# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S3 buckets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import Kind, Observed, Pending, Property, Scope, Wanted
from .._engine.plan import same
from ._once import owned
from ._policies import document, parsed, policy_problems, same_policy
from ._session import Session, error_code
from ._shapes import from_api, to_api, violations
from ._tags import tag_dict, tag_list

_MISSING = ("NoSuchBucket", "404")
_SETTLING = ("NoSuchBucket", "OperationAborted")
"""A bucket made a moment ago isn't known everywhere, and takes one change of its settings at a time
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel)."""
_RESERVED = r"(?!xn--|sthree-|.*(-s3alias|--ol-s3)$)(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)"
_NAME = re.compile(_RESERVED + "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""


@dataclass(frozen=True)
class _Setting:
    """One sub-resource of a bucket: how it is read and written, its member, and what says that it isn't set."""

    get: str
    put: str
    member: str
    shape: str = ""
    unset: tuple[str, ...] = ()


_SETTINGS: Mapping[str, _Setting] = {
    "public_access_block_configuration": _Setting(
        "get_public_access_block",
        "put_public_access_block",
        "PublicAccessBlockConfiguration",
        "PublicAccessBlockConfiguration",
        ("NoSuchPublicAccessBlockConfiguration",),
    ),
    "ownership_controls": _Setting(
        "get_bucket_ownership_controls",
        "put_bucket_ownership_controls",
        "OwnershipControls",
        "OwnershipControls",
        ("OwnershipControlsNotFoundError",),
    ),
    "versioning_configuration": _Setting(
        "get_bucket_versioning", "put_bucket_versioning", "VersioningConfiguration", "VersioningConfiguration"
    ),
    "server_side_encryption_configuration": _Setting(
        "get_bucket_encryption",
        "put_bucket_encryption",
        "ServerSideEncryptionConfiguration",
        "ServerSideEncryptionConfiguration",
        ("ServerSideEncryptionConfigurationNotFoundError",),
    ),
    "lifecycle_configuration": _Setting(
        "get_bucket_lifecycle_configuration",
        "put_bucket_lifecycle_configuration",
        "LifecycleConfiguration",
        "BucketLifecycleConfiguration",
        ("NoSuchLifecycleConfiguration",),
    ),
    "object_lock_configuration": _Setting(
        "get_object_lock_configuration",
        "put_object_lock_configuration",
        "ObjectLockConfiguration",
        "ObjectLockConfiguration",
        ("ObjectLockConfigurationNotFoundError",),
    ),
    "policy": _Setting("get_bucket_policy", "put_bucket_policy", "Policy", "", ("NoSuchBucketPolicy",)),
}
# What S3 answers without the member around it.
_BARE = ("versioning_configuration", "lifecycle_configuration")


def _same_rules(wanted: Mapping[str, Any], observed: Mapping[str, Any] | None) -> bool:
    """Compare lifecycle rules by their ids: S3 doesn't keep their order."""

    def ordered(configuration: Mapping[str, Any]) -> list[Any]:
        return sorted(configuration.get("rules", []), key=lambda rule: str(rule.get("id")))

    return same(Property("dict"), ordered(wanted), ordered(observed or {}))


class S3Bucket(Kind):
    """A general purpose bucket (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html).

    It is closed to the public and without ACLs unless declared otherwise, and deleted only when it is empty.
    """

    name = "s3_bucket"
    properties: ClassVar[Mapping[str, Property]] = {
        "bucket": Property("str", required=True, immutable=True, doc="The name, unique in the world."),
        "object_lock_enabled_for_bucket": Property(
            "bool", default=False, immutable=True, doc="Whether objects can be locked against deletion."
        ),
        "public_access_block_configuration": Property(
            "dict",
            default={
                "block_public_acls": True,
                "ignore_public_acls": True,
                "block_public_policy": True,
                "restrict_public_buckets": True,
            },
            doc="What of public access is blocked; all of it by default.",
        ),
        "ownership_controls": Property(
            "dict",
            default={"rules": [{"object_ownership": "BucketOwnerEnforced"}]},
            doc="Who owns the objects; by default the bucket's owner, and ACLs mean nothing.",
        ),
        "versioning_configuration": Property("dict", doc="C(status), C(Enabled) or C(Suspended)."),
        "server_side_encryption_configuration": Property(
            "dict", doc="C(rules); undeclared, S3 encrypts with its own keys (SSE-S3)."
        ),
        "lifecycle_configuration": Property("dict", same=_same_rules, doc="C(rules), each with an C(id)."),
        "object_lock_configuration": Property(
            "dict",
            doc="C(object_lock_enabled), C(Enabled), and C(rule) with the C(default_retention) of new objects.",
        ),
        "policy": Property("json", same=same_policy, doc="The bucket policy."),
    }
    attributes = ("arn", "bucket_regional_domain_name")
    priced = ()
    key = ("bucket",)
    holds_data = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Find the owned and the declared ones among the account's, and read the settings that are declared at all."""
        prefix = session.arn("s3", "", region="", account="")
        tags = {arn.removeprefix(prefix): found for arn, found in owned(session, scope, prefix).items()}
        declared = scope.declared.get(self.name, ())
        names = {*tags, *scope.names(self.name, "bucket")}
        if not names:
            return []
        there = session.pages("s3", "list_buckets", "Buckets", BucketRegion=session.region, MaxBuckets=1000)
        settings = [name for name in _SETTINGS if any(name in properties for properties in declared)]

        def one(bucket: str) -> Observed:
            found = tags[bucket] if bucket in tags else _tags(session, bucket)
            return self._observed(session, bucket, found, {name: _read(session, bucket, name) for name in settings})

        buckets = session.each(one, sorted(names & {item["Name"] for item in there}))
        return session.each(lambda bucket: self._with_lock(session, bucket), buckets)

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the bucket with its tags and ownership, then write the settings one after the other."""
        configuration: dict[str, Any] = {"Tags": tag_list(wanted.tags)}
        if session.region != "us-east-1":
            # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html: us-east-1 is refused.
            configuration["LocationConstraint"] = session.region
        bucket = wanted["bucket"]
        session.call(
            "s3",
            "create_bucket",
            retry_on=["OperationAborted"],
            Bucket=bucket,
            CreateBucketConfiguration=configuration,
            ObjectLockEnabledForBucket=wanted["object_lock_enabled_for_bucket"],
            ObjectOwnership=wanted["ownership_controls"]["rules"][0]["object_ownership"],
        )
        observed = self._observed(session, bucket, wanted.tags, wanted.properties)
        changed = {name for name in _SETTINGS if wanted.get(name) is not None} - {"ownership_controls"}
        return self.update(session, observed, wanted, frozenset(changed))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write settings, the block of public access before the policy."""
        for name, setting in _SETTINGS.items():
            if name not in changed:
                continue
            value = document(wanted[name]) if name == "policy" else to_api("s3", setting.shape, wanted[name])
            session.call(
                "s3",
                setting.put,
                retry_on=[*_SETTLING, *(["MalformedPolicy"] if name == "policy" else [])],
                attempts=8,
                Bucket=observed.id,
                **{setting.member: value},
            )
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the bucket; S3 refuses while there is an object or a version in it."""
        session.call("s3", "delete_bucket", retry_on=["OperationAborted"], missing=_MISSING, Bucket=observed.id)

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags; S3 takes only the whole set, so the ones that are there are read first."""
        merged = {**_tags(session, observed.id), **tags}
        session.call(
            "s3",
            "put_bucket_tagging",
            retry_on=_SETTLING,
            attempts=8,
            Bucket=observed.id,
            Tagging={"TagSet": tag_list(merged)},
        )

    def ready(self, session: Session, observed: Observed) -> Observed | None:
        """Wait until S3 knows it (waiter bucket_exists)."""
        return observed if session.polled("s3", "bucket_exists", Bucket=observed.id) else None

    def gone(self, session: Session, observed: Observed) -> bool | Pending:
        """Wait until S3 knows it no more (waiter bucket_not_exists)."""
        return session.polled("s3", "bucket_not_exists", Bucket=observed.id)

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check name, documents and settings against S3's rules and its API's model."""
        problems = policy_problems("policy", properties.get("policy"))
        name = properties["bucket"]
        if isinstance(name, str) and not _NAME.fullmatch(name):
            problems.append(
                f"bucket: {name!r} is no bucket name: 3 to 63 lower-case letters, digits, dots and hyphens, "
                "beginning and ending with a letter or digit"
            )
        operations = {
            "public_access_block_configuration": "PutPublicAccessBlock",
            "ownership_controls": "PutBucketOwnershipControls",
            "versioning_configuration": "PutBucketVersioning",
            "server_side_encryption_configuration": "PutBucketEncryption",
            "lifecycle_configuration": "PutBucketLifecycleConfiguration",
            "object_lock_configuration": "PutObjectLockConfiguration",
        }
        for setting, operation in operations.items():
            problems += violations("s3", operation, {setting: properties.get(setting)})
        rules = (properties.get("lifecycle_configuration") or {}).get("rules") or []
        if any("id" not in rule for rule in rules if isinstance(rule, Mapping)):
            problems.append("lifecycle_configuration: each rule needs an id, by which it is found again")
        versioning = (properties.get("versioning_configuration") or {}).get("status", "Enabled")
        if properties["object_lock_enabled_for_bucket"] and versioning != "Enabled":
            problems.append("versioning_configuration: a bucket with object lock has versioning Enabled")
        return [*problems, *_wrong_lock(properties)]

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Refuse names that somebody else has: all accounts of a partition have one list of them."""
        names = sorted({item["bucket"] for item in wanted if isinstance(item["bucket"], str)})
        problems = session.each(lambda name: _taken(session, name), names)
        return [problem for problem in problems if problem]

    @staticmethod
    def _with_lock(session: Session, observed: Observed) -> Observed:
        """Add whether objects can be locked: a call that only a versioned bucket needs."""
        status = (observed.properties.get("versioning_configuration") or {}).get("status")
        if "versioning_configuration" in observed.properties and status != "Enabled":
            return observed
        if "object_lock_configuration" in observed.properties:
            lock = observed.properties["object_lock_configuration"] or {}
            enabled = lock.get("object_lock_enabled") == "Enabled"
            properties = {**observed.properties, "object_lock_enabled_for_bucket": enabled}
            return Observed(observed.id, properties, observed.attributes, observed.tags)
        found = session.call(
            "s3",
            "get_object_lock_configuration",
            missing=[*_MISSING, "ObjectLockConfigurationNotFoundError"],
            Bucket=observed.id,
        ).get("ObjectLockConfiguration", {})
        locked = found.get("ObjectLockEnabled") == "Enabled"
        properties = {**observed.properties, "object_lock_enabled_for_bucket": locked}
        return Observed(observed.id, properties, observed.attributes, observed.tags)

    @staticmethod
    def _observed(session: Session, bucket: str, tags: Mapping[str, str], properties: Mapping[str, Any]) -> Observed:
        suffix = "amazonaws.com.cn" if session.partition == "aws-cn" else "amazonaws.com"
        return Observed(
            id=bucket,
            properties={"object_lock_enabled_for_bucket": False, **properties, "bucket": bucket},
            attributes={
                "arn": session.arn("s3", bucket, region="", account=""),
                "bucket_regional_domain_name": f"{bucket}.s3.{session.region}.{suffix}",
            },
            tags=tags,
        )


def _wrong_lock(properties: Mapping[str, Any]) -> list[str]:
    """Check a default retention (https://docs.aws.amazon.com/AmazonS3/latest/API/API_DefaultRetention.html)."""
    lock = properties.get("object_lock_configuration")
    if not isinstance(lock, Mapping):
        return []
    problems = []
    if not properties["object_lock_enabled_for_bucket"]:
        problems.append("object_lock_configuration: set object_lock_enabled_for_bucket, which has to be there first")
    retention = (lock.get("rule") or {}).get("default_retention") or {}
    if lock.get("rule") is not None and (
        not retention.get("mode") or bool(retention.get("days")) == bool(retention.get("years"))
    ):
        problems.append("object_lock_configuration: a default retention has a mode, and either days or years")
    return problems


def _taken(session: Session, bucket: str) -> str:
    """Return what is wrong with a name that is somebody else's.

    A HEAD is answered by a status alone (https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html).
    """
    try:
        session.call("s3", "head_bucket", missing=_MISSING, Bucket=bucket, ExpectedBucketOwner=session.account_id)
    except EngineError as error:
        if error_code(error) in ("403", "AccessDenied"):
            return f"the bucket name {bucket} is another account's, and unique in the world: choose another"
        if error_code(error) not in ("301", "400", "PermanentRedirect"):
            raise
    return ""


def _read(session: Session, bucket: str, name: str) -> Any:
    setting = _SETTINGS[name]
    found = session.call("s3", setting.get, missing=[*_MISSING, *setting.unset], Bucket=bucket)
    value = found if name in _BARE else found.get(setting.member)
    return parsed(value) if name == "policy" else from_api("s3", setting.shape, value)


def _tags(session: Session, bucket: str) -> dict[str, str]:
    return tag_dict(
        session.call("s3", "get_bucket_tagging", missing=[*_MISSING, "NoSuchTagSet"], Bucket=bucket).get("TagSet")
    )
