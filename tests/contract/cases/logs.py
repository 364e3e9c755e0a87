# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log groups."""

from __future__ import annotations

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from tests.contract.contract import Case

CASES = [
    Case(
        "log_group",
        {
            "log_group_name": "/contract/logs",
            "retention_in_days": 30,
            "kms_key_id": Ref("kms_key.one", "arn"),
            "log_group_class": "STANDARD",
        },
        needs=(Resource("kms_key", "one"), Resource("kms_key", "two")),
        mutable={"retention_in_days": 90, "kms_key_id": Ref("kms_key.two", "arn")},
        immutable={"log_group_name": "/contract/logs-2", "log_group_class": "INFREQUENT_ACCESS"},
    ),
]
