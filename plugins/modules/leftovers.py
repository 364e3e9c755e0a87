#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: leftovers
short_description: Tell what is left in an account after a teardown
version_added: 0.2.0
description:
  - Lists what is in an account, in one Region and in IAM, and tells apart what the platform keeps on purpose (it holds
    data, or AWS takes its time to delete it), what it has leaked, and what isn't the platform's.
  - It asks every kind of this collection for every stack that anything says it belongs to, the tagging API, and each
    service by itself for what bears no tags or was made by controllers in a cluster, such as network interfaces,
    volumes, snapshots, load balancers and their target groups, instances, log groups and instance profiles.
  - What AWS puts into every account is left out, such as the default VPC and service-linked roles.
  - It changes nothing. It takes about two hundred calls that read, with one stack about eighty.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.account
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  stacks:
    description: Names of stacks to ask for beside those that are found, such as V(vpc-dev).
    type: list
    elements: str
    default: []
  keep_stacks:
    description:
      - Names of stacks, or patterns of names, that are meant to be there, such as those that belong to the account
        rather than to an environment. What they own is among RV(kept).
    type: list
    elements: str
    default: []
  fail_on_leaked:
    description: Whether to fail when something has leaked. The lists are returned in either case.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: It never changes anything.
notes:
  - AWS is spoken to from where the module runs; with an C(ansible_connection) of V(local) that is the controller.
  - Nothing is left in an account that isn't there.
  - Other Regions than O(region) are not looked at.
"""

EXAMPLES = r"""
- name: See what is left in dev
  innovate.platform.leftovers:
    account_name: dev
    region: eu-central-1
  register: left

- name: Fail if something has leaked
  innovate.platform.leftovers:
    account_name: dev
    region: eu-central-1
    fail_on_leaked: true
"""

RETURN = r"""
kept:
  description:
    - What is the platform's and meant to stay, with the reason. Its C(properties) decide what it costs, null if
      nothing.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: db_snapshot
      id: dev-final-db-abcdefghijklmnopqrstuvwxyz
      name: dev-final-db-abcdefghijklmnopqrstuvwxyz
      stack: postgres-dev
      address: db_instance.main
      reason: it is what is left of the data of database dev, as of 2026-11-22
      properties: {allocated_storage: 20}
leaked:
  description: What is the platform's and should be gone, with what says so.
  returned: always
  type: list
  elements: dict
  sample: []
others:
  description: What nothing says is the platform's.
  returned: always
  type: list
  elements: dict
  sample: []
problems:
  description: A sentence for each thing that has leaked.
  returned: on failure
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError, message
from ansible_collections.innovate.platform.plugins.module_utils._leftovers.judgement import Left
from ansible_collections.innovate.platform.plugins.module_utils._leftovers.survey import survey
from ansible_collections.innovate.platform.plugins.module_utils._run.account import (
    ACCOUNT_ARGUMENTS,
    open_account,
    problems_of,
)

ARGUMENTS = {
    "stacks": {"type": "list", "elements": "str", "default": []},
    "keep_stacks": {"type": "list", "elements": "str", "default": []},
    "fail_on_leaked": {"type": "bool", "default": False},
    **ACCOUNT_ARGUMENTS,
}


def left_in(module: AnsibleAWSModule) -> Left:
    """Return what is left in the account."""
    problems = problems_of(module.params)
    if problems:
        raise EngineError(problems)
    account = open_account(module)
    if account.session is None:
        return Left()
    params = module.params
    return survey(account.session, params["stacks"], params["access_role_name"], params["keep_stacks"])


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    lists: dict[str, Any] = {}
    try:
        left = left_in(module)
        lists = {"kept": left.kept, "leaked": left.leaked, "others": left.others}
        problems = [f"{row['kind']} {row['name']} ({row['id']}) is left: {row['reason']}" for row in left.leaked]
        failed = bool(problems) and module.params["fail_on_leaked"]
    except EngineError as error:
        problems = list(dict.fromkeys(error.problems))
        failed = True
    if failed:
        module.fail_json(msg=message(problems), problems=problems, **lists)
    module.exit_json(changed=False, **lists)


if __name__ == "__main__":
    main()
