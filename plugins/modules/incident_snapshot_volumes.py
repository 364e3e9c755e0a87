#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: incident_snapshot_volumes
short_description: Keep what the volumes of an instance hold in the security account
version_added: 0.1.0
description:
  - Takes snapshots of all EBS volumes of an instance at one moment, shares them with the security account as long as it
    takes to copy them there under a key of that account, and tags the copies with the case, where they come from, who
    took them and when.
  - With O(state=absent) the snapshots in the instance's account are deleted. The copies are evidence and stay.
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
  security_account_name:
    description: Name, in the organization, of the account that keeps the copies.
    type: str
    default: security
  evidence_key:
    description:
      - KMS key of the security account that the copies are encrypted with, by alias, ID or ARN.
      - An alias that isn't there is made, with its key.
    type: str
    default: alias/innovate-forensics
  transfer_key:
    description:
      - KMS key of the instance's account, needed where a volume is encrypted with AWS's own key (C(alias/aws/ebs)).
        Snapshots under that can't be shared. They are copied under this key first.
    type: str
    default: ""
  timeout:
    description: Seconds for which snapshots, then copies, are waited for. What isn't complete then goes on by itself.
    type: int
    default: 7200
"""

EXAMPLES = r"""
- name: Keep what the volumes of an instance of dev hold
  innovate.platform.incident_snapshot_volumes:
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
  sample: [snapshot vol-0a1b2c3d4e5f67890 (/dev/xvda) of i-0a1b2c3d4e5f67890 at one moment]
notes:
  description: What the person should know beside.
  returned: always
  type: list
  elements: str
record:
  description: Name of the SSM parameter that says what was done and how it was before.
  returned: success
  type: str
  sample: /innovate/incidents/INC-2026-014/snapshot-volumes/i-0a1b2c3d4e5f67890
problems:
  description: Every mistake or refusal, a sentence each.
  returned: on failure
  type: list
  elements: str
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._incident.volumes import SnapshotVolumes
from ansible_collections.innovate.platform.plugins.module_utils._run.incident import INCIDENT_ARGUMENTS, run_incident

ARGUMENTS = {
    "instance_id": {"type": "str", "default": ""},
    "security_account_name": {"type": "str", "default": "security"},
    "evidence_key": {"type": "str", "default": "alias/innovate-forensics", "no_log": False},
    "transfer_key": {"type": "str", "default": "", "no_log": False},
    "timeout": {"type": "int", "default": 7200},
    **INCIDENT_ARGUMENTS,
}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    run_incident(
        module,
        lambda open_account: SnapshotVolumes(
            params["instance_id"],
            lambda: open_account(params["security_account_name"]),
            params["evidence_key"],
            params["transfer_key"],
            params["timeout"],
        ),
    )


if __name__ == "__main__":
    main()
