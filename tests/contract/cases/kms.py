# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KMS keys and aliases."""

from __future__ import annotations

from typing import Any

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from tests.contract.contract import Case


def key_policy(*actions: str) -> dict[str, Any]:
    """Return a key policy."""
    principal = {"AWS": "arn:aws:iam::123456789012:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


CASES = [
    Case(
        "kms_key",
        {"description": "contract", "policy": key_policy("kms:*"), "rotation_period_in_days": 180},
        mutable={
            "description": "another",
            "policy": key_policy("kms:Describe*", "kms:Put*"),
            "enabled": False,
            "rotation_period_in_days": 365,
            "pending_window_in_days": 7,
        },
        immutable={"multi_region": True},
    ),
    Case(
        "kms_key",
        {"enable_key_rotation": False},
        # A policy that isn't declared gives way to AWS's own.
        mutable={
            "enable_key_rotation": True,
            "policy": key_policy("kms:Describe*", "kms:Get*", "kms:Put*", "kms:List*"),
        },
        immutable={"key_usage": "GENERATE_VERIFY_MAC", "key_spec": "RSA_2048"},
        label="forms",
    ),
    Case(
        "kms_alias",
        {"alias_name": "alias/contract", "target_key_id": Ref("kms_key.one")},
        needs=(Resource("kms_key", "one"), Resource("kms_key", "two")),
        mutable={"target_key_id": Ref("kms_key.two")},
        unchanged={"alias_name": "it has no tags, so another name is another alias: one is made, one deleted"},
    ),
    Case(
        "kms_alias_lookup",
        {"alias_name": "alias/contract-known"},
        needs=(
            Resource("kms_key", "known"),
            Resource(
                "kms_alias", "known", {"alias_name": "alias/contract-known", "target_key_id": Ref("kms_key.known")}
            ),
        ),
        unchanged={"alias_name": "read-only"},
    ),
]
