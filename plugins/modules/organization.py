#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: organization
short_description: Manage an AWS organization with its units, accounts and policies
version_added: 0.1.0
description:
  - Declares an AWS organization, its organizational units, its member accounts, the policy types enabled in it,
    policies and where they are attached, as one stack named C(organization).
  - Acts in the management account. An organization that this account manages already is taken as it is.
  - The plan (check mode) is complete also while there is no organization yet. New accounts are created side by side.
  - The organization itself is never deleted. Accounts are closed only when they are listed in O(allow_destroy); AWS
    keeps closed accounts, and their e-mail addresses, for 90 days.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.stack
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  organizational_units:
    description:
      - Paths of organizational units below the root, such as V(Workloads/Prod). Units above are implied.
      - AWS can't move a unit. Another path is another unit; accounts are moved, not lost.
    type: list
    elements: str
    default: []
  accounts:
    description:
      - The accounts. Accounts of the organization that aren't listed are left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the account, by which inventories and other modules find it.
        type: str
        required: true
      email:
        description:
          - The e-mail address of the account's root user, used by no other AWS account. Every member account needs one.
          - Not given for the management account, whose address AWS knows.
        type: str
        default: ''
      unit:
        description: Path of the unit it is in. Empty is the root. An account elsewhere is moved.
        type: str
        default: ''
      management:
        description: Whether this is the management account, which is placed and tagged, but neither created nor closed.
        type: bool
        default: false
      tags:
        description: Tags of this account, beside O(tags).
        type: dict
        default: {}
  account_role_name:
    description:
      - The role that AWS makes in new accounts, by which the management account gets into them; see
        O(access_role_name).
    type: str
    default: OrganizationAccountAccessRole
  policy_types:
    description:
      - The policy types enabled in the root, such as V(SERVICE_CONTROL_POLICY). All others are disabled, which detaches
        all their policies and therefore needs C(organization_root.main) in O(allow_destroy).
      - Left alone when not given.
    type: list
    elements: str
  trusted_services:
    description:
      - Service principals with trusted access, such as V(cloudtrail.amazonaws.com). All others lose it,
        which needs C(organization.main) in O(allow_destroy).
      - V(account.amazonaws.com) is needed to rename accounts.
      - Left alone when not given.
    type: list
    elements: str
  policies:
    description:
      - The policies. Places where one of them is attached beside its O(policies[].targets) lose it.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the policy.
        type: str
        required: true
      type:
        description: Type of the policy.
        type: str
        default: SERVICE_CONTROL_POLICY
      description:
        description: What it is for.
        type: str
        default: ''
      content:
        description:
          - The policy document, as a dictionary or as JSON text. Spaces don't count against AWS's limit on its size.
        type: raw
        required: true
      targets:
        description: What it is attached to. V(root), paths of units, names of accounts.
        type: list
        elements: str
        default: []
  guard_rails:
    description:
      - Groups of guard rails of the collection's library (docs/guard_rails.md), such as V(deny-root-user).
      - Those of a group are merged into as few policies as AWS's limits of their size allow, named after the group.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What its policies are called; the second one is called V(NAME-2).
        type: str
        required: true
      rails:
        description: Names of guard rails.
        type: list
        elements: str
        required: true
      targets:
        description: What they are attached to. V(root), paths of units, names of accounts.
        type: list
        elements: str
        required: true
  guard_rail_regions:
    description: The Regions that are in use, for V(allowed-regions).
    type: list
    elements: str
    default: []
  guard_rail_platform_roles:
    description:
      - Patterns of the ARNs of the roles that look after the platform. What they may do is up to their own policies.
    type: list
    elements: str
    default: []
seealso:
  - name: Organizing your AWS environment using multiple accounts
    description: AWS's own recommendations for units and accounts.
    link: https://docs.aws.amazon.com/whitepapers/latest/organizing-your-aws-environment/organizing-your-aws-environment.html
"""

EXAMPLES = r"""
- name: Plan an organization that doesn't exist yet
  innovate.platform.organization:
    organizational_units: [Security, Workloads/NonProd, Workloads/Prod]
    accounts:
      - {name: management, management: true}
      - {name: security, email: aws+security@example.com, unit: Security}
      - {name: prod, email: aws+prod@example.com, unit: Workloads/Prod, tags: {environment: prod}}
    policy_types: [SERVICE_CONTROL_POLICY, TAG_POLICY]
    policies:
      - name: stay
        description: No account leaves the organization by itself.
        content:
          Version: "2012-10-17"
          Statement:
            - {Effect: Deny, Action: organizations:LeaveOrganization, Resource: "*"}
        targets: [Security, Workloads]
    region: eu-central-1
  check_mode: true
  diff: true
