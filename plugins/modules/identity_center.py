#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: identity_center
short_description: Manage who may do what in which account, by IAM Identity Center
version_added: 0.1.0
description:
  - Declares the groups and permission sets of the organization's IAM Identity Center, and which group has which
    permission set in which accounts, as one stack named C(identity-center).
  - Acts in the management account, or in an account to which Identity Center is delegated. What is assigned in the
    management account can be changed from there only.
  - Identity Center itself is enabled by a person, in the console of the management account. No API can. While it isn't,
    a plan is complete and says so, and an apply is refused.
  - Permission sets are managed whole. Who has one of them and isn't declared loses it. A change reaches the accounts at
    once, and is awaited there.
  - People are never created. Groups are neither, where an identity provider brings them; see O(identity_source).
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.stack
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  identity_source:
    description:
      - V(internal) makes the groups here, in Identity Center's own directory.
      - V(external) looks groups up that an identity provider brings by SCIM. They are neither made nor changed.
    type: str
    choices: [internal, external]
    default: internal
  groups:
    description:
      - The groups. Those of others are left alone.
      - Groups carry no tags. Which stack one belongs to stands at the end of its description.
      - With O(identity_source=external) only those that no assignment names have to be listed, if they shall be there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the group. Unique whatever its case.
        type: str
        required: true
      description:
        description: Who belongs into it.
        type: str
        default: ''
      members:
        description:
          - The user names of all who are in it. Whoever else is in it is taken out.
          - Left alone when not given. Users have to be there.
        type: list
        elements: str
  permission_sets:
    description: The permission sets. Those of others are left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name of the permission set. Accounts get a role of it, C(AWSReservedSSO_NAME_SUFFIX), whose suffix is AWS's.
        type: str
        required: true
      description:
        description: What it is for.
        type: str
        default: ''
      session_duration:
        description: How long a session lasts, from V(PT1H) to V(PT12H).
        type: str
        default: PT1H
      relay_state:
        description: The page of the console that a session begins with.
        type: str
        default: ''
      managed_policies:
        description: AWS managed policies, by name (with its path, as in V(job-function/ViewOnlyAccess)) or ARN.
        type: list
        elements: str
        default: []
      customer_managed_policies:
        description: Policies that each account has to have before the permission set is assigned there.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the policy.
            type: str
            required: true
          path:
            description: Its path.
            type: str
            default: /
      inline_policy:
        description: A policy of its own, as a dictionary or as JSON text.
        type: raw
      permissions_boundary:
        description: What nobody who has it may go beyond. One of the two.
        type: dict
        suboptions:
          managed_policy:
            description: An AWS managed policy, by name or ARN.
            type: str
          customer_managed_policy:
            description: A policy that each account has to have.
            type: dict
            suboptions:
              name:
                description: Name of the policy.
                type: str
                required: true
              path:
                description: Its path.
                type: str
                default: /
      tags:
        description: Tags of the permission set, beside O(tags). Roles in accounts don't get them.
        type: dict
        default: {}
  assignments:
    description: Which group has which permission set where. Each pair once.
    type: list
    elements: dict
    default: []
    suboptions:
      group:
        description: Name of the group.
        type: str
        required: true
      permission_set:
        description: Name of the permission set, one of O(permission_sets).
        type: str
        required: true
      targets:
        description:
          - Names of accounts, paths of organizational units such as V(Workloads/Prod) with all below, or V(all).
          - New accounts of a unit get it with the next run, closed ones don't count.
          - For a delegated administrator V(all) leaves the management account out.
        type: list
        elements: str
        required: true
  accounts:
    description:
      - The names of the organization's accounts, where they are known. With O(organizational_units), a target that is
        none of them is refused before AWS is asked.
    type: list
    elements: str
  organizational_units:
    description: The paths of the organization's units, where they are known; see O(accounts).
    type: list
    elements: str
seealso:
  - name: Delegated administration
    description: What a delegated administrator can't do.
    link: https://docs.aws.amazon.com/singlesignon/latest/userguide/delegated-admin.html
  - name: Referencing permission sets
    description: What the roles in accounts are named.
    link: https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html
"""

EXAMPLES = r"""
- name: Developers work in dev and look on in prod
  innovate.platform.identity_center:
    groups:
      - {name: developers, description: Those who write the product, members: [ada, grace]}
    permission_sets:
      - name: Developer
        session_duration: PT8H
        managed_policies: [PowerUserAccess]
      - name: ReadOnly
        session_duration: PT8H
        managed_policies: [ReadOnlyAccess]
    assignments:
      - {group: developers, permission_set: Developer, targets: [dev]}
      - {group: developers, permission_set: ReadOnly, targets: [Workloads/Prod]}
    region: eu-central-1

