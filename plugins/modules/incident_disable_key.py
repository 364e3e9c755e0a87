#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: incident_disable_key
short_description: Disable an access key, a KMS key or a secret
version_added: 0.1.0
description:
  - Makes an access key inactive, disables a KMS key, or denies everybody to read a secret of Secrets Manager.
  - Name one of them.
  - With O(state=absent) it can be used again, if it could be before.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.incident
  - innovate.platform.account
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  access_key_id:
    description: ID of an access key of a user of the account.
    type: str
    default: ""
  kms_key:
    description: ID, ARN or alias of a KMS key of the account.
    type: str
    default: ""
  secret:
    description: Name or ARN of a secret of the account. Its value is not read.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Make an access key inactive
  innovate.platform.incident_disable_key:
    incident: INC-2026-014
    access_key_id: AKIAIOSFODNN7EXAMPLE
    account_name: dev
    region: eu-central-1

- name: Disable a KMS key
  innovate.platform.incident_disable_key:
    incident: INC-2026-014
    kms_key: alias/payments
    account_name: dev
    region: eu-central-1
"""

RETURN = r"""
steps:
  description: What was done, a sentence each and in its order; in check mode what would be done.
  returned: always
  type: list
  elements: str
  sample: [make the access key AKIAIOSFODNN7EXAMPLE of user ci Inactive]
notes:
  description: What the person should know beside.
  returned: always
  type: list
  elements: str
record:
  description: Name of the SSM parameter that says what was done and how it was before.
  returned: success
  type: str
  sample: /innovate/incidents/INC-2026-014/disable-key/AKIAIOSFODNN7EXAMPLE
problems:
  description: Every mistake or refusal, a sentence each.
  returned: on failure
  type: list
  elements: str
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._incident.keys import DisableKey
from ansible_collections.innovate.platform.plugins.module_utils._run.incident import INCIDENT_ARGUMENTS, run_incident

ARGUMENTS = {
    "access_key_id": {"type": "str", "default": "", "no_log": False},
    "kms_key": {"type": "str", "default": "", "no_log": False},
    "secret": {"type": "str", "default": "", "no_log": False},
    **INCIDENT_ARGUMENTS,
}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    act = DisableKey(params["access_key_id"], params["kms_key"], params["secret"])
    run_incident(module, lambda _open: act)


if __name__ == "__main__":
    main()