"""

RETURN = r"""
changes:
  description: What changed, or in check mode would change, one item for each resource.
  returned: always
  type: list
  elements: dict
  sample:
    - action: create
      address: organizational_unit.Workloads/Prod
      kind: organizational_unit
      id: null
      changed: []
      forced_by: []
      reason: ""
stack:
  description: Name of the stack.
  returned: success
  type: str
  sample: vpc-dev
account:
  description: Where the stack is. The ID is null while the account isn't there.
  returned: success
  type: dict
  sample: {name: dev, id: "111111111111", region: eu-central-1, organization: o-a1b2c3d4e5}
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
organization_id:
  description: Id of the organization; null while it doesn't exist.
  returned: success
  type: str
  sample: o-exampleorgid
management_account_id:
  description: Id of the management account.
  returned: success
  type: str
  sample: "123456789012"
root_id:
  description: Id of the root.
  returned: success
  type: str
  sample: r-abcd
organizational_unit_ids:
  description: Ids of the units by their paths.
  returned: success
  type: dict
  sample: {Security: ou-abcd-11111111, Workloads: ou-abcd-22222222, Workloads/Prod: ou-abcd-33333333}
account_ids:
  description: Ids of the accounts by their names.
  returned: success
  type: dict
  sample: {management: "123456789012", prod: "210987654321"}
policy_ids:
  description: Ids of the policies by their names.
  returned: success
  type: dict
  sample: {stay: p-abcdefgh}
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._kinds.organization import Organization
from ansible_collections.innovate.platform.plugins.module_utils._kinds.organization_account import OrganizationAccount
from ansible_collections.innovate.platform.plugins.module_utils._kinds.organization_management_account import (
    OrganizationManagementAccount,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.organization_policy import OrganizationPolicy
from ansible_collections.innovate.platform.plugins.module_utils._kinds.organization_policy_attachment import (
    OrganizationPolicyAttachment,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.organization_root import OrganizationRoot
from ansible_collections.innovate.platform.plugins.module_utils._kinds.organizational_unit import OrganizationalUnit
from ansible_collections.innovate.platform.plugins.module_utils._organization.guard_rails import Group, Settings
from ansible_collections.innovate.platform.plugins.module_utils._organization.structure import (
    STACK,
    Account,
    Policy,
    Structure,
    organization_resources,
)
from ansible_collections.innovate.platform.plugins.module_utils._run.stack import STACK_ARGUMENTS, Stack, run_stack

KINDS = (
    Organization,
    OrganizationRoot,
    OrganizationalUnit,
    OrganizationManagementAccount,
    OrganizationAccount,
    OrganizationPolicy,
    OrganizationPolicyAttachment,
)
ACCOUNTS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "email": {"type": "str", "default": ""},
        "unit": {"type": "str", "default": ""},
        "management": {"type": "bool", "default": False},
        "tags": {"type": "dict", "default": {}},
    },
}
POLICIES: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "type": {"type": "str", "default": "SERVICE_CONTROL_POLICY"},
        "description": {"type": "str", "default": ""},
        "content": {"type": "raw", "required": True},
        "targets": {"type": "list", "elements": "str", "default": []},
    },
}
GROUPS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "rails": {"type": "list", "elements": "str", "required": True},
        "targets": {"type": "list", "elements": "str", "required": True},
    },
}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "organizational_units": {"type": "list", "elements": "str", "default": []},
            "accounts": ACCOUNTS,
            "account_role_name": {"type": "str", "default": "OrganizationAccountAccessRole"},
            "policy_types": {"type": "list", "elements": "str"},
            "trusted_services": {"type": "list", "elements": "str"},
            "policies": POLICIES,
            "guard_rails": GROUPS,
            "guard_rail_regions": {"type": "list", "elements": "str", "default": []},
            "guard_rail_platform_roles": {"type": "list", "elements": "str", "default": []},
            **STACK_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    params = module.params
    structure = Structure(
        units=params["organizational_units"],
        accounts=[Account(**item) for item in params["accounts"]],
        policies=[Policy(**item) for item in params["policies"]],
        policy_types=params["policy_types"],
        trusted_services=params["trusted_services"],
        account_role_name=params["account_role_name"],
        guard_rails=[Group(**item) for item in params["guard_rails"]],
        settings=Settings(params["guard_rail_regions"], params["guard_rail_platform_roles"]),
    )
    resources, problems, outputs = organization_resources(structure)
    run_stack(module, Stack(STACK, resources, problems, outputs), KINDS)


if __name__ == "__main__":
    main()
