# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S3: what a new bucket is like, its name, and the region in its listing.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html
"""

from __future__ import annotations

import re
from typing import Any

from moto.s3.models import PublicAccessBlock, s3_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")


@operation("s3", "CreateBucket")
def create_bucket(call: Call) -> dict[str, Any]:
    """A bucket; moto drops the tags given with it.

    Since April 2023 a new bucket blocks public access and has no ACLs
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html).
    """
    name = call["Bucket"]
    if not _NAME.fullmatch(name) or ".." in name or name.startswith(("xn--", "sthree-")) or _ADDRESS.fullmatch(name):
        raise AwsError("InvalidBucketName", "The specified bucket is not valid.", BucketName=name)
    answer = call.forward()
    bucket = s3_backends[call.account][call.partition].get_bucket(name)
    if bucket.public_access_block is None:
        bucket.public_access_block = PublicAccessBlock("true", "true", "true", "true")
    if bucket.ownership_rule is None:
        bucket.ownership_rule = call.get("ObjectOwnership", "BucketOwnerEnforced")
    tags = call.get("CreateBucketConfiguration", {}).get("Tags", [])
    if tags:
        backend = s3_backends[call.account][call.partition]
        backend.put_bucket_tagging(call["Bucket"], {tag["Key"]: tag["Value"] for tag in tags})
    return answer


@operation("s3", "HeadBucket")
def head_bucket(call: Call) -> dict[str, Any]:
    """A bucket of another account is there, but not to be looked at unless its policy says so; moto shows everything.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
    """
    _partition, owner = s3_backends.bucket_accounts.get(call["Bucket"], ("", call.account))
    if owner != call.account:
        bucket = s3_backends[owner][call.partition].buckets[call["Bucket"]]
        if call.get("ExpectedBucketOwner", owner) != owner or not bucket.policy:
            raise AwsError("AccessDenied", "Access Denied", status=403)
    return call.forward()


@operation("s3", "ListBuckets")
def list_buckets(call: Call) -> dict[str, Any]:
    """The account's buckets, of one region where one is asked for."""
    answer = call.forward()
    there = s3_backends[call.account][call.partition].buckets
    asked = call.get("BucketRegion")
    buckets = [
        {**bucket, "BucketRegion": there[bucket["Name"]].region_name}
        for bucket in answer.get("Buckets", [])
        if asked in (None, there[bucket["Name"]].region_name)
    ]
    return {**answer, "Buckets": buckets}
