# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every account has in every Region: settings that are there always, and what watches over it."""

from __future__ import annotations

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from tests.contract.contract import Case

HERE = {"region": "eu-central-1"}
OTHER_REGION = {"region": "what is in another Region is another thing: test_regional"}
ONE = {"account": "an account has exactly one"}
KEYS = (Resource("kms_key", "one"), Resource("kms_key", "two"))
CONFIG = Resource("iam_service_linked_role", "config", {"aws_service_name": "config.amazonaws.com"})
ROLE = Resource(
    "iam_role",
    "recorder",
    {
        "role_name": "contract-recorder",
        "path": "/innovate/contract-config-recorder/",
        "assume_role_policy_document": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "config.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        },
    },
)
RECORDER = Resource("config_recorder", "own", {**HERE, "role_arn": Ref("iam_service_linked_role.config", "arn")})
BUCKET = "contract-config-history"


def told(threshold: float, *addresses: str) -> dict[str, object]:
    """Return a notification."""
    subscribers = [{"subscription_type": "EMAIL", "address": address} for address in addresses]
    return {
        "notification_type": "ACTUAL",
        "comparison_operator": "GREATER_THAN",
        "threshold": threshold,
        "subscribers": subscribers,
    }


CASES = [
    Case("ec2_default_vpc", HERE, mutable={"present": True}, unchanged=OTHER_REGION, fresh=True, there=True),
    Case(
        "ec2_account_settings",
        {**HERE, "serial_console_access": False},
        mutable={
            "snapshot_block_public_access": "unblocked",
            "image_block_public_access": "unblocked",
            "instance_metadata_defaults": {"http_tokens": "optional", "http_put_response_hop_limit": 1},
            "serial_console_access": True,
        },
        unchanged=OTHER_REGION,
        fresh=True,
        there=True,
    ),
    Case(
        "ebs_default_encryption",
        {**HERE, "kms_key_id": Ref("kms_key.one", "arn")},
        needs=KEYS,
        mutable={"kms_key_id": Ref("kms_key.two", "arn"), "ebs_encryption_by_default": False},
        unchanged=OTHER_REGION,
        fresh=True,
    ),
    Case(
        "s3_account_public_access_block",
        {},
        mutable=dict.fromkeys(
            ("block_public_acls", "ignore_public_acls", "block_public_policy", "restrict_public_buckets"), False
        ),
        unchanged=ONE,
        fresh=True,
        there=True,
    ),
    Case(
        "iam_password_policy",
        {},
        mutable={
            "minimum_password_length": 20,
            "require_symbols": False,
            "require_numbers": False,
            "require_uppercase_characters": False,
            "require_lowercase_characters": False,
            "allow_users_to_change_password": False,
            "max_password_age": 0,
            "password_reuse_prevention": 0,
            "hard_expiry": True,
        },
        unchanged=ONE,
        fresh=True,
        there=True,
    ),
    Case(
        "iam_account_alias",
        {"account_alias": "contract-alias"},
        unchanged={"account_alias": "another alias takes the place of the one there is"},
        fresh=True,
    ),
    Case(
        "access_analyzer",
        {**HERE, "analyzer_name": "contract"},
        immutable={"type": "ACCOUNT_UNUSED_ACCESS"},
        unchanged={**OTHER_REGION, "analyzer_name": "its tags tell whose it is, its name which"},
        fresh=True,
    ),
    Case(
        "access_analyzer",
        {
            **HERE,
            "analyzer_name": "contract",
            "type": "ACCOUNT_UNUSED_ACCESS",
            "configuration": {"unused_access": {"unused_access_age": 90}},
        },
        mutable={"configuration": {"unused_access": {"unused_access_age": 45}}},
        immutable={"analyzer_name": "other"},
        fresh=True,
        label="unused",
    ),
    Case(
        "ssm_service_setting",
        {**HERE, "setting_id": "/ssm/documents/console/public-sharing-permission", "setting_value": "Disable"},
        mutable={"setting_value": "Enable"},
        unchanged={**OTHER_REGION, "setting_id": "another setting is another thing"},
        fresh=True,
        there=True,
    ),
    Case(
        "config_recorder",
        dict(RECORDER.properties),
        needs=(CONFIG, ROLE),
        mutable={
            "role_arn": Ref("iam_role.recorder", "arn"),
            "recording_group": {"all_supported": True, "include_global_resource_types": True},
            "recording_mode": {"recording_frequency": "DAILY"},
        },
        unchanged={**OTHER_REGION, "name": "AWS keeps one, and another name is refused while it is there"},
        fresh=True,
    ),
    Case(
        "config_delivery_channel",
        {**HERE, "configuration_recorder_name": Ref("config_recorder.own", "name"), "s3_bucket_name": BUCKET},
        needs=(CONFIG, RECORDER),
        mutable={
            "recording": False,
            "s3_bucket_name": "contract-config-other",
            "s3_key_prefix": "config",
            "s3_kms_key_arn": "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555",
            "sns_topic_arn": "arn:aws:sns:eu-central-1:123456789012:config",
            "delivery_frequency": "One_Hour",
        },
        unchanged={
            **OTHER_REGION,
            "name": "AWS keeps one, and another name is refused while it is there",
            "configuration_recorder_name": "AWS keeps one recorder",
        },
        fresh=True,
    ),
    Case(
        "budget",
        {"budget_name": "contract", "amount": 100, "notifications": [told(80, "a@example.com")]},
        mutable={
            "amount": 250.5,
            "unit": "EUR",
            "notifications": [told(80, "a@example.com", "b@example.com"), told(100, "a@example.com")],
        },
        immutable={"budget_name": "other", "time_unit": "QUARTERLY"},
    ),
]
