# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S3 buckets and secrets."""

from __future__ import annotations

from typing import Any

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from tests.contract.contract import Case


def bucket_policy(action: str) -> dict[str, Any]:
    """Return a bucket policy that denies an action without TLS."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": "arn:aws:s3:::contract-bucket/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def expire(*days: int) -> dict[str, Any]:
    """Return lifecycle rules."""
    rules = [
        {"id": f"rule-{day}", "status": "Enabled", "filter": {"prefix": f"{day}/"}, "expiration": {"days": day}}
        for day in days
    ]
    return {"rules": rules}


def encrypt(algorithm: str) -> dict[str, Any]:
    """Return a default encryption."""
    rule: dict[str, Any] = {"apply_server_side_encryption_by_default": {"sse_algorithm": algorithm}}
    return {"rules": [{**rule, "bucket_key_enabled": algorithm != "AES256"}]}


def locked(mode: str, days: int) -> dict[str, Any]:
    """Return a default retention."""
    return {"object_lock_enabled": "Enabled", "rule": {"default_retention": {"mode": mode, "days": days}}}


CASES = [
    Case(
        "s3_bucket",
        {
            "bucket": "contract-bucket",
            "versioning_configuration": {"status": "Enabled"},
            "server_side_encryption_configuration": encrypt("AES256"),
            "lifecycle_configuration": expire(30, 7),
            "policy": bucket_policy("s3:*"),
        },
        mutable={
            "versioning_configuration": {"status": "Suspended"},
            "server_side_encryption_configuration": encrypt("aws:kms"),
            "lifecycle_configuration": expire(30),
            "policy": bucket_policy("s3:GetObject"),
            "public_access_block_configuration": {"block_public_acls": False, "block_public_policy": True},
            "ownership_controls": {"rules": [{"object_ownership": "BucketOwnerPreferred"}]},
        },
        immutable={"bucket": "contract-bucket-2", "object_lock_enabled_for_bucket": True},
    ),
    Case(
        "s3_bucket",
        {
            "bucket": "contract-locked",
            "object_lock_enabled_for_bucket": True,
            "object_lock_configuration": locked("GOVERNANCE", 30),
        },
        mutable={"object_lock_configuration": locked("COMPLIANCE", 60)},
        label="locked",
    ),
    Case(
        "secret",
        {
            "name": "contract/secret",
            "description": "contract",
            "kms_key_id": Ref("kms_key.one", "arn"),
            "generate_secret_string": {
                "password_length": 20,
                "exclude_punctuation": True,
                "secret_string_template": {"username": "app"},
                "generate_string_key": "password",
            },
        },
        needs=(Resource("kms_key", "one"), Resource("kms_key", "two")),
        mutable={
            "description": "another",
            "kms_key_id": Ref("kms_key.two", "arn"),
            "recovery_window_in_days": 7,
        },
        immutable={"name": "contract/secret-2"},
    ),
]
