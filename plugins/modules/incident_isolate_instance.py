#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: incident_isolate_instance
short_description: Isolate an instance, and keep it as it is
version_added: 0.1.0
description:
  - Protects an EC2 instance from termination and keeps its volumes, detaches it from its Auto Scaling group, moves all
    its network interfaces into a security group without rules, denies all to the credentials that it has from its
    role, takes it out of target groups, and tags it with the case.
  - With O(state=absent) it gets back what it had, but for the Auto Scaling group, which has another instance by then.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.incident
  - innovate.platform.account
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  instance_id:
    description: ID of the instance.
    type: str
    default: ""
  cut_connections:
    description:
      - Whether connections that exist are ended. They are tracked, and would outlive the change of groups, so the
        interfaces go by way of a group that lets everything in and out, for the second or two between two calls.
      - Connections that AWS always tracks, such as those through NAT gateways and Network Load Balancers, end when they
        are idle.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Isolate an instance of dev
  innovate.platform.incident_isolate_instance:
    incident: INC-2026-014
    instance_id: i-0a1b2c3d4e5f67890
    account_name: dev
    region: eu-central-1
"""

RETURN = r"""
steps:
  description: What was done, a sentence each and in its order; in check mode what would be done.
  returned: always
  type: list
  elements: str
  sample: [protect i-0a1b2c3d4e5f67890 from termination]
notes:
  description: What the person should know beside.
  returned: always
  type: list
  elements: str
record:
  description: Name of the SSM parameter that says what was done and how it was before.
  returned: success
  type: str
  sample: /innovate/incidents/INC-2026-014/isolate-instance/i-0a1b2c3d4e5f67890
problems:
  description: Every mistake or refusal, a sentence each.
  returned: on failure
  type: list
  elements: str
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._incident.instance import IsolateInstance
from ansible_collections.innovate.platform.plugins.module_utils._run.incident import INCIDENT_ARGUMENTS, run_incident

ARGUMENTS = {
    "instance_id": {"type": "str", "default": ""},
    "cut_connections": {"type": "bool", "default": True},
    **INCIDENT_ARGUMENTS,
}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    run_incident(module, lambda _open: IsolateInstance(params["instance_id"], params["cut_connections"]))


if __name__ == "__main__":
    main()
