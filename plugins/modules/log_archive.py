#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: log_archive
short_description: Manage the buckets that an organization keeps its logs in
version_added: 0.2.0
description:
  - Declares a KMS key with its alias and a bucket for each kind of logs, as one stack named C(log-archive).
  - Buckets are versioned, encrypted, closed to the public and to everything but TLS. Each lets in only the service that
    writes its logs, and that only for accounts of the organization. CloudTrail's lets in one trail only.
  - Objects go to Intelligent-Tiering and are deleted in the end. With object lock, what is retained can't be deleted
    before its time.
  - Load balancers write only into buckets with S3's own keys, so theirs has no key of ours.
  - Buckets are deleted only when they are empty, and listed in O(allow_destroy) as the key is.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.stack
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  name:
    description:
      - What the names of the buckets begin with, unique in the world, as in C(NAME-cloudtrail). WAF's is called
        C(aws-waf-logs-NAME). The key's alias is C(alias/NAME).
    type: str
    required: true
  logs:
    description: The kinds of logs that there are buckets for. C(flow) is VPCs' flow logs, C(dns) resolvers' queries.
    type: list
    elements: str
    default: [cloudtrail, config, flow, dns, waf, cloudfront, alb]
  trail_name:
    description: Name of the organization's trail. Its home is the Region of the archive.
    type: str
    default: organization
  object_lock:
    description: Whether objects can be locked. It can't be changed later without another bucket.
    type: bool
    default: true
  retention_mode:
    description: Whether a special permission ends a retention (V(GOVERNANCE)), or nothing does (V(COMPLIANCE)).
    type: str
    choices: [GOVERNANCE, COMPLIANCE]
    default: GOVERNANCE
  retention_days:
    description: For how many days new objects are retained; 0 for not at all.
    type: int
    default: 365
  retained_logs:
    description: The kinds of logs that are retained. AWS Config writes into no such bucket.
    type: list
    elements: str
    default: [cloudtrail]
  tiering_days:
    description: After how many days objects go to Intelligent-Tiering.
    type: int
    default: 30
  expiration_days:
    description: After how many days they are deleted; 0 for never. Seven years unless given.
    type: int
    default: 2557
  noncurrent_days:
    description: After how many days deleted and overwritten versions go.
    type: int
    default: 90
seealso:
  - name: Bucket policy for CloudTrail
    description: What an organization's trail needs.
    link: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
"""

EXAMPLES = r"""
- name: The log archive, in the security account
  innovate.platform.log_archive:
    name: example-com-logs
    account_name: security
    region: eu-central-1

- name: An archive without retention, for trying things out
  innovate.platform.log_archive:
    name: example-com-trial
    logs: [cloudtrail, flow]
    object_lock: false
    retention_days: 0
    account_name: security
    region: eu-central-1
"""

RETURN = r"""
changes:
  description: What changed, or in check mode would change, one item for each resource.
  returned: always
  type: list
  elements: dict
  sample:
    - action: create
      address: s3_bucket.cloudtrail
      kind: s3_bucket
      id: null
      changed: []
      forced_by: []
      reason: ""
stack:
  description: Name of the stack.
  returned: success
  type: str
  sample: log-archive
account:
  description: Where the stack is. The ID is null while the account isn't there.
  returned: success
  type: dict
  sample: {name: security, id: "111111111111", region: eu-central-1, organization: o-a1b2c3d4e5}
applied:
  description: Whether what is in RV(changes) was carried out; false in check mode.
  returned: success
  type: bool
awaits:
  description: Addresses of what an earlier run began and AWS isn't done with; nothing is to be changed there.
  returned: success
  type: list
  elements: str
billable:
  description: What decides the price of each resource that has one, as it is and as it will be, also where it stays.
  returned: success
  type: list
  elements: dict
  sample: [{address: nat_gateway.main, kind: nat_gateway, before: null, after: {}}]
preflight:
  description:
    - What M(innovate.platform.plan_gate) holds against the plans of other stacks and accounts, as lists of dictionaries
      (C(needs) of quotas, C(quotas) as they are and are used, C(ceilings) of NodePools, C(facts) such as ranges of
      addresses) and C(notes).
  returned: in check mode, where O(planning) isn't V(final)
  type: dict
problems:
  description: Every mistake or refusal, a sentence each.
  returned: on failure
  type: list
  elements: str
key_arn:
  description: ARN of the key; null in a plan while it isn't there.
  returned: success
  type: str
  sample: arn:aws:kms:eu-central-1:111111111111:key/12345678-1234-1234-1234-123456789012
buckets:
  description: Names of the buckets by the kind of logs.
  returned: success
  type: dict
  sample: {cloudtrail: example-com-logs-cloudtrail}
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._kinds.kms_alias import KmsAlias
from ansible_collections.innovate.platform.plugins.module_utils._kinds.kms_key import KmsKey
from ansible_collections.innovate.platform.plugins.module_utils._kinds.organization_lookup import OrganizationLookup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.s3_bucket import S3Bucket
from ansible_collections.innovate.platform.plugins.module_utils._run.stack import STACK_ARGUMENTS, Stack, run_stack
from ansible_collections.innovate.platform.plugins.module_utils._security.archive import (
    STACK,
    Archive,
    archive_resources,
)

KINDS = (OrganizationLookup, KmsKey, KmsAlias, S3Bucket)


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "logs": {
                "type": "list",
                "elements": "str",
                "default": ["cloudtrail", "config", "flow", "dns", "waf", "cloudfront", "alb"],
            },
            "trail_name": {"type": "str", "default": "organization"},
            "object_lock": {"type": "bool", "default": True},
            "retention_mode": {"type": "str", "choices": ["GOVERNANCE", "COMPLIANCE"], "default": "GOVERNANCE"},
            "retention_days": {"type": "int", "default": 365},
            "retained_logs": {"type": "list", "elements": "str", "default": ["cloudtrail"]},
            "tiering_days": {"type": "int", "default": 30},
            "expiration_days": {"type": "int", "default": 2557},
            "noncurrent_days": {"type": "int", "default": 90},
            **STACK_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    params = module.params
    same = ("name", "logs", "object_lock", "retention_mode", "retention_days", "tiering_days", "expiration_days")
    archive = Archive(
        region=module.region or "",
        trail=params["trail_name"],
        retained=params["retained_logs"],
        noncurrent_days=params["noncurrent_days"],
        **{name: params[name] for name in same},
    )
    resources, problems, outputs = archive_resources(archive)
    run_stack(module, Stack(STACK, resources, problems, outputs), KINDS)


if __name__ == "__main__":
    main()
