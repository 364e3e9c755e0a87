# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S3: tags given with a new bucket, and the region in its listing.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html
"""

from __future__ import annotations

from typing import Any

from moto.s3.models import s3_backends

from rehearsal.emulator.registry import Call, operation


@operation("s3", "CreateBucket")
def create_bucket(call: Call) -> dict[str, Any]:
    """A bucket; moto drops the tags given with it."""
    answer = call.forward()
    tags = call.get("CreateBucketConfiguration", {}).get("Tags", [])
    if tags:
        backend = s3_backends[call.account][call.partition]
        backend.put_bucket_tagging(call["Bucket"], {tag["Key"]: tag["Value"] for tag in tags})
    return answer


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
