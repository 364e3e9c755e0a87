#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: drift_info
short_description: Find what carries the tags of stacks in an account, and who changed what
version_added: 0.1.0
description:
  - Lists everything that carries the tags of a stack in an account, by the tagging API and, for IAM, by path, and
    returns what none of the stacks planned before in the same run knows.
  - Asks CloudTrail's event history, where it may, who changed what differs from its declaration, and when.
  - It belongs between plans of stacks (check mode) and M(innovate.platform.drift_report), as in C(playbooks/drift.yml).
    The plans are gathered by the callback P(innovate.platform.plan#callback).
  - It changes nothing.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.account
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  host:
    description: Whose plans count, by the name in the inventory.
    type: str
    required: true
  events:
    description:
      - Whether CloudTrail is asked. It answers two questions a second and keeps 90 days.
      - What can't be asked (no permission, no answer) is said in RV(notes) and fails nothing.
    type: bool
    default: true
  tags:
    description: Accepted so that defaults of the action group reach this module, and not used.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: It only reads.
"""

EXAMPLES = r"""
- name: Find what nobody declares, and who changed what
  innovate.platform.drift_info:
    host: "{{ inventory_hostname }}"
    account_name: dev
    region: eu-central-1
  register: found
"""

RETURN = r"""
account:
  description: Where it looked. The ID is null while the account isn't there.
  returned: success
  type: dict
  sample: {name: dev, id: "111111111111", region: eu-central-1, organization: o-a1b2c3d4e5}
host:
  description: As given.
  returned: success
  type: str
  sample: dev
tagged:
  description: What carries tags of a stack, or is under its path in IAM, and is in no plan of this run.
  returned: success
  type: list
  elements: dict
  sample:
    - arn: arn:aws:sqs:eu-central-1:111111111111:jobs
      type: sqs
      stack: resources-jobs
      address: sqs_queue.jobs
      by: tags
events:
  description: The last changes, by C(stack/address), or C(stack/ARN) of what has no address.
  returned: success
  type: dict
  sample:
    vpc-dev/security_group.endpoints:
      - {event: AuthorizeSecurityGroupIngress, who: "ann (role Administrator)", time: "2026-11-22T21:04:11Z"}
notes:
  description: What couldn't be asked, and what was left out, a sentence each.
  returned: success
  type: list
  elements: str
"""

import json
import os
from pathlib import Path
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._drift.findings import unknown_to, wanted_events
from ansible_collections.innovate.platform.plugins.module_utils._drift.tagged import still_there, tagged
from ansible_collections.innovate.platform.plugins.module_utils._drift.trail import look_up
from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError, message
from ansible_collections.innovate.platform.plugins.module_utils._run.account import (
    ACCOUNT_ARGUMENTS,
    open_account,
    problems_of,
)


def plans_of(host: str) -> list[dict[str, Any]]:
    """Return what was planned for a host in this run."""
    path = Path(os.environ.get("INNOVATE_PLATFORM_RUN", ""), "plan.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [plan for plan in map(json.loads, lines) if plan["host"] == host]


def survey(module: AnsibleAWSModule) -> dict[str, Any]:
    """Look into the account."""
    params = module.params
    problems = problems_of(params)
    if problems:
        raise EngineError(problems)
    account = open_account(module)
    result: dict[str, Any] = {"host": params["host"], "account": account.described()}
    if account.session is None:
        return {**result, "tagged": [], "events": {}, "notes": ["The account doesn't exist yet."]}
    plans = plans_of(params["host"])
    there, notes = still_there(account.session, unknown_to(plans, tagged(account.session)))
    events = {}
    wanted = wanted_events(plans, there)
    if params["events"] and wanted:
        found = look_up(account.session, wanted)
        events, notes = found.events, [*notes, *found.notes]
    return {**result, "tagged": there, "events": events, "notes": notes}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "events": {"type": "bool", "default": True},
            "tags": {"type": "dict", "default": {}},
            **ACCOUNT_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    try:
        result = survey(module)
    except EngineError as error:
        module.fail_json(msg=message(error.problems), problems=error.problems)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
