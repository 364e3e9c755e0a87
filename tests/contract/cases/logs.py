# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log groups."""

from __future__ import annotations

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from tests.contract.contract import Case

# CloudWatch Logs uses a key only where the key's policy lets it
# (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html).
FOR_LOGS = {
    "policy": {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Effect": "Allow",
                "Principal": {"Service": "logs.eu-central-1.amazonaws.com"},
                "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
                "Resource": "*",
            },
        ],
    }
}

CASES = [
    Case(
        "log_group",
        {
            "log_group_name": "/contract/logs",
            "retention_in_days": 30,
            "kms_key_id": Ref("kms_key.one", "arn"),
            "log_group_class": "STANDARD",
        },
        needs=(Resource("kms_key", "one", FOR_LOGS), Resource("kms_key", "two", FOR_LOGS)),
        mutable={"retention_in_days": 90, "kms_key_id": Ref("kms_key.two", "arn")},
        immutable={"log_group_name": "/contract/logs-2", "log_group_class": "INFREQUENT_ACCESS"},
    ),
    Case(
        "log_group",
        {"log_group_name": "/contract/plain", "retention_in_days": 30},
        needs=(Resource("kms_key", "one", FOR_LOGS),),
        # A key that isn't declared is taken off.
        mutable={"kms_key_id": Ref("kms_key.one", "arn")},
        label="plain",
    ),
]
