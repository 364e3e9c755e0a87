#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: security
short_description: Delegate security services, and switch them on for a whole organization
version_added: 0.2.0
description:
  - With O(part=delegation) says, in the management account, which account administers CloudTrail and GuardDuty, as a
    stack named C(security-delegation). Only the management account can. GuardDuty asks in each Region.
  - With O(part=services) declares, in that account, the organization's trail and GuardDuty in all Regions, as a stack
    named C(security). Accounts that are created later are covered as well.
  - The trail belongs to the management account, whoever makes it. Bucket and key are those of
    M(innovate.platform.log_archive).
  - A Region that isn't in O(regions) any more is left as it is. Take GuardDuty down there with O(state=absent) and that
    Region alone.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.stack
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  part:
    description: What is declared; each is for another account.
    type: str
    choices: [delegation, services]
    required: true
  regions:
    description: The Regions in use. The Region of the module, among them, is the home of the trail.
    type: list
    elements: str
    required: true
  services:
    description: The services that are delegated and switched on.
    type: list
    elements: str
    default: [cloudtrail, guardduty]
  administrator_account:
    description: With O(part=delegation), name of the account that the services are delegated to.
    type: str
    default: ''
  trail:
    description: The organization's trail, of all Regions and accounts, whose files are encrypted and validated.
    type: dict
    default: {}
    suboptions:
      name:
        description: Its name.
        type: str
        default: organization
      bucket:
        description: The log archive's bucket for it.
        type: str
        default: ''
      key_alias:
        description: The alias of the log archive's key.
        type: str
        default: ''
      insights:
        description: The unusual activity that is looked for, V(call_rate) and V(error_rate).
        type: list
        elements: str
        default: [call_rate, error_rate]
      data_events:
        description: Of which services' content reads and writes are recorded, V(s3), V(lambda), V(dynamodb). They cost.
        type: list
        elements: str
        default: []
  guardduty:
    description: GuardDuty in the account of the administrator and in all others.
    type: dict
    default: {}
    suboptions:
      members:
        description: Whether V(all) accounts have it, V(new) ones only, or V(none) but the administrator's.
        type: str
        default: all
      protections:
        description:
          - What it looks at beside its foundation, V(s3), V(eks) (audit logs), V(rds) (logins), V(malware), V(lambda),
            V(runtime) (with its agents). What isn't listed is switched off.
        type: list
        elements: str
        default: [s3, eks, rds, malware, runtime]
      frequency:
        description: How often findings that go on are told again.
        type: str
        choices: [FIFTEEN_MINUTES, ONE_HOUR, SIX_HOURS]
        default: FIFTEEN_MINUTES
seealso:
  - module: innovate.platform.log_archive
  - name: Delegated administrator of CloudTrail
    description: What it may do, and who owns the trail.
    link: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-delegated-administrator.html
  - name: GuardDuty for an organization
    description: Who says what in which Region.
    link: https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_organizations.html
"""

EXAMPLES = r"""
- name: Delegate, in the management account
  innovate.platform.security:
    part: delegation
    administrator_account: security
    regions: [eu-central-1, eu-west-1, us-east-1]
    region: eu-central-1

- name: Switch on, in the security account
  innovate.platform.security:
    part: services
    regions: [eu-central-1, eu-west-1, us-east-1]
    trail: {bucket: example-com-logs-cloudtrail, key_alias: alias/example-com-logs}
    guardduty: {protections: [s3, eks, rds, malware, runtime, lambda]}
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
      address: guardduty_detector.eu-central-1
      kind: guardduty_detector
      id: null
      changed: []
      forced_by: []
      reason: ""
stack:
  description: Name of the stack.
  returned: success
  type: str
  sample: security
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
trail_arn:
  description: ARN of the trail; null in a plan while it isn't there.
  returned: with O(part=services)
  type: str
  sample: arn:aws:cloudtrail:eu-central-1:222222222222:trail/organization
detector_ids:
  description: Ids of the detectors by Region.
  returned: with O(part=services)
  type: dict
  sample: {eu-central-1: 12abc34d567e8fa901bc2d34e56789f0}
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._kinds._regional import regional
from ansible_collections.innovate.platform.plugins.module_utils._kinds.cloudtrail_trail import CloudtrailTrail
from ansible_collections.innovate.platform.plugins.module_utils._kinds.guardduty_detector import GuarddutyDetector
from ansible_collections.innovate.platform.plugins.module_utils._kinds.guardduty_organization_configuration import (
    GuarddutyOrganizationConfiguration,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.kms_alias_lookup import KmsAliasLookup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.organization_accounts_lookup import (
    OrganizationAccountsLookup,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.organization_lookup import OrganizationLookup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.service_organization_admin import (
    ServiceOrganizationAdmin,
)
from ansible_collections.innovate.platform.plugins.module_utils._run.stack import STACK_ARGUMENTS, Stack, run_stack
from ansible_collections.innovate.platform.plugins.module_utils._security.services import (
    GuardDuty,
    Security,
    Trail,
    security_resources,
)

DELEGATION = (OrganizationAccountsLookup, regional(ServiceOrganizationAdmin))
SERVICES = (
    OrganizationLookup,
    KmsAliasLookup,
    CloudtrailTrail,
    regional(GuarddutyDetector),
    regional(GuarddutyOrganizationConfiguration),
)
TRAIL: dict[str, Any] = {
    "name": {"type": "str", "default": "organization"},
    "bucket": {"type": "str", "default": ""},
    "key_alias": {"type": "str", "default": "", "no_log": False},
    "insights": {"type": "list", "elements": "str", "default": ["call_rate", "error_rate"]},
    "data_events": {"type": "list", "elements": "str", "default": []},
}
GUARDDUTY: dict[str, Any] = {
    "members": {"type": "str", "default": "all"},
    "protections": {"type": "list", "elements": "str", "default": ["s3", "eks", "rds", "malware", "runtime"]},
    "frequency": {
        "type": "str",
        "choices": ["FIFTEEN_MINUTES", "ONE_HOUR", "SIX_HOURS"],
        "default": "FIFTEEN_MINUTES",
    },
}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "part": {"type": "str", "choices": ["delegation", "services"], "required": True},
            "regions": {"type": "list", "elements": "str", "required": True},
            "services": {"type": "list", "elements": "str", "default": ["cloudtrail", "guardduty"]},
            "administrator_account": {"type": "str", "default": ""},
            "trail": {"type": "dict", "default": {}, "options": TRAIL},
            "guardduty": {"type": "dict", "default": {}, "options": GUARDDUTY},
            **STACK_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    params = module.params
    security = Security(
        part=params["part"],
        region=module.region or "",
        regions=params["regions"],
        administrator=params["administrator_account"],
        services=params["services"],
        trail=Trail(**params["trail"]),
        guardduty=GuardDuty(**params["guardduty"]),
    )
    resources, problems, outputs = security_resources(security)
    kinds = DELEGATION if security.part == "delegation" else SERVICES
    run_stack(module, Stack(security.stack, resources, problems, outputs), kinds)


if __name__ == "__main__":
    main()
