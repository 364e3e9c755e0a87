#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: incident_revoke_sessions
short_description: Revoke the sessions that a role has
version_added: 0.1.0
description:
  - Denies everything to the sessions of an IAM role that began before now, by the inline policy
    C(AWSRevokeOlderSessions), as IAM's console does. Sessions that begin later are as good as ever.
  - With O(state=absent) the policy is deleted, or put back as it was before.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.incident
  - innovate.platform.account
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  role_name:
    description: Name of the role.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Revoke the sessions of a role in dev
  innovate.platform.incident_revoke_sessions:
    incident: INC-2026-014
    role_name: payments
    account_name: dev
    region: eu-central-1
"""

RETURN = r"""
steps:
  description: What was done, a sentence each and in its order; in check mode what would be done.
  returned: always
  type: list
  elements: str
  sample: ["deny everything to the sessions of the role payments that began before 2026-11-23T03:44:00Z"]
notes:
  description: What the person should know beside.
  returned: always
  type: list
  elements: str
record:
  description: Name of the SSM parameter that says what was done and how it was before.
  returned: success
  type: str
  sample: /innovate/incidents/INC-2026-014/revoke-sessions/payments
problems:
  description: Every mistake or refusal, a sentence each.
  returned: on failure
  type: list
  elements: str
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._incident.sessions import RevokeSessions
from ansible_collections.innovate.platform.plugins.module_utils._run.incident import INCIDENT_ARGUMENTS, run_incident

ARGUMENTS = {
    "role_name": {"type": "str", "default": ""},
    **INCIDENT_ARGUMENTS,
}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    run_incident(module, lambda _open: RevokeSessions(params["role_name"]))


if __name__ == "__main__":
    main()
