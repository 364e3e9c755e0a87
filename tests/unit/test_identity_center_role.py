# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role declares unless it is told otherwise: who gets how far, and of what people are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.events.models import EventPattern

from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._identity_center.center import (
    Assignment,
    Center,
    Group,
    PermissionSet,
    identity_center_resources,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.permission_set import seconds
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS

ROLE = Path(__file__).parents[2] / "roles" / "identity_center"
DEFAULTS = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
CENTER = Center(
    groups=[Group(**item) for item in DEFAULTS["identity_center_groups"]],
    permission_sets=[PermissionSet(**item) for item in DEFAULTS["identity_center_permission_sets"]],
    assignments=[Assignment(**item) for item in DEFAULTS["identity_center_assignments"]],
)
SETS = {item.name: item for item in CENTER.permission_sets}


def of(group: str, account: str) -> list[PermissionSet]:
    """Return what a group may in an account."""
    return [
        SETS[item.permission_set]
        for item in CENTER.assignments
        if item.group == group and ({account, "all"} & {*item.targets})
    ]


def test_the_defaults_are_a_good_declaration() -> None:
    resources, problems, _outputs = identity_center_resources(CENTER)
    assert [*problems, *validate(resources, KINDS)] == []


def test_developers_work_in_dev_look_on_in_stage_and_have_only_an_emergency_in_prod() -> None:
    assert [item.managed_policies for item in of("developers", "dev")] == [["PowerUserAccess"]]
    assert [item.managed_policies for item in of("developers", "stage")] == [["ReadOnlyAccess"]]
    (emergency,) = of("developers", "prod")
    assert seconds(emergency.session_duration) == 3600
    assert [emergency.name] == DEFAULTS["identity_center_alert_permission_sets"]


def test_auditors_see_settings_and_no_data() -> None:
    (auditor,) = of("auditors", "prod")
    assert set(auditor.managed_policies) == {"SecurityAudit", "job-function/ViewOnlyAccess"}


def event(role: str, **changes: Any) -> dict[str, Any]:
    """Return what EventBridge is told when somebody gets into an account from the access portal.

    The members are those of CloudTrail's events of Identity Center
    (https://docs.aws.amazon.com/singlesignon/latest/userguide/logging-using-cloudtrail.html).
    """
    detail = {
        "userIdentity": {"type": "IdentityCenterUser", "accountId": "123456789012"},
        "eventSource": "sso.amazonaws.com",
        "eventName": "GetRoleCredentials",
        "readOnly": True,
        "eventType": "AwsServiceEvent",
        "serviceEventDetails": {"role_name": role, "account_id": "210987654321"},
        **changes,
    }
    return {"source": "aws.sso", "detail-type": "AWS Service Event via CloudTrail", "detail": detail}


@pytest.mark.parametrize(
    ("told", "happened"),
    [
        (True, event("BreakGlass")),
        (True, event("BreakGlass", eventSource="signin.amazonaws.com", eventName="Federate")),
        (False, event("ReadOnly")),
        (False, event("BreakGlass", eventName="ListAccountRoles")),
    ],
)
def test_each_use_of_what_is_for_emergencies_is_told(told: bool, happened: dict[str, Any]) -> None:
    tasks = yaml.safe_load((ROLE / "tasks" / "main.yml").read_text())
    properties = tasks[1]["innovate.platform.resources"]["resources"][0]["properties"]
    pattern = properties["event_pattern"]
    sets = DEFAULTS["identity_center_alert_permission_sets"]
    pattern["detail"]["serviceEventDetails"]["role_name"] = sets
    assert EventPattern(None, pattern).matches_event(happened) == told
    # Rules in the state ENABLED aren't told of what only reads, as this does.
    assert properties["state"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