- name: The same with groups that an identity provider brings
  innovate.platform.identity_center:
    identity_source: external
    permission_sets:
      - name: Auditor
        managed_policies: [SecurityAudit, job-function/ViewOnlyAccess]
    assignments:
      - {group: aws-auditors, permission_set: Auditor, targets: [all]}
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
      address: permission_set.ReadOnly
      kind: permission_set
      id: null
      changed: []
      forced_by: []
      reason: ""
stack:
  description: Name of the stack.
  returned: success
  type: str
  sample: identity-center
account:
  description: Where the stack is. The ID is null while the account isn't there.
  returned: success
  type: dict
  sample: {name: management, id: "111111111111", region: eu-central-1, organization: o-a1b2c3d4e5}
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
instance_arn:
  description: ARN of the organization's Identity Center; null while it isn't enabled.
  returned: success
  type: str
  sample: arn:aws:sso:::instance/ssoins-1234567890abcdef
identity_store_id:
  description: Id of the identity store with its users and groups.
  returned: success
  type: str
  sample: d-1234567890
group_ids:
  description: Ids of the groups by their names.
  returned: success
  type: dict
  sample: {developers: 12345678-1234-1234-1234-123456789012}
permission_set_arns:
  description: ARNs of the permission sets by their names.
  returned: success
  type: dict
  sample: {ReadOnly: arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-1234567890abcdef}
role_names:
  description:
    - Patterns of the names that roles of the permission sets have in accounts, by the permission sets' names. The
      look-up C(iam_role_lookup), and access entries of M(innovate.platform.eks_cluster), find a role by it.
  returned: success
  type: dict
  sample: {ReadOnly: AWSReservedSSO_ReadOnly_*}
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._identity_center.center import (
    STACK,
    Assignment,
    Center,
    Group,
    PermissionSet,
    identity_center_resources,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.account_assignment import AccountAssignment
from ansible_collections.innovate.platform.plugins.module_utils._kinds.identity_center_lookup import (
    IdentityCenterLookup,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.identity_store_group import IdentityStoreGroup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.identity_store_group_lookup import (
    IdentityStoreGroupLookup,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.organization_accounts_lookup import (
    OrganizationAccountsLookup,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.permission_set import (
    PermissionSet as PermissionSetKind,
)
from ansible_collections.innovate.platform.plugins.module_utils._run.stack import STACK_ARGUMENTS, Stack, run_stack

KINDS = (
    IdentityCenterLookup,
    IdentityStoreGroup,
    IdentityStoreGroupLookup,
    OrganizationAccountsLookup,
    PermissionSetKind,
    AccountAssignment,
)
POLICY: dict[str, Any] = {"name": {"type": "str", "required": True}, "path": {"type": "str", "default": "/"}}
GROUPS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "description": {"type": "str", "default": ""},
        "members": {"type": "list", "elements": "str"},
    },
}
PERMISSION_SETS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "description": {"type": "str", "default": ""},
        "session_duration": {"type": "str", "default": "PT1H"},
        "relay_state": {"type": "str", "default": ""},
        "managed_policies": {"type": "list", "elements": "str", "default": []},
        "customer_managed_policies": {"type": "list", "elements": "dict", "default": [], "options": POLICY},
        "inline_policy": {"type": "raw"},
        "permissions_boundary": {
            "type": "dict",
            "options": {
                "managed_policy": {"type": "str"},
                "customer_managed_policy": {"type": "dict", "options": POLICY},
            },
        },
        "tags": {"type": "dict", "default": {}},
    },
}
ASSIGNMENTS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "group": {"type": "str", "required": True},
        "permission_set": {"type": "str", "required": True},
        "targets": {"type": "list", "elements": "str", "required": True},
    },
}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "identity_source": {"type": "str", "choices": ["internal", "external"], "default": "internal"},
            "groups": GROUPS,
            "permission_sets": PERMISSION_SETS,
            "assignments": ASSIGNMENTS,
            "accounts": {"type": "list", "elements": "str"},
            "organizational_units": {"type": "list", "elements": "str"},
            **STACK_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    params = module.params
    center = Center(
        groups=[Group(**item) for item in params["groups"]],
        permission_sets=[PermissionSet(**item) for item in params["permission_sets"]],
        assignments=[Assignment(**item) for item in params["assignments"]],
        source=params["identity_source"],
        accounts=params["accounts"],
        units=params["organizational_units"],
    )
    resources, problems, outputs = identity_center_resources(center)
    run_stack(module, Stack(STACK, resources, problems, outputs), KINDS)


if __name__ == "__main__":
    main()
